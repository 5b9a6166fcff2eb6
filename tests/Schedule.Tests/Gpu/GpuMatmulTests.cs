using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Picograd.Schedules.Rules.Gpu;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Gpu;

/// <summary>Matrix products by tiles: odd shapes, all layouts, batches, epilogues, sums in parts.</summary>
public class GpuMatmulTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("matmul m=1 n=1 k=1")]
    [InlineData("matmul m=5 n=7 k=3")]
    [InlineData("matmul m=33 n=40 k=17")]
    [InlineData("matmul m=32 n=32 k=32")]
    [InlineData("matmul m=37 n=64 k=19 ta=1")]
    [InlineData("matmul m=64 n=37 k=20 tb=1")]
    [InlineData("matmul m=31 n=29 k=23 ta=1 tb=1")]
    [InlineData("matmul m=17 n=18 k=11 batch=3")]
    [InlineData("matmul m=19 n=34 k=13 dtype=f64")]
    [InlineData("matmul m=16 n=16 k=600")]
    [InlineData("matmul m=1 n=70 k=130")]
    [InlineData("matmul m=9 n=1 k=40")]
    [InlineData("matmul m=8 n=6 k=9 batch=37")]
    [InlineData("matmul m=32 n=20 k=68 tb=1")]
    public void Is_right(string text)
    {
        var spec = OperatorSpec.Parse(text);
        Check(new Interpreted(spec.Build(), spec.MakeInputs(3)), spec.Build(), text, 12);
    }

    [Fact]
    public void Bias_and_activation_run_on_the_tile()
    {
        var algorithm = Placement.Harness.MatmulBiasTanh(21, 36, 18);
        Check(Interpreted.Random(algorithm), algorithm, "bias, tanh", 8);
        var nest = Rule.Apply(algorithm, Targets.H100, Rule.Defaults(algorithm, Targets.H100));
        Assert.IsType<For>(nest.Body);
    }

    private static GpuMatmulRule Rule { get; } = new();

    private void Check(Interpreted subject, Algorithm algorithm, string what, int count)
    {
        var random = new Random(what.Length);
        var target = Targets.H100;
        Assert.True(Rule.Applies(algorithm, target), $"{what}: the rule does not apply");
        var knobs = Rule.Knobs(algorithm, target);
        int right = 0;
        for (int i = 0; i <= count; i++)
        {
            var choices = knobs.ToImmutableSortedDictionary(
                k => k.Name,
                k => i == 0 || random.Next(2) == 0 ? k.Default : k.Values[random.Next(k.Values.Length)]
            );
            string text = $"{what}: {string.Join(" ", choices.Select(c => $"{c.Key}={c.Value}"))}";
            LoopNest nest;
            try
            {
                nest = Rule.Apply(algorithm, target, choices);
            }
            catch (ScheduleException e) when (i > 0)
            {
                output.WriteLine($"{text}: {e.Primitive}: {e.Reason}");
                continue;
            }
            // With storage placed: at full shape, each thread's registers would be as large as the operands.
            if (subject.Wrong(StoragePlacement.Run(nest), i) is { } wrong)
                Assert.Fail($"{text}: {wrong}");
            right++;
        }
        output.WriteLine($"{what}: {right} of {count + 1}");
        Assert.True(right > count / 3, $"{what}: {right} of {count + 1} choices were accepted");
    }
}
