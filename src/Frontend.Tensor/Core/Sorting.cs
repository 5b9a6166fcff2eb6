using System.Numerics;
using System.Runtime.InteropServices;
using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Dispatch;

namespace Picograd;

/// <summary>
/// Places of the elements of rows in ascending or descending order; equal ones keep theirs, −0 equals 0, and NaN is above all.
/// A loop nest has no n log n for this, so it is done here and not by a kernel: elements become whole numbers in the same order. Long
/// rows are sorted by their digits (LSD radix, Knuth vol. 3, 5.2.5; digits that are all alike are skipped), short ones by merging.
/// </summary>
internal static unsafe class Sorting
{
    // Numbers of fewer bits lie in one word with their places.
    private const int Packed = 32;
    private const int DigitBits = 11;
    private const int Digits = 1 << DigitBits;

    // Below it counting digits costs more than comparing.
    private const int ShortRow = 192;

    // Rows that are few elements together are not spread over threads.
    private const long Spread = 1 << 16;

    /// <summary>Places of the first <paramref name="count"/> elements in order of each row along the last dimension.</summary>
    /// <param name="rows">Any dtype; rows may not be of size 0 where there are any.</param>
    /// <param name="descending">Whether the largest comes first.</param>
    /// <param name="count">How many; null for all. Fewer of long rows are found without sorting all.</param>
    /// <returns>int64, of the rows' shape but for the last size.</returns>
    public static Tensor Order(Tensor rows, bool descending, long? count = null)
    {
        long n = rows.Layout.Sizes[^1];
        long wanted = count ?? n;
        long[] sizes = [.. rows.Layout.Sizes[..^1], wanted];
        var result = Tensor.Allocate(sizes, DType.Int64, CpuRuntime.Instance);
        if (rows.Device.IsMeta)
            return Tensor.Empty(sizes, DType.Int64, Device.Meta);
        if (result.NumElements == 0)
            return result.ToDevice(rows.Device);
        if (n > int.MaxValue)
            throw new ArgumentException(
                $"sort: rows of the shape {rows.Layout} have {n} elements; at most {int.MaxValue} can be sorted."
            );
        var here = Copying.DenseOf(rows).OnCpu();
        Executor.Listening?.HostReads(here);
        Executor.Listening?.HostWrites(result);
        var (from, to, type) = (here.Address, result.Address, here.DType);
        long lines = here.NumElements / n;
        void Sort(long line, Room room) =>
            room.Sort(
                type,
                (byte*)from + line * n * type.Size(),
                (int)n,
                descending,
                new Span<long>((long*)to + line * wanted, (int)wanted)
            );
        int threads = lines > 1 && here.NumElements >= Spread ? Tensor.NumThreads : 1;
        if (threads > 1)
            Parallel.For(
                0L,
                lines,
                new ParallelOptions { MaxDegreeOfParallelism = threads },
                () => new Room(),
                (line, _, room) =>
                {
                    Sort(line, room);
                    return room;
                },
                _ => { }
            );
        else
        {
            var room = new Room();
            for (long line = 0; line < lines; line++)
                Sort(line, room);
        }
        GC.KeepAlive(here);
        return result.ToDevice(rows.Device);
    }

    // Memory that rows share.
    private sealed class Room
    {
        private readonly int[] _counts = new int[6 * Digits];
        private ulong[] _words = [];
        private ulong[] _others = [];
        private int[] _places = [];
        private int[] _otherPlaces = [];

        public void Sort(DType type, byte* row, int n, bool descending, Span<long> to)
        {
            if (_words.Length < n)
                (_words, _others) = (new ulong[n], new ulong[n]);
            int bits = Bits(type);
            var words = _words.AsSpan(0, n);
            Read(type, row, words, descending);
            if (bits <= Packed)
                SortPacked(words, bits, to);
            else
                SortWide(words, to);
        }

        // Number and place in one word.
        private void SortPacked(Span<ulong> words, int bits, Span<long> to)
        {
            int n = words.Length;
            for (int i = 0; i < n; i++)
                words[i] = words[i] << 32 | (uint)i;
            if (to.Length < n && (long)to.Length * 16 <= n)
                words = Least(words, to.Length);
            else if (n < ShortRow)
                words.Sort();
            else
                words = SortDigits(words, _others.AsSpan(0, n), bits);
            for (int i = 0; i < to.Length; i++)
                to[i] = (uint)words[i];
        }

        private Span<ulong> SortDigits(Span<ulong> words, Span<ulong> others, int bits)
        {
            int rounds = (bits + DigitBits - 1) / DigitBits;
            var counts = _counts.AsSpan(0, rounds * Digits);
            counts.Clear();
            foreach (ulong word in words)
            {
                for (int round = 0; round < rounds; round++)
                    counts[round * Digits + (int)(word >> (32 + round * DigitBits) & (Digits - 1))]++;
            }
            for (int round = 0; round < rounds; round++)
            {
                var count = counts.Slice(round * Digits, Digits);
                int shift = 32 + round * DigitBits;
                if (count[(int)(words[0] >> shift & (Digits - 1))] == words.Length)
                    continue;
                Starts(count);
                foreach (ulong word in words)
                    others[count[(int)(word >> shift & (Digits - 1))]++] = word;
                var sorted = others;
                others = words;
                words = sorted;
            }
            return words;
        }

