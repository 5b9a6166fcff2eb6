using System.Text;
using LiteDB;

namespace Picograd.Tests;

/// <summary>LiteDB files that are not what they should be: one clear sentence, nothing lost in silence, and models run on.</summary>
public sealed class LiteDbFileTests : IDisposable
{
    private const string Nowhere = "/nowhere/tune.litedb";

    private readonly TempFolder _folder = new();

    private string Db => _folder.File("tune.litedb");

    public void Dispose() => _folder.Dispose();

    /// <summary>A file in memory.</summary>
    private sealed class Bytes(byte[] bytes) : PageDevice
    {
        public override long Length => bytes.Length;

        public override int Read(long offset, Span<byte> span)
        {
            var count = (int)Math.Clamp(bytes.Length - offset, 0, span.Length);
            bytes.AsSpan((int)offset, count).CopyTo(span);
            return count;
        }

        public override void Write(long offset, ReadOnlySpan<byte> span) => throw new NotSupportedException();

        public override void SetLength(long length) => throw new NotSupportedException();

        public override void Flush() { }

        public override void Dispose() { }
    }

    /// <summary>Every document of a file and, to find damage in pages that are free too, every page.</summary>
    private static string Everything(byte[] bytes)
    {
        using var device = new Bytes(bytes);
        var pages = PageFile.Open(device, Nowhere, LiteDbTuneStore.SchemaVersion);
        var reader = new PageReader(pages, Nowhere);
        for (var number = 0; number < pages.Count; number++)
        {
            pages.Read(number);
        }

        return string.Join(
            '\n',
            Collections.All.SelectMany(c =>
                reader.Range(c, "").Select(f => $"{c} {f.Text(Fields.Id)} {f.TextOrNull("body")}")
            )
        );
    }

