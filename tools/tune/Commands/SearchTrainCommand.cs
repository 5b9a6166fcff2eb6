using System.CommandLine;
using System.Globalization;
using Picograd.Search.CostModels;
using Picograd.Search.Recordings;

namespace Picograd.Tune;

/// <summary><c>tune search-train</c>: learns from recordings what the cost model ships with, and says how good it is on other tasks.</summary>
internal static class SearchTrainCommand
{
    /// <summary>Smaller spaces have no order to learn.</summary>
    private const int LeastPrograms = 20;

    /// <summary>Programs of a task that are measured before the last of its figures.</summary>
    private const int Measured = 32;

    public static Command Create(ToolConsole console)
    {
        var folder = new Option<string?>("--recordings")
        {
            Description = $"Where recordings are; default: {SearchBenchCommand.StandardFolder}",
            HelpName = "FOLDER",
        };
        var to = new Option<string?>("--out")
        {
            Description = "Where the model goes; without it only its quality is told",
            HelpName = "FILE",
        };
        var folds = new Option<string?>("--folds")
        {
            Description = "Parts that the tasks are cut into, each judged by what the others teach; default 8",
            HelpName = "N",
        };
        var command = new Command(
            "search-train",
            "Trains the cost model from recordings and judges it on tasks held out"
        )
        {
            folder,
            to,
            folds,
        };
        command.SetAction(parsed =>
        {
            var recordings = SearchBenchCommand
                .Read(parsed.GetValue(folder) ?? SearchBenchCommand.StandardFolder)
                .Where(r => r.Programs.Count(p => p.IsTimed) >= LeastPrograms)
                .ToList();
            if (recordings.Count < 2)
                throw new UsageException(
                    $"--recordings has fewer than two tasks with {LeastPrograms} programs; at least two are needed, so that one can be held out."
                );
            if (recordings.Select(r => r.Programs[0].Features.Values.Length).Distinct().Count() > 1)
                throw new UsageException(
                    "--recordings are of cost models that see different things; 'tune search-bench --refresh' makes them alike."
                );
            int parts = Math.Min((int)CommonOptions.Whole(parsed, folds, 2, 1000, 8), recordings.Count);
            Report(console.Out, recordings, ResidualTraining.CrossValidate(recordings, parts, Measured));
            if (parsed.GetValue(to) is { } file)
            {
                var model = ResidualTraining.Fit(recordings);
                using var writer = new StreamWriter(file) { NewLine = "\n" };
                model.Write(writer);
            }
            return TuneCommand.Success;
        });
        return command;
    }

    private static void Report(
        TextWriter to,
        IReadOnlyList<Recording> recordings,
        IReadOnlyList<(ModelQuality Analytic, ModelQuality Trained, ModelQuality Learned)> quality
    )
    {
        to.WriteLine(
            $"rank correlation of predictions with times; of each task by its analytic terms, by what other tasks taught, and after {Measured} of its programs were measured besides"
        );
        var table = new TextTable(
            "task",
            ">programs",
            ">all: analytic",
            ">trained",
            ">learned",
            ">within 2x: analytic",
            ">trained",
            ">learned",
            ">best of first 1",
            ">5",
            ">10",
            ">20"
        );
        for (int i = 0; i < quality.Count; i++)
        {
            var (analytic, trained, learned) = quality[i];
            table.Add([
                trained.Spec,
                Figures.Number(recordings[i].Programs.Count(p => p.IsTimed)),
                Rank(analytic.All),
                Rank(trained.All),
                Rank(learned.All),
                Rank(analytic.Near),
                Rank(trained.Near),
                Rank(learned.Near),
                .. trained.Regret.Select(r => "+" + Figures.Percent(r.Regret)),
            ]);
        }
        table.Add([
            "mean",
            "",
            Mean(q => q.Analytic.All),
            Mean(q => q.Trained.All),
            Mean(q => q.Learned.All),
            Mean(q => q.Analytic.Near),
            Mean(q => q.Trained.Near),
            Mean(q => q.Learned.Near),
            .. Enumerable
                .Range(0, 4)
                .Select(k => "+" + Figures.Percent(quality.Average(q => q.Trained.Regret[k].Regret))),
        ]);
        table.Write(to);

        string Mean(Func<(ModelQuality Analytic, ModelQuality Trained, ModelQuality Learned), double?> part) =>
            Rank(quality.Select(part).Where(v => v is not null).Average());
    }

    private static string Rank(double? value) => value?.ToString("0.00", CultureInfo.InvariantCulture) ?? "-";
}
