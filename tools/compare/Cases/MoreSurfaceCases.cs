using TorchSharp;
using static TorchSharp.torch;

namespace Picograd.Compare.Cases;

/// <summary>Statistics, scatters into copies, numbers' digits, special functions.</summary>
internal static class MoreSurfaceCases
{
    public static IEnumerable<Subject> All => [.. Special(), .. Statistics(), .. Rearranged(), .. Digits()];

    private static Sample In(Draw d, double low, double high)
    {
        var shape = d.Shape(0, 3);
        var type = d.Pick(DType.Float32, DType.Float64);
        long count = Sample.CountOf(shape, Placement.Contiguous);
        var values = new double[count];
        for (int i = 0; i < values.Length; i++)
            values[i] = type.Info().Round(low + (high - low) * d.Between(0, 100_000) / 100_000);
        return new Sample(shape, type, Placement.Contiguous, values);
    }

    private static IEnumerable<Subject> Special()
    {
        (string, double Low, double High, Func<Tensor, Tensor>, Func<TorchTensor, TorchTensor>)[] all =
        [
            ("Lgamma", 0.05, 30, t => t.Lgamma(), t => t.lgamma()),
            ("Lgamma negative", -4.4, -0.1, t => t.Lgamma(), t => t.lgamma()),
            ("Digamma", 0.05, 30, t => t.Digamma(), t => t.digamma()),
            ("Digamma negative", -4.4, -0.1, t => t.Digamma(), t => t.digamma()),
            ("Polygamma 1", 0.1, 20, t => t.Polygamma(1), t => t.polygamma(1)),
            ("Polygamma 3", 0.3, 20, t => t.Polygamma(3), t => t.polygamma(3)),
            ("Mvlgamma", 2, 20, t => t.Mvlgamma(3), t => t.mvlgamma(3)),
            ("Erfinv", -1, 1, t => t.Erfinv(), t => t.erfinv()),
            ("I0", -30, 30, t => t.I0(), t => t.i0()),
            ("I0E", -50, 50, Picograd.Special.I0E, special.i0e),
            ("I1", -30, 30, Picograd.Special.I1, special.i1),
            ("I1E", -50, 50, Picograd.Special.I1E, special.i1e),
            ("Entr", -0.2, 4, Picograd.Special.Entr, special.entr),
            ("Ndtr", -6, 6, Picograd.Special.Ndtr, special.ndtr),
            ("Ndtri", 0, 1, Picograd.Special.Ndtri, special.ndtri),
        ];
        foreach (var (name, low, high, ours, theirs) in all)
            yield return new(
                name,
                d => new($"{name}", [In(d, low, high)], t => [ours(t[0])], t => [theirs(t[0])]) { Terms = 16 }
            );
        yield return new(
            "Special Xlog1py",
            d =>
                new(
                    "Xlog1py",
                    [In(d, -2, 2), d.Of([], DType.Float64, tame: true)],
                    t => [Picograd.Special.Xlog1py(t[0], t[1].Abs())],
                    t => [special.xlog1py(t[0], t[1].abs())]
                )
                {
                    Terms = 4,
                }
        );
        yield return new(
            "Special of anything",
            d =>
                new(
                    "Special of anything",
                    [d.Of(d.Shape(0, 2), d.Pick(DType.Int64, DType.Int32, DType.Bool, DType.Float16, DType.Float32))],
                    t => [t[0].Lgamma(), t[0].I0()],
                    t => [t[0].lgamma(), t[0].i0()]
                )
                {
                    Terms = 16,
                    Gradients = false,
                }
        );
    }

