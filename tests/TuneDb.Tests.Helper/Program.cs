using System.Globalization;
using Picograd.Tests;
using Picograd.TuneDb;

// A second process for the tests of the tune database.
//   write PATH WORKER COUNT   writes COUNT records and candidates of its own and offers a contended record as often
//   hammer PATH               writes candidates and records for ever, telling each number once it is stored
//   steps PATH FIRST          goes through StoreSteps from a step on for ever, telling each number once it is stored
//   read PATH                 reads until the standard input ends, and tells how often and what was wrong
//   fill PATH                 stores records, telling each number, until that fails, and tells why
//   copy FROM TO              copies a database
//   native PATH               writes, looks up, and tells which native libraries of databases were loaded
//   try PATH rw|ro            opens the file and tells what came of it
switch (args)
{
    case ["write", var path, var worker, var count]:
        Write(path, Parse(worker), Parse(count));
        return 0;
    case ["hammer", var path]:
        Hammer(path);
        return 0;
    case ["steps", var path, var first]:
        Steps(path, Parse(first));
        return 0;
    case ["read", var path]:
        return Read(path);
    case ["fill", var path]:
        Fill(path);
        return 0;
    case ["copy", var from, var to]:
        TuneDatabaseCopy.Copy(from, to);
        return 0;
    case ["native", var path]:
        Native(path);
        return 0;
    case ["try", var path, var mode]:
        Try(path, mode == "rw" ? TuneDbMode.ReadWrite : TuneDbMode.ReadOnly);
        return 0;
    default:
        Console.Error.WriteLine(
            "usage: write | hammer | steps | read | fill | copy | native | try, each with its arguments"
        );
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

static void Tell(object what)
{
    Console.Out.WriteLine(what);
    Console.Out.Flush();
}

static void Steps(string path, int first)
{
    using var store = TuneDatabase.Open(path, busyTimeout: TimeSpan.FromSeconds(60));
    Tell("open");
    for (var step = first; ; step++)
    {
        StoreSteps.Do(store, step);
        Tell(step);
    }
}

// What "write" processes do meanwhile: a record once seen stays, and each is the one that was written.
static int Read(string path)
{
    using var ended = new CancellationTokenSource();
    _ = Task.Run(() =>
    {
        Console.In.ReadToEnd();
        ended.Cancel();
    });
    using var store = TuneDatabase.Open(path, TuneDbMode.ReadOnly, TimeSpan.FromSeconds(60));
    var seen = new HashSet<TuneKey>();
    var reads = 0;
    while (!ended.IsCancellationRequested || reads == 0)
    {
        var all = store.All();
        foreach (var record in all.Where(r => r.Key != SampleRecords.Key()))
        {
            if (record != SampleRecords.Record(record.Key))
            {
                Tell($"a wrong record of {record.Spec}");
                return 1;
            }

            seen.Add(record.Key);
        }

        if (!seen.IsSubsetOf(all.Select(r => r.Key).ToHashSet()) || store.DamagedSkipped > 0)
        {
            Tell("a record is gone or damaged");
            return 1;
        }

        if (seen.Count > 0 && store.FindExact(seen.First()) is null)
        {
            Tell("a look-up found nothing");
            return 1;
        }

        reads++;
    }

    Tell(reads);
    return 0;
}

static void Fill(string path)
{
    try
    {
        using var store = TuneDatabase.Open(path);
        for (var m = 1; m < 100_000; m++)
        {
            store.Put(SampleRecords.Record(SampleRecords.Key(m: m)));
            Tell(m);
        }
    }
    catch (TuneDbException e)
    {
        Tell($"{e.Kind} {e.Message}");
    }
}

static void Native(string path)
{
    using (var store = TuneDatabase.Open(path))
    {
        store.Put(SampleRecords.Record());
        store.AppendCandidate(SampleRecords.Candidate());
    }

    using (var serving = TuneServing.OpenForServing(path))
    {
        Tell(serving.FindExact(SampleRecords.Key()) is null ? "lost" : "found");
    }

    Tell(File.ReadLines("/proc/self/maps").Count(line => line.Contains("sqlite", StringComparison.OrdinalIgnoreCase)));
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
