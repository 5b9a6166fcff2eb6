namespace Picograd;

/// <summary>The largest element of each window over sequences; see <see cref="F.MaxPool1d"/>.</summary>
public sealed class MaxPool1d(
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    PerDimension dilation = default,
    bool ceilMode = false
) : Module
{
    public override Tensor Forward(Tensor x) => F.MaxPool1d(x, kernelSize, stride, padding, dilation, ceilMode);

    protected override string ExtraRepr() =>
        $"kernel_size={kernelSize}, stride={(stride.Count == 0 ? kernelSize : stride)}, padding={padding.Or(0)}, dilation={dilation.Or(1)}, ceil_mode={ceilMode}";
}

/// <summary>The largest element of each window over images; see <see cref="F.MaxPool2d"/>.</summary>
public sealed class MaxPool2d(
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    PerDimension dilation = default,
    bool ceilMode = false
) : Module
{
    public override Tensor Forward(Tensor x) => F.MaxPool2d(x, kernelSize, stride, padding, dilation, ceilMode);

    protected override string ExtraRepr() =>
        $"kernel_size={kernelSize}, stride={(stride.Count == 0 ? kernelSize : stride)}, padding={padding.Or(0)}, dilation={dilation.Or(1)}, ceil_mode={ceilMode}";
}

/// <summary>The largest element of each window over volumes; see <see cref="F.MaxPool3d"/>.</summary>
public sealed class MaxPool3d(
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    PerDimension dilation = default,
    bool ceilMode = false
) : Module
{
    public override Tensor Forward(Tensor x) => F.MaxPool3d(x, kernelSize, stride, padding, dilation, ceilMode);

    protected override string ExtraRepr() =>
        $"kernel_size={kernelSize}, stride={(stride.Count == 0 ? kernelSize : stride)}, padding={padding.Or(0)}, dilation={dilation.Or(1)}, ceil_mode={ceilMode}";
}

/// <summary>The mean of each window over sequences; see <see cref="F.AvgPool1d"/>.</summary>
public sealed class AvgPool1d(
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    bool ceilMode = false,
    bool countIncludePad = true
) : Module
{
    public override Tensor Forward(Tensor x) => F.AvgPool1d(x, kernelSize, stride, padding, ceilMode, countIncludePad);

    protected override string ExtraRepr() =>
        $"kernel_size={kernelSize}, stride={(stride.Count == 0 ? kernelSize : stride)}, padding={padding.Or(0)}";
}

/// <summary>The mean of each window over images; see <see cref="F.AvgPool2d"/>.</summary>
public sealed class AvgPool2d(
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    bool ceilMode = false,
    bool countIncludePad = true,
    long? divisorOverride = null
) : Module
{
    public override Tensor Forward(Tensor x) =>
        F.AvgPool2d(x, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride);

    protected override string ExtraRepr() =>
        $"kernel_size={kernelSize}, stride={(stride.Count == 0 ? kernelSize : stride)}, padding={padding.Or(0)}";
}

/// <summary>The mean of each window over volumes; see <see cref="F.AvgPool3d"/>.</summary>
public sealed class AvgPool3d(
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    bool ceilMode = false,
    bool countIncludePad = true,
    long? divisorOverride = null
) : Module
{
    public override Tensor Forward(Tensor x) =>
        F.AvgPool3d(x, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride);

    protected override string ExtraRepr() =>
        $"kernel_size={kernelSize}, stride={(stride.Count == 0 ? kernelSize : stride)}, padding={padding.Or(0)}";
}

/// <summary>The means of as many parts of sequences as are wanted; see <see cref="F.AdaptiveAvgPool1d"/>.</summary>
public sealed class AdaptiveAvgPool1d(PerDimension outputSize) : Module
{
    public override Tensor Forward(Tensor x) => F.AdaptiveAvgPool1d(x, outputSize);

    protected override string ExtraRepr() => $"output_size={outputSize}";
}

/// <summary>The means of as many parts of images as are wanted; see <see cref="F.AdaptiveAvgPool2d"/>.</summary>
public sealed class AdaptiveAvgPool2d(PerDimension outputSize) : Module
{
    public override Tensor Forward(Tensor x) => F.AdaptiveAvgPool2d(x, outputSize);

    protected override string ExtraRepr() => $"output_size={outputSize}";
}

/// <summary>The means of as many parts of volumes as are wanted; see <see cref="F.AdaptiveAvgPool3d"/>.</summary>
public sealed class AdaptiveAvgPool3d(PerDimension outputSize) : Module
{
    public override Tensor Forward(Tensor x) => F.AdaptiveAvgPool3d(x, outputSize);

    protected override string ExtraRepr() => $"output_size={outputSize}";
}

/// <summary>The largest elements of as many parts of sequences as are wanted; see <see cref="F.AdaptiveMaxPool1d"/>.</summary>
public sealed class AdaptiveMaxPool1d(PerDimension outputSize) : Module
{
    public override Tensor Forward(Tensor x) => F.AdaptiveMaxPool1d(x, outputSize);

    protected override string ExtraRepr() => $"output_size={outputSize}";
}

/// <summary>The largest elements of as many parts of images as are wanted; see <see cref="F.AdaptiveMaxPool2d"/>.</summary>
public sealed class AdaptiveMaxPool2d(PerDimension outputSize) : Module
{
    public override Tensor Forward(Tensor x) => F.AdaptiveMaxPool2d(x, outputSize);

    protected override string ExtraRepr() => $"output_size={outputSize}";
}

/// <summary>The largest elements of as many parts of volumes as are wanted; see <see cref="F.AdaptiveMaxPool3d"/>.</summary>
public sealed class AdaptiveMaxPool3d(PerDimension outputSize) : Module
{
    public override Tensor Forward(Tensor x) => F.AdaptiveMaxPool3d(x, outputSize);

    protected override string ExtraRepr() => $"output_size={outputSize}";
}
