using System.Collections.Immutable;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary><c>[copies =] double_buffer loop [mode=sync|cp.async|bulk]</c>: <see cref="Pipeline"/> with two stages.</summary>
public sealed class DoubleBuffer : Primitive
{
    public override string Name => "double_buffer";

    public override string Usage => "[copies =] double_buffer loop [mode=sync|cp.async|bulk]";

    public override string Requirements => Pipeline.Requires;

    public override PrimitiveExample Example =>
        new(
            "matmul",
            [
                "split C.k 2",
                "reorder C.k.o C.m C.n C.k.i",
                "T, copy = cache_read B C stack",
                "ck, cn = compute_at copy C.k.o",
            ],
            "double_buffer C.k.o",
            """
            buffer T: f32[2, 10, 8] stack
            for C.k.o.pre in 0..1:
              for ck.pre in 0..2:
                for cn.pre in 0..8:
                  block copy.pre(k = ck.pre, n = cn.pre):
                    T[0, k, n] = B[k, n]
            for C.k.o in 0..5:
              for ck in 0..2:
                for cn in 0..8:
                  block copy(k = C.k.o * 2 + ck + 2, n = cn) where C.k.o < 4:
                    T[(C.k.o + 1) % 2, k - C.k.o * 2 - 2, n] = B[k, n]
              for C.m in 0..6:
                for C.n in 0..8:
                  for C.k.i in 0..2:
                    block C(m = C.m, n = C.n, k:reduce = C.k.o * 2 + C.k.i):
                      C[m, n] sum= A[m, k] * T[C.k.o % 2, k - C.k.o * 2, n]
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step, "mode");
        ArgCount(nest, step, 1, 1);
        return Pipeline.Apply(nest, step, nest.Loop(Arg(nest, step, 0)), 2);
    }
}
