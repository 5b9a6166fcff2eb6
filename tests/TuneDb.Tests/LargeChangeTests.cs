namespace Picograd.Tests;

/// <summary>A change of more pages than can be read again is refused before anything of it is written.</summary>
public sealed class LargeChangeTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>A file in memory that, once told so, is as long as one of gigabytes.</summary>
    private sealed class Long(byte[] bytes) : PageDevice
    {
        public bool IsLong { get; set; }

        public override long Length => IsLong ? (Journal.MostPages + 10L) * PageLayout.PageSize : bytes.Length;

        public override int Read(long offset, Span<byte> span)
        {
            var count = (int)Math.Clamp(bytes.Length - offset, 0, span.Length);
            bytes.AsSpan((int)Math.Min(offset, bytes.Length), count).CopyTo(span);
            return count;
        }

        public override void Write(long offset, ReadOnlySpan<byte> span) => Assert.Fail("something was written");

        public override void SetLength(long length) { }

        public override void Flush() { }

        public override void Dispose() { }
    }

    [Fact]
    public void It_is_refused_with_its_size()
    {
        var path = _folder.File("db.litedb");
        using (var store = LiteDbTuneStore.Open(path))
        {
            store.Put(SampleRecords.Record());
        }

        using var device = new Long(File.ReadAllBytes(path));
        var pages = PageFile.Open(device, path, LiteDbTuneStore.SchemaVersion);
        device.IsLong = true;
        var page = new byte[PageLayout.PageSize];
        var changed = Enumerable.Range(0, Journal.MostPages + 1).ToDictionary(n => (long)n, _ => page);
        var error = Assert.Throws<TuneDbException>(() => pages.Commit(changed, device.Length));
        Assert.Contains($"a change of {Journal.MostPages + 1} pages at once", error.Message);
        Assert.Contains("nothing was changed", error.Message);
    }
}
