using Picograd.Algorithms;
using Picograd.Dispatch;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.Search;
using Picograd.Search.CostModels;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>What is known of one kernel beside its times.</summary>
/// <param name="Trace">Its schedule.</param>
/// <param name="Nest">Its loops.</param>
/// <param name="Code">Assembly, or CUDA; a sentence where there is none.</param>
/// <param name="Notes">What dispatch noted of its choice.</param>
/// <param name="Record">The stored winner; null where a default runs.</param>
/// <param name="Searches">Every logged search of it.</param>
internal sealed record KernelDetails(
    string Trace,
    string Nest,
    string Code,
    IReadOnlyList<string> Notes,
    TuneRecord? Record,
    IReadOnlyList<LoggedSearch> Searches
)
{
    // Lines; what is longer is shown by 'tune show --asm'.
    private const int MostLines = 600;
    private const int MostPredictions = 300;

    /// <summary>Of the kernel that dispatch chooses now.</summary>
    public static KernelDetails Of(Problem spec, ITuningTarget tuning, ITuneStore? store)
    {
        var kernel = Dispatcher.Resolve(spec);
        var key = TuneKeys.Of(spec, tuning.Backend.Target, TuneTask.Name(TimingPolicy.Warm));
        string trace = Schedules.Traces.Trace.Of(kernel.Nest).ToString().TrimEnd();
        // What is stored may not be what runs: guards, another version, a schedule of the library's own.
        var record = store?.FindExact(key) is { } found && found.Trace.TrimEnd() == trace ? found : null;
        return new KernelDetails(
            trace,
            NestPrinter.Print(kernel.Nest).TrimEnd(),
            CodeOf(kernel.Nest, tuning.Backend),
            [.. kernel.Notes],
            record,
            store is null ? [] : SearchesOf(spec, tuning, store.Candidates(key))
        );
    }

    private static string CodeOf(LoopNest nest, IBackend backend)
    {
        var text = new StringWriter();
        try
        {
            ShowCommand.ShowCode(text, nest, backend);
        }
        catch (FailureException e)
        {
            return e.Message;
        }
        string[] lines = text.ToString().Trim().ReplaceLineEndings("\n").Split('\n');
        return lines.Length <= MostLines
            ? string.Join('\n', lines)
            : string.Join('\n', lines.Take(MostLines))
                + $"\n… {Figures.Count(lines.Length - MostLines)} more lines: tune show \"SPEC\" --asm";
    }

    private static List<LoggedSearch> SearchesOf(
        Problem spec,
        ITuningTarget tuning,
        IReadOnlyList<TuneCandidate> candidates
    )
    {
        var model = new CostModel(tuning.Backend.Target, tuning.Backend.Lower, Residuals.Of(tuning.Backend.Target));
        var searches = new List<LoggedSearch>();
        var runs = candidates.GroupBy(c => c.Run).OrderBy(run => run.First().Utc).ToList();
        foreach (var run in runs)
        {
            double[] times = [.. run.Where(c => c.Milliseconds is not null).Select(c => c.Milliseconds!.Value)];
            var predictions = new List<(double Predicted, double Measured)>();
            // Of the latest, which is what is shown.
            var shown = ReferenceEquals(run, runs[^1])
                ? run.Where(c => c is { Milliseconds: not null, Trace: not null })
                : [];
            foreach (var candidate in shown)
            {
                if (predictions.Count == MostPredictions)
                    break;
                if (Predicted(model, spec, tuning, candidate.Trace!) is { } predicted)
                    predictions.Add((predicted, candidate.Milliseconds!.Value));
            }
            searches.Add(new LoggedSearch(run.First().Utc, run.Count(), times, predictions));
        }
        return searches;
    }

    // Before anything of it was measured. Logs outlive primitives and rules, so that a trace may not be had any more.
    private static double? Predicted(CostModel model, Problem spec, ITuningTarget tuning, string trace)
    {
        try
        {
            var nest = new TuneTask(spec, tuning).Replay(trace);
            return model.Predict(model.Features(nest));
        }
        catch (Exception e) when (e is TraceException or ScheduleException or LoweringException)
        {
            return null;
        }
    }
}

/// <summary>A search, as the log of candidates has it.</summary>
/// <param name="Utc">When.</param>
/// <param name="Candidates">How many were tried.</param>
/// <param name="Milliseconds">Of those that were timed, in order.</param>
/// <param name="Predictions">What the cost model says of them without any measurement of this operator, and what they took.</param>
internal sealed record LoggedSearch(
    DateTime Utc,
    int Candidates,
    IReadOnlyList<double> Milliseconds,
    IReadOnlyList<(double Predicted, double Measured)> Predictions
)
{
    /// <summary>The least time so far, after each that was timed.</summary>
    public IReadOnlyList<double> Best { get; } = [.. Milliseconds.Select((_, i) => Milliseconds.Take(i + 1).Min())];

    /// <summary>Of predictions and measurements; null where they are too few.</summary>
    public double? RankCorrelation =>
        Predictions.Count < 3
            ? null
            : Search.CostModels.RankCorrelation.Spearman(
                [.. Predictions.Select(p => p.Predicted)],
                [.. Predictions.Select(p => p.Measured)]
            );
}
