using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// While one is open, products, convolutions and recurrent networks on this thread are computed in 16 bits, losses and what else needs it
/// in float32, whatever float of 16 or 32 bits their operands are (torch.autocast, with its lists for CPUs and GPUs): <c>using (Tensor.Autocast(DType.BFloat16)) { … }</c>. Gradients have the dtypes of what they
/// are of. Open it around the forward pass and the loss, not around Backward.
/// </summary>
public readonly struct Autocast : IDisposable
{
    // How many are open in the program, so that without one there is only this to look at.
    private static int s_open;

    [ThreadStatic]
    private static DType? t_type;

    private readonly DType? _before;
    private readonly bool _isOpen;

    internal Autocast(DType type, bool enabled)
    {
        if (type is not (DType.BFloat16 or DType.Float16))
            throw new ArgumentException(
                $"Autocast: {type.Name()} was given, but must be {DType.BFloat16.Name()} or {DType.Float16.Name()}.",
                nameof(type)
            );
        _before = t_type;
        _isOpen = true;
        Interlocked.Increment(ref s_open);
        t_type = enabled ? type : null;
    }

    /// <summary>The dtype that products are computed in on this thread; null where they are as their operands are.</summary>
    public static DType? Current => s_open == 0 ? null : t_type;

    /// <summary>Whether operands are converted on this thread.</summary>
    internal static bool IsOn => s_open != 0 && t_type is not null;

    /// <summary>How a function, by PyTorch's name, is to convert its operands, of which one is given; null where it takes them as they are.</summary>
    internal static AutocastCall? Of(string name, Tensor? operand) => IsOn ? Find(name, operand) : null;

    private static AutocastCall? Find(string name, Tensor? operand) =>
        operand is null
            ? null
            : AutocastPolicies.Of(name, operand.Device) switch
            {
                AutocastPolicy.Lowered => new AutocastCall(t_type!.Value),
                AutocastPolicy.Raised => new AutocastCall(DType.Float32),
                _ => null,
            };

    /// <summary>Operands are as they are until the result is disposed of: in derivatives, and in what functions are made of.</summary>
    internal static Pause Suspended() => new(IsOn);

    internal readonly struct Pause : IDisposable
    {
        private readonly DType? _before;

        public Pause(bool isOn)
        {
            if (!isOn)
                return;
            _before = t_type;
            t_type = null;
        }

        public void Dispose()
        {
            if (_before is { } type)
                t_type = type;
        }
    }

    /// <summary>Ends it.</summary>
    public void Dispose()
    {
        if (!_isOpen)
            return;
        t_type = _before;
        Interlocked.Decrement(ref s_open);
    }
}

public sealed partial class Tensor
{
    /// <summary>Computes products and convolutions on this thread in 16 bits until the result is disposed; see <see cref="Picograd.Autocast"/>.</summary>
    /// <param name="dtype">BFloat16 or Float16.</param>
    /// <param name="enabled">false for a part within another one that is computed as usual.</param>
    /// <exception cref="ArgumentException">Another dtype.</exception>
    public static Autocast Autocast(DType dtype = DType.BFloat16, bool enabled = true) => new(dtype, enabled);
}
