using System.Collections.Frozen;
using System.Runtime.CompilerServices;
using Picograd.Schedules.Backend;

namespace Picograd.Dispatch;

/// <summary>
/// Copies of operands as kernels read them (packed for vectors, converted), kept beside the memory that they were made of: a weight
/// is packed once, not in each call. They go with that memory. An in-place change raises its version, so that a copy of an earlier one is
/// not found, and is overwritten by whoever needs the next.
/// </summary>
internal static class PackedOperands
{
    // A storage holds one weight, the parts of one (queries, keys and values), or all of a model. So many copies there may always be, and
    // more as long as they take no more memory than so many times what they are of: each part in two forms, vectors filled up.
    private const int Least = 8;
    private const int MostTimes = 3;

    /// <summary>One copy.</summary>
    /// <param name="Layout">How it is packed (<see cref="Schedules.Prepacking.Layout"/>).</param>
    /// <param name="Offset">Bytes from the begin of the memory to the operand.</param>
    /// <param name="Version">Of the memory, when it was copied.</param>
    /// <param name="Memory">Where the copy is.</param>
    internal sealed record Copy(string Layout, long Offset, int Version, DeviceMemory Memory);

    private sealed class Copies
    {
        // Replaced, not changed, so that calls read them without a lock.
        public Copy[] All = [];

        // The same by offset, where they are too many to be looked through.
        public FrozenDictionary<long, Copy[]>? ByOffset;
    }

    private static readonly ConditionalWeakTable<object, Copies> Kept = [];

    /// <summary>The copy of what is there now; null for none.</summary>
    /// <param name="memory">Stands for the operand's memory as long as that lives.</param>
    /// <param name="layout">How it is to be packed.</param>
    /// <param name="offset">Bytes to the operand.</param>
    /// <param name="version">Of the memory now.</param>
    public static Copy? Find(object memory, string layout, long offset, int version)
    {
        if (!Kept.TryGetValue(memory, out var copies))
            return null;
        var some = copies.All;
        if (Volatile.Read(ref copies.ByOffset) is { } byOffset && !byOffset.TryGetValue(offset, out some))
            return null;
        foreach (var copy in some)
        {
            if (copy.Version == version && copy.Offset == offset && copy.Layout == layout)
                return copy;
        }
        return null;
    }

    /// <summary>How many copies there are of some memory, of whatever version.</summary>
    public static int Count(object memory) => Kept.TryGetValue(memory, out var copies) ? copies.All.Length : 0;

    /// <summary>The copy of what is there now, which is made if there is none; null where there are as many as there may be.</summary>
    /// <param name="memory">As of <see cref="Find"/>.</param>
    /// <param name="layout">How it is packed.</param>
    /// <param name="offset">Bytes to the operand.</param>
    /// <param name="version">Of the memory now.</param>
    /// <param name="bytes">Length of the memory.</param>
    /// <param name="rent">Memory for a copy.</param>
    /// <param name="pack">Writes it.</param>
    public static Copy? Make(
        object memory,
        string layout,
        long offset,
        int version,
        long bytes,
        Func<DeviceMemory> rent,
        Action<nint> pack
    )
    {
        var copies = Kept.GetOrCreateValue(memory);
        lock (copies)
        {
            // Another thread may have been faster.
            if (Find(memory, layout, offset, version) is { } there)
                return there;
            var all = copies.All.ToList();
            int stale = all.FindIndex(c => c.Layout == layout && c.Offset == offset);
            // What nobody asked for since the operand changed makes room; a call may still read it, so the garbage collector frees it.
            // What is as it was stays: in turns, more than there may be would all be copied anew each time.
            if (stale < 0 && IsFull(all, bytes) && all.RemoveAll(c => c.Version != version) == 0)
                return null;
            // Who reads an earlier version while the operand changes would read the operand itself while it changes.
            var room = stale >= 0 ? all[stale].Memory : rent();
            pack(room.Address);
            var made = new Copy(layout, offset, version, room);
            if (stale >= 0)
                all.RemoveAt(stale);
            all.Add(made);
            copies.All = [.. all];
            Volatile.Write(
                ref copies.ByOffset,
                all.Count <= Least ? null : all.GroupBy(c => c.Offset).ToFrozenDictionary(g => g.Key, g => g.ToArray())
            );
            return made;
        }
    }

    private static bool IsFull(List<Copy> all, long bytes) =>
        all.Count >= Least && all.Sum(c => c.Memory.Length) >= MostTimes * bytes;

    /// <summary>There are no copies any more; a call may still read one, whose memory the garbage collector finds.</summary>
    public static void Forget(object memory) => Kept.Remove(memory);

    /// <summary>The memory is given back, and its copies with it.</summary>
    public static void Free(object memory)
    {
        if (!Kept.TryGetValue(memory, out var copies) || !Kept.Remove(memory))
            return;
        foreach (var copy in copies.All)
            copy.Memory.Dispose();
    }
}
