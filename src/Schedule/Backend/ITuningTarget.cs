using System.Runtime.InteropServices;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Backend;

/// <summary>A figure that is measured when it is first asked for.</summary>
/// <param name="measure">Measures it.</param>
internal sealed class MeasuredFigure(Func<double> measure)
{
    private readonly Lock _lock = new();
    private double? _value;

    public double Value
    {
        get
        {
            lock (_lock)
                return _value ??= measure();
        }
    }

    /// <summary>Measures once more; the higher figure stays, since whatever else a machine does can only lower one.</summary>
    public double Again()
    {
        lock (_lock)
            return (_value = Math.Max(_value ?? 0, measure())).Value;
    }
}

/// <summary>A level of memory.</summary>
/// <param name="name">l1, l2, memory.</param>
/// <param name="bytes">That fit, all threads together.</param>
/// <param name="readGbps">Measures reading, in 10^9 bytes a second; asked once, and where <see cref="MeasureAgain"/> is called.</param>
public sealed class MemoryLevel(string name, long bytes, Func<double> readGbps)
{
    private readonly MeasuredFigure _readGbps = new(readGbps);

    public string Name => name;

    public long Bytes => bytes;

    public double ReadGbps => _readGbps.Value;

    /// <summary>Measures <see cref="ReadGbps"/> once more, and keeps the higher figure.</summary>
    public double MeasureAgain() => _readGbps.Again();

    /// <summary>One whose bandwidth is known.</summary>
    public static implicit operator MemoryLevel((string Name, long Bytes, double ReadGbps) known) =>
        new(known.Name, known.Bytes, () => known.ReadGbps);
}

/// <summary>
/// The most that a target can do, measured: each figure when it is first asked for, since what limits one operator needs few of
/// them. One that something beats was measured while the machine was busy, and can be measured again.
/// </summary>
/// <param name="gflops">See <see cref="Gflops"/>.</param>
/// <param name="levels">See <see cref="Levels"/>.</param>
/// <param name="copyGbps">See <see cref="CopyGbps"/>.</param>
public sealed class TargetCeilings(Func<double> gflops, IReadOnlyList<MemoryLevel> levels, Func<double> copyGbps)
{
    private readonly MeasuredFigure _gflops = new(gflops);
    private readonly MeasuredFigure _copyGbps = new(copyGbps);

    /// <summary>Figures that are known.</summary>
    public TargetCeilings(double gflops, IReadOnlyList<MemoryLevel> levels, double copyGbps)
        : this(() => gflops, levels, () => copyGbps) { }

    /// <summary>Single-precision arithmetic, in 10^9 operations a second, all threads together.</summary>
    public double Gflops => _gflops.Value;

    /// <summary>Bandwidth by level of memory, nearest first. The last one holds anything.</summary>
    public IReadOnlyList<MemoryLevel> Levels => levels;

    /// <summary>Copying in memory, bytes read plus bytes written, in 10^9 a second.</summary>
    public double CopyGbps => _copyGbps.Value;

    /// <summary>Measures <see cref="Gflops"/> once more, and keeps the higher figure.</summary>
    public double MeasureGflopsAgain() => _gflops.Again();

    /// <summary>Measures <see cref="CopyGbps"/> once more, and keeps the higher figure.</summary>
    public double MeasureCopyAgain() => _copyGbps.Again();

    /// <summary>
    /// Products of matrices of 16-bit floats with sums in 32 bits (tensor cores), in 10^9 operations a second; null where
    /// there is no such thing, or it was not measured.
    /// </summary>
    public double? TensorGflops { get; init; }
}

/// <summary>
/// Times kernels of a target that runs beside the processor, whose clock sees only when they are started. One thread at a
/// time.
/// </summary>
public interface IKernelTimer : IDisposable
{
    /// <summary>Mean time of so many calls one after another, in milliseconds, by the target's own clock.</summary>
    /// <param name="kernel">Which has run before.</param>
    /// <param name="arguments">Addresses in the target's memory.</param>
    /// <param name="calls">At least 1.</param>
    /// <param name="cold">Whether the caches are emptied before every call; that is not timed.</param>
    unsafe double Sample(ICompiledKernel kernel, nint* arguments, int calls, bool cold);
}

/// <summary>What tuning needs of a target besides its compiler: memory for arguments, ceilings, and a sentinel.</summary>
public interface ITuningTarget
{
    IBackend Backend { get; }

    /// <summary>The device by name, as commands take it: cpu, cuda:0.</summary>
    string Device => Backend.Target.Name;

    /// <summary>
    /// Back ends of the same machine for other numbers of threads, the fewest and the most: dispatch may run a winner there too.
    /// </summary>
    IReadOnlyList<IBackend> OtherThreads => [];

    /// <summary>
    /// Cores that neither kernels nor what shares a core with them use: a candidate can be compiled there while another is timed. 0 where
    /// kernels run elsewhere.
    /// </summary>
    int SpareCores => 0;

    /// <summary>
    /// Memory as tensors of the target have it (alignment, large pages); contents undefined. Freed by <see cref="Free"/>.
    /// </summary>
    nint Allocate(long bytes);

    /// <summary>Gives back what <see cref="Allocate"/> returned.</summary>
    void Free(nint memory, long bytes);

    /// <summary>Whether this process can read and write through the addresses of <see cref="Allocate"/>.</summary>
    bool IsHostMemory => true;

    /// <summary>Main memory → memory of the target; the source may be changed when it returns.</summary>
    unsafe void Write(nint to, nint from, long bytes) => System.Buffer.MemoryCopy((void*)from, (void*)to, bytes, bytes);

    /// <summary>Memory of the target → main memory, after all kernels that were started.</summary>
    unsafe void Read(nint from, nint to, long bytes) => System.Buffer.MemoryCopy((void*)from, (void*)to, bytes, bytes);

    /// <summary>Memory of the target → memory of the target, which does not overlap.</summary>
    unsafe void Copy(nint to, nint from, long bytes) => System.Buffer.MemoryCopy((void*)from, (void*)to, bytes, bytes);

    /// <summary>Sets bytes of the target's memory.</summary>
    unsafe void Fill(nint to, byte value, long bytes) => NativeMemory.Fill((void*)to, (nuint)bytes, value);

    /// <summary>A timer of the target's own; null where the processor's clock does.</summary>
    IKernelTimer? CreateTimer() => null;

    /// <summary>The ceilings, measured when they are asked for, in up to a fifth of a second each, longer on a busy machine. Later calls give the same figures.</summary>
    TargetCeilings Ceilings { get; }

    /// <summary>
    /// Runs a small fixed piece of arithmetic (tens of microseconds) on one thread and returns its time in milliseconds.
    /// When it is slow, so is the machine at this moment, and what is measured now is worth little.
    /// </summary>
    double SentinelMilliseconds();
}
