using Picograd.Algorithms;
using Picograd.Tests.Cuda;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// Operators that rearrange, scan, put, order, multiply and resample: the kernels' values and gradients are those of the float64
/// evaluator, of dense and other inputs alike, and gradients are those of central differences. Beside libtorch they run in
/// <c>tools/compare</c>.
/// </summary>
public sealed class SurfaceOperatorTests : IDisposable
{
    /// <summary>A function of tensors and the shapes that it is called with; of whole numbers where an i stands in front.</summary>
    private sealed record Case(string Shapes, Func<Tensor[], Tensor> Run, bool Positive = false);

    private static readonly Dictionary<string, Case> Cases = new()
    {
        ["diagonal"] = new("3x5x2", t => t[0].Diagonal(1, -2, 0)),
        ["diag of a vector"] = new("5", t => t[0].Diag(-2)),
        ["diag of a matrix"] = new("3x7", t => t[0].Diag(2)),
        ["diag_embed"] = new("2x3", t => t[0].DiagEmbed(-1, 0, 2)),
        ["tril"] = new("2x5x3", t => t[0].Tril(-1)),
        ["triu"] = new("7x1", t => t[0].Triu()),
        ["triu of nothing left"] = new("2x3", t => t[0].Triu(9)),
        ["flip"] = new("2x3x5", t => t[0].Flip(0, -1)),
        ["flip of neighbours"] = new("2x3x5", t => t[0].Flip(1, 2)),
        ["roll"] = new("3x7", t => t[0].Roll([2, -3], [0, 1])),
        ["roll of all"] = new("3x5", t => t[0].Roll(4)),
        ["rot90"] = new("2x3x4", t => t[0].Rot90(-1, 1, 2)),
        ["repeat"] = new("3x1x2", t => t[0].Repeat(2, 1, 3, 2)),
        ["tile"] = new("2x3", t => t[0].Tile(2)),
        ["repeat_interleave"] = new("3x2", t => t[0].RepeatInterleave(3, 0)),
        ["repeat_interleave of a tensor"] = new("3x2", t => t[0].RepeatInterleave(Tensor.From<long>([2, 0, 3]), 0)),
        ["unfold"] = new("2x7", t => t[0].Unfold(1, 3, 2)),
        ["tensor_split"] = new("7x2", t => t[0].TensorSplit(3)[1]),
        ["chunk"] = new("7x2", t => t[0].Chunk(3)[2]),
        ["unbind"] = new("3x5", t => t[0].Unbind(1)[4]),
        ["unflatten"] = new("2x12", t => t[0].Unflatten(1, 3, -1, 2)),
        ["movedim"] = new("2x3x5", t => t[0].MoveDim(0, -1)),
        ["meshgrid"] = new("3 4", t => Tensor.Meshgrid(t)[0] * Tensor.Meshgrid(t)[1]),
        ["cartesian_prod"] = new("3 2", t => Tensor.CartesianProd(t)),
        ["pad constant"] = new("2x3x4", t => F.Pad(t[0], [1, -2, 2, 0], value: 3)),
        ["pad reflect"] = new("2x4x5", t => F.Pad(t[0], [4, -1, 2, 3], "reflect")),
        ["pad replicate"] = new("1x3", t => F.Pad(t[0], [5, 4], "replicate")),
        ["pad circular"] = new("2x3x4", t => F.Pad(t[0], [3, 4, 1, 0], "circular")),
        ["im2col"] = new("2x3x5x4", t => F.Unfold(t[0], (3, 2), padding: 1, stride: (2, 1))),
        ["fold"] = new("2x12x6", t => F.Fold(t[0], (4, 5), (2, 3), stride: (1, 1), dilation: (2, 1))),
        ["pixel_shuffle"] = new("2x8x1x3", t => F.PixelShuffle(t[0], 2)),
        ["pixel_unshuffle"] = new("1x2x4x2", t => F.PixelUnshuffle(t[0], 2)),
        ["cumprod"] = new("3x7", t => t[0].CumProd(1)),
        ["cumprod of columns"] = new("5x1x3", t => t[0].CumProd(0)),
        ["cumprod with zeros"] = new(
            "3x7",
            t => (t[0] * Tensor.From<double>([1, 0, 1, 1, 0, 1, 1]).To(t[0].DType).ToDevice(t[0].Device)).CumProd(-1)
        ),
        ["cummax"] = new("3x17", t => t[0].CumMax(1).Values),
        ["cummin of columns"] = new("7x3", t => t[0].CumMin(0).Values),
        ["logcumsumexp"] = new("2x13", t => t[0].LogCumSumExp(1)),
        ["scatter"] = new("3x5 3x2", t => t[0].Scatter(1, Tensor.From<long>([4, 0, 1, 2, 3, 1], [3, 2]), t[1])),
        ["scatter of fewer"] = new("3x5 2x2", t => t[0].Scatter(0, Tensor.From<long>([2, 0, 1, 2], [2, 2]), t[1])),
        ["scatter_add"] = new(
            "3x5 3x4",
            t => t[0].ScatterAdd(1, Tensor.From<long>([4, 0, 4, 2, 3, 1, 0, 0, 0, 0, 0, 0], [3, 4]), t[1])
        ),
        ["scatter_reduce prod"] = new("2x3 2x4", t => t[0].ScatterReduce(1, Some(2, 4, 3), t[1], "prod")),
        ["scatter_reduce mean"] = new("2x3 2x4", t => t[0].ScatterReduce(1, Some(2, 4, 3), t[1], "mean", false)),
        ["scatter_reduce amax"] = new("2x3 2x4", t => t[0].ScatterReduce(1, Some(2, 4, 3), t[1], "amax", false)),
        ["scatter_reduce amin"] = new("2x3 2x4", t => t[0].ScatterReduce(1, Some(2, 4, 3), t[1], "amin")),
        ["index_add"] = new("3x5 4x5", t => t[0].IndexAdd(0, Tensor.From<long>([2, 0, 2, 1]), t[1], 3)),
        ["index_copy"] = new("3x5 3x2", t => t[0].IndexCopy(-1, Tensor.From<long>([4, 0]), t[1])),
        ["index_fill"] = new("3x5", t => t[0].IndexFill(1, Tensor.From<long>([4, 0]), 7)),
        ["take"] = new("3x5", t => t[0].Take(Tensor.From<long>([14, -1, 3]))),
        ["take_along_dim"] = new("3x5", t => t[0].TakeAlongDim(Tensor.From<long>([1, 4, 0], [1, 3]), 1)),
        ["masked_scatter"] = new("3x5 9", t => t[0].MaskedScatter(Tensor.From([true, false, true, false, true]), t[1])),
        ["sort"] = new("3x7", t => t[0].Sort(1).Values),
        ["sort of long rows, downwards"] = new(
            "2x1x301",
            t =>
                (t[0] + Tensor.Arange(0, 301, 1, t[0].DType).ToDevice(t[0].Device) * 1e-3)
                    .Sort(-1, descending: true)
                    .Values
        ),
        ["topk"] = new("17x3", t => t[0].TopK(4, 0).Values),
        ["kthvalue"] = new("3x7", t => t[0].KthValue(3).Values),
        ["median"] = new("3x7", t => t[0].Median(1).Values),
        ["median of all"] = new("3x7", t => t[0].Median()),
        ["quantile"] = new("5x3", t => t[0].Quantile(0.3, 0)),
        ["einsum product"] = new("3x5 5x2", t => Tensor.Einsum("ij,jk->ik", t)),
        ["einsum of three"] = new("3x5 5x2 2x7", t => Tensor.Einsum("ij,jk,kl->li", t)),
        ["einsum diagonal"] = new("3x5x3", t => Tensor.Einsum("iji->ij", t)),
        ["einsum trace"] = new("5x5", t => Tensor.Einsum("ii", t)),
        ["einsum batch"] = new("2x1x3x5 4x5x3", t => Tensor.Einsum("...ij,...ji->...i", t)),
        ["einsum outer"] = new("3 5", t => Tensor.Einsum("i,j->ji", t)),
        ["einsum sum of one"] = new("3x5 5x2", t => Tensor.Einsum("ij,kl->j", t)),
        ["tensordot"] = new("2x3x5 5x3x7", t => t[0].TensorDot(t[1], [1, 2], [1, 0])),
        ["kron"] = new("2x3 4x1", t => t[0].Kron(t[1])),
        ["inner"] = new("2x3 5x3", t => t[0].Inner(t[1])),
        ["outer"] = new("7 3", t => t[0].Outer(t[1])),
        ["trace"] = new("5x3", t => t[0].Trace()),
        ["addmm"] = new("1x5 3x2 2x5", t => t[0].Addmm(t[1], t[2], 0.5, 2)),
        ["baddbmm"] = new("3x5 2x3x4 2x4x5", t => t[0].Baddbmm(t[1], t[2])),
        ["cdist"] = new("3x2 5x2", t => Tensor.Cdist(t[0], t[1])),
        ["cdist of 1"] = new("2x3x2 4x2", t => Tensor.Cdist(t[0], t[1], 1)),
        ["interpolate nearest"] = new("2x3x5", t => F.Interpolate(t[0], [8])),
        ["interpolate nearest-exact"] = new("1x2x5x3", t => F.Interpolate(t[0], [3, 7], mode: "nearest-exact")),
        ["interpolate linear"] = new("2x3x5", t => F.Interpolate(t[0], scaleFactor: [1.7], mode: "linear")),
        ["interpolate bilinear"] = new(
            "1x2x5x3",
            t => F.Interpolate(t[0], [3, 7], mode: "bilinear", alignCorners: true)
        ),
        ["interpolate bicubic"] = new("1x2x4x3", t => F.Interpolate(t[0], [5, 7], mode: "bicubic")),
        ["interpolate trilinear"] = new("1x1x2x3x2", t => F.Interpolate(t[0], scaleFactor: [2], mode: "trilinear")),
        ["lp_pool"] = new("1x2x7", t => F.LpPool1d(t[0], 3, 3, 2), Positive: true),
        ["max_unpool"] = new(
            "1x2x6",
            t => F.MaxPool1dWithIndices(t[0], 2) is var (v, i) ? F.MaxUnpool1d(v, i, 2) : null!
        ),
        ["remainder"] = new("3x5 5", t => t[0].Remainder(t[1])),
        ["fmod"] = new("3x5 3x1", t => t[0].Fmod(t[1])),
        ["lerp"] = new("3x5 5 3x1", t => t[0].Lerp(t[1], t[2])),
        ["addcmul"] = new("3x5 5 3x1", t => t[0].Addcmul(t[1], t[2])),
        ["addcdiv"] = new("3x5 5 3x1", t => t[0].Addcdiv(t[1], t[2], 2)),
        ["logaddexp"] = new("3x5 5", t => t[0].LogAddExp(t[1]) + t[0].LogAddExp2(t[1])),
        ["hypot"] = new("3x5 5", t => t[0].Hypot(t[1])),
        ["copysign"] = new("3x5 5", t => t[0].Copysign(t[1])),
        ["fmax fmin"] = new("3x5 5", t => t[0].Fmax(t[1]) * t[0].Fmin(t[1])),
        ["xlogy"] = new("3x5 5", t => t[0].Xlogy(t[1]), Positive: true),
        ["sinc"] = new("7", t => t[0].Sinc()),
        ["logit"] = new("7", t => (t[0] / 4 + 0.5).Logit()),
        ["norm"] = new("3x5x2", t => t[0].Norm(2, [0, 2])),
        ["norm of 3"] = new("3x5", t => t[0].Norm(3, 1, keepdim: true)),
        ["norm of infinity"] = new("3x5", t => t[0].Norm(double.PositiveInfinity, 1)),
    };

