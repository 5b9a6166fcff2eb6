using TorchSharp;
using static TorchSharp.torch;
using Functional = TorchSharp.torch.nn.functional;

namespace Picograd.Compare.Cases;

/// <summary>Convolutions, pools and norms, and a network of them that is trained.</summary>
internal static partial class ImageCases
{
    public static IEnumerable<Subject> All =>
        [.. Enumerable.Range(1, 3).SelectMany(Windows), .. Norms(), new("a network of images", Network)];

    // Numbers as functions take them, one for each dimension.
    private static PerDimension Each(long[] numbers) => PerDimension.Of(numbers);

    private static long[] Many(Draw d, int rank, int low, int high)
    {
        long one = d.Between(low, high);
        bool alike = d.Chance(0.5);
        return [.. Enumerable.Range(0, rank).Select(_ => alike ? one : d.Between(low, high))];
    }

    private static long[] Sizes(Draw d, int rank) =>
        [.. Enumerable.Range(0, rank).Select(_ => d.Chance(0.02) ? 0L : d.Between(1, rank == 3 ? 5 : 9))];

    private static string Text(long[] numbers) => string.Join('x', numbers);

    private static IEnumerable<Subject> Windows(int rank)
    {
        yield return new($"Conv{rank}d", d => Convolution(d, rank, transposed: false));
        yield return new($"ConvTranspose{rank}d", d => Convolution(d, rank, transposed: true));
        yield return new($"MaxPool{rank}d", d => MaxPool(d, rank));
        yield return new($"AvgPool{rank}d", d => AvgPool(d, rank));
        // TorchSharp 0.107 loses the result of the one of three dimensions.
        if (rank < 3)
            yield return new($"AdaptiveMaxPool{rank}d", d => Adaptive(d, rank, max: true));
        yield return new($"AdaptiveAvgPool{rank}d", d => Adaptive(d, rank, max: false));
    }

