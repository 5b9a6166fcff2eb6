using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>New serial loops around a block, for the primitives that move or make blocks.</summary>
internal static class BlockLoops
{
    /// <summary>
    /// The block under loops named block.axis, in the order of its axes, which visit the ranges given (axes without
    /// one: all of it). Its predicate keeps axes within their extents where that is not certain, and the conditions.
    /// </summary>
    /// <param name="nest">Gives ranges and free names; the block must not be in it.</param>
    /// <param name="conditions">Further predicates, from the bindings of the new loops.</param>
    /// <param name="peeled">Axes whose loops lowering is to cut where conditions change.</param>
    public static (Stmt Stmt, ImmutableArray<string> Loops) Make(
        LoopNest nest,
        Block block,
        IReadOnlyDictionary<Var, AxisRange> ranges,
        IEnumerable<For> outer,
        Func<int, string, string> name,
        Func<IReadOnlyDictionary<Var, Expr>, IEnumerable<Expr>>? conditions = null,
        IReadOnlySet<Var>? peeled = null
    )
    {
        var loops = new List<For>();
        var axes = ImmutableArray.CreateBuilder<BlockAxis>();
        foreach (var axis in block.Axes)
        {
            var range = ranges.GetValueOrDefault(axis.Var) ?? AxisRange.Full(axis);
            var binding = range.Base;
            if (range.Loop)
            {
                var var = new Var(name(loops.Count, $"{block.Name}.{axis.Name}"));
                loops.Add(
                    new For(var, range.Extent, LoopKind.Serial, new Seq([]))
                    {
                        Peel = peeled?.Contains(axis.Var) ?? false,
                    }
                );
                binding = range.Base.IsConst(0) ? var : range.Base + var;
            }
            axes.Add(axis with { Binding = binding });
        }
        var known = nest.Ranges(outer.Concat(loops));
        var predicate = Op.True;
        void Require(Expr condition)
        {
            var simple = Simplifier.Simplify(condition, known);
            if (!simple.IsTrue() && !predicate.Conjuncts().Contains(simple))
                predicate = Op.And(predicate, simple);
        }
        foreach (var axis in axes)
        {
            Require(Op.Le(0, axis.Binding));
            Require(Op.Lt(axis.Binding, axis.Extent));
        }
        var moved = block with { Axes = axes.ToImmutable() };
        foreach (var condition in conditions?.Invoke(moved.Bindings) ?? [])
            Require(condition);
        Stmt stmt = moved with { Predicate = predicate };
        foreach (var loop in Enumerable.Reverse(loops))
            stmt = loop with { Body = stmt };
        return (stmt, [.. loops.Select(l => l.Name)]);
    }

    /// <summary>Axes of a block that have a peeled loop to themselves.</summary>
    public static IReadOnlySet<Var> Peeled(LoopNest nest, Block block)
    {
        var peeled = nest.LoopsAround(block).Where(l => l.Peel).Select(l => l.Var).ToHashSet();
        return block.Axes.Where(a => a.Binding is Var v && peeled.Contains(v)).Select(a => a.Var).ToHashSet();
    }

    /// <summary>
    /// A map that copies the buffers element by element. Not yet under loops: its axes are bound to 0. It runs over the
    /// dimensions, or, where the writer fills only places that it computes from its axes (a padded layout), over those.
    /// </summary>
    public static Block Copy(
        string name,
        ImmutableArray<Buffer> from,
        ImmutableArray<Buffer> to,
        IEnumerable<string> dimensions,
        Block? writer = null
    )
    {
        if (writer is not null && HasLayout(writer))
        {
            var own = writer.SpatialAxes.ToDictionary(a => a.Var, a => new Var(a.Name));
            var values = own.ToDictionary(x => x.Key, x => (Expr)x.Value);
            ImmutableArray<Expr> mapped = [.. writer.Indices.Select(i => i.Substitute(values))];
            return new Block(
                name,
                [.. writer.SpatialAxes.Select(a => a with { Var = own[a.Var], Binding = 0 })],
                Op.True,
                to,
                mapped,
                [.. from.Select(f => (Expr)f.At(mapped))]
            );
        }
        ImmutableArray<BlockAxis> axes =
        [
            .. dimensions.Select((n, d) => new BlockAxis(new Var(n), to[0].Shape[d], AxisKind.Spatial, 0)),
        ];
        ImmutableArray<Expr> place = [.. axes.Select(a => (Expr)a.Var)];
        return new Block(name, axes, Op.True, to, place, [.. from.Select(f => (Expr)f.At(place))]);
    }

    /// <summary>Whether a block computes where it writes from its spatial axes, other than by using them as they are.</summary>
    public static bool HasLayout(Block writer) =>
        !writer.ArePlainAxes(writer.Indices)
        && writer.Indices.All(i => !i.Loads().Any() && i.FreeVars().All(v => writer.SpatialAxes.Any(a => a.Var == v)));

    /// <summary>Names for dimensions: those of the axes that index them, else d0, d1, ….</summary>
    public static IEnumerable<string> DimensionNames(Block block, ImmutableArray<Expr> indices)
    {
        var names = indices
            .Select((e, d) => e is Var v && block.Axes.Any(a => a.Var == v) ? v.Name : $"d{d}")
            .ToArray();
        return names.Distinct().Count() == names.Length ? names : names.Select((_, d) => $"d{d}");
    }

    /// <summary>The statement with another put before or after it, flat within a sequence.</summary>
    public static LoopNest Insert(LoopNest nest, Stmt at, Stmt added, bool after) =>
        nest.Replace(at, after ? Seq.Of(at, added) : Seq.Of(added, at)) is { } result
            ? result with
            {
                Body = result.Body.MapUp(s => s is Seq q && q.Items.Any(i => i is Seq) ? Seq.Of(q.Items) : s),
            }
            : nest;

    public static string ScopeName(Scope scope) =>
        scope switch
        {
            Scope.Register => "reg",
            Scope.Fragment => "frag",
            _ => scope.ToString().ToLowerInvariant(),
        };

    /// <summary>heap, stack, register, shared or fragment.</summary>
    public static Scope ParseScope(LoopNest nest, string text) =>
        Enum.GetValues<Scope>().Where(s => s != Scope.Global && s.Text() == text).ToArray() is [var scope]
            ? scope
            : throw new ScheduleException(
                nest,
                null,
                $"unknown scope '{text}'",
                "heap, stack, register, shared, fragment"
            );
}
