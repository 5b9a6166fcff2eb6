using System.Numerics;
using System.Runtime.InteropServices;

namespace Picograd.Lower.Cpu.Runtime;

/// <summary>What the CPU memory pool holds at one moment, in bytes (counted in whole size classes).</summary>
/// <param name="LiveBytes">Memory now owned by buffers.</param>
/// <param name="PeakBytes">The most that <paramref name="LiveBytes"/> has been since the start or the last reset.</param>
/// <param name="PooledBytes">Memory taken from the system and waiting in the pool.</param>
public readonly record struct CpuMemoryStatistics(long LiveBytes, long PeakBytes, long PooledBytes);

/// <summary>
/// The pool behind <see cref="CpuBuffer"/>: one stack of free blocks a size class. Sizes go 64, 128, 192, 256 bytes and then
/// in four steps for each doubling, so at most a fifth of a block above 256 bytes is slack.
/// </summary>
public static unsafe class CpuMemory
{
    private const int SmallStep = 64;
    private const int LargePage = 2 << 20;
    private const int SystemPage = 4096;

    // Native memory that nobody references any more may take so much, or half of what is referenced if that is more, before
    // the collector is asked to look for it: it sees only the small objects in front.
    private const long Unreferenced = 64L << 20;

    // What those objects take: tensor, storage, buffer and their finalizers' entries.
    private const long ObjectBytes = 512;

    private static readonly TimeSpan FinalizersPatience = TimeSpan.FromMilliseconds(200);

    private const int ClassCount = 4 * 40 + 1;

    // Guards the lists and all counts: one locked instruction to rent and one to return, where a lock a list and counters of
    // their own took eight, 40 ns of a tensor's life.
    private static SpinLock s_gate = new(enableThreadOwnerTracking: false);

    // Objects without memory, ready to get some.
    private static readonly CpuBuffer?[] Spares = new CpuBuffer?[1024];
    private static int s_spares;

    private static readonly FreeList[] Lists = CreateLists();
    private static readonly long MachineBytes = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
    private static long s_live;
    private static long s_rented;
    private static long s_reclaimAt = Unreferenced;
    private static long s_left;
    private static int s_reclaiming;
    private static long s_peak;
    private static long s_pooled;

    /// <summary>Free blocks of one size.</summary>
    private sealed class FreeList(long bytes)
    {
        public readonly long Bytes = bytes;
        public nint[] Blocks = new nint[8];
        public int Count;
    }

    /// <summary>
    /// The most bytes the pool keeps; a block returned above that goes back to the system. At first a quarter of the memory
    /// that the machine (or its container) has.
    /// </summary>
    public static long PoolLimitBytes { get; set; } = Math.Max(64L << 20, MachineBytes / 4);

    /// <summary>The present figures.</summary>
    public static CpuMemoryStatistics Statistics =>
        new(Volatile.Read(ref s_live), Volatile.Read(ref s_peak), Volatile.Read(ref s_pooled));

    /// <summary>Makes the peak start again from what is live now.</summary>
    public static void ResetPeak() => Volatile.Write(ref s_peak, Volatile.Read(ref s_live));

    /// <summary>
    /// Gives every pooled block back to the system and returns how many bytes that was. How much may be dropped before it is
    /// looked for is counted from what is live now, not from what was live once.
    /// </summary>
    public static long Trim()
    {
        long freed = 0;
        foreach (FreeList list in Lists)
        {
            nint[] blocks;
            bool taken = false;
            s_gate.Enter(ref taken);
            blocks = list.Blocks[..list.Count];
            list.Count = 0;
            s_pooled -= blocks.Length * list.Bytes;
            s_gate.Exit(useMemoryBarrier: false);
            foreach (nint block in blocks)
                FreeToSystem(block, list.Bytes);
            freed += blocks.Length * list.Bytes;
        }
        SetReclaimAt();
        return freed;
    }

    /// <summary>The size class that holds so many bytes.</summary>
    internal static int ClassOf(long bytes)
    {
        if (bytes <= 4 * SmallStep)
        {
            return bytes <= SmallStep ? 0 : (int)((bytes - 1) / SmallStep);
        }
        // bytes lies in (2^e, 2^(e+1)] with e >= 8; each such interval is cut in four.
        int exponent = 63 - BitOperations.LeadingZeroCount((ulong)(bytes - 1));
        int quarter = (int)((bytes - 1) >> (exponent - 2)) & 3;
        return 4 + 4 * (exponent - 8) + quarter;
    }

    /// <summary>The bytes of a block of a size class.</summary>
    internal static long BytesOf(int sizeClass)
    {
        if (sizeClass < 4)
        {
            return (sizeClass + 1) * SmallStep;
        }
        int exponent = 8 + (sizeClass - 4) / 4;
        int quarter = (sizeClass - 4) % 4;
        return (1L << exponent) + (quarter + 1) * (1L << (exponent - 2));
    }

