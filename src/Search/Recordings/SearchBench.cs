using System.Diagnostics;
using Picograd.Search.CostModels;
using Picograd.Search.Space;
using Picograd.Search.Strategies;

namespace Picograd.Search.Recordings;

/// <summary>One search over a recording.</summary>
/// <param name="Strategy">One of <see cref="SearchBench.Strategies"/>.</param>
/// <param name="Seed">Of the search.</param>
/// <param name="Timeline">Milliseconds since the search began, by the recording, and what each program takes.</param>
/// <param name="Looked">Programs that were made.</param>
/// <param name="ThinkingMilliseconds">What the strategy itself took, which the recording does not count.</param>
public sealed record BenchRun(
    string Strategy,
    int Seed,
    IReadOnlyList<(double At, double Milliseconds)> Timeline,
    int Looked,
    double ThinkingMilliseconds
)
{
    /// <summary>The best time known by a moment; infinite where nothing was.</summary>
    public double BestBy(double milliseconds) =>
        Timeline
            .Where(t => t.At <= milliseconds)
            .Select(t => t.Milliseconds)
            .DefaultIfEmpty(double.PositiveInfinity)
            .Min();

    /// <summary>When a time or a better one was first known; null where it never was.</summary>
    public double? Reached(double milliseconds) =>
        Timeline.Where(t => t.Milliseconds <= milliseconds).Select(t => (double?)t.At).FirstOrDefault();
}

/// <summary>Ways to search, compared over recordings: the same space, the same budget, any number of seeds.</summary>
public static class SearchBench
{
    /// <summary>With defaults, but a cost model of analytic terms alone.</summary>
    private const string Untaught = "beam-untaught";

    private static readonly (string Name, SearchSettings Settings)[] Variants =
    [
        ("beam", new()),
        ("random", new()),
        ("evolution", new()),
        ("beam-scratch", new() { FromScratch = true }),
        ("random-scratch", new() { FromScratch = true }),
        ("evolution-scratch", new() { FromScratch = true }),
        ("beam-no-model", new() { Without = Ablation.Model }),
        (Untaught, new()),
        ("beam-no-learning", new() { Without = Ablation.Learning }),
        ("beam-no-levels", new() { Without = Ablation.Levels }),
        ("beam-no-giving-up", new() { Without = Ablation.GivingUp }),
    ];

    /// <summary>Their names: beam, random and evolution, each also from scratch, and beam without one of its parts.</summary>
    public static IReadOnlyList<string> Strategies { get; } = [.. Variants.Select(v => v.Name)];

    /// <summary>Searches once.</summary>
    /// <param name="recording">Of the machine and the task.</param>
    /// <param name="strategy">One of <see cref="Strategies"/>.</param>
    /// <param name="seed">Decides every random choice.</param>
    /// <param name="milliseconds">The budget, by the recording's clock.</param>
    /// <param name="residual">What the cost model knows before, except from scratch; null for its analytic terms alone.</param>
    /// <exception cref="ArgumentException">No such strategy.</exception>
    public static BenchRun Run(
        Recording recording,
        string strategy,
        int seed,
        double milliseconds,
        BoostedTrees? residual = null
    )
    {
        var settings =
            Variants.FirstOrDefault(v => v.Name == strategy).Settings
            ?? throw new ArgumentException(
                $"strategy '{strategy}' is unknown; allowed are {string.Join(", ", Strategies)}",
                nameof(strategy)
            );
        var clock = new RecordedClock();
        settings = settings with { Seed = seed, Clock = clock, Patience = int.MaxValue };
        var machine = new RecordedMachine(recording, clock)
        {
            Deadline = milliseconds,
            GivesUp = settings.Without != Ablation.GivingUp,
        };
        SearchStrategy search = strategy.Split('-')[0] switch
        {
            "random" => new RandomSearch(machine, 0, settings),
            "evolution" => new EvolutionSearch(machine, 0, settings),
            _ => new BeamSearch(
                machine,
                CostModel.OfRecording(settings.FromScratch || strategy == Untaught ? null : residual),
                0,
                settings
            ),
        };
        long start = Stopwatch.GetTimestamp();
        search.Run(SearchBudget.Seconds(milliseconds / 1000), CancellationToken.None);
        return new BenchRun(
            strategy,
            seed,
            machine.Timeline,
            machine.Looked,
            Stopwatch.GetElapsedTime(start).TotalMilliseconds
        );
    }
}
