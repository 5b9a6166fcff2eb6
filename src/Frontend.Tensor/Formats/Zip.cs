using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Picograd.Formats;

/// <summary>
/// The directory of a zip archive, with the places of its entries: those that are stored as they are can be mapped, which .NET's own
/// reader does not offer. Source: PKWARE's APPNOTE 6.3.10. Entries that overlap the directory or each other, are encrypted, or are packed by another
/// method than deflate are refused.
/// </summary>
internal sealed class Zip
{
    /// <param name="Name">The path in the archive.</param>
    /// <param name="At">The first of its bytes, packed or not.</param>
    /// <param name="Packed">Bytes in the archive.</param>
    /// <param name="Length">Bytes unpacked.</param>
    /// <param name="IsDeflated">Whether it is packed.</param>
    /// <param name="Crc">The check sum of the bytes unpacked.</param>
    internal sealed record Entry(string Name, long At, long Packed, long Length, bool IsDeflated, uint Crc);

    // Deflate writes at most 258 bytes with 2 bits, and never does better than this.
    private const long BestRatio = 1032;

    private readonly string _format;

    private Zip(FileBytes bytes, string format, List<Entry> entries)
    {
        Bytes = bytes;
        _format = format;
        Entries = entries;
    }

    public FileBytes Bytes { get; }

    public IReadOnlyList<Entry> Entries { get; }

    /// <summary>Reads the directory.</summary>
    public static Zip Of(FileBytes bytes, string format)
    {
        var (at, size, count) = Directory(bytes, format);
        if (!bytes.Has(at, size))
            throw bytes.Wrong(
                format,
                bytes.Length,
                $"its directory would lie from {at} for {size} bytes of {bytes.Length}"
            );
        if (count > size / 46)
            throw bytes.Wrong(format, at, $"its directory has {size} bytes, which are too few for {count} entries");
        var entries = new List<Entry>();
        var names = new HashSet<string>();
        long next = at;
        for (long i = 0; i < count; i++)
        {
            if (next > at + size - 46)
                throw bytes.Wrong(format, next, $"its directory ends in entry {i} of {count}");
            var head = bytes.Span(next, 46);
            if (U32(head, 0) != 0x02014b50)
                throw bytes.Wrong(format, next, $"entry {i} of its directory begins with other bytes than PK\\1\\2");
            int nameLength = U16(head, 28);
            int extraLength = U16(head, 30);
            long whole = 46L + nameLength + extraLength + U16(head, 32);
            if (next + whole > at + size)
                throw bytes.Wrong(format, next, $"its directory ends in entry {i} of {count}");
            string name = Encoding.UTF8.GetString(bytes.Span(next + 46, nameLength));
            var extra = bytes.Span(next + 46 + nameLength, extraLength);
            long packed = U32(head, 20);
            long length = U32(head, 24);
            long local = U32(head, 42);
            ReadZip64(extra, ref length, ref packed, ref local);
            int method = U16(head, 10);
            if ((U16(head, 8) & 1) != 0)
                throw bytes.Wrong(format, next, $"'{name}' is encrypted");
            if (method is not (0 or 8))
                throw bytes.Wrong(
                    format,
                    next,
                    $"'{name}' is packed by method {method}; known are 0 (stored) and 8 (deflate)"
                );
            if (!bytes.Has(local, 30) || local + 30 > at || U32(bytes.Span(local, 30), 0) != 0x04034b50)
                throw bytes.Wrong(format, next, $"'{name}' should begin at byte {local}, but does not");
            var before = bytes.Span(local, 30);
            long start = local + 30 + U16(before, 26) + U16(before, 28);
            if (packed < 0 || length < 0 || packed > at - start)
                throw bytes.Wrong(
                    format,
                    next,
                    $"'{name}' would have {packed} bytes from {start}, but the directory begins at {at}"
                );
            if (method == 0 ? packed != length : length / BestRatio > packed)
                throw bytes.Wrong(format, next, $"'{name}' would have {length} bytes, which {packed} can't hold");
            if (!names.Add(name))
                throw bytes.Wrong(format, next, $"'{name}' is there twice");
            entries.Add(new Entry(name, start, packed, length, method == 8, U32(head, 16)));
            next += whole;
        }
        // One that lies in another would let few bytes stand for many.
        long end = 0;
        foreach (var entry in entries.OrderBy(e => e.At).ThenBy(e => e.Packed))
        {
            if (entry.At < end)
                throw bytes.Wrong(
                    format,
                    entry.At,
                    $"'{entry.Name}' begins in the entry before it, which ends at {end}"
                );
            end = entry.At + entry.Packed;
        }
        return new Zip(bytes, format, entries);
    }

    /// <summary>The first bytes of an entry, unpacked: no more than asked for.</summary>
    public byte[] Begin(Entry entry, int most)
    {
        int length = (int)Math.Min(most, entry.Length);
        if (!entry.IsDeflated)
            return Bytes.Span(entry.At, length).ToArray();
        byte[] made = new byte[length];
        Inflate(entry, made);
        return made;
    }

