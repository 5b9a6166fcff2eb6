using Picograd.Algorithms;
using Picograd.Algorithms.Adjoints;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Tests.Gpu;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Rules;

/// <summary>The default schedule of every legal instance, of every operator, becomes text: on both architectures.</summary>
public class LegalShapeTests(ITestOutputHelper output)
{
    private const int InstancesAnOperator = 3;
    private const int Compiled = 10;

    public static TheoryData<string> Operators => [.. OperatorLibrary.All.Select(o => o.Name)];

    [Theory]
    [MemberData(nameof(Operators))]
    public void Defaults_become_text(string name)
    {
        int seed = name.Aggregate(17, (h, c) => unchecked(h * 31 + c)) & 0xFFFFFF;
        foreach (var spec in LargeSpecs.Of(OperatorLibrary.Find(name)!, InstancesAnOperator, seed))
            Emit(spec);
    }

    // Products and what is like them have the most rules.
    [Theory]
    [InlineData("matmul", 40)]
    [InlineData("attention", 15)]
    [InlineData("conv2d", 15)]
    [InlineData("cross_entropy", 15)]
    public void Defaults_with_tiles_become_text(string name, int count)
    {
        foreach (var spec in LargeSpecs.Of(OperatorLibrary.Find(name)!, count, 20261129))
            Emit(spec);
    }

    [Theory]
    [InlineData("matmul m=64 n=64 k=64 batch=65536")]
    [InlineData("matmul m=64 n=64 k=64 batch=65536 dtype=bf16")]
    [InlineData("matmul m=48 n=1000003 k=8 tb=1 act=gelu dtype=f16")]
    [InlineData("matmul m=64 n=4096 k=256 dtype=bf16")]
    [InlineData("matmul m=8 n=33 k=127 tb=1 batch=65536 bcast=a")]
    [InlineData("attention b=4096 h=16 tq=49 tk=49 d=32")]
    [InlineData("attention b=4096 h=16 tq=49 tk=49 d=32 dtype=bf16")]
    [InlineData("attention b=127 h=1 tq=48 tk=5 d=1024 dtype=f64")]
    [InlineData("conv2d n=300000 c=3 h=8 w=8 oc=8 kh=3 kw=3")]
    [InlineData("conv2d n=65536 c=3 h=128 w=130 oc=31 kh=8 kw=8 pad=4")]
    [InlineData("conv2d n=8 c=8 h=200 w=65 oc=2 kh=64 kw=24 dtype=f64")]
    [InlineData("cross_entropy rows=2 classes=1024")]
    [InlineData("conv_transpose3d n=33 c=2 d=64 h=130 w=8 oc=130 kd=96 kh=3 kw=16 dtype=f16")]
    [InlineData("conv3d n=1 c=6 d=6 h=5 w=2 oc=9 kd=4 kh=4 kw=2 stride=2 pad=3 dil=2 groups=3")]
    public void Defaults_that_were_refused_become_text(string text) => Emit(OperatorSpec.Parse(text));

    /// <summary>Offsets of elements beyond 2³¹ are computed in 64 bits, and those below are not made slower.</summary>
    [Theory]
    [InlineData("exp n=1000000", false)]
    [InlineData("sum rows=70000 cols=70000 axis=1", true)]
    [InlineData("add a=70000x70000 b=70000", true)]
    [InlineData("matmul m=70000 n=70000 k=64", true)]
    [InlineData("matmul m=64 n=64 k=64 batch=1000000", true)]
    [InlineData("transpose rows=70000 cols=70000", true)]
    public void Large_offsets_have_64_bits(string text, bool wide)
    {
        foreach (var program in Emit(OperatorSpec.Parse(text)))
            Assert.Equal(wide, program.Source.Contains("long long", StringComparison.Ordinal));
    }

    [SkippableFact]
    public void A_sample_compiles()
    {
        var nvrtc = InstalledNvrtc.Require("sm_90a");
        var random = new Random(7);
        for (int i = 0; i < Compiled; i++)
        {
            var definition = OperatorLibrary.All[random.Next(OperatorLibrary.All.Length)];
            foreach (var spec in LargeSpecs.Of(definition, 1, i))
            {
                var program = Emit(spec)[i % 2];
                var result = nvrtc.Compile(program.Source, program.Name, i % 2 == 0 ? "sm_80" : "sm_90a");
                output.WriteLine($"{spec}: {result.Succeeded}");
                Assert.True(result.Succeeded, $"{spec}: {result.Log}\n{program.Source}");
            }
        }
    }

    [Theory]
    [InlineData("W", "conv3d n=1 c=1024 d=200 h=1 w=65 oc=127 kd=49 kh=2 kw=16 pad=1")]
    [InlineData("X", "conv3d n=3 c=1 d=8 h=5 w=6 oc=17 kd=2 kh=4 kw=1 stride=1 pad=2 dil=2")]
    [InlineData("W", "conv3d n=1 c=16 d=6 h=8 w=1 oc=3 kd=2 kh=1 kw=5 stride=1 pad=2")]
    public void Gradients_that_were_refused_become_text(string input, string text)
    {
        var forward = OperatorSpec.Parse(text).Build();
        Emit(text, Adjoint.Of(forward, [forward.Inputs.First(i => i.Name == input)]).Algorithm);
    }

    private static List<CudaProgram> Emit(OperatorSpec spec) => Emit(spec.ToString(), spec.Build());

    private static List<CudaProgram> Emit(string what, Algorithm algorithm)
    {
        var programs = new List<CudaProgram>();
        foreach (var target in (TargetInfo[])[Targets.A100, Targets.H100])
        {
            try
            {
                var nest = CudaLowering.Run(DefaultSchedule.For(algorithm, target), target.Gpu!);
                var program = CudaEmitter.Emit(nest, target.Gpu!);
                Assert.NotEmpty(program.Launches);
                programs.Add(program);
            }
            catch (LoweringException e)
            {
                Assert.Fail($"{what} on {target.Gpu!.Architecture}: {e.Message}");
            }
        }
        return programs;
    }
}
