using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Tests.Codegen;
using Picograd.Tests.Gpu;
using Picograd.Tests.Passes;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Rules;

/// <summary>
/// Kernel form of every operator's default schedule, and of random choices of every rule for GPUs that applies, run by
/// the interpreter with all sanitizers, barriers being the only order between threads: within the evaluator's bound.
/// </summary>
public class RuleLoweringTests(ITestOutputHelper output)
{
    private const int ChoicesARule = 2;
    private const long MostPoints = 8_000;

    public static TheoryData<string> Operators => [.. OperatorLibrary.All.Select(o => o.Name)];

    [Theory]
    [MemberData(nameof(Operators))]
    public void Kernel_form_is_right(string name)
    {
        var definition = OperatorLibrary.Find(name)!;
        int seed = name.Aggregate(31, (h, c) => unchecked(h * 31 + c)) & 0xFFFFFF;
        var random = new Random(seed);
        var refusals = new SortedDictionary<string, int>(StringComparer.Ordinal);
        int kernels = 0;
        foreach (var spec in RandomSpecs.Of(definition, 6, seed).Where(IsSmall).Take(2))
        {
            var algorithm = spec.Build();
            var subject = new Interpreted(algorithm, spec.MakeInputs(7, (InputKind)random.Next(3)));
            var target = random.Next(2) == 0 ? Targets.A100 : Targets.H100;
            // The default must lower: it is what runs where nothing was tuned.
            Check(subject, CudaLowering.Run(DefaultSchedule.For(algorithm, target), target.Gpu!), $"{spec}, default");
            foreach (var rule in ScheduleRules.For(algorithm, target))
            {
                var knobs = rule.Knobs(algorithm, target);
                for (int i = 0; i < ChoicesARule; i++)
                {
                    var choices = knobs.ToImmutableSortedDictionary(
                        k => k.Name,
                        k => random.Next(3) == 0 ? k.Default : k.Values[random.Next(k.Values.Length)]
                    );
                    string what = $"{spec}, {rule.Name} {string.Join(" ", choices.Select(c => $"{c.Key}={c.Value}"))}";
                    try
                    {
                        var nest = rule.Apply(algorithm, target, choices);
                        Check(subject, CudaLowering.Run(nest, target.Gpu!), what);
                    }
                    catch (ScheduleException e)
                    {
                        Count($"{rule.Name}: {e.Primitive}: {e.Reason}");
                    }
                    catch (LoweringException e)
                    {
                        Count($"{what}: {e.Message}");
                    }
                }
            }
        }
        output.WriteLine($"{kernels} kernels");
        foreach (var (reason, count) in refusals)
            output.WriteLine($"refused {count}: {reason}");

        void Count(string reason) => refusals[reason] = refusals.GetValueOrDefault(reason) + 1;

        void Check(Interpreted subject, LoopNest lowered, string what)
        {
            kernels++;
            // Specialised warps wait for one another, which the interpreter's lockstep cannot: they run on the emulator.
            if (lowered.Body.Nodes().Any(s => s is DeviceOp { Queue: DeviceQueue.Barriers }))
                return;
            if (subject.Wrong(lowered, random.Next(), threadLoopsJoin: false) is { } wrong)
                Assert.Fail($"{what}: {wrong}");
        }
    }

    /// <summary>Shapes with overhanging tiles, and convolutions of all kinds: and nothing is waited for in vain.</summary>
    [Theory]
    [InlineData("matmul m=33 n=40 k=17")]
    [InlineData("matmul m=37 n=33 k=19 ta=1")]
    [InlineData("matmul m=34 n=37 k=20 tb=1")]
    [InlineData("matmul m=32 n=32 k=68")]
    [InlineData("matmul m=17 n=18 k=11 batch=2")]
    [InlineData("matmul m=16 n=16 k=160")]
    [InlineData("conv2d n=1 c=4 h=7 w=8 oc=6 kh=3 kw=3 pad=1 groups=2")]
    [InlineData("conv2d n=1 c=2 h=9 w=7 oc=4 kh=3 kw=2 stride=2 dil=2 pad=2")]
    [InlineData("softmax rows=5 cols=70")]
    [InlineData("sum rows=5 cols=70 axis=0")]
    [InlineData("transpose rows=33 cols=21")]
    public void Each_barrier_counts(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var algorithm = spec.Build();
        var random = new Random(text.Length);
        int right = 0;
        foreach (var rule in ScheduleRules.For(algorithm, Targets.H100))
        {
            var knobs = rule.Knobs(algorithm, Targets.H100);
            for (int i = 0; i < 3; i++)
            {
                var choices = knobs.ToImmutableSortedDictionary(
                    k => k.Name,
                    k => i == 0 || random.Next(2) == 0 ? k.Default : k.Values[random.Next(k.Values.Length)]
                );
                string what = $"{rule.Name} {string.Join(" ", choices.Select(c => $"{c.Key}={c.Value}"))}";
                try
                {
                    Proof.Lowers(rule.Apply(algorithm, Targets.H100, choices), spec);
                    right++;
                    output.WriteLine(what);
                }
                catch (ScheduleException e) when (i > 0)
                {
                    output.WriteLine($"{what}: {e.Reason}");
                }
            }
        }
        Assert.True(right > 2);
    }

    private static bool IsSmall(OperatorSpec spec) =>
        spec.Build().Stages.Sum(s => s.Axes.Aggregate(1L, (n, a) => n * ((IntImm)a.Extent).Value)) <= MostPoints
        && !spec.ToString().Contains(" to=u", StringComparison.Ordinal);
}
