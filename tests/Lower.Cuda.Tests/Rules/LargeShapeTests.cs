using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;
using Picograd.Tests.Gpu;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Rules;

/// <summary>
/// Operators at the sizes that GPUs are for. Nothing runs: every rule's default schedule applies, becomes kernel form and
/// text, random choices do or are refused with a reason, and NVIDIA's compiler takes the defaults without spills.
/// </summary>
public class LargeShapeTests(ITestOutputHelper output)
{
    private const int ChoicesARule = 2;

    private static readonly string[] Specs =
    [
        .. from size in (int[])[4096, 8192]
        from type in (string[])["", " tf32=1", " dtype=bf16"]
        from layout in (string[])["", " tb=1", " ta=1"]
        select $"matmul m={size} n={size} k={size}{layout}{type}",
        .. from shape in (string[])
            ["m=1000 n=1000 k=1000", "m=256 n=3072 k=768", "m=1 n=50257 k=768", "m=512 n=512 k=512 batch=8"]
        from type in (string[])["", " tf32=1", " dtype=bf16"]
        select $"matmul {shape}{type}",
        .. from name in (string[])["softmax", "layernorm"]
        from columns in (int[])[4096, 16384, 50257]
        select $"{name} rows=8192 cols={columns}",
        "sum rows=8192 cols=8192 axis=0",
        "sum rows=8192 cols=8192 axis=1",
        "sum shape=8192x8192 axes=0,1",
        .. from name in (string[])["add", "exp"] from n in (int[])[67_108_864, 1_000_000_007] select $"{name} n={n}",
        "transpose rows=8192 cols=8192",
        "conv2d n=8 c=64 h=56 w=56 oc=64 kh=3 kw=3 pad=1",
        .. from d in (int[])[64, 128]
        from type in (string[])["", " dtype=bf16"]
        select $"attention b=2 h=16 tq=8192 tk=8192 d={d} causal=1{type}",
        "cross_entropy rows=1024 classes=50257",
        "embedding vocab=50257 dim=768 rows=8192",
    ];

    public static TheoryData<string> All => [.. Specs];

    // A second or so each: of sizes and layouts that give the same kernel, one.
    public static TheoryData<string> Compiled =>
        [
            "matmul m=4096 n=4096 k=4096",
            "matmul m=4096 n=4096 k=4096 tb=1",
            "matmul m=8192 n=8192 k=8192 ta=1 dtype=bf16",
            "matmul m=8192 n=8192 k=8192 tb=1 tf32=1",
            "matmul m=1 n=50257 k=768 dtype=bf16",
            "matmul m=512 n=512 k=512 batch=8",
            "softmax rows=8192 cols=4096",
            "softmax rows=8192 cols=50257",
            "layernorm rows=8192 cols=16384",
            "sum rows=8192 cols=8192 axis=0",
            "sum shape=8192x8192 axes=0,1",
            "exp n=1000000007",
            "transpose rows=8192 cols=8192",
            "conv2d n=8 c=64 h=56 w=56 oc=64 kh=3 kw=3 pad=1",
            "attention b=2 h=16 tq=8192 tk=8192 d=64 causal=1",
            "attention b=2 h=16 tq=8192 tk=8192 d=128 causal=1 dtype=bf16",
            "cross_entropy rows=1024 classes=50257",
            "embedding vocab=50257 dim=768 rows=8192",
        ];

    [Theory]
    [MemberData(nameof(All))]
    public void Schedules_become_text(string text)
    {
        var algorithm = OperatorSpec.Parse(text).Build();
        var random = new Random(text.Aggregate(31, (h, c) => unchecked(h * 31 + c)) & 0xFFFFFF);
        foreach (var target in (TargetInfo[])[Targets.A100, Targets.H100])
        foreach (var rule in ScheduleRules.For(algorithm, target))
        {
            var program = Program(algorithm, rule, target, rule.Defaults(algorithm, target));
            Assert.NotEmpty(program.Launches);
            var knobs = rule.Knobs(algorithm, target);
            for (int i = 0; i < ChoicesARule; i++)
            {
                var choices = knobs.ToImmutableSortedDictionary(
                    k => k.Name,
                    k => random.Next(3) == 0 ? k.Default : k.Values[random.Next(k.Values.Length)]
                );
                try
                {
                    Program(algorithm, rule, target, choices);
                }
                catch (Exception e) when (e is ScheduleException or LoweringException)
                {
                    output.WriteLine(
                        $"{rule.Name} {string.Join(" ", choices.Select(c => $"{c.Key}={c.Value}"))}: {e.Message.Split('\n')[0]}"
                    );
                }
            }
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Compiled))]
    public void Defaults_compile_without_spills(string text)
    {
        var nvrtc = InstalledNvrtc.Require("sm_90a");
        var algorithm = OperatorSpec.Parse(text).Build();
        foreach (var target in (TargetInfo[])[Targets.A100, Targets.H100])
        {
            var gpu = target.Gpu!;
            var program = CudaEmitter.Emit(CudaLowering.Run(DefaultSchedule.For(algorithm, target), gpu), gpu);
            var compiled = nvrtc.Compile(program.Source, program.Name, gpu.Architecture);
            Assert.True(compiled.Succeeded, $"{compiled.Log}\n{program.Source}");
            foreach (var kernel in compiled.Report.Kernels)
            {
                output.WriteLine($"{gpu.Architecture} {kernel}");
                Assert.True(kernel.SpillBytes == 0, $"{gpu.Architecture} {kernel}\n{program.Source}");
            }
        }
    }

    private static CudaProgram Program(
        Algorithm algorithm,
        ScheduleRule rule,
        TargetInfo target,
        IReadOnlyDictionary<string, long> choices
    ) => CudaEmitter.Emit(CudaLowering.Run(rule.Apply(algorithm, target, choices), target.Gpu!), target.Gpu!);
}
