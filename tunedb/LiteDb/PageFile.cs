using System.Buffers.Binary;
using static Picograd.TuneDb.LiteDb.PageLayout;

namespace Picograd.TuneDb.LiteDb;

/// <summary>
/// The pages of a data file as the last complete change left them, whatever was going on when the process that wrote last
/// ended. The caller holds the file's lock. See <see cref="Journal"/> for how a change comes in.
/// </summary>
internal sealed class PageFile
{
    /// <summary>What a file begins with while it is being made: nothing was stored in it yet.</summary>
    private static ReadOnlySpan<byte> Unfinished => "A Picograd tune database in LiteDB's format, being made.\n"u8;

    // "A Picograd tune"
    private const int LeastUnfinished = 15;

    // Where the changes behind the pages end, in the first page; 0 where all is in its place for good.
    private const int TailAt = ChangesAt + 8;

    // Bytes of changes that may gather behind the pages: each saves a wait for the medium, 4 ms here.
    private const long FoldAbove = 4 << 20;

    private readonly string _path;
    private readonly Dictionary<long, byte[]> _pages = [];
    private PageDevice _device;
    private Journal? _journal;

    // The first page as it lies in the file, and the length of the file, when it was opened.
    private byte[] _first = [];
    private long _deviceLength;

    private PageFile(PageDevice device, string path)
    {
        _device = device;
        _path = path;
    }

    /// <summary>Bytes of all pages; 0 for a file without any.</summary>
    public long Length { get; private set; }

    /// <summary>Counts the changes of the file.</summary>
    public long Changes { get; private set; }

    /// <summary>The schema's version; 0 for a file without pages.</summary>
    public int SchemaVersion { get; private set; }

    /// <summary>How many pages there are.</summary>
    public long Count => Length / PageSize;

    /// <summary>Whether a file whose beginning this is (a hundred bytes, or all it has) can be one of LiteDB's.</summary>
    /// <remarks>One of two marks is enough, so that a flipped bit does not make a file somebody else's.</remarks>
    public static bool Recognises(ReadOnlySpan<byte> start) =>
        start.Length > 0
        && (
            Begins(start, FirstBytes)
            || BeginsUnfinished(start)
            || (start.Length >= InfoAt + Info.Length && start[InfoAt..].StartsWith(Info))
        );

    /// <summary>Looks at a file.</summary>
    /// <param name="device">The file, locked.</param>
    /// <param name="path">Its name, for errors.</param>
    /// <param name="newestSchema">The newest schema that can be read.</param>
    /// <exception cref="TuneDbException">It is damaged, cut off, foreign or newer.</exception>
    public static PageFile Open(PageDevice device, string path, int newestSchema)
    {
        var file = new PageFile(device, path);
        var length = device.Length;
        if (length == 0)
        {
            return file;
        }

        var first = new byte[PageSize];
        var read = device.Read(0, first);
        file._first = [.. first];
        file._deviceLength = length;
        if (!Recognises(first.AsSpan(0, Math.Min(read, 100))))
        {
            throw LiteDbErrors.Foreign(path);
        }

        var sealedAs = Page(first, TransactionAt);
        var sound = read == PageSize && Unseal(first, 0) && first.AsSpan(InfoAt).StartsWith(Info);
        if (sound)
        {
            file.Length = (Page(first, LastPageAt) + 1L) * PageSize;
            file.Changes = BinaryPrimitives.ReadInt64LittleEndian(first.AsSpan(ChangesAt));
        }

        // A first page without a checksum was written by another program, after whatever lies behind the pages.
        var own = sealedAs != NoChecksum;
        var tail = sound && own ? BinaryPrimitives.ReadInt64LittleEndian(first.AsSpan(TailAt)) : 0;
        if (!sound || (own && length > file.Length))
        {
            var found = Journal.Find(device, sound ? file.Length : 0);
            if (found.Complete is { } journal && (!sound || journal.Changes >= file.Changes))
            {
                file._journal = journal;
                file.Length = journal.Length;
                file.Changes = journal.Changes;
                first = [.. journal.Pages[0]];
                sound = Unseal(first, 0);
                tail = 0;
            }
        }

        if (!sound)
        {
            return BeginsUnfinished(first.AsSpan(0, read)) ? new PageFile(device, path)
                : read < PageSize ? throw LiteDbErrors.Truncated(path, length, "shorter than its first page")
                : throw LiteDbErrors.Damaged(path, "its first page does not match its checksum");
        }

        file.CheckFirst(first, newestSchema);
        if (tail > 0 || length < file.Length && file._journal is null)
        {
            throw length < Math.Max(tail, file.Length)
                ? LiteDbErrors.Truncated(path, length, $"but its header promises {Math.Max(tail, file.Length)}")
                : LiteDbErrors.Damaged(path, "a change that was being made cannot be read");
        }

        file._pages[0] = first;
        return file;
    }

