using TorchSharp;
using static TorchSharp.torch;

namespace Picograd.Compare.Cases;

/// <summary>Order along a dimension, and counting.</summary>
internal static class OrderCases
{
    public static IEnumerable<Subject> All => [.. Orders(), .. Counts()];

    private static Tensor[] Both((Tensor Values, Tensor Indices) of) => [of.Values, of.Indices];

    private static TorchTensor[] Both((TorchTensor Values, TorchTensor Indices) of) => [of.Values, of.Indices];

    private static Sample Numbers(Draw d, long[] shape) =>
        d.Of(shape, d.Chance(0.6) ? d.FloatType() : d.Pick(DType.Int32, DType.Int64, DType.UInt8));

    private static IEnumerable<Subject> Orders()
    {
        yield return new(
            "Sort",
            d =>
            {
                var x = d.Any(d.Shape());
                var (dim, down) = (d.Dim(x.Shape.Length), d.Chance(0.5));
                return new(
                    $"Sort({dim}, {down})",
                    [x],
                    t => Both(t[0].Sort(dim, down, true)),
                    t => Both(t[0].sort(dim, down, true))
                );
            }
        );
        yield return new(
            "Sort of long rows",
            d =>
            {
                var x = d.Any([d.Between(1, 2), d.Between(190, 3000)]);
                bool down = d.Chance(0.5);
                return new(
                    $"Sort(-1, {down})",
                    [x],
                    t => Both(t[0].Sort(-1, down, true)),
                    t => Both(t[0].sort(-1, down, true))
                );
            }
        );
        yield return new(
            "TopK",
            d =>
            {
                // No two alike, so that both choose the same.
                var type = d.Pick(DType.Float32, DType.Float64);
                Sample x;
                do x = d.Of(d.Chance(0.3) ? [d.Between(1, 3), d.Between(50, 400)] : d.Shape(), type, tame: true);
                while (x.Placement == Placement.Expanded);
                int dim = d.Dim(x.Shape.Length);
                int at = dim < 0 ? dim + x.Shape.Length : dim;
                long size = at >= 0 && at < x.Shape.Length ? x.Shape[at] : 1;
                int k = d.Between(d.Chance(0.03) ? -1 : 0, (int)size + (d.Chance(0.03) ? 1 : 0));
                bool largest = d.Chance(0.5);
                return new(
                    $"TopK({k}, {dim}, {largest})",
                    [x],
                    t => Both(t[0].TopK(k, dim, largest)),
                    t => Both(t[0].topk(k, dim, largest, true))
                );
            }
        );
        yield return new(
            "KthValue",
            d =>
            {
                var x = Numbers(d, d.Shape());
                int dim = d.Dim(x.Shape.Length);
                int k = d.Between(0, 6);
                bool keep = d.Chance(0.5);
                return new(
                    $"KthValue({k}, {dim}, {keep})",
                    [x],
                    t => [t[0].KthValue(k, dim, keep).Values],
                    t => [t[0].kthvalue(k, dim, keep).Item1]
                )
                {
                    Gradients = false,
                };
            }
        );
        yield return new("Median", d => Trial.One("Median", Numbers(d, d.Shape()), t => t.Median(), t => t.median()));
        yield return new(
            "NanMedian",
            d => Trial.One("NanMedian", Numbers(d, d.Shape()), t => t.NanMedian(), t => t.nanmedian())
        );
        yield return new(
            "Mode",
            d =>
            {
                var x = Numbers(d, d.Shape());
                int dim = d.Dim(x.Shape.Length);
                bool keep = d.Chance(0.5);
                return new(
                    $"Mode({dim}, {keep})",
                    [x],
                    t => [t[0].Mode(dim, keep).Values],
                    t => [t[0].mode(dim, keep).Item1]
                )
                {
                    Gradients = false,
                };
            }
        );
        yield return new(
            "Quantile",
            d =>
            {
                var type = d.Pick(DType.Float32, DType.Float64);
                var x = d.Of(d.Shape(d.Chance(0.1) ? 0 : 1), type);
                long[] parts = d.Chance(0.3) ? [] : [d.Between(1, 3)];
                // TorchSharp takes −1 for all.
                int dim = d.Between(0, Math.Max(0, x.Shape.Length - 1));
                bool keep = d.Chance(0.5);
                var q = d.Whole(parts, DType.Int64, 0, 7);
                return Trial.Two(
                    $"Quantile({dim}, {keep})",
                    x,
                    q,
                    (t, p) => t.Quantile(p.To(type) / 7, dim, keep),
                    (t, p) =>
                        t.quantile(
                            p.to_type(type == DType.Float32 ? ScalarType.Float32 : ScalarType.Float64) / 7,
                            dim,
                            keep
                        )
                ) with
                {
                    Terms = 8,
                };
            }
        );
        yield return new(
            "Unique",
            d =>
            {
                var x = d.Any(d.Shape());
                int? dim = d.Chance(0.5) || x.Shape.Length == 0 ? null : d.Between(0, x.Shape.Length - 1);
                return new(
                    $"Unique({dim})",
                    [x],
                    t => t[0].Unique(true, true, true, dim) is var (u, i, n) ? [u, i!, n!] : [],
                    t => t[0].unique(true, true, true, dim) is var (u, i, n) ? [u, i!, n!] : []
                )
                {
                    Gradients = false,
                };
            }
        );
    }

