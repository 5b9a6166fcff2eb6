using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Picograd.Schedules.Traces;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>
/// What a schedule asks of a GPU, before it is lowered: rules choose tiles by the arithmetic, and for some shapes (filters of
/// hundreds of elements, heads of a thousand) those are larger than shared memory, or more than a grid has blocks.
/// </summary>
internal static class GpuFit
{
    /// <summary>Blocks of a grid along x, where all of them can go.</summary>
    private const double MostBlocks = int.MaxValue;

    /// <summary>Bytes for alignment between buffers.</summary>
    private const long Slack = 1024;

    /// <summary>What the GPU does not have, as a sentence; null where the schedule fits.</summary>
    public static string? Problem(LoopNest nest, GpuInfo gpu)
    {
        var shared = nest.Intermediates.Any(b => b.Scope == Scope.Shared);
        var placed = shared ? StoragePlacement.Run(nest) : nest;
        return Kernels(placed.Body).Select(k => OfKernel(k, gpu, nest)).FirstOrDefault(p => p is not null);
    }

    private static IEnumerable<For> Kernels(Stmt stmt) =>
        stmt is For f && f.Kind.IsGpu() ? [f] : stmt.Children().SelectMany(Kernels);

    private static string? OfKernel(For kernel, GpuInfo gpu, LoopNest nest)
    {
        double bytes = NestSize.Bytes(
            kernel.Nodes().OfType<Allocate>().Select(a => a.Buffer).Where(b => b.Scope == Scope.Shared),
            nest
        );
        if (bytes + Slack > gpu.SharedBytesPerBlock && bytes > 0)
            return $"{kernel.Name}: {bytes} bytes of shared memory of {gpu.SharedBytesPerBlock}";
        double blocks = 1;
        for (Stmt at = kernel; ; at = at.Children().First())
        {
            if (at is For f && f.Kind.IsGpu() && !f.Kind.IsThread())
                blocks *= Interval.Of(f.Extent, nest.ParameterRanges).Max;
            else if (at is not Allocate)
                break;
        }
        return blocks > MostBlocks ? $"{kernel.Name}: {blocks} blocks" : null;
    }
}
