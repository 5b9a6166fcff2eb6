namespace Picograd.Tests;

public class ExportTextTests
{
    [Fact]
    public void The_text_is_readable_and_stable()
    {
        using var store = new MemoryTuneStore();
        var record = SampleRecords.Record();
        store.Put(record);
        var text = Export(store);
        Assert.StartsWith("picograd-winners 1\n\nrecord " + record.Key.Hash + "\nstructure 9f3a17c2\n", text);
        Assert.Contains("\nspec matmul m=256 n=3072 k=768\nguard align(a,64)\nguard contiguous(b)\n", text);
        Assert.Contains("\nmilliseconds 1.25\ndefault-milliseconds 3.3333333333333335\nsamples 1.25 1.375 ", text);
        Assert.Contains("\nutc 2026-03-04T05:06:07.8900000Z\n", text);
        Assert.Contains(
            "\ntrace\n  | split i 6 guard\n  | reorder i.0 j.0 k i.1 j.1\n  | vectorize j.1\nchecksum ",
            text
        );
        Assert.Equal(text, Export(store));
    }

    [Fact]
    public void A_changed_record_is_refused_and_the_others_are_read()
    {
        using var store = new MemoryTuneStore();
        store.Put(SampleRecords.Record(SampleRecords.Key(m: 1)));
        store.Put(SampleRecords.Record(SampleRecords.Key(m: 2)));
        var text = Export(store).Replace("spec matmul m=1", "spec matmul m=3");
        using var other = new MemoryTuneStore();
        var result = other.Import(new StringReader(text));
        Assert.Equal(1, result.Added);
        Assert.Contains("checksum does not match", Assert.Single(result.Problems));
        Assert.Equal("matmul m=2 n=3072 k=768", Assert.Single(other.All()).Spec);
    }

    [Fact]
    public void A_removed_record_is_noticed()
    {
        using var store = new MemoryTuneStore();
        store.Put(SampleRecords.Record(SampleRecords.Key(m: 1)));
        store.Put(SampleRecords.Record(SampleRecords.Key(m: 2)));
        var text = Export(store);
        var second = text.IndexOf(
            "record ",
            text.IndexOf("checksum ", StringComparison.Ordinal),
            StringComparison.Ordinal
        );
        var end = text.IndexOf("end ", second, StringComparison.Ordinal);
        using var other = new MemoryTuneStore();
        var result = other.Import(new StringReader(text.Remove(second, end - second)));
        Assert.Contains("changed after export", Assert.Single(result.Problems));
    }

    [Fact]
    public void Text_cut_off_anywhere_imports_nothing()
    {
        using var store = new MemoryTuneStore();
        store.Put(SampleRecords.Record(SampleRecords.Key(m: 1)));
        store.Put(SampleRecords.Record(SampleRecords.Key(m: 2)));
        var text = Export(store);
        var lastLine = text.LastIndexOf("end ", StringComparison.Ordinal);
        for (var length = 0; length < lastLine; length += 7)
        {
            using var other = new MemoryTuneStore();
            var error = Assert.Throws<TuneDbException>(() => other.Import(new StringReader(text[..length])));
            Assert.True(error.Kind is TuneDbErrorKind.Truncated or TuneDbErrorKind.BadText, error.Message);
            Assert.Empty(other.All());
        }
    }

    [Theory]
    [InlineData("", TuneDbErrorKind.BadText, "is not in the export format")]
    [InlineData("hello\n", TuneDbErrorKind.BadText, "is not in the export format")]
    [InlineData("picograd-winners 2\n", TuneDbErrorKind.NewerSchema, "is of format 2")]
    [InlineData("picograd-winners 1\nnonsense\n", TuneDbErrorKind.BadText, "holds 'nonsense'")]
    public void Foreign_text_is_refused(string text, TuneDbErrorKind kind, string reason)
    {
        using var store = new MemoryTuneStore();
        var error = Assert.Throws<TuneDbException>(() => store.Import(new StringReader(text)));
        Assert.Equal(kind, error.Kind);
        Assert.Contains(reason, error.Message);
    }

    [Fact]
    public void Shipped_winners_are_found_on_their_target_only()
    {
        using var store = new MemoryTuneStore();
        var record = SampleRecords.Record();
        store.Put(record);
        using var shipped = ShippedWinners.Load(new StringReader(Export(store)), out var problems);
        Assert.Empty(problems);
        Assert.Equal(record with { Origin = TuneOrigin.Shipped }, shipped.FindExact(record.Key));
        Assert.Null(shipped.FindExact(record.Key with { Target = "other" }));
        Assert.Single(shipped.FindNear(SampleRecords.Key(m: 1), 4));
    }

    [Fact]
    public void Damaged_shipped_winners_are_told_and_left_out()
    {
        using var shipped = ShippedWinners.Load(new StringReader("garbage"), out var problems);
        Assert.Contains("is not in the export format", Assert.Single(problems));
        Assert.Null(shipped.FindExact(SampleRecords.Key()));
    }

    [Fact]
    public void The_winners_in_the_library_are_sound()
    {
        using var shipped = ShippedWinners.Load(out var problems);
        Assert.Empty(problems);
    }

    [Fact]
    public void Files_report_their_path()
    {
        using var folder = new TempFolder();
        using var store = new MemoryTuneStore();
        store.Put(SampleRecords.Record());
        Assert.Equal(1, store.ExportFile(folder.File("winners.txt")));
        Assert.Equal(Export(store), File.ReadAllText(folder.File("winners.txt")));
        Assert.Equal([folder.File("winners.txt")], Directory.GetFiles(folder.Path));
        Assert.Equal(1, store.ImportFile(folder.File("winners.txt")).Added);

        var missing = Assert.Throws<TuneDbException>(() => store.ImportFile(folder.File("none.txt")));
        Assert.Equal(TuneDbErrorKind.Io, missing.Kind);
        Assert.Contains("none.txt", missing.Message);
        File.WriteAllText(folder.File("bad.txt"), "bad");
        Assert.Contains(
            "bad.txt",
            Assert.Throws<TuneDbException>(() => store.ImportFile(folder.File("bad.txt"))).Message
        );
        var nowhere = Path.Combine(folder.Path, "none", "a.txt");
        Assert.Equal(TuneDbErrorKind.Io, Assert.Throws<TuneDbException>(() => store.ExportFile(nowhere)).Kind);
    }

    private static string Export(MemoryTuneStore store)
    {
        var writer = new StringWriter();
        store.Export(writer);
        return writer.ToString();
    }
}
