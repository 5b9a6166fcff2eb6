using Picograd.Dispatch.Profiles;

namespace Picograd.Tune;

/// <summary>What tuning gained for a program: its operators and the whole of it, before and after.</summary>
internal static class ModelReport
{
    /// <summary>Rows of the table; what takes less time than these is one row.</summary>
    private const int MostRows = 40;

    /// <summary>One operator on one device, over all kernels that it ran on.</summary>
    private sealed record Row(string Spec, string Device, long Calls, double Milliseconds, string Source)
    {
        public double PerCall => Milliseconds / Math.Max(1, Calls);
    }

    /// <summary>What ran, without a second run to compare with.</summary>
    public static void Write(TextWriter to, ModelRun run)
    {
        double total = run.Profile.Operators.Sum(o => o.SteadyMilliseconds);
        var table = new TextTable("operator", ">calls", ">a call", ">of time", "schedule");
        var rows = RowsOf(run.Profile);
        foreach (var row in rows.Take(MostRows))
            table.Add(
                Name(row),
                Figures.Count(row.Calls),
                Figures.Time(row.PerCall),
                Figures.Percent(row.Milliseconds / total),
                row.Source
            );
        table.Write(to);
        Others(to, rows, total);
        to.WriteLine();
        to.WriteLine(
            $"the program takes {Seconds(run.Seconds)}, of which {Seconds(run.Profile.KernelMilliseconds / 1000)} in kernels and {Seconds(run.Profile.MakingSeconds)} in making them"
        );
    }

    /// <summary>The run before tuning and the one after.</summary>
    public static void Write(TextWriter to, ModelRun before, ModelRun after, IReadOnlyList<GroupTuning> tuned)
    {
        double total = before.Profile.Operators.Sum(o => o.SteadyMilliseconds);
        var later = RowsOf(after.Profile).ToDictionary(r => (r.Spec, r.Device));
        var notes = NotesOf(tuned);
        // Against the default schedule, in turns: what other work on the machine does to the two runs does not count there.
        var raced = tuned
            .SelectMany(g => g.Results.Select(r => (Label: g.LabelOf(r.Task), r.Result)))
            .Where(r => r.Result is { Stored: not null, Speedup: not null })
            .DistinctBy(r => r.Label)
            .ToDictionary(r => r.Label, r => r.Result!.DefaultStands ? 1 : r.Result.Speedup!.Value);
        var table = new TextTable(
            "operator",
            ">calls",
            ">before",
            ">after",
            ">gain",
            ">in the race",
            ">of time",
            "schedule"
        );
        var rows = RowsOf(before.Profile);
        foreach (var row in rows.Take(MostRows))
        {
            var now = later.GetValueOrDefault((row.Spec, row.Device));
            table.Add(
                Name(row),
                Figures.Count(row.Calls),
                Figures.Time(row.PerCall),
                now is null ? null : Figures.Time(now.PerCall),
                now is null ? null : Figures.Ratio(row.PerCall / now.PerCall),
                raced.TryGetValue(row.Spec, out double gain) ? Figures.Ratio(gain) : null,
                Figures.Percent(row.Milliseconds / total),
                (now is null ? "did not run again" : now.Source)
                    + (notes.TryGetValue(row.Spec, out string? note) ? $"; {note}" : "")
            );
        }
        table.Write(to);
        Others(to, rows, total);
        to.WriteLine();
        to.WriteLine(
            Line("all kernels", total / 1000, after.Profile.Operators.Sum(o => o.SteadyMilliseconds) / 1000)
                + (SameCalls(before.Profile, after.Profile) ? "" : ", though not the same calls")
        );
        double byRaces = rows.Sum(r => r.Milliseconds / raced.GetValueOrDefault(r.Spec, 1));
        to.WriteLine(
            $"by the races, which took turns and so leave other work on the machine out: gain {Figures.Ratio(total / byRaces)} of all kernels"
        );
        to.WriteLine(Line("the program", before.Seconds, after.Seconds));
        to.WriteLine(
            $"making kernels took {Seconds(before.Profile.MakingSeconds)} and then {Seconds(after.Profile.MakingSeconds)}"
        );
    }

    private static string Line(string what, double before, double after) =>
        $"{what}: {Seconds(before)} before, {Seconds(after)} after, gain {Figures.Ratio(before / after)}";

    private static List<Row> RowsOf(OperatorProfile profile) =>
        [
            .. profile
                .Operators.GroupBy(o => (o.Spec, o.Device))
                .Select(g => new Row(
                    g.Key.Spec,
                    g.Key.Device,
                    g.Sum(o => o.Calls),
                    g.Sum(o => o.SteadyMilliseconds),
                    string.Join(" and ", g.Select(o => o.SourceName).Distinct())
                ))
                .OrderByDescending(r => r.Milliseconds)
                .ThenBy(r => r.Spec, StringComparer.Ordinal),
        ];

    private static void Others(TextWriter to, List<Row> rows, double total)
    {
        if (rows.Count > MostRows)
            to.WriteLine(
                $"and {rows.Count - MostRows} more, {Figures.Percent(rows.Skip(MostRows).Sum(r => r.Milliseconds) / total)} of the time"
            );
    }

    // Why a row is not what might be expected of it.
    private static Dictionary<string, string> NotesOf(IReadOnlyList<GroupTuning> tuned)
    {
        var notes = new Dictionary<string, string>();
        foreach (
            var (label, result, failure) in tuned.SelectMany(g =>
                g.Results.Select(r => (g.LabelOf(r.Task), r.Result, r.Failure))
            )
        )
        {
            string? note = result switch
            {
                null => $"not tuned: {failure}",
                { Stored: null } => ResultText.NotStored(result),
                { DefaultStands: true } => "nothing beat the default",
                _ => null,
            };
            if (note is not null)
                notes[label] = note;
        }
        return notes;
    }

    private static bool SameCalls(OperatorProfile one, OperatorProfile other) =>
        one
            .Operators.GroupBy(o => o.Spec)
            .Select(g => (g.Key, g.Sum(o => o.Calls)))
            .ToHashSet()
            .SetEquals(other.Operators.GroupBy(o => o.Spec).Select(g => (g.Key, g.Sum(o => o.Calls))));

    private static string Name(Row row) => row.Device == Targets.Cpu ? row.Spec : $"{row.Spec} on {row.Device}";

    private static string Seconds(double seconds) => Figures.Time(seconds * 1000);
}
