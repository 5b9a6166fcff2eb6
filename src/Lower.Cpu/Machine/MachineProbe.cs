using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using Picograd.Lower.Cpu.Runtime;

namespace Picograd.Lower.Cpu.Machine;

/// <summary>Read bandwidth from data that fits one level of the memory hierarchy.</summary>
/// <param name="Level"><c>l1</c>, <c>l2</c>, <c>l3</c> or <c>memory</c>.</param>
/// <param name="WorkingSetBytes">Bytes that each thread went over again and again.</param>
/// <param name="ReadGbps">All threads together, in 10^9 bytes a second.</param>
public sealed record LevelBandwidth(
    [property: JsonPropertyName("level")] string Level,
    [property: JsonPropertyName("working_set_bytes")] long WorkingSetBytes,
    [property: JsonPropertyName("read_gbps")] double ReadGbps
);

/// <summary>What the machine's cores can do at most, measured: the ceilings that kernels are compared with.</summary>
/// <param name="Fingerprint">The machine, as <see cref="CpuTarget.Fingerprint"/> says it.</param>
/// <param name="Threads">Threads that ran at once.</param>
/// <param name="FmaGflops">
/// Single-precision fused multiply-adds from registers at the target's vector width, two operations each, in 10^9 a second.
/// </param>
/// <param name="ReadGbps">Reading memory, in 10^9 bytes a second.</param>
/// <param name="CopyGbps">Copying memory by streaming stores, bytes read plus bytes written, in 10^9 a second.</param>
/// <param name="Levels">Read bandwidth by cache level.</param>
/// <param name="Seconds">How long the measurement took.</param>
public sealed record MachineCeilings(
    [property: JsonPropertyName("fingerprint")] string Fingerprint,
    [property: JsonPropertyName("threads")] int Threads,
    [property: JsonPropertyName("fma_gflops")] double FmaGflops,
    [property: JsonPropertyName("read_gbps")] double ReadGbps,
    [property: JsonPropertyName("copy_gbps")] double CopyGbps,
    [property: JsonPropertyName("levels")] IReadOnlyList<LevelBandwidth> Levels,
    [property: JsonPropertyName("seconds")] double Seconds
)
{
    /// <summary>The record as one line of JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this);
}

/// <summary>
/// Measures <see cref="MachineCeilings"/>. Each figure is the best of many samples of a fraction of a millisecond, because
/// whatever else the machine does can only make a sample slower. Where other processes take more than a tenth of the machine,
/// it goes on up to four times as long, with pauses, and what every core does for itself is put together of the cores' own
/// best times: with two threads it hardly ever happens there that both run.
/// </summary>
public static unsafe class MachineProbe
{
    // The whole probe takes 0.1 + 3 * 0.05 + 2 * 0.2 seconds at most, and the time to touch the memory, a thread count.
    private const double FmaSeconds = 0.1;
    private const double CacheSeconds = 0.05;
    private const double MemorySeconds = 0.2;

    private const long SmallestMemorySet = 64L << 20;
    private const long LargestMemorySet = 256L << 20;

    /// <summary>Measures with <paramref name="threads"/> threads of the shared pool at the target's vector width.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Threads below 1 or above what the pool allows.</exception>
    public static MachineCeilings Measure(CpuTarget target, int threads)
    {
        Check(threads);
        long start = Stopwatch.GetTimestamp();
        double fma = FmaGflops(target, threads);
        LevelBandwidth[] levels =
        [
            .. LevelSets(target, threads).Select(l => Bandwidth(target, threads, l.Name, l.Bytes)),
        ];
        double copy = CopyGbps(target, threads);
        return new MachineCeilings(
            target.Fingerprint(threads),
            threads,
            fma,
            levels[^1].ReadGbps,
            copy,
            levels,
            Stopwatch.GetElapsedTime(start).TotalSeconds
        );
    }

    /// <summary>The levels of memory, nearest first, with what each thread reads to measure one; the last is memory.</summary>
    internal static IReadOnlyList<(string Name, long Bytes)> LevelSets(CpuTarget target, int threads)
    {
        var levels = new List<(string, long)> { ("l1", target.L1Bytes / 2), ("l2", target.L2Bytes / 2) };
        long l3Set = target.L3Bytes / (2 * threads);
        if (l3Set > target.L2Bytes)
        {
            levels.Add(("l3", l3Set));
        }
        levels.Add(("memory", MemorySet(target, threads)));
        return levels;
    }