    /// <summary>
    /// Whether the file, perhaps opened again, is as it was when this was opened; if so, pages are read through that opening and
    /// those read already stay known. A change makes the file longer before it touches a page, and of the pages the first one
    /// first, in which it counts itself: while both are as they were, no page read so far belongs to another change.
    /// </summary>
    public bool IsStill(PageDevice device)
    {
        const int MostKnown = 256;
        var first = new byte[PageSize];
        if (
            _first.Length == 0
            || device.Length != _deviceLength
            || device.Read(0, first) < PageSize
            || !first.AsSpan().SequenceEqual(_first)
        )
        {
            return false;
        }

        if (_pages.Count > MostKnown)
        {
            _pages.Clear();
        }

        _device = device;
        return true;
    }

    /// <summary>Looks at a file of which parts may be missing: all pages that are sound can be read.</summary>
    public static PageFile OpenDamaged(PageDevice device, string path)
    {
        var journal = Journal.Find(device, 0).Complete;
        var first = new byte[PageSize];
        device.Read(0, first);
        var promised = Unseal(first, 0) ? (Page(first, LastPageAt) + 1L) * PageSize : 0;
        return new PageFile(device, path)
        {
            _journal = journal,
            Length = journal?.Length ?? (promised > 0 ? promised : RoundUp(device.Length)),
        };
    }

    /// <summary>A page as LiteDB wrote it; not to be changed.</summary>
    /// <exception cref="TuneDbException">There is none of this number, or it is damaged.</exception>
    public byte[] Read(long number) =>
        TryRead(number)
        ?? throw LiteDbErrors.Damaged(
            _path,
            number < Count ? $"page {number} does not match its checksum" : $"there is no page {number}"
        );

    /// <summary>A page as LiteDB wrote it; null when it is damaged or there is none of this number.</summary>
    public byte[]? TryRead(long number)
    {
        if (_pages.TryGetValue(number, out var known))
        {
            return known;
        }

        if (number < 0 || number >= Count)
        {
            return null;
        }

        var page = new byte[PageSize];
        if (_journal is not null && _journal.Pages.TryGetValue(number, out var changed))
        {
            changed.CopyTo(page, 0);
        }
        else if (_device.Read(number * PageSize, page) < PageSize)
        {
            return null;
        }

        if (!Unseal(page, number))
        {
            return null;
        }

        _pages.Add(number, page);
        return page;
    }

    /// <summary>
    /// Makes a change: all of it or, with an exception or when the process ends meanwhile, nothing of it. On return it is on
    /// the medium.
    /// </summary>
    /// <param name="changed">The pages as LiteDB wrote them, by number.</param>
    /// <param name="length">Bytes of all pages with this change.</param>
    public void Commit(IReadOnlyDictionary<long, byte[]> changed, long length)
    {
        Settle();
        try
        {
            Append(changed, length);
        }
        catch (IOException) when (_device.Length > Length)
        {
            // Perhaps there is no space for it behind the earlier changes, but in their place.
            Fold();
            Append(changed, length);
        }
    }

