using TorchSharp;
using static TorchSharp.torch;
using Functional = TorchSharp.torch.nn.functional;

namespace Picograd.Compare.Cases;

// Padding and scans.
internal static partial class RearrangingCases
{
    private static IEnumerable<Subject> Pads()
    {
        foreach (
            var (mode, theirs) in new[]
            {
                ("constant", PaddingModes.Constant),
                ("reflect", PaddingModes.Reflect),
                ("replicate", PaddingModes.Replicate),
                ("circular", PaddingModes.Circular),
            }
        )
            yield return new(
                $"Pad {mode}",
                d =>
                {
                    var shape = d.Shape(d.Chance(0.1) ? 0 : 1, 5);
                    bool any = mode == "constant";
                    var x = any ? d.Any(shape) : d.Float(shape);
                    int dims = any
                        ? d.Between(0, Math.Min(shape.Length + (d.Chance(0.05) ? 1 : 0), 3))
                        : d.Pick(1, 1, 2, 2, 3);
                    if (!any && d.Chance(0.9))
                        x = d.Float([
                            .. Enumerable.Range(0, dims + d.Between(1, 2)).Select(_ => (long)d.Between(1, 5)),
                        ]);
                    long[] pad = [.. Enumerable.Range(0, 2 * dims).Select(_ => (long)d.Between(-2, any ? 3 : 4))];
                    // Of what was cut off libtorch's circles show memory that nobody wrote.
                    if (mode == "circular" && d.Chance(0.95))
                        pad = Array.ConvertAll(pad, p => Math.Max(0, p));
                    double value = any ? d.Pick(0.0, 0, 1, 3) : 0;
                    return Trial.One(
                        $"Pad({mode}, {Text(pad)}, {value})",
                        x,
                        t => F.Pad(t, pad, mode, value),
                        t => Functional.pad(t, pad, theirs, value)
                    ) with
                    {
                        Terms = 64,
                    };
                }
            );
        yield return new(
            "F.Unfold",
            d =>
            {
                var (kernel, dilation, padding, stride, size) = Windows(d);
                long n = d.Chance(0.1) ? 0 : d.Between(1, 2);
                long[] shape = [n, d.Between(1, 3), .. size];
                return Trial.One(
                    $"F.Unfold({kernel}, {dilation}, {padding}, {stride})",
                    d.Float(shape),
                    t => F.Unfold(t, kernel, dilation, padding, stride),
                    t => Functional.unfold(t, kernel, dilation, padding, stride)
                ) with
                {
                    Terms = 9,
                };
            }
        );
        yield return new(
            "F.Fold",
            d =>
            {
                var (kernel, dilation, padding, stride, size) = Windows(d);
                long Along(long s, long k, long l, long p, long t) =>
                    Math.Max(1, (s + 2 * p - l * (k - 1) - 1) / t + 1);
                long places =
                    Along(size[0], kernel.Item1, dilation.Item1, padding.Item1, stride.Item1)
                    * Along(size[1], kernel.Item2, dilation.Item2, padding.Item2, stride.Item2);
                long rows = d.Between(1, 3) * kernel.Item1 * kernel.Item2 + (d.Chance(0.05) ? 1 : 0);
                long[] shape = d.Chance(0.3) ? [rows, places] : [d.Between(1, 2), rows, places];
                return Trial.One(
                    $"F.Fold({Text(size)}, {kernel}, {dilation}, {padding}, {stride})",
                    d.Float(shape),
                    t => F.Fold(t, (size[0], size[1]), kernel, dilation, padding, stride),
                    t => Functional.fold(t, (size[0], size[1]), kernel, dilation, padding, stride)
                ) with
                {
                    Terms = 9,
                };
            }
        );
        yield return new(
            "F.PixelShuffle",
            d =>
            {
                long r = d.Between(1, 3);
                var x = d.Float([
                    .. d.Shape(0, 1).Select(s => Math.Max(s, 1)),
                    d.Between(1, 2) * r * r + (d.Chance(0.05) ? 1 : 0),
                    d.Between(1, 3),
                    d.Between(1, 3),
                ]);
                return Trial.One(
                    $"PixelShuffle({r})",
                    x,
                    t => F.PixelShuffle(t, r),
                    t => Functional.pixel_shuffle(t, r)
                );
            }
        );
    }

    private static (
        (long, long) Kernel,
        (long, long) Dilation,
        (long, long) Padding,
        (long, long) Stride,
        long[] Size
    ) Windows(Draw d)
    {
        (long, long) Two(int low, int high) => (d.Between(low, high), d.Between(low, high));
        return (Two(1, 3), Two(1, 2), Two(0, 2), Two(1, 3), [d.Between(2, 7), d.Between(2, 7)]);
    }

    private static IEnumerable<Subject> Scans()
    {
        yield return new(
            "CumProd",
            d =>
            {
                var x = d.Any(d.Shape());
                int dim = d.Dim(x.Shape.Length);
                return Trial.One($"CumProd({dim})", x, t => t.CumProd(dim), t => t.cumprod(dim)) with
                {
                    Terms = 64,
                    Degree = 6,
                };
            }
        );
        yield return new(
            "CumMax",
            d =>
            {
                var x = d.Any(d.Shape());
                // TorchSharp ends the process where libtorch refuses.
                int dim = d.Between(-x.Shape.Length, Math.Max(0, x.Shape.Length - 1));
                return new($"CumMax({dim})", [x], t => Both(t[0].CumMax(dim)), t => Both(t[0].cummax(dim)))
                {
                    Terms = 17,
                };
            }
        );
        yield return new(
            "CumMin",
            d =>
            {
                var x = d.Any(d.Shape());
                // TorchSharp ends the process where libtorch refuses.
                int dim = d.Between(-x.Shape.Length, Math.Max(0, x.Shape.Length - 1));
                return new($"CumMin({dim})", [x], t => Both(t[0].CumMin(dim)), t => Both(t[0].cummin(dim)))
                {
                    Terms = 17,
                };
            }
        );
        yield return new(
            "LogCumSumExp",
            d =>
            {
                var x = d.Any(d.Shape());
                int dim = d.Dim(x.Shape.Length);
                return Trial.One($"LogCumSumExp({dim})", x, t => t.LogCumSumExp(dim), t => t.logcumsumexp(dim)) with
                {
                    Terms = 17,
                };
            }
        );
    }

    private static Tensor[] Both((Tensor Values, Tensor Indices) of) => [of.Values, of.Indices];

    private static TorchTensor[] Both((TorchTensor Values, TorchTensor Indices) of) => [of.Values, of.Indices];
}
