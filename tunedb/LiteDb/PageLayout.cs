using System.Buffers.Binary;
using System.Numerics;

namespace Picograd.TuneDb.LiteDb;

/// <summary>
/// The format of LiteDB 5's data files (version 8: pages of 8 KiB), as far as reading needs it, and what this project adds in
/// places that LiteDB does not use: a checksum in every page, a mark and a counter of changes in the first.
/// </summary>
/// <remarks>
/// Source: LiteDB 5.0.21, <c>Engine/Pages</c> and <c>Engine/Structures</c>. All numbers are little-endian.
/// </remarks>
internal static class PageLayout
{
    public const int PageSize = 8192;
    public const int PageHeader = 32;

    /// <summary>Kinds of pages.</summary>
    public const byte HeaderPage = 1;
    public const byte CollectionPage = 2;
    public const byte IndexPage = 3;
    public const byte DataPage = 4;

    /// <summary>Where the parts of every page lie.</summary>
    public const int PageIdAt = 0;
    public const int PageTypeAt = 4;
    public const int TransactionAt = 14;
    public const int HighestIndexAt = 30;

    /// <summary>Where the parts of the first page lie.</summary>
    public const int InfoAt = 32;
    public const int FileVersionAt = 59;
    public const int LastPageAt = 64;
    public const int UserVersionAt = 76;

    /// <summary>The counter of changes: eight of the bytes 109 to 190, which LiteDB reserves and leaves alone.</summary>
    public const int ChangesAt = 112;
    public const int CollectionsAt = 192;
    public const int CollectionsSize = 8000;

    /// <summary>Where a collection's indices begin in its page.</summary>
    public const int IndexesAt = 96;

    /// <summary>Levels of LiteDB's skip lists.</summary>
    public const int Levels = 32;

    public const byte FileVersion = 8;

    /// <summary>What a page has where others have their checksum, if a program wrote it that knows of none.</summary>
    public const uint NoChecksum = uint.MaxValue;

    /// <summary>Upper half of LiteDB's user version: this application, "Pi". The lower half is the schema's version.</summary>
    public const int Application = 0x5069;

    public static ReadOnlySpan<byte> Info => "** This is a LiteDB file **"u8;

    /// <summary>What every first page begins with: number 0, kind 1, no neighbours.</summary>
    public static ReadOnlySpan<byte> FirstBytes =>
        [0, 0, 0, 0, HeaderPage, 255, 255, 255, 255, 255, 255, 255, 255, 255];

    public static uint Page(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    /// <summary>The checksum of a page: CRC-32C over all of it, with <see cref="NoChecksum"/> in the checksum's own place.</summary>
    public static uint Checksum(ReadOnlySpan<byte> page)
    {
        Span<byte> header = stackalloc byte[PageHeader];
        page[..PageHeader].CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header[TransactionAt..], NoChecksum);
        uint crc = Crc(Crc(uint.MaxValue, header), page[PageHeader..]);
        return crc == NoChecksum ? 0 : crc;
    }

    /// <summary>Writes the checksum into the place where LiteDB's data files say that no transaction is open.</summary>
    public static void Seal(Span<byte> page) =>
        BinaryPrimitives.WriteUInt32LittleEndian(page[TransactionAt..], Checksum(page));

    /// <summary>Whether the page is the one that was written under this number; then it is made what LiteDB wrote.</summary>
    public static bool Unseal(Span<byte> page, long number)
    {
        uint stored = Page(page, TransactionAt);
        if ((stored != NoChecksum && stored != Checksum(page)) || Page(page, PageIdAt) != number)
        {
            return false;
        }

        BinaryPrimitives.WriteUInt32LittleEndian(page[TransactionAt..], NoChecksum);
        return true;
    }

    private static uint Crc(uint crc, ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length >= 8; bytes = bytes[8..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        return crc;
    }
}
