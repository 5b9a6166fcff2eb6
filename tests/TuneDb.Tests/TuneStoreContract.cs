namespace Picograd.Tests;

/// <summary>What every provider of <see cref="ITuneStore"/> promises. A provider's tests derive from this class.</summary>
public abstract class TuneStoreContract
{
    /// <summary>A new empty store.</summary>
    protected abstract ITuneStore Create();

    [SkippableFact]
    public void A_record_is_found_as_it_was_put()
    {
        using var store = Create();
        var record = SampleRecords.Record() with
        {
            Trace = "split \"i\" 6\n\n  indented\t\\ é😀\r\nlast\n",
            Guards = ["a\nb", "c\\n"],
            DefaultMilliseconds = null,
            Samples = [],
            Milliseconds = 0.1 + 0.2,
        };
        Assert.Equal(PutOutcome.Added, store.Put(record));
        var found = store.FindExact(record.Key);
        Assert.Equal(record, found);
        Assert.Equal(record.ToText(), found!.ToText());
        Assert.Equal(record.Trace, found.Trace);
        Assert.Equal(record.Guards, found.Guards);
        Assert.Equal(record.Milliseconds, found.Milliseconds);
        Assert.Null(found.Speedup);
    }

    [SkippableFact]
    public void Nothing_is_found_where_any_part_of_the_key_differs()
    {
        using var store = Create();
        var record = SampleRecords.Record();
        store.Put(record);
        Assert.Null(store.FindExact(record.Key with { Structure = "0" }));
        Assert.Null(store.FindExact(record.Key with { Shapes = "m=256,n=3072,k=769" }));
        Assert.Null(store.FindExact(record.Key with { DTypes = "f64" }));
        Assert.Null(store.FindExact(record.Key with { Layouts = "col" }));
        Assert.Null(store.FindExact(record.Key with { Target = "other" }));
        Assert.Null(store.FindExact(record.Key with { CompilerVersion = "cpu-2" }));
        Assert.Null(store.FindExact(record.Key with { Policy = "cold" }));
    }

    [SkippableFact]
    public void An_uncertified_record_is_listed_and_never_served()
    {
        using var store = Create();
        var record = SampleRecords.Record(certified: false);
        store.Put(record);
        Assert.Null(store.FindExact(record.Key));
        Assert.Empty(store.FindNear(SampleRecords.Key(m: 128), 10));
        Assert.Equal([record], store.All());
        Assert.Equal([record], store.All(new TuneFilter { Certified = false }));
        Assert.Empty(store.All(new TuneFilter { Certified = true }));
        Assert.Equal(record, store.FindWaiting(record.Key));
        Assert.Null(store.FindWaiting(record.Key with { Policy = "cold" }));
        var certified = SampleRecords.Record() with { Trace = "another" };
        store.Put(certified);
        Assert.Equal(record, store.FindWaiting(record.Key));
        Assert.Equal(certified, store.FindExact(record.Key));
        store.Remove(record.Key, certified: false);
        Assert.Null(store.FindWaiting(record.Key));
    }

    [SkippableFact]
    public void The_targets_are_those_of_certified_records_in_order()
    {
        using var store = Create();
        Assert.Empty(store.Targets());
        foreach (var (m, target) in new[] { (1, "cpu;b"), (2, "cpu;a"), (3, "cpu;b") })
        {
            store.Put(SampleRecords.Record() with { Key = SampleRecords.Key(m: m, target: target) });
        }

        store.Put(SampleRecords.Record(certified: false) with { Key = SampleRecords.Key(target: "cpu;c") });
        Assert.Equal(["cpu;a", "cpu;b"], store.Targets());
    }

    [SkippableFact]
    public void An_uncertified_record_does_not_hide_a_certified_one()
    {
        using var store = Create();
        var certified = SampleRecords.Record(milliseconds: 5);
        var waiting = SampleRecords.Record(milliseconds: 1, certified: false, trace: "other");
        store.Put(certified);
        Assert.Equal(PutOutcome.Added, store.Put(waiting, force: true));
        Assert.Equal(certified, store.FindExact(certified.Key));
        Assert.Equal([certified, waiting], store.All());
    }

