using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>One kernel of a nest in kernel form.</summary>
/// <param name="Blocks">Loops over blocks, outermost first, and that over the blocks of a cluster; each kind at most once.</param>
/// <param name="Shared">Buffers in shared memory, in the order of their allocation.</param>
/// <param name="Threads">The loop over threads.</param>
internal sealed record ParsedKernel(ImmutableArray<For> Blocks, ImmutableArray<Buffer> Shared, For Threads)
{
    private const int MaxCluster = 8;

    public Stmt Body => Threads.Body;

    public int ThreadCount => (int)Threads.ConstantExtent!.Value;

    /// <summary>Blocks of a cluster, all along x; 1 where the kernel has none.</summary>
    public int ClusterSize => (int)(Cluster?.ConstantExtent ?? 1);

    private For? Cluster => Blocks.FirstOrDefault(b => b.Kind == LoopKind.Cluster);

    /// <exception cref="LoweringException">no-clusters: the kernel has clusters of blocks, and the GPU has none.</exception>
    public void RequireClusters(GpuInfo gpu)
    {
        if (Cluster is { } loop && !gpu.HasWarpgroupMma)
            throw new LoweringException(
                "no-clusters",
                $"loop {loop.Name} is cluster, and {gpu.Architecture} has no clusters of blocks (sm_90a has); bind it to block.y or block.z"
            );
    }

    /// <summary>Parses a program: workspace buffers, and kernels in order.</summary>
    /// <exception cref="LoweringException">kernel-form: the nest is not in kernel form; too-many-threads: too many a block.</exception>
    public static (ImmutableArray<Buffer> Workspace, ImmutableArray<ParsedKernel> Kernels) Parse(LoopNest nest)
    {
        var workspace = nest.Intermediates.ToBuilder();
        foreach (var buffer in workspace)
            RequireHeap(buffer);
        var kernels = ImmutableArray.CreateBuilder<ParsedKernel>();
        Program(nest.Body);
        return (workspace.ToImmutable(), kernels.ToImmutable());

        void Program(Stmt stmt)
        {
            switch (stmt)
            {
                case Seq q:
                    foreach (var item in q.Items)
                        Program(item);
                    break;
                case Allocate a:
                    RequireHeap(a.Buffer);
                    workspace.Add(a.Buffer);
                    Program(a.Body);
                    break;
                case For f when f.Kind.IsGpu():
                    kernels.Add(Kernel(f));
                    break;
                default:
                    throw Refuse($"outside of kernels there is a statement that is none:\n{stmt}");
            }
        }
    }

    private static ParsedKernel Kernel(For outermost)
    {
        var blocks = ImmutableArray.CreateBuilder<For>();
        var shared = ImmutableArray.CreateBuilder<Buffer>();
        Stmt at = outermost;
        while (true)
        {
            switch (at)
            {
                case For { Kind: >= LoopKind.BlockX and <= LoopKind.Cluster } f:
                    if (blocks.Any(b => b.Kind == f.Kind))
                        throw Refuse($"{f.Name} is the second loop of kind {f.Kind.Text()} in a kernel");
                    if (blocks.Any(b => f.Extent.Uses(b.Var)))
                        throw Refuse($"the extent of {f.Name}, {f.Extent}, depends on another loop over blocks");
                    if (f.Kind == LoopKind.Cluster && f.ConstantExtent is not (>= 1 and <= MaxCluster))
                        throw Refuse($"{f.Name} is cluster, and its extent {f.Extent} is not 1 to {MaxCluster}");
                    blocks.Add(f);
                    at = f.Body;
                    break;
                case Allocate { Buffer.Scope: Scope.Shared } a:
                    shared.Add(a.Buffer);
                    at = a.Body;
                    break;
                case For { Kind: LoopKind.ThreadX } f:
                    long threads =
                        f.ConstantExtent ?? throw Refuse($"the extent of {f.Name}, {f.Extent}, must be a constant");
                    if (threads is < 1 or > GpuInfo.MaxThreadsPerBlock)
                        throw new LoweringException(
                            "too-many-threads",
                            $"{f.Name} has {threads} threads, and a block has 1 to {GpuInfo.MaxThreadsPerBlock}"
                        );
                    return new ParsedKernel(blocks.ToImmutable(), shared.ToImmutable(), f);
                default:
                    throw Refuse(
                        $"below {outermost.Name} there must be loops over blocks, shared buffers, and one loop thread.x, and there is:\n{at}"
                    );
            }
        }
    }

    private static void RequireHeap(Buffer buffer)
    {
        if (buffer.Scope != Scope.Heap)
            throw Refuse(
                $"{buffer.Name} ({buffer.Scope.ToString().ToLowerInvariant()}) is allocated outside of kernels"
            );
    }

    private static LoweringException Refuse(string what) => new("kernel-form", what);
}
