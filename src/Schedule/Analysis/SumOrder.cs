using System.Globalization;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Analysis;

/// <summary>
/// In which order a scheduled nest adds up, as text: for each block that reduces floats the loops that its reduce axes run over, from
/// the outermost on, each with its step; loops that together count through are one. Tiles of other axes, packing and threads leave it
/// as it is; a sum that is parted (rfactor), lanes that add up apart and blocks of terms in another order do not.
/// </summary>
/// <remarks>
/// What lowering adds (stretches of long sums, <see cref="Passes.BlockSums"/>) depends on accumulators as well, so that equal orders are
/// necessary for equal bits, not sufficient: certification compares the bits.
/// </remarks>
public static class SumOrder
{
    /// <summary>The order of a nest.</summary>
    public static string Of(LoopNest nest)
    {
        ArgumentNullException.ThrowIfNull(nest);
        return string.Join(
            "; ",
            nest.Blocks.Where(Adds).Select(b => Of(nest, b)).Distinct().Order(StringComparer.Ordinal)
        );
    }

    private static bool Adds(Block block) =>
        block.IsReduction && block.ReduceAxes.Any() && block.Outputs.Any(o => o.Type.IsFloat());

    private static string Of(LoopNest nest, Block block)
    {
        var steps = new List<(int Axis, long Step, long Extent, bool Lanes)>();
        var axes = block.ReduceAxes.ToList();
        var forms = axes.Select(a => LinearForm.Of(a.Binding)).ToList();
        if (forms.Any(f => !f.IsAffine))
            return $"{string.Join(", ", axes.Select(a => a.Binding))}";
        foreach (var loop in nest.LoopsAround(block))
        {
            for (int i = 0; i < axes.Count; i++)
            {
                if (forms[i].CoefficientOf(loop.Var) is var step and not 0)
                    Add(steps, (i, step, loop.ConstantExtent ?? 0, loop.Kind == LoopKind.Vector));
            }
        }
        return string.Join(' ', steps.Select(s => Text(s, axes[s.Axis].Extent)));
    }

    private static void Add(
        List<(int Axis, long Step, long Extent, bool Lanes)> steps,
        (int Axis, long Step, long Extent, bool Lanes) next
    )
    {
        if (next.Extent == 1)
            return;
        if (
            steps.Count > 0
            && steps[^1] is var last
            && last.Axis == next.Axis
            && last.Lanes == next.Lanes
            && next.Extent > 0
            && last.Step == next.Step * next.Extent
        )
            steps[^1] = (next.Axis, next.Step, last.Extent * next.Extent, next.Lanes);
        else
            steps.Add(next);
    }

    // A loop with a step of one that covers its axis is told by the axis: the last tile may be cut.
    private static string Text((int Axis, long Step, long Extent, bool Lanes) s, Expr extent)
    {
        long? all = (extent as IntImm)?.Value;
        string range =
            s.Step == 1 && (s.Extent == 0 || s.Extent >= all)
                ? $"{extent}"
                : string.Create(CultureInfo.InvariantCulture, $"{s.Extent} by {s.Step}");
        return $"{s.Axis}:{range}{(s.Lanes ? " lanes" : "")}";
    }
}
