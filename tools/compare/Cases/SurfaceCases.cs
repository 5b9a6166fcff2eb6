using TorchSharp;
using static TorchSharp.torch;
using Functional = TorchSharp.torch.nn.functional;

namespace Picograd.Compare.Cases;

/// <summary>Values put by index, functions of several tensors, norms, products by name.</summary>
internal static partial class SurfaceCases
{
    public static IEnumerable<Subject> All => [.. Puts(), .. OfTwo(), .. OfMore(), .. Products(), .. Images()];

    private static IEnumerable<Subject> Puts()
    {
        yield return new(
            "Scatter",
            d =>
                Put(
                    d,
                    "Scatter",
                    (t, dim, i, s) => t.Scatter(dim, i, s),
                    (t, dim, i, s) => t.scatter(dim, i, s),
                    twice: false
                )
        );
        yield return new(
            "ScatterAdd",
            d =>
                Put(
                    d,
                    "ScatterAdd",
                    (t, dim, i, s) => t.ScatterAdd(dim, i, s),
                    (t, dim, i, s) => t.scatter_add(dim, i, s),
                    twice: true
                )
        );
        yield return new(
            "IndexAdd",
            d =>
                Slices(
                    d,
                    "IndexAdd",
                    (t, dim, i, s) => t.IndexAdd(dim, i, s, 2),
                    (t, dim, i, s) => t.index_add(dim, i, s, 2)
                )
        );
        yield return new(
            "IndexCopy",
            d =>
                Slices(
                    d,
                    "IndexCopy",
                    (t, dim, i, s) => t.IndexCopy(dim, i, s),
                    (t, dim, i, s) => t.index_copy(dim, i, s),
                    twice: false
                )
        );
        yield return new(
            "IndexFill",
            d =>
                Slices(
                    d,
                    "IndexFill",
                    (t, dim, i, s) => t.IndexFill(dim, i, 3),
                    (t, dim, i, s) => t.index_fill(dim, i, 3)
                )
        );
        yield return new(
            "Take",
            d =>
            {
                var x = d.Any(d.Shape());
                int n = (int)x.Shape.Aggregate(1L, (a, b) => a * b);
                var i = d.Whole(d.Shape(0, 2), d.IndexType(), -n, n - 1 + (d.Chance(0.03) ? 1 : 0));
                return Trial.Two("Take", x, i, (t, at) => t.Take(at), (t, at) => t.take(at)) with { Terms = 17 };
            }
        );
        yield return new(
            "TakeAlongDim",
            d =>
            {
                var x = d.Any(d.Shape(1));
                int dim = d.Between(-x.Shape.Length, x.Shape.Length - 1);
                int at = dim < 0 ? dim + x.Shape.Length : dim;
                long[] shape = [.. x.Shape.Select(s => d.Chance(0.2) ? 1 : s)];
                shape[at] = d.Between(0, 4);
                var i = d.Whole(shape, DType.Int64, 0, x.Shape[at] - 1);
                return Trial.Two(
                    $"TakeAlongDim({dim})",
                    x,
                    i,
                    (t, n) => t.TakeAlongDim(n, dim),
                    (t, n) => t.take_along_dim(n, dim)
                ) with
                {
                    Terms = 17,
                };
            }
        );
        yield return new(
            "MaskedScatter",
            d =>
            {
                var type = d.AnyType();
                var x = d.Of(d.Shape(), type);
                var mask = d.Of(d.Beside(x.Shape), DType.Bool);
                var source = d.Of([d.Between(d.Chance(0.1) ? 0 : 200, 900)], type);
                return new(
                    "MaskedScatter",
                    [x, mask, source],
                    t => [t[0].MaskedScatter(t[1], t[2])],
                    t => [t[0].masked_scatter(t[1], t[2])]
                );
            }
        );
    }