    private static IEnumerable<Subject> Statistics()
    {
        yield return new(
            "Cov",
            d =>
            {
                var x = d.Of(d.Shape(0, 3), d.Pick(DType.Float32, DType.Float64), tame: true);
                int correction = d.Between(0, 1);
                return new($"Cov({correction})", [x], t => [t[0].Cov(correction)], t => [t[0].cov(correction)])
                {
                    Terms = 32,
                    Degree = 2,
                };
            }
        );
        yield return new(
            "Corrcoef",
            d =>
                new(
                    "Corrcoef",
                    [d.Of([d.Between(1, 4), d.Between(3, 9)], DType.Float64, tame: true)],
                    t => [t[0].Corrcoef()],
                    t => [t[0].corrcoef()]
                )
                {
                    Terms = 256,
                    Degree = 2,
                }
        );
        yield return new(
            "Diff",
            d =>
            {
                var x = d.Of(d.Shape(0, 3), d.AnyType(), tame: true);
                var (n, dim) = (1, d.Dim(x.Shape.Length));
                return new($"Diff({n}, {dim})", [x], t => [t[0].Diff(n, dim)], t => [t[0].diff(n, dim)]) { Terms = 8 };
            }
        );
        yield return new(
            "Trapezoid",
            d =>
            {
                var x = d.Of(d.Shape(1, 3), d.Pick(DType.Float32, DType.Float64), tame: true);
                int dim = d.Between(0, x.Shape.Length - 1);
                bool running = d.Chance(0.5);
                return new(
                    $"Trapezoid({dim}, {running})",
                    [x],
                    t => [running ? Tensor.CumulativeTrapezoid(t[0], 0.5, dim) : Tensor.Trapezoid(t[0], 0.5, dim)],
                    t => [running ? torch.cumulative_trapezoid(t[0], 0.5, dim) : torch.trapezoid(t[0], 0.5, dim)]
                )
                {
                    Terms = 32,
                };
            }
        );
        yield return new(
            "Renorm",
            d =>
            {
                var x = d.Of(d.Shape(2, 3), d.Pick(DType.Float32, DType.Float64), tame: true);
                int dim = d.Between(0, x.Shape.Length - 1);
                return new($"Renorm({dim})", [x], t => [t[0].Renorm(2, dim, 1.5)], t => [t[0].renorm(2, dim, 1.5f)])
                {
                    Terms = 32,
                };
            }
        );
        yield return new(
            "IsIn",
            d =>
            {
                var type = d.AnyType();
                bool invert = d.Chance(0.3);
                return new(
                    $"IsIn({invert})",
                    [d.Of(d.Shape(0, 3), type, tame: true), d.Of(d.Shape(0, 2), type, tame: true)],
                    t => [Tensor.IsIn(t[0], t[1], invert: invert)],
                    t => [torch.isin(t[0], t[1], false, invert)]
                );
            }
        );
        yield return new(
            "NanQuantile",
            d =>
            {
                var x = d.Of(d.Shape(1, 3), d.Pick(DType.Float32, DType.Float64));
                int dim = d.Between(0, x.Shape.Length - 1);
                double q = d.Between(0, 10) / 10.0;
                return new(
                    $"NanQuantile({q}, {dim})",
                    [x],
                    t => [t[0].NanQuantile(q, dim)],
                    t => [t[0].nanquantile(torch.tensor(q, dtype: t[0].dtype), dim)]
                )
                {
                    Terms = 4,
                    Gradients = false,
                };
            }
        );
    }

