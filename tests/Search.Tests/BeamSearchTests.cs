using Picograd.Algorithms.Operators;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;
using Picograd.Search;
using Picograd.Search.CostModels;
using Picograd.Search.Strategies;
using Xunit;

namespace Picograd.Tests;

public class BeamSearchTests
{
    private static readonly OperatorSpec Spec = OperatorSpec.Parse("matmul m=48 n=64 k=96");

    // The best is mr=6 nr=16 kc=32 ku=2; every knob counts, and none is worth more than a factor.
    private static double Formula(Candidate c)
    {
        if (c.Rule is not TileRule)
            return 20;
        double Off(string knob, double best, double weight) => weight * Math.Abs(Math.Log2(c.Choices[knob] / best));
        return 1 + Off("mr", 6, 0.5) + Off("nr", 16, 0.6) + Off("kc", 32, 0.2) + Off("ku", 2, 0.1);
    }

    private static (BeamSearch Search, SyntheticRunner Runner) Make(
        int seed,
        bool noisy = false,
        double ceiling = 0,
        Func<Candidate, double>? time = null,
        FakeClock? clock = null,
        IEnumerable<ScheduleRule>? rules = null,
        int patience = 8
    )
    {
        var task = new TuneTask(Spec, new PaperTarget(PaperTarget.Info));
        var runner = new SyntheticRunner(time ?? Formula, seed: 5, noisy) { Clock = clock };
        var settings = new SearchSettings { Seed = seed, Patience = patience };
        if (clock is not null)
            settings = settings with { Clock = clock };
        var search = new BeamSearch(
            task,
            rules ?? [new TileRule(), new PlainRule()],
            runner,
            new CostModel(task.Target),
            ceiling,
            settings
        );
        return (search, runner);
    }

    [Fact]
    public void FindsTheBest()
    {
        var (search, _) = Make(seed: 1);
        search.Run(SearchBudget.Of(200), CancellationToken.None);
        Assert.Equal(
            "tile ku=2 kc=32 mr=6 nr=16".Split(' ').Order(),
            search.Best!.Candidate.Describe().Split(' ').Order()
        );
    }