    private static Trial Convolution(Draw d, int rank, bool transposed)
    {
        var type = d.FloatType();
        long groups = d.Pick(1L, 1, 1, 2, 3);
        long c = groups * d.Between(1, 3) + (d.Chance(0.03) ? 1 : 0);
        long o = groups * d.Between(1, 3) + (d.Chance(0.03) ? 1 : 0);
        long[] kernel = Many(d, rank, 1, 4);
        long[] size = [.. Sizes(d, rank).Select((s, i) => s < kernel[i] && d.Chance(0.7) ? s + kernel[i] : s)];
        var (stride, padding, dilation) = (Many(d, rank, 1, 3), Many(d, rank, 0, 2), Many(d, rank, 1, 2));
        long[] more = Many(d, rank, 0, d.Chance(0.3) ? 1 : 0);
        // Of an empty result libtorch ends the process.
        if (transposed && Enumerable.Range(0, rank).Any(i => size[i] == 0 || kernel[i] + size[i] < 2 * padding[i] + 2))
            (size, padding) = ([.. size.Select(s => s + 1)], new long[rank]);
        bool bias = d.Chance(0.6);
        bool single = d.Chance(0.15);
        long n = d.Chance(0.1) ? 0 : d.Between(1, 3);
        long[] x = single ? [c, .. size] : [n, c, .. size];
        long[] w = transposed ? [c, Math.Max(1, o / groups), .. kernel] : [o, Math.Max(1, c / groups), .. kernel];
        long channels = transposed ? w[1] * groups : o;
        if (d.Chance(0.03))
            channels++;
        Sample[] inputs = [d.Of(x, type, tame: true), d.Of(w, type, tame: true)];
        string text = $"Conv{(transposed ? "Transpose" : "")}{rank}d(stride {Text(stride)}, padding {Text(padding)}, ";
        text += $"dilation {Text(dilation)}, groups {groups}{(transposed ? $", output padding {Text(more)}" : "")})";
        return new Trial(
            text,
            bias ? [.. inputs, d.Of([channels], type, tame: true)] : inputs,
            t =>
                [
                    (rank, transposed) switch
                    {
                        (1, false) => F.Conv1d(
                            t[0],
                            t[1],
                            bias ? t[2] : null,
                            Each(stride),
                            Each(padding),
                            Each(dilation),
                            groups
                        ),
                        (2, false) => F.Conv2d(
                            t[0],
                            t[1],
                            bias ? t[2] : null,
                            Each(stride),
                            Each(padding),
                            Each(dilation),
                            groups
                        ),
                        (3, false) => F.Conv3d(
                            t[0],
                            t[1],
                            bias ? t[2] : null,
                            Each(stride),
                            Each(padding),
                            Each(dilation),
                            groups
                        ),
                        (1, true) => F.ConvTranspose1d(
                            t[0],
                            t[1],
                            bias ? t[2] : null,
                            Each(stride),
                            Each(padding),
                            Each(more),
                            groups,
                            Each(dilation)
                        ),
                        (2, true) => F.ConvTranspose2d(
                            t[0],
                            t[1],
                            bias ? t[2] : null,
                            Each(stride),
                            Each(padding),
                            Each(more),
                            groups,
                            Each(dilation)
                        ),
                        _ => F.ConvTranspose3d(
                            t[0],
                            t[1],
                            bias ? t[2] : null,
                            Each(stride),
                            Each(padding),
                            Each(more),
                            groups,
                            Each(dilation)
                        ),
                    },
                ],
            t =>
                [
                    (rank, transposed) switch
                    {
                        (1, false) => Functional.conv1d(
                            t[0],
                            t[1],
                            bias ? t[2] : null,
                            stride[0],
                            padding[0],
                            dilation[0],
                            groups
                        ),
                        (2, false) => Functional.conv2d(
                            t[0],
                            t[1],
                            bias ? t[2] : null,
                            stride,
                            padding,
                            dilation,
                            groups
                        ),
                        (3, false) => Functional.conv3d(
                            t[0],
                            t[1],
                            bias ? t[2] : null,
                            stride,
                            padding,
                            dilation,
                            groups
                        ),
                        (1, true) => Functional.conv_transpose1d(
                            t[0],
                            t[1],
                            bias ? t[2] : null,
                            stride[0],
                            padding[0],
                            more[0],
                            dilation[0],
                            groups
                        ),
                        (2, true) => Functional.conv_transpose2d(
                            t[0],
                            t[1],
                            bias ? t[2] : null,
                            stride,
                            padding,
                            more,
                            dilation,
                            groups
                        ),
                        _ => Functional.conv_transpose3d(
                            t[0],
                            t[1],
                            bias ? t[2] : null,
                            stride,
                            padding,
                            more,
                            dilation,
                            groups
                        ),
                    },
                ]
        )
        {
            Terms = 4 * c * kernel.Aggregate(1L, (a, b) => a * b) + 4,
            Degree = 2,
        };
    }

    private static long[] Planes(Draw d, int rank, long[] size) =>
        d.Chance(0.2) ? [d.Between(1, 3), .. size] : [d.Chance(0.1) ? 0 : d.Between(1, 3), d.Between(1, 3), .. size];

    private static Trial MaxPool(Draw d, int rank)
    {
        long[] kernel = Many(d, rank, 1, 3);
        var (stride, dilation) = (Many(d, rank, 1, 3), Many(d, rank, 1, 2));
        long[] padding = Many(d, rank, 0, 1);
        bool ceil = d.Chance(0.3);
        long[] size = Sizes(d, rank);
        // Of a window that sees nothing libtorch's gradient writes outside of its memory.
        for (int i = 0; i < rank; i++)
        {
            if (IsBlind(size[i], kernel[i], stride[i], padding[i], dilation[i], ceil))
                dilation[i] = 1;
        }
        return new Trial(
            $"MaxPool{rank}d({Text(kernel)}, stride {Text(stride)}, padding {Text(padding)}, dilation {Text(dilation)}, ceil {ceil})",
            [d.Float(Planes(d, rank, size))],
            t =>
                rank switch
                {
                    1 => [F.MaxPool1d(t[0], Each(kernel), Each(stride), Each(padding), Each(dilation), ceil)],
                    2 => Both(
                        F.MaxPool2dWithIndices(t[0], Each(kernel), Each(stride), Each(padding), Each(dilation), ceil)
                    ),
                    _ => Both(
                        F.MaxPool3dWithIndices(t[0], Each(kernel), Each(stride), Each(padding), Each(dilation), ceil)
                    ),
                },
            t =>
                rank switch
                {
                    1 => [Functional.max_pool1d(t[0], kernel[0], stride[0], padding[0], dilation[0], ceil)],
                    2 => Both(Functional.max_pool2d_with_indices(t[0], kernel, stride, padding, dilation, ceil)),
                    _ => Both(Functional.max_pool3d_with_indices(t[0], kernel, stride, padding, dilation, ceil)),
                }
        );
    }

