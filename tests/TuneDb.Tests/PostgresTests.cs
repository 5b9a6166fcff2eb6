using System.Diagnostics;
using Picograd.TuneDb.Postgres;

namespace Picograd.Tests;

/// <summary>The contract, on a real server.</summary>
[Collection(nameof(PostgresCollection))]
public sealed class PostgresTuneStoreContractTests(PostgresServer server) : TuneStoreContract
{
    protected override ITuneStore Create() => PostgresTuneStore.Open(server.NewDatabase());
}

/// <summary>What is a server's alone: addresses, rights, lost connections, writers on several machines.</summary>
[Collection(nameof(PostgresCollection))]
public sealed class PostgresTests(PostgresServer server)
{
    [Theory]
    [InlineData(
        "//ann@db.example:5433/tune?sslmode=Require",
        "Host=db.example;Port=5433;Database=tune;Username=ann;SSL Mode=Require"
    )]
    [InlineData("//db.example/a%20b", "Host=db.example;Database=a b")]
    [InlineData("///tune?host=/var/run/postgresql", "Host=/var/run/postgresql;Database=tune")]
    [InlineData("Server=db.example;User Id=ann", "Host=db.example;Username=ann")]
    public void Urls_and_keywords_name_the_same(string address, string keywords)
    {
        Assert.Equal(PostgresAddress.Normal(keywords), PostgresAddress.Normal(address));
        Assert.Equal(PostgresAddress.Normal(address), PostgresAddress.Normal(PostgresAddress.Normal(address)));
    }

    [Theory]
    [InlineData("postgres://ann:hunter2@db/tune")]
    [InlineData("postgres:Host=db;Password=hunter2")]
    [InlineData("postgres:Host=db;PWD=hunter2")]
    [InlineData("postgres://db/tune?password=hunter2")]
    [InlineData("postgresql://ann:hunter2@db/tune")]
    [InlineData("POSTGRES:Host=db;SSL Password=hunter2")]
    public void Passwords_are_refused_and_not_repeated(string address)
    {
        var error = Assert.Throws<TuneDbException>(() => TuneDatabase.Open(address));
        Assert.Equal(TuneDbErrorKind.BadPath, error.Kind);
        Assert.Contains("PGPASSWORD", error.Message);
        Assert.DoesNotContain("hunter2", error.ToString());
    }

