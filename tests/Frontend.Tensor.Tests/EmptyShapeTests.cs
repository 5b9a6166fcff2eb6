using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Sizes of 0 anywhere in a shape: empty results of the right shape, and gradients through them.</summary>
public class EmptyShapeTests
{
    private static Tensor Z(params long[] shape) => Tensor.Zeros(shape);

    public static TheoryData<string, Func<Tensor>, long[]> Cases =>
        new()
        {
            { "times ones", () => Z(2, 0) * Tensor.Ones(1), [2, 0] },
            { "ones times", () => Tensor.Ones(1) * Z(2, 0), [2, 0] },
            { "inner", () => Z(3, 0, 4) * Tensor.Ones(4), [3, 0, 4] },
            { "both broadcast", () => Z(0, 1) + Tensor.Ones(5), [0, 5] },
            { "one of size one", () => Z(1, 0) + Tensor.Ones(7, 1), [7, 0] },
            { "of views", () => Z(3, 0, 4).Transpose(0, 2) - Tensor.Ones(3), [4, 0, 3] },
            { "compared", () => Z(3, 0, 4) < Tensor.Ones(3, 1, 1), [3, 0, 4] },
            { "power", () => Z(2, 0).Pow(Tensor.Ones(1)), [2, 0] },
            { "clamp", () => Z(2, 0).Clamp(0, 1), [2, 0] },
            { "var", () => Z(2, 0).Var([1]), [2] },
            { "std kept", () => Z(0, 3).Std([1], keepdim: true), [0, 1] },
            { "where", () => Tensor.Where(Z(2, 0) > 0, Tensor.Ones(1), Z(2, 1)), [2, 0] },
            { "where of a condition", () => Tensor.Where(Tensor.From([true]), Z(3, 0, 4), Tensor.Ones(4)), [3, 0, 4] },
            { "sum", () => Z(3, 0, 4).Sum(0), [0, 4] },
            { "sum over nothing", () => Z(3, 0, 4).Sum(1), [3, 4] },
            { "prod", () => Z(3, 0).Prod(1), [3] },
            { "amax beside", () => Z(3, 0).Amax([0]), [0] },
            { "max beside", () => Z(3, 0).Max(0).Values, [0] },
            { "any", () => Z(3, 0).Any([1]), [3] },
            { "cumsum", () => Z(3, 0, 4).Cumsum(0), [3, 0, 4] },
            { "softmax", () => Z(3, 0, 4).Softmax(0), [3, 0, 4] },
            { "log_softmax over nothing", () => Z(3, 0).LogSoftmax(1), [3, 0] },
            { "product to nothing", () => Z(0, 3).MatMul(Z(3, 4)), [0, 4] },
            { "product over nothing", () => Z(2, 0).MatMul(Z(0, 4)), [2, 4] },
            { "batched", () => Z(5, 0, 3).MatMul(Z(3, 4)), [5, 0, 4] },
            { "no batches", () => Z(0, 2, 3).MatMul(Z(1, 3, 4)), [0, 2, 4] },
            { "batches broadcast", () => Z(2, 0, 2, 3).MatMul(Z(1, 3, 4)), [2, 0, 2, 4] },
            { "linear", () => F.Linear(Z(2, 0, 3), Z(4, 3), Z(4)), [2, 0, 4] },
            { "cat", () => Tensor.Cat([Z(2, 0), Z(2, 3)], 1), [2, 3] },
            { "cat of nothing", () => Tensor.Cat([Z(0), Z(2, 3), Z(0)], 1), [2, 3] },
            { "cat of nothing but that", () => Tensor.Cat([Z(0), Z(0)]), [0] },
            { "stack", () => Tensor.Stack([Z(2, 0), Z(2, 0)], 1), [2, 2, 0] },
            { "slice", () => Z(3, 4)[2..2, new Slice(1, null, 2)], [0, 2] },
            { "slice of nothing", () => Z(3, 0)[.., 2..], [3, 0] },
            { "picked by nothing", () => Z(3, 4)[.., Tensor.Zeros([2, 0], DType.Int64)], [3, 2, 0] },
            { "picked from nothing", () => Z(3, 0)[Tensor.From([2L, 0])], [2, 0] },
            { "mask of nothing", () => Z(3, 0)[Z(3, 0) > 0], [0] },
            { "mask beside nothing", () => Z(3, 0)[Tensor.From([true, false, true])], [2, 0] },
            { "gather", () => Z(3, 0).Gather(1, Tensor.Zeros([2, 0], DType.Int64)), [2, 0] },
            { "index_select", () => Z(3, 4).IndexSelect(1, Tensor.Zeros([0], DType.Int64)), [3, 0] },
            { "embedding", () => F.Embedding(Z(3, 0), Tensor.From([1L])), [1, 0] },
            { "one_hot", () => F.OneHot(Tensor.Zeros([0], DType.Int64), 3), [0, 3] },
            { "reshape", () => Z(3, 0, 4).Reshape(0, 7), [0, 7] },
            { "flatten", () => Z(3, 0, 4).Flatten(1), [3, 0] },
            { "expand", () => Z(1, 0).Expand(5, 0), [5, 0] },
            { "expand to nothing", () => Z(1, 3).Expand(0, 3), [0, 3] },
            { "clone of a view", () => Z(3, 0, 4).Permute(2, 0, 1).Clone(), [4, 3, 0] },
            { "to", () => Z(2, 0).To(DType.Int32), [2, 0] },
            { "dropout of nothing", () => Z(2, 0) * (Tensor.Rand(2, 0) > 0.5).To(DType.Float32), [2, 0] },
        };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Shape(string name, Func<Tensor> run, long[] shape)
    {
        var result = run();
        Assert.True(shape.AsSpan().SequenceEqual(result.Shape), $"{name}: {result}");
        Assert.Equal(shape.Aggregate(1L, (n, e) => n * e), result.NumElements);
    }

