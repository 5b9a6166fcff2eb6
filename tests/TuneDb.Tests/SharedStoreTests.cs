using Picograd.TuneDb.Postgres;

namespace Picograd.Tests;

/// <summary>Machines that share a server: each serves what it certified itself, and goes on without the server.</summary>
[Collection(nameof(PostgresCollection))]
public sealed class SharedStoreTests(PostgresServer server) : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly List<string> _said = [];
    private bool _isCut;

    public void Dispose() => _folder.Dispose();

    // A machine is a file of its own.
    private SharedTuneStore Machine(string name, string place, TuneDbMode mode = TuneDbMode.ReadWrite) =>
        new(
            PostgresTuneStore.Name,
            place,
            TuneDatabase.Open(_folder.File($"{name}.litedb"), mode),
            () => _isCut ? PostgresTuneStore.Open("Host=/nowhere/at/all;Username=ann") : PostgresTuneStore.Open(place),
            _said.Add
        );

    [SkippableFact]
    public void What_one_machine_finds_waits_on_the_other_until_that_one_certified_it()
    {
        var place = server.NewDatabase();
        var record = SampleRecords.Record(milliseconds: 2);
        using (var one = Machine("one", place))
        {
            one.Put(record);
            Assert.Equal(record, one.FindExact(record.Key));
        }

        using (var two = Machine("two", place))
        {
            Assert.Null(two.FindExact(record.Key));
            var theirs = two.FindWaiting(record.Key)!;
            Assert.Equal(record.Trace, theirs.Trace);
            Assert.Equal((TuneOrigin.Imported, false), (theirs.Origin, theirs.Certified));
            Assert.Null(two.FindExact(record.Key));
            Assert.Empty(two.FindNear(SampleRecords.Key(m: 128), 3));
            // Certified here, in this machine's time.
            two.Put(record with { Milliseconds = 3 });
            Assert.Equal(3, two.FindExact(record.Key)!.Milliseconds);
            Assert.Null(two.FindWaiting(record.Key));
        }

        // The faster stays for everybody.
        using var all = PostgresTuneStore.Open(place);
        Assert.Equal(2, Assert.Single(all.All()).Milliseconds);
        Assert.Empty(_said);
    }

    [SkippableFact]
    public void Pulling_takes_over_what_is_for_this_machine_once()
    {
        var place = server.NewDatabase();
        using (var all = PostgresTuneStore.Open(place))
        {
            all.Put(SampleRecords.Record() with { Key = SampleRecords.Key(m: 1, target: "mine") });
            all.Put(SampleRecords.Record(certified: false) with { Key = SampleRecords.Key(m: 2, target: "mine") });
            all.Put(SampleRecords.Record() with { Key = SampleRecords.Key(m: 3, target: "theirs") });
        }

        using var store = Machine("one", place);
        store.Pull(target => target == "mine");
        Assert.Equal(2, store.All().Count);
        Assert.All(store.All(), r => Assert.Equal((false, TuneOrigin.Imported), (r.Certified, r.Origin)));
        store.Pull(target => target == "mine");
        Assert.Equal(2, store.All().Count);
        // What was judged here, and found no faster, does not come again.
        store.Remove(SampleRecords.Key(m: 1, target: "mine"));
        store.Pull(target => target == "mine");
        Assert.Single(store.All());
    }

    [SkippableFact]
    public void A_slower_record_comes_when_a_faster_one_that_was_wrong_is_gone()
    {
        var place = server.NewDatabase();
        var good = SampleRecords.Record(milliseconds: 2, trace: "good");
        var wrong = SampleRecords.Record(milliseconds: 0.001, certified: false, trace: "wrong");
        using (var all = PostgresTuneStore.Open(place))
        {
            all.Put(good);
            all.Put(wrong);
        }

        using var store = Machine("one", place);
        store.Pull(_ => true);
        Assert.Equal("wrong", store.FindWaiting(good.Key)!.Trace);
        // Refused here.
        store.Remove(good.Key, certified: false);
        store.Pull(_ => true);
        Assert.Equal("good", store.FindWaiting(good.Key)!.Trace);
        store.Remove(good.Key, certified: false);
        store.Pull(_ => true);
        Assert.Null(store.FindWaiting(good.Key));
    }

    [SkippableFact]
    public void What_is_stored_first_is_offered_to_the_server_once()
    {
        var place = server.NewDatabase();
        using (var one = Machine("one", place))
        {
            one.Put(SampleRecords.Record());
            one.Put(SampleRecords.Record() with { Key = SampleRecords.Key(m: 3) });
        }

        using var all = PostgresTuneStore.Open(place);
        Assert.Equal(2, all.History().Count);
    }

    [SkippableFact]
    public void Without_the_server_everything_goes_on_and_is_sent_later()
    {
        var place = server.NewDatabase();
        var record = SampleRecords.Record();
        _isCut = true;
        using (var one = Machine("one", place))
        {
            Assert.Null(one.FindWaiting(record.Key));
            Assert.Equal(PutOutcome.Added, one.Put(record));
            one.Pull(_ => true);
            Assert.Equal(record, one.FindExact(record.Key));
        }

        var said = Assert.Single(_said);
        Assert.Contains("cannot be reached", said);
        Assert.Contains("sent when it can be", said);
        using (var all = PostgresTuneStore.Open(place))
        {
            Assert.Empty(all.All());
        }

        _isCut = false;
        using (var one = Machine("one", place))
        {
            one.FindWaiting(SampleRecords.Key(m: 77));
        }

        using (var all = PostgresTuneStore.Open(place))
        {
            Assert.Equal(record, Assert.Single(all.All()));
        }
    }

    [SkippableFact]
    public void Models_read_the_file_and_never_the_server()
    {
        var place = server.NewDatabase();
        var record = SampleRecords.Record();
        using (var one = Machine("one", place))
        {
            one.Put(record);
        }

        _isCut = true;
        using var reader = Machine("one", place, TuneDbMode.ReadOnly);
        Assert.Equal(record, reader.FindExact(record.Key));
        Assert.Null(reader.FindWaiting(SampleRecords.Key(m: 77)));
        Assert.Empty(_said);
    }

    [SkippableFact]
    public void What_others_say_of_a_slower_schedule_or_of_the_same_changes_nothing()
    {
        var place = server.NewDatabase();
        var mine = SampleRecords.Record(milliseconds: 2, trace: "mine");
        using (var all = PostgresTuneStore.Open(place))
        {
            all.Put(mine with { Milliseconds = 1 });
        }

        using var store = Machine("one", place);
        store.Put(mine);
        store.Pull(_ => true);
        Assert.Equal([mine], store.All());
        Assert.Null(store.FindWaiting(mine.Key));
    }
}

