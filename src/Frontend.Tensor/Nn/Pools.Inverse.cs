using System.Globalization;

namespace Picograd;

/// <summary>What inverses of max pools have in common.</summary>
public abstract class MaxUnpoolNd : PoolNd
{
    private protected MaxUnpoolNd(PerDimension kernelSize, PerDimension stride, PerDimension padding)
        : base(kernelSize, stride, padding) { }

    /// <param name="x">What a pool gave.</param>
    /// <param name="indices">And the places.</param>
    /// <param name="outputSize">Sizes of the last dimensions; the smallest that fit where none are given.</param>
    public abstract Tensor Forward(Tensor x, Tensor indices, ReadOnlySpan<long> outputSize = default);
}

/// <summary>See <see cref="F.MaxUnpool1d"/>.</summary>
public sealed class MaxUnpool1d(PerDimension kernelSize, PerDimension stride = default, PerDimension padding = default)
    : MaxUnpoolNd(kernelSize, stride, padding)
{
    public override Tensor Forward(Tensor x, Tensor indices, ReadOnlySpan<long> outputSize = default) =>
        F.MaxUnpool1d(x, indices, KernelSize, Stride, Padding, outputSize);
}

/// <summary>See <see cref="F.MaxUnpool2d"/>.</summary>
public sealed class MaxUnpool2d(PerDimension kernelSize, PerDimension stride = default, PerDimension padding = default)
    : MaxUnpoolNd(kernelSize, stride, padding)
{
    public override Tensor Forward(Tensor x, Tensor indices, ReadOnlySpan<long> outputSize = default) =>
        F.MaxUnpool2d(x, indices, KernelSize, Stride, Padding, outputSize);
}

/// <summary>See <see cref="F.MaxUnpool3d"/>.</summary>
public sealed class MaxUnpool3d(PerDimension kernelSize, PerDimension stride = default, PerDimension padding = default)
    : MaxUnpoolNd(kernelSize, stride, padding)
{
    public override Tensor Forward(Tensor x, Tensor indices, ReadOnlySpan<long> outputSize = default) =>
        F.MaxUnpool3d(x, indices, KernelSize, Stride, Padding, outputSize);
}

/// <summary>What pools of powers have in common.</summary>
public abstract class LPPoolNd : Module
{
    private protected LPPoolNd(double normType, PerDimension kernelSize, PerDimension stride, bool ceilMode) =>
        (NormType, KernelSize, Stride, CeilMode) = (normType, kernelSize, stride, ceilMode);

    public double NormType { get; }

    public PerDimension KernelSize { get; }

    /// <summary>From a window to the next; the window's size where none was given.</summary>
    public PerDimension Stride { get; }

    public bool CeilMode { get; }

    protected override string ExtraRepr() =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"norm_type={NormType}, kernel_size={KernelSize}, stride={(Stride.Count == 0 ? "None" : Stride.ToString())}, ceil_mode={CeilMode}"
        );
}

/// <summary>See <see cref="F.LpPool1d"/>.</summary>
public sealed class LPPool1d(
    double normType,
    PerDimension kernelSize,
    PerDimension stride = default,
    bool ceilMode = false
) : LPPoolNd(normType, kernelSize, stride, ceilMode)
{
    public override Tensor Forward(Tensor x) => F.LpPool1d(x, NormType, KernelSize, Stride, CeilMode);
}

/// <summary>See <see cref="F.LpPool2d"/>.</summary>
public sealed class LPPool2d(
    double normType,
    PerDimension kernelSize,
    PerDimension stride = default,
    bool ceilMode = false
) : LPPoolNd(normType, kernelSize, stride, ceilMode)
{
    public override Tensor Forward(Tensor x) => F.LpPool2d(x, NormType, KernelSize, Stride, CeilMode);
}

/// <summary>See <see cref="F.LpPool3d"/>.</summary>
public sealed class LPPool3d(
    double normType,
    PerDimension kernelSize,
    PerDimension stride = default,
    bool ceilMode = false
) : LPPoolNd(normType, kernelSize, stride, ceilMode)
{
    public override Tensor Forward(Tensor x) => F.LpPool3d(x, NormType, KernelSize, Stride, CeilMode);
}