    [SkippableFact]
    public void Certifying_a_waiting_record_takes_it_off_the_waiting_ones()
    {
        using var store = Create();
        var waiting = SampleRecords.Record(certified: false);
        store.Put(waiting);
        store.Put(waiting with { Certified = true });
        Assert.Equal([waiting with { Certified = true }], store.All());
    }

    [SkippableFact]
    public void The_faster_record_stays_unless_forced()
    {
        using var store = Create();
        var slow = SampleRecords.Record(milliseconds: 2, trace: "slow");
        var fast = SampleRecords.Record(milliseconds: 1, trace: "fast");
        Assert.Equal(PutOutcome.Added, store.Put(slow));
        Assert.Equal(PutOutcome.Replaced, store.Put(fast));
        Assert.Equal(PutOutcome.Kept, store.Put(slow));
        Assert.Equal(fast, store.FindExact(fast.Key));
        Assert.Equal(PutOutcome.Replaced, store.Put(slow, force: true));
        Assert.Equal(slow, store.FindExact(fast.Key));
        Assert.Single(store.All());
    }

    [SkippableFact]
    public void History_tells_every_offer_with_samples_and_provenance()
    {
        using var store = Create();
        var first = SampleRecords.Record(milliseconds: 2);
        var second = SampleRecords.Record(milliseconds: 3, trace: "slower");
        store.Put(first);
        store.Put(second);
        store.Put(SampleRecords.Record(SampleRecords.Key(m: 1)));
        var history = store.History(first.Key);
        Assert.Equal([PutOutcome.Added, PutOutcome.Kept], history.Select(entry => entry.Outcome));
        Assert.Equal([first, second], history.Select(entry => entry.Record));
        Assert.All(
            history,
            entry => Assert.InRange(entry.RecordedUtc, DateTime.UtcNow.AddMinutes(-5), DateTime.UtcNow)
        );
        Assert.Equal(3, store.History().Count);
    }

    [SkippableFact]
    public void Near_records_come_nearest_first()
    {
        using var store = Create();
        int[] sizes = [16, 4096, 512, 128, 256];
        foreach (var m in sizes)
        {
            store.Put(SampleRecords.Record(SampleRecords.Key(m: m)));
        }

        store.Put(SampleRecords.Record(SampleRecords.Key(m: 250), certified: false));
        store.Put(SampleRecords.Record(SampleRecords.Key(m: 255, target: "other")));
        // The same shape tuned for another target as well is one neighbour, not two.
        store.Put(SampleRecords.Record(SampleRecords.Key(m: 128, target: "other")));
        store.Put(SampleRecords.Record(SampleRecords.Key() with { Shapes = "rows=256,n=3072,k=768" }));
        var key = SampleRecords.Key(m: 256);
        Assert.Equal(
            ["m=128,n=3072,k=768", "m=512,n=3072,k=768", "m=16,n=3072,k=768", "m=4096,n=3072,k=768"],
            store.FindNear(key, 10).Select(record => record.Key.Shapes)
        );
        Assert.Equal(2, store.FindNear(key, 2).Count);
        Assert.Throws<ArgumentOutOfRangeException>(() => store.FindNear(key, 0));
    }

    [SkippableFact]
    public void Candidates_come_back_in_order_with_their_outcomes()
    {
        using var store = Create();
        var some = Enumerable.Range(0, 10).Select(i => SampleRecords.Candidate(index: i)).ToList();
        var other = SampleRecords.Candidate(SampleRecords.Key(m: 1));
        store.AppendCandidates(some);
        store.AppendCandidate(other);
        store.AppendCandidates([]);
        Assert.Equal(some, store.Candidates(SampleRecords.Key()));
        Assert.Equal([.. some, other], store.Candidates());
        Assert.Empty(store.Candidates(SampleRecords.Key(m: 2)));
    }

    [SkippableFact]
    public void A_batch_with_an_invalid_candidate_is_refused_as_a_whole()
    {
        using var store = Create();
        var bad = SampleRecords.Candidate() with { Outcome = " " };
        var error = Assert.Throws<ArgumentException>(() => store.AppendCandidates([SampleRecords.Candidate(), bad]));
        Assert.Contains("Outcome is empty", error.Message);
        Assert.Empty(store.Candidates());
    }

