using System.Globalization;
using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

public static partial class F
{
    private readonly record struct MaxPoolKey(
        int Rank,
        PerDimension Kernel,
        PerDimension Stride,
        PerDimension Padding,
        PerDimension Dilation,
        bool Ceil,
        bool Indices
    );

    private readonly record struct AvgPoolKey(
        int Rank,
        PerDimension Kernel,
        PerDimension Stride,
        PerDimension Padding,
        bool Ceil,
        bool Inside,
        long Divisor
    );

    private readonly record struct AdaptivePoolKey(int Rank, PerDimension Parts, bool Max, bool Indices);

    private static readonly OperatorFamily<MaxPoolKey> MaxPools = new(Of);
    private static readonly OperatorFamily<AvgPoolKey> AvgPools = new(Of);
    private static readonly OperatorFamily<AdaptivePoolKey> AdaptivePools = new(Of);

    /// <summary>The largest element of each window over images [.., h, w], of 3 or 4 dimensions.</summary>
    /// <param name="x">Floats; none of its sizes but the first of four may be 0.</param>
    /// <param name="kernelSize">Size of the window.</param>
    /// <param name="stride">From a place of the window to the next; the window's size where none is given.</param>
    /// <param name="padding">Places before and behind x in each dimension, at most half a window; what is there is never the largest.</param>
    /// <param name="dilation">From an element of the window to the next; 1 where none is given.</param>
    /// <param name="ceilMode">Whether a last window that reaches beyond the padding counts, where it starts before.</param>
    /// <exception cref="ArgumentException">A shape, numbers or a dtype that do not fit; names them.</exception>
    public static Tensor MaxPool2d(
        Tensor x,
        PerDimension kernelSize,
        PerDimension stride = default,
        PerDimension padding = default,
        PerDimension dilation = default,
        bool ceilMode = false
    ) => MaxPool(2, x, kernelSize, stride, padding, dilation, ceilMode, indices: false).Values;

    /// <summary>
    /// <see cref="MaxPool2d"/>, and the place (int64) of each maximum in its plane, counted row by row; of equals the first.
    /// </summary>
    public static (Tensor Values, Tensor Indices) MaxPool2dWithIndices(
        Tensor x,
        PerDimension kernelSize,
        PerDimension stride = default,
        PerDimension padding = default,
        PerDimension dilation = default,
        bool ceilMode = false
    ) => MaxPool(2, x, kernelSize, stride, padding, dilation, ceilMode, indices: true);

    /// <summary>The mean of each window over images [.., h, w].</summary>
    /// <param name="x">Floats; none of its sizes but the first of four may be 0.</param>
    /// <param name="kernelSize">Size of the window.</param>
    /// <param name="stride">From a place of the window to the next; the window's size where none is given.</param>
    /// <param name="padding">Zeros before and behind x in each dimension, at most half a window.</param>
    /// <param name="ceilMode">Whether a last window that reaches beyond the padding counts, where it starts before.</param>
    /// <param name="countIncludePad">Whether the zeros count in the mean.</param>
    /// <param name="divisorOverride">What sums are divided by instead.</param>
    /// <exception cref="ArgumentException">A shape, numbers or a dtype that do not fit; names them.</exception>
    public static Tensor AvgPool2d(
        Tensor x,
        PerDimension kernelSize,
        PerDimension stride = default,
        PerDimension padding = default,
        bool ceilMode = false,
        bool countIncludePad = true,
        long? divisorOverride = null
    ) => AvgPool(2, x, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride);

    /// <summary>The means of as many parts of images [.., h, w] as are wanted in each dimension, which may overlap.</summary>
    /// <exception cref="ArgumentException">A shape, numbers or a dtype that do not fit; names them.</exception>
    public static Tensor AdaptiveAvgPool2d(Tensor x, PerDimension outputSize) =>
        AdaptivePool(2, x, outputSize, max: false, indices: false).Values;

    /// <summary>The largest elements of as many parts of images [.., h, w] as are wanted in each dimension, which may overlap.</summary>
    /// <exception cref="ArgumentException">A shape, numbers or a dtype that do not fit; names them.</exception>
    public static Tensor AdaptiveMaxPool2d(Tensor x, PerDimension outputSize) =>
        AdaptivePool(2, x, outputSize, max: true, indices: false).Values;

    /// <summary><see cref="AdaptiveMaxPool2d"/>, and the place (int64) of each maximum in its plane, counted row by row.</summary>
    public static (Tensor Values, Tensor Indices) AdaptiveMaxPool2dWithIndices(Tensor x, PerDimension outputSize) =>
        AdaptivePool(2, x, outputSize, max: true, indices: true);

    /// <summary>The largest element of each window over sequences [.., w], of 2 or 3 dimensions.</summary>
    /// <inheritdoc cref="MaxPool2d"/>
    public static Tensor MaxPool1d(
        Tensor x,
        PerDimension kernelSize,
        PerDimension stride = default,
        PerDimension padding = default,
        PerDimension dilation = default,
        bool ceilMode = false
    ) => MaxPool(1, x, kernelSize, stride, padding, dilation, ceilMode, indices: false).Values;