    [Fact]
    public void OverNothing()
    {
        Assert.Equal([double.NaN, double.NaN], Z(2, 0).Var([1]).ToDoubles());
        Assert.Equal([0.0, 0], Z(2, 0).Sum(1).ToDoubles());
        Assert.Equal([0.0, 0, 0, 0], Z(1, 0).MatMul(Z(0, 4)).ToDoubles());
    }

    public static TheoryData<string, Func<Tensor, Tensor>, long[]> Gradients =>
        new()
        {
            { "mul", x => x * Tensor.Ones(1), [2, 0] },
            { "broadcast", x => x * Z(3, 0, 4), [4] },
            { "where", x => Tensor.Where(x > 0, x, Tensor.Ones(1)), [3, 0, 4] },
            { "slice", x => x[1..1, Tensor.Ellipsis], [2, 3] },
            { "step", x => x[new Slice(1, null, 2)], [3, 0] },
            { "pick", x => x[.., Tensor.Zeros([0], DType.Int64)], [2, 3] },
            { "mask", x => x[x > 9], [2, 3] },
            { "gather", x => x.Gather(1, Tensor.Zeros([2, 0], DType.Int64)), [2, 3] },
            { "cat", x => Tensor.Cat([x, x], 1), [2, 0] },
            { "product", x => x.MatMul(Z(3, 0)), [2, 3] },
            { "softmax", x => x.Softmax(1), [2, 0] },
            { "sum", x => x.Sum(0), [3, 0] },
            { "cumsum", x => x.Cumsum(0), [2, 0] },
        };

    [Theory]
    [MemberData(nameof(Gradients))]
    public void GradientsOfNothing(string name, Func<Tensor, Tensor> run, long[] shape)
    {
        var x = Tensor.Zeros(shape, DType.Float64).RequiresGrad_();
        run(x.To(DType.Float32)).Sum().Backward();
        Assert.True(x.Grad is not null && shape.AsSpan().SequenceEqual(x.Grad.Shape), name);
        Assert.All(x.Grad!.ToDoubles(), g => Assert.Equal(0, g));
    }
}
