using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Schedules;
using Picograd.Search;
using Xunit;

namespace Picograd.Tests;

public class CertifierTests
{
    private static TuneDb.Certification Certify(string spec, Func<TuneTask, LoopNest> make)
    {
        var task = Machine.Task(spec);
        return new Certifier(task.Spec, task.On, seed: 3).Certify(make(task));
    }

    [Theory]
    [InlineData("matmul m=5 n=7 k=3")]
    [InlineData("matmul m=33 n=17 k=29 tb=1")]
    [InlineData("sum rows=31 cols=17 axis=0")]
    [InlineData("relu n=1001")]
    public void RightKernelsPass(string spec)
    {
        var result = Certify(spec, t => DefaultSchedule.For(t.Algorithm, t.Target));
        Assert.True(result.Ok, result.Detail);
        Assert.True(result.BitStable);
        Assert.InRange(result.ErrorRatio, 0, 1);
        Assert.Contains("right on", result.Detail);
    }

    [Theory]
    [InlineData("wrong", "C at row-major position 0")]
    [InlineData("overrun", "before the start of C")]
    [InlineData("unstable", "differ in bits")]
    [InlineData("spoils_input", "changed its input A")]
    [InlineData("refuse", "does not compile")]
    [InlineData("throw", "does not run")]
    public void FaultyKernelsFail(string fault, string reason)
    {
        var result = Certify("matmul m=8 n=16 k=24", t => Machine.Tiled(t, fault).Nest);
        Assert.False(result.Ok);
        Assert.Contains(reason, result.Detail);
        Assert.Equal(fault != "unstable", result.BitStable);
    }

    [Theory]
    [InlineData("threads", true, false)]
    [InlineData("threads", false, true)]
    [InlineData("none", true, true)]
    public void Parallel_kernels_give_the_same_bits_with_any_number_of_threads(string fault, bool parallel, bool passes)
    {
        var result = Certify(
            "matmul m=8 n=16 k=24",
            t =>
            {
                var schedule = new Schedule(Machine.Tiled(t, fault).Nest);
                if (parallel)
                    schedule.Parallel($"fault.{fault}");
                return schedule.Nest;
            }
        );
        Assert.Equal(passes, result.Ok);
        Assert.Equal(passes, result.BitStable);
        if (!passes)
            Assert.Equal("gives other bits with 7 threads", result.Detail);
    }

    [Fact]
    public void SamplesAgreeWithWholeEvaluationAndMeetEveryRowAndColumn()
    {
        var spec = OperatorSpec.Parse("matmul m=23 n=31 k=5 bias=1 act=relu");
        var inputs = spec.MakeInputs(1);
        var whole = Assert.Single(SampledEvaluator.Run(spec.Build(), inputs, double.PositiveInfinity, 1));
        var samples = SampledEvaluator.Run(spec.Build(), inputs, maxPoints: 1500, seed: 1);
        Assert.Equal(2, samples.Count);
        int taken = 0;
        foreach (var sample in samples)
        {
            for (int i = 0; i < sample.Positions.Length; i++)
            {
                Assert.Equal(whole.Expected.Value.At((int)sample.Positions[i]), sample.Expected.Value.At(i));
                Assert.Equal(whole.Expected.Bound[sample.Positions[i]], sample.Expected.Bound[i]);
                taken++;
            }
        }
        Assert.InRange(taken, 2 * 23 + 2 * 31, 23 * 31 / 2);
        var positions = samples.SelectMany(s => s.Positions).ToList();
        Assert.Equal(23, positions.Select(p => p / 31).Distinct().Count());
        Assert.Equal(31, positions.Select(p => p % 31).Distinct().Count());
        Assert.Contains(0, positions);
        Assert.Contains(23 * 31 - 1, positions);
    }

    [Fact]
    public void DimensionsThatAReductionCrossesAreTakenWhole()
    {
        // The mean of each row, taken from its sum: rows may be sampled, columns not.
        var spec = OperatorSpec.Parse("mean rows=400 cols=10 axis=1");
        var inputs = spec.MakeInputs(1);
        var whole = SampledEvaluator.Run(spec.Build(), inputs, double.PositiveInfinity, 1)[0];
        var sample = Assert.Single(SampledEvaluator.Run(spec.Build(), inputs, maxPoints: 1000, seed: 1));
        Assert.InRange(sample.Positions.Length, 64, 120);
        for (int i = 0; i < sample.Positions.Length; i++)
            Assert.Equal(whole.Expected.Value.At((int)sample.Positions[i]), sample.Expected.Value.At(i));
    }
}
