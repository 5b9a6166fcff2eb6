using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Tests.Codegen;
using Xunit;

namespace Picograd.Tests.Fragments;

/// <summary>The text of products on tensor cores: on the emulator against the evaluator, and under NVIDIA's compiler.</summary>
[Collection(EmulatorCollection.Name)]
public class TensorMatmulTextTests
{
    [SkippableTheory]
    [InlineData("matmul m=70 n=52 k=83 dtype=bf16 bias=1 act=relu", "bm=64 bn=64 wm=32 wn=32 bk=32 stages=3")]
    [InlineData("matmul m=65 n=48 k=72 dtype=f16 tb=1", "bm=64 bn=32 wm=32 wn=32 bk=16 stages=4")]
    [InlineData("matmul m=40 n=65 k=64 dtype=bf16 ta=1 act=gelu", "bm=32 bn=64 wm=16 wn=32 bk=32 stages=2")]
    [InlineData("matmul m=33 n=17 k=31 dtype=f16 ta=1 tb=1 batch=3 bias=1", "bm=32 bn=32 wm=32 wn=16 bk=16 stages=1")]
    [InlineData("matmul m=70 n=52 k=83 tf32=1", "bm=64 bn=64 wm=32 wn=32 bk=16 stages=3")]
    [InlineData("matmul m=64 n=64 k=64 tf32=1 tb=1 bias=1 act=silu", "bm=64 bn=32 wm=32 wn=32 bk=16 stages=2")]
    [InlineData("matmul m=36 n=40 k=24 tf32=1 ta=1", "bm=32 bn=32 wm=16 wn=32 bk=8 stages=2")]
    [InlineData(
        "matmul m=70 n=40 k=200 dtype=bf16 batch=2 bias=1 act=relu",
        "bm=32 bn=32 wm=16 wn=32 bk=16 stages=2 split_k=2"
    )]
    [InlineData("matmul m=70 n=52 k=83 dtype=bf16", "bm=64 bn=64 wm=32 wn=32 bk=32 stages=3 swizzle=1")]
    [InlineData("matmul m=70 n=56 k=88 dtype=f16 tb=1", "bm=64 bn=64 wm=32 wn=32 bk=64 stages=2 swizzle=1")]
    [InlineData("matmul m=72 n=136 k=40 dtype=bf16 ta=1", "bm=64 bn=128 wm=32 wn=64 bk=16 stages=3 swizzle=1")]
    [InlineData("matmul m=40 n=256 k=48 dtype=f16 ta=1 tb=1", "bm=32 bn=256 wm=32 wn=32 bk=16 stages=2 swizzle=1")]
    [InlineData("matmul m=70 n=260 k=40 dtype=bf16", "bm=64 bn=256 wm=32 wn=64 bk=16 stages=2 swizzle=1")]
    [InlineData("matmul m=70 n=52 k=83 tf32=1", "bm=64 bn=64 wm=32 wn=32 bk=16 stages=3 swizzle=1")]
    [InlineData("matmul m=64 n=132 k=40 tf32=1 ta=1", "bm=64 bn=128 wm=32 wn=64 bk=8 stages=2 swizzle=1")]
    [InlineData("matmul m=40 n=40 k=68 tf32=1 tb=1", "bm=32 bn=64 wm=32 wn=32 bk=32 stages=2 swizzle=1")]
    [InlineData("matmul m=40 n=90 k=33 dtype=bf16 bias=1", "bm=32 bn=96 wm=16 wn=32 bk=16 stages=2 swizzle=1")]
    [InlineData("matmul m=70 n=52 k=83 dtype=bf16", "bm=64 bn=64 wm=32 wn=32 bk=32 stages=3 swizzle=0")]
    [InlineData("matmul m=36 n=40 k=24 tf32=1 ta=1", "bm=32 bn=32 wm=16 wn=32 bk=8 stages=2 swizzle=0 pad=0")]
    [InlineData("matmul m=16 n=24 k=3000 dtype=f16", "")]
    [InlineData("matmul m=1 n=100 k=65 dtype=bf16", "")]
    [InlineData("matmul m=100 n=1 k=65 tf32=1", "")]
    [InlineData("matmul m=3 n=5 k=1 dtype=f16 batch=7", "")]
    [InlineData("matmul m=96 n=160 k=80 dtype=bf16 batch=3 bcast=b ta=1", "")]
    public void TextIsCorrect(string spec, string knobs)
    {
        EmulatedLaunch.Require();
        var nest = TensorMatmulTests.Nest(spec, knobs);
        EmulatedProgram.Check(CudaLowering.Run(nest, GpuInfo.H100), EmulatedTests.RandomInputs(nest.Algorithm, 5));
    }