    private static readonly string[] OnGpus =
    [
        "flip",
        "pad reflect",
        "tril",
        "fold",
        "cummax",
        "logcumsumexp",
        "scatter",
        "interpolate linear",
        "remainder",
        "lerp",
    ];

    public static TheoryData<string> Names => [.. Cases.Keys];

    public void Dispose() => Setup.UseEvaluator();

    private static Tensor Some(long rows, long columns, long limit) =>
        Tensor.From(
            Enumerable.Range(0, (int)(rows * columns)).Select(i => i * 7L % 5 % limit).ToArray(),
            [rows, columns]
        );

    private static Tensor[] Inputs(Case of, DType type, bool ragged) =>
        [
            .. of
                .Shapes.Split(' ')
                .Select(
                    (s, i) =>
                    {
                        long[] shape = [.. s.Split('x').Select(long.Parse)];
                        var values = Make.Values(shape, type, 11 + i, of.Positive);
                        return (ragged ? Make.Ragged(values) : values).Detach().RequiresGrad_();
                    }
                ),
        ];

    // Weights of the elements of a result, none alike.
    private static Tensor Loss(Tensor result)
    {
        var weights = Enumerable.Range(0, (int)result.NumElements).Select(i => (i * 37 % 41 - 20.5) / 16).ToArray();
        return (result * Tensor.From(weights, result.Shape).To(result.DType)).Sum();
    }