    private static IEnumerable<Subject> Counts()
    {
        yield return new(
            "SearchSorted",
            d =>
            {
                var type = d.Pick(DType.Float32, DType.Float64, DType.Int64, DType.Int32);
                var v = d.Of(d.Shape(), type);
                var s =
                    d.Chance(0.5) || v.Shape.Length < 2
                        ? d.Of([d.Size()], type)
                        : d.Of([.. v.Shape[..^1], d.Size()], type);
                bool right = d.Chance(0.5);
                return new(
                    $"SearchSorted({right})",
                    [s, v],
                    t => [Tensor.SearchSorted(t[0].Sort(-1).Values.Detach(), t[1].Detach(), false, right)],
                    t => [torch.searchsorted(t[0].sort(-1).Item1.detach(), t[1].detach(), false, right)]
                )
                {
                    Gradients = false,
                };
            }
        );
        yield return new(
            "Bucketize",
            d =>
            {
                var type = d.Pick(DType.Float32, DType.Int64);
                bool right = d.Chance(0.5);
                return new(
                    $"Bucketize({right})",
                    [d.Of(d.Shape(), type), d.Of([d.Size()], type)],
                    t => [t[0].Bucketize(t[1].Sort(-1).Values, false, right)],
                    t => [t[0].bucketize(t[1].sort(-1).Item1, false, right)]
                )
                {
                    Gradients = false,
                };
            }
        );
        yield return new(
            "Bincount",
            d =>
            {
                long n = d.Size();
                var x = d.Whole([n], d.Pick(DType.Int64, DType.Int32, DType.UInt8), d.Chance(0.03) ? -1 : 0, 9);
                var w = d.Chance(0.5) ? null : d.Of([n], d.Pick(DType.Float32, DType.Float64, DType.Int64), tame: true);
                long least = d.Between(0, 12);
                return new(
                    $"Bincount({least})",
                    w is null ? [x] : [x, w],
                    t => [t[0].Bincount(w is null ? null : t[1], least)],
                    t => [t[0].bincount(w is null ? null : t[1], least)]
                )
                {
                    Gradients = false,
                    Terms = 17,
                };
            }
        );
        yield return new(
            "Histc",
            d =>
            {
                var x = d.Of(d.Shape(), d.Pick(DType.Float32, DType.Float64));
                var (bins, low) = (d.Between(1, 9), d.Between(-3, 0));
                long high = d.Chance(0.2) ? low : d.Between(low, 5);
                return new(
                    $"Histc({bins}, {low}, {high})",
                    [x],
                    t => [t[0].Histc(bins, low, high)],
                    t => [t[0].histc(bins, low, high)]
                )
                {
                    Gradients = false,
                };
            }
        );
        yield return new(
            "CountNonzero",
            d =>
            {
                var x = d.Any(d.Shape());
                int[] dims = d.Dims(x.Shape.Length);
                return Trial.One(
                    $"CountNonzero({string.Join(',', dims)})",
                    x,
                    t => t.CountNonzero(dims),
                    t => dims.Length == 0 ? t.count_nonzero() : t.count_nonzero(Array.ConvertAll(dims, i => (long)i))
                );
            }
        );
        yield return new(
            "Aminmax",
            d =>
            {
                var x = Numbers(d, d.Shape());
                // TorchSharp takes −1 for no dimension.
                int? dim = d.Chance(0.3) || x.Shape.Length == 0 ? null : d.Between(0, x.Shape.Length - 1);
                bool keep = d.Chance(0.5);
                return new(
                    $"Aminmax({dim}, {keep})",
                    [x],
                    t => [t[0].Aminmax(dim, keep).Min, t[0].Aminmax(dim, keep).Max],
                    t => t[0].aminmax(dim, keep) is var (a, b) ? [a, b] : []
                )
                {
                    // libtorch has none.
                    Gradients = false,
                };
            }
        );
    }
}
