using System.Collections.Immutable;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// A GPU schedule becomes kernel form (docs/cuda.md): the compiler as one list. Errors are
/// <see cref="LoweringException"/>s with stable reasons: no-gpu-loop, thread-kinds, too-many-threads, shared-too-large,
/// fragment-layout, fragment-loop, fragment-shape, fragment-scope, fragment-align, register-index, divergent-barrier, thread-reduction, no-clusters, kernel-form.
/// </summary>
public static class CudaLowering
{
    private const string InsertBarriersName = "insert-barriers";

    /// <summary>Name and rewrite of each pass, in order. Every pass leaves a nest that the interpreter runs.</summary>
    /// <param name="gpu">Limits of threads and shared memory.</param>
    public static ImmutableArray<(string Name, Func<LoopNest, LoopNest> Run)> Passes(GpuInfo gpu) =>
        [
            ("storage-placement", StoragePlacement.Run),
            ("thread-reductions", LowerThreadReductions.Run),
            ("lower-blocks", LowerBlocks.Run),
            ("async-copies", AsyncCopies.Run),
            ("distribute-fragments", DistributeFragments.Run),
            ("loop-partition", LoopPartition.Run),
            ("trim-loops", TrimLoops.Run),
            ("block-sums", new BlockSums(0, block: 128).Run),
            ("carry-scans", CarryScans.Run),
            ("one-thread-loop", OneThreadLoop.Run),
            ("distribute-registers", DistributeRegisters.Run),
            ("specialise-warps", SpecialiseWarps.Run),
            ("wgmma-groups", WgmmaGroups.Run),
            (InsertBarriersName, InsertBarriers.Run),
            ("fold-grid", FoldGrid.Run),
            ("kernel-form", nest => KernelForm.Checked(nest, gpu)),
        ];

    /// <summary>
    /// Kernel form without the barriers of the block: what an estimate needs. Finding the barriers takes ten times as long as all
    /// the rest of a SIMT product (1.2 s of 1.23), and they cost some 25 cycles each.
    /// </summary>
    /// <exception cref="LoweringException">The GPU cannot run the nest.</exception>
    public static LoopNest WithoutBarriers(LoopNest nest, GpuInfo gpu)
    {
        foreach (var (_, run) in Passes(gpu).Where(p => p.Name != InsertBarriersName))
            nest = run(nest);
        return nest;
    }

    /// <summary>The nest after all passes: kernel form.</summary>
    /// <exception cref="LoweringException">The GPU cannot run the nest, or not well.</exception>
    public static LoopNest Run(LoopNest nest, GpuInfo gpu)
    {
        foreach (var (_, run) in Passes(gpu))
            nest = run(nest);
        return nest;
    }
}
