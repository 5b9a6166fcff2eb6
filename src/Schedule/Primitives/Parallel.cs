using System.Collections.Immutable;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary><c>parallel loop [threads=N] [partition=static|dynamic]</c>: iterations run on the worker pool.</summary>
public sealed class Parallel : Primitive
{
    public override string Name => "parallel";

    public override string Usage => "parallel loop [threads=N] [partition=static|dynamic]";

    public override string Requirements =>
        """
            The loop is serial; its extent may be symbolic. No reduce or ordered axis is bound to it, and iterations touch
            different elements of whatever is written below it and lives outside. No parallel, vector or GPU loop lies
            around it, none that is parallel or of a GPU below. threads (at least 1): use no more than so many workers.
            partition: static gives each worker one run of iterations, dynamic hands them out one by one.
            """;

    public override PrimitiveExample Example =>
        new(
            "matmul",
            "parallel C.m partition=dynamic threads=2",
            """
            for C.m in 0..6 parallel partition=dynamic threads=2:
              for C.n in 0..8:
                for C.k in 0..10:
                  block C(m = C.m, n = C.n, k:reduce = C.k):
                    C[m, n] sum= A[m, k] * B[k, n]
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        ArgCount(nest, step, 1, 1);
        var loop = nest.Loop(Arg(nest, step, 0));
        Annotate.CheckAll(nest, step.Options);
        Concurrency.RequireSerial(nest, loop, "parallel takes serial loops");
        Concurrency.RequireNoNesting(nest, loop, LoopKind.Parallel, kind => kind == LoopKind.Parallel || kind.IsGpu());
        if (nest.LoopsAround(loop).FirstOrDefault(l => l.Kind == LoopKind.Vector) is { } lanes)
            throw Refuse(nest, lanes, $"{loop.Name} cannot be parallel: {lanes.Name} around it is a vector loop");
        Concurrency.Require(nest, loop, LoopKind.Parallel);
        var parallel = loop with { Kind = LoopKind.Parallel, Annotations = loop.Annotations.SetItems(step.Options) };
        return (nest.Replace(loop, parallel), []);
    }
}
