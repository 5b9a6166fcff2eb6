namespace Picograd.Tests;

/// <summary>Several threads of one process that open a database at the same moment.</summary>
public sealed class SimultaneousOpeningTests : IDisposable
{
    private const int Threads = 6;
    private const int Rounds = 8;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("sqlite")]
    [InlineData("litedb")]
    public async Task A_new_file_is_made_once_and_keeps_what_all_store(string extension)
    {
        for (var round = 0; round < Rounds; round++)
        {
            var path = _folder.File($"{round}.{extension}");
            using var start = new Barrier(Threads);
            var all = Enumerable
                .Range(1, Threads)
                .Select(m =>
                    Task.Factory.StartNew(
                        () =>
                        {
                            start.SignalAndWait();
                            using var store = TuneDatabase.Open(path);
                            store.Put(SampleRecords.Record() with { Key = SampleRecords.Key(m: m) });
                        },
                        TaskCreationOptions.LongRunning
                    )
                );
            await Task.WhenAll([.. all]);
            using var store = TuneDatabase.Open(path, TuneDbMode.ReadOnly);
            Assert.Equal(Threads, store.All().Count);
            Assert.True(store.Verify().Ok);
        }
    }
}