    /// <summary>
    /// <see cref="MaxPool1d"/>, and the place (int64) of each maximum in its plane, counted row by row; of equals the first.
    /// </summary>
    public static (Tensor Values, Tensor Indices) MaxPool1dWithIndices(
        Tensor x,
        PerDimension kernelSize,
        PerDimension stride = default,
        PerDimension padding = default,
        PerDimension dilation = default,
        bool ceilMode = false
    ) => MaxPool(1, x, kernelSize, stride, padding, dilation, ceilMode, indices: true);

    /// <summary>The mean of each window over sequences [.., w].</summary>
    /// <inheritdoc cref="AvgPool2d"/>
    public static Tensor AvgPool1d(
        Tensor x,
        PerDimension kernelSize,
        PerDimension stride = default,
        PerDimension padding = default,
        bool ceilMode = false,
        bool countIncludePad = true
    ) => AvgPool(1, x, kernelSize, stride, padding, ceilMode, countIncludePad, null);

    /// <summary>The means of as many parts of sequences [.., w] as are wanted in each dimension, which may overlap.</summary>
    /// <exception cref="ArgumentException">A shape, numbers or a dtype that do not fit; names them.</exception>
    public static Tensor AdaptiveAvgPool1d(Tensor x, PerDimension outputSize) =>
        AdaptivePool(1, x, outputSize, max: false, indices: false).Values;

    /// <summary>The largest elements of as many parts of sequences [.., w] as are wanted in each dimension, which may overlap.</summary>
    /// <exception cref="ArgumentException">A shape, numbers or a dtype that do not fit; names them.</exception>
    public static Tensor AdaptiveMaxPool1d(Tensor x, PerDimension outputSize) =>
        AdaptivePool(1, x, outputSize, max: true, indices: false).Values;

    /// <summary><see cref="AdaptiveMaxPool1d"/>, and the place (int64) of each maximum in its plane, counted row by row.</summary>
    public static (Tensor Values, Tensor Indices) AdaptiveMaxPool1dWithIndices(Tensor x, PerDimension outputSize) =>
        AdaptivePool(1, x, outputSize, max: true, indices: true);

    /// <summary>The largest element of each window over volumes [.., d, h, w], of 4 or 5 dimensions.</summary>
    /// <inheritdoc cref="MaxPool2d"/>
    public static Tensor MaxPool3d(
        Tensor x,
        PerDimension kernelSize,
        PerDimension stride = default,
        PerDimension padding = default,
        PerDimension dilation = default,
        bool ceilMode = false
    ) => MaxPool(3, x, kernelSize, stride, padding, dilation, ceilMode, indices: false).Values;

    /// <summary>
    /// <see cref="MaxPool3d"/>, and the place (int64) of each maximum in its plane, counted row by row; of equals the first.
    /// </summary>
    public static (Tensor Values, Tensor Indices) MaxPool3dWithIndices(
        Tensor x,
        PerDimension kernelSize,
        PerDimension stride = default,
        PerDimension padding = default,
        PerDimension dilation = default,
        bool ceilMode = false
    ) => MaxPool(3, x, kernelSize, stride, padding, dilation, ceilMode, indices: true);

    /// <summary>The mean of each window over volumes [.., d, h, w].</summary>
    /// <inheritdoc cref="AvgPool2d"/>
    public static Tensor AvgPool3d(
        Tensor x,
        PerDimension kernelSize,
        PerDimension stride = default,
        PerDimension padding = default,
        bool ceilMode = false,
        bool countIncludePad = true,
        long? divisorOverride = null
    ) => AvgPool(3, x, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride);

    /// <summary>The means of as many parts of volumes [.., d, h, w] as are wanted in each dimension, which may overlap.</summary>
    /// <exception cref="ArgumentException">A shape, numbers or a dtype that do not fit; names them.</exception>
    public static Tensor AdaptiveAvgPool3d(Tensor x, PerDimension outputSize) =>
        AdaptivePool(3, x, outputSize, max: false, indices: false).Values;

    /// <summary>The largest elements of as many parts of volumes [.., d, h, w] as are wanted in each dimension, which may overlap.</summary>
    /// <exception cref="ArgumentException">A shape, numbers or a dtype that do not fit; names them.</exception>
    public static Tensor AdaptiveMaxPool3d(Tensor x, PerDimension outputSize) =>
        AdaptivePool(3, x, outputSize, max: true, indices: false).Values;

    /// <summary><see cref="AdaptiveMaxPool3d"/>, and the place (int64) of each maximum in its plane, counted row by row.</summary>
    public static (Tensor Values, Tensor Indices) AdaptiveMaxPool3dWithIndices(Tensor x, PerDimension outputSize) =>
        AdaptivePool(3, x, outputSize, max: true, indices: true);
}
