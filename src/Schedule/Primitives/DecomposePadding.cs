using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>fill = decompose_padding block loop</c>: a copy with padding, select(in bounds, value, constant), becomes a fill of
/// everything with the constant, just before the loop, and a copy of the interior alone, which keeps the block's name. No
/// test is left in the copy where the bounds are those of single axes on loops of their own, at or below the loop; other
/// bounds become its predicate.
/// </summary>
public sealed class DecomposePadding : Primitive
{
    public override string Name => "decompose_padding";

    public override string Usage => "fill = decompose_padding block loop";

    public override string Requirements =>
        """
            The block is a map with one output, whose value is select(bounds, value, constant), the bounds a conjunction
            over axes of the block. The loop contains nothing but the block. The fill copies the loops from there on.
            """;

    public override PrimitiveExample Example =>
        new(
            "matmul",
            ["pad_einsum C 4,1,1"],
            "A.pad.fill = decompose_padding A.pad A.pad.m",
            """
            buffer A.pad: f32[8, 10] heap
            buffer C.pad: f32[8, 8] heap
            for A.pad.fill.m in 0..8:
              for A.pad.fill.k in 0..10:
                block A.pad.fill(m = A.pad.fill.m, k = A.pad.fill.k):
                  A.pad[m, k] = 0.0
            for A.pad.m in 0..6:
              for A.pad.k in 0..10:
                block A.pad(m = A.pad.m, k = A.pad.k):
                  A.pad[m, k] = A[m, k]
            for C.m in 0..8:
              for C.n in 0..8:
                for C.k in 0..10:
                  block C(m = C.m, n = C.n, k:reduce = C.k):
                    C.pad[m, n] sum= A.pad[m, k] * B[k, n]
            for C.crop.m in 0..6:
              for C.crop.n in 0..8:
                block C.crop(m = C.crop.m, n = C.crop.n):
                  C[m, n] = C.pad[m, n]
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        ArgCount(nest, step, 2, 2);
        var block = nest.Block(Arg(nest, step, 0));
        var top = nest.Loop(Arg(nest, step, 1));
        if (
            !block.IsMap()
            || block.Outputs.Length != 1
            || block.Values[0] is not Select { Else: IntImm or FloatImm } padding
            || padding.Cond.Loads().Any()
        )
            throw Refuse(
                nest,
                block,
                $"the value of block {block.Name} is not select(bounds, value, constant)",
                "the copies that pad_einsum and transform_layout with pad=zero make"
            );
        var own = nest.OwnLoops(block);
        int at = own.IndexOf(top, ReferenceEqualityComparer.Instance as IEqualityComparer<For>);
        if (at < 0)
            throw Refuse(
                nest,
                top,
                $"loop {top.Name} does not contain block {block.Name} alone",
                own.IsEmpty ? $"block {block.Name} has no such loop" : string.Join(", ", own.Select(l => l.Name))
            );
        var inner = own[at..];
        string fillName = ResultName(nest, step, 0, $"{block.Name}.fill");
        var fill = Fill(nest, block, inner, fillName, padding.Else);
        var interior = Interior(block, inner, padding);
        var result = nest.Replace(top, Seq.Of(fill, interior));
        return (result.WithoutStaleStoreAt(), [fillName]);
    }

    private static Stmt Fill(LoopNest nest, Block block, ImmutableArray<For> loops, string name, Expr constant)
    {
        var loopVars = loops.ToDictionary(
            l => l.Var,
            l =>
                (Expr)
                    new Var(
                        nest.FreshName(
                            l.Name.StartsWith(block.Name + ".", StringComparison.Ordinal)
                                ? name + l.Name[block.Name.Length..]
                                : $"{name}.{l.Name}"
                        )
                    )
        );
        var axisVars = block.Axes.ToDictionary(a => a.Var, a => (Expr)new Var(a.Name));
        Stmt body = block with
        {
            Name = name,
            Axes =
            [
                .. block.Axes.Select(a =>
                    a with
                    {
                        Var = (Var)axisVars[a.Var],
                        Binding = a.Binding.Substitute(loopVars),
                    }
                ),
            ],
            Predicate = block.Predicate.Substitute(loopVars),
            Indices = [.. block.Indices.Select(i => i.Substitute(axisVars))],
            Values = [constant],
        };
        foreach (var loop in loops.Reverse())
            body = loop with { Var = (Var)loopVars[loop.Var], Body = body };
        return body;
    }

    // Bounds of an axis that has a loop of its own shift and shorten the loop; the rest goes into the predicate.
    private static Stmt Interior(Block block, ImmutableArray<For> loops, Select padding)
    {
        var low = new Dictionary<Var, long>();
        var high = new Dictionary<Var, Expr>();
        var predicate = block.Predicate;
        foreach (var bound in padding.Cond.Conjuncts())
        {
            var axis = block.Axes.FirstOrDefault(a =>
                bound.Uses(a.Var)
                && loops.Any(l => l.Var == a.Binding && l.Extent == a.Extent)
                && block.Axes.Count(b => b.Binding.Uses((Var)a.Binding)) == 1
                && !block.Predicate.Uses((Var)a.Binding)
            );
            if (axis is null || !Shrink(bound, axis, low, high))
                predicate = Op.And(predicate, bound.Substitute(block.Bindings));
        }
        var axes = block.Axes.Select(a =>
            a with
            {
                Extent = high.GetValueOrDefault(a.Var, a.Extent) - low.GetValueOrDefault(a.Var),
            }
        );
        var shift = low.ToDictionary(l => l.Key, l => l.Key + l.Value);
        var extents = axes.Where(a => low.ContainsKey(a.Var) || high.ContainsKey(a.Var))
            .ToDictionary(a => (Var)a.Binding, a => a.Extent);
        // Where the interior starts later, a bound that became a predicate speaks of the shifted axis.
        var shiftedLoops = low.ToDictionary(
            l => (Var)block.Axis(l.Key).Binding,
            l => block.Axis(l.Key).Binding + l.Value
        );
        Stmt body = block with
        {
            Axes = [.. axes],
            Predicate = predicate.Substitute(shiftedLoops),
            Indices = [.. block.Indices.Select(i => i.Substitute(shift))],
            Values = [padding.Then.Substitute(shift)],
        };
        foreach (var loop in loops.Reverse())
            body = loop with { Body = body, Extent = extents.GetValueOrDefault(loop.Var, loop.Extent) };
        return body;
    }

    // a < c or c <= a, with constant or parameter c, narrows [low, high) of axis a.
    private static bool Shrink(Expr bound, BlockAxis axis, Dictionary<Var, long> low, Dictionary<Var, Expr> high)
    {
        if (bound is not Binary { Kind: BinaryOp.Lt or BinaryOp.Le } compare)
            return false;
        var form = LinearForm.Of(compare.A) - LinearForm.Of(compare.B);
        long slack = compare.Kind == BinaryOp.Le ? 1 : 0;
        if (form.Terms.Length != 1 || form.Terms[0].Atom != axis.Var || Math.Abs(form.Terms[0].Coefficient) != 1)
            return false;
        if (axis.Extent is not IntImm { Value: var extent })
            return false;
        if (form.Terms[0].Coefficient == 1)
        {
            // axis + constant < slack
            long limit = slack - form.Constant;
            long current = high.TryGetValue(axis.Var, out var h) ? ((IntImm)h).Value : extent;
            high[axis.Var] = Math.Clamp(limit, low.GetValueOrDefault(axis.Var), current);
            return true;
        }
        // constant − axis < slack: axis >= constant − slack + 1
        long first = form.Constant - slack + 1;
        long end = high.TryGetValue(axis.Var, out var e) ? ((IntImm)e).Value : extent;
        low[axis.Var] = Math.Clamp(first, low.GetValueOrDefault(axis.Var), end);
        return true;
    }
}