    [Fact]
    public void A_server_that_is_not_there_is_told_soon()
    {
        var began = Stopwatch.GetTimestamp();
        var error = Assert.Throws<TuneDbException>(() =>
            TuneDatabase.Open("postgres:Host=/nowhere/at/all;Username=ann")
        );
        Assert.Equal(TuneDbErrorKind.Unreachable, error.Kind);
        Assert.Contains("cannot be reached", error.Message);
        Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(20));
    }

    [Theory]
    [InlineData("postgres://no.such.host.invalid/tune")]
    [InlineData("postgres:Host=127.0.0.1;Port=1;SSL Certificate=/no/such/file;SSL Mode=Require")]
    public void Names_and_files_that_are_not_there_are_told_as_a_server_that_cannot_be_reached(string address)
    {
        var error = Assert.Throws<TuneDbException>(() => TuneDatabase.Open(address));
        Assert.Equal(TuneDbErrorKind.Unreachable, error.Kind);
    }

    [Theory]
    [InlineData("postgres:Host=a,b;Database=tune")]
    [InlineData("postgres:Host=a;Multiplexing=true")]
    public void Several_hosts_and_multiplexing_are_refused(string address) =>
        Assert.Equal(TuneDbErrorKind.BadPath, Assert.Throws<TuneDbException>(() => TuneDatabase.Open(address)).Kind);

    [Fact]
    public void A_mistyped_provider_does_not_print_what_follows_it()
    {
        var error = Assert.Throws<TuneDbException>(() => TuneDatabase.Open("postgras://ann:hunter2@db/tune"));
        Assert.Contains("there is no provider 'postgras'", error.Message);
        Assert.DoesNotContain("hunter2", error.ToString());
    }

    [SkippableFact]
    public void A_server_is_not_copied_with_the_certificates_of_others()
    {
        var place = server.NewDatabase();
        PostgresTuneStore.Open(place).Dispose();
        using var folder = new TempFolder();
        var error = Assert.Throws<TuneDbException>(() => TuneDatabaseCopy.Copy($"postgres:{place}", folder.File()));
        Assert.Contains("merge", error.Message);
        Assert.False(File.Exists(folder.File()));
    }

    [SkippableFact]
    public void A_database_without_tables_is_made_by_writing_only()
    {
        var place = server.NewDatabase();
        var error = Assert.Throws<TuneDbException>(() => PostgresTuneStore.Open(place, TuneDbMode.ReadOnly));
        Assert.Equal(TuneDbErrorKind.FileMissing, error.Kind);
        var record = SampleRecords.Record();
        using (var store = TuneDatabase.Open($"postgres:{place}"))
        {
            Assert.Equal("postgres", store.Provider);
            store.Put(record);
        }

        using var reader = PostgresTuneStore.Open(place, TuneDbMode.ReadOnly);
        Assert.Equal(record, reader.FindExact(record.Key));
        Assert.True(reader.Verify().Ok);
        Assert.Equal(TuneDbErrorKind.ReadOnly, Assert.Throws<TuneDbException>(() => reader.Put(record)).Kind);
    }

    [SkippableFact]
    public void A_database_that_is_not_there_a_newer_one_and_rights_that_lack_are_told()
    {
        var place = server.NewDatabase();
        var name = new Npgsql.NpgsqlConnectionStringBuilder(place).Database!;
        var error = Assert.Throws<TuneDbException>(() => PostgresTuneStore.Open(server.Place("never_made")));
        Assert.Equal(TuneDbErrorKind.FileMissing, error.Kind);
        Assert.Contains("createdb", error.Message);

        PostgresTuneStore.Open(place).Dispose();
        server.Execute(name, "DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN");
        error = Assert.Throws<TuneDbException>(() => PostgresTuneStore.Open(server.Place(name, "guest")));
        Assert.Equal(TuneDbErrorKind.ReadOnly, error.Kind);

        server.Execute(name, "UPDATE picograd_tunedb.version SET number = 99");
        error = Assert.Throws<TuneDbException>(() => PostgresTuneStore.Open(place));
        Assert.Equal(TuneDbErrorKind.NewerSchema, error.Kind);
    }

    [SkippableFact]
    public void Damaged_rows_are_skipped_counted_and_pruned()
    {
        var place = server.NewDatabase();
        var record = SampleRecords.Record();
        using var store = PostgresTuneStore.Open(place);
        store.Put(record);
        var name = new Npgsql.NpgsqlConnectionStringBuilder(place).Database!;
        server.Execute(name, "UPDATE picograd_tunedb.records SET milliseconds = milliseconds / 2");
        Assert.Null(store.FindExact(record.Key));
        Assert.Equal(1, store.DamagedSkipped);
        Assert.False(store.Verify().Ok);
        Assert.Equal(1, store.Prune(new TunePruneOptions { Damaged = true }).Records);
        Assert.True(store.Verify().Ok);
    }

    [SkippableFact]
    public void Text_that_the_server_cannot_hold_is_told_and_nothing_is_stored()
    {
        using var store = PostgresTuneStore.Open(server.NewDatabase());
        Assert.Throws<ArgumentException>(() => store.Put(SampleRecords.Record() with { Trace = "a\0b" }));
        Assert.Empty(store.All());
        Assert.Empty(store.History());
        Assert.Equal(PutOutcome.Added, store.Put(SampleRecords.Record()));
    }

    [SkippableFact]
    public void Of_many_writers_the_fastest_record_stays_and_every_offer_is_told()
    {
        var place = server.NewDatabase();
        const int writers = 4;
        const int each = 15;
        Parallel.For(
            0,
            writers,
            new ParallelOptions { MaxDegreeOfParallelism = writers },
            w =>
            {
                using var store = PostgresTuneStore.Open(place);
                for (var i = 0; i < each; i++)
                {
                    store.Put(SampleRecords.Record(milliseconds: 1 + ((i * writers) + w) * 7 % (writers * each)));
                }
            }
        );
        using var all = PostgresTuneStore.Open(place, TuneDbMode.ReadOnly);
        Assert.Equal(1, Assert.Single(all.All()).Milliseconds);
        Assert.Equal(writers * each, all.History().Count);
        Assert.True(all.Verify().Ok);
    }

    [SkippableFact]
    public void A_writer_that_others_hold_up_gives_up_in_time()
    {
        var place = server.NewDatabase();
        using var store = PostgresTuneStore.Open(place, busyTimeout: TimeSpan.FromMilliseconds(300));
        using var other = new Npgsql.NpgsqlConnection(place + ";Pooling=false");
        other.Open();
        using var transaction = other.BeginTransaction();
        using var command = other.CreateCommand();
        command.CommandText = $"SELECT pg_advisory_xact_lock({0x50694772})";
        command.ExecuteNonQuery();
        Assert.Equal(
            TuneDbErrorKind.Busy,
            Assert.Throws<TuneDbException>(() => store.Put(SampleRecords.Record())).Kind
        );
        transaction.Rollback();
        Assert.Equal(PutOutcome.Added, store.Put(SampleRecords.Record()));
    }

    [SkippableFact]
    public void What_was_stored_outlives_a_server_that_is_switched_off_and_the_store_goes_on_with_the_next()
    {
        var place = server.NewDatabase();
        using var store = PostgresTuneStore.Open(place);
        var record = SampleRecords.Record();
        store.Put(record);
        server.Stop();
        try
        {
            Assert.Equal(
                TuneDbErrorKind.Unreachable,
                Assert.Throws<TuneDbException>(() => store.FindExact(record.Key)).Kind
            );
            Assert.Throws<TuneDbException>(() => store.Put(record));
        }
        finally
        {
            server.Start();
        }

        Assert.Equal(record, store.FindExact(record.Key));
        Assert.Equal(PutOutcome.Kept, store.Put(record));
    }
}