    /// <param name="sizeClass">Of which size.</param>
    /// <param name="spare">An object to put it into; null where a new one is to be made.</param>
    internal static byte* Rent(int sizeClass, out CpuBuffer? spare)
    {
        FreeList list = Lists[sizeClass];
        if (!TryPop(list, out nint block, out spare))
        {
            block = AllocateFromSystem(list.Bytes);
            bool taken = false;
            s_gate.Enter(ref taken);
            CountRented(list.Bytes);
            s_gate.Exit(useMemoryBarrier: false);
        }
        if (Volatile.Read(ref s_rented) > Volatile.Read(ref s_reclaimAt))
            ReclaimDropped();
        return (byte*)block;
    }

    internal static void Return(byte* pointer, int sizeClass, CpuBuffer? spare = null)
    {
        FreeList list = Lists[sizeClass];
        bool taken = false;
        bool isKept;
        try
        {
            s_gate.Enter(ref taken);
            s_live -= list.Bytes;
            s_rented -= list.Bytes + ObjectBytes;
            if (spare is not null && s_spares < Spares.Length)
                Spares[s_spares++] = spare;
            isKept = s_pooled + list.Bytes <= PoolLimitBytes;
            if (isKept)
            {
                if (list.Count == list.Blocks.Length)
                    Array.Resize(ref list.Blocks, list.Count * 2);
                list.Blocks[list.Count++] = (nint)pointer;
                s_pooled += list.Bytes;
            }
        }
        finally
        {
            if (taken)
                s_gate.Exit(useMemoryBarrier: false);
        }
        if (!isKept)
            FreeToSystem((nint)pointer, list.Bytes);
    }

    private static bool TryPop(FreeList list, out nint block, out CpuBuffer? spare)
    {
        block = 0;
        spare = null;
        bool taken = false;
        s_gate.Enter(ref taken);
        if (list.Count > 0)
        {
            block = list.Blocks[--list.Count];
            s_pooled -= list.Bytes;
            CountRented(list.Bytes);
            if (s_spares > 0)
            {
                spare = Spares[--s_spares];
                Spares[s_spares] = null;
            }
        }
        s_gate.Exit(useMemoryBarrier: false);
        return block != 0;
    }

    // Within the gate.
    private static void CountRented(long bytes)
    {
        s_live += bytes;
        s_rented += bytes + ObjectBytes;
        if (s_live > s_peak)
            s_peak = s_live;
    }

    private static nint AllocateFromSystem(long bytes)
    {
        // Buffers that were dropped without Dispose come back only after a collection: ask for one before memory runs out.
        if (Volatile.Read(ref s_live) + Volatile.Read(ref s_pooled) + bytes > MachineBytes / 10 * 8)
        {
            Reclaim();
        }
        nint block;
        try
        {
            block = Allocate(bytes);
        }
        catch (OutOfMemoryException)
        {
            Reclaim();
            try
            {
                block = Allocate(bytes);
            }
            catch (OutOfMemoryException inner)
            {
                throw new OutOfMemoryException(
                    $"A CPU buffer of {bytes} bytes cannot be had: {Volatile.Read(ref s_live)} bytes are live in other"
                        + $" buffers and the machine has {MachineBytes}.",
                    inner
                );
            }
        }
        GC.AddMemoryPressure(bytes);
        return block;
    }

    // Finds buffers that were dropped without Dispose: youngest objects first, all of them where that is not enough.
    private static void ReclaimDropped()
    {
        if (Interlocked.Exchange(ref s_reclaiming, 1) != 0)
            return;
        long slack = Volatile.Read(ref s_reclaimAt) - s_left;
        for (int generation = 0; generation <= GC.MaxGeneration; generation++)
        {
            GC.Collect(generation);
            // A finalizer may itself wait for this thread: not for ever.
            Task.Run(GC.WaitForPendingFinalizers).Wait(FinalizersPatience);
            if (Volatile.Read(ref s_rented) <= s_left + slack / 4)
                break;
        }
        SetReclaimAt();
        Volatile.Write(ref s_reclaiming, 0);
    }

    private static void SetReclaimAt()
    {
        s_left = Volatile.Read(ref s_rented);
        Volatile.Write(ref s_reclaimAt, s_left + Math.Max(Unreferenced, s_left / 2));
    }

    private static void Reclaim()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Trim();
    }

    private static nint Allocate(long bytes)
    {
        int alignment =
            bytes >= LargePage ? LargePage
            : bytes >= SystemPage ? SystemPage
            : SmallStep;
        nint block = (nint)NativeMemory.AlignedAlloc((nuint)bytes, (nuint)alignment);
        if (bytes >= LargePage)
        {
            LargePages.Advise(block, bytes);
        }
        return block;
    }

    private static void FreeToSystem(nint block, long bytes)
    {
        NativeMemory.AlignedFree((void*)block);
        GC.RemoveMemoryPressure(bytes);
    }

    private static FreeList[] CreateLists()
    {
        var lists = new FreeList[ClassCount];
        for (int i = 0; i < lists.Length; i++)
        {
            lists[i] = new FreeList(BytesOf(i));
        }
        return lists;
    }
}
