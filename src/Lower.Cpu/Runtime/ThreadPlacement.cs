using System.Runtime.InteropServices;

namespace Picograd.Lower.Cpu.Runtime;

/// <summary>
/// Keeps one thread off the processor of another. Linux may wake a thread on the processor of the thread that wakes it, and leave it
/// there although others are idle: it then gets its turn when the waking thread's time slice is over, after some 3 ms. Elsewhere this does nothing.
/// </summary>
/// <remarks>
/// Measured with two threads on two processors that share a last-level cache (AMD EPYC, Linux 6 as a guest, 2026-11-30): of 20,000 loops
/// of 10 µs that followed each other, 17,000 to 19,970 found the second thread waiting for the first one's processor.
/// </remarks>
internal sealed unsafe partial class ThreadPlacement
{
    private const int WordBits = 64;

    // 1,024 processors, as the C library's own type has.
    private const int Words = 16;
    private const nuint MaskBytes = Words * sizeof(ulong);

    private readonly ulong[] _allowed = new ulong[Words];
    private readonly ulong[] _set = new ulong[Words];

    // What the thread was kept off last.
    private int _left = -1;

    /// <summary>The processor that runs this; -1 where it cannot be told.</summary>
    public static int Processor => OperatingSystem.IsLinux() ? ProcessorOfThread() : -1;

    /// <summary>
    /// Keeps the thread that calls this, always the same one, off a processor from now on, and no longer off the one named before.
    /// What others allowed the thread since is heeded, but for processors that a container is given later.
    /// </summary>
    /// <returns>Whether it is on another now; false where that one is the only one allowed.</returns>
    public bool Leave(int processor)
    {
        if (!OperatingSystem.IsLinux() || processor < 0 || processor >= Words * WordBits)
            return false;
        Span<ulong> mask = stackalloc ulong[Words];
        mask.Clear();
        fixed (ulong* at = mask)
        {
            if (Affinity(0, MaskBytes, at) < 0)
                return false;
            if (!mask.SequenceEqual(_set))
                mask.CopyTo(_allowed);
            _allowed.CopyTo(mask);
            mask[processor / WordBits] &= ~(1UL << processor % WordBits);
            // A container that was given other processors cuts what was set before: only the one that was left may be there besides.
            if (!mask.ContainsAnyExcept(0UL) && _left >= 0 && _left != processor)
                mask[_left / WordBits] |= 1UL << _left % WordBits;
            if (!mask.ContainsAnyExcept(0UL) || SetAffinity(0, MaskBytes, at) != 0)
                return false;
            mask.CopyTo(_set);
            _left = processor;
            return true;
        }
    }

    [LibraryImport("libc", EntryPoint = "sched_getcpu")]
    [SuppressGCTransition]
    private static partial int ProcessorOfThread();

    [LibraryImport("libc", EntryPoint = "sched_getaffinity")]
    private static partial int Affinity(int thread, nuint bytes, ulong* mask);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SetAffinity(int thread, nuint bytes, ulong* mask);
}