    private void Append(IReadOnlyDictionary<long, byte[]> changed, long length)
    {
        var end = RoundUp(_device.Length);
        var place = Math.Max(end, length);
        // What lies behind the end of the file disturbs nobody and goes to its place at once. All else is written twice.
        bool IsDirect(long number) => number > 0 && number * PageSize >= end;
        var numbers = changed.Keys.Append(0).Distinct().ToList();
        if (numbers.Count(n => !IsDirect(n)) is > Journal.MostPages and var count)
        {
            // Written, it could not be read again.
            throw LiteDbErrors.Error(
                TuneDbErrorKind.Io,
                _path,
                $"cannot take a change of {count} pages at once, at most {Journal.MostPages}; nothing was changed"
            );
        }

        var pages = numbers.ToDictionary(n => n, n => Copy(changed, n));
        var journaled = pages.Where(p => !IsDirect(p.Key)).ToDictionary();
        var first = pages[0];
        BinaryPrimitives.WriteInt64LittleEndian(first.AsSpan(ChangesAt), Changes + 1);
        BinaryPrimitives.WriteInt64LittleEndian(first.AsSpan(TailAt), place + Journal.Size(journaled.Count));
        foreach (var page in pages.Values)
        {
            Seal(page);
        }

        var journal = new Journal(Changes + 1, length, journaled);
        var before = _device.Length;
        var done = false;
        try
        {
            if (before == 0)
            {
                // On the medium first: what a power cut leaves of the rest would look like somebody else's file.
                _device.Write(0, Unfinished);
                _device.Flush();
                _device.FlushFolder();
            }

            foreach (var (number, page) in pages.Where(p => IsDirect(p.Key)))
            {
                _device.Write(number * PageSize, page);
            }

            journal.Write(_device, place);
            _device.Flush();
            done = true;
        }
        finally
        {
            if (!done)
            {
                Attempt(() => _device.SetLength(before));
            }
        }

        // The change is made. Should one of the following fail, the next who writes does it.
        _journal = journal;
        _pages.Clear();
        (Length, Changes) = (length, journal.Changes);
        Attempt(() =>
        {
            journal.Apply(_device);
            if (_device.Length - length > FoldAbove)
            {
                Fold();
            }
        });
    }

    /// <summary>Puts the last change into its place and drops what is incomplete: the first thing that writing does.</summary>
    public void Settle()
    {
        if (_journal is { } journal)
        {
            journal.Apply(_device);
        }
        else if (_device.Length > Length)
        {
            _device.SetLength(Length);
        }
    }

    /// <summary>Leaves nothing behind the pages: the file is then one that LiteDB itself would have left.</summary>
    public void Fold()
    {
        if (_device.Length == Length)
        {
            return;
        }

        Settle();
        if (Length > 0)
        {
            var first = new byte[PageSize];
            Read(0).CopyTo(first, 0);
            BinaryPrimitives.WriteInt64LittleEndian(first.AsSpan(TailAt), 0);
            Seal(first);
            _device.Write(0, first);
            _device.Flush();
        }

        _device.SetLength(Length);
        _journal = null;
        _pages.Remove(0);
    }

    private byte[] Copy(IReadOnlyDictionary<long, byte[]> changed, long number) =>
        [.. changed.TryGetValue(number, out var page) ? page : Read(number)];

    private void CheckFirst(byte[] first, int newestSchema)
    {
        if (first[FileVersionAt] != FileVersion)
        {
            throw LiteDbErrors.Error(
                TuneDbErrorKind.Foreign,
                _path,
                $"is of version {first[FileVersionAt]} of LiteDB's format, but only version {FileVersion} can be read; "
                    + "name another file, this one was left as it is"
            );
        }

        var mark = (int)Page(first, UserVersionAt);
        if (mark >> 16 != Application)
        {
            throw LiteDbErrors.Error(
                TuneDbErrorKind.Foreign,
                _path,
                "is a LiteDB database of another application; name another file, this one was left as it is"
            );
        }

        SchemaVersion = mark & 0xFFFF;
        if (SchemaVersion > newestSchema)
        {
            throw LiteDbErrors.Error(
                TuneDbErrorKind.NewerSchema,
                _path,
                $"has schema version {SchemaVersion}, but this version of Picograd knows versions up to {newestSchema}; "
                    + "update Picograd or name another file"
            );
        }
    }

    private static void Attempt(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What was not done here is done by whoever writes next, who says so where it fails again.
        }
    }

    private static long RoundUp(long length) => (length + PageSize - 1) / PageSize * PageSize;

    // All of it, or so much that nobody else's text begins thus.
    private static bool BeginsUnfinished(ReadOnlySpan<byte> start) =>
        start.Length >= LeastUnfinished && Begins(start, Unfinished);

    private static bool Begins(ReadOnlySpan<byte> start, ReadOnlySpan<byte> mark)
    {
        var common = Math.Min(start.Length, mark.Length);
        return common > 0 && start[..common].SequenceEqual(mark[..common]);
    }
}
