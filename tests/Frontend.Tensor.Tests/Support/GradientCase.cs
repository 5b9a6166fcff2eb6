using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>A function whose derivative is tested: shapes of its arguments as "3x5 5" (- for a scalar).</summary>
internal sealed record GradientCase(string Name, Func<Tensor[], Tensor> Run, string Shapes, bool positive = false)
{
    private static readonly Tensor Picks = Tensor.From([2L, 0, 2]).Keep();
    private static readonly Tensor Pixels = Tensor.From([2L, 0, -100, 1], [2, 2]).Keep();
    private static readonly Tensor Weights = Tensor.From([0.5, 2, 1]).Keep();
    private static readonly Tensor Mask = Tensor.From([true, false, true, true, false]).Keep();

    public Tensor[] Inputs() =>
        [.. Shapes.Split(' ').Select((s, i) => Make.Values(Shape(s), DType.Float64, 10 + i, positive).RequiresGrad_())];

    private static long[] Shape(string text) => text == "-" ? [] : [.. text.Split('x').Select(long.Parse)];

    public static readonly GradientCase[] Table =
    [
        new("add", t => t[0] + t[1], "3x5 3x5"),
        new("add broadcast", t => t[0] + t[1], "3x5 5"),
        new("add both broadcast", t => t[0] + t[1], "3x1 2x1x5"),
        new("add scalar tensor", t => t[0] + t[1], "- 5"),
        new("sub", t => t[0] - t[1], "3x5 1x5"),
        new("mul", t => t[0] * t[1], "3x5 3x1"),
        new("mul by itself", t => t[0] * t[0], "3x5"),
        new("div", t => t[0] / t[1], "3x5 5", positive: true),
        new("pow", t => t[0].Pow(t[1]), "3x5 5", positive: true),
        new("maximum", t => t[0].Maximum(t[1]), "3x5 5"),
        new("minimum", t => t[0].Minimum(t[1]), "3x5 5"),
        new("numbers", t => 2 - (t[0] * 3 + 1) / 4 + 2 / t[0] - (t[0] - 7), "5", positive: true),
        new(
            "powers",
            t => t[0].Pow(3) + t[0].Pow(2) + t[0].Pow(0.5) + t[0].Pow(-1) + t[0].Pow(1.7),
            "5",
            positive: true
        ),
        new("neg", t => -t[0], "3"),
        new("abs", t => t[0].Abs(), "7"),
        new("relu", t => t[0].Relu(), "7"),
        new("square", t => t[0].Square(), "7"),
        new("tanh", t => t[0].Tanh(), "7"),
        new("exp", t => t[0].Exp(), "7"),
        new("log", t => t[0].Log(), "7", positive: true),
        new("sigmoid", t => t[0].Sigmoid(), "7"),
        new("sqrt", t => t[0].Sqrt(), "7", positive: true),
        new("rsqrt", t => t[0].Rsqrt(), "7", positive: true),
        new("reciprocal", t => t[0].Reciprocal(), "7", positive: true),
        new("erf", t => t[0].Erf(), "7"),
        new("sin", t => t[0].Sin(), "7"),
        new("cos", t => t[0].Cos(), "7"),
        new("silu", t => t[0].Silu(), "7"),
        new("gelu", t => t[0].Gelu(), "7"),
        new("floor", t => t[0].Floor() + t[0], "7"),
        new("clamp", t => t[0].Clamp(-1.234, 0.777), "7"),
        new("where", t => Tensor.Where(Mask, t[0], t[1]), "3x5 3x1"),
        new("clone", t => t[0].Clone(), "3"),
        new("to", t => t[0].To(DType.Float32).To(DType.Float64) * t[0], "3"),
        new("reshape", t => t[0].Reshape(5, 3), "3x5"),
        new("reshape of a transpose", t => t[0].T.Reshape(3, 5), "3x5"),
        new("permute", t => t[0].Permute(2, 0, 1), "2x3x5"),
        new("expand", t => t[0].Expand(4, 3, 5), "3x1"),
        new("squeeze", t => t[0].Squeeze().Unsqueeze(1), "3x1x5"),
        new("flatten", t => t[0].Flatten(1), "2x3x5"),
        new("narrow", t => t[0].Narrow(1, 1, 3), "3x5"),
        new("narrow of a transpose", t => t[0].T.Narrow(0, 1, 3), "3x5"),
        new("index", t => t[0][1], "3x5"),
        new("slice", t => t[0][.., 1..3] * 2, "3x5"),
        new("slice of a transpose", t => t[0].T[1..3, ^1], "3x5"),
        new("pick", t => t[0][Picks], "3x5"),
        new("pick behind", t => t[0][.., Picks], "2x4x5"),
        new("pick two", t => t[0][Picks, Tensor.From([0L, 4, 0])], "3x5"),
        new("gather", t => t[0].Gather(1, Tensor.From([0L, 0, 4, 1, 2, 2], [3, 2])), "3x5"),
        new("gather down", t => t[0].Gather(0, Tensor.From([0L, 0, 2, 1, 2], [1, 5])), "3x5"),
        new("cat", t => Tensor.Cat([t[0], t[1], t[0]], 1), "3x2 3x4"),
        new("stack", t => Tensor.Stack([t[0], t[1]]), "3 3"),
        new("sum", t => t[0].Sum(), "3x5"),
        new("sum of a dimension", t => t[0].Sum(1), "2x3x5"),
        new("sum kept", t => t[0].Sum([0, 2], keepdim: true), "2x3x5"),
        new("mean", t => t[0].Mean(), "3x5"),
        new("mean of a dimension", t => t[0].Mean(0, keepdim: true), "3x5"),
        new("var", t => t[0].Var([1]), "3x5"),
        new("var of two, kept, uncorrected", t => t[0].Var([0, 2], 0, keepdim: true), "2x3x5"),
        new("std of a dimension", t => t[0].Std(0), "3x5"),
        new("std", t => t[0].Std(), "3x5"),
        new("prod", t => t[0].Prod(1), "3x4"),
        new("amax", t => t[0].Amax([1]), "3x5"),
        new("amin", t => t[0].Amin([0], keepdim: true), "3x5"),
        new("max of all", t => t[0].Max(), "3x5"),
        new("max", t => t[0].Max(1).Values, "3x5"),
        new("min", t => t[0].Min(0, keepdim: true).Values, "3x5"),
        new("logsumexp", t => t[0].LogSumExp(1), "3x5"),
        new("logsumexp of all", t => t[0].LogSumExp(), "3x5"),
        new("logsumexp of a transpose, kept", t => t[0].Transpose(0, 3).LogSumExp([0, 2], keepdim: true), "2x3x1x4"),
        new("logsumexp of many dimensions", t => t[0].LogSumExp([0, 2, 4, 6]), "2x2x2x1x2x2x2x2"),
        new("cumsum", t => t[0].Cumsum(0), "3x5"),
        new("matmul", t => t[0].MatMul(t[1]), "3x5 5x2"),
        new("matmul of transposes", t => t[0].T.MatMul(t[1].T), "5x3 2x5"),
        new("matmul by itself", t => t[0].MatMul(t[0]), "3x3"),
        new("vector product", t => t[0].MatMul(t[1]), "5 5"),
        new("matrix by vector", t => t[0].MatMul(t[1]), "3x5 5"),
        new("vector by batch", t => t[0].MatMul(t[1]), "3 2x3x5"),
        new("batched", t => t[0].MatMul(t[1]), "2x3x5 2x5x4"),
        new("batch by matrix", t => t[0].MatMul(t[1]), "2x3x5 5x4"),
        new("matrix by batch", t => t[0].MatMul(t[1]), "3x5 2x5x4"),
        new("batches broadcast", t => t[0].MatMul(t[1]), "2x1x3x5 4x5x2"),
        new("linear", t => F.Linear(t[0], t[1]), "3x5 4x5"),
        new("linear with bias", t => F.Linear(t[0], t[1], t[2]), "2x3x5 4x5 4"),
        new("softmax", t => t[0].Softmax(), "3x5"),
        new("softmax down", t => t[0].Softmax(0), "3x5"),
        new("log_softmax", t => t[0].LogSoftmax(), "3x5"),
        new("attention", t => F.ScaledDotProductAttention(t[0], t[1], t[2]), "1x2x3x2 1x2x4x2 1x2x4x2"),
        new(
            "causal attention",
            t => F.ScaledDotProductAttention(t[0], t[1], t[2], isCausal: true),
            "2x1x4x3 2x1x3x3 2x1x3x3"
        ),
        new("attention, wide values", t => F.ScaledDotProductAttention(t[0], t[1], t[2]), "1x2x3x2 1x2x4x2 1x2x4x5"),
        new(
            "attention, shared heads",
            t => F.ScaledDotProductAttention(t[0], t[1], t[2], isCausal: true, enableGqa: true),
            "1x4x2x2 1x2x3x2 1x2x3x2"
        ),
        new(
            "attention with a mask",
            t => F.ScaledDotProductAttention(t[0], t[1], t[2], t[3], scale: 0.7),
            "2x2x3x2 2x2x4x2 2x2x4x2 2x1x3x4"
        ),
        new("cross_entropy", t => F.CrossEntropy(t[0], Picks), "3x5"),
        new("cross_entropy, sum", t => F.CrossEntropy(t[0], Picks, LossReduction.Sum), "3x5"),
        new("cross_entropy, none", t => F.CrossEntropy(t[0], Picks, LossReduction.None), "3x5"),
        new("cross_entropy of pixels", t => F.CrossEntropy(t[0], Pixels, weight: Weights), "2x3x2"),
        new(
            "cross_entropy, smooth",
            t => F.CrossEntropy(t[0], Pixels, LossReduction.Sum, labelSmoothing: 0.25),
            "2x3x2"
        ),
        new("cross_entropy, probabilities", t => F.CrossEntropy(t[0], t[1], labelSmoothing: 0.1), "3x4 3x4"),
        new("mse_loss", t => F.MseLoss(t[0], t[1]), "3x5 3x5"),
        new("mse_loss, transposed", t => F.MseLoss(t[0].T, t[1]), "5x3 3x5"),
        new("mse_loss, sum", t => F.MseLoss(t[0], t[1], LossReduction.Sum), "3x5 3x5"),
        new("embedding", t => F.Embedding(t[0], Tensor.From([1L, 1, 0, 3], [2, 2])), "4x3"),
        new("own, of elements", t => OwnOperators.Gated.Call(t[0], t[1]), "3x5 3x5"),
        new("own, broadcast", t => OwnOperators.Gated.Call(t[0], t[1]), "2x3x4 3x1"),
        new("own, by cases", t => OwnOperators.Huber.Call(t[0], t[1]), "7 7"),
        new("own, distances", t => OwnOperators.Distances.Call(t[0], t[1]), "4x3 5x3"),
        new("own, distances of one", t => OwnOperators.Distances.Call(t[0], t[1]), "1x1 1x1"),
        new("own, rows", t => OwnOperators.LogSumExp.Call(t[0]), "2x3x5"),
        new(
            "own, two outputs",
            t =>
            {
                var both = OwnOperators.Moments.CallAll(t[0]);
                return both[0] * 2 + both[1];
            },
            "3x4"
        ),
        new("own, one of two outputs", t => OwnOperators.Moments.CallAll(t[0])[1], "3x4"),
        new("own, gradient by hand", t => OwnOperators.Cubed.Call(t[0]), "2x3"),
        new("own, rows of a table", t => OwnOperators.Picked.Call(t[0], Tensor.From([1L, 3, 1], [3])), "4x3"),
        new("used twice", t => t[0].Tanh() * t[0] + t[0].Sum(), "5"),
    ];

    /// <summary>Asserts that gradients equal central differences of a function.</summary>
    public static void Compare(Tensor[] inputs, double[][] gradients, Func<Tensor[], double> loss, double tolerance)
    {
        const double Step = 1e-5;
        for (int i = 0; i < inputs.Length; i++)
        {
            for (int e = 0; e < inputs[i].NumElements; e++)
            {
                double At(double change)
                {
                    double[] values = inputs[i].ToDoubles();
                    values[e] += change;
                    Tensor[] moved = [.. inputs.Select(x => x.Detach().Clone().RequiresGrad_())];
                    moved[i] = Tensor.From(values, inputs[i].Shape).RequiresGrad_();
                    return loss(moved);
                }
                // "to" passes float32, whose steps are 1e-7 wide.
                double step = tolerance > 1e-4 ? 1e-2 : Step;
                double difference = (At(step) - At(-step)) / (2 * step);
                Assert.True(
                    Math.Abs(difference - gradients[i][e]) <= tolerance * Math.Max(1, Math.Abs(difference)),
                    $"argument {i}, element {e}: differences give {difference}, the derivative {gradients[i][e]}"
                );
            }
        }
    }
}
