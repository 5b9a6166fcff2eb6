using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Search;
using Picograd.Tune;
using Picograd.TuneDb;

namespace Picograd.Tests;

/// <summary>What of a program's operators is tuned with a budget.</summary>
public sealed class PlanTests
{
    private static readonly SearchBudget Ample = SearchBudget.Seconds(600);

    private static RanOperator Ran(string spec, double milliseconds, bool isTuned = false) =>
        new(spec, OperatorSpec.Parse(spec), 10, milliseconds, isTuned);

    // Records of some operators, each with its gain over the default schedule.
    private static Func<Problem, TuneRecord?> Stored(params (string Spec, double Gain)[] records) =>
        spec =>
            Array.Find(records, r => OperatorSpec.Parse(r.Spec).Equals(spec.Operator)) is { Spec: not null } found
                ? new TuneRecord
                {
                    Key = new TuneKey("", "", "", "", "", "", ""),
                    Spec = found.Spec,
                    Trace = "t",
                    Milliseconds = 1,
                    DefaultMilliseconds = found.Gain,
                    Certification = new Certification(0, true, true),
                    Provenance = new Provenance(DateTime.UtcNow, "", 0, "", 0, "", "", ""),
                }
                : null;

    private static string[] Chosen(TuningPlan plan) => [.. plan.Chosen.Select(o => o.Spec.ToString())];

    private static string Told(TuningPlan plan, SearchBudget budget)
    {
        var text = new StringWriter();
        plan.Tell(text, budget);
        return text.ToString();
    }

    [Fact]
    public void The_longest_come_first_and_what_cannot_be_felt_is_left_out()
    {
        var plan = TuningPlan.Of(
            [Ran("tanh n=8", 1), Ran("matmul m=8 n=8 k=8", 900), Ran("exp n=8", 98.5), Ran("add n=8", 0.5)],
            Ample,
            Stored(),
            again: false
        );
        Assert.Equal(["matmul m=8 n=8 k=8", "exp n=8"], Chosen(plan));
        Assert.Equal([0.9, 0.0985], plan.Shares!.Select(s => Math.Round(s, 6)));
        string told = Told(plan, Ample);
        Assert.Contains("2 operators are to be tuned, 100 % of the time untuned, budget 600s", told);
        Assert.Contains("2 operators are left out, 0.15 % of the time: each takes less than 0.20 %", told);
    }

    [Fact]
    public void Of_a_list_without_times_all_are_tuned_in_its_order()
    {
        var plan = TuningPlan.Of(
            [Ran("tanh n=8", 0), Ran("matmul m=8 n=8 k=8", 0), Ran("exp n=8", 0)],
            SearchBudget.Of(1),
            Stored(("exp n=8", 2)),
            again: false
        );
        Assert.Equal(["tanh n=8", "matmul m=8 n=8 k=8"], Chosen(plan));
        Assert.Null(plan.Shares);
        Assert.Equal("exp n=8", Assert.Single(plan.Tuned).Spec.ToString());
    }

    [Fact]
    public void What_is_tuned_is_left_unless_it_is_wanted_again()
    {
        RanOperator[] ran = [Ran("matmul m=8 n=8 k=8", 500), Ran("exp n=8", 500)];
        var stored = Stored(("exp n=8", 2));
        var plan = TuningPlan.Of(ran, Ample, stored, again: false);
        Assert.Equal(["matmul m=8 n=8 k=8"], Chosen(plan));
        Assert.Contains("1 operator is tuned already, 50 % of the time untuned and left as it is", Told(plan, Ample));
        Assert.Equal(2, TuningPlan.Of(ran, Ample, stored, again: true).Chosen.Count);
    }

    [Fact]
    public void A_second_run_has_nothing_left_though_what_was_tuned_takes_less_time_now()
    {
        // Untuned 600 + 398 + 1.9; the small one was left out, and is more than its least share of what remains.
        RanOperator[] before = [Ran("matmul m=8 n=8 k=8", 600), Ran("exp n=8", 398), Ran("add n=8", 1.9)];
        Assert.Equal(2, TuningPlan.Of(before, Ample, Stored(), again: false).Chosen.Count);
        RanOperator[] after =
        [
            Ran("matmul m=8 n=8 k=8", 100, isTuned: true),
            Ran("exp n=8", 39.8, isTuned: true),
            Ran("add n=8", 2.5),
        ];
        var plan = TuningPlan.Of(after, Ample, Stored(("matmul m=8 n=8 k=8", 6), ("exp n=8", 10)), again: false);
        Assert.Empty(plan.Chosen);
        string told = Told(plan, Ample);
        Assert.Contains("2 operators are tuned already, 100 % of the time untuned", told);
        Assert.Contains(
            "1 operator is left out, 0.25 % of the time: each takes less than 3.00 %, while 100 % are tuned",
            told
        );
        Assert.Contains("nothing is left to tune", told);
    }

    [Fact]
    public void Of_the_many_shapes_of_a_class_only_those_of_weight_are_tuned()
    {
        var ran = Enumerable.Range(0, 1000).Select(i => Ran($"softmax rows={300 + i} cols=64", 0.5)).ToList();
        ran.Add(Ran("softmax rows=290 cols=64", 100));
        ran.Add(Ran("matmul m=8 n=8 k=8", 400));
        var plan = TuningPlan.Of(ran, Ample, Stored(), again: false);
        Assert.Equal(["matmul m=8 n=8 k=8", "softmax rows=290 cols=64"], Chosen(plan));
        Assert.Contains(
            "1000 operators are left out, 50 % of the time: shapes of softmax, each less than 1.00 % and of a class whose many shapes share a kernel",
            Told(plan, Ample)
        );
        // A few shapes are tuned each.
        var few = Enumerable.Range(0, 8).Select(i => Ran($"softmax rows={300 + i} cols=64", 0.5)).ToList();
        few.Add(Ran("matmul m=8 n=8 k=8", 100));
        Assert.Equal(9, TuningPlan.Of(few, Ample, Stored(), again: false).Chosen.Count);
    }

    [Theory]
    [InlineData("15s", 10)]
    [InlineData("1s", 1)]
    [InlineData("20trials", 5)]
    [InlineData("1trials", 1)]
    public void No_more_are_tuned_than_the_budget_suffices_for(string budget, int count)
    {
        var spend = SearchBudget.Parse(budget);
        string[] functions = ["tanh", "exp", "log", "sqrt", "sin", "cos", "relu", "erf", "abs", "neg", "gelu", "silu"];
        var plan = TuningPlan.Of([.. functions.Select((f, i) => Ran($"{f} n=8", 100 - i))], spend, Stored(), false);
        Assert.Equal(functions.Take(count).Select(f => $"{f} n=8"), Chosen(plan));
        Assert.Contains($"the budget of {spend} is too small for more than {count};", Told(plan, spend));
    }
}