/// <summary>An address of a server, where models and tools meet it.</summary>
[Collection(nameof(EnvironmentCollection))]
public sealed class SharedAddressTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly string? _home = Environment.GetEnvironmentVariable("XDG_DATA_HOME");

    public SharedAddressTests() => Environment.SetEnvironmentVariable("XDG_DATA_HOME", _folder.Path);

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("XDG_DATA_HOME", _home);
        _folder.Dispose();
    }

    [Fact]
    public void Serving_reads_this_machines_file_and_misses_nothing_before_it_is_there()
    {
        const string address = "postgres://nobody@host.invalid/tune";
        Assert.False(TuneDatabase.IsThere(address));
        using (var serving = TuneServing.OpenForServing(address))
        {
            Assert.Null(serving.Warning);
            Assert.False(serving.HasDatabase);
        }

        using (var store = TuneDatabase.OpenForUse(address))
        {
            Assert.Equal("postgres", store.Provider);
        }

        Assert.True(TuneDatabase.IsThere(address));
        Assert.Equal(
            TuneAddress.FileOf(address),
            TuneAddress.FileOf("postgres:Host=host.invalid;Database=tune;Username=nobody")
        );
        using (var file = TuneDatabase.Open(TuneAddress.FileOf(address)))
        {
            file.Put(SampleRecords.Record());
        }

        using var served = TuneServing.OpenForServing(address);
        Assert.NotNull(served.FindExact(SampleRecords.Key()));
    }
}
