using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Search.CostModels;

/// <summary>
/// Estimated time of one kernel on a GPU, from its kernel form: the slowest of instructions, tensor cores, shared memory, second-level
/// cache and device memory over the share of the machine that the grid fills, at least what one thread of each wave takes, and
/// the launch. All in cycles but for the shares and counts.
/// </summary>
internal sealed record GpuCost(
    double Arithmetic,
    double Tensor,
    double Shared,
    double FromL2,
    double FromMemory,
    double Latency,
    double WaveEfficiency,
    double Occupancy,
    double Registers,
    double Threads
)
{
    // Round figures; the residual learns what they miss. A multiprocessor issues four instructions of warps a cycle; its second-level
    // cache gives it 64 bytes, all together some 6.1 KB (H100).
    private const double Schedulers = 4;
    private const double L2BytesPerCycle = 64;
    private const double L2BytesInAll = 6_100;
    private const double LaunchMilliseconds = 0.0025;
    private const double BaseRegisters = 28;
    private const double MostRegisters = 255;
    private const double SharedBytesOfABlock = 1024;
    private const double SpillFactor = 4;

    /// <summary>Of what is not the slowest part, what adds to the time all the same.</summary>
    private const double Beside = 0.1;

    /// <summary>Milliseconds, launch included.</summary>
    public double Milliseconds(GpuInfo gpu)
    {
        double[] parts = [Arithmetic, Tensor, Shared, FromL2, FromMemory];
        double slowest = parts.Max();
        double busy = slowest + Beside * (parts.Sum() - slowest);
        double cycles = Math.Max(busy / Math.Max(1e-3, WaveEfficiency), Latency);
        if (Registers > MostRegisters)
            cycles *= 1 + SpillFactor * (Registers - MostRegisters) / MostRegisters;
        return cycles / (gpu.ClockGhz * 1e6) + LaunchMilliseconds;
    }

    /// <summary>The costs of the kernels of a nest: its outermost GPU loops.</summary>
    /// <param name="nest">In kernel form.</param>
    /// <param name="gpu">Rates and limits.</param>
    public static IEnumerable<GpuCost> Kernels(LoopNest nest, GpuInfo gpu) =>
        nest
            .Loops.Where(l => l.Kind.IsGpu() && !nest.LoopsAround(l).Any(o => o.Kind.IsGpu()))
            .Select(root => Of(root, gpu));

    private static GpuCost Of(For root, GpuInfo gpu)
    {
        var around = new List<For>();
        double grid = 1;
        double sharedBytes = 0;
        KernelWork? work = null;
        Descend(root);
        if (work is null)
            return new GpuCost(0, 0, 0, 0, 0, 0, 1, 1, 0, 0);
        double held = BaseRegisters + work.Registers;
        double perSm = Math.Min(32, Math.Floor((double)gpu.ThreadsPerMultiprocessor / work.Threads));
        perSm = work.MovesRegisters
            ? 1
            : Math.Min(perSm, gpu.RegistersPerMultiprocessor / (Math.Min(held, MostRegisters) * work.Threads));
        if (sharedBytes > 0)
            perSm = Math.Min(perSm, gpu.SharedBytesPerMultiprocessor / (sharedBytes + SharedBytesOfABlock));
        perSm = Math.Max(1, Math.Floor(perSm));
        double slots = perSm * gpu.Multiprocessors;
        double waves = Math.Ceiling(grid / slots);
        // Of the last wave, multiprocessors with a block at least; within the others the slots share one machine.
        double efficiency = grid < slots ? Math.Min(1, grid / gpu.Multiprocessors) : grid / (waves * slots);
        double a = grid / gpu.Multiprocessors;
        double traffic = work.Traffic.Values.Sum() * grid;
        return new GpuCost(
            work.Instructions * a / Schedulers,
            work.TensorCycles * a,
            work.SharedCycles * a,
            traffic / Math.Min(L2BytesPerCycle * gpu.Multiprocessors, L2BytesInAll),
            work.Traffic.Sum(t => FromDevice(t.Key, t.Value * grid, gpu)) / (gpu.MemoryGbps / gpu.ClockGhz),
            work.Chain.Cycles * waves,
            efficiency,
            perSm * work.Threads / gpu.ThreadsPerMultiprocessor,
            work.MovesRegisters ? Math.Min(held, MostRegisters) : held,
            work.Threads
        );

        void Descend(Stmt stmt)
        {
            switch (stmt)
            {
                case For loop when loop.Kind.IsThread():
                    work ??= KernelWork.Of(gpu, loop, around);
                    return;
                case For loop:
                    grid *= Math.Max(1, loop.ConstantExtent ?? 1024);
                    around.Add(loop);
                    break;
                case Allocate { Buffer.Scope: Scope.Shared } a:
                    sharedBytes += a.Buffer.Shape.Aggregate(
                        (double)a.Buffer.Type.Size(),
                        (n, e) => n * ((e as IntImm)?.Value ?? 1)
                    );
                    break;
                default:
                    break;
            }
            foreach (var child in stmt.Children())
                Descend(child);
        }
    }

    // Once for all of it where the second-level cache holds it, up to four times where not.
    private static double FromDevice(Buffer buffer, double traffic, GpuInfo gpu)
    {
        double size = buffer.Shape.Aggregate(
            (double)buffer.Type.Size(),
            (n, e) => n * (e is IntImm i ? i.Value : 1024)
        );
        return Math.Min(traffic, size <= gpu.L2Bytes / 2.0 ? size : 4 * size);
    }
}
