using static Picograd.TuneDb.LiteDb.PageLayout;

namespace Picograd.TuneDb.LiteDb;

/// <summary>
/// The data file as LiteDB sees it: pages are read from the file, and written ones stay here until <see cref="PageFile.Commit"/>
/// takes them over.
/// </summary>
internal sealed class PageStream(PageFile pages) : Stream
{
    private readonly Dictionary<long, byte[]> _changed = [];
    private long _length = pages.Length;

    /// <summary>The pages that were written, by number.</summary>
    public IReadOnlyDictionary<long, byte[]> Changed => _changed;

    /// <summary>The first failure to read a page, which LiteDB may have wrapped.</summary>
    public TuneDbException? Failure { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => true;

    public override long Length => _length;

    public override long Position { get; set; }

    public override int Read(byte[] buffer, int offset, int count)
    {
        var total = 0;
        while (total < count && Position < _length)
        {
            var (number, within) = Math.DivRem(Position, PageSize);
            var length = (int)Math.Min(Math.Min(count - total, PageSize - within), _length - Position);
            Page(number).AsSpan((int)within, length).CopyTo(buffer.AsSpan(offset + total));
            Position += length;
            total += length;
        }

        return total;
    }

    public override void Write(byte[] buffer, int offset, int count)
    {
        for (var done = 0; done < count; )
        {
            var (number, within) = Math.DivRem(Position, PageSize);
            var length = (int)Math.Min(count - done, PageSize - within);
            if (!_changed.TryGetValue(number, out var page))
            {
                page = length == PageSize || number * PageSize >= pages.Length ? new byte[PageSize] : [.. Page(number)];
                _changed.Add(number, page);
            }

            buffer.AsSpan(offset + done, length).CopyTo(page.AsSpan((int)within));
            Position += length;
            done += length;
            _length = Math.Max(_length, Position);
        }
    }

    public override void SetLength(long value)
    {
        _length = value;
        foreach (var number in _changed.Keys.Where(n => n * PageSize >= value).ToList())
        {
            _changed.Remove(number);
        }
    }

    public override long Seek(long offset, SeekOrigin origin) =>
        Position = origin switch
        {
            SeekOrigin.Begin => offset,
            SeekOrigin.Current => Position + offset,
            _ => _length + offset,
        };

    public override void Flush() { }

    private byte[] Page(long number)
    {
        if (_changed.TryGetValue(number, out var page))
        {
            return page;
        }

        try
        {
            return pages.Read(number);
        }
        catch (TuneDbException e)
        {
            Failure ??= e;
            throw;
        }
    }
}
