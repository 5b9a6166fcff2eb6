namespace Picograd;

/// <summary>What pools of windows have in common.</summary>
public abstract class PoolNd : Module
{
    private readonly string _more;

    private protected PoolNd(PerDimension kernelSize, PerDimension stride, PerDimension padding, string more = "") =>
        (KernelSize, Stride, Padding, _more) = (
            kernelSize,
            stride.Count == 0 ? kernelSize : stride,
            padding.Or(0),
            more
        );

    /// <summary>Size of the window.</summary>
    public PerDimension KernelSize { get; }

    /// <summary>From a place of the window to the next.</summary>
    public PerDimension Stride { get; }

    public PerDimension Padding { get; }

    protected override string ExtraRepr() => $"kernel_size={KernelSize}, stride={Stride}, padding={Padding}{_more}";
}

/// <summary>What pools of a given number of parts have in common: how they print.</summary>
public abstract class AdaptivePoolNd : Module
{
    private protected AdaptivePoolNd(PerDimension outputSize) => OutputSize = outputSize;

    /// <summary>Parts in each dimension.</summary>
    public PerDimension OutputSize { get; }

    protected override string ExtraRepr() => $"output_size={OutputSize}";
}

/// <summary>The largest element of each window over sequences; see <see cref="F.MaxPool1d"/>.</summary>
public sealed class MaxPool1d(
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    PerDimension dilation = default,
    bool ceilMode = false
) : PoolNd(kernelSize, stride, padding, $", dilation={dilation.Or(1)}, ceil_mode={ceilMode}")
{
    public override Tensor Forward(Tensor x) => F.MaxPool1d(x, KernelSize, Stride, Padding, dilation, ceilMode);
}

/// <summary>The largest element of each window over images; see <see cref="F.MaxPool2d"/>.</summary>
public sealed class MaxPool2d(
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    PerDimension dilation = default,
    bool ceilMode = false
) : PoolNd(kernelSize, stride, padding, $", dilation={dilation.Or(1)}, ceil_mode={ceilMode}")
{
    public override Tensor Forward(Tensor x) => F.MaxPool2d(x, KernelSize, Stride, Padding, dilation, ceilMode);
}

/// <summary>The largest element of each window over volumes; see <see cref="F.MaxPool3d"/>.</summary>
public sealed class MaxPool3d(
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    PerDimension dilation = default,
    bool ceilMode = false
) : PoolNd(kernelSize, stride, padding, $", dilation={dilation.Or(1)}, ceil_mode={ceilMode}")
{
    public override Tensor Forward(Tensor x) => F.MaxPool3d(x, KernelSize, Stride, Padding, dilation, ceilMode);
}

/// <summary>The mean of each window over sequences; see <see cref="F.AvgPool1d"/>.</summary>
public sealed class AvgPool1d(
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    bool ceilMode = false,
    bool countIncludePad = true
) : PoolNd(kernelSize, stride, padding)
{
    public override Tensor Forward(Tensor x) => F.AvgPool1d(x, KernelSize, Stride, Padding, ceilMode, countIncludePad);
}

/// <summary>The mean of each window over images; see <see cref="F.AvgPool2d"/>.</summary>
public sealed class AvgPool2d(
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    bool ceilMode = false,
    bool countIncludePad = true,
    long? divisorOverride = null
) : PoolNd(kernelSize, stride, padding)
{
    public override Tensor Forward(Tensor x) =>
        F.AvgPool2d(x, KernelSize, Stride, Padding, ceilMode, countIncludePad, divisorOverride);
}

/// <summary>The mean of each window over volumes; see <see cref="F.AvgPool3d"/>.</summary>
public sealed class AvgPool3d(
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    bool ceilMode = false,
    bool countIncludePad = true,
    long? divisorOverride = null
) : PoolNd(kernelSize, stride, padding)
{
    public override Tensor Forward(Tensor x) =>
        F.AvgPool3d(x, KernelSize, Stride, Padding, ceilMode, countIncludePad, divisorOverride);
}

/// <summary>The means of as many parts of sequences as are wanted; see <see cref="F.AdaptiveAvgPool1d"/>.</summary>
public sealed class AdaptiveAvgPool1d(PerDimension outputSize) : AdaptivePoolNd(outputSize)
{
    public override Tensor Forward(Tensor x) => F.AdaptiveAvgPool1d(x, OutputSize);
}

/// <summary>The means of as many parts of images as are wanted; see <see cref="F.AdaptiveAvgPool2d"/>.</summary>
public sealed class AdaptiveAvgPool2d(PerDimension outputSize) : AdaptivePoolNd(outputSize)
{
    public override Tensor Forward(Tensor x) => F.AdaptiveAvgPool2d(x, OutputSize);
}

/// <summary>The means of as many parts of volumes as are wanted; see <see cref="F.AdaptiveAvgPool3d"/>.</summary>
public sealed class AdaptiveAvgPool3d(PerDimension outputSize) : AdaptivePoolNd(outputSize)
{
    public override Tensor Forward(Tensor x) => F.AdaptiveAvgPool3d(x, OutputSize);
}

/// <summary>The largest elements of as many parts of sequences as are wanted; see <see cref="F.AdaptiveMaxPool1d"/>.</summary>
public sealed class AdaptiveMaxPool1d(PerDimension outputSize) : AdaptivePoolNd(outputSize)
{
    public override Tensor Forward(Tensor x) => F.AdaptiveMaxPool1d(x, OutputSize);
}

/// <summary>The largest elements of as many parts of images as are wanted; see <see cref="F.AdaptiveMaxPool2d"/>.</summary>
public sealed class AdaptiveMaxPool2d(PerDimension outputSize) : AdaptivePoolNd(outputSize)
{
    public override Tensor Forward(Tensor x) => F.AdaptiveMaxPool2d(x, OutputSize);
}

/// <summary>The largest elements of as many parts of volumes as are wanted; see <see cref="F.AdaptiveMaxPool3d"/>.</summary>
public sealed class AdaptiveMaxPool3d(PerDimension outputSize) : AdaptivePoolNd(outputSize)
{
    public override Tensor Forward(Tensor x) => F.AdaptiveMaxPool3d(x, OutputSize);
}