    public static TheoryData<string, Func<TuneRecord, TuneRecord>> Unstorable() =>
        new()
        {
            { "Trace is empty", r => r with { Trace = "" } },
            { "Spec is empty", r => r with { Spec = "" } },
            { "Guards is empty", r => r with { Guards = [""] } },
            { "Milliseconds is NaN", r => r with { Milliseconds = double.NaN } },
            { "Milliseconds is 0", r => r with { Milliseconds = 0 } },
            { "DefaultMilliseconds is -1", r => r with { DefaultMilliseconds = -1 } },
            { "Samples holds Infinity", r => r with { Samples = [1, double.PositiveInfinity] } },
            { "ErrorRatio is -1", r => r with { Certification = new Certification(-1, true, true) } },
            { "ErrorRatio is 2", r => r with { Certification = new Certification(2, true, true) } },
            { "Certification.Ok is false", r => r with { Certification = new Certification(2, false, true) } },
            { "Key.Shapes is 'm=x'", r => r with { Key = r.Key with { Shapes = "m=x" } } },
            { "Key.Target is empty", r => r with { Key = r.Key with { Target = "" } } },
            { "half a surrogate pair", r => r with { Trace = "a\ud800b" } },
            { "Utc is of kind Local", r => r with { Provenance = r.Provenance with { Utc = DateTime.Now } } },
            { "CandidatesTried is -1", r => r with { Provenance = r.Provenance with { CandidatesTried = -1 } } },
        };

    [SkippableTheory]
    [MemberData(nameof(Unstorable))]
    public void What_cannot_be_read_back_is_refused(string reason, Func<TuneRecord, TuneRecord> spoil)
    {
        using var store = Create();
        var error = Assert.Throws<ArgumentException>(() => store.Put(spoil(SampleRecords.Record())));
        Assert.Contains(reason, error.Message);
        Assert.Empty(store.All());
        Assert.Empty(store.History());
    }

    [SkippableFact]
    public void Filters_select()
    {
        using var store = Create();
        var matmul = SampleRecords.Record();
        var softmax = SampleRecords.Record(SampleRecords.Key(target: "b")) with
        {
            Spec = "softmax rows=1 cols=2",
            Origin = TuneOrigin.Imported,
        };
        store.Put(matmul);
        store.Put(softmax);
        Assert.Equal([matmul], store.All(new TuneFilter { Operator = "matmul" }));
        Assert.Empty(store.All(new TuneFilter { Operator = "mat" }));
        Assert.Equal([softmax], store.All(new TuneFilter { Spec = softmax.Spec }));
        Assert.Equal([softmax], store.All(new TuneFilter { Target = "b" }));
        Assert.Equal([softmax], store.All(new TuneFilter { Origin = TuneOrigin.Imported }));
        Assert.Empty(store.All(new TuneFilter { CompilerVersion = "cpu-2" }));
    }

    [SkippableFact]
    public void Removal_leaves_the_history()
    {
        using var store = Create();
        store.Put(SampleRecords.Record());
        store.Put(SampleRecords.Record(certified: false, trace: "other"));
        Assert.False(store.Remove(SampleRecords.Key(m: 1)));
        Assert.True(store.Remove(SampleRecords.Key(), certified: false));
        Assert.False(store.Remove(SampleRecords.Key(), certified: false));
        Assert.NotNull(store.FindExact(SampleRecords.Key()));
        Assert.True(store.Remove(SampleRecords.Key()));
        Assert.Empty(store.All());
        Assert.Equal(2, store.History().Count);
    }

    [SkippableFact]
    public void Verify_counts_sound_records()
    {
        using var store = Create();
        store.Put(SampleRecords.Record());
        store.Put(SampleRecords.Record(SampleRecords.Key(m: 1), certified: false));
        store.AppendCandidate(SampleRecords.Candidate());
        var report = store.Verify();
        Assert.Empty(report.Problems);
        Assert.True(report.Ok);
        Assert.Equal((2, 1), (report.Records, report.Certified));
    }