    /// <summary>The file while a process has it open, with a change behind its pages, and after that process closed it.</summary>
    private (byte[] Open, byte[] Closed) Filled(int records = 4)
    {
        byte[] open;
        using (var store = LiteDbTuneStore.Open(Db))
        {
            for (var m = 1; m <= records; m++)
            {
                store.Put(SampleRecords.Record(SampleRecords.Key(m: m)));
                store.AppendCandidate(SampleRecords.Candidate(index: m));
            }

            open = File.ReadAllBytes(Db);
        }

        return (open, File.ReadAllBytes(Db));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_file_cut_at_any_byte_is_told_or_whole(bool whileOpen)
    {
        var (open, closed) = Filled();
        var whole = whileOpen ? open : closed;
        var everything = Everything(whole);
        var kept = 0;
        for (var length = 1; length < whole.Length; length += length is < 200 or > 8000 and < 8400 ? 1 : 31)
        {
            try
            {
                Assert.Equal(everything, Everything(whole[..length]));
                kept++;
            }
            catch (TuneDbException e)
            {
                Assert.True(e.Kind is TuneDbErrorKind.Truncated, e.Message);
                Assert.Contains($"is truncated: it is {length} bytes long", e.Message);
            }
        }

        Assert.Equal(0, kept);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_flipped_bit_anywhere_is_told_or_harmless(bool whileOpen)
    {
        var (open, closed) = Filled();
        var bytes = whileOpen ? open : closed;
        var everything = Everything(bytes);
        var random = new Random(7);
        var (told, harmless) = (0, 0);
        for (var at = 0; at < bytes.Length; at += at < 300 ? 1 : random.Next(1, 40))
        {
            var mask = (byte)(1 << random.Next(8));
            bytes[at] ^= mask;
            try
            {
                Assert.Equal(everything, Everything(bytes));
                harmless++;
                Assert.True(whileOpen, $"the flipped bit at {at} was not seen");
            }
            catch (TuneDbException e)
            {
                Assert.True(e.Kind is TuneDbErrorKind.Corrupt or TuneDbErrorKind.Truncated, e.Message);
                told++;
            }

            bytes[at] ^= mask;
        }

        // Behind the pages lie changes that are in their places already: those that are not the last are never read.
        Assert.True(told > 500, $"{told} told, {harmless} harmless");
    }

    [Fact]
    public void Bytes_overwritten_at_random_never_give_a_wrong_record_or_another_exception()
    {
        var (_, closed) = Filled(records: 30);
        var random = new Random(99);
        var damaged = 0;
        for (var round = 0; round < 60; round++)
        {
            var bytes = (byte[])closed.Clone();
            for (var i = random.Next(1, 60); i > 0; i--)
            {
                bytes[random.Next(64, bytes.Length)] = (byte)random.Next(256);
            }

            var copy = _folder.File($"{round}.litedb");
            File.WriteAllBytes(copy, bytes);
            using var serving = TuneServing.OpenForServing(copy);
            for (var m = 1; m <= 30; m++)
            {
                var key = SampleRecords.Key(m: m);
                if (serving.FindExact(key) is { } record)
                {
                    Assert.Equal(SampleRecords.Record(key), record);
                }
                else
                {
                    damaged++;
                    Assert.Contains("is damaged inside", serving.Warning);
                    Assert.Contains(copy, serving.Warning);
                }
            }

            try
            {
                using var store = LiteDbTuneStore.Open(copy);
                store.Put(SampleRecords.Record(SampleRecords.Key(m: 1000)));
            }
            catch (TuneDbException e)
            {
                Assert.Equal(TuneDbErrorKind.Corrupt, e.Kind);
            }
        }

        Assert.True(damaged > 0, "the damage hit nothing, so nothing was tested");
    }

    [Fact]
    public void What_is_left_of_a_damaged_file_can_be_copied_and_what_is_lost_is_counted()
    {
        var (_, closed) = Filled(records: 40);
        using var original = LiteDbTuneStore.Open(Db, TuneDbMode.ReadOnly);
        var (some, refused) = (0, 0);
        for (var page = 0; page < closed.Length / 8192; page++)
        {
            var bytes = (byte[])closed.Clone();
            bytes[(page * 8192) + 5000] ^= 1;
            var damaged = _folder.File($"damaged-{page}.litedb");
            File.WriteAllBytes(damaged, bytes);
            using (var store = TryOpen(damaged))
            {
                Assert.Contains($"{page}", string.Join(' ', store?.Verify().Problems ?? [$"{page}"]));
            }

            var copied = _folder.File($"copy-{page}.litedb");
            var result = TuneDatabaseCopy.Copy(damaged, copied);
            using var copy = LiteDbTuneStore.Open(copied);
            // What is not copied, such as the list of targets, may be damaged without loss.
            Assert.True(
                result.Damaged > 0 || StoreSteps.Text(copy) == StoreSteps.Text(original),
                $"page {page} is damaged, but nothing was said to be"
            );
            Assert.Empty(copy.Verify().Problems);
            Assert.Subset(original.All().ToHashSet(), copy.All().ToHashSet());
            Assert.InRange(copy.All().Count, 20, 40);
            some += copy.All().Count < 40 ? 1 : 0;
            refused += bytes.SequenceEqual(File.ReadAllBytes(damaged)) ? 0 : 1;
        }

        Assert.True(some > 0, "no record was hit");
        Assert.Equal(0, refused);
    }

    [Fact]
    public void Foreign_newer_and_unfinished_files_are_named_as_such_and_left_alone()
    {
        File.WriteAllText(
            _folder.File("notes.litedb"),
            "These are notes, not a database, and they are longer than a header of LiteDB."
        );
        Refused("notes.litedb", TuneDbErrorKind.Foreign, "is not a LiteDB database");
        foreach (var start in (string[])["A", "A Picograd", "A Picograd tune of mine"])
        {
            File.WriteAllText(_folder.File("start.litedb"), start);
            Refused("start.litedb", TuneDbErrorKind.Foreign, "is not a LiteDB database");
        }

        using (var other = new LiteDatabase(_folder.File("other.litedb")))
        {
            other.GetCollection("notes").Insert(new BsonDocument { ["text"] = "mine" });
        }

        Refused("other.litedb", TuneDbErrorKind.Foreign, "is a LiteDB database of another application");

        var (_, closed) = Filled();
        PageLayoutOf(closed, version: 2);
        File.WriteAllBytes(_folder.File("newer.litedb"), closed);
        Refused(
            "newer.litedb",
            TuneDbErrorKind.NewerSchema,
            "has schema version 2, but this version of Picograd knows versions up to 1"
        );

        File.WriteAllBytes(
            _folder.File("new.litedb"),
            Encoding.ASCII.GetBytes("A Picograd tune database in LiteDB's format, being made.\n")
        );
        Assert.Contains(
            "is empty",
            Assert
                .Throws<TuneDbException>(() => LiteDbTuneStore.Open(_folder.File("new.litedb"), TuneDbMode.ReadOnly))
                .Message
        );
        using var made = LiteDbTuneStore.Open(_folder.File("new.litedb"));
        Assert.Equal(PutOutcome.Added, made.Put(SampleRecords.Record()));
    }

    [Fact]
    public void A_file_held_by_another_for_too_long_is_named_as_such()
    {
        Filled();
        using var store = LiteDbTuneStore.Open(Db, busyTimeout: TimeSpan.FromMilliseconds(100));
        using (new FileStream(Db, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
        {
            var error = Assert.Throws<TuneDbException>(() => store.Put(SampleRecords.Record()));
            Assert.Equal(TuneDbErrorKind.Busy, error.Kind);
            OneSentence(error.Message);
            Assert.Equal(TuneDbErrorKind.Busy, Assert.Throws<TuneDbException>(() => store.All()).Kind);
        }

        Assert.Equal(4, store.All().Count);
        Assert.Equal(PutOutcome.Added, store.Put(SampleRecords.Record()));
    }

    [SkippableFact]
    public void Without_locks_nothing_is_written()
    {
        Skip.IfNot(File.Exists("/usr/bin/env"), "no env to start a process without .NET's locks with");
        using (
            var process = HelperProcess.StartCommand([
                "/usr/bin/env",
                "DOTNET_SYSTEM_IO_DISABLEFILELOCKING=1",
                HelperProcess.Dotnet,
                "exec",
                HelperProcess.Assembly,
                "try",
                Db,
                "rw",
            ])
        )
        {
            var answer = HelperProcess.Finish(process);
            Assert.StartsWith("Io ", answer);
            Assert.Contains("cannot be written safely", answer);
        }

        Assert.Equal(0, new FileInfo(Db).Length);
        using var store = LiteDbTuneStore.Open(Db);
        Assert.Equal(PutOutcome.Added, store.Put(SampleRecords.Record()));
    }

    [Fact]
    public void Readers_keep_nobody_from_writing()
    {
        Filled();
        using var store = LiteDbTuneStore.Open(Db, busyTimeout: TimeSpan.FromSeconds(1));
        using var reader = LockedFile.Open(Db, write: false, TimeSpan.Zero)!;
        Assert.Equal(!OperatingSystem.IsWindows(), reader.Unlock());
        var pages = PageFile.Open(reader, Db, LiteDbTuneStore.SchemaVersion);
        Assert.True(pages.IsStill(reader));
        Assert.Equal(PutOutcome.Added, store.Put(SampleRecords.Record(SampleRecords.Key(m: 50))));
        Assert.False(pages.IsStill(reader));
    }

    [Fact]
    public void LiteDB_itself_reads_the_file_and_may_write_to_it()
    {
        Filled();
        using (var database = new LiteDatabase(Db))
        {
            Assert.Equal(Collections.All.Order(), database.GetCollectionNames().Order());
            var records = database.GetCollection(Collections.Records);
            Assert.Equal(4, records.Count());
            Assert.StartsWith("structure ", records.FindAll().First()["body"].AsString);
            Assert.True(records.Delete(records.FindAll().First()["_id"]));
            // Many, so that pages are added, taken and freed.
            var history = database.GetCollection(Collections.History);
            history.DeleteAll();
            database.GetCollection(Collections.Candidates).DeleteAll();
        }

        using var store = LiteDbTuneStore.Open(Db);
        Assert.Equal(3, store.All().Count);
        Assert.Empty(store.History());
        Assert.Empty(store.Candidates());
        Assert.Equal(PutOutcome.Added, store.Put(SampleRecords.Record(SampleRecords.Key(m: 60))));
        Assert.Empty(store.Verify().Problems);
    }

    [Fact]
    public void An_index_that_is_not_ours_is_not_run()
    {
        Filled();
        using (var database = new LiteDatabase(Db))
        {
            database.GetCollection(Collections.Records).EnsureIndex("more", "UPPER($.body)");
        }

        var error = Assert.Throws<TuneDbException>(() => LiteDbTuneStore.Open(Db));
        Assert.Equal(TuneDbErrorKind.Corrupt, error.Kind);
        Assert.Contains("an index that Picograd does not make", error.Message);
        using var store = LiteDbTuneStore.Open(Db, TuneDbMode.ReadOnly);
        Assert.Equal(4, store.All().Count);
        Assert.Contains("an index that Picograd does not make", Assert.Single(store.Verify().Problems));
    }

    [Fact]
    public void Documents_with_more_values_are_read_and_changed_ones_are_skipped_and_pruned()
    {
        Filled();
        using (var database = new LiteDatabase(Db))
        {
            var records = database.GetCollection(Collections.Records);
            var all = records.FindAll().OrderBy(d => d["shapes"].AsString).ToList();
            all[0]["of_a_later_version"] = new BsonArray { 1, "two" };
            all[0]["number"] = 5L;
            all[1]["body"] = all[1]["body"].AsString.Replace("milliseconds 1.25", "milliseconds 0.01");
            all[2]["certified"] = "yes";
            records.Update(all);
        }

        using var store = LiteDbTuneStore.Open(Db);
        // An array is none of the kinds that are written today, but nobody has to look into it.
        Assert.NotNull(store.FindExact(SampleRecords.Key(m: 1)));
        Assert.Null(store.FindExact(SampleRecords.Key(m: 2)));
        Assert.Null(store.FindExact(SampleRecords.Key(m: 3)));
        Assert.Equal(2, store.DamagedSkipped);
        Assert.Equal(2, store.All().Count);
        Assert.Equal(2, store.Verify().Problems.Count);
        Assert.Equal(2, store.Prune(new TunePruneOptions { Damaged = true }).Records);
        Assert.Empty(store.Verify().Problems);
    }

    [Fact]
    public void Pruning_gives_the_space_back()
    {
        using var store = LiteDbTuneStore.Open(Db);
        store.AppendCandidates([.. Enumerable.Range(0, 4000).Select(i => SampleRecords.Candidate(index: i))]);
        store.Put(SampleRecords.Record());
        var before = new FileInfo(Db).Length;
        Assert.Equal(4000, store.Prune(new TunePruneOptions { Candidates = true }).Candidates);
        var after = new FileInfo(Db).Length;
        Assert.True(after < before / 4, $"{before} bytes became {after}");
        Assert.NotNull(store.FindExact(SampleRecords.Key()));
        Assert.Empty(store.Verify().Problems);
        Assert.Equal(PutOutcome.Added, store.Put(SampleRecords.Record(SampleRecords.Key(m: 2))));
        Assert.Equal(2, store.History().Count);
    }

    [SkippableFact]
    public void The_default_path_loads_no_native_database()
    {
        Skip.IfNot(File.Exists("/proc/self/maps"), "this system does not show what a process has loaded");
        using (var process = HelperProcess.Start("native", Db))
        {
            Assert.Equal(["found", "0"], HelperProcess.Finish(process).Split('\n'));
        }

        // The same question sees SQLite where it is used.
        using var other = HelperProcess.Start("native", _folder.File("tune.sqlite"));
        var lines = HelperProcess.Finish(other).Split('\n');
        Assert.Equal("found", lines[0]);
        Assert.NotEqual("0", lines[1]);
    }

    private static LiteDbTuneStore? TryOpen(string path)
    {
        try
        {
            return LiteDbTuneStore.Open(path, TuneDbMode.ReadOnly);
        }
        catch (TuneDbException e)
        {
            Assert.Equal(TuneDbErrorKind.Corrupt, e.Kind);
            Assert.Contains("'tune db copy'", e.Message);
            return null;
        }
    }

    private void Refused(string name, TuneDbErrorKind kind, string reason)
    {
        var path = _folder.File(name);
        var before = File.ReadAllBytes(path);
        foreach (var mode in Enum.GetValues<TuneDbMode>())
        {
            var error = Assert.Throws<TuneDbException>(() => LiteDbTuneStore.Open(path, mode));
            Assert.Equal(kind, error.Kind);
            Assert.Equal(path, error.Path);
            Assert.Contains($"'{path}'", error.Message);
            Assert.Contains(reason, error.Message);
            OneSentence(error.Message);
        }

        Assert.Equal(before, File.ReadAllBytes(path));
    }

    private static void OneSentence(string message)
    {
        Assert.EndsWith(".", message);
        Assert.DoesNotContain("\n", message);
        Assert.DoesNotContain(". ", message);
    }

    // The lower half of LiteDB's user version, in a first page that says that it has no checksum.
    private static void PageLayoutOf(byte[] file, byte version)
    {
        file[PageLayout.UserVersionAt] = version;
        file.AsSpan(PageLayout.TransactionAt, 4).Fill(255);
    }
}
