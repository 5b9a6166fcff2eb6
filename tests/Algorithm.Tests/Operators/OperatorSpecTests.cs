using Picograd.Algorithms.Operators;
using Xunit;

namespace Picograd.Tests.Operators;

public class OperatorSpecTests
{
    public static TheoryData<string> Examples => [.. OperatorLibrary.All.Select(o => o.Example)];

    [Theory]
    [MemberData(nameof(Examples))]
    public void Text_form_is_canonical_and_round_trips(string text)
    {
        var spec = OperatorSpec.Parse(text);
        Assert.Equal(text, spec.ToString());
        Assert.Equal(spec, OperatorSpec.Parse(spec.ToString()));
        Assert.True(spec.MinBytes > 0);
        Assert.NotEmpty(spec.Build().Outputs);
    }

    [Fact]
    public void Canonical_text_orders_keys_and_drops_defaults()
    {
        var spec = OperatorSpec.Parse("  matmul k=768  m=0256 tb=1 n=3072 ta=0 dtype=f32 ");
        Assert.Equal("matmul m=256 n=3072 k=768 tb=1", spec.ToString());
        Assert.Equal(2.0 * 256 * 3072 * 768, spec.Flops);
        Assert.Equal(4L * (256 * 768 + 768 * 3072 + 256 * 3072), spec.MinBytes);
        Assert.Same(spec.Build(), spec.Build());
    }

    [Theory]
    [InlineData("", "the operator is missing")]
    [InlineData("matmull m=1", "unknown operator 'matmull' (did you mean matmul?)")]
    [InlineData("matmul m=1 n=2", "matmul: k (length of the dot products) is missing")]
    [InlineData("matmul m=-1 n=2 k=3", "matmul: m=-1 is negative; allowed: a whole number from 1 to 1099511627776")]
    [InlineData("matmul m=0 n=2 k=3", "m=0 is zero")]
    [InlineData("matmul m=1099511627777 n=2 k=3", "m=1099511627777 is too large")]
    [InlineData("matmul m=1099511627776 n=1099511627776 k=3", "more than 1099511627776 bytes")]
    [InlineData("fill n=1099511627776 dtype=f32", "more than 1099511627776 bytes")]
    [InlineData(
        "sum shape=1099511627776x1099511627776x1099511627776x1099511627776x1099511627776x1099511627776 axes=0",
        "more than 1099511627776 bytes"
    )]
    [InlineData("copy shape=1099511627776 strides=1099511627776 dtype=u8", "more than 1099511627776 bytes")]
    [InlineData("copy shape=3x1099511627776 strides=0,0 dtype=u8", "more than 1099511627776 bytes")]
    [InlineData("copy shape=7x3 strides=3,1 to=2,1", "may not overlap")]
    [InlineData("copy shape=7x3 strides=3,1 to=0,1", "may not overlap")]
    [InlineData("copy shape=7x3 strides=3,1 to=3", "1 numbers in to for 2 dimensions")]
    [InlineData("index shape=7x3 dims=0,2 rows=2", "not neighbouring dimensions out of 2")]
    [InlineData("index_put shape=7x3 strides=1,1 dims=0 rows=2", "may not overlap")]
    [InlineData("index_put shape=7x3 dims=0 rows=2 accumulate=1 dtype=bool", "bool cannot be added up")]
    [InlineData("matmul m=99999999999999999999 n=2 k=3", "is too large")]
    [InlineData("matmul m=2147483647 n=2147483647 k=3", "the most that a tensor may have")]
    [InlineData("matmul m=x n=2 k=3", "m=x is not a whole number")]
    [InlineData("matmul m=1.5 n=2 k=3", "m=1.5 is not a whole number")]
    [InlineData("matmul m=1 n=2 k=3 q=4", "unknown key 'q'; keys are m, n, k, ta,")]
    [InlineData("matmul m=1 n=2 k=3 m=4", "m is given twice")]
    [InlineData("matmul m=1 n=2 k=", "'k=' is not a key=value pair")]
    [InlineData("matmul m=1 n=2 k", "'k' is not a key=value pair")]
    [InlineData("matmul m=1 n=2 k=3 ta=2", "ta=2 is not allowed; allowed: 0 or 1")]
    [InlineData("matmul m=1 n=2 k=3 act=swish", "act=swish is not allowed; allowed: one of none, relu,")]
    [InlineData("matmul m=1 n=2 k=3 bcast=a", "bcast needs batch greater than 1")]
    [InlineData("matmul m=1 n=2 k=3 dtype=bf16 tf32=1", "tf32=1 rounds f32 operands, and dtype is bf16")]
    [InlineData("attention b=1 h=6 tq=3 tk=3 d=4 hk=4", "hk=4 does not divide h=6; every head of K and V serves")]
    [InlineData("attention b=1 h=6 tq=3 tk=3 d=4 first=1", "it needs causal=1")]
    [InlineData("attention b=3 h=6 tq=3 tk=3 d=4 bias=1 mb=2", "mb=2 is neither 1 nor b=3")]
    [InlineData("attention b=1 h=6 tq=3 d=4", "attention: tk (keys and values) is missing")]
    [InlineData("add", "give n, or the shapes a, b")]
    [InlineData("add a=3x4", "give n, or the shapes a, b")]
    [InlineData("add n=3 a=3 b=3", "not both")]
    [InlineData("add a=3x4 b=3", "the shapes 3x4, 3 do not broadcast")]
    [InlineData("add a=3x b=3", "a=3x is not a whole number")]
    [InlineData("add a=1x1x1x1x1x1x1 b=3", "has 7 dimensions")]
    [InlineData("sum rows=3", "cols, axis missing")]
    [InlineData("sum rows=3 cols=3 axis=2", "axis=2 is not allowed; allowed: one of 0, 1")]
    [InlineData("sum shape=3x3 axes=2", "axes=2 is not an axis of a shape of 2 dimensions")]
    [InlineData("sum shape=3x3 axes=0,0", "axes names an axis twice")]
    [InlineData("sum shape=3x3 axes=a", "axes=a is not a whole number")]
    [InlineData("sum rows=3 shape=3", "not both")]
    [InlineData("argmax shape=3x3 axes=0,1", "give one")]
    [InlineData("conv3d n=1 c=2 d=4 h=3 w=5 oc=3 kd=2 kh=3 kw=3 stride=1,2", "stride has 2 numbers; give one, or one")]
    [InlineData("conv_transpose3d n=1 c=2 d=4 h=3 w=5 oc=3 kd=2 kh=3 kw=3 pad=1,1", "pad has 2 numbers; give one, or")]
    [InlineData("conv_transpose1d n=1 c=2 w=5 oc=3 kw=3 dil=1,1,1", "dil has 3 numbers; give one, or")]
    [InlineData("conv_transpose1d n=1 c=2 w=5 oc=3 kw=3 pad=4", "the padding takes the whole result away")]
    public void Refusals_say_why(string text, string reason)
    {
        var refusal = Assert.Throws<OperatorSpecException>(() => OperatorSpec.Parse(text));
        Assert.Contains(reason, refusal.Message);
    }
}
