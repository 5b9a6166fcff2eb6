using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>A program's own operators stay within their buffers, whatever indices they are given: kernels do not check.</summary>
public sealed class CustomOperatorIndexTests
{
    private static readonly CustomOperator s_picked = CustomOperator.Define(
        "index_picked",
        "W[v, d], I:i64[m] -> Y[m, d]",
        (g, w, index) =>
        {
            var (i, k) = (new Axis("i", index.Shape[0]), new Axis("k", w.Shape[1]));
            return g.Stage("Y", [i, k], w[index[i], k] * 2);
        }
    );

    // Each row beside the one that a number in it names, modulo the rows; the row where it is largest.
    private static readonly CustomOperator s_wrapped = CustomOperator.Define(
        "index_wrapped",
        "W[v, d], I:i32[v] -> Y[v, d]",
        (g, w, index) =>
        {
            var (i, k) = (new Axis("i", w.Shape[0]), new Axis("k", w.Shape[1]));
            var place = Op.Mod(Op.Cast(DType.Int64, index[i]), w.Shape[0]);
            return g.Stage("Y", [i, k], w[place, k] + w[w.Shape[0] - 1 - i, k]);
        }
    );

    private static readonly CustomOperator s_largest = CustomOperator.Define(
        "index_largest",
        "X[n, d] -> Y[n]",
        (g, x) =>
        {
            var (i, k) = (new Axis("i", x.Shape[0]), new Axis("k", x.Shape[1]));
            var most = g.TupleStage("M", [i], AlgorithmBuilder.ArgMax(k, x[i, k]));
            return g.Stage("Y", [i], x[i, most[1][i]]);
        }
    );

    // Neighbours, zeros beyond the ends: proven by no rule, evaluated.
    private static readonly CustomOperator s_neighbours = CustomOperator.Define(
        "index_neighbours",
        "X[n] -> Y[n]",
        (g, x) =>
        {
            var i = new Axis("i", x.Shape[0]);
            var next = Op.Select(Op.Lt(i + 1, x.Shape[0]), x[i + 1], Op.Const(0, x.Type));
            return g.Stage("Y", [i], next + Op.Select(Op.Le(1, i), x[i - 1], Op.Const(0, x.Type)));
        }
    );

    private static readonly CustomOperator s_third = CustomOperator.Define(
        "index_third",
        "X[n, d] -> Y[n]",
        (g, x) =>
        {
            var i = new Axis("i", x.Shape[0]);
            return g.Stage("Y", [i], x[i, 2]);
        }
    );

    [Theory]
    [InlineData(4)]
    [InlineData(-1)]
    [InlineData(long.MaxValue)]
    public void Indices_out_of_range_are_refused(long index)
    {
        var table = Tensor.Randn([4, 3]).RequiresGrad_();
        Refused<IndexOutOfRangeException>(
            () => s_picked.Call(table, Tensor.From<long>([0, index], [2])),
            $"index_picked: I: index {index} at place 1",
            "there are 4"
        );
    }

    [Fact]
    public void Indices_in_range_give_rows_and_gradients()
    {
        var table = Tensor.From<float>([1, 2, 3, 4, 5, 6], [3, 2]).RequiresGrad_();
        var rows = s_picked.Call(table, Tensor.From<long>([2, 0, 2], [3]));
        Assert.Equal([10, 12, 2, 4, 10, 12], rows.ToArray<float>());
        rows.Sum().Backward();
        Assert.Equal([2, 2, 0, 0, 4, 4], table.Grad!.ToArray<float>());
    }

    [Fact]
    public void Texts_to_tune_say_what_indices_hold()
    {
        string text = s_picked.TextFor(Tensor.Zeros([4, 3]), Tensor.From<long>([0, 3], [2]));
        Assert.Contains("I: i64[2] below 4", text, StringComparison.Ordinal);
        Assert.Equal(text, Problem.Parse(text).Text);
    }

    [Fact]
    public void Places_in_range_whatever_the_data_need_no_check()
    {
        var x = Tensor.From<float>([1, 2, 3, 4, 5, 6], [3, 2]);
        var wrapped = s_wrapped.Call(x, Tensor.From<int>([-1, 4, int.MinValue], [3]));
        // −2³¹ mod 3 is 1.
        Assert.Equal([5 + 5, 6 + 6, 3 + 3, 4 + 4, 3 + 1, 4 + 2], wrapped.ToArray<float>());
        Assert.Equal([2, 4, 6], s_largest.Call(x).ToArray<float>());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(17)]
    public void Places_under_conditions_are_evaluated(int n)
    {
        float[] given = [.. Enumerable.Range(1, n).Select(v => (float)v)];
        var result = s_neighbours.Call(Tensor.From<float>(given, [n])).ToArray<float>();
        for (int i = 0; i < n; i++)
            Assert.Equal((i > 0 ? given[i - 1] : 0) + (i + 1 < n ? given[i + 1] : 0), result[i]);
    }

    [Fact]
    public void Sizes_that_an_operator_cannot_have_are_refused()
    {
        Assert.Equal([3, 6], s_third.Call(Tensor.From<float>([1, 2, 3, 4, 5, 6], [2, 3])).ToArray<float>());
        Refused<ArgumentException>(
            () => s_third.Call(Tensor.Zeros([2, 2])),
            "index_third",
            "of X[2, 2]",
            "index 2 of X is outside [0, 2) in dimension 1"
        );
    }

    [Fact]
    public void Definitions_that_leave_their_buffers_are_refused()
    {
        Refused<ArgumentException>(
            () =>
                CustomOperator.Define(
                    "index_own1",
                    "X[n] -> Y[n]",
                    (g, x) =>
                    {
                        var i = new Axis("i", x.Shape[0]);
                        return g.Stage("Y", [i], x[i + 1]);
                    }
                ),
            "index_own1: of X[5]",
            "X"
        );
        Refused<ArgumentException>(
            () =>
                CustomOperator.Define(
                    "index_own1",
                    "X[n], I:i64[m] -> Y[m]",
                    (g, x, index) =>
                    {
                        var i = new Axis("i", index.Shape[0]);
                        return g.Stage("Y", [i], x[index[i] + 1]);
                    }
                ),
            "index_own1: stage Y",
            "dimension 0 of X",
            "Op.Mod"
        );
    }

    [Theory]
    [InlineData("X[n -> Y[n]", "is not closed")]
    [InlineData("X[n] Z[n] -> Y[n]", "a comma is missing behind 'X[n]'")]
    [InlineData("X -> Y[n]", "'X' has no brackets")]
    [InlineData("X[n] -> Y", "'Y' has no brackets")]
    [InlineData("X[n], Z -> Y[n]", "'Z' has no brackets")]
    public void Malformed_signatures_are_told(string signature, string told)
    {
        Refused<ArgumentException>(
            () => CustomOperator.Define("index_own2", signature, (g, x) => x[0..1]),
            "index_own2",
            told
        );
    }

    private static void Refused<T>(Func<object> call, params string[] told)
        where T : Exception
    {
        string message = Assert.Throws<T>(call).Message;
        Assert.All(told, part => Assert.Contains(part, message, StringComparison.Ordinal));
    }
}