    private static (double[] Values, double[][] Gradients) Outcome(Case of, DType type, bool ragged)
    {
        var inputs = Inputs(of, type, ragged);
        var result = of.Run(inputs);
        Loss(result).Backward();
        return (result.ToDoubles(), [.. inputs.Select(t => t.Grad!.ToDoubles())]);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Kernels_give_what_the_evaluator_gives(string name)
    {
        var of = Cases[name];
        Setup.UseEvaluator();
        var expected = Outcome(of, DType.Float32, ragged: false);
        Setup.UseCpu();
        foreach (bool ragged in new[] { false, true })
        {
            var found = Outcome(of, DType.Float32, ragged);
            Near(expected.Values, found.Values, 2e-5);
            for (int i = 0; i < found.Gradients.Length; i++)
                Near(expected.Gradients[i], found.Gradients[i], 1e-4);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Gradients_are_those_of_differences(string name)
    {
        var of = Cases[name];
        Setup.UseCpu();
        var found = Outcome(of, DType.Float64, ragged: false).Gradients;
        var inputs = Inputs(of, DType.Float64, ragged: false);
        using var off = Tensor.NoGrad();
        const double Step = 1e-6;
        for (int i = 0; i < inputs.Length; i++)
        {
            double[] at = inputs[i].ToDoubles();
            long[] shape = [.. inputs[i].Shape];
            // Of long inputs some elements.
            for (int e = 0; e < at.Length; e += Math.Max(1, at.Length / 15))
            {
                double Moved(double by)
                {
                    double[] values = [.. at];
                    values[e] += by;
                    var changed = inputs.ToArray();
                    changed[i] = Tensor.From(values, shape);
                    return Loss(of.Run(changed)).Item();
                }
                double slope = (Moved(Step) - Moved(-Step)) / (2 * Step);
                Assert.True(
                    Math.Abs(slope - found[i][e]) <= 1e-6 * Math.Max(1, Math.Abs(slope)) * 10,
                    $"{name}: slope {e} of input {i} is {found[i][e]}, by differences {slope}"
                );
            }
        }
    }

    [SkippableFact]
    public void On_a_gpu_they_give_the_same()
    {
        var device = EmulatedGpu.Require();
        bool all = Environment.GetEnvironmentVariable("PICOGRAD_ALL_EMULATED") is not null;
        foreach (var (name, of) in Cases)
        {
            // Each takes half a second to a second; without the variable those that have operators of their own.
            if (!all && !OnGpus.Contains(name))
                continue;
            var here = Inputs(of, DType.Float32, ragged: false);
            var there = here.Select(t => t.Detach().ToDevice(device).RequiresGrad_()).ToArray();
            Tensor expected,
                found;
            try
            {
                expected = of.Run(here);
                Loss(expected).Backward();
                found = of.Run(there);
                (
                    found
                    * Tensor
                        .From(
                            Enumerable
                                .Range(0, (int)found.NumElements)
                                .Select(i => (float)((i * 37 % 41 - 20.5) / 16))
                                .ToArray(),
                            found.Shape
                        )
                        .ToDevice(device)
                )
                    .Sum()
                    .Backward();
            }
            catch (Exception e) when (e is not SkipException)
            {
                throw new InvalidOperationException($"{name}: {e.Message}", e);
            }
            Near(expected.ToDoubles(), found.ToDoubles(), 2e-5, name);
            for (int i = 0; i < here.Length; i++)
                Near(here[i].Grad!.ToDoubles(), there[i].Grad!.ToDoubles(), 1e-4, name);
        }
    }

    private static void Near(double[] expected, double[] found, double tolerance, string what = "")
    {
        Assert.Equal(expected.Length, found.Length);
        for (int i = 0; i < found.Length; i++)
            Assert.True(
                expected[i].Equals(found[i])
                    || Math.Abs(expected[i] - found[i]) <= tolerance * Math.Max(1, Math.Abs(expected[i])),
                $"{what} element {i} is {found[i]}, expected {expected[i]}"
            );
    }
}
