using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.Search;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

/// <summary>Problems with symbolic extents: text form, keys, certification at the ends of their bounds and within, tuning.</summary>
public class RangeTests
{
    private static ITuningTarget Target => Machine.Task("relu n=3").On;

    [Theory]
    [InlineData("softmax rows=1..4096 cols=768", "softmax rows=1..4096@131 cols=768", 131)]
    [InlineData("softmax rows=1..4096@512 cols=768", "softmax rows=1..4096@509 cols=768", 509)]
    [InlineData("tanh n=100..104", "tanh n=100..104@103", 103)]
    [InlineData("tanh n=5000..80000", "tanh n=5000..80000@19997", 19997)]
    public void Ranges_have_a_text_form(string text, string canonical, long point)
    {
        var problem = Problem.OfOperator(text);
        Assert.True(problem.IsRange);
        Assert.Equal((canonical, point), (problem.Label, problem.Point.Single()));
        Assert.Equal(problem, Problem.Read(problem.Label, problem.Text));
        Assert.Equal(problem.Text, Problem.Parse(problem.Text).Text);
        Assert.Equal(
            OperatorSpec.Parse(
                canonical.Split(' ')[0]
                    + " "
                    + string.Join(
                        ' ',
                        canonical.Split(' ')[1..].Select(w => w.Contains("..") ? $"{w.Split('=')[0]}={point}" : w)
                    )
            ),
            problem.At(problem.Point).Operator
        );
    }

    [Theory]
    [InlineData("softmax rows=4..1 cols=7", "is no range")]
    [InlineData("softmax rows=0..9 cols=7", "is no range")]
    [InlineData("softmax rows=1..9@10 cols=7", "is no range")]
    [InlineData("softmax rows=1.. cols=7", "is no range")]
    [InlineData("matmul m=8 n=1..9 k=8", "n cannot be a range")]
    [InlineData("softmax rows=1..9 cols=7 dtype=f32..f64", "is no range")]
    [InlineData("softmax rows=1..999999999999 cols=999999", "softmax: ")]
    public void What_is_no_range_is_refused(string text, string why) =>
        Assert.Contains(
            why,
            Assert.Throws<OperatorSpecException>(() => Problem.OfOperator(text)).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void Members_find_the_key_of_their_range()
    {
        var key = TuneKeys.Of(Problem.OfOperator("softmax rows=1..4096 cols=768"), Target.Backend.Target);
        Assert.Equal("e0<=4096,e1=768", key.Shapes);
        TuneKey Key(string spec) => TuneKeys.Of(OperatorSpec.Parse(spec), Target.Backend.Target);
        Assert.Equal(0, Key("softmax rows=4096 cols=768").LogDistance(key));
        Assert.Equal(0, key.LogDistance(Key("softmax rows=1 cols=768")));
        Assert.True(key.LogDistance(Key("softmax rows=8192 cols=768")) > 0.6);
        Assert.True(key.LogDistance(Key("softmax rows=5 cols=700")) > 0.05);
        Assert.True(key.SameFamily(Key("softmax rows=5 cols=768")));
        using var store = new MemoryTuneStore();
        Assert.NotEqual(key, Key("softmax rows=4096 cols=768"));
    }

    [Fact]
    public void A_problem_knows_whether_it_is_one_of_a_range()
    {
        var range = Problem.OfOperator("softmax rows=2..100 cols=768");
        Assert.Equal([37L], range.ExtentsOf(OperatorSpec.Parse("softmax rows=37 cols=768"))!.Value.AsEnumerable());
        Assert.Null(range.ExtentsOf(OperatorSpec.Parse("softmax rows=101 cols=768")));
        Assert.Null(range.ExtentsOf(OperatorSpec.Parse("softmax rows=1 cols=768")));
        Assert.Null(range.ExtentsOf(OperatorSpec.Parse("softmax rows=37 cols=767")));
        Assert.Null(range.ExtentsOf(OperatorSpec.Parse("log_softmax rows=37 cols=768")));
        Assert.Null(range.ExtentsOf(range));
    }

    [Theory]
    [InlineData("softmax rows=1..300 cols=100")]
    [InlineData("layernorm rows=2..90 cols=131")]
    [InlineData("tanh n=1..5000")]
    [InlineData("cumsum rows=1..40 cols=77")]
    [InlineData("embedding.adjoint vocab=27 dim=10 rows=1..96")]
    public void Schedules_over_a_range_are_certified_at_its_ends_and_within(string text)
    {
        var range = Problem.OfOperator(text);
        var task = new TuneTask(range, Target);
        var standard = DefaultSchedule.For(task.Measured.Algorithm, Target.Backend.Target);
        var nest = task.Replay(Trace.Of(standard).ToString());
        Assert.Equal(NestHash.Of(task.Open(standard)), NestHash.Of(nest));
        var result = new RangeCertifier(range, Target, seed: 3).Certify(nest);
        Assert.True(result.Ok, result.Detail);
        var ends = range.Algorithm.Parameters.Single();
        Assert.Contains($" at {ends.Min}; {ends.Max}; ", result.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("i <= 200", true)]
    [InlineData("i <= 89", false)]
    [InlineData("10 <= i || i == 0", false)]
    public void A_kernel_that_is_wrong_somewhere_in_the_range_fails(string where, bool right)
    {
        Algorithm Copy(string value) =>
            Algorithms.Text.AlgorithmText.Parse(
                $"algorithm copy\n parameter N in 1..91\n input X: f32[N]\n Y[i] = {value} over i<N\n output Y\n"
            );
        var range = Problem.Of(Copy("X[i]"));
        var result = new RangeCertifier(range, Target, seed: 3).Certify(
            InitialNest.Of(Copy($"select({where}, X[i], 7.0)"))
        );
        Assert.Equal(right, result.Ok);
    }

    [Fact]
    public void A_range_is_tuned_and_stored()
    {
        var range = Problem.OfOperator("softmax rows=1..200 cols=100");
        using var store = new MemoryTuneStore();
        var task = new TuneTask(range, Target);
        var result = Tuner.Tune(task, new TuneOptions { Budget = SearchBudget.Of(6), Store = store });
        Assert.True(result.Certification.Ok, result.Certification.Detail);
        Assert.Equal(PutOutcome.Added, result.Stored);
        var record = store.FindExact(task.Key)!;
        Assert.Equal(result.Trace, record.Trace);
        Assert.Contains("at 1; 200; 131; ", record.Certification.Detail, StringComparison.Ordinal);
        Assert.Contains("range(size.rows,1,200)", record.Guards);
        Assert.Equal(range.Text, record.ProblemText);
        Assert.Equal(
            record,
            store
                .FindNear(TuneKeys.Of(OperatorSpec.Parse("softmax rows=7 cols=100"), Target.Backend.Target), 3)
                .Single()
        );
    }
}
