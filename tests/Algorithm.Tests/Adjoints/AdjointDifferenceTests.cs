using Picograd.Algorithms.Adjoints;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Xunit;

namespace Picograd.Tests.Adjoints;

/// <summary>The gradient of every operator with float inputs, and that of its gradient, against central differences.</summary>
public class AdjointDifferenceTests
{
    private static readonly string[] More =
    [
        "tanh n=1",
        "add a=3x1x5 b=2x1",
        "mul a=1 b=3x7",
        "div a=4x3 b=4x1",
        "maximum a=7x1 b=1x5",
        "pow a=1x5 b=3x1",
        "where c=1 a=3x5 b=3x1",
        "where n=11",
        "sum rows=1 cols=1 axis=0",
        "sum shape=4x5x6 axes=0,2",
        "mean shape=4x5x6 axes=2,0",
        "mean rows=7 cols=3 axis=0",
        "prod shape=3x4 axes=0,1",
        "prod shape=3x1x4 axes=0",
        "max rows=7 cols=5 axis=0",
        "min shape=5x3x2 axes=1",
        "max shape=5x3x2 axes=0,1,2",
        "logsumexp rows=7 cols=1 axis=1",
        "logsumexp shape=5x3x2 axes=0,2",
        "deviation shape=5x3x2 axes=0,2",
        "root_deviation rows=7 cols=11 axis=0",
        "argmax rows=7 cols=11 axis=0",
        "softmax rows=1 cols=1",
        "softmax rows=13 cols=3",
        "log_softmax rows=2 cols=31",
        "layernorm rows=1 cols=5",
        "layernorm rows=3 cols=11 affine=1",
        "rmsnorm rows=7 cols=13 affine=1",
        "transpose rows=13 cols=1",
        "matmul m=1 n=1 k=1",
        "matmul m=3 n=5 k=7 ta=1",
        "matmul m=3 n=5 k=7 tb=1 bias=1 act=gelu",
        "matmul m=3 n=5 k=1 ta=1 tb=1 batch=2 bias=1 act=tanh",
        "matmul m=3 n=2 k=5 batch=3 bcast=a act=relu",
        "matmul m=3 n=2 k=5 batch=3 bcast=b act=sigmoid",
        "conv2d n=1 c=1 h=1 w=1 oc=1 kh=1 kw=1",
        "conv2d n=2 c=4 h=7 w=9 oc=6 kh=3 kw=2 stride=2 pad=1 groups=2 bias=1",
        "conv2d n=1 c=3 h=11 w=10 oc=2 kh=3 kw=3 dil=2 pad=2",
        "conv2d n=1 c=2 h=11 w=10 oc=2 kh=3 kw=2 dil=2 stride=3 pad=2",
        "conv2d n=1 c=2 h=9 w=11 oc=2 kh=3 kw=2 dil=2 stride=4 pad=1",
        "conv2d n=1 c=2 h=9 w=11 oc=2 kh=3 kw=3 stride=5 pad=1",
        "conv2d n=1 c=4 h=5 w=5 oc=4 kh=5 kw=5 pad=2 groups=4",
        "conv1d n=2 c=4 w=13 oc=6 kw=3 stride=2 pad=1 groups=2 bias=1",
        "conv2d n=1 c=2 h=7 w=9 oc=3 kh=3 kw=2 stride=2,1 pad=0,1 dil=1,2",
        "conv3d n=1 c=2 d=4 h=5 w=3 oc=2 kd=1 kh=2 kw=3 stride=1,2,1 pad=0,1,1 bias=1",
        "conv_transpose1d n=2 c=4 w=5 oc=6 kw=3 stride=3 opad=2 groups=2 bias=1",
        "conv_transpose2d n=1 c=3 h=4 w=3 oc=2 kh=3 kw=2 stride=2,3 pad=1 dil=2,1 opad=1,0",
        "conv_transpose2d n=1 c=1 h=1 w=1 oc=1 kh=1 kw=1",
        "conv_transpose1d n=1 c=2 w=4 oc=2 kw=3 dil=3 opad=2",
        "conv_transpose3d n=1 c=4 d=2 h=3 w=2 oc=4 kd=2 kh=1 kw=2 stride=2 groups=4 bias=1",
        "max_pool2d n=2 h=7 w=9 kh=3 kw=2 stride=2 pad=1,0 ceil=1",
        "max_pool1d n=5 w=13 kw=3 dil=2 stride=2 indices=1",
        "avg_pool2d n=2 h=7 w=9 kh=3 kw=2 stride=2 pad=1 ceil=1",
        "avg_pool2d n=2 h=7 w=9 kh=3 kw=2 stride=3,2 pad=1 ceil=1 inside=1",
        "avg_pool1d n=3 w=8 kw=3 stride=3 ceil=1",
        "avg_pool3d n=2 d=4 h=3 w=5 kd=2 kh=3 kw=1 divisor=-3",
        "adaptive_max_pool2d n=2 h=5 w=7 oh=5 ow=3",
        "adaptive_avg_pool2d n=2 h=6 w=8 oh=3 ow=2",
        "adaptive_avg_pool1d n=2 w=3 ow=7",
        "layernorm rows=3 cols=11 eps=0.25 affine=1",
        "rmsnorm rows=3 cols=11 eps=0",
        "groupnorm n=3 groups=1 c=5 s=7 affine=1 eps=0.001",
        "groupnorm n=1 groups=4 c=1 s=3",
        "batchnorm n=1 c=3 s=7 eps=0.1",
        "batchnorm_eval n=5 c=3 s=1",
        "attention b=1 h=1 tq=1 tk=1 d=1",
        "attention b=1 h=1 tq=7 tk=4 d=5 causal=1",
        "attention b=2 h=6 tq=3 tk=5 d=4 hk=2",
        "attention b=2 h=4 tq=5 tk=5 d=5 dv=1 hk=2 causal=1",
        "cross_entropy rows=1 classes=1",
        "cross_entropy rows=13 classes=3",
        "embedding vocab=1 dim=1 rows=1",
        "embedding vocab=5 dim=3 rows=17",
        "embedding.adjoint vocab=2 dim=3 rows=17",
        "gather rows=2 cols=3 n=13",
        "copy shape=2x3x4 strides=12,4,1",
        "copy shape=7 strides=3",
        "copy shape=2x3 strides=1,2 to=7,2",
        "index shape=2x3x4 dims=0,1 rows=5",
        "index shape=2x3x4 strides=1,8,2 dims=1,2 rows=1",
        "index_put shape=2x3x4 dims=0,1 rows=11 accumulate=1",
        "index_put shape=3x4 strides=1,3 dims=1 rows=2 accumulate=1",
        "cumsum rows=7 cols=5 axis=0",
        "cumsum rows=1 cols=1",
        "cumsum rows=3 cols=7 reverse=1",
        "cumprod rows=3 cols=5 reverse=1",
        "cumprod rows=4 cols=3 axis=0",
    ];