    private static Trial Put(
        Draw d,
        string name,
        Func<Tensor, int, Tensor, Tensor, Tensor> ours,
        Func<TorchTensor, int, TorchTensor, TorchTensor, TorchTensor> theirs,
        bool twice
    )
    {
        var type = d.AnyType();
        var x = d.Of(d.Shape(), type, tame: twice);
        int rank = x.Shape.Length;
        int dim = d.Dim(rank);
        int at = Math.Clamp(dim < 0 ? dim + rank : dim, 0, Math.Max(0, rank - 1));
        long[] shape =
        [
            .. x.Shape.Select(
                (s, e) => e == at ? (twice ? d.Between(0, 5) : s) : d.Between((int)Math.Min(s, 1), (int)s)
            ),
        ];
        if (d.Chance(0.04) && rank > 0)
            shape[^1] += 2;
        // With more values than indices libtorch's own gradient is refused by itself.
        bool more = d.Chance(0.2);
        long[] from = [.. shape.Select(s => s + (more ? d.Between(0, 1) : 0))];
        long size = rank == 0 ? 1 : x.Shape[at];
        Sample index;
        if (twice || rank == 0)
            index = d.Whole(shape, DType.Int64, 0, size - 1);
        else
        {
            // Each place once: what is last is not said.
            long count = shape.Aggregate(1L, (a, b) => a * b);
            long inner = shape[(at + 1)..].Aggregate(1L, (a, b) => a * b);
            long turn = d.Between(0, 5);
            long[] places =
            [
                .. Enumerable
                    .Range(0, (int)count)
                    .Select(i => (i / Math.Max(inner, 1) % Math.Max(shape[at], 1) + turn) % Math.Max(size, 1)),
            ];
            index = new Sample(shape, DType.Int64, Placement.Contiguous, places);
        }
        return new(
            $"{name}({dim})",
            [x, index, d.Of(from, d.Chance(0.03) ? DType.Float64 : type, tame: twice)],
            t => [ours(t[0], dim, t[1], t[2])],
            t => [theirs(t[0], dim, t[1], t[2])]
        )
        {
            Terms = 17,
            Gradients = !more,
        };
    }

    private static Trial Slices(
        Draw d,
        string name,
        Func<Tensor, int, Tensor, Tensor, Tensor> ours,
        Func<TorchTensor, int, TorchTensor, TorchTensor, TorchTensor> theirs,
        bool twice = true
    )
    {
        var type = d.AnyType();
        var x = d.Of(d.Shape(1), type, tame: true);
        int rank = x.Shape.Length;
        int dim = d.Between(-rank, rank - 1);
        int at = dim < 0 ? dim + rank : dim;
        long count = twice ? d.Between(0, 5) : x.Shape[at];
        long[] shape = [.. x.Shape];
        shape[at] = count + (d.Chance(0.03) ? 1 : 0);
        var index =
            twice || count == 0
                ? d.Whole([count], DType.Int64, 0, x.Shape[at] - 1)
                : new Sample(
                    [count],
                    DType.Int64,
                    Placement.Contiguous,
                    Enumerable.Range(0, (int)count).Select(i => (i + 3L) % count).ToArray()
                );
        return new(
            $"{name}({dim})",
            [x, index, d.Of(shape, type, tame: true)],
            t => [ours(t[0], dim, t[1], t[2])],
            t => [theirs(t[0], dim, t[1], t[2])]
        )
        {
            Terms = 17,
        };
    }

    private static IEnumerable<Subject> OfTwo()
    {
        (string, Func<Tensor, Tensor, Tensor>, Func<TorchTensor, TorchTensor, TorchTensor>)[] functions =
        [
            ("FloorDivide", (a, b) => a.FloorDivide(b), (a, b) => a.floor_divide(b)),
            ("Remainder", (a, b) => a.Remainder(b), (a, b) => a.remainder(b)),
            ("Fmod", (a, b) => a.Fmod(b), (a, b) => a.fmod(b)),
            ("Div floor", (a, b) => a.Div(b, "floor"), (a, b) => a.div(b, RoundingMode.floor)),
            ("Div trunc", (a, b) => a.Div(b, "trunc"), (a, b) => a.div(b, RoundingMode.trunc)),
            ("LogAddExp", (a, b) => a.LogAddExp(b), (a, b) => a.logaddexp(b)),
            ("LogAddExp2", (a, b) => a.LogAddExp2(b), (a, b) => a.logaddexp2(b)),
            ("Hypot", (a, b) => a.Hypot(b), (a, b) => a.hypot(b)),
            ("Copysign", (a, b) => a.Copysign(b), (a, b) => a.copysign(b)),
            ("Fmax", (a, b) => a.Fmax(b), (a, b) => a.fmax(b)),
            ("Fmin", (a, b) => a.Fmin(b), (a, b) => a.fmin(b)),
            ("Xlogy", (a, b) => a.Xlogy(b), (a, b) => a.xlogy(b)),
        ];
        foreach (var (name, ours, theirs) in functions)
            yield return new(
                name,
                d =>
                {
                    var a = d.Any(d.Shape());
                    var b = d.Any(d.Beside(a.Shape));
                    // libtorch has no gradient of floor_divide.
                    return Trial.Two(name, a, b, ours, theirs) with { Terms = 2, Gradients = name != "FloorDivide" };
                }
            );
        yield return new(
            "IsClose",
            d =>
            {
                var type = d.AnyType();
                var a = d.Of(d.Shape(), type);
                var b = d.Of(a.Shape, type);
                var (r, s, nan) = (d.Pick(0, 1e-5, 0.5), d.Pick(0, 1e-8, 1.0), d.Chance(0.5));
                return Trial.Two(
                    $"IsClose({r}, {s}, {nan})",
                    a,
                    b,
                    (x, y) => x.IsClose(y, r, s, nan),
                    (x, y) => x.isclose(y, r, s, nan)
                );
            }
        );
    }

