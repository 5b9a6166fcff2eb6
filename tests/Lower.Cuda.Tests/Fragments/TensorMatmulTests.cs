using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules.Gpu;
using Picograd.Tests.Passes;
using Xunit;

namespace Picograd.Tests.Fragments;

/// <summary>Products on tensor cores by the rule: schedule and kernel form in the interpreter, in all layouts.</summary>
public class TensorMatmulTests
{
    private static readonly TargetInfo Target = new("cuda", "test", 0, 0, 0, 0, 0, 0) { Gpu = GpuInfo.H100 };

    public static LoopNest Nest(string spec, string knobs = "")
    {
        var algorithm = OperatorSpec.Parse(spec).Build();
        var rule = new GpuTensorMatmulRule();
        Assert.True(rule.Applies(algorithm, Target));
        var choices = new Dictionary<string, long>(rule.Defaults(algorithm, Target));
        foreach (string knob in knobs.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = knob.Split('=');
            Assert.True(choices.ContainsKey(parts[0]), parts[0]);
            choices[parts[0]] = long.Parse(parts[1]);
        }
        return rule.Apply(algorithm, Target, choices);
    }

    [Theory]
    [InlineData("matmul m=33 n=20 k=37 dtype=bf16", "bm=32 bn=32 wm=16 wn=16 bk=16 stages=1")]
    [InlineData("matmul m=32 n=32 k=32 dtype=bf16 bias=1 act=relu", "bm=32 bn=32 wm=32 wn=16 bk=32 stages=1")]
    [InlineData("matmul m=17 n=24 k=40 dtype=f16 tb=1", "bm=32 bn=32 wm=16 wn=32 bk=16 stages=2")]
    [InlineData("matmul m=24 n=19 k=33 dtype=f16 ta=1 act=gelu", "bm=32 bn=32 wm=16 wn=16 bk=16 stages=2")]
    [InlineData("matmul m=16 n=16 k=20 dtype=bf16 ta=1 tb=1 batch=2 bias=1", "bm=32 bn=32 wm=16 wn=16 bk=16 stages=1")]
    [InlineData("matmul m=33 n=20 k=21 tf32=1", "bm=32 bn=32 wm=16 wn=16 bk=8 stages=1")]
    [InlineData("matmul m=20 n=32 k=44 tf32=1 tb=1 bias=1", "bm=32 bn=32 wm=16 wn=16 bk=16 stages=2")]
    [InlineData("matmul m=33 n=9 k=16 tf32=1 ta=1", "bm=32 bn=32 wm=16 wn=16 bk=8 stages=1")]
    [InlineData("matmul m=70 n=40 k=16 dtype=bf16", "bm=32 bn=32 wm=32 wn=32 bk=16 stages=1 group=2 pad=0")]
    [InlineData("matmul m=20 n=24 k=90 dtype=bf16 bias=1", "bm=32 bn=32 wm=16 wn=16 bk=16 stages=2 split_k=2")]
    [InlineData("matmul m=33 n=20 k=60 tf32=1", "bm=32 bn=32 wm=32 wn=16 bk=8 stages=1 split_k=4")]
    [InlineData("matmul m=20 n=24 k=32 dtype=bf16 tb=1", "bm=32 bn=32 wm=16 wn=16 bk=16 stages=2")]
    [InlineData("matmul m=20 n=24 k=32 dtype=f16", "bm=32 bn=32 wm=16 wn=16 bk=16 stages=3")]
    [InlineData("matmul m=20 n=24 k=14 tf32=1", "bm=32 bn=32 wm=16 wn=16 bk=8 stages=2")]
    [InlineData("matmul m=33 n=20 k=37 dtype=bf16", "bm=32 bn=32 wm=16 wn=16 bk=16 stages=3 swizzle=1")]
    [InlineData("matmul m=20 n=32 k=37 tf32=1 ta=1", "bm=32 bn=32 wm=16 wn=16 bk=8 stages=2 swizzle=1")]
    [InlineData("matmul m=20 n=32 k=37 dtype=f16 tb=1", "bm=32 bn=32 wm=16 wn=16 bk=32 stages=2 swizzle=0")]
    public void RuleIsCorrectAtEveryStage(string spec, string knobs) => Proof.Lowers(Nest(spec, knobs));
}
