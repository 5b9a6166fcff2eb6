using System.Diagnostics;
using Picograd.Search;
using Picograd.Search.Worker;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

/// <summary>Nothing else of this project's runs beside it, as its times are measured.</summary>
[CollectionDefinition("alone", DisableParallelization = true)]
public sealed class AloneCollection;

/// <summary>
/// Where filling and reading arguments takes longer than any kernel, a small budget still ends in time and with a winner that is certified
/// and stored.
/// </summary>
[Collection("alone")]
public sealed class LargeBudgetTests : IDisposable
{
    private const double Seconds = 2.5;

    /// <summary>A busy machine can only make a run slower, so one of several that holds is enough.</summary>
    private const int Attempts = 3;

    private readonly WorkerProcess _process = new(
        new WorkerCommand("dotnet", [Path.Combine(AppContext.BaseDirectory, "Picograd.Search.Tests.Worker.dll")])
    );

    public void Dispose() => _process.Dispose();

    [SkippableTheory]
    [InlineData("add n=16777216")]
    public void The_budget_holds_and_the_winner_is_stored(string text)
    {
        var task = Machine.Task(text);
        // Those are measured once a process.
        _ = task.On.Ceilings;
        var said = new List<string>();
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            // A worker that has the inputs already would have an easy time.
            _process.Dispose();
            using var store = new MemoryTuneStore();
            long began = TimeProvider.System.GetTimestamp();
            TuneResult result;
            try
            {
                result = Tuner.Tune(
                    task,
                    new TuneOptions
                    {
                        Budget = SearchBudget.Seconds(Seconds),
                        Began = began,
                        Store = store,
                        Runner = t => new WorkerRunner(t, _process, seed: 1),
                    }
                );
            }
            catch (TuneException e)
            {
                said.Add(e.Message);
                continue;
            }
            double took = Stopwatch.GetElapsedTime(began).TotalSeconds;
            string phases = string.Join(", ", result.PhaseSeconds.Select(p => $"{p.Phase} {p.Seconds:0.00} s"));
            said.Add($"{took:0.00} s ({phases}), {result.Certification.Detail}");
            if (
                result.Certification.Ok
                && result.Stored == PutOutcome.Added
                && store.FindExact(task.Key) is not null
                && took < 1.2 * Seconds
            )
                return;
        }
        Skip.If(IsBusy(), "other programs have more work than the machine has processors");
        Assert.Fail(string.Join('\n', said));
    }

    // By the mean number of runnable threads of the last minute, of which this test's own are two.
    private static bool IsBusy() =>
        OperatingSystem.IsLinux()
        && double.Parse(
            File.ReadAllText("/proc/loadavg").Split(' ')[0],
            System.Globalization.CultureInfo.InvariantCulture
        )
            > 2 * Environment.ProcessorCount;
}
