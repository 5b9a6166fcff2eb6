using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Xunit;

namespace Picograd.Tests.Operators;

/// <summary>Every operator of the library against loops that know nothing of it.</summary>
public class OperatorReferenceTests
{
    private static readonly string[] NotHere =
    [
        "matmul", // MatmulTests
        "random_uniform", // RandomNumberTests
        "random_normal",
        "random_integer",
    ];

    private static readonly string[] More =
    [
        "tanh n=1",
        "gelu n=31 dtype=f64",
        "relu n=17 dtype=i32",
        "abs n=17 dtype=i64",
        "exp n=5 dtype=bf16",
        "add n=1",
        "add n=17 dtype=i64",
        "sub a=3x1x5 b=2x1",
        "mul a=1 b=3x7",
        "maximum a=7x1 b=1x5 dtype=i32",
        "div a=4x3 b=4x1 dtype=f64",
        "le a=5 b=3x5 dtype=i64",
        "eq a=3x5 b=5 dtype=u8",
        "bitwise_and n=17 dtype=i64",
        "bitwise_xor a=3x5 b=1 dtype=i64",
        "left_shift n=61",
        "left_shift n=61 dtype=i64",
        "right_shift n=61",
        "right_shift a=7x1 b=1x13 dtype=i64",
        "where n=11",
        "where c=1 a=3x5 b=3x1 dtype=i64",
        "sum rows=1 cols=1 axis=0",
        "sum rows=13 cols=7 axis=0",
        "sum rows=2 cols=31 axis=1 dtype=i64",
        "sum shape=4x5x6 axes=0,2",
        "sum shape=4x5x6 axes=0,1,2",
        "sum shape=2x3x2x3x2x3 axes=1,4",
        "mean shape=4x5x6 axes=2,0",
        "mean rows=7 cols=3 axis=0 dtype=bf16",
        "prod shape=3x4 axes=0,1",
        "max rows=7 cols=5 axis=0 dtype=i32",
        "min shape=5x3x2 axes=1 dtype=i64",
        "logsumexp shape=5x1x7 axes=0,2",
        "logsumexp rows=13 cols=3 axis=0 dtype=f64",
        "logsumexp rows=2 cols=31 axis=1 dtype=bf16",
        "deviation shape=5x1x7 axes=0,2",
        "root_deviation rows=2 cols=31 axis=1 dtype=f64",
        "any shape=3x4x2 axes=2",
        "all shape=3x2 axes=1",
        "argmax rows=7 cols=11 axis=0",
        "argmin shape=3x5x4 axes=1",
        "argmax rows=3 cols=17 axis=1 dtype=i64",
        "softmax rows=1 cols=1",
        "softmax rows=17 cols=31 dtype=f64",
        "log_softmax rows=2 cols=101",
        "softmax_across rows=3 cols=5 inner=17",
        "softmax_across rows=1 cols=1 inner=3 dtype=f64",
        "log_softmax_across rows=2 cols=7 inner=33",
        "cross_entropy_across rows=3 classes=5 inner=17",
        "cross_entropy_across rows=1 classes=2 inner=1 dtype=f64",
        "layernorm rows=1 cols=1",
        "layernorm rows=3 cols=101 affine=1",
        "layernorm rows=4 cols=17 affine=1 dtype=bf16",
        "rmsnorm rows=7 cols=13 affine=1",
        "rmsnorm rows=2 cols=64 dtype=f16",
        "transpose rows=1 cols=7 dtype=i64",
        "transpose rows=13 cols=11",
        "conv2d n=1 c=1 h=1 w=1 oc=1 kh=1 kw=1",
        "conv2d n=2 c=4 h=7 w=9 oc=6 kh=3 kw=2 stride=2 pad=1 groups=2 bias=1",
        "conv2d n=1 c=3 h=11 w=10 oc=2 kh=3 kw=3 dil=2 pad=2 dtype=bf16",
        "conv2d n=1 c=4 h=5 w=5 oc=4 kh=5 kw=5 pad=2 groups=4 dtype=f64",
        "attention b=1 h=1 tq=1 tk=1 d=1",
        "attention b=2 h=3 tq=9 tk=9 d=16 causal=1",
        "attention b=1 h=2 tq=1 tk=33 d=8 causal=1",
        "conv1d n=2 c=4 w=13 oc=6 kw=3 stride=2 pad=1 groups=2 bias=1",
        "conv2d n=1 c=2 h=7 w=9 oc=3 kh=3 kw=2 stride=2,1 pad=0,1 dil=1,2",
        "conv3d n=1 c=2 d=4 h=5 w=3 oc=2 kd=1 kh=2 kw=3 stride=1,2,1 pad=0,1,1 bias=1 dtype=f64",
        "conv_transpose1d n=2 c=4 w=5 oc=6 kw=3 stride=3 opad=2 groups=2 bias=1",
        "conv_transpose2d n=1 c=3 h=4 w=3 oc=2 kh=3 kw=2 stride=2,3 pad=1 dil=2,1 opad=1,0 dtype=bf16",
        "conv_transpose2d n=1 c=1 h=1 w=1 oc=1 kh=1 kw=1",
        "conv_transpose1d n=1 c=2 w=4 oc=2 kw=3 dil=3 opad=2 dtype=f64",
        "conv_transpose1d n=1 c=2 w=4 oc=2 kw=3 dil=5 stride=2 pad=3",
        "conv_transpose3d n=1 c=4 d=2 h=3 w=2 oc=4 kd=2 kh=1 kw=2 stride=2 groups=4 bias=1",
        "max_pool2d n=2 h=7 w=9 kh=3 kw=2 stride=2 pad=1,0 ceil=1",
        "max_pool1d n=5 w=13 kw=3 dil=2 stride=2 indices=1 dtype=bf16",
        "avg_pool2d n=2 h=7 w=9 kh=3 kw=2 stride=2 pad=1 ceil=1",
        "avg_pool2d n=2 h=7 w=9 kh=3 kw=2 stride=3,2 pad=1 ceil=1 inside=1 dtype=f64",
        "avg_pool1d n=3 w=8 kw=3 stride=3 ceil=1 dtype=f16",
        "avg_pool3d n=2 d=4 h=3 w=5 kd=2 kh=3 kw=1 divisor=-3",
        "adaptive_max_pool2d n=2 h=5 w=7 oh=5 ow=3",
        "adaptive_avg_pool2d n=2 h=6 w=8 oh=3 ow=2",
        "adaptive_avg_pool1d n=2 w=3 ow=7",
        "layernorm rows=3 cols=11 eps=0.25 affine=1",
        "rmsnorm rows=3 cols=11 eps=0",
        "groupnorm n=3 groups=1 c=5 s=7 affine=1 eps=0.001",
        "groupnorm n=1 groups=4 c=1 s=3 dtype=bf16",
        "batchnorm n=1 c=3 s=7 eps=0.1 dtype=f64",
        "batchnorm_eval n=5 c=3 s=1 dtype=f16",
        "attention b=1 h=1 tq=7 tk=4 d=5 causal=1",
        "attention b=2 h=6 tq=3 tk=5 d=4 hk=2",
        "attention b=1 h=4 tq=5 tk=8 d=3 hk=1 causal=1 dtype=bf16",
        "attention b=1 h=2 tq=3 tk=5 d=4 dv=7",
        "attention b=2 h=4 tq=5 tk=5 d=5 dv=1 hk=2 causal=1",
        "attention b=1 h=2 tq=6 tk=6 d=8 dtype=f16",
        "attention b=1 h=1 tq=4 tk=6 d=5 causal=1 dtype=f64",
        "attention b=1 h=2 tq=7 tk=4 d=5 causal=1 first=1 stats=1",
        "attention b=2 h=2 tq=3 tk=6 d=5 causal=1 first=1 scale=-0.7",
        "attention b=2 h=4 tq=3 tk=5 d=4 hk=2 bias=1 mb=1 mq=1 stats=1",
        "attention b=2 h=2 tq=5 tk=3 d=2 seen=1 mh=1 stats=1",
        "attention b=1 h=2 tq=5 tk=7 d=2 dv=3 bias=1 seen=1 causal=1 dtype=f64",
        "attention_grad b=1 h=1 tq=1 tk=1 d=1",
        "attention_grad b=1 h=2 tq=7 tk=4 d=5 causal=1",
        "attention_grad b=2 h=2 tq=3 tk=6 d=5 causal=1 first=1 scale=-0.7 dtype=f64",
        "attention_grad b=2 h=4 tq=3 tk=5 d=4 hk=2 dv=3 bias=1 mb=1 mq=1",
        "attention_grad b=2 h=2 tq=5 tk=3 d=2 seen=1 mh=1 dtype=bf16",
        "mse_loss n=1",
        "mse_loss n=131",
        "mse_loss n=37 dtype=f64",
        "cross_entropy rows=1 classes=1",
        "cross_entropy rows=32 classes=27",
        "tanh.adjoint n=13",
        "sigmoid.adjoint n=13",
        "sqrt.adjoint n=13",
        "relu.adjoint n=13",
        "abs.adjoint n=13",
        "erf.adjoint n=13",
        "silu.adjoint n=13",
        "gelu.adjoint n=13",
        "softmax.adjoint rows=5 cols=7",
        "log_softmax.adjoint rows=5 cols=7",
        "cross_entropy.adjoint rows=5 classes=7",
        "cross_entropy.adjoint rows=13 classes=3",
        "embedding.adjoint vocab=7 dim=3 rows=11",
        "embedding vocab=1 dim=1 rows=1",
        "embedding vocab=27 dim=10 rows=96",
        "embedding.adjoint vocab=2 dim=3 rows=97",
        "gather.adjoint rows=2 cols=3 n=31",
        "copy shape=2x3x4 strides=0,4,1",
        "copy shape=7 strides=3 dtype=u8",
        "copy shape=2x3 strides=1,2 to=7,2",
        "index shape=7 dims=0 rows=9 dtype=u8",
        "index shape=2x3x4 dims=0,1 rows=5 dtype=bool",
        "index shape=2x3x4 strides=1,8,2 dims=1,2 rows=1",
        "index shape=4x1x3x2 strides=0,9,2,1 dims=2 rows=3 dtype=i64",
        "index_put shape=7 strides=3 dims=0 rows=9 dtype=u8",
        "index_put shape=2x3x4 dims=0,1 rows=11 accumulate=1",
        "index_put shape=2x3x4 strides=1,8,2 dims=1,2 rows=13",
        "index_put shape=3x4 strides=1,3 dims=1 rows=9 accumulate=1 dtype=i32",
        "cumsum rows=7 cols=5 axis=0",
        "cumsum rows=1 cols=1",
        "cumsum rows=3 cols=7 reverse=1",
        "cumsum rows=7 cols=5 axis=0 reverse=1",
        "cumprod rows=3 cols=5 reverse=1 dtype=f64",
        "cumprod rows=3 cols=4 axis=0 dtype=f64",
        "cumsum rows=2 cols=9 dtype=i64",
        "cast n=31 from=f32 to=i32",
        "cast n=31 from=f32 to=bool",
        "cast n=31 from=bool to=f64",
        "cast n=31 from=i64 to=u8",
        "cast n=31 from=f32 to=f16",
        "fmod a=7x1 b=13 dtype=f64",
        "remainder a=3x5 b=1 dtype=f16",
        "floor_quotient a=7x1 b=13 dtype=i64",
        "trunc_rest n=131",
        "lerp n=31 dtype=f64",
        "addcdiv a=1 b=3x7 c=7 dtype=bf16",
        "flip rows=1 cols=7 inner=1 dtype=u8",
        "pad rows=2 cols=3 inner=1 to=8 left=5 mode=replicate dtype=i64",
        "pad rows=1 cols=4 inner=3 to=11 left=3 mode=circular",
        "pad rows=3 cols=1 inner=2 to=1",
        "pad rows=2 cols=5 inner=1 to=7 left=0 dtype=bf16",
        "tril n=1 rows=7 cols=2 diagonal=-3 dtype=i32",
        "triu n=3 rows=4 cols=7 diagonal=-1",
        "im2col n=1 h=7 w=6 kh=2 kw=3 stride=2 dil=1,2 pad=2,1 dtype=f64",
        "resample rows=1 cols=1 inner=1 to=5 taps=4 dtype=f64",
        "scatter rows=2 cols=3 n=31 reduce=sum dtype=bf16",
        "scatter rows=3 cols=7 n=4",
        "scatter rows=2 cols=3 n=7 reduce=prod",
        "scatter rows=1 cols=5 n=9 reduce=amax dtype=i64",
        "scatter rows=4 cols=2 n=1 reduce=amin",
        "cummax rows=1 cols=1",
        "cummin rows=2 cols=31 dtype=i64",
        "logcumsumexp rows=2 cols=17 dtype=f16",
        "fill n=5 dtype=i64",
        "arange n=5 dtype=f32",
    ];

