using System.Globalization;
using Picograd.Tests;
using Picograd.TuneDb;

// A second process for the tests of the tune database.
//   write PATH WORKER COUNT   writes COUNT records and candidates of its own and offers a contended record as often
//   hammer PATH               writes candidates and records for ever, telling each number once it is stored
//   try PATH rw|ro            opens the file and tells what came of it
switch (args)
{
    case ["write", var path, var worker, var count]:
        Write(path, Parse(worker), Parse(count));
        return 0;
    case ["hammer", var path]:
        Hammer(path);
        return 0;
    case ["try", var path, var mode]:
        Try(path, mode == "rw" ? TuneDbMode.ReadWrite : TuneDbMode.ReadOnly);
        return 0;
    default:
        Console.Error.WriteLine("usage: write PATH WORKER COUNT | hammer PATH | try PATH rw|ro");
        return 2;
}

static int Parse(string text) => int.Parse(text, CultureInfo.InvariantCulture);

static void Write(string path, int worker, int count)
{
    using var store = TuneDatabase.Open(path, busyTimeout: TimeSpan.FromSeconds(60));
    for (var i = 0; i < count; i++)
    {
        store.Put(SampleRecords.Record(SampleRecords.Key(m: 1000 + worker, n: 1 + i)));
        // Worker 3's last offer, 100 - 3 - count, is the fastest of all.
        store.Put(SampleRecords.Record(milliseconds: 100 - worker - i));
        store.AppendCandidate(SampleRecords.Candidate(index: i, run: $"worker-{worker}"));
    }
}

static void Hammer(string path)
{
    using var store = TuneDatabase.Open(path);
    for (var i = store.Candidates().Count; ; i++)
    {
        store.AppendCandidate(SampleRecords.Candidate(index: i));
        if (i % 3 == 0)
        {
            store.Put(SampleRecords.Record(SampleRecords.Key(m: 1 + (i % 50)), milliseconds: 1e6 / (i + 1)));
        }

        Console.Out.WriteLine(i);
        Console.Out.Flush();
    }
}

static void Try(string path, TuneDbMode mode)
{
    try
    {
        using var store = TuneDatabase.Open(path, mode);
        if (mode == TuneDbMode.ReadWrite)
        {
            store.Put(SampleRecords.Record());
        }

        Console.WriteLine($"ok {store.All().Count}");
    }
    catch (TuneDbException e)
    {
        Console.WriteLine($"{e.Kind} {e.Message}");
    }
}
