using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Recipes;
using Picograd.Schedules.Rules;
using Picograd.Search;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

/// <summary>A rule that throws something else than a refusal costs its own schedules, is told, and stops nothing.</summary>
public class RuleErrorTests
{
    private static readonly TuneTask Task = new(
        Machine.Task("matmul m=32 n=48 k=40").Problem,
        new PaperTarget(PaperTarget.Info)
    );

    private static readonly Exception[] Errors =
    [
        new InvalidOperationException("Sequence contains no matching element"),
        new KeyNotFoundException("no such knob"),
        new NullReferenceException(),
        new IndexOutOfRangeException("at 7"),
        new DivideByZeroException(),
        new OverflowException("too far"),
        new InvalidCastException(),
        new NotSupportedException("not this"),
    ];

    public static TheoryData<int, bool> Kinds()
    {
        var data = new TheoryData<int, bool>();
        for (int i = 0; i < Errors.Length; i++)
        {
            data.Add(i, true);
            data.Add(i, false);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void TheSearchGoesOnWithTheOthersAndSaysSo(int error, bool inKnobs)
    {
        using var store = new MemoryTuneStore();
        var options = new TuneOptions
        {
            Budget = SearchBudget.Of(30),
            Store = store,
            Rules = [new ThrowingRule(Errors[error], inKnobs), new TileRule()],
            Runner = _ => new SyntheticRunner(c => c.Rule is TileRule ? 1 : 2, 1, noisy: false),
        };
        var result = Tuner.Tune(Task, options);
        Assert.True(result.Certification.Ok);
        Assert.StartsWith("tile", result.Description);
        string told = Assert.Single(result.RuleErrors);
        Assert.Contains("throwing: " + Errors[error].GetType().Name, told);
        Assert.True(result.Outcomes[OutcomeNames.RuleError] >= 1);
        Assert.False(result.Outcomes.ContainsKey(OutcomeNames.InternalError));
        if (!inKnobs)
            Assert.Contains(store.Candidates(), c => c.Outcome == OutcomeNames.RuleError);
    }

    [Fact]
    public void ARefusalIsNoError()
    {
        var options = new TuneOptions
        {
            Budget = SearchBudget.Of(10),
            Rules = [new RefusingRule(), new TileRule()],
            Runner = _ => new SyntheticRunner(_ => 1, 1, noisy: false),
        };
        Assert.Empty(Tuner.Tune(Task, options).RuleErrors);
    }

    private sealed class ThrowingRule(Exception error, bool inKnobs) : ScheduleRule
    {
        public override string Name => "throwing";

        public override bool Applies(Algorithm algorithm, TargetInfo target) => true;

        public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target) =>
            inKnobs ? throw error : [new Knob("k", 1, [1, 2, 3], 1)];

        protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices) => throw error;
    }
}