    public static TheoryData<string> Specs =>
        [.. OperatorLibrary.All.Where(o => !NotHere.Contains(o.Name)).Select(o => o.Example).Concat(More)];

    [Theory]
    [MemberData(nameof(Specs))]
    public void Equals_plain_loops(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var algorithm = spec.Build();
        foreach (int seed in new[] { 1, 2, 3 })
        {
            var inputs = spec.MakeInputs(seed);
            var expected = References.Of(new Given(spec, inputs));
            var got = Evaluator.Run(algorithm, inputs);
            Assert.Equal(expected.Length, algorithm.Outputs.Length);
            // Derivatives are checked against central differences; constants of these functions are rounded to float32.
            double tolerance =
                spec.Name is "gelu" or "sinc" or "logaddexp2"
                || spec.Name.EndsWith(".adjoint", StringComparison.Ordinal)
                    ? 1e-7
                    : 1e-11;
            for (int o = 0; o < expected.Length; o++)
            {
                var output = got[algorithm.Outputs[o]];
                Assert.Equal(expected[o].Length, output.Length);
                for (int i = 0; i < output.Length; i++)
                    Assert.True(
                        Math.Abs(expected[o][i] - output.At(i)) <= tolerance * Math.Max(1, Math.Abs(expected[o][i]))
                            || expected[o][i].Equals(output.At(i)),
                        $"{text}, seed {seed}, output {o}[{i}]: expected {expected[o][i]:R}, got {output.At(i):R}"
                    );
            }
        }
    }

