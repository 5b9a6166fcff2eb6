namespace Picograd.Search.Measurement;

/// <summary>Work on long memory by all threads of the processor, a stretch at a time.</summary>
internal static class ParallelStretches
{
    private const long CopiedAtOnce = 4 << 20;

    /// <param name="count">Things to work on.</param>
    /// <param name="stretch">So many at a time.</param>
    /// <param name="work">Works on those from the first number to before the second; false ends everything.</param>
    /// <returns>Whether all work returned true.</returns>
    public static bool All(long count, long stretch, Func<long, long, bool> work)
    {
        if (count <= stretch)
            return count == 0 || work(0, count);
        long stretches = (count + stretch - 1) / stretch;
        bool all = true;
        Parallel.For(
            0L,
            stretches,
            (i, state) =>
            {
                if (work(i * stretch, Math.Min(count, (i + 1) * stretch)))
                    return;
                Volatile.Write(ref all, false);
                state.Stop();
            }
        );
        return all;
    }

    public static void Each(long count, long stretch, Action<long, long> work) =>
        All(
            count,
            stretch,
            (from, to) =>
            {
                work(from, to);
                return true;
            }
        );

    /// <summary>Copies memory, in bytes, to where it does not overlap.</summary>
    public static unsafe void Copy(nint to, nint from, long bytes) =>
        Each(
            bytes,
            CopiedAtOnce,
            (first, end) =>
                System.Buffer.MemoryCopy(
                    (void*)(from + (nint)first),
                    (void*)(to + (nint)first),
                    end - first,
                    end - first
                )
        );
}