    [SkippableFact]
    public void Prune_removes_what_is_old_or_of_another_compiler()
    {
        using var store = Create();
        var old = SampleRecords.Record(SampleRecords.Key(m: 1));
        var young = SampleRecords.Record(SampleRecords.Key(m: 2)) with
        {
            Provenance = old.Provenance with { Utc = SampleRecords.Moment.AddDays(2) },
        };
        var other = young with { Key = young.Key with { CompilerVersion = "cpu-0" } };
        store.Put(old);
        store.Put(young);
        store.Put(other);
        store.Put(young with { Certified = false, Trace = "waits" });
        store.AppendCandidate(SampleRecords.Candidate(old.Key));
        store.AppendCandidate(SampleRecords.Candidate(other.Key) with { Utc = SampleRecords.Moment.AddDays(2) });
        store.AppendCandidate(SampleRecords.Candidate(young.Key) with { Utc = SampleRecords.Moment.AddDays(2) });

        Assert.Equal(new TunePruneResult(0, 0, 0), store.Prune(new TunePruneOptions()));
        Assert.Equal(
            new TunePruneResult(1, 0, 1),
            store.Prune(new TunePruneOptions { OlderThan = SampleRecords.Moment.AddDays(1) })
        );
        Assert.Null(store.FindExact(old.Key));
        Assert.Equal(
            new TunePruneResult(1, 1, 1),
            store.Prune(new TunePruneOptions { KeepCompilerVersions = [young.Key.CompilerVersion] })
        );
        Assert.Null(store.FindExact(other.Key));
        Assert.Equal(new TunePruneResult(1, 0, 0), store.Prune(new TunePruneOptions { Uncertified = true }));
        Assert.Equal(
            new TunePruneResult(0, 3, 1),
            store.Prune(new TunePruneOptions { Candidates = true, History = true })
        );
        Assert.Equal([young], store.All());
        Assert.True(store.Verify().Ok);
    }

    [SkippableFact]
    public void Export_then_import_keeps_every_byte_and_serves_nothing()
    {
        using var first = Create();
        using var second = Create();
        int[] sizes = [3, 1, 2];
        foreach (var m in sizes)
        {
            first.Put(SampleRecords.Record(SampleRecords.Key(m: m), milliseconds: 1.0 / m, trace: "a\n\n é\r\nb\n"));
        }

        first.Put(SampleRecords.Record(SampleRecords.Key(m: 4), certified: false));
        var text = Export(first, includeUncertified: false);
        var result = second.Import(new StringReader(text));
        Assert.Equal((3, 0, 0), (result.Added, result.Replaced, result.Kept));
        Assert.Empty(result.Problems);
        Assert.All(
            second.All(),
            record => Assert.Equal((TuneOrigin.Imported, false), (record.Origin, record.Certified))
        );
        Assert.Null(second.FindExact(SampleRecords.Key(m: 1)));
        Assert.Equal(text, Export(second, includeUncertified: true));
        Assert.DoesNotContain("record", Export(second, includeUncertified: false));
        Assert.Equal((0, 0, 3), Counts(second.Import(new StringReader(text))));
        // Line ends that a version control system may have changed do not matter.
        Assert.Equal((0, 0, 3), Counts(second.Import(new StringReader(text.Replace("\n", "\r\n")))));
    }

    [SkippableFact]
    public void Import_never_touches_a_certified_record()
    {
        using var first = Create();
        using var second = Create();
        first.Put(SampleRecords.Record(milliseconds: 0.001, trace: "too good to be true"));
        var mine = SampleRecords.Record();
        second.Put(mine);
        second.Import(new StringReader(Export(first, includeUncertified: false)));
        Assert.Equal(mine, second.FindExact(mine.Key));
        Assert.Equal(2, second.All().Count);
    }

