using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Picograd.Schedules.Rules.Gpu;
using Picograd.Tests.Codegen;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Attention;

/// <summary>
/// Attention as one kernel: the schedule and its kernel form in the interpreter with all sanitizers, its text on the
/// emulator, each within the evaluator's bound; NVIDIA's compiler takes it.
/// </summary>
[Collection(EmulatorCollection.Name)]
public class AttentionTests(ITestOutputHelper output)
{
    private static readonly TargetInfo Target = new("cuda", "cuda sm_90a", 0, 0, 132, 0, 50 << 20, 0)
    {
        Gpu = GpuInfo.H100,
    };

    [Theory]
    [InlineData("attention b=1 h=1 tq=5 tk=7 d=3", "bq=4 bk=4 tx=4 tm=2")]
    [InlineData("attention b=1 h=2 tq=6 tk=9 d=5 causal=1", "bq=4 bk=4 tx=4 tm=2")]
    [InlineData("attention b=2 h=2 hk=1 tq=8 tk=8 d=4 causal=1", "bq=4 bk=4 tx=4 tm=4")]
    [InlineData("attention b=1 h=1 tq=7 tk=3 d=4 causal=1", "bq=2 bk=4 tx=4 tm=1")]
    [InlineData("attention b=1 h=1 tq=11 tk=6 d=4 causal=1", "bq=2 bk=4 tx=4 tm=1")]
    [InlineData("attention b=1 h=1 tq=5 tk=14 d=4 causal=1", "bq=2 bk=4 tx=4 tm=1")]
    [InlineData("attention b=1 h=2 tq=9 tk=9 d=4 causal=1", "bq=2 bk=4 tx=4 tm=1 skip=0")]
    [InlineData("attention b=1 h=1 tq=1 tk=19 d=4 causal=1", "bq=1 bk=8 tx=8 tm=1")]
    [InlineData("attention b=1 h=1 tq=4 tk=10 d=6 dtype=bf16", "bq=4 bk=8 tx=4 tm=2")]
    [InlineData("attention b=1 h=2 tq=6 tk=9 d=5 causal=1 dv=3", "bq=4 bk=4 tx=4 tm=2")]
    [InlineData("attention b=1 h=2 tq=5 tk=6 d=4 causal=1 dtype=f16", "bq=4 bk=4 tx=8 tm=1")]
    public void Every_step_of_lowering_is_right(string text, string choices)
    {
        var spec = OperatorSpec.Parse(text);
        var nest = Nest(spec, choices);
        Interpreted(spec, StoragePlacement.Run(nest), schedule: true);
        Interpreted(spec, CudaLowering.Run(nest, GpuInfo.H100), schedule: false);
    }

    [SkippableTheory]
    [InlineData("attention b=1 h=2 tq=128 tk=128 d=64 causal=1", "")]
    [InlineData("attention b=1 h=1 tq=80 tk=96 d=128", "")]
    [InlineData("attention b=2 h=2 hk=1 tq=33 tk=65 d=64 causal=1 dtype=bf16", "")]
    [InlineData("attention b=1 h=2 tq=70 tk=70 d=128 causal=1 dtype=f16", "")]
    [InlineData("attention b=1 h=1 tq=37 tk=29 d=19 causal=1", "")]
    [InlineData("attention b=3 h=1 tq=13 tk=7 d=5", "")]
    [InlineData("attention b=1 h=2 tq=70 tk=65 d=32 dv=80 causal=1", "")]
    [InlineData("attention b=1 h=2 hk=1 tq=40 tk=33 d=64 dv=19", "")]
    [InlineData("attention b=1 h=4 tq=1 tk=200 d=64 causal=1", "")]
    [InlineData("attention b=1 h=1 tq=100 tk=50 d=32 causal=1", "bq=32 bk=16 tx=16 tm=4")]
    [InlineData("attention b=1 h=1 tq=100 tk=50 d=32 causal=1", "bq=32 bk=16 tx=16 tm=4 skip=0")]
    [InlineData("attention b=2 h=1 tq=50 tk=99 d=32 causal=1", "bq=16 bk=16 tx=16 tm=4")]
    [InlineData("attention b=1 h=1 tq=64 tk=64 d=64", "bq=64 bk=32 tx=8 tm=8 eu=8")]
    [InlineData("attention b=1 h=1 tq=64 tk=64 d=64", "bq=32 bk=128 tx=32 tm=8 vector=1 pad=0 fragments=0")]
    public void Text_is_right_on_the_emulator(string text, string choices)
    {
        EmulatedLaunch.Require();
        var spec = OperatorSpec.Parse(text);
        EmulatedProgram.Check(CudaLowering.Run(Nest(spec, choices), GpuInfo.H100), spec.MakeInputs(7));
    }

