using Picograd.Algorithms;

namespace Picograd.Tune;

/// <summary>How fast an operator ran in the unit that limits it: arithmetic or traffic.</summary>
internal static class Rate
{
    /// <summary>
    /// Operations a byte from which arithmetic is what people quote. Matrix products of any use are above, element-wise
    /// work, reductions and products with a vector below.
    /// </summary>
    private const double ArithmeticFrom = 4;

    /// <summary>Exactly one of the two, in 10^9 operations or bytes a second.</summary>
    public static (double? Gflops, double? Gbps) Of(Problem spec, double milliseconds) =>
        spec.Flops >= ArithmeticFrom * spec.MinBytes
            ? (spec.Flops / (milliseconds * 1e6), null)
            : (null, spec.MinBytes / (milliseconds * 1e6));

    public static string Text(Problem spec, double milliseconds) =>
        Of(spec, milliseconds) switch
        {
            ({ } gflops, _) => $"{Figures.Number(gflops)} GFLOP/s",
            (_, { } gbps) => $"{Figures.Number(gbps)} GB/s",
            _ => "-",
        };
}