    private static IEnumerable<Subject> OfMore()
    {
        yield return new("Frac", d => Trial.One("Frac", d.Any(d.Shape()), t => t.Frac(), t => t.frac()));
        yield return new(
            "Sinc",
            d => Trial.One("Sinc", d.Any(d.Shape()), t => t.Sinc(), t => t.sinc()) with { Terms = 8 }
        );
        yield return new("Signbit", d => Trial.One("Signbit", d.Any(d.Shape()), t => t.Signbit(), t => t.signbit()));
        yield return new(
            "Logit",
            d =>
            {
                double? eps = d.Chance(0.5) ? null : 0.1;
                return Trial.One($"Logit({eps})", d.Any(d.Shape()), t => t.Logit(eps), t => t.logit(eps)) with
                {
                    Terms = 4,
                };
            }
        );
        yield return new(
            "NanToNum",
            d =>
            {
                double? most = d.Chance(0.5) ? null : 7;
                return Trial.One(
                    $"NanToNum({most})",
                    d.Any(d.Shape()),
                    t => t.NanToNum(2, most),
                    t => t.nan_to_num(2, most)
                );
            }
        );
        yield return new(
            "Lerp",
            d =>
            {
                var type = d.FloatType();
                var a = d.Of(d.Shape(), type);
                return new(
                    "Lerp",
                    [
                        a,
                        d.Of(d.Beside(a.Shape), d.Chance(0.05) ? d.FloatType() : type),
                        d.Of(d.Beside(a.Shape), type, tame: true),
                    ],
                    t => [t[0].Lerp(t[1], t[2])],
                    t => [t[0].lerp(t[1], t[2])]
                )
                {
                    Terms = 4,
                    Degree = 2,
                };
            }
        );
        yield return new(
            "Addcmul",
            d =>
            {
                var a = d.Any(d.Shape());
                return new(
                    "Addcmul",
                    [a, d.Of(d.Beside(a.Shape), a.Type), d.Of(d.Beside(a.Shape), a.Type)],
                    t => [t[0].Addcmul(t[1], t[2])],
                    t => [t[0].addcmul(t[1], t[2], 1)]
                )
                {
                    Terms = 4,
                    Degree = 2,
                };
            }
        );
        yield return new(
            "Addcdiv",
            d =>
            {
                var a = d.Any(d.Shape());
                double value = d.Pick(1, -0.5, 2);
                return new(
                    $"Addcdiv({value})",
                    [a, d.Of(d.Beside(a.Shape), a.Type), d.Of(d.Beside(a.Shape), a.Type)],
                    t => [t[0].Addcdiv(t[1], t[2], value)],
                    t => [t[0].addcdiv(t[1], t[2], value)]
                )
                {
                    Terms = 4,
                };
            }
        );
        yield return new(
            "Norm",
            d =>
            {
                var x = d.Float(d.Shape());
                double p = d.Pick(2.0, 2, 1, 0, 3, 0.5, 1.5, double.PositiveInfinity, double.NegativeInfinity);
                int[] dims = d.Dims(x.Shape.Length);
                bool keep = d.Chance(0.5);
                return Trial.One(
                    $"Norm({p}, {string.Join(',', dims)}, {keep})",
                    x,
                    t => t.Norm(p, dims, keep),
                    t =>
                        torch.linalg.vector_norm(
                            t,
                            p,
                            dims.Length == 0 ? null : Array.ConvertAll(dims, i => (long)i),
                            keep
                        )
                ) with
                {
                    Terms = 64,
                };
            }
        );
        yield return new(
            "NanSum",
            d => Trial.One("NanSum", d.Any(d.Shape()), t => t.NanSum(), t => t.nansum()) with { Terms = 512 }
        );
        yield return new(
            "NanMean",
            d =>
                // TorchSharp passes libtorch's nanmean no dtype that it takes.
                Trial.One(
                    "NanMean",
                    d.Float(d.Shape()),
                    t => t.NanMean(),
                    t =>
                        torch.where(t.isnan(), torch.zeros_like(t), t).sum()
                        / t.isnan().logical_not().to_type(t.dtype).sum()
                ) with
                {
                    Terms = 512,
                }
        );
    }
}
