using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules.Gpu;
using Picograd.Tests.Codegen;
using Picograd.Tests.Passes;
using Xunit;

namespace Picograd.Tests.Fragments;

/// <summary>Products by wgmma: schedules and kernel form in the interpreter, in all layouts.</summary>
[Collection(EmulatorCollection.Name)]
public class WarpgroupMatmulTests
{
    private static readonly TargetInfo Target = new("cuda", "test", 0, 0, 0, 0, 0, 0) { Gpu = GpuInfo.H100 };

    public static LoopNest Nest(string spec, string knobs = "", int processors = 132)
    {
        var target = Target with { Gpu = GpuInfo.H100 with { Multiprocessors = processors } };
        var algorithm = OperatorSpec.Parse(spec).Build();
        var rule = new GpuWarpgroupMatmulRule();
        Assert.True(rule.Applies(algorithm, target));
        var choices = new Dictionary<string, long>(rule.Defaults(algorithm, target));
        foreach (string knob in knobs.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = knob.Split('=');
            Assert.True(choices.ContainsKey(parts[0]), parts[0]);
            choices[parts[0]] = long.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture);
        }
        return rule.Apply(algorithm, target, choices);
    }

    [Theory]
    [InlineData("matmul m=64 n=16 k=72 dtype=bf16 tb=1 bias=1", "bm=64 bn=16 consumers=1 bulk=0 stages=2")]
    [InlineData("matmul m=33 n=64 k=64 dtype=f16", "bm=64 bn=64 consumers=1 bulk=0 stages=2")]
    [InlineData("matmul m=16 n=16 k=40 tf32=1 tb=1", "bm=64 bn=16 consumers=1 bulk=0 stages=3")]
    public void RuleIsCorrectAtEveryStage(string spec, string knobs) => Proof.Lowers(Nest(spec, knobs));

    [SkippableTheory]
    [InlineData("matmul m=128 n=128 k=256 dtype=bf16 tb=1", "bm=128 bn=128 consumers=2 bulk=0 stages=3")]
    [InlineData("matmul m=70 n=56 k=88 dtype=bf16 tb=1 bias=1 act=relu", "bm=64 bn=48 consumers=1 bulk=0 stages=2")]
    [InlineData("matmul m=100 n=136 k=200 dtype=f16", "bm=128 bn=128 consumers=2 bulk=0 stages=4 group=2")]
    [InlineData("matmul m=136 n=64 k=72 dtype=bf16 ta=1", "bm=128 bn=64 consumers=1 bulk=0 stages=2")]
    [InlineData("matmul m=72 n=80 k=40 dtype=f16 ta=1 tb=1 batch=2", "bm=64 bn=80 consumers=1 bulk=0 stages=2")]
    [InlineData("matmul m=128 n=96 k=100 tf32=1 tb=1 bias=1 act=gelu", "bm=128 bn=96 consumers=2 bulk=0 stages=3")]
    [InlineData("matmul m=64 n=64 k=512 dtype=bf16 tb=1", "bm=64 bn=64 consumers=1 bulk=0 stages=2 split_k=4")]
    public void CooperativeCopiesAreCorrectOnTheEmulator(string spec, string knobs) => Emulated(spec, knobs);

    [SkippableTheory]
    [InlineData("matmul m=4096 n=4096 k=4096 dtype=bf16", "bulk=0 bn=128 stages=4")]
    [InlineData("matmul m=4096 n=4096 k=4096 tf32=1 tb=1", "bulk=0 bn=128 stages=4")]
    public void CooperativeCopiesCompileWithoutSpills(string spec, string knobs) => Compiles(spec, knobs);

    /// <summary>Registers change hands only where the compiler knows what the kernel begins with.</summary>
    [Theory]
    [InlineData("bulk=1 consumers=2", "__launch_bounds__(384, 1)")]
    [InlineData("bulk=0 consumers=2 bn=128", "__launch_bounds__(256)")]
    public void KernelsThatReallocateRegistersAreOneABlock(string knobs, string bounds)
    {
        var nest = Nest("matmul m=4096 n=4096 k=4096 dtype=bf16 tb=1", knobs);
        string source = CudaEmitter.Emit(CudaLowering.Run(nest, GpuInfo.H100), GpuInfo.H100).Source;
        Assert.Contains(bounds, source, StringComparison.Ordinal);
    }

    [SkippableTheory]
    [InlineData("matmul m=128 n=128 k=320 dtype=bf16 tb=1", "bm=128 bn=128 consumers=2 stages=3")]
    [InlineData("matmul m=70 n=56 k=88 dtype=bf16 tb=1 bias=1 act=relu", "bm=64 bn=48 consumers=1 stages=2")]
    [InlineData("matmul m=100 n=264 k=200 dtype=f16", "bm=128 bn=256 consumers=2 stages=2 group=2")]
    [InlineData("matmul m=136 n=64 k=72 dtype=bf16 ta=1", "bm=128 bn=64 consumers=1 stages=2")]
    [InlineData("matmul m=72 n=80 k=40 dtype=f16 ta=1 tb=1 batch=2", "bm=64 bn=80 consumers=1 stages=2")]
    [InlineData("matmul m=300 n=96 k=100 tf32=1 tb=1 bias=1 act=gelu", "bm=256 bn=48 consumers=4 stages=2")]
    [InlineData("matmul m=64 n=64 k=512 dtype=bf16 tb=1", "bm=64 bn=64 consumers=1 stages=2 split_k=4")]
    [InlineData("matmul m=64 n=16 k=64 tf32=1 tb=1", "bm=64 bn=16 consumers=1 stages=8")]
    public void BulkCopiesAreCorrectOnTheEmulator(string spec, string knobs) => Emulated(spec, knobs + " bulk=1");

    [SkippableTheory]
    [InlineData("matmul m=250 n=128 k=192 dtype=bf16 tb=1", "bm=64 bn=64 consumers=1 stages=2 bulk=1", 4)]
    [InlineData("matmul m=384 n=128 k=72 dtype=bf16", "bm=128 bn=64 consumers=2 stages=4 bulk=1", 3)]
    [InlineData("matmul m=200 n=96 k=136 tf32=1 tb=1 bias=1", "bm=64 bn=32 consumers=1 stages=3 bulk=0", 6)]
    public void PersistentBlocksAreCorrectOnTheEmulator(string spec, string knobs, int processors) =>
        Emulated(spec, knobs + " persistent=1", processors);

    [SkippableTheory]
    [InlineData("matmul m=4096 n=4096 k=4096 dtype=bf16", "")]
    [InlineData("matmul m=4096 n=4096 k=4096 dtype=bf16 tb=1", "persistent=1")]
    [InlineData("matmul m=4096 n=4096 k=4096 dtype=f16 ta=1 bias=1 act=gelu", "")]
    [InlineData("matmul m=4096 n=4096 k=4096 tf32=1 tb=1", "")]
    public void DefaultsCompileWithoutSpills(string spec, string knobs) => Compiles(spec, knobs);

    [Theory]
    [InlineData("consumers=2 bulk=1", "matmul_bf16_128x256_t384")]
    [InlineData("consumers=2 bulk=0", "matmul_bf16_128x256_t256")]
    public void NamesTellTheTile(string knobs, string name)
    {
        var nest = Nest("matmul m=4096 n=4096 k=4096 dtype=bf16", "bm=128 bn=256 " + knobs);
        Assert.Equal(name, CudaEmitter.Emit(CudaLowering.Run(nest, GpuInfo.H100), GpuInfo.H100).Name);
    }

    private static void Emulated(string spec, string knobs, int processors = 132)
    {
        EmulatedLaunch.Require();
        var nest = Nest(spec, knobs, processors);
        EmulatedProgram.Check(CudaLowering.Run(nest, GpuInfo.H100), EmulatedTests.RandomInputs(nest.Algorithm, 5));
    }

    // Neither spills nor products that wait for one another nor limits that are ignored.
    private static void Compiles(string spec, string knobs)
    {
        var nvrtc = InstalledNvrtc.Require("sm_90a");
        var program = CudaEmitter.Emit(CudaLowering.Run(Nest(spec, knobs), GpuInfo.H100), GpuInfo.H100);
        var compiled = nvrtc.Compile(program.Source, program.Name, "sm_90a");
        Assert.True(compiled.Succeeded, compiled.Log + "\n" + program.Source);
        Assert.All(compiled.Report.Kernels, k => Assert.True(k.SpillBytes == 0, $"{k}\n{program.Source}"));
        Assert.DoesNotContain("C75", compiled.Log, StringComparison.Ordinal);
    }
}