    [SkippableFact]
    public void What_is_merged_waits_for_certification()
    {
        using var mine = Create();
        using var theirs = Create();
        var slow = SampleRecords.Record(SampleRecords.Key(m: 1), milliseconds: 9, trace: "slow");
        var fast = SampleRecords.Record(SampleRecords.Key(m: 1), milliseconds: 1, trace: "fast");
        var keptFast = SampleRecords.Record(SampleRecords.Key(m: 2), milliseconds: 1, trace: "fast");
        var dropped = SampleRecords.Record(SampleRecords.Key(m: 2), milliseconds: 9, trace: "slow");
        var elsewhere = SampleRecords.Record(SampleRecords.Key(m: 1, target: "other"));
        var waiting = SampleRecords.Record(SampleRecords.Key(m: 3), certified: false);
        mine.Put(slow);
        mine.Put(keptFast);
        theirs.Put(fast);
        theirs.Put(dropped);
        theirs.Put(elsewhere);
        theirs.Put(waiting);
        var shared = SampleRecords.Candidate(index: 1);
        mine.AppendCandidate(shared);
        theirs.AppendCandidates([shared, SampleRecords.Candidate(index: 2)]);

        Assert.Equal(new TuneMergeResult(4, 0, 0, 0, 1), mine.Merge(theirs));
        // Whatever the other store says of its records, the own ones are served on.
        Assert.Equal(slow, mine.FindExact(slow.Key));
        Assert.Equal(keptFast, mine.FindExact(keptFast.Key));
        Assert.Null(mine.FindExact(elsewhere.Key));
        Assert.Null(mine.FindExact(waiting.Key));
        Assert.Equal(2, mine.All(new TuneFilter { Certified = true }).Count);
        var waitingNow = mine.All(new TuneFilter { Certified = false });
        Assert.Equal(4, waitingNow.Count);
        Assert.All(waitingNow, r => Assert.Equal(TuneOrigin.Imported, r.Origin));
        Assert.Contains(fast with { Certified = false, Origin = TuneOrigin.Imported }, waitingNow);
        Assert.Equal(2, mine.Candidates().Count);
        Assert.Equal(6, mine.History().Count);

        // Once more changes nothing.
        Assert.Equal(new TuneMergeResult(0, 0, 4, 0, 0), mine.Merge(theirs));
        Assert.Equal(6, mine.History().Count);
        Assert.Equal(4, theirs.All().Count);
        Assert.Throws<ArgumentException>(() => mine.Merge(mine));
    }

    [SkippableFact]
    public void Diff_tells_what_differs()
    {
        using var left = Create();
        using var right = Create();
        var same = SampleRecords.Record(SampleRecords.Key(m: 1));
        var onlyLeft = SampleRecords.Record(SampleRecords.Key(m: 2));
        var onlyRight = SampleRecords.Record(SampleRecords.Key(m: 3));
        var before = SampleRecords.Record(SampleRecords.Key(m: 4), trace: "before");
        var after = SampleRecords.Record(SampleRecords.Key(m: 4), trace: "after");
        left.Put(same);
        left.Put(onlyLeft);
        left.Put(before);
        right.Put(same with { Milliseconds = 7 });
        right.Put(onlyRight);
        right.Put(after);
        var diff = TuneDiff.Between(left, right);
        Assert.Equal([onlyLeft], diff.OnlyLeft);
        Assert.Equal([onlyRight], diff.OnlyRight);
        Assert.Equal([(before, after)], diff.Changed);
    }

    [SkippableFact]
    public void Threads_may_share_a_store()
    {
        using var store = Create();
        Parallel.For(
            0,
            8,
            new ParallelOptions { MaxDegreeOfParallelism = 4 },
            worker =>
            {
                for (var i = 1; i <= 10; i++)
                {
                    store.Put(SampleRecords.Record(SampleRecords.Key(m: worker + 1, n: i)));
                    Assert.NotNull(store.FindExact(SampleRecords.Key(m: worker + 1, n: i)));
                    store.AppendCandidate(SampleRecords.Candidate(index: (worker * 10) + i));
                }
            }
        );
        Assert.Equal(80, store.All().Count);
        Assert.Equal(80, store.Candidates().Distinct().Count());
    }

    private static string Export(ITuneStore store, bool includeUncertified)
    {
        var writer = new StringWriter();
        store.Export(writer, includeUncertified: includeUncertified);
        return writer.ToString();
    }

    private static (int, int, int) Counts(TuneImportResult result) => (result.Added, result.Replaced, result.Kept);
}

public sealed class MemoryTuneStoreTests : TuneStoreContract
{
    protected override ITuneStore Create() => new MemoryTuneStore();
}

public sealed class SqliteTuneStoreContractTests : TuneStoreContract, IDisposable
{
    private readonly TempFolder _folder = new();
    private int _count;

    protected override ITuneStore Create() => SqliteTuneStore.Open(_folder.File($"{_count++}.sqlite"));

    public void Dispose() => _folder.Dispose();
}

public sealed class LiteDbTuneStoreContractTests : TuneStoreContract, IDisposable
{
    private readonly TempFolder _folder = new();
    private int _count;

    protected override ITuneStore Create() => LiteDbTuneStore.Open(_folder.File($"{_count++}.litedb"));

    public void Dispose() => _folder.Dispose();
}
