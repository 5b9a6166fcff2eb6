using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>fused = fuse outer inner</c>: two loops become one over the product of their extents, in the same order.
/// </summary>
public sealed class Fuse : Primitive
{
    public override string Name => "fuse";

    public override string Usage => "fused = fuse outer inner";

    public override string Requirements =>
        """
            Both loops are serial, inner is all there is in the body of outer, and its extent does not depend on outer.
            """;

    public override PrimitiveExample Example =>
        new(
            "matmul",
            "C.mn = fuse C.m C.n",
            """
            for C.mn in 0..48:
              for C.k in 0..10:
                block C(m = C.mn // 8, n = C.mn % 8, k:reduce = C.k):
                  C[m, n] sum= A[m, k] * B[k, n]
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        ArgCount(nest, step, 2, 2);
        var outer = nest.Loop(Arg(nest, step, 0));
        var inner = nest.Loop(Arg(nest, step, 1));
        Concurrency.RequireSerial(nest, outer, "fuse takes serial loops");
        Concurrency.RequireSerial(nest, inner, "fuse takes serial loops");
        if (!ReferenceEquals(outer.Body, inner))
            throw Refuse(
                nest,
                outer,
                $"{inner.Name} is not the whole body of {outer.Name}",
                outer.Body is For next ? $"fuse {outer.Name} {next.Name}" : $"no loop can be fused with {outer.Name}"
            );
        if (inner.Extent.Uses(outer.Var))
            throw Refuse(nest, inner, $"the extent {inner.Extent} of {inner.Name} depends on {outer.Name}");
        var fused = new Var(ResultName(nest, step, 0, $"{outer.Name}.{Tail(inner.Name)}"));
        var around = nest.LoopsAround(outer);
        var extent = Simplify(nest, outer.Extent * inner.Extent, around);
        // Nothing runs where it is 0, but the division is written down all the same.
        Expr divisor = inner.Extent.IsConst(0) ? 1 : inner.Extent;
        // Only the outer loop's partition survives: where the inner one's predicates change is no single place.
        var loop = new For(fused, extent, LoopKind.Serial, new Seq([])) { Peel = outer.Peel };
        var ranges = nest.Ranges(around.Add(loop));
        var below = inner.Body.Nodes().OfType<For>();
        foreach (var (v, range) in nest.Ranges(below))
            ranges.TryAdd(v, range);
        var values = new Dictionary<Var, Expr>
        {
            [outer.Var] = Op.FloorDiv(fused, divisor),
            [inner.Var] = Op.Mod(fused, divisor),
        };
        var simplifier = new Simplifier(ranges);
        var body = inner.Body.MapExprs(e =>
            e.Uses(outer.Var) || e.Uses(inner.Var)
                ? simplifier.Visit(Merge(e, outer.Var, inner, fused).Substitute(values))
                : e
        );
        return (nest.Replace(outer, loop with { Body = body }), [fused.Name]);
    }

    // outer·(c·E) + inner·c = fused·c, which division and remainder would hide from every later analysis.
    private static Expr Merge(Expr e, Var outer, For inner, Var fused)
    {
        if (inner.ConstantExtent is not { } extent)
            return e;
        return e.Map(node =>
        {
            if (node is not Binary { Kind: BinaryOp.Add or BinaryOp.Sub } || node.Type != DTypes.Index)
                return null;
            var form = LinearForm.Of(node);
            long c = form.CoefficientOf(inner.Var);
            if (c == 0 || form.CoefficientOf(outer) != c * extent)
                return null;
            var (_, rest) = form.Partition(atom => ReferenceEquals(atom, outer) || ReferenceEquals(atom, inner.Var));
            return Merge(Op.Mul(fused, c) + rest.ToExpr(), outer, inner, fused);
        });
    }

    private static string Tail(string name) => name[(name.LastIndexOf('.') + 1)..];
}
