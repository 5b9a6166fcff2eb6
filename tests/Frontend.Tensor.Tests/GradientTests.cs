using Picograd.Algorithms;
using Picograd.Nn;
using Xunit;

namespace Picograd.Tests;

/// <summary>The gradient of every operator against central differences, in float64.</summary>
public class GradientTests
{
    private static readonly Tensor Picks = Tensor.From([2L, 0, 2]).Keep();
    private static readonly Tensor Mask = Tensor.From([true, false, true, true, false]).Keep();

    /// <summary>Name, function, shapes of its arguments, whether they must be positive.</summary>
    private static readonly (string Name, Func<Tensor[], Tensor> Run, long[][] Shapes, bool Positive)[] Table =
    [
        (
            "add",
            t => t[0] + t[1],
            [
                [3, 5],
                [3, 5],
            ],
            false
        ),
        (
            "add broadcast",
            t => t[0] + t[1],
            [
                [3, 5],
                [5],
            ],
            false
        ),
        (
            "add both broadcast",
            t => t[0] + t[1],
            [
                [3, 1],
                [2, 1, 5],
            ],
            false
        ),
        (
            "add scalar tensor",
            t => t[0] + t[1],
            [
                [],
                [5],
            ],
            false
        ),
        (
            "sub",
            t => t[0] - t[1],
            [
                [3, 5],
                [1, 5],
            ],
            false
        ),
        (
            "mul",
            t => t[0] * t[1],
            [
                [3, 5],
                [3, 1],
            ],
            false
        ),
        (
            "mul by itself",
            t => t[0] * t[0],
            [
                [3, 5],
            ],
            false
        ),
        (
            "div",
            t => t[0] / t[1],
            [
                [3, 5],
                [5],
            ],
            true
        ),
        (
            "pow",
            t => t[0].Pow(t[1]),
            [
                [3, 5],
                [5],
            ],
            true
        ),
        (
            "maximum",
            t => t[0].Maximum(t[1]),
            [
                [3, 5],
                [5],
            ],
            false
        ),
        (
            "minimum",
            t => t[0].Minimum(t[1]),
            [
                [3, 5],
                [5],
            ],
            false
        ),
        (
            "numbers",
            t => 2 - (t[0] * 3 + 1) / 4 + 2 / t[0] - (t[0] - 7),
            [
                [5],
            ],
            true
        ),
        (
            "powers",
            t => t[0].Pow(3) + t[0].Pow(2) + t[0].Pow(0.5) + t[0].Pow(-1) + t[0].Pow(1.7),
            [
                [5],
            ],
            true
        ),
        (
            "neg",
            t => -t[0],
            [
                [3],
            ],
            false
        ),
        (
            "abs",
            t => t[0].Abs(),
            [
                [7],
            ],
            false
        ),
        (
            "relu",
            t => t[0].Relu(),
            [
                [7],
            ],
            false
        ),
        (
            "square",
            t => t[0].Square(),
            [
                [7],
            ],
            false
        ),
        (
            "tanh",
            t => t[0].Tanh(),
            [
                [7],
            ],
            false
        ),
        (
            "exp",
            t => t[0].Exp(),
            [
                [7],
            ],
            false
        ),
        (
            "log",
            t => t[0].Log(),
            [
                [7],
            ],
            true
        ),
        (
            "sigmoid",
            t => t[0].Sigmoid(),
            [
                [7],
            ],
            false
        ),
        (
            "sqrt",
            t => t[0].Sqrt(),
            [
                [7],
            ],
            true
        ),
        (
            "rsqrt",
            t => t[0].Rsqrt(),
            [
                [7],
            ],
            true
        ),
        (
            "reciprocal",
            t => t[0].Reciprocal(),
            [
                [7],
            ],
            true
        ),
        (
            "erf",
            t => t[0].Erf(),
            [
                [7],
            ],
            false
        ),
        (
            "sin",
            t => t[0].Sin(),
            [
                [7],
            ],
            false
        ),
        (
            "cos",
            t => t[0].Cos(),
            [
                [7],
            ],
            false
        ),
        (
            "silu",
            t => t[0].Silu(),
            [
                [7],
            ],
            false
        ),
        (
            "gelu",
            t => t[0].Gelu(),
            [
                [7],
            ],
            false
        ),
        (
            "floor",
            t => t[0].Floor() + t[0],
            [
                [7],
            ],
            false
        ),
        (
            "clamp",
            t => t[0].Clamp(-1.234, 0.777),
            [
                [7],
            ],
            false
        ),
        (
            "where",
            t => Tensor.Where(Mask, t[0], t[1]),
            [
                [3, 5],
                [3, 1],
            ],
            false
        ),
        (
            "clone",
            t => t[0].Clone(),
            [
                [3],
            ],
            false
        ),
        (
            "to",
            t => t[0].To(DType.Float32).To(DType.Float64) * t[0],
            [
                [3],
            ],
            false
        ),
        (
            "reshape",
            t => t[0].Reshape(5, 3),
            [
                [3, 5],
            ],
            false
        ),
        (
            "reshape of a transpose",
            t => t[0].T.Reshape(3, 5),
            [
                [3, 5],
            ],
            false
        ),
        (
            "permute",
            t => t[0].Permute(2, 0, 1),
            [
                [2, 3, 5],
            ],
            false
        ),
        (
            "expand",
            t => t[0].Expand(4, 3, 5),
            [
                [3, 1],
            ],
            false
        ),
        (
            "squeeze",
            t => t[0].Squeeze().Unsqueeze(1),
            [
                [3, 1, 5],
            ],
            false
        ),
        (
            "flatten",
            t => t[0].Flatten(1),
            [
                [2, 3, 5],
            ],
            false
        ),
        (
            "narrow",
            t => t[0].Narrow(1, 1, 3),
            [
                [3, 5],
            ],
            false
        ),
        (
            "narrow of a transpose",
            t => t[0].T.Narrow(0, 1, 3),
            [
                [3, 5],
            ],
            false
        ),
        (
            "index",
            t => t[0][1],
            [
                [3, 5],
            ],
            false
        ),
        (
            "slice",
            t => t[0][.., 1..3] * 2,
            [
                [3, 5],
            ],
            false
        ),
        (
            "slice of a transpose",
            t => t[0].T[1..3, ^1],
            [
                [3, 5],
            ],
            false
        ),
        (
            "pick",
            t => t[0][Picks],
            [
                [3, 5],
            ],
            false
        ),
        (
            "pick behind",
            t => t[0][.., Picks],
            [
                [2, 4, 5],
            ],
            false
        ),
        (
            "pick two",
            t => t[0][Picks, Tensor.From([0L, 4, 0])],
            [
                [3, 5],
            ],
            false
        ),
        (
            "gather",
            t => t[0].Gather(1, Tensor.From([0L, 0, 4, 1, 2, 2], [3, 2])),
            [
                [3, 5],
            ],
            false
        ),
        (
            "gather down",
            t => t[0].Gather(0, Tensor.From([0L, 0, 2, 1, 2], [1, 5])),
            [
                [3, 5],
            ],
            false
        ),
        (
            "cat",
            t => Tensor.Cat([t[0], t[1], t[0]], 1),
            [
                [3, 2],
                [3, 4],
            ],
            false
        ),
        (
            "stack",
            t => Tensor.Stack([t[0], t[1]]),
            [
                [3],
                [3],
            ],
            false
        ),
        (
            "sum",
            t => t[0].Sum(),
            [
                [3, 5],
            ],
            false
        ),
        (
            "sum of a dimension",
            t => t[0].Sum(1),
            [
                [2, 3, 5],
            ],
            false
        ),
        (
            "sum kept",
            t => t[0].Sum([0, 2], keepdim: true),
            [
                [2, 3, 5],
            ],
            false
        ),
        (
            "mean",
            t => t[0].Mean(),
            [
                [3, 5],
            ],
            false
        ),
        (
            "mean of a dimension",
            t => t[0].Mean(0, keepdim: true),
            [
                [3, 5],
            ],
            false
        ),
        (
            "var",
            t => t[0].Var([1]),
            [
                [3, 5],
            ],
            false
        ),
        (
            "std",
            t => t[0].Std(),
            [
                [3, 5],
            ],
            false
        ),
        (
            "prod",
            t => t[0].Prod(1),
            [
                [3, 4],
            ],
            false
        ),
        (
            "amax",
            t => t[0].Amax([1]),
            [
                [3, 5],
            ],
            false
        ),
        (
            "amin",
            t => t[0].Amin([0], keepdim: true),
            [
                [3, 5],
            ],
            false
        ),
        (
            "max of all",
            t => t[0].Max(),
            [
                [3, 5],
            ],
            false
        ),
        (
            "max",
            t => t[0].Max(1).Values,
            [
                [3, 5],
            ],
            false
        ),
        (
            "min",
            t => t[0].Min(0, keepdim: true).Values,
            [
                [3, 5],
            ],
            false
        ),
        (
            "cumsum",
            t => t[0].Cumsum(0),
            [
                [3, 5],
            ],
            false
        ),
        (
            "matmul",
            t => t[0].MatMul(t[1]),
            [
                [3, 5],
                [5, 2],
            ],
            false
        ),
        (
            "matmul of transposes",
            t => t[0].T.MatMul(t[1].T),
            [
                [5, 3],
                [2, 5],
            ],
            false
        ),
        (
            "matmul by itself",
            t => t[0].MatMul(t[0]),
            [
                [3, 3],
            ],
            false
        ),
        (
            "vector product",
            t => t[0].MatMul(t[1]),
            [
                [5],
                [5],
            ],
            false
        ),
        (
            "matrix by vector",
            t => t[0].MatMul(t[1]),
            [
                [3, 5],
                [5],
            ],
            false
        ),
        (
            "vector by batch",
            t => t[0].MatMul(t[1]),
            [
                [3],
                [2, 3, 5],
            ],
            false
        ),
        (
            "batched",
            t => t[0].MatMul(t[1]),
            [
                [2, 3, 5],
                [2, 5, 4],
            ],
            false
        ),
        (
            "batch by matrix",
            t => t[0].MatMul(t[1]),
            [
                [2, 3, 5],
                [5, 4],
            ],
            false
        ),
        (
            "matrix by batch",
            t => t[0].MatMul(t[1]),
            [
                [3, 5],
                [2, 5, 4],
            ],
            false
        ),
        (
            "batches broadcast",
            t => t[0].MatMul(t[1]),
            [
                [2, 1, 3, 5],
                [4, 5, 2],
            ],
            false
        ),
        (
            "linear",
            t => F.Linear(t[0], t[1]),
            [
                [3, 5],
                [4, 5],
            ],
            false
        ),
        (
            "linear with bias",
            t => F.Linear(t[0], t[1], t[2]),
            [
                [2, 3, 5],
                [4, 5],
                [4],
            ],
            false
        ),
        (
            "softmax",
            t => t[0].Softmax(),
            [
                [3, 5],
            ],
            false
        ),
        (
            "softmax down",
            t => t[0].Softmax(0),
            [
                [3, 5],
            ],
            false
        ),
        (
            "log_softmax",
            t => t[0].LogSoftmax(),
            [
                [3, 5],
            ],
            false
        ),
        (
            "cross_entropy",
            t => F.CrossEntropy(t[0], Picks),
            [
                [3, 5],
            ],
            false
        ),
        (
            "cross_entropy, sum",
            t => F.CrossEntropy(t[0], Picks, LossReduction.Sum),
            [
                [3, 5],
            ],
            false
        ),
        (
            "cross_entropy, none",
            t => F.CrossEntropy(t[0], Picks, LossReduction.None),
            [
                [3, 5],
            ],
            false
        ),
        (
            "mse_loss",
            t => F.MseLoss(t[0], t[1]),
            [
                [3, 5],
                [3, 5],
            ],
            false
        ),
        (
            "embedding",
            t => F.Embedding(t[0], Tensor.From([1L, 1, 0, 3], [2, 2])),
            [
                [4, 3],
            ],
            false
        ),
        (
            "used twice",
            t => t[0].Tanh() * t[0] + t[0].Sum(),
            [
                [5],
            ],
            false
        ),
    ];

