using Picograd.TuneDb;

namespace Picograd.Tests;

/// <summary>
/// An endless sequence of everything that writes to a store, the same in every process: what a store holds after step n is known,
/// and so is what a process that is killed within step n + 1 may leave.
/// </summary>
public static class StoreSteps
{
    public static void Do(ITuneStore store, int step)
    {
        var random = new Random(step);
        switch (random.Next(16))
        {
            case < 6:
                store.Put(Record(random, step), force: random.Next(4) == 0);
                break;
            case < 10:
                var count = random.Next(1, 30);
                store.AppendCandidates([
                    .. Enumerable
                        .Range(0, count)
                        .Select(i => SampleRecords.Candidate(Key(random), index: i, run: $"step-{step}")),
                ]);
                break;
            case 10:
                bool?[] which = [null, true, false];
                store.Remove(Key(random), which[random.Next(3)]);
                break;
            case 11:
                var text = new StringWriter();
                Other(random, step).Export(text, includeUncertified: true);
                store.Import(new StringReader(text.ToString()));
                break;
            case 12:
                store.Merge(Other(random, step));
                break;
            case 13 or 14:
                // What certification does.
                if (store.All(new TuneFilter { Certified = false }) is [var waiting, ..])
                {
                    store.Put(waiting with { Certified = true, Origin = TuneOrigin.Local });
                }

                break;
            default:
                store.Prune(
                    new TunePruneOptions
                    {
                        Candidates = random.Next(3) == 0,
                        History = random.Next(3) == 0,
                        Uncertified = random.Next(3) == 0,
                        KeepCompilerVersions = random.Next(3) == 0 ? ["cpu-1"] : null,
                    }
                );
                break;
        }
    }

    /// <summary>Everything in a store but the moments at which offers came.</summary>
    public static string Text(ITuneStore store) =>
        string.Join(
            '\n',
            store
                .All()
                .Select(r => $"record {r.Certified} {r.Origin}\n{r.ToText()}")
                .Concat(store.History().Select(e => $"offer {e.Outcome} {e.Record.Certified} {e.Record.TraceHash}"))
                .Concat(store.Candidates().Select(c => c.ToString()))
        );

    private static MemoryTuneStore Other(Random random, int step)
    {
        var other = new MemoryTuneStore();
        for (var i = random.Next(1, 4); i > 0; i--)
        {
            other.Put(Record(random, step + (i * 1_000_000)));
        }

        other.AppendCandidate(SampleRecords.Candidate(Key(random), index: step));
        return other;
    }

    private static TuneKey Key(Random random) =>
        SampleRecords.Key(m: random.Next(1, 30), target: random.Next(5) == 0 ? "other" : "x64;avx2;threads=1") with
        {
            CompilerVersion = random.Next(8) == 0 ? "cpu-0" : "cpu-1",
        };

    private static TuneRecord Record(Random random, int step) =>
        SampleRecords.Record(
            Key(random),
            milliseconds: 0.5 + random.NextDouble(),
            certified: random.Next(3) > 0,
            trace: string.Join('\n', Enumerable.Range(0, random.Next(1, 60)).Select(i => $"split loop{i} {step} guard"))
        );
}
