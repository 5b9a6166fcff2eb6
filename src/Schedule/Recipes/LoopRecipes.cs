using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Recipes;

/// <summary>What many schedules do with loops of a block.</summary>
internal static class LoopRecipes
{
    /// <summary>Cuts a loop; what does not divide is a loop of its own.</summary>
    internal static (LoopRef Outer, LoopRef Inner) SplitTile(Schedule s, LoopRef loop, long factor, long extent) =>
        s.Split(loop, factor, extent % factor == 0 ? Tail.None : Tail.Peel);

    /// <summary>Vectorises the innermost loop around a block where it is long enough to pay.</summary>
    internal static void VectorizeInner(Schedule s, BlockRef block, int lanes)
    {
        var loops = s.Nest.LoopsAround(s.Nest.Block(block));
        var inner = loops[^1];
        if (inner.Kind == LoopKind.Serial && inner.ConstantExtent is > 1)
        {
            if (inner.ConstantExtent > 8 * lanes)
                Cut(s, inner, lanes);
            else
                s.Vectorize(inner);
        }
    }

    private static void Cut(Schedule s, For loop, int lanes)
    {
        var (_, inner) = s.Split(loop, lanes, loop.ConstantExtent % lanes == 0 ? Tail.None : Tail.Peel);
        s.Vectorize(inner);
    }

    /// <summary>Fuses the loops of a map, innermost first, as long as all its accesses run through memory without gaps.</summary>
    internal static void FuseContiguous(Schedule s, BlockRef name)
    {
        while (true)
        {
            var block = s.Nest.Block(name);
            var loops = s.Nest.LoopsAround(s.Nest.Block(name));
            if (loops.Length < 2 || block.IsReduction || block.Axes.Any(a => a.Kind != AxisKind.Spatial))
                return;
            var (outer, inner) = (loops[^2], loops[^1]);
            if (!ReferenceEquals(outer.Body, inner) || inner.ConstantExtent is not { } extent)
                return;
            var bindings = block.Bindings;
            bool Contiguous(Buffer buffer, ImmutableArray<Expr> indices)
            {
                var form = LinearForm.Of(buffer.Offset([.. indices.Select(i => i.Substitute(bindings))]));
                long step = form.CoefficientOf(inner.Var);
                return form.CoefficientOf(outer.Var) == step * extent
                    && !form.Terms.Any(t => t.Atom is not Var && (t.Atom.Uses(inner.Var) || t.Atom.Uses(outer.Var)));
            }
            bool usesAxes = block.Values.Any(v => UsesOutsideLoads(v));
            if (
                usesAxes
                || !block.Loads.All(l => Contiguous(l.Buffer, l.Indices))
                || !block.Outputs.All(o => Contiguous(o, block.Indices))
            )
                return;
            s.Fuse(outer, inner);
        }
    }

    private static bool UsesOutsideLoads(Expr e) => e is Var || (e is not Load && e.Children().Any(UsesOutsideLoads));

    /// <summary>The values up to a largest one and one that is always there, ascending; the values are.</summary>
    internal static ImmutableArray<long> Within(long[] values, long always, long max)
    {
        var within = ImmutableArray.CreateBuilder<long>(values.Length + 1);
        bool there = false;
        foreach (long value in values)
        {
            if (!there && value >= always)
            {
                there = true;
                within.Add(always);
            }
            if (value <= max && value != always)
                within.Add(value);
        }
        if (!there)
            within.Add(always);
        return within.ToImmutable();
    }
}
