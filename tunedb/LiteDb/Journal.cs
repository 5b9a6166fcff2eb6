using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Picograd.TuneDb.LiteDb;

/// <summary>
/// A change of the file on its way in. LiteDB's own log has no checksums: one with holes, as a power cut leaves them, is taken
/// over with its holes (seen with 5.0.21). So LiteDB works in memory, and what it changed is written behind the pages of the file first: a block that says
/// which pages follow, with a SHA-256 over all of it, then the pages. Once that is on the medium the change is made. Then the pages go
/// to their places, the first page first. Whoever finds such a change, complete, behind the pages reads it over them, and writing
/// puts it into its places again, which does no harm. An incomplete one was never reported as stored and is dropped.
/// </summary>
/// <param name="Changes">The counter of changes that the file has with this one.</param>
/// <param name="Length">Bytes of the file's pages with this change.</param>
/// <param name="Pages">The pages as they are to be in the file, by number; page 0 is always among them.</param>
internal sealed record Journal(long Changes, long Length, IReadOnlyDictionary<long, byte[]> Pages)
{
    // The first four bytes are where pages have their number: none has one of 1.9 thousand million, at 15 terabytes.
    private static ReadOnlySpan<byte> Magic => "Picograd change\0"u8;

    private const int ChangesAt = 16;
    private const int LengthAt = 24;
    private const int CountAt = 32;
    private const int HashAt = 40;
    private const int NumbersAt = 72;
    private const int NumbersInFirst = (PageLayout.PageSize - NumbersAt) / 8;
    private const int NumbersInNext = PageLayout.PageSize / 8;

    // Pages; as many as two gigabytes of memory hold.
    public const int MostPages = 1 << 18;

    /// <summary>Bytes of one with so many pages.</summary>
    public static long Size(int count) => HeadLength(count) + (count * (long)PageLayout.PageSize);

    /// <summary>Writes it at an offset, which is a multiple of the page size.</summary>
    public void Write(PageDevice device, long offset)
    {
        var numbers = Pages.Keys.Order().ToArray();
        var head = new byte[HeadLength(numbers.Length)];
        Magic.CopyTo(head);
        BinaryPrimitives.WriteInt64LittleEndian(head.AsSpan(ChangesAt), Changes);
        BinaryPrimitives.WriteInt64LittleEndian(head.AsSpan(LengthAt), Length);
        BinaryPrimitives.WriteInt64LittleEndian(head.AsSpan(CountAt), numbers.Length);
        for (var i = 0; i < numbers.Length; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(head.AsSpan(NumbersAt + (i * 8)), numbers[i]);
        }

        using (var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256))
        {
            hash.AppendData(head);
            foreach (var number in numbers)
            {
                hash.AppendData(Pages[number]);
            }

            hash.GetHashAndReset(head.AsSpan(HashAt, 32));
        }

        device.Write(offset, head);
        offset += head.Length;
        foreach (var number in numbers)
        {
            device.Write(offset, Pages[number]);
            offset += PageLayout.PageSize;
        }
    }

    /// <summary>Puts the pages into their places.</summary>
    public void Apply(PageDevice device)
    {
        foreach (var number in Pages.Keys.Order())
        {
            device.Write(number * PageLayout.PageSize, Pages[number]);
        }
    }

    /// <summary>What lies behind the pages.</summary>
    /// <param name="Complete">The newest complete change; null without one.</param>
    /// <param name="Newest">The largest counter of any, complete or not; -1 without one.</param>
    public readonly record struct Found(Journal? Complete, long Newest);

    /// <summary>Looks for changes from the end of the file back to an offset.</summary>
    public static Found Find(PageDevice device, long from)
    {
        Span<byte> start = stackalloc byte[HashAt];
        var newest = -1L;
        var length = device.Length;
        for (
            var at = (length - 1) / PageLayout.PageSize * PageLayout.PageSize;
            at >= from && length > 0;
            at -= PageLayout.PageSize
        )
        {
            if (device.Read(at, start) < start.Length || !start.StartsWith(Magic))
            {
                continue;
            }

            newest = Math.Max(newest, BinaryPrimitives.ReadInt64LittleEndian(start[ChangesAt..]));
            if (Read(device, at, length) is { } complete)
            {
                return new Found(complete, newest);
            }
        }

        return new Found(null, newest);
    }

    private static Journal? Read(PageDevice device, long at, long end)
    {
        Span<byte> start = stackalloc byte[HashAt];
        device.Read(at, start);
        var count = BinaryPrimitives.ReadInt64LittleEndian(start[CountAt..]);
        if (count is < 1 or > MostPages)
        {
            return null;
        }

        var head = new byte[HeadLength((int)count)];
        if (at + head.Length + (count * PageLayout.PageSize) > end || device.Read(at, head) < head.Length)
        {
            return null;
        }

        var stored = head.AsSpan(HashAt, 32).ToArray();
        head.AsSpan(HashAt, 32).Clear();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(head);
        var pages = new Dictionary<long, byte[]>((int)count);
        for (var i = 0; i < count; i++)
        {
            var page = new byte[PageLayout.PageSize];
            var number = BinaryPrimitives.ReadInt64LittleEndian(head.AsSpan(NumbersAt + (i * 8)));
            device.Read(at + head.Length + (i * (long)PageLayout.PageSize), page);
            hash.AppendData(page);
            pages[number] = page;
        }

        var changes = BinaryPrimitives.ReadInt64LittleEndian(head.AsSpan(ChangesAt));
        var length = BinaryPrimitives.ReadInt64LittleEndian(head.AsSpan(LengthAt));
        return
            hash.GetHashAndReset().AsSpan().SequenceEqual(stored)
            && pages.ContainsKey(0)
            && pages.Keys.All(number => number >= 0 && (number + 1) * PageLayout.PageSize <= length)
            ? new Journal(changes, length, pages)
            : null;
    }

    private static int HeadLength(int count) =>
        PageLayout.PageSize * (1 + (Math.Max(0, count - NumbersInFirst) + NumbersInNext - 1) / NumbersInNext);
}
