using Picograd.Algorithms;

namespace Picograd.Schedules.Patterns;

/// <summary>Lengths of axes, for what chooses by them.</summary>
internal static class Extents
{
    /// <summary>The extent of an axis that is known to be constant.</summary>
    public static long Of(Axis axis) => ((IntImm)axis.Extent).Value;

    /// <summary>Points of some axes: their extents multiplied, 0 as 1.</summary>
    /// <param name="axes">Axes of one stage.</param>
    /// <param name="symbolic">What a symbolic extent counts as; rules of GPUs suppose more than those of processors.</param>
    public static long Points(IEnumerable<Axis> axes, long symbolic = 64) =>
        axes.Aggregate(1L, (n, a) => n * (a.Extent is IntImm i ? Math.Max(1, i.Value) : symbolic));

    /// <summary>How many times a divisor goes into a number, a rest counting as once more.</summary>
    public static long CeilDiv(long a, long b) => (a + b - 1) / b;
}
