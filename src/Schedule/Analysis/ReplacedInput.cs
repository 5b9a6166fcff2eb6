using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Analysis;

/// <summary>
/// Whether an output may lie where an input does: each element is computed once, by the only block that there is, of the input's element
/// at its own place.
/// </summary>
public static class ReplacedInput
{
    /// <summary>False where that is not known, too.</summary>
    /// <param name="nest">A program as primitives left it.</param>
    /// <param name="input">One of its inputs.</param>
    /// <param name="output">One of its outputs.</param>
    public static bool IsSafe(LoopNest nest, Algorithms.Buffer input, Algorithms.Buffer output)
    {
        ArgumentNullException.ThrowIfNull(nest);
        return nest.Blocks.ToList() is [var block]
            && block.Outputs is [var written]
            && written == output
            && !block.IsReduction
            && block.Axes.All(a => a.Kind == AxisKind.Spatial)
            && block.Indices.SequenceEqual(block.Axes.Select(a => (Expr)a.Var))
            // Beyond the range of angles loops are run again.
            && !block.Values.Any(v => v.Nodes().Any(n => n is Apply))
            && !block.Predicate.Loads().Any(l => l.Buffer == input)
            && block.Loads.All(l => l.Buffer != input || l.Indices.SequenceEqual(block.Indices))
            && VisitsOnce(nest, block);
    }

    // Bindings are sums of loops, each in steps that the loops below it fill at most.
    private static bool VisitsOnce(LoopNest nest, Block block)
    {
        var extents = nest.LoopsAround(block).ToDictionary(l => l.Var, l => l.Extent);
        var used = new HashSet<Var>();
        foreach (var axis in block.Axes)
        {
            long reach = 0;
            foreach (var (atom, coefficient) in LinearForm.Of(axis.Binding).Terms.OrderBy(t => t.Coefficient))
            {
                if (atom is not Var loop || !extents.TryGetValue(loop, out var extent) || !used.Add(loop))
                    return false;
                if (coefficient <= reach)
                    return false;
                // Of the outermost loop alone the length may be symbolic.
                reach = extent is IntImm constant ? reach + coefficient * (constant.Value - 1) : long.MaxValue;
            }
        }
        // A loop that no axis has would do all again.
        return extents.All(e => used.Contains(e.Key) || e.Value is IntImm { Value: 1 });
    }
}
