using System.Collections.Immutable;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

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
            The loop is serial; for kinds within a block its extent is a constant: 32 for lane, at most 32 for warp (4
            inside a warpgroup), 8 for warpgroup and cluster, 1024 for threads, together at most 1024 threads. A kind
            appears once in a chain of loops; blocks lie around clusters, those around threads; a warpgroup lies around
            its warps, these around their lanes, and thread kinds do not go with them in one chain. No ordered axis is
            bound to the loop, and its iterations touch different elements of whatever is written below it and lives
            outside. A reduce axis only goes with kinds within a block: the threads combine their parts; such a loop
            drives no spatial axis as well, and nothing else below it uses the result. No parallel loop lies around or
            below it, no vector loop around it.
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
            RequireThreads(nest, loop, kind, Concurrency.RequireConstant(nest, loop, kind.Text()));
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
        RequireWarpOrder(nest, loop, kind, around, below);
        if (
            Tensorize.IsOfOneLane(loop with { Kind = kind })
            && loop.Body.Nodes().FirstOrDefault(x => x is Call { Intrinsic.Lanes: > 1 }) is Call collective
        )
            throw Refuse(
                nest,
                collective,
                $"{loop.Name} cannot be {kind.Text()}: {collective.Intrinsic.Name} below it is executed by {collective.Intrinsic.Lanes} lanes together",
                "warp, warpgroup or block kinds"
            );
        Concurrency.Require(nest, loop, kind);
        return (nest.Replace(loop, loop with { Kind = kind, Peel = false, PeelBegin = false }), []);
    }

    private void RequireThreads(LoopNest nest, For loop, LoopKind kind, long extent)
    {
        string? legal = kind switch
        {
            LoopKind.Lane when extent != GpuInfo.WarpSize => $"{GpuInfo.WarpSize}, the lanes of a warp",
            LoopKind.Warp when extent > 32 => "1 to 32",
            LoopKind.Warp when extent > 4 && nest.LoopsAround(loop).Any(l => l.Kind == LoopKind.Warpgroup) =>
                "1 to 4, the warps of a warpgroup",
            LoopKind.Warpgroup when extent > 8 => "1 to 8",
            LoopKind.Cluster when extent > 8 => "1 to 8",
            LoopKind.ThreadZ when extent > 64 => "1 to 64",
            _ when extent > GpuInfo.MaxThreadsPerBlock => $"1 to {GpuInfo.MaxThreadsPerBlock}",
            _ => null,
        };
        if (legal is not null)
            throw Refuse(
                nest,
                loop,
                $"{loop.Name} cannot be {kind.Text()}: its extent is {extent}",
                $"{legal}: split {loop.Name} first"
            );
        if (kind == LoopKind.Cluster)
            return;
        // Of each chain of loops that this one is part of, the threads that it needs.
        var bound = nest.Replace(loop, loop with { Kind = kind });
        var self = bound.Loop(loop.Name);
        var around = bound.LoopsAround(self).Add(self);
        foreach (var chain in Chains(self).Select(c => around.AddRange(c)))
        {
            long threads = Threads(chain);
            if (threads > GpuInfo.MaxThreadsPerBlock)
                throw Refuse(
                    nest,
                    loop,
                    $"{loop.Name} cannot be {kind.Text()}: with {string.Join(", ", chain.Where(l => l.Kind.IsThread() && l.Name != loop.Name).Select(l => l.Name))} a block would have {threads} threads",
                    $"at most {GpuInfo.MaxThreadsPerBlock} threads a block"
                );
        }
    }

    private static IEnumerable<ImmutableArray<For>> Chains(Stmt stmt)
    {
        var inner = stmt.Children()
            .SelectMany(c => c is For f && f.Kind.IsThread() ? Chains(f).Select(x => x.Insert(0, f)) : Chains(c))
            .ToList();
        return inner.Count == 0
            ?
            [
                [],
            ]
            : inner;
    }

    /// <summary>Threads of a block that a chain of loops needs; whole warps where it has them.</summary>
    internal static long Threads(IEnumerable<For> chain)
    {
        long Of(LoopKind kind) => chain.FirstOrDefault(l => l.Kind == kind)?.ConstantExtent ?? 1;
        bool Has(LoopKind kind) => chain.Any(l => l.Kind == kind);
        long warps =
            Has(LoopKind.Warpgroup) ? 4 * Of(LoopKind.Warpgroup)
            : Has(LoopKind.Warp) ? Of(LoopKind.Warp)
            : Has(LoopKind.Lane) ? 1
            : 0;
        return Math.Max(warps * GpuInfo.WarpSize, Of(LoopKind.ThreadX) * Of(LoopKind.ThreadY) * Of(LoopKind.ThreadZ));
    }

    private void RequireWarpOrder(
        LoopNest nest,
        For loop,
        LoopKind kind,
        ImmutableArray<For> around,
        IEnumerable<For> below
    )
    {
        if (Level(kind) < 2)
            return;
        bool warps = IsOfWarps(kind);
        foreach (var (other, isOuter) in around.Select(l => (l, true)).Concat(below.Select(l => (l, false))))
        {
            if (!other.Kind.IsThread())
                continue;
            bool fits =
                IsOfWarps(other.Kind) == warps
                && (!warps || (isOuter ? Order(other.Kind) < Order(kind) : Order(other.Kind) > Order(kind)));
            if (!fits)
                throw Refuse(
                    nest,
                    other,
                    $"{loop.Name} cannot be {kind.Text()}: {other.Name} {(isOuter ? "around" : "below")} it is {other.Kind.Text()}",
                    "thread kinds together, or a warpgroup around its warps around their lanes"
                );
        }
    }

    private static bool IsOfWarps(LoopKind kind) => kind is LoopKind.Warpgroup or LoopKind.Warp or LoopKind.Lane;

    private static int Order(LoopKind kind) =>
        kind switch
        {
            LoopKind.Warpgroup => 0,
            LoopKind.Warp => 1,
            _ => 2,
        };

    // What has to lie inside what; kinds of one level may nest either way.
    internal static int Level(LoopKind kind) =>
        kind.IsThread() ? 2
        : kind == LoopKind.Cluster ? 1
        : 0;
}
