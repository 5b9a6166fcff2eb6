using Picograd.Schedules.Ir;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// Barriers between accesses of different threads of a block to one element of shared or device memory, one of them a
/// write: as few as do, each as late as it may be, in code that all threads of its scope run. None where each element is
/// certainly one thread's own; of warp scope where the threads are certainly of one warp. Expects the one thread loop.
/// </summary>
internal static class InsertBarriers
{
    public static LoopNest Run(LoopNest nest) =>
        Kernels.MapBodies(
            nest,
            (threads, loops) =>
            {
                var placer = new BarrierPlacer(nest, threads, loops);
                var placed = placer.Place(threads.Body);
                // A barrier made for one pair of accesses may have become idle when another was put before it.
                foreach (var barrier in placed.Nodes().OfType<Barrier>().ToList())
                {
                    var without = placed.Remove(barrier);
                    if (placer.IsComplete(without))
                        placed = without;
                }
                return placed;
            }
        );
}