    [Theory]
    [MemberData(nameof(Specs))]
    public void Tracking_bounds_changes_no_value_and_gives_finite_bounds(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var algorithm = spec.Build();
        var inputs = spec.MakeInputs(5);
        var plain = Evaluator.Run(algorithm, inputs);
        var bounded = Evaluator.RunWithBounds(algorithm, inputs);
        foreach (var output in algorithm.Outputs)
        {
            double largest = Enumerable.Range(0, plain[output].Length).Max(i => Math.Abs(plain[output].At(i)));
            double unit = BoundRules.UnitRoundoff(output.Type);
            for (int i = 0; i < plain[output].Length; i++)
            {
                Assert.Equal(plain[output].At(i), bounded[output].Value.At(i), 1e-12 * Math.Max(1, largest));
                Assert.InRange(bounded[output].Bound[i], 0, 2000 * unit * Math.Max(10, largest));
            }
        }
    }

    [Theory]
    [InlineData(InputKind.Normal)]
    [InlineData(InputKind.WideRange)]
    [InlineData(InputKind.Cancellation)]
    public void Inputs_are_never_zero_and_the_same_for_the_same_seed(InputKind kind)
    {
        foreach (var definition in OperatorLibrary.All)
        {
            var spec = OperatorSpec.Parse(definition.Example);
            var (first, second) = (spec.MakeInputs(9, kind), spec.MakeInputs(9, kind));
            foreach (var (buffer, array) in first)
            {
                for (int i = 0; i < array.Length; i++)
                {
                    Assert.Equal(array.At(i), second[buffer].At(i));
                    if (buffer.Type.IsFloat())
                        Assert.NotEqual(0, array.At(i));
                    if (buffer.Type == DType.Float32)
                        Assert.Equal(array.At(i), (float)array.At(i));
                }
            }
        }
    }
}