    public static TheoryData<string> Specs =>
        [
            .. OperatorLibrary
                .All.Select(o => o.Example)
                .Concat(More)
                .Select(Float64)
                .OfType<string>()
                .Where(t => !t.StartsWith("index_put", StringComparison.Ordinal) || t.Contains("accumulate"))
                // Jumps where a slope turns.
                .Where(t => !t.StartsWith("rprop", StringComparison.Ordinal))
                .Distinct(),
        ];

    [Theory]
    [MemberData(nameof(Specs))]
    public void Gradients_are_the_limits_of_differences(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var random = new Random(7);
        foreach (int seed in new[] { 1, 2 })
            Assert.Null(Differences.Problem(spec.Build(), Smooth(spec, seed), random));
    }

    [Theory]
    [MemberData(nameof(Specs))]
    public void So_are_gradients_of_gradients(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var first = Adjoint.Of(spec.Build());
        var random = new Random(11);
        var inputs = Smooth(spec, 3);
        var outputs = Evaluator.Run(spec.Build(), inputs);
        var gradients = spec.Build().Outputs.ToDictionary(o => o, o => Differences.Like(outputs[o], random));
        var given = first.Read(inputs, outputs, gradients);
        var wanted = first.Algorithm.Inputs.Where(b => b.Type.IsFloat()).ToList();
        // A gradient of zeros (floor) reads nothing.
        if (wanted.Count == 0)
            return;
        Assert.Null(Differences.Problem(first.Algorithm, given, random, wanted));
    }

    // An instance over float64; null where the operator has none with a gradient.
    private static string? Float64(string text)
    {
        var spec = OperatorSpec.Parse(text);
        if (spec.Definition.Keys.Any(k => k.Name == "dtype" && k.Choices.Contains("f64")) && !text.Contains("dtype="))
            text += " dtype=f64";
        else if (spec.Name == "cast")
            text = "cast n=13 from=f64 to=f64";
        spec = OperatorSpec.Parse(text);
        try
        {
            Adjoint.Of(spec.Build());
            return text;
        }
        catch (AdjointException)
        {
            return null;
        }
    }

    /// <summary>Inputs at which there are differences: of a power with a positive base.</summary>
    internal static IReadOnlyDictionary<Buffer, NDArray> Smooth(OperatorSpec spec, int seed)
    {
        var inputs = spec.MakeInputs(seed);
        if (spec.Name != "pow")
            return inputs;
        return inputs.ToDictionary(
            p => p.Key,
            p =>
                p.Key.Name == "A"
                    ? NDArray.Of(DType.Float64, p.Value.Shape.AsSpan(), [.. p.Value.Doubles.Select(Math.Abs)])
                    : p.Value
        );
    }
}
