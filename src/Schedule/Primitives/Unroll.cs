using System.Collections.Immutable;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary><c>unroll loop</c>: the body is replicated, once an iteration, when the nest is lowered.</summary>
public sealed class Unroll : Primitive
{
    public override string Name => "unroll";

    public override string Usage => "unroll loop";

    public override string Requirements =>
        """
            The loop is serial and its extent a constant. The order of iterations stays, so any body may be unrolled.
            """;

    public override PrimitiveExample Example =>
        new(
            "matmul",
            "unroll C.k",
            """
            for C.m in 0..6:
              for C.n in 0..8:
                for C.k in 0..10 unrolled:
                  block C(m = C.m, n = C.n, k:reduce = C.k):
                    C[m, n] sum= A[m, k] * B[k, n]
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        ArgCount(nest, step, 1, 1);
        var loop = nest.Loop(Arg(nest, step, 0));
        Concurrency.RequireSerial(nest, loop, "unroll takes serial loops");
        Concurrency.RequireConstant(nest, loop, "unrolled");
        return (nest.Replace(loop, loop with { Kind = LoopKind.Unrolled, Peel = false, PeelBegin = false }), []);
    }
}
