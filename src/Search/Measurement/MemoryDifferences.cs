using Picograd.Algorithms;

namespace Picograd.Search.Measurement;

/// <summary>Where two pieces of main memory differ, as numbers, by all threads of the processor.</summary>
internal static class MemoryDifferences
{
    /// <summary>Elements that are compared at a time.</summary>
    private const long Stretch = 1 << 18;

    /// <summary>The largest absolute and the largest relative difference of each stretch that has any, in no order.</summary>
    /// <param name="type">Of the elements.</param>
    /// <param name="one">The one.</param>
    /// <param name="other">By whose elements relative differences are.</param>
    /// <param name="elements">Of each.</param>
    public static IReadOnlyList<Difference> Of(DType type, nint one, nint other, long elements)
    {
        int size = type.Size();
        var found = new List<Difference>();
        ParallelStretches.Each(
            elements,
            Stretch,
            (from, to) =>
            {
                if (AreSame(one, other, from * size, (to - from) * size))
                    return;
                var absolute = new Difference(0, 0, -1);
                var relative = absolute;
                for (long place = from; place < to; place++)
                {
                    double a = TypedMemory.Read(type, one, place);
                    double b = TypedMemory.Read(type, other, place);
                    if (a == b || double.IsNaN(a) && double.IsNaN(b))
                        continue;
                    double difference = Math.Abs(a - b);
                    if (!double.IsFinite(difference))
                        difference = double.MaxValue;
                    double share = difference / Math.Max(Math.Abs(b), 1e-30);
                    if (difference > absolute.Absolute)
                        absolute = new Difference(difference, 0, place);
                    if (share > relative.Relative)
                        relative = new Difference(0, share, place);
                }
                lock (found)
                {
                    if (absolute.Place >= 0)
                        found.Add(absolute);
                    if (relative.Place >= 0)
                        found.Add(relative);
                }
            }
        );
        return found;
    }

    private static unsafe bool AreSame(nint one, nint other, long from, long bytes) =>
        new ReadOnlySpan<byte>((byte*)one + from, (int)bytes).SequenceEqual(
            new ReadOnlySpan<byte>((byte*)other + from, (int)bytes)
        );
}
