using System.Text;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Xunit;

namespace Picograd.Tests.Codegen;

public class CompilerVersionTests
{
    private static string File => CompilerCases.FileOf("CompilerCases.txt");

    [Fact]
    public void The_version_in_keys_is_that_of_the_code()
    {
        var code = new StringBuilder();
        int count = 0;
        foreach (var (name, nest) in CompilerCases.Read(CudaFile()))
        {
            code.Append($"=== {name}\n");
            foreach (var gpu in new[] { GpuInfo.A100, GpuInfo.H100 })
            {
                try
                {
                    code.Append(CudaEmitter.Emit(CudaLowering.Run(nest, gpu), gpu).Source);
                    count++;
                }
                catch (LoweringException refusal)
                {
                    // An instruction that the older one lacks: that it is refused is part of the version, too.
                    code.Append($"refused: {refusal.Reason}\n");
                }
            }
        }
        Assert.True(count >= 16, $"only {count} texts");
        CompilerCases.Check("Cuda", code.ToString());
    }

    private static string CudaFile() =>
        Path.Combine(Path.GetDirectoryName(File)!, "../../Lower.Cuda.Tests/Codegen/CompilerCases.txt");

    [SkippableFact]
    public void Write_cases()
    {
        Skip.If(
            Environment.GetEnvironmentVariable("PICOGRAD_UPDATE_CASES") is null,
            "PICOGRAD_UPDATE_CASES is not set; this writes the list of cases anew, which changes the version"
        );
        string[] specs =
        [
            "matmul m=100 n=72 k=44",
            "matmul m=128 n=128 k=64 bias=1 act=gelu",
            "matmul m=256 n=256 k=128 dtype=bf16",
            "softmax rows=37 cols=100",
            "layernorm rows=9 cols=131",
            "sum rows=310 cols=17 axis=0",
            "argmax rows=40 cols=50 axis=1",
            "cumsum rows=5 cols=77",
            "embedding.adjoint vocab=27 dim=10 rows=96",
            "conv2d n=2 c=3 h=9 w=9 oc=5 kh=3 kw=3 pad=1",
            "add a=32x200 b=200",
            "copy shape=33x50 strides=1,33",
            "tanh n=1001",
            "erf n=77 dtype=f64",
            "random_normal n=130",
        ];
        var gpu = GpuInfo.H100;
        var target = new TargetInfo("cuda", $"cuda;{gpu.Architecture}", 0, 0, 1, 0, gpu.L2Bytes, 0) { Gpu = gpu };
        var text = new StringBuilder();
        foreach (string spec in specs)
            text.Append(CompilerCases.Write(spec, DefaultSchedule.For(OperatorSpec.Parse(spec).Build(), target)));
        System.IO.File.WriteAllText(CudaFile(), text.ToString());
    }
}