    /// <summary>Only reading from one of <see cref="LevelSets"/>; takes up to a fifth of a second, and what it takes to get the memory.</summary>
    internal static LevelBandwidth Bandwidth(CpuTarget target, int threads, string name, long bytes)
    {
        Check(threads);
        bytes = Math.Max(4096, bytes / 4096 * 4096);
        using CpuBuffer source = Touched(bytes * threads);
        // Passes for a sample of about 100 microseconds at 20 GB/s; never less than one.
        long passes = Math.Max(1, 2_000_000 / bytes);
        long* context = stackalloc long[5];
        context[0] = (long)source.Address;
        context[1] = bytes;
        context[2] = bytes;
        context[3] = passes;
        context[4] = target.VectorBits;
        double seconds = name == "memory" ? MemorySeconds : CacheSeconds;
        double rate = Rate(seconds, threads, &ProbeKernels.Read, context, isOfCore: name is "l1" or "l2");
        return new LevelBandwidth(name, bytes, bytes * passes * rate / 1e9);
    }

    /// <summary>Only copying in memory (see <see cref="MachineCeilings.CopyGbps"/>).</summary>
    internal static double CopyGbps(CpuTarget target, int threads)
    {
        Check(threads);
        // Half of the memory to the other half and back: of one half alone, much would be read from the cache.
        long bytes = MemorySet(target, threads) / 2 / 4096 * 4096;
        using CpuBuffer memory = Touched(2 * bytes * threads);
        long* context = stackalloc long[5];
        context[0] = (long)memory.Address;
        context[1] = bytes;
        context[2] = bytes;
        context[3] = (long)memory.Address + bytes * threads;
        context[4] = target.VectorBits;
        return 4.0 * bytes * Rate(MemorySeconds, threads, &CopyThereAndBack, context, isOfCore: false) / 1e9;
    }

    private static void CopyThereAndBack(long* context, long begin, long end, long worker)
    {
        ProbeKernels.Copy(context, begin, end, worker);
        long* back = stackalloc long[5] { context[3], context[1], context[2], context[0], context[4] };
        ProbeKernels.Copy(back, begin, end, worker);
    }

    /// <summary>Only the arithmetic ceiling (see <see cref="MachineCeilings.FmaGflops"/>); takes less than a tenth of a second.</summary>
    public static double FmaGflops(CpuTarget target, int threads)
    {
        Check(threads);
        long* context = stackalloc long[2];
        context[0] = target.VectorBits;
        context[1] = 4000;
        long flops = 2 * context[1] * ProbeKernels.FmaPerIteration(target.VectorBits) * target.VectorFloats;
        return flops * Rate(FmaSeconds, threads, &ProbeKernels.FusedMultiplyAdd, context, isOfCore: true) / 1e9;
    }

    private static void Check(int threads)
    {
        WorkerPool pool = WorkerPool.Shared;
        if (threads < 1 || threads > pool.NumThreads)
        {
            throw new ArgumentOutOfRangeException(
                nameof(threads),
                $"threads is {threads}, but the worker pool allows 1 to {pool.NumThreads}."
            );
        }
    }

    // The system hands out the pages now rather than while the clock runs.
    private static CpuBuffer Touched(long bytes)
    {
        CpuBuffer buffer = CpuBuffer.Rent(bytes);
        nint half = (nint)(bytes / 2);
        nint at = buffer.Address;
        Parallel.Invoke(
            () => NativeMemory.Clear((void*)at, (nuint)half),
            () => NativeMemory.Clear((void*)(at + half), (nuint)(bytes - half))
        );
        return buffer;
    }

    /// <summary>Bytes for each thread that no cache holds: together at least three times the level 3 cache.</summary>
    private static long MemorySet(CpuTarget target, int threads) =>
        Math.Clamp(3 * target.L3Bytes, SmallestMemorySet, LargestMemorySet) / threads / 4096 * 4096;

