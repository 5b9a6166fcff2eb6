using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>
/// Rows wherever their axes lie, with sums over all rows beside them: any knobs, any width and number of threads, within the evaluator's
/// bound; and an algorithm that no operator is.
/// </summary>
public class RowStagesTests
{
    private static readonly ScheduleRule Rule = ScheduleRules.All.Single(r => r.Name == "rows");

    [SkippableTheory]
    [InlineData("softmax_across rows=3 cols=5 inner=1")]
    [InlineData("softmax_across rows=1 cols=7 inner=131")]
    [InlineData("softmax_across.adjoint rows=2 cols=3 inner=1031")]
    [InlineData("log_softmax_across rows=2 cols=17 inner=67 dtype=bf16")]
    [InlineData("log_softmax_across.adjoint rows=3 cols=2 inner=33 dtype=f64")]
    [InlineData("cross_entropy_across rows=3 classes=7 inner=50")]
    [InlineData("cross_entropy_across.adjoint rows=2 classes=5 inner=49")]
    [InlineData("layernorm.adjoint rows=151 cols=301 affine=1")]
    [InlineData("layernorm.adjoint rows=17 cols=2051 affine=1")]
    [InlineData("rmsnorm.adjoint rows=131 cols=257 affine=1")]
    [InlineData("groupnorm.adjoint n=3 groups=2 c=3 s=2003 affine=1")]
    [InlineData("groupnorm.adjoint n=1 groups=3 c=1 s=20011 affine=1")]
    [InlineData("mul.adjoint a=257x131 b=131")]
    [InlineData("mul.adjoint a=257x131 b=257x1")]
    [InlineData("mul.adjoint a=7x13x401 b=1x13x1")]
    [InlineData("mul.adjoint a=3x5x47x53 b=5x1x53")]
    [InlineData("mul.adjoint n=20011")]
    [InlineData("mse_loss.adjoint n=20011")]
    public void Of_any_knobs(string text)
    {
        var spec = OperatorSpec.Parse(text);
        Check(spec.Build(), () => spec.MakeInputs(5), text);
    }

    // Centred on the mean of each column's exponentials, summed up over the batch: rows (b, x) of which one axis lies apart.
    [SkippableTheory]
    [InlineData(3, 17, 70)]
    [InlineData(40, 33, 131)]
    public void Of_an_algorithm_of_six_stages(long batch, long channels, long side)
    {
        var g = new AlgorithmBuilder("own");
        var (b, c, x) = (new Axis("b", batch), new Axis("c", channels), new Axis("x", side));
        var a = g.Input("A", DType.Float32, batch, channels, side);
        var gain = g.Input("G", DType.Float32, channels);
        var power = g.Stage("P", [b, c, x], Op.Exp(a[b, c, x] * Op.Const(0.25, DType.Float32)));
        var sum = g.Stage("S", [b, x], AlgorithmBuilder.Sum(c, power[b, c, x]));
        var mean = g.Stage("M", [b, x], sum[b, x] / Op.Const(channels, DType.Float32));
        var high = g.Stage("H", [b, x], AlgorithmBuilder.Max([c], a[b, c, x]));
        var y = g.Stage("Y", [b, c, x], (power[b, c, x] - mean[b, x]) * gain[c] + high[b, x]);
        var total = g.Stage("T", [c], AlgorithmBuilder.Sum([b, x], a[b, c, x] * mean[b, x]));
        var algorithm = g.Build(y, total);
        Check(algorithm, () => Problem.Of(algorithm).MakeInputs(3), "own");
    }

    [Fact]
    public void Applies_where_rows_lie_apart_or_add_up_and_not_to_sums_alone()
    {
        var target = Widths.Backend(128).Target;
        bool Applies(string text) => Rule.Applies(OperatorSpec.Parse(text).Build(), target);
        Assert.True(Applies("log_softmax_across rows=8 cols=21 inner=64"));
        Assert.True(Applies("layernorm.adjoint rows=512 cols=512 affine=1"));
        Assert.False(Applies("sum rows=512 cols=512 axis=0"));
        Assert.False(Applies("mul n=100000"));
    }

    private static void Check(Algorithm algorithm, Func<IReadOnlyDictionary<Buffer, NDArray>> make, string name)
    {
        var random = new Random(name.Length);
        var inputs = GuardedMemory.AsStored(make());
        var expected = Evaluator.RunWithBounds(algorithm, inputs);
        for (int i = 0; i < 4; i++)
        {
            var backend = Widths.Backend(i == 1 ? 256 : 512, 1 + i / 2);
            Run(DefaultSchedule.For(algorithm, backend.Target), "default");
            if (!Rule.Applies(algorithm, backend.Target))
                continue;
            var choices = Rule.Knobs(algorithm, backend.Target)
                .ToImmutableDictionary(k => k.Name, k => k.Values[random.Next(k.Values.Length)]);
            string what = string.Join(' ', choices.Select(c => $"{c.Key}={c.Value}"));
            try
            {
                Run(Rule.Apply(algorithm, backend.Target, choices), what);
            }
            catch (ScheduleException e)
            {
                Assert.NotEmpty(e.Message);
            }

            void Run(LoopNest nest, string schedule)
            {
                using CpuKernel kernel = backend.Compile(nest);
                var actual = Execution.Run(kernel, algorithm, inputs);
                if (Execution.Wrong(algorithm, actual, expected) is { } wrong)
                    Assert.Fail($"{name}, {schedule}: {wrong}\n{nest}");
            }
        }
    }
}