    public static TheoryData<string> Names => [.. Table.Select(row => row.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void EqualsCentralDifferences(string name)
    {
        var (_, run, shapes, positive) = Table.Single(row => row.Name == name);
        var inputs = Inputs(shapes, positive);
        var (gradients, weights) = Gradients(run, inputs);
        Compare(inputs, gradients, t => (run(t) * weights).Sum().Item(), name == "to" ? 1e-3 : 1e-5);
    }

    /// <summary>The derivatives are tensor operators: differentiated again they agree with differences of the first ones.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void SecondDerivativesEqualCentralDifferences(string name)
    {
        var (_, run, shapes, positive) = Table.Single(row => row.Name == name);
        // Sums of products with sines make every first derivative depend on its argument.
        Tensor Curved(Tensor[] t) => run([.. t.Select(x => x + x.Sin() * 0.1)]).Sin();
        var inputs = Inputs(shapes, positive);
        Tensor Slope(Tensor[] t)
        {
            foreach (var x in t)
                x.ZeroGrad_();
            Curved(t).Sum().Backward(createGraph: true);
            var total = Tensor.Zeros([], DType.Float64);
            for (int i = 0; i < t.Length; i++)
                total = total + (t[i].Grad! * Make.Values(t[i].Shape.ToArray(), DType.Float64, 40 + i)).Sum();
            return total;
        }
        var slope = Slope(inputs);
        foreach (var x in inputs)
            x.Grad = null;
        slope.Backward();
        var gradients = inputs.Select(x => x.Grad?.ToDoubles() ?? new double[x.NumElements]).ToArray();
        Compare(inputs, gradients, t => Slope(t).Item(), name == "to" ? 1e-3 : 1e-4);
    }

    [Fact]
    public void GradientsOfTiesAreShared()
    {
        var x = Tensor.From([1.0, 3, 3]).RequiresGrad_();
        x.Max().Backward();
        Assert.Equal([0, 0.5, 0.5], x.Grad!.ToDoubles());
        x.Grad = null;
        x.Max(0).Values.Backward();
        Assert.Equal([0, 1, 0], x.Grad!.ToDoubles());
        x.Grad = null;
        x.Maximum(Tensor.From([2.0, 3, 1])).Sum().Backward();
        Assert.Equal([0, 0.5, 1], x.Grad!.ToDoubles());
    }

    [Fact]
    public void ProductsWithZeros()
    {
        var x = Tensor.From([2.0, 0, 3, 0, 0, 5], [2, 3]).RequiresGrad_();
        x.Prod(1).Sum().Backward();
        Assert.Equal([0, 6, 0, 0, 0, 0], x.Grad!.ToDoubles());
    }

    private static Tensor[] Inputs(long[][] shapes, bool positive) =>
        [.. shapes.Select((s, i) => Make.Values(s, DType.Float64, 10 + i, positive).RequiresGrad_())];

    private static (double[][] Gradients, Tensor Weights) Gradients(Func<Tensor[], Tensor> run, Tensor[] inputs)
    {
        var output = run(inputs);
        var weights = Make.Values(output.Shape.ToArray(), DType.Float64, 99);
        output.Backward(weights);
        foreach (var input in inputs)
        {
            Assert.Equal(input.Shape.ToArray(), input.Grad!.Shape.ToArray());
            Assert.Equal(DType.Float64, input.Grad.DType);
        }
        return ([.. inputs.Select(x => x.Grad!.ToDoubles())], weights);
    }

    private static void Compare(Tensor[] inputs, double[][] gradients, Func<Tensor[], double> loss, double tolerance)
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
