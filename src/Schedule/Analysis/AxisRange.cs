using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Analysis;

/// <summary>The values that an axis takes: Base … Base + Extent − 1, by a loop, or just Base.</summary>
internal sealed record AxisRange(Expr Base, Expr Extent, bool Loop)
{
    public static AxisRange Full(BlockAxis axis) => new(0, axis.Extent, true);

    public static AxisRange Of(Span span) => new(span.Min, span.Extent, span.Varies);
}