    private static IEnumerable<Subject> Rearranged()
    {
        yield return new(
            "AsStrided",
            d =>
            {
                var x = d.Of(d.Shape(1, 3), d.Pick(DType.Float32, DType.Int64), true, Placement.Contiguous);
                long[] size = [d.Between(0, 3), d.Between(1, 3)];
                long[] stride = [d.Between(0, 3), d.Between(0, 3)];
                return new(
                    $"AsStrided({size[0]}, {size[1]}; {stride[0]}, {stride[1]})",
                    [x],
                    t => [t[0].AsStrided(size, stride, 1)],
                    t => [t[0].as_strided(size, stride, 1)]
                )
                {
                    Terms = 16,
                };
            }
        );
        yield return new(
            "SelectScatter",
            d =>
            {
                var type = d.FloatType();
                var x = d.Of(d.Shape(1, 3), type, tame: true);
                int dim = d.Between(0, x.Shape.Length - 1);
                long index = d.Between(-2, 2);
                var src = d.Of([.. x.Shape[..dim], .. x.Shape[(dim + 1)..]], type, tame: true);
                return new(
                    $"SelectScatter({dim}, {index})",
                    [x, src],
                    t => [t[0].SelectScatter(t[1], dim, index)],
                    t => [t[0].select_scatter(t[1], dim, index)]
                );
            }
        );
        yield return new(
            "DiagonalScatter",
            d =>
            {
                var (m, n) = (d.Between(1, 5), d.Between(1, 5));
                return new(
                    "DiagonalScatter",
                    [d.Of([m, n], DType.Float32, tame: true), d.Of([Math.Min(m, n)], DType.Float32, tame: true)],
                    t => [t[0].DiagonalScatter(t[1])],
                    t => [t[0].diagonal_scatter(t[1], 0, 0, 1)]
                );
            }
        );
        yield return new(
            "BlockDiag",
            d =>
                new(
                    "BlockDiag",
                    [d.Of(d.Shape(0, 2), d.AnyType(), tame: true), d.Of(d.Shape(0, 3), d.AnyType(), tame: true)],
                    t => [Tensor.BlockDiag(t)],
                    t => [torch.block_diag(t)]
                )
        );
        yield return new(
            "Combinations",
            d =>
            {
                var (r, with) = (d.Between(1, 3), d.Chance(0.5));
                return new(
                    $"Combinations({r}, {with})",
                    [d.Of([d.Between(0, 5)], d.AnyType(), tame: true)],
                    t => [t[0].Combinations(r, with)],
                    t => [torch.combinations(t[0], r, with)]
                )
                {
                    Terms = 16,
                };
            }
        );
        yield return new(
            "Addbmm",
            d =>
                new(
                    "Addbmm",
                    [
                        d.Of(d.Pick<long[]>([5], [3, 5], [3, 1]), DType.Float32, tame: true),
                        d.Of([2, 3, 4], DType.Float32, tame: true),
                        d.Of([2, 4, 5], DType.Float32, tame: true),
                    ],
                    t => [t[0].Addbmm(t[1], t[2], 2, 0.5)],
                    t => [t[0].addbmm(t[1], t[2], 2, 0.5f)]
                )
                {
                    Terms = 32,
                    Degree = 2,
                }
        );
        yield return new(
            "TrilIndices",
            d =>
            {
                var (m, n, k) = (d.Between(0, 4), d.Between(0, 4), d.Between(-3, 3));
                return new(
                    $"TrilIndices({m}, {n}, {k})",
                    [],
                    _ => [Tensor.TrilIndices(m, n, k), Tensor.TriuIndices(m, n, k)],
                    _ => [torch.tril_indices(m, n, k), torch.triu_indices(m, n, k)]
                );
            }
        );
    }

    private static IEnumerable<Subject> Digits()
    {
        yield return new(
            "Gcd",
            d =>
            {
                var type = d.Pick(DType.Int32, DType.Int64, DType.UInt8, DType.Float32);
                var shape = d.Shape(0, 3);
                bool lcm = d.Chance(0.5);
                return new(
                    $"Gcd({lcm})",
                    [d.Of(shape, type, tame: true), d.Of(d.Beside(shape), type, tame: true)],
                    t => [lcm ? t[0].Lcm(t[1]) : t[0].Gcd(t[1])],
                    t => [lcm ? t[0].lcm(t[1]) : t[0].gcd(t[1])]
                );
            }
        );
        yield return new(
            "Frexp",
            d =>
                new(
                    "Frexp",
                    [d.Of(d.Shape(0, 3), d.Pick(DType.Float32, DType.Float64, DType.Int64), tame: true)],
                    t => [t[0].Frexp().Mantissa, t[0].Frexp().Exponent],
                    t => [t[0].frexp().Item1, t[0].frexp().Item2]
                )
        );
        yield return new(
            "Ldexp",
            d =>
                new(
                    "Ldexp",
                    [d.Of([2, 3], d.Pick(DType.Float32, DType.Float64), tame: true), d.Whole([3], DType.Int64, -5, 5)],
                    t => [t[0].Ldexp(t[1])],
                    t => [t[0].ldexp(t[1])]
                )
        );
        yield return new(
            "Nextafter",
            d =>
            {
                var type = d.Pick(DType.Float32, DType.Float64);
                return new(
                    "Nextafter",
                    [d.Of([3, 2], type), d.Of([2], type)],
                    t => [t[0].Nextafter(t[1])],
                    t => [t[0].nextafter(t[1])]
                )
                {
                    Gradients = false,
                };
            }
        );
    }
}
