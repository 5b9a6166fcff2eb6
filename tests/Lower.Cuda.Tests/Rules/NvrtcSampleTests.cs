using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Globalization;
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

/// <summary>
/// Random points of the spaces of all rules for GPUs, at the sizes that they are for: NVIDIA's compiler takes every kernel
/// that comes out, for sm_80 and sm_90a. A fixed sample; set PICOGRAD_NVRTC_SAMPLE to a number for more points.
/// </summary>
public class NvrtcSampleTests(ITestOutputHelper output)
{
    private const string Size = "PICOGRAD_NVRTC_SAMPLE";
    private const int Few = 24;

    private static readonly string[] Specs =
    [
        "matmul m=512 n=512 k=512",
        "matmul m=1000 n=300 k=129",
        "matmul m=256 n=384 k=4096 tb=1",
        "matmul m=128 n=96 k=64 ta=1 batch=8",
        "matmul m=512 n=256 k=128 bias=1 act=gelu",
        "matmul m=192 n=192 k=96 dtype=f64",
        "matmul m=256 n=256 k=512 dtype=bf16",
        "matmul m=256 n=256 k=512 dtype=f16",
        "softmax rows=512 cols=1000",
        "softmax rows=64 cols=20000",
        "log_softmax rows=100 cols=257",
        "layernorm rows=256 cols=768",
        "rmsnorm rows=256 cols=4096",
        "cross_entropy rows=256 classes=512",
        "softmax.adjoint rows=128 cols=1024",
        "sum rows=4096 cols=1024 axis=1",
        "sum rows=4096 cols=1024 axis=0",
        "sum shape=1048576 axes=0",
        "argmax rows=300 cols=700 axis=1",
        "mean shape=64x32x48 axes=0,2",
        "add a=1024x768 b=768",
        "gelu n=1000003",
        "exp n=65536",
        "cast n=4096 from=f32 to=bf16",
        "adam n=100000",
        "random_normal n=4096",
        "embedding vocab=5000 dim=128 rows=300",
        "embedding.adjoint vocab=500 dim=64 rows=300",
        "transpose rows=1024 cols=768",
        "conv2d n=4 c=16 h=32 w=32 oc=32 kh=3 kw=3 pad=1",
        "conv2d n=8 c=64 h=56 w=56 oc=64 kh=3 kw=3 pad=1",
        "matmul m=32 n=200 k=200",
        "matmul m=32 n=200 k=27",
        "matmul m=1 n=1024 k=1024",
        "matmul m=24 n=32 k=32 batch=300",
        "attention b=2 h=4 tq=256 tk=256 d=64",
        "cumsum rows=64 cols=500 axis=1",
    ];

    [SkippableFact]
    public void Every_kernel_compiles()
    {
        var nvrtc = InstalledNvrtc.Require("sm_90a");
        int points = int.TryParse(
            Environment.GetEnvironmentVariable(Size),
            NumberStyles.None,
            CultureInfo.InvariantCulture,
            out int asked
        )
            ? asked
            : Few;
        var refused = new SortedDictionary<string, int>(StringComparer.Ordinal);
        var programs = Draw(points, refused);
        var failures = new ConcurrentBag<string>();
        var lines = new ConcurrentBag<string>();
        int registers = 0;
        int spilling = 0;
        System.Threading.Tasks.Parallel.ForEach(
            programs,
            new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, Environment.ProcessorCount) },
            p =>
            {
                var result = nvrtc.Compile(p.Program.Source, p.Program.Name, p.Gpu.Architecture);
                if (!result.Succeeded)
                    failures.Add($"{p.What} on {p.Gpu.Architecture}: {result.Log}\n{p.Program.Source}");
                foreach (var kernel in result.Report.Kernels)
                {
                    lines.Add($"{p.What} on {p.Gpu.Architecture}: {kernel}");
                    if (kernel.SpillBytes > 0)
                        Interlocked.Increment(ref spilling);
                    lock (lines)
                        registers = Math.Max(registers, kernel.Registers);
                }
            }
        );
        foreach (string line in lines.Order(StringComparer.Ordinal))
            output.WriteLine(line);
        foreach (var (reason, count) in refused)
            output.WriteLine($"refused {count}: {reason}");
        output.WriteLine(
            $"{programs.Count} programs, {lines.Count} kernels, {spilling} of them spill, at most {registers} registers"
        );
        Assert.True(failures.IsEmpty, $"{failures.Count} of {programs.Count}: {failures.FirstOrDefault()}");
        Assert.True(programs.Count >= points, $"{programs.Count} programs of {points} points");
    }

    // As many points as asked for that are not refused, each for one of the two architectures and then the other.
    private static List<(string What, CudaProgram Program, GpuInfo Gpu)> Draw(
        int points,
        SortedDictionary<string, int> refused
    )
    {
        var random = new Random(20260727);
        var programs = new List<(string, CudaProgram, GpuInfo)>();
        var cases = Specs
            .Select(text => OperatorSpec.Parse(text))
            .SelectMany(spec => new[] { Targets.A100, Targets.H100 }.Select(t => (Spec: spec, Target: t)))
            .SelectMany(c => ScheduleRules.For(c.Spec.Build(), c.Target).Select(rule => (c.Spec, c.Target, Rule: rule)))
            .ToArray();
        random.Shuffle(cases);
        for (int i = 0; programs.Count < points && i < 20 * points; i++)
        {
            var (spec, target, rule) = cases[i % cases.Length];
            var algorithm = spec.Build();
            var choices = rule.Knobs(algorithm, target)
                .ToImmutableSortedDictionary(
                    k => k.Name,
                    k => random.Next(3) == 0 ? k.Default : k.Values[random.Next(k.Values.Length)]
                );
            string what = $"{spec}, {rule.Name} {string.Join(" ", choices.Select(c => $"{c.Key}={c.Value}"))}";
            try
            {
                var nest = CudaLowering.Run(rule.Apply(algorithm, target, choices), target.Gpu!);
                programs.Add((what, CudaEmitter.Emit(nest, target.Gpu!), target.Gpu!));
            }
            catch (ScheduleException e)
            {
                Count($"{rule.Name}: {e.Primitive ?? "rule"}");
            }
            catch (LoweringException e)
            {
                Count($"{rule.Name}: {e.Reason}");
            }
        }
        return programs;

        void Count(string reason) => refused[reason] = refused.GetValueOrDefault(reason) + 1;
    }
}
