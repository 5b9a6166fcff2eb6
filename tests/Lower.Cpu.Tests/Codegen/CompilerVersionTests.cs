using System.Text;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Codegen;
using Picograd.Lower.Cpu.Machine;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.Codegen;

public class CompilerVersionTests
{
    // What every processor with 256-bit vectors can be imitated by.
    private static CpuBackend Backend() =>
        new(
            new CpuTarget
            {
                Architecture = "x64",
                Model = "any",
                VectorBits = 256,
                HasFma = true,
                L1Bytes = 32 << 10,
                L2Bytes = 1 << 20,
                L3Bytes = 32 << 20,
            },
            threads: 4
        );

    [SkippableFact]
    public void The_version_in_keys_is_that_of_the_code()
    {
        Skip.If(CpuTarget.NativeVectorBits < 256, "this machine has no vectors of 256 bits to generate code for");
        var code = new StringBuilder();
        int count = 0;
        foreach (var (name, nest) in CompilerCases.Read(CompilerCases.FileOf("CompilerCases.txt")))
        {
            code.Append($"=== {name}\n").Append(Code(nest));
            count++;
        }
        Assert.True(count >= 16, $"only {count} cases");
        CompilerCases.Check("Cpu", code.ToString());
    }

    [SkippableFact]
    public void Code_is_the_same_every_time_and_tells_kernels_apart()
    {
        Skip.If(CpuTarget.NativeVectorBits < 256, "this machine has no vectors of 256 bits to generate code for");
        var cases = CompilerCases.Read(CompilerCases.FileOf("CompilerCases.txt")).ToList();
        var codes = cases.Select(c => Code(c.Nest)).ToList();
        Assert.Equal(codes, CompilerCases.Read(CompilerCases.FileOf("CompilerCases.txt")).Select(c => Code(c.Nest)));
        Assert.Equal(codes.Count, codes.Distinct().Count());
        Assert.All(codes, c => Assert.Contains("ldc", c, StringComparison.Ordinal));
        // A constant changed in the last pass changes the code.
        var other = DefaultSchedule.For(OperatorSpec.Parse("matmul m=34 n=17 k=29").Build(), Backend().Target);
        Assert.DoesNotContain(Code(other), codes);
    }

    // The nest after the last pass, and the IL that is made of it.
    private static string Code(LoopNest nest)
    {
        var backend = Backend();
        var text = new StringBuilder();
        text.Append(NestPrinter.Print(backend.Lower(nest)));
        IlWriter.Recording = text;
        try
        {
            backend.Compile(nest).Dispose();
        }
        finally
        {
            IlWriter.Recording = null;
        }
        return text.ToString();
    }

    [SkippableFact]
    public void Write_cases()
    {
        Skip.If(
            Environment.GetEnvironmentVariable("PICOGRAD_UPDATE_CASES") is null,
            "PICOGRAD_UPDATE_CASES is not set; this writes the list of cases anew, which changes the version"
        );
        string[] specs =
        [
            "matmul m=33 n=17 k=29",
            "matmul m=128 n=192 k=64 bias=1 act=gelu",
            "matmul m=65 n=70 k=300 tb=1 dtype=f64",
            "softmax rows=37 cols=100",
            "layernorm rows=9 cols=131",
            "cross_entropy rows=33 classes=27",
            "sum rows=31 cols=1700 axis=1",
            "sum rows=310 cols=17 axis=0",
            "argmax rows=40 cols=50 axis=1",
            "cumsum rows=5 cols=77",
            "embedding vocab=27 dim=10 rows=96",
            "embedding.adjoint vocab=27 dim=10 rows=96",
            "conv2d n=2 c=3 h=9 w=9 oc=5 kh=3 kw=3 pad=1",
            "attention b=1 h=2 tq=19 tk=23 d=16 causal=1",
            "add a=32x200 b=200",
            "copy shape=33x50 strides=1,33",
            "tanh n=1001",
            "erf n=77 dtype=f64",
            "log n=100",
            "sin n=65",
            "random_normal n=130",
            "adam n=1000",
        ];
        var text = new StringBuilder();
        foreach (string spec in specs)
            text.Append(
                CompilerCases.Write(spec, DefaultSchedule.For(OperatorSpec.Parse(spec).Build(), Backend().Target))
            );
        foreach (string spec in new[] { "softmax rows=300 cols=100", "add a=32x200 b=200" })
            text.Append(
                CompilerCases.Write(
                    $"class of {spec}",
                    OpenSchedule.For(OpenOperator.Of(OperatorSpec.Parse(spec))!, Backend().Target)
                )
            );
        File.WriteAllText(CompilerCases.FileOf("CompilerCases.txt"), text.ToString());
    }
}
