using Picograd.Search;
using Picograd.Search.Measurement;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

/// <summary>A budget shared by the operators of a program: by their parts of its time.</summary>
public sealed class SharedBudgetTests
{
    private static readonly PaperTarget Target = new(PaperTarget.Info);

    private static TuneTask Task(int m) => new(Machine.Task($"matmul m={m} n=32 k=32").Problem, Target);

    private static TuneOptions Options(string budget, Func<TuneTask, ICandidateRunner> runner) =>
        new()
        {
            Budget = SearchBudget.Parse(budget),
            Rules = [new TileRule()],
            Settings = new SearchSettings { Patience = 1000 },
            Runner = runner,
        };

    [Fact]
    public void At_first_each_gets_what_its_share_is_and_none_gets_nothing()
    {
        TuneTask[] tasks = [Task(32), Task(33), Task(34)];
        var measured = new Dictionary<TuneTask, SyntheticRunner>();
        // Measurements of each when the next begins.
        var first = new List<int>();
        Tuner.TuneAll(
            tasks,
            Options(
                "300trials",
                t =>
                {
                    if (measured.Count > 0)
                        first.Add(measured.Values.Last().Measurements);
                    return measured[t] = new SyntheticRunner(_ => 1, 1, noisy: false);
                }
            ),
            shares: [0.9, 0.09, 0.01]
        );
        // Half of the budget is 150; a third of that goes evenly, two thirds by share.
        Assert.InRange(first[0], 95, 115);
        Assert.InRange(first[1], 20, 35);
        Assert.Throws<ArgumentException>(() => Tuner.TuneAll(tasks, Options("9trials", _ => null!), shares: [1]));
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(2, false)]
    public void What_had_too_little_time_gets_another_chance_when_the_others_have_had_theirs(int failures, bool tuned)
    {
        TuneTask[] tasks = [Task(32), Task(33)];
        int begun = 0;
        var order = new List<TuneTask>();
        using var store = new MemoryTuneStore();
        var results = Tuner.TuneAll(
            tasks,
            Options(
                "60trials",
                t =>
                {
                    order.Add(t);
                    var runner = new SyntheticRunner(_ => 1, 1, noisy: false);
                    return t == tasks[0] && begun++ < failures ? new Hopeless(runner) : runner;
                }
            ) with
            {
                Store = store,
            }
        );
        Assert.Equal([tasks[0], tasks[1], tasks[0]], order);
        Assert.NotNull(results[1].Result);
        Assert.Equal(tuned, results[0].Result is not null);
        if (tuned)
            Assert.Null(results[0].Failure);
        else
            Assert.Contains("measured nothing: ", results[0].Failure);
    }

    /// <summary>Every candidate takes too long.</summary>
    private sealed class Hopeless(ICandidateRunner inner) : ICandidateRunner
    {
        public IReadOnlyList<Measured> Measure(
            IReadOnlyList<Candidate> candidates,
            double bestMilliseconds,
            CancellationToken cancel
        ) => [.. candidates.Select(_ => Measured.Failed(OutcomeNames.OverTime, "as the test asked"))];

        public RaceTimes Race(IReadOnlyList<Candidate> candidates, RacePlan plan, CancellationToken cancel) =>
            inner.Race(candidates, plan, cancel);

        public Certification Certify(Candidate candidate, TimeSpan? limit = null) => inner.Certify(candidate, limit);

        public void Dispose() => inner.Dispose();
    }
}
