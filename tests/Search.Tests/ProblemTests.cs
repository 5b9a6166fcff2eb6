using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Guards;
using Picograd.Schedules.Ir;
using Picograd.Search;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

/// <summary>What no operator names is tuned, certified and keyed as operators are.</summary>
public class ProblemTests
{
    private const string Gated = """
        algorithm gated
          input X: f32[33, 47]
          input W: f32[47] positive
          S[r] = reduce.sum(X[r, c] * X[r, c]) over r<33, c<47 reduce
          Y[r, c] = select(0.0 < X[r, c], X[r, c] * W[c], X[r, c] * rsqrt(S[r] / 47.0 + 1.0)) over r<33, c<47
          output Y
        """;

    // A window: what is read depends on two extents together.
    private const string Window = """
        algorithm window
          input X: f32[41]
          input K: f32[5]
          Y[i] = reduce.sum(X[i + k] * K[k]) over i<37, k<5 reduce
          output Y
        """;

    private const string Gather = """
        algorithm gather
          input W: f32[19, 8]
          input I: i64[11] below 19
          Y[r, d] = W[I[r], d] over r<11, d<8
          output Y
        """;

    [Theory]
    [InlineData(Gated)]
    [InlineData(Window)]
    [InlineData(Gather)]
    public void Algorithms_of_texts_are_certified_on_neighbours_of_theirs(string text)
    {
        var problem = Problem.Parse(text);
        var task = Machine.Task("relu n=3") with { Problem = problem };
        var nest = DefaultSchedule.For(task.Algorithm, task.Target);
        var result = new Certifier(problem, task.On, seed: 3).Certify(nest);
        Assert.True(result.Ok, result.Detail);
        Assert.Contains($"right on {problem.Algorithm.Name}:", result.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_kernel_of_a_text_fails()
    {
        var task = Machine.Task("matmul m=8 n=16 k=24");
        var problem = Problem.Parse(task.Problem.Text);
        var result = new Certifier(problem, task.On, seed: 3).Certify(Machine.Tiled(task, "wrong").Nest);
        Assert.False(result.Ok);
    }

    [Theory]
    [InlineData(Gated, "f32[32, 46]", "f32[46]")]
    [InlineData(Gather, "f32[18, 7]", "i64[10]")]
    public void Neighbours_change_extents_by_structure(string text, string first, string second)
    {
        var near = RaggedShape.Near(Problem.Parse(text))!;
        Assert.Contains($": {first}", near.Text, StringComparison.Ordinal);
        Assert.Contains($": {second}", near.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("47", near.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_neighbour_stays_within_its_buffers()
    {
        var near = RaggedShape.Near(Problem.Parse(Window))!;
        Evaluator.Run(near.Algorithm, near.MakeInputs(1));
        Assert.NotEqual(Problem.Parse(Window), near);
    }

    public static TheoryData<string> Operators => [.. OperatorLibrary.All.Select(o => o.Name)];

    [Theory]
    [MemberData(nameof(Operators))]
    public void An_operator_and_its_text_are_one_problem(string name)
    {
        var named = OperatorSpec.Parse(OperatorLibrary.Find(name)!.Example).Problem;
        var read = Problem.Parse(named.Text);
        Assert.Equal(named.Text, read.Text);
        Assert.Equal(named, read);
        Assert.Equal(named.GetHashCode(), read.GetHashCode());
        Assert.Equal(named.Hash, read.Hash);
        Assert.Same(named.Operator!.GetType(), Problem.Read(named.Label, named.Text).Operator!.GetType());
        var target = Machine.Task("relu n=3").Target;
        Assert.Equal(TuneKeys.Of(named, target), TuneKeys.Of(read, target));
        Assert.Equal(named.Flops, read.Flops);
        Assert.Equal(named.CertificationKinds, read.CertificationKinds);
        // The same inputs, element by element.
        var (mine, other) = (named.MakeInputs(5), read.MakeInputs(5));
        foreach (var (a, b) in named.Algorithm.Inputs.Zip(read.Algorithm.Inputs))
        {
            for (int i = 0; i < mine[a].Length; i++)
                Assert.Equal(mine[a].At(i), other[b].At(i));
        }
        // A neighbour, if there is one, can be evaluated.
        if (RaggedShape.Near(read) is { } near)
            Evaluator.Run(near.Algorithm, near.MakeInputs(1));
    }

    [Fact]
    public void Keys_tell_shapes_dtypes_and_structures_apart()
    {
        var target = Machine.Task("relu n=3").Target;
        TuneKey Key(string text) => TuneKeys.Of(Problem.Parse(text), target);
        var one = Key(Gated);
        var wider = Key(Gated.Replace("47", "48", StringComparison.Ordinal));
        Assert.True(one.SameFamily(wider));
        Assert.NotEqual(one, wider);
        Assert.InRange(one.LogDistance(wider)!.Value, 0.001, 0.1);
        Assert.False(one.SameFamily(Key(Gated.Replace("rsqrt", "sqrt", StringComparison.Ordinal))));
        // Names are labels.
        string renamed = Gated
            .Replace("gated", "other", StringComparison.Ordinal)
            .Replace("Y[", "Out[", StringComparison.Ordinal)
            .Replace("output Y", "output Out", StringComparison.Ordinal);
        Assert.Equal(one, Key(renamed));
    }

    [Fact]
    public void Guards_are_written_and_read_in_one_place()
    {
        var task = Machine.Task("matmul m=8 n=16 k=24");
        var guards = Guard.Of(task.Algorithm, task.Target);
        Assert.Equal("align(A,4), align(B,4), align(C,4), disjoint(C)", string.Join(", ", guards));
        Guard[] all = [.. guards, new Guard.Contiguous("A"), new Guard.Range("n", 1, 4096)];
        Assert.Equal(all, all.Select(g => Guard.TryParse(g.ToString())));
        foreach (
            string wrong in new[]
            {
                "",
                "align",
                "align(A)",
                "align(A,0)",
                "align(A,x)",
                "range(n,5,1)",
                "shape(A)",
                "disjoint()",
            }
        )
            Assert.Null(Guard.TryParse(wrong));
    }
}
