using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>The tail=pad of a split: a loop runs on to a larger extent and what it writes grows with it.</summary>
internal static class Padding
{
    /// <summary>Same nest with the blocks below a loop made ready for the larger extent, and that loop in it.</summary>
    public static (LoopNest Nest, For Loop) Grow(LoopNest nest, For loop, Expr extent)
    {
        var grown = new Dictionary<Algorithms.Buffer, Algorithms.Buffer>();
        var body = loop.Body.Map(s =>
            s switch
            {
                Block b => Grow(nest, loop, b, extent, grown),
                For or Seq or Allocate => null,
                _ => throw Refusal(nest, s, $"there is more than blocks below {loop.Name}"),
            }
        );
        nest = nest.Replace(loop, loop with { Body = body });
        foreach (var (old, larger) in grown)
        {
            nest = nest with
            {
                Body = nest.Body.ReplaceBuffer(old, larger),
                Intermediates = nest.Intermediates.Replace(old, larger),
            };
        }
        return (nest, nest.Loop(loop.Name));
    }

    private static Block Grow(
        LoopNest nest,
        For loop,
        Block block,
        Expr extent,
        Dictionary<Algorithms.Buffer, Algorithms.Buffer> grown
    )
    {
        var bound = block.Axes.Where(a => a.Binding.Uses(loop.Var)).ToList();
        if (bound.Count != 1 || !ReferenceEquals(bound[0].Binding, loop.Var) || block.Predicate.Uses(loop.Var))
            throw Refusal(
                nest,
                block,
                $"no axis of block {block.Name} is bound to {loop.Name} itself and to nothing else"
            );
        var axis = bound[0];
        Expr within = Op.Lt(axis.Var, axis.Extent);
        ImmutableArray<Expr> beyond = block.Reducer?.Identity ?? [.. block.Values.Select(v => Op.Const(0, v.Type))];
        switch (axis.Kind)
        {
            case AxisKind.Ordered:
                throw Refusal(nest, block, $"axis {axis.Name} of block {block.Name} is ordered");
            case AxisKind.Spatial:
                foreach (var output in block.Outputs)
                    grown.TryAdd(output, Enlarge(nest, loop, block, axis, output, extent));
                break;
            default:
                if (block.Indices.Any(i => i.Uses(axis.Var)))
                    throw Refusal(
                        nest,
                        block,
                        $"where block {block.Name} writes depends on its reduce axis {axis.Name}"
                    );
                break;
        }
        var padded = block with { Axes = block.Axes.Replace(axis, axis with { Extent = extent }) };
        bool neutral =
            axis.Kind == AxisKind.Reduce
            && block.Values.Zip(beyond).All(v => InPadding(nest, v.First, axis, extent) == v.Second);
        return neutral
            ? padded
            : padded with
            {
                Values = [.. block.Values.Zip(beyond, (value, other) => Op.Select(within, value, other))],
            };
    }

    private static Algorithms.Buffer Enlarge(
        LoopNest nest,
        For loop,
        Block block,
        BlockAxis axis,
        Algorithms.Buffer output,
        Expr extent
    )
    {
        if (!nest.Intermediates.Contains(output))
            throw Refusal(nest, block, $"block {block.Name} writes {output.Name}, which is not an intermediate");
        int dim = block.Indices.IndexOf(axis.Var);
        if (dim < 0 || block.Indices.Count(i => i.Uses(axis.Var)) != 1)
            throw Refusal(
                nest,
                block,
                $"axis {axis.Name} of block {block.Name} is not by itself one index of {output.Name}"
            );
        var elsewhere = Dependence
            .Accesses(nest.Body)
            .FirstOrDefault(a =>
                a.IsWrite
                && a.Buffer == output
                && !loop.Nodes().Contains(a.Statement, ReferenceEqualityComparer.Instance)
            );
        if (elsewhere is not null)
            throw Refusal(nest, elsewhere.Statement, $"{output.Name} is also written outside {loop.Name}");
        if (!output.Strides.IsDefault)
            throw Refusal(nest, block, $"{output.Name} has strides of its own");
        // Grown before, along the same dimension: whichever is larger.
        var size = Simplifier.Simplify(Op.Max(output.Shape[dim], extent), nest.ParameterRanges);
        return output.With(shape: output.Shape.SetItem(dim, size));
    }

    // The value at axis ≥ its extent where all that it reads there is padding, which holds constants; else a guess that
    // equals no identity.
    private static Expr InPadding(LoopNest nest, Expr value, BlockAxis axis, Expr extent) =>
        value.Map(e => e is Load l && Fill(nest, l, axis, extent) is { } fill ? fill : null);

    private static Expr? Fill(LoopNest nest, Load load, BlockAxis axis, Expr extent)
    {
        int dim = load.Indices.IndexOf(axis.Var);
        if (dim < 0 || load.Buffer.Shape[dim] != extent)
            return null;
        var writers = nest.Blocks.Where(b => b.Outputs.Contains(load.Buffer)).ToList();
        if (writers is not [var writer] || writer.IsReduction)
            return null;
        var value = writer.Values[writer.Outputs.IndexOf(load.Buffer)];
        return
            value is Select { Cond: Binary { Kind: BinaryOp.Lt } limit, Else: FloatImm or IntImm } padded
            && limit.A == writer.Indices[dim]
            && limit.B == axis.Extent
            ? padded.Else
            : null;
    }

    private static ScheduleException Refusal(LoopNest nest, Stmt at, string reason) =>
        new(nest, at, $"tail=pad: {reason}", "tail=guard|peel|predicate");
}
