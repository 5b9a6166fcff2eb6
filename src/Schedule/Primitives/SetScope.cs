using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>set_scope buffer scope</c>: an intermediate lives in another kind of memory.
/// </summary>
public sealed class SetScope : Primitive
{
    public override string Name => "set_scope";

    public override string Usage => "set_scope buffer heap|stack|register|shared|fragment";

    public override string Requirements =>
        """
            The buffer is an intermediate. Whether registers or shared memory can hold it is known when its place and
            the loop kinds around it are: storage placement refuses a register buffer whose compacted shape is not
            constant, and puts shared memory outside thread loops.
            """;

    public override PrimitiveExample Example =>
        new(
            "maps",
            "set_scope B stack",
            """
            buffer B: f32[8, 12] stack
            for B.i in 0..8:
              for B.j in 0..12:
                block B(i = B.i, j = B.j):
                  B[i, j] = A[i, j] * 2.0
            for C.i in 0..8:
              for C.j in 0..12:
                block C(i = C.i, j = C.j):
                  C[i, j] = B[i, j] + 1.0
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        var buffer = nest.IntermediateNamed(Arg(nest, step, 0));
        var scope = BlockLoops.ParseScope(nest, Arg(nest, step, 1));
        if (buffer.Swizzle is not null && scope != Scope.Shared)
            throw Refuse(
                nest,
                null,
                $"{buffer.Name} has swizzled addresses, which only shared memory has",
                "set_scope before swizzle"
            );
        return (nest.SwapIntermediate(buffer, buffer.With(scope: scope)), []);
    }
}