    // On a quiet machine runs agree at once, and more of them find nothing.
    private const double Agreement = 1.01;
    private const int AgreeingRuns = 8;
    private const double LeastShare = 0.2;

    /// <summary>Of the machine's processors, what others may take before they count.</summary>
    private const double QuietShare = 0.1;

    /// <summary>Spans of a measurement on a machine on which others take more than that, and the pause between two.</summary>
    private const int BusySpans = 4;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Where the parts of a run are kept: body, context, threads, then the shortest time of each part, then who did each last.</summary>
    private const int Parts = 3;

    /// <summary>The cores' own best times count where together they are so many times as fast as the best run of all at once.</summary>
    private const double Hindered = 1.05;

    /// <summary>
    /// How often a second the body's work is done, all threads together, by the shortest of many parallel runs over the given span, at least
    /// five. Ends early, though not before a fifth of the span, where eight runs agree with the shortest to a hundredth.
    /// </summary>
    /// <param name="seconds">The span.</param>
    /// <param name="threads">Workers, each of which does the work once a run.</param>
    /// <param name="body">The work.</param>
    /// <param name="context">Of the body.</param>
    /// <param name="isOfCore">Whether no core takes from what another one has.</param>
    private static double Rate(
        double seconds,
        int threads,
        delegate* managed<long*, long, long, long, void> body,
        long* context,
        bool isOfCore
    )
    {
        long* timed = stackalloc long[Parts + 2 * threads];
        timed[1] = (long)context;
        timed[2] = threads;
        for (int i = 0; i < threads; i++)
            timed[Parts + i] = long.MaxValue;
        timed[0] = (long)body;
        long best = long.MaxValue;
        var before = MachineLoad.Now();
        for (int span = 0; span < BusySpans; span++)
        {
            if (span > 0)
                Thread.Sleep(Pause);
            best = Math.Min(best, Shortest(seconds, threads, timed));
            if (MachineLoad.Now().OthersSince(before) is null or < QuietShare)
                return (double)threads * Stopwatch.Frequency / best;
        }
        double together = (double)threads / best;
        double apart = 0;
        for (int i = 0; i < threads; i++)
            apart += 1.0 / timed[Parts + i];
        bool hindered = isOfCore && threads <= PhysicalCores.Count && apart > Hindered * together;
        return Stopwatch.Frequency * (hindered ? apart : together);
    }

    private static long Shortest(double seconds, int threads, long* timed)
    {
        long start = Stopwatch.GetTimestamp();
        long best = long.MaxValue;
        int agreeing = 0;
        double elapsed = 0;
        for (int run = 0; run < 5 || elapsed < seconds; run++)
        {
            long begin = Stopwatch.GetTimestamp();
            WorkerPool.Run(&Timed, timed, threads, threads, dynamic: false);
            long time = Stopwatch.GetTimestamp() - begin;
            // Those that agreed with one that was slower by more than that do not count.
            if (best > time * Agreement)
                agreeing = 0;
            best = Math.Min(best, time);
            // One thread that does the work of another, whose core is busy, does so always in the same time.
            if (time <= best * Agreement && IsByAll(timed, threads))
                agreeing++;
            elapsed = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (agreeing >= AgreeingRuns && elapsed >= LeastShare * seconds)
                break;
        }
        return best;
    }

    private static bool IsByAll(long* timed, int threads)
    {
        for (int i = 0; i < threads; i++)
        {
            for (int j = 0; j < i; j++)
            {
                if (timed[Parts + threads + i] == timed[Parts + threads + j])
                    return false;
            }
        }
        return true;
    }

    // The body; of each thread's part the shortest time, and who did it last.
    private static void Timed(long* timed, long begin, long end, long worker)
    {
        var body = (delegate* managed<long*, long, long, long, void>)timed[0];
        for (long part = begin; part < end; part++)
        {
            long start = Stopwatch.GetTimestamp();
            body((long*)timed[1], part, part + 1, worker);
            timed[Parts + part] = Math.Min(timed[Parts + part], Stopwatch.GetTimestamp() - start);
            timed[Parts + timed[2] + part] = Environment.CurrentManagedThreadId;
        }
    }
}