        // Numbers of 64 bits, and their places beside them.
        private void SortWide(Span<ulong> words, Span<long> to)
        {
            int n = words.Length;
            if (_places.Length < n)
                (_places, _otherPlaces) = (new int[n], new int[n]);
            var places = _places.AsSpan(0, n);
            for (int i = 0; i < n; i++)
                places[i] = i;
            var others = _others.AsSpan(0, n);
            var otherPlaces = _otherPlaces.AsSpan(0, n);
            if (to.Length < n && (long)to.Length * 16 <= n)
                places = Least(words, places, to.Length);
            else if (n < ShortRow)
                Insert(words, places);
            else
            {
                var counts = _counts.AsSpan(0, 6 * Digits);
                counts.Clear();
                foreach (ulong word in words)
                {
                    for (int round = 0; round < 6; round++)
                        counts[round * Digits + (int)(word >> round * DigitBits & (Digits - 1))]++;
                }
                for (int round = 0; round < 6; round++)
                {
                    var count = counts.Slice(round * Digits, Digits);
                    int shift = round * DigitBits;
                    if (count[(int)(words[0] >> shift & (Digits - 1))] == n)
                        continue;
                    Starts(count);
                    for (int i = 0; i < n; i++)
                    {
                        int at = count[(int)(words[i] >> shift & (Digits - 1))]++;
                        others[at] = words[i];
                        otherPlaces[at] = places[i];
                    }
                    var sorted = others;
                    others = words;
                    words = sorted;
                    var sortedPlaces = otherPlaces;
                    otherPlaces = places;
                    places = sortedPlaces;
                }
            }
            for (int i = 0; i < to.Length; i++)
                to[i] = places[i];
        }
    }

    private static void Starts(Span<int> counts)
    {
        int sum = 0;
        foreach (ref int count in counts)
            (count, sum) = (sum, sum + count);
    }

    // The least words in order: a heap of as many, whose top is the largest of them.
    private static Span<ulong> Least(Span<ulong> words, int count)
    {
        var heap = words[..count];
        for (int i = count / 2 - 1; i >= 0; i--)
            Sift(heap, i);
        for (int i = count; i < words.Length; i++)
        {
            if (words[i] >= heap[0])
                continue;
            heap[0] = words[i];
            Sift(heap, 0);
        }
        heap.Sort();
        return heap;
    }

    private static void Sift(Span<ulong> heap, int at)
    {
        ulong word = heap[at];
        for (int child; (child = 2 * at + 1) < heap.Length; at = child)
        {
            if (child + 1 < heap.Length && heap[child + 1] > heap[child])
                child++;
            if (heap[child] <= word)
                break;
            heap[at] = heap[child];
        }
        heap[at] = word;
    }

    // The places of the least words in order: a row of as many that stay sorted, into which few are inserted.
    private static Span<int> Least(Span<ulong> words, Span<int> places, int count)
    {
        Insert(words[..count], places[..count]);
        for (int i = count; i < words.Length; i++)
        {
            if (words[i] >= words[count - 1])
                continue;
            var (word, place) = (words[i], places[i]);
            int at = count - 1;
            for (; at > 0 && words[at - 1] > word; at--)
                (words[at], places[at]) = (words[at - 1], places[at - 1]);
            (words[at], places[at]) = (word, place);
        }
        return places[..count];
    }

    private static void Insert(Span<ulong> words, Span<int> places)
    {
        for (int i = 1; i < words.Length; i++)
        {
            var (word, place) = (words[i], places[i]);
            int at = i;
            for (; at > 0 && words[at - 1] > word; at--)
                (words[at], places[at]) = (words[at - 1], places[at - 1]);
            (words[at], places[at]) = (word, place);
        }
    }

    private static int Bits(DType type) => 8 * type.Size();

    // Elements as whole numbers in the same order.
    private static void Read(DType type, byte* row, Span<ulong> to, bool descending)
    {
        switch (type.Size())
        {
            case 1:
                Read<byte>(type.Info(), row, to, descending);
                break;
            case 2:
                Read<ushort>(type.Info(), row, to, descending);
                break;
            case 4:
                Read<uint>(type.Info(), row, to, descending);
                break;
            default:
                Read<ulong>(type.Info(), row, to, descending);
                break;
        }
    }

    private static void Read<TWord>(DTypeInfo type, byte* row, Span<ulong> to, bool descending)
        where TWord : unmanaged, IBinaryInteger<TWord>, IMinMaxValue<TWord>
    {
        var words = new ReadOnlySpan<TWord>(row, to.Length);
        var turn = descending ? TWord.MaxValue : TWord.Zero;
        var sign = TWord.One << (8 * type.Bytes - 1);
        if (type.Kind != DTypeKind.Float)
        {
            turn ^= type.Signed ? sign : TWord.Zero;
            for (int i = 0; i < words.Length; i++)
                to[i] = ulong.CreateTruncating(words[i] ^ turn);
            return;
        }
        var magnitude = TWord.MaxValue ^ sign;
        var infinity = TWord.CreateTruncating(type.ToBits(double.PositiveInfinity));
        for (int i = 0; i < words.Length; i++)
        {
            var size = words[i] & magnitude;
            var key =
                size > infinity ? TWord.MaxValue
                : size == TWord.Zero || size == words[i] ? size | sign
                : ~words[i];
            to[i] = ulong.CreateTruncating(key ^ turn);
        }
    }
}