    [Fact]
    public void SameSeedAndMeasurementsSameSearch()
    {
        var (a, _) = Make(seed: 3, noisy: true);
        var (b, _) = Make(seed: 3, noisy: true);
        Assert.Equal(a.Run(SearchBudget.Of(120), default), b.Run(SearchBudget.Of(120), default));
        Assert.Equal(a.Trials.Select(t => t.Candidate.Describe()), b.Trials.Select(t => t.Candidate.Describe()));
        Assert.Equal(a.Best!.Candidate.Hash, b.Best!.Candidate.Hash);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void NoiseInSpellsCostsLittle(int seed)
    {
        var (search, _) = Make(seed, noisy: true);
        search.Run(SearchBudget.Of(200), default);
        // The race among the top few then finds the true best of them.
        double found = search.Top(5).Min(t => Formula(t.Candidate));
        Assert.InRange(found, 1, 1.11);
    }

    [Fact]
    public void TrialBudgetIsKept()
    {
        var (search, runner) = Make(seed: 1);
        Assert.Equal(StopReason.Budget, search.Run(SearchBudget.Of(40), default));
        Assert.Equal(40, runner.Measurements);
        Assert.Equal(40, search.Trials.Count);
    }

    [Fact]
    public void TimeBudgetIsKept()
    {
        var clock = new FakeClock();
        var (search, runner) = Make(seed: 1, clock: clock);
        Assert.Equal(StopReason.Budget, search.Run(SearchBudget.Seconds(1), default));
        // 20 ms a measurement; a batch may overdraw.
        Assert.InRange(runner.Measurements, 50, 58);
        Assert.Equal(TimeSpan.Zero, search.Progress.Remaining);
    }

    [Fact]
    public void StopsAtAPlateau()
    {
        var (search, runner) = Make(seed: 1, time: c => c.Rule is TileRule ? 1 : 20, patience: 3);
        Assert.Equal(StopReason.Plateau, search.Run(SearchBudget.Of(100_000), default));
        Assert.InRange(runner.Measurements, 20, 300);
    }

    [Fact]
    public void StopsAtTheRoofline()
    {
        var (search, runner) = Make(seed: 1, ceiling: 0.98);
        Assert.Equal(StopReason.Roofline, search.Run(SearchBudget.Of(100_000), default));
        Assert.True(search.Best!.Milliseconds <= 0.98 / 0.97);
        Assert.InRange(runner.Measurements, 1, 300);
    }

    [Fact]
    public void OneLuckyMeasurementIsNotTheRoofline()
    {
        // The first measurement of each program is half its time.
        var seen = new HashSet<ulong>();
        var (search, _) = Make(seed: 1, ceiling: 0.8, time: c => Formula(c) * (seen.Add(c.Hash) ? 0.5 : 1));
        Assert.Equal(StopReason.Budget, search.Run(SearchBudget.Of(60), default));
    }

    [Fact]
    public void StopsWhenEverythingWasTried()
    {
        var (search, _) = Make(seed: 1, rules: [new PlainRule()]);
        Assert.Equal(StopReason.Exhausted, search.Run(SearchBudget.Of(100), default));
        Assert.Single(search.Trials);
    }

    [Fact]
    public void StopsWhenInterruptedAndKeepsWhatItFound()
    {
        using var cancel = new CancellationTokenSource();
        int measured = 0;
        var (search, _) = Make(
            seed: 1,
            time: c =>
            {
                if (++measured == 30)
                    cancel.Cancel();
                return Formula(c);
            }
        );
        Assert.Equal(StopReason.Cancelled, search.Run(SearchBudget.Of(1000), cancel.Token));
        Assert.Equal(30, search.Trials.Count);
        Assert.NotNull(search.Best);
    }

    [Fact]
    public void EveryCandidateIsCountedUnderAReason()
    {
        var logged = new List<LoggedCandidate>();
        // Tiles of 12 rows are taken to be too large for the compiler.
        var (search, _) = Make(
            seed: 1,
            time: c => c.Rule is TileRule && c.Choices["mr"] == 12 ? double.NaN : Formula(c),
            rules: [new RefusingRule(), new TileRule(), new PlainRule()]
        );
        search.OnBatch = logged.AddRange;
        search.Run(SearchBudget.Of(150), default);
        Assert.True(search.Outcomes["il-too-large"] > 0);
        // kc=128 and kc=256 are both the whole of k=96.
        Assert.True(search.Outcomes[OutcomeNames.Duplicate] > 0);
        Assert.Equal(
            1,
            search.Outcomes[OutcomeNames.Refused]
                - logged.Count(l => l.Description.StartsWith("tile") && l.Outcome == OutcomeNames.Refused)
        );
        Assert.Equal(search.Outcomes[OutcomeNames.Timed], search.Trials.Count(t => t.Measured.IsTimed));
        foreach (var reason in search.Outcomes.Keys.Where(k => k != OutcomeNames.Duplicate))
            Assert.Equal(search.Outcomes[reason], logged.Count(l => l.Outcome == reason));
    }

    [Fact]
    public void GoesOnWhereItStopped()
    {
        var (search, _) = Make(seed: 1);
        search.Run(SearchBudget.Of(30), default);
        double first = search.Best!.Milliseconds;
        for (int i = 0; i < 6 && search.Run(SearchBudget.Of(30), default) == StopReason.Budget; i++) { }
        Assert.True(search.Best!.Milliseconds <= first);
        Assert.Equal(1.0, search.Best.Milliseconds, 3);
        Assert.Equal(search.Trials.Count, search.Trials.Select(t => t.Candidate.Hash).Distinct().Count());
    }
}
