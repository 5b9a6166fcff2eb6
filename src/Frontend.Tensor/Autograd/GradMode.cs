namespace Picograd.Gradients;

/// <summary>Whether operators on this thread record how to differentiate them.</summary>
internal static class GradMode
{
    [ThreadStatic]
    private static bool t_off;

    public static bool Enabled
    {
        get => !t_off;
        set => t_off = !value;
    }
}

/// <summary>Restores the recording of gradients when disposed; made by <see cref="Tensor.NoGrad"/>.</summary>
public readonly struct GradModeScope : IDisposable
{
    private readonly bool _before;

    internal GradModeScope(bool enabled)
    {
        _before = GradMode.Enabled;
        GradMode.Enabled = enabled;
    }

    public void Dispose() => GradMode.Enabled = _before;
}
