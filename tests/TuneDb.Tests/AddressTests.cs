namespace Picograd.Tests;

/// <summary>Addresses of databases, whose file is whose, and copies from one provider to the other.</summary>
[Collection(nameof(EnvironmentCollection))]
public sealed class AddressTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("a", "litedb")]
    [InlineData("a.db", "litedb")]
    [InlineData("a.litedb", "litedb")]
    [InlineData("a.sqlite", "sqlite")]
    public void A_new_file_is_the_defaults_or_that_of_its_extension(string name, string provider)
    {
        using var store = TuneDatabase.Open(_folder.File(name));
        Assert.Equal(provider, store.Provider);
        Assert.Equal(_folder.File(name), store.FilePath);
        Assert.Equal($"{provider}:{_folder.File(name)}", store.Address);
    }

    [Theory]
    [InlineData("litedb")]
    [InlineData("sqlite")]
    public void An_address_chooses_and_afterwards_the_contents_tell(string provider)
    {
        var other = provider == "litedb" ? "sqlite" : "litedb";
        var path = _folder.File($"misleading.{other}");
        using (var store = TuneDatabase.Open($"{provider}:{path}"))
        {
            Assert.Equal(provider, store.Provider);
            store.Put(SampleRecords.Record());
        }

        using (var store = TuneDatabase.Open(path, TuneDbMode.ReadOnly))
        {
            Assert.Equal(provider, store.Provider);
        }

        var error = Assert.Throws<TuneDbException>(() => TuneDatabase.Open($"{other}:{path}"));
        Assert.Equal(TuneDbErrorKind.Foreign, error.Kind);
        using var serving = TuneServing.OpenForServing($"{provider}:{path}");
        Assert.Null(serving.Warning);
        Assert.NotNull(serving.FindExact(SampleRecords.Key()));
    }

    [Theory]
    [InlineData("mysql:host", "there is no provider 'mysql': known are litedb, sqlite, postgres")]
    [InlineData("postgres:", "names no server behind the colon")]
    [InlineData("postgres:host", "cannot be understood")]
    [InlineData("postgres:Database=tune", "names no host")]
    [InlineData("postgres:Host=db;Colour=red", "cannot be understood")]
    [InlineData("postgres://db:notaport/tune", "cannot be understood")]
    [InlineData("litedb:", "names no file behind the colon")]
    [InlineData("sqlite: ", "names no file behind the colon")]
    public void What_is_no_address_is_told(string address, string reason)
    {
        var error = Assert.Throws<TuneDbException>(() => TuneDatabase.Open(address));
        Assert.Equal(TuneDbErrorKind.BadPath, error.Kind);
        Assert.Contains(reason, error.Message);
        using var serving = TuneServing.OpenForServing(address);
        Assert.Contains(reason.TrimEnd('.'), serving.Warning);
    }

    [SkippableFact]
    public void A_file_whose_name_looks_like_an_address_can_be_named()
    {
        Skip.If(OperatingSystem.IsWindows(), "names may not hold colons");
        TuneDatabase.Open(_folder.File("notes:2026")).Dispose();
        Assert.True(File.Exists(_folder.File("notes:2026")));
        Assert.Equal(_folder.File("notes:2026"), TuneAddress.PathOf(_folder.File("notes:2026")));
    }

    [Fact]
    public void The_former_default_goes_on_being_used_until_there_is_one_of_today()
    {
        var home = Environment.GetEnvironmentVariable("XDG_DATA_HOME");
        var named = Environment.GetEnvironmentVariable(TuneDbLocation.EnvironmentVariable);
        try
        {
            Environment.SetEnvironmentVariable("XDG_DATA_HOME", _folder.Path);
            Environment.SetEnvironmentVariable(TuneDbLocation.EnvironmentVariable, null);
            if (!TuneDbLocation.DefaultPath.StartsWith(_folder.Path, StringComparison.Ordinal))
            {
                // Where data folders are no matter of the environment, the user's own would be changed.
                return;
            }

            Directory.CreateDirectory(Path.GetDirectoryName(TuneDbLocation.DefaultPath)!);
            Assert.Equal(TuneDbLocation.DefaultPath, TuneDbLocation.Resolve());
            using (var former = TuneDatabase.Open(TuneDbLocation.FormerDefaultPath))
            {
                former.Put(SampleRecords.Record());
            }

            Assert.Equal(TuneDbLocation.FormerDefaultPath, TuneDbLocation.Resolve());
            using (var serving = TuneServing.OpenForServing())
            {
                Assert.NotNull(serving.FindExact(SampleRecords.Key()));
            }

            TuneDatabaseCopy.Copy(TuneDbLocation.FormerDefaultPath, TuneDbLocation.DefaultPath);
            Assert.Equal(TuneDbLocation.DefaultPath, TuneDbLocation.Resolve());
            using var now = TuneDatabase.Open(TuneDbLocation.Resolve());
            Assert.Equal("litedb", now.Provider);
            Assert.NotNull(now.FindExact(SampleRecords.Key()));
        }
        finally
        {
            Environment.SetEnvironmentVariable("XDG_DATA_HOME", home);
            Environment.SetEnvironmentVariable(TuneDbLocation.EnvironmentVariable, named);
        }
    }

    [Theory]
    [InlineData("litedb", "sqlite")]
    [InlineData("sqlite", "litedb")]
    [InlineData("litedb", "litedb")]
    public void A_copy_holds_everything_as_it_is(string from, string to)
    {
        var (one, two) = ($"{from}:{_folder.File("one")}", $"{to}:{_folder.File("two")}");
        using (var store = TuneDatabase.Open(one))
        {
            for (var step = 1; step < 60; step++)
            {
                StoreSteps.Do(store, step);
            }

            for (var m = 1; m <= 30; m++)
            {
                store.Put(SampleRecords.Record(SampleRecords.Key(m: m), certified: m % 3 > 0));
                store.AppendCandidate(SampleRecords.Candidate(index: m));
            }

            store.Put(SampleRecords.Record() with { Trace = "a \"b\" \\ é😀\r\n\tc\n", Samples = [] });
        }

        var result = TuneDatabaseCopy.Copy(one, two);
        Assert.Equal(["two"], Directory.GetFiles(_folder.Path, "two*").Select(Path.GetFileName));
        using var original = TuneDatabase.Open(one, TuneDbMode.ReadOnly);
        using var copy = TuneDatabase.Open(two, TuneDbMode.ReadOnly);
        Assert.Equal(to, copy.Provider);
        Assert.Equal(original.All(), copy.All());
        Assert.Equal(original.History(), copy.History());
        Assert.Equal(original.Candidates(), copy.Candidates());
        Assert.Equal(original.Targets(), copy.Targets());
        Assert.Equal(new TuneCopyResult(copy.All().Count, copy.History().Count, copy.Candidates().Count, 0), result);
        Assert.True(result.Records > 30 && result.History > 30 && result.Candidates > 20);
        Assert.Empty(copy.Verify().Problems);
        var error = Assert.Throws<TuneDbException>(() => TuneDatabaseCopy.Copy(one, two));
        Assert.Contains("exists already", error.Message);
    }
}
