using System.Collections.Concurrent;
using System.Diagnostics;
using Picograd.Lower.Cpu.Machine;
using Picograd.Lower.Cpu.Runtime;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu;

/// <summary>Tuning on this machine's processor.</summary>
/// <param name="target">Vector width and caches to compile for.</param>
/// <param name="threads">Workers that kernels may use; at least 1.</param>
public sealed unsafe class CpuTuningTarget(CpuTarget target, int threads) : ITuningTarget
{
    // About 25 microseconds of independent fused multiply-adds: far above the clock's resolution, far below a time slice.
    private const long SentinelIterations = 6_000;

    private readonly ConcurrentDictionary<nint, CpuBuffer> _memory = [];

    public IBackend Backend { get; } = new CpuBackend(target, threads);

    public IReadOnlyList<IBackend> OtherThreads { get; } =
    [
        .. new[] { 1, WorkerPool.Shared.MaxThreads }
            .Distinct()
            .Where(count => count != threads)
            .Select(count => new CpuBackend(target, count)),
    ];

    public TargetCeilings Ceilings { get; } = CeilingsOf(target, threads);

    public int SpareCores => Math.Max(0, PhysicalCores.Count - threads);

    public nint Allocate(long bytes)
    {
        var buffer = CpuBuffer.Rent(bytes);
        _memory[buffer.Address] = buffer;
        return buffer.Address;
    }

    public void Free(nint memory, long bytes)
    {
        if (_memory.TryRemove(memory, out var buffer))
            buffer.Dispose();
    }

    public double SentinelMilliseconds()
    {
        long* context = stackalloc long[2];
        context[0] = target.VectorBits;
        context[1] = SentinelIterations;
        long start = Stopwatch.GetTimestamp();
        ProbeKernels.FusedMultiplyAdd(context, 0, 1, 0);
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static TargetCeilings CeilingsOf(CpuTarget target, int threads) =>
        new(
            () => MachineProbe.FmaGflops(target, threads),
            [
                .. MachineProbe
                    .LevelSets(target, threads)
                    .Select(level => new MemoryLevel(
                        level.Name,
                        level.Name switch
                        {
                            "l1" => target.L1Bytes * threads,
                            "l2" => target.L2Bytes * threads,
                            "l3" => target.L3Bytes,
                            _ => long.MaxValue,
                        },
                        () => MachineProbe.Bandwidth(target, threads, level.Name, level.Bytes).ReadGbps
                    )),
            ],
            () => MachineProbe.CopyGbps(target, threads)
        );
}
