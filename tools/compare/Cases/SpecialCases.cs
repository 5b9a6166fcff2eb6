using TorchSharp;
using static TorchSharp.torch;

namespace Picograd.Compare.Cases;

/// <summary>Incomplete gamma functions and zeta; names that few use.</summary>
internal static class SpecialCases
{
    public static IEnumerable<Subject> All => [.. OfTwo(), .. Names()];

    private static Sample In(Draw d, long[] shape, double low, double high)
    {
        var type = d.Pick(DType.Float32, DType.Float64);
        var values = new double[Sample.CountOf(shape, Placement.Contiguous)];
        for (int i = 0; i < values.Length; i++)
            values[i] = type.Info().Round(low + (high - low) * d.Between(0, 100_000) / 100_000);
        return new Sample(shape, type, Placement.Contiguous, values);
    }

    private static IEnumerable<Subject> OfTwo()
    {
        // The gradient by the first argument is in neither library.
        (
            string,
            double,
            double,
            double,
            double,
            Func<Tensor, Tensor, Tensor>,
            Func<TorchTensor, TorchTensor, TorchTensor>
        )[] all =
        [
            ("Gammainc", 0.05, 40, 0, 60, Picograd.Special.Gammainc, special.gammainc),
            ("Gammaincc", 0.05, 40, 0, 60, Picograd.Special.Gammaincc, special.gammaincc),
            ("Gammainc of large", 100, 900, 50, 1000, Picograd.Special.Gammainc, special.gammainc),
            ("Zeta", 1.2, 12, 0.1, 20, Picograd.Special.Zeta, special.zeta),
        ];
        foreach (var (name, lowA, highA, lowB, highB, ours, theirs) in all)
            yield return new(
                name,
                d =>
                {
                    var shape = d.Shape(0, 3);
                    return new(
                        name,
                        [In(d, shape, lowA, highA), In(d, d.Beside(shape), lowB, highB)],
                        t => [ours(t[0].Detach(), t[1])],
                        t => [theirs(t[0].detach(), t[1])]
                    )
                    {
                        Terms = 64,
                    };
                }
            );
    }

    private static IEnumerable<Subject> Names()
    {
        yield return new(
            "Round decimals",
            d =>
            {
                int decimals = d.Between(-2, 3);
                return Trial.One(
                    $"Round({decimals})",
                    d.Of(d.Shape(), d.Pick(DType.Float32, DType.Float64), tame: true),
                    t => t.Round(decimals),
                    t => t.round(decimals)
                );
            }
        );
        yield return new(
            "Diagflat",
            d =>
            {
                long offset = d.Between(-3, 3);
                return Trial.One(
                    $"Diagflat({offset})",
                    d.Any(d.Shape(0, 2)),
                    t => t.Diagflat(offset),
                    t => t.diagflat(offset)
                );
            }
        );
        yield return new(
            "Dist",
            d =>
            {
                var shape = d.Shape();
                float p = d.Pick(1f, 2f, 3f, float.PositiveInfinity);
                var type = d.Pick(DType.Float32, DType.Float64);
                return Trial.Two(
                    $"Dist({p})",
                    d.Of(shape, type, tame: true),
                    d.Of(d.Beside(shape), type, tame: true),
                    (a, b) => a.Dist(b, p),
                    (a, b) => a.dist(b, p)
                ) with
                {
                    Terms = 512,
                };
            }
        );
    }
}
