using System.Collections.Immutable;

namespace Picograd.Schedules;

/// <summary><c>bind loop kind</c>: iterations become the blocks or threads of a GPU.</summary>
public sealed class Bind : Primitive
{
    private static readonly string Kinds = string.Join(
        ", ",
        Enum.GetValues<LoopKind>().Where(k => k.IsGpu()).Select(k => k.Text())
    );

    public override string Name => "bind";

    public override string Usage =>
        "bind loop block.x|block.y|block.z|cluster|warpgroup|warp|thread.x|thread.y|thread.z|lane";

    public override string Requirements =>
        """
            The loop is serial; for kinds within a block its extent is a constant. No reduce or ordered axis is bound to
            it, and iterations touch different elements of whatever is written below it and lives outside. A kind
            appears once in a chain of loops; blocks lie around clusters, and those around threads. No parallel loop lies
            around or below it, no vector loop around it.
            """;

    public override PrimitiveExample Example =>
        new(
            "matmul",
            ["bind C.m block.x"],
            "bind C.n thread.x",
            """
            for C.m in 0..6 block.x:
              for C.n in 0..8 thread.x:
                for C.k in 0..10:
                  block C(m = C.m, n = C.n, k:reduce = C.k):
                    C[m, n] sum= A[m, k] * B[k, n]
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        ArgCount(nest, step, 2, 2);
        var loop = nest.Loop(Arg(nest, step, 0));
        string text = Arg(nest, step, 1);
        if (LoopKinds.Parse(text) is not { } kind || !kind.IsGpu())
            throw Refuse(nest, loop, $"'{text}' is not a GPU loop kind", Kinds);
        Concurrency.RequireSerial(nest, loop, "bind takes serial loops");
        if (Level(kind) > 0)
            Concurrency.RequireConstant(nest, loop, kind.Text());
        Concurrency.RequireNoNesting(nest, loop, kind, other => other == kind || other == LoopKind.Parallel);
        var around = nest.LoopsAround(loop);
        if (around.FirstOrDefault(l => l.Kind == LoopKind.Vector) is { } lanes)
            throw Refuse(nest, lanes, $"{loop.Name} cannot be {kind.Text()}: {lanes.Name} around it is a vector loop");
        if (around.FirstOrDefault(l => l.Kind.IsGpu() && Level(l.Kind) > Level(kind)) is { } outside)
            throw Refuse(
                nest,
                outside,
                $"{loop.Name} cannot be {kind.Text()}: {outside.Name} around it is {outside.Kind.Text()}",
                "blocks around clusters around threads"
            );
        var below = loop.Body.Nodes().OfType<For>();
        if (below.FirstOrDefault(l => l.Kind.IsGpu() && Level(l.Kind) < Level(kind)) is { } inside)
            throw Refuse(
                nest,
                inside,
                $"{loop.Name} cannot be {kind.Text()}: {inside.Name} below it is {inside.Kind.Text()}",
                "blocks around clusters around threads"
            );
        Concurrency.Require(nest, loop, kind);
        return (nest.Replace(loop, loop with { Kind = kind, Peel = false }), []);
    }

    // What has to lie inside what; kinds of one level may nest either way.
    internal static int Level(LoopKind kind) =>
        kind.IsThread() ? 2
        : kind == LoopKind.Cluster ? 1
        : 0;
}