    /// <summary>All bytes of an entry, unpacked and held against its check sum.</summary>
    public byte[] ReadAll(Entry entry)
    {
        if (entry.Length > Array.MaxLength)
            throw Bytes.Wrong(
                _format,
                entry.At,
                $"'{entry.Name}' has {entry.Length} bytes, but at most {Array.MaxLength} can be unpacked"
            );
        byte[] made = GC.AllocateUninitializedArray<byte>((int)entry.Length);
        if (entry.IsDeflated)
            Inflate(entry, made);
        else
            Bytes.Span(entry.At, made.Length).CopyTo(made);
        uint sum = Crc32.Of(made);
        if (sum != entry.Crc)
            throw Bytes.Wrong(
                _format,
                entry.At,
                $"'{entry.Name}' has the check sum {sum:x8}, but {entry.Crc:x8} is written"
            );
        return made;
    }

    private void Inflate(Entry entry, byte[] into)
    {
        try
        {
            using var packed = Bytes.Stream(entry.At, entry.Packed);
            using var inflated = new DeflateStream(packed, CompressionMode.Decompress);
            if (inflated.ReadAtLeast(into, into.Length, throwOnEndOfStream: false) < into.Length)
                throw Bytes.Wrong(
                    _format,
                    entry.At,
                    $"'{entry.Name}' ends before its {entry.Length} bytes are unpacked"
                );
            if (into.Length == entry.Length && inflated.ReadByte() >= 0)
                throw Bytes.Wrong(_format, entry.At, $"'{entry.Name}' has more than its {entry.Length} bytes");
        }
        catch (InvalidDataException e) when (!e.Message.StartsWith(Bytes.Path, StringComparison.Ordinal))
        {
            throw Bytes.Wrong(_format, entry.At, $"'{entry.Name}' can't be unpacked ({e.Message})", e);
        }
    }

    private static (long At, long Size, long Count) Directory(FileBytes bytes, string format)
    {
        // The end of the directory is followed by a comment of at most 65,535 bytes.
        long from = Math.Max(0, bytes.Length - 22 - ushort.MaxValue);
        var tail = bytes.Span(from, (int)(bytes.Length - from));
        int found = tail.LastIndexOf("PK\x05\x06"u8);
        if (found < 0 || tail.Length - found < 22)
            throw bytes.Wrong(format, bytes.Length, "a zip archive ends with a directory, but this file does not");
        var end = tail[found..];
        if (U16(end, 4) != U16(end, 6))
            throw bytes.Wrong(format, from + found, "it is one of several parts");
        var made = (At: (long)U32(end, 16), Size: (long)U32(end, 12), Count: (long)U16(end, 10));
        long locator = from + found - 20;
        if (!bytes.Has(locator, 20) || U32(bytes.Span(locator, 20), 0) != 0x07064b50)
            return made;
        long large = I64(bytes.Span(locator, 20), 8);
        if (!bytes.Has(large, 56) || U32(bytes.Span(large, 56), 0) != 0x06064b50)
            throw bytes.Wrong(format, locator, $"the end of its directory should be at byte {large}, but is not");
        var wide = bytes.Span(large, 56);
        return (I64(wide, 48), I64(wide, 40), I64(wide, 32));
    }

    private static void ReadZip64(ReadOnlySpan<byte> extra, ref long length, ref long packed, ref long local)
    {
        while (extra.Length >= 4)
        {
            int size = Math.Min(U16(extra, 2), extra.Length - 4);
            var field = extra.Slice(4, size);
            if (U16(extra, 0) == 1)
            {
                Take(ref field, ref length);
                Take(ref field, ref packed);
                Take(ref field, ref local);
                return;
            }
            extra = extra[(4 + size)..];
        }

        static void Take(ref ReadOnlySpan<byte> field, ref long number)
        {
            if (number != uint.MaxValue || field.Length < 8)
                return;
            number = I64(field, 0);
            field = field[8..];
        }
    }

    private static ushort U16(ReadOnlySpan<byte> from, int at) => BinaryPrimitives.ReadUInt16LittleEndian(from[at..]);

    private static uint U32(ReadOnlySpan<byte> from, int at) => BinaryPrimitives.ReadUInt32LittleEndian(from[at..]);

    private static long I64(ReadOnlySpan<byte> from, int at) => BinaryPrimitives.ReadInt64LittleEndian(from[at..]);
}

/// <summary>The check sum of zip archives (ISO 3309).</summary>
internal static class Crc32
{
    private static readonly uint[] Table =
    [
        .. Enumerable
            .Range(0, 256)
            .Select(i =>
            {
                uint sum = (uint)i;
                for (int bit = 0; bit < 8; bit++)
                    sum = (sum & 1) != 0 ? (sum >> 1) ^ 0xEDB88320 : sum >> 1;
                return sum;
            }),
    ];

    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        uint sum = uint.MaxValue;
        foreach (byte b in bytes)
            sum = Table[(byte)sum ^ b] ^ (sum >> 8);
        return ~sum;
    }
}
