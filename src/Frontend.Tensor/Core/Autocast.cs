using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// While one is open, products and convolutions on this thread are computed in 16 bits, and losses in float32, whatever float of 16 or 32
/// bits their operands are (torch.autocast): <c>using (Tensor.Autocast(DType.BFloat16)) { … }</c>. Gradients have the dtypes of what they
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

    /// <summary>An operand of a product.</summary>
    internal static Tensor Lowered(Tensor t) => IsConverted(t) ? t.To(t_type!.Value) : t;

    /// <summary>An operand of what is computed in float32.</summary>
    internal static Tensor Raised(Tensor t) => IsConverted(t) ? t.To(DType.Float32) : t;

    private static bool IsConverted(Tensor? t) => t?.DType is DType.Float32 or DType.Float16 or DType.BFloat16;

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