    /// <summary>Where either the copies or the loads of one operand are not swizzled, numbers are wrong.</summary>
    [SkippableTheory]
    [InlineData("matmul m=32 n=64 k=48 dtype=bf16", "bm=32 bn=64 wm=32 wn=32 bk=32 stages=2 swizzle=1")]
    [InlineData("matmul m=32 n=64 k=32 tf32=1", "bm=32 bn=64 wm=32 wn=32 bk=16 stages=2 swizzle=1")]
    public void SwizzlesOnOneSideAreNoticed(string spec, string knobs)
    {
        EmulatedLaunch.Require();
        var nest = TensorMatmulTests.Nest(spec, knobs);
        var inputs = EmulatedTests.RandomInputs(nest.Algorithm, 5);
        var kernel = CudaLowering.Run(nest, GpuInfo.H100);
        var program = CudaEmitter.Emit(kernel, GpuInfo.H100);
        Assert.Null(EmulatedProgram.Wrong(kernel, program, inputs));
        string[] lines = program.Source.Split('\n');
        foreach (string operand in new[] { "A_pad", "B_pad" })
        foreach (bool loads in new[] { true, false })
        {
            string call = $"{operand}[swizzle(";
            // What goes to fragments is behind the fragment's name.
            bool IsSide(string line) =>
                line.Contains(call, StringComparison.Ordinal)
                && line.IndexOf("_frag", StringComparison.Ordinal) is var at
                && (at >= 0 && at < line.IndexOf(call, StringComparison.Ordinal)) == loads;
            Assert.Contains(lines, IsSide);
            string text = string.Join(
                '\n',
                lines.Select(l => IsSide(l) ? l.Replace(call, $"{operand}[straight(", StringComparison.Ordinal) : l)
            );
            int start = text.IndexOf("extern \"C\"", StringComparison.Ordinal);
            text = text.Insert(start, "__device__ __forceinline__ int straight(int i, int, int) { return i; }\n");
            Assert.NotNull(EmulatedProgram.Wrong(kernel, program with { Source = text }, inputs));
        }
    }

    [SkippableTheory]
    [InlineData("matmul m=4096 n=4096 k=4096 dtype=bf16", "sm_80")]
    [InlineData("matmul m=4096 n=4096 k=4096 dtype=bf16", "sm_90a")]
    [InlineData("matmul m=4096 n=4096 k=4096 dtype=f16 tb=1 bias=1 act=gelu", "sm_80")]
    [InlineData("matmul m=4096 n=4096 k=4096 tf32=1", "sm_80")]
    [InlineData("matmul m=4096 n=4096 k=4096 tf32=1", "sm_90a")]
    [InlineData("matmul m=4096 n=4096 k=4096 tf32=1 tb=1", "sm_80")]
    [InlineData("matmul m=1000 n=1000 k=1000 dtype=bf16 ta=1", "sm_90a")]
    [InlineData("matmul m=4096 n=4096 k=4096 dtype=bf16", "sm_80", "swizzle=0")]
    [InlineData("matmul m=4096 n=4096 k=4096 dtype=bf16 ta=1", "sm_90a", "bn=256 wn=64 swizzle=1")]
    public void DefaultsCompileWithoutSpills(string spec, string architecture, string knobs = "")
    {
        var nvrtc = InstalledNvrtc.Require(architecture);
        var gpu = architecture == "sm_80" ? GpuInfo.A100 : GpuInfo.H100;
        var program = CudaEmitter.Emit(CudaLowering.Run(TensorMatmulTests.Nest(spec, knobs), gpu), gpu);
        var compiled = nvrtc.Compile(program.Source, program.Name, architecture);
        Assert.True(compiled.Succeeded, compiled.Log + "\n" + program.Source);
        Assert.All(compiled.Report.Kernels, k => Assert.True(k.SpillBytes == 0, $"{k}\n{program.Source}"));
    }
}
