using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary><c>vectorize loop</c>: iterations become the lanes of vector instructions.</summary>
public sealed class Vectorize : Primitive
{
    public override string Name => "vectorize";

    public override string Usage => "vectorize loop";

    public override string Requirements =>
        """
            The loop is serial and its extent a constant, of any size. No reduce or ordered axis is bound to it, and lanes
            touch different elements of whatever is written below it. No extent of a loop below depends on it, and no loop
            around or below it is a vector loop; below it no loop is parallel or a GPU loop.
            """;

    public override PrimitiveExample Example =>
        new(
            "matmul",
            "vectorize C.n",
            """
            for C.m in 0..6:
              for C.n in 0..8 vector:
                for C.k in 0..10:
                  block C(m = C.m, n = C.n, k:reduce = C.k):
                    C[m, n] sum= A[m, k] * B[k, n]
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        ArgCount(nest, step, 1, 1);
        var loop = nest.Loop(Arg(nest, step, 0));
        Concurrency.RequireSerial(nest, loop, "vectorize takes serial loops");
        Concurrency.RequireConstant(nest, loop, "vector");
        Concurrency.RequireNoNesting(nest, loop, LoopKind.Vector, kind => kind == LoopKind.Vector);
        foreach (var inner in loop.Body.Nodes().OfType<For>())
        {
            if (inner.Extent.Uses(loop.Var))
                throw Refuse(
                    nest,
                    inner,
                    $"{loop.Name} cannot be vector: lanes would leave {inner.Name} at different times, its extent is {inner.Extent}",
                    "loops that no extent below depends on"
                );
            if (inner.Kind is not (LoopKind.Serial or LoopKind.Unrolled))
                throw Refuse(
                    nest,
                    inner,
                    $"{loop.Name} cannot be vector: {inner.Name} below it is {inner.Kind.Text()}",
                    "serial and unrolled loops below"
                );
        }
        Concurrency.Require(nest, loop, LoopKind.Vector);
        return (nest.Replace(loop, loop with { Kind = LoopKind.Vector, Peel = false, PeelBegin = false }), []);
    }
}
