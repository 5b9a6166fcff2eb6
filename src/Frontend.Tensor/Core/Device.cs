namespace Picograd;

/// <summary>Where a tensor's elements lie. This build has one device: the CPU.</summary>
public readonly record struct Device(string Name)
{
    /// <summary>Main memory.</summary>
    public static readonly Device Cpu = new("cpu");

    public override string ToString() => Name;
}
