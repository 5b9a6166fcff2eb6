using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Picograd.Tests.Passes;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>The text of a fixed list of kernels, against files; PICOGRAD_UPDATE=1 writes them again.</summary>
public class TextTests
{
    private const string Update = "PICOGRAD_UPDATE";

    private static readonly Dictionary<string, Func<LoopNest>> s_nests = new()
    {
        ["scale_f32"] = () => HandBuilt.Scale(4096),
        ["scale_f32_tail"] = () => HandBuilt.Scale(1001),
        ["scale_bf16"] = () => HandBuilt.Scale(4096, DType.BFloat16, 8),
        ["matmul"] = () => HandBuilt.Matmul(128, 192, 64),
        ["matmul_overhang"] = () => HandBuilt.Matmul(100, 72, 44),
        ["transpose_async"] = () => HandBuilt.AsyncTranspose(100, 68),
        ["reverse_warpgroup"] = () => HandBuilt.Reverse(BarrierScope.Warpgroup),
        ["reverse_warp"] = () => HandBuilt.Reverse(BarrierScope.Warp),
        ["argmax"] = () => HandBuilt.ArgMax(10, 100),
        ["matmul_scheduled"] = () => CudaLowering.Run(SimtSchedules.TiledMatmul(35, 37, 21), GpuInfo.A100),
        ["matmul_double_buffered"] = () =>
            CudaLowering.Run(SimtSchedules.TiledMatmul(64, 64, 64, "double_buffer ko"), GpuInfo.A100),
        ["softmax_naive"] = () => NaiveKernels.Of(OperatorSpec.Parse("softmax rows=5 cols=7 dtype=f32").Build()),
    };

    public static TheoryData<string> Names() => [.. s_nests.Keys];

    internal static LoopNest Nest(string name) => s_nests[name]();

    [Theory]
    [MemberData(nameof(Names))]
    public void TheTextIsThatOfTheFile(string name)
    {
        var nest = s_nests[name]();
        NestVerifier.Check(nest);
        string text = CudaEmitter.Emit(nest, GpuInfo.A100).Source;
        string file = Path.Combine(Folder(), name + ".cu");
        if (Environment.GetEnvironmentVariable(Update) == "1")
            File.WriteAllText(file, text);
        Assert.True(File.Exists(file), $"{file} is missing; {Update}=1 writes it");
        Assert.Equal(File.ReadAllText(file), text);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void TheNestRunsInTheInterpreter(string name)
    {
        var nest = s_nests[name]();
        var random = new Random(1);
        var inputs = nest.Algorithm.Inputs.ToDictionary(
            b => b.Name,
            b =>
            {
                var array = HostArray.For(b);
                for (int i = 0; i < array.Count; i++)
                    array[i] = random.Next(-4, 5);
                return array;
            }
        );
        var expected = Interpreter.Run(LowerBlocks.Run(InitialNest.Of(nest.Algorithm)), inputs);
        var actual = Interpreter.Run(nest, inputs);
        Assert.Equal(expected.Select(o => o.ToDoubles()), actual.Select(o => o.ToDoubles()));
    }

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void TheTextCompiles(string name)
    {
        var nest = s_nests[name]();
        foreach (var gpu in new[] { GpuInfo.A100, GpuInfo.H100 })
        {
            var nvrtc = InstalledNvrtc.Require(gpu.Architecture);
            var program = CudaEmitter.Emit(nest, gpu);
            var result = nvrtc.Compile(program.Source, program.Name, gpu.Architecture);
            Assert.True(result.Succeeded, result.Log + "\n" + program.Source);
            Assert.All(result.Report.Kernels, k => Assert.Equal(0, k.SpillBytes));
        }
    }

    private static string Folder([CallerFilePath] string here = "") =>
        Path.Combine(Path.GetDirectoryName(here)!, "Goldens");
}