    [SkippableTheory]
    [InlineData("attention b=1 h=1 tq=16 tk=32 d=16 dtype=bf16", "bq=16 bk=16")]
    [InlineData("attention b=1 h=1 tq=32 tk=64 d=64 dv=32 dtype=bf16", "bq=16 bk=16")]
    [InlineData("attention b=1 h=1 tq=32 tk=64 d=16 dv=48 causal=1 dtype=f16", "bq=32 bk=32")]
    [InlineData("attention b=1 h=2 hk=1 tq=64 tk=64 d=64 causal=1 dtype=bf16", "bq=32 bk=32")]
    [InlineData("attention b=1 h=1 tq=64 tk=128 d=128 causal=1 dtype=f16", "")]
    [InlineData("attention b=1 h=1 tq=64 tk=32 d=32 causal=1 dtype=f16", "bq=32 bk=32 wm=32 pad=0")]
    [InlineData("attention b=1 h=2 tq=96 tk=48 d=32 causal=1 dtype=bf16", "bq=32 bk=16")]
    [InlineData("attention b=1 h=1 tq=32 tk=96 d=32 dtype=f16", "bq=32 bk=16 hold=0")]
    [InlineData("attention b=1 h=1 tq=32 tk=96 d=32 dtype=f16", "bq=32 bk=16 hold=0 wm=32")]
    [InlineData("attention b=1 h=1 tq=48 tk=96 d=32 causal=1 dtype=bf16", "bq=16 bk=16")]
    [InlineData("attention b=1 h=1 tq=64 tk=64 d=32 causal=1 dtype=bf16", "bq=32 bk=16 skip=0")]
    public void Tensor_cores_are_right_on_the_emulator(string text, string choices)
    {
        EmulatedLaunch.Require();
        var spec = OperatorSpec.Parse(text);
        Assert.IsType<GpuTensorAttentionRule>(ScheduleRules.For(spec.Build(), Target).First());
        EmulatedProgram.Check(CudaLowering.Run(Nest(spec, choices), GpuInfo.H100), spec.MakeInputs(7));
    }

    [SkippableTheory]
    [InlineData("attention b=1 h=16 tq=2048 tk=2048 d=64", "sm_80")]
    [InlineData("attention b=1 h=16 tq=2048 tk=2048 d=128 causal=1", "sm_90a")]
    [InlineData("attention b=1 h=16 tq=2048 tk=2048 d=64 causal=1 dtype=bf16", "sm_90a")]
    [InlineData("attention b=1 h=16 tq=2048 tk=2048 d=128 dtype=f16", "sm_80")]
    [InlineData("attention b=1 h=16 tq=1 tk=2048 d=128 causal=1 dtype=f16", "sm_90a")]
    public void The_compiler_takes_it_without_spills(string text, string architecture)
    {
        var nvrtc = InstalledNvrtc.Require(architecture);
        var gpu = architecture == "sm_80" ? GpuInfo.A100 : GpuInfo.H100;
        var program = CudaEmitter.Emit(CudaLowering.Run(Nest(OperatorSpec.Parse(text), ""), gpu), gpu);
        var result = nvrtc.Compile(program.Source, program.Name, architecture);
        Assert.True(result.Succeeded, result.Log + "\n" + program.Source);
        var kernel = Assert.Single(result.Report.Kernels);
        output.WriteLine($"{kernel}");
        Assert.Equal(0, kernel.SpillBytes);
    }

    [Theory]
    [InlineData("attention b=1 h=1 tq=64 tk=64 d=16 causal=1", "bq=16 bk=16 tm=4", 4)]
    [InlineData("attention b=1 h=1 tq=64 tk=64 d=16 causal=1 dtype=bf16", "bq=16 bk=16", 4)]
    [InlineData("attention b=1 h=1 tq=64 tk=64 d=16 causal=1 dtype=bf16", "bq=16 bk=32", 2)]
    public void Causal_tiles_stop_at_their_last_key(string text, string choices, long blocks)
    {
        var spec = OperatorSpec.Parse(text);
        var tiles = CudaLowering.Run(Nest(spec, choices), GpuInfo.H100).Loops.First(l => l.Kind == LoopKind.BlockX);
        var keys = tiles.Nodes().OfType<For>().Where(l => l.Extent.Uses(tiles.Var)).ToList();
        Assert.NotEmpty(keys);
        long Of(long tile) =>
            (
                (IntImm)
                    Simplifier.Simplify(
                        keys[0].Extent,
                        new Dictionary<Var, Interval> { [tiles.Var] = Interval.Point(tile) }
                    )
            ).Value;
        Assert.Equal(1, Of(0));
        Assert.Equal(blocks, Of(3));
        Assert.Equal(blocks == 4 ? [1, 2, 3, 4] : [1, 1, 2, 2], Enumerable.Range(0, 4).Select(t => Of(t)));
        var all = CudaLowering.Run(Nest(spec, $"{choices} skip=0"), GpuInfo.H100);
        Assert.All(all.Loops, l => Assert.NotNull(l.ConstantExtent));
    }

    private static LoopNest Nest(OperatorSpec spec, string choices)
    {
        var algorithm = spec.Build();
        var rule = ScheduleRules.For(algorithm, Target).First();
        Assert.True(rule is GpuAttentionRule or GpuTensorAttentionRule, rule.Name);
        var all = rule.Defaults(algorithm, Target).ToImmutableDictionary();
        foreach (string choice in choices.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            all = all.SetItem(choice.Split('=')[0], long.Parse(choice.Split('=')[1]));
        return rule.Apply(algorithm, Target, all);
    }

    private static void Interpreted(OperatorSpec spec, LoopNest nest, bool schedule)
    {
        var inputs = spec.MakeInputs(3);
        var expected = Evaluator.RunWithBounds(nest.Algorithm, inputs)[nest.Algorithm.Outputs[0]];
        var arrays = inputs.ToDictionary(i => i.Key.Name, i => HostArray.From(i.Value, i.Key));
        foreach (int seed in new[] { 1, 2 })
        {
            var result = Interpreter.Run(
                nest,
                arrays,
                null,
                new InterpreterOptions(Seed: seed, ThreadLoopsJoin: schedule)
            )[0];
            for (int i = 0; i < result.Count; i++)
                Assert.True(
                    expected.Accepts(i, result[i]),
                    $"{spec}: Y[{i}] is {result[i]}, not {expected.Value.At(i)} ± {expected.Bound[i]}\n{nest}"
                );
        }
    }
}
