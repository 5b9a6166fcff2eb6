using System.Collections.Immutable;
using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Own operators at their limits: as many inputs as there may be, names of dimensions, sizes of 0.</summary>
public sealed class OwnOperatorLimitTests
{
    private static readonly CustomOperator Product = CustomOperator.Define(
        "product_of_seven",
        "A[n], B[n], C[n], D[n], E[n], F[n], G[n] -> Y[n]",
        (AlgorithmBuilder g, ImmutableArray<Algorithms.Buffer> x) =>
        {
            var i = new Axis("i", x[0].Shape[0]);
            return [g.Stage("Y", [i], x.Skip(1).Aggregate((Expr)x[0][i], (product, next) => product * next[i]))];
        }
    );

    private static readonly CustomOperator Based = CustomOperator.Define(
        "sum_on_a_base",
        "B[n], X[m, n] -> Y[n]",
        (g, b, x) =>
        {
            var (i, j, k) = (new Axis("i", b.Shape[0]), new Axis("j", x.Shape[0]), new Axis("k", b.Shape[0]));
            var sum = g.Stage("S", [i], AlgorithmBuilder.Sum(j, x[j, i] * x[j, i]));
            return g.Stage("Y", [k], b[k] * b[k] + sum[k]);
        }
    );

    private static readonly CustomOperator AddedAt = CustomOperator.Define(
        "added_at",
        "B[n, d], I:i64[m], X[m, d] -> Y[n, d]",
        (g, b, at, x) =>
        {
            var (i, j) = (new Axis("i", at.Shape[0]), new Axis("j", b.Shape[1]));
            return g.Scatter("Y", [i, j], [.. b.Shape], [at[i], j.Var], x[i, j], Reducer.Sum(b.Type), b);
        }
    );

    private static readonly CustomOperator Positive = CustomOperator.Define(
        "count_positive",
        "X[m, n] -> C:i64[n]",
        (g, x) =>
        {
            var (i, j) = (new Axis("i", x.Shape[1]), new Axis("j", x.Shape[0]));
            var one = Op.Select(Op.Lt(0f, x[j, i]), Op.Const(1, DType.Int64), Op.Const(0, DType.Int64));
            return g.Stage("C", [i], AlgorithmBuilder.Sum(j, one));
        }
    );

    [Fact]
    public void Seven_inputs_have_gradients_and_these_have_theirs()
    {
        Tensor[] x = [.. Enumerable.Range(1, 7).Select(i => Tensor.Full([5], (float)i).RequiresGrad_())];
        var product = Product.Call(x);
        product.Sum().Backward(createGraph: true);
        Assert.All(x, (t, i) => Assert.Equal(Enumerable.Repeat(5040f / (i + 1), 5), t.Grad!.ToArray<float>()));
        // Of all first derivatives: once for each other factor.
        var first = x.Select(t => t.Grad!).ToList();
        foreach (var t in x)
            t.Grad = null;
        first.Aggregate((a, b) => a + b).Sum().Backward();
        for (int i = 0; i < x.Length; i++)
        {
            float expected = Enumerable.Range(1, 7).Where(j => j != i + 1).Sum(j => 5040f / (i + 1) / j);
            Assert.All(x[i].Grad!.ToArray<float>(), v => Assert.Equal(expected, v, expected * 1e-6));
        }
    }

    [Fact]
    public void Too_many_names_of_dimensions_are_refused()
    {
        string Dims(char first, int count) => string.Join(", ", Enumerable.Range(0, count).Select(i => $"{first}{i}"));
        string signature = $"A[{Dims('a', 6)}], B[{Dims('b', 6)}], C[{Dims('c', 5)}] -> Y[a0]";
        var refusal = Assert.Throws<ArgumentException>(() =>
            CustomOperator.Define(
                "of_many_dimensions",
                signature,
                (g, a, b, c) => throw new InvalidOperationException()
            )
        );
        Assert.Contains("17 dimensions of different names, but 16 are the most", refusal.Message);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(1)]
    [InlineData(0)]
    public void Gradients_beside_a_sum_of_nothing_are_the_others(int rows)
    {
        var b = Tensor.From([1f, 2, 3]).RequiresGrad_();
        var x = Tensor.Full([rows, 3], 2f).RequiresGrad_();
        var y = Based.Call(b, x);
        Assert.Equal([1f + 4 * rows, 4 + 4 * rows, 9 + 4 * rows], y.ToArray<float>());
        y.Sum().Backward(createGraph: true);
        Assert.Equal([2f, 4, 6], b.Grad!.ToArray<float>());
        Assert.Equal(Enumerable.Repeat(4f, 3 * rows), x.Grad!.ToArray<float>());
        var slope = b.Grad!;
        b.Grad = null;
        slope.Sum().Backward();
        Assert.Equal([2f, 2, 2], b.Grad!.ToArray<float>());
    }

    [Theory]
    [InlineData(DType.Float32)]
    [InlineData(DType.BFloat16)]
    public void Integers_may_be_of_no_elements(DType type)
    {
        var b = Tensor.From([1f, 2, 3, 4]).Reshape(2, 2).To(type).RequiresGrad_();
        var none = Tensor.Zeros([0, 2], type).RequiresGrad_();
        var y = AddedAt.Call(b, Tensor.Zeros([0], DType.Int64), none);
        Assert.Equal([1f, 2, 3, 4], y.To(DType.Float32).ToArray<float>());
        (y * y).Sum().Backward();
        Assert.Equal([2f, 4, 6, 8], b.Grad!.To(DType.Float32).ToArray<float>());
        Assert.Equal(0, none.Grad!.NumElements);
        Assert.Equal([0L, 0, 0], Positive.Call(Tensor.Zeros([0, 3], type)).ToArray<long>());
        Assert.Equal([2L, 2, 2], Positive.Call(Tensor.Ones([2, 3], type)).ToArray<long>());
    }
}
