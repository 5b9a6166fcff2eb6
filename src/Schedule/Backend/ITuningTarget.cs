namespace Picograd.Schedules;

/// <summary>The most that a target can do, measured.</summary>
/// <param name="Gflops">Single-precision arithmetic, in 10^9 operations a second, all threads together.</param>
/// <param name="Levels">
/// Bandwidth by level of memory, nearest first: name, bytes that fit (all threads together), reading in 10^9 bytes a
/// second. The last one holds anything.
/// </param>
/// <param name="CopyGbps">Copying in memory, bytes read plus bytes written, in 10^9 a second.</param>
public sealed record TargetCeilings(
    double Gflops,
    IReadOnlyList<(string Name, long Bytes, double ReadGbps)> Levels,
    double CopyGbps
);

/// <summary>What tuning needs of a target besides its compiler: memory for arguments, ceilings, and a sentinel.</summary>
public interface ITuningTarget
{
    IBackend Backend { get; }

    /// <summary>
    /// Memory as tensors of the target have it (alignment, large pages), readable and writable by this process;
    /// contents undefined. Freed by <see cref="Free"/>.
    /// </summary>
    nint Allocate(long bytes);

    /// <summary>Gives back what <see cref="Allocate"/> returned.</summary>
    void Free(nint memory, long bytes);

    /// <summary>Measures the ceilings; takes about a second. Later calls give the same figures.</summary>
    TargetCeilings Ceilings { get; }

    /// <summary>
    /// Runs a small fixed piece of arithmetic (tens of microseconds) on one thread and returns its time in milliseconds.
    /// When it is slow, so is the machine at this moment, and what is measured now is worth little.
    /// </summary>
    double SentinelMilliseconds();
}