    // Whether some window lies on padding alone.
    private static bool IsBlind(long size, long kernel, long stride, long padding, long dilation, bool ceil)
    {
        long past = size + 2 * padding - dilation * (kernel - 1) - 1;
        for (
            long start = -padding;
            start <= past - padding + (ceil ? stride - 1 : 0) && start < size + padding;
            start += stride
        )
        {
            if (!Enumerable.Range(0, (int)kernel).Any(k => start + k * dilation is >= 0 and var at && at < size))
                return true;
        }
        return false;
    }

    private static Tensor[] Both((Tensor Values, Tensor Indices) of) => [of.Values, of.Indices];

    private static TorchTensor[] Both((TorchTensor Values, TorchTensor Indices) of) => [of.Values, of.Indices];

    private static Trial AvgPool(Draw d, int rank)
    {
        long[] kernel = Many(d, rank, 1, 3);
        long[] stride = Many(d, rank, 1, 3);
        long[] padding = Many(d, rank, 0, 1);
        bool ceil = d.Chance(0.3);
        bool include = d.Chance(0.6);
        long? divisor = rank > 1 && d.Chance(0.2) ? d.Pick(2L, 7, -3) : null;
        return new Trial(
            $"AvgPool{rank}d({Text(kernel)}, stride {Text(stride)}, padding {Text(padding)}, ceil {ceil}, include {include}, divisor {divisor})",
            [d.Float(Planes(d, rank, Sizes(d, rank)))],
            t =>
                [
                    rank switch
                    {
                        1 => F.AvgPool1d(t[0], Each(kernel), Each(stride), Each(padding), ceil, include),
                        2 => F.AvgPool2d(t[0], Each(kernel), Each(stride), Each(padding), ceil, include, divisor),
                        _ => F.AvgPool3d(t[0], Each(kernel), Each(stride), Each(padding), ceil, include, divisor),
                    },
                ],
            t =>
                [
                    rank switch
                    {
                        1 => Functional.avg_pool1d(t[0], kernel[0], stride[0], padding[0], ceil, include),
                        2 => Functional.avg_pool2d(t[0], kernel, stride, padding, ceil, include, divisor),
                        _ => Functional.avg_pool3d(t[0], kernel, stride, padding, ceil, include, divisor),
                    },
                ]
        )
        {
            Terms = 4 * kernel.Aggregate(1L, (a, b) => a * b),
        };
    }

    private static Trial Adaptive(Draw d, int rank, bool max)
    {
        long[] parts = Many(d, rank, 1, 4);
        // TorchSharp does not ask whether libtorch has refused.
        long[] size = [.. Sizes(d, rank).Select(s => Math.Max(s, 1))];
        return new Trial(
            $"Adaptive{(max ? "Max" : "Avg")}Pool{rank}d({Text(parts)})",
            [d.Float(Planes(d, rank, size))],
            t =>
                [
                    (rank, max) switch
                    {
                        (1, true) => F.AdaptiveMaxPool1d(t[0], Each(parts)),
                        (2, true) => F.AdaptiveMaxPool2d(t[0], Each(parts)),
                        (3, true) => F.AdaptiveMaxPool3d(t[0], Each(parts)),
                        (1, false) => F.AdaptiveAvgPool1d(t[0], Each(parts)),
                        (2, false) => F.AdaptiveAvgPool2d(t[0], Each(parts)),
                        _ => F.AdaptiveAvgPool3d(t[0], Each(parts)),
                    },
                ],
            t =>
                [
                    (rank, max) switch
                    {
                        (1, true) => nn.AdaptiveMaxPool1d(parts[0]).call(t[0]),
                        (2, true) => nn.AdaptiveMaxPool2d(parts).call(t[0]),
                        (3, true) => nn.AdaptiveMaxPool3d(parts).call(t[0]),
                        (1, false) => nn.AdaptiveAvgPool1d(parts[0]).call(t[0]),
                        (2, false) => nn.AdaptiveAvgPool2d(parts).call(t[0]),
                        _ => nn.AdaptiveAvgPool3d(parts).call(t[0]),
                    },
                ]
        )
        {
            Terms = 512,
        };
    }
}
