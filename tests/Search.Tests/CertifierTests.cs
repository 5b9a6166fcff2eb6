using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Search;
using Xunit;

namespace Picograd.Tests;

public class CertifierTests
{
    private static TuneDb.Certification Certify(string spec, Func<TuneTask, LoopNest> make)
    {
        var task = Machine.Task(spec);
        return new Certifier(task.Problem, task.On, seed: 3).Certify(make(task));
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
    public void OneWrongElementOutsideTheSampleIsFound()
    {
        var task = Machine.Task("matmul m=211 n=307 k=24");
        var certifier = new Certifier(task.Problem, task.On, seed: 3, maxPoints: 2e4);
        var right = certifier.Certify(Machine.Tiled(task).Nest);
        Assert.True(right.Ok, right.Detail);
        Assert.Contains("all elements beside those of another schedule", right.Detail);
        var faulty = Machine.Tiled(task, "speck").Nest;
        // The sample alone does not meet it.
        using (var kernel = task.On.Backend.Compile(faulty))
            Assert.True(certifier.Certify(kernel).Ok);
        var wrong = certifier.Certify(faulty);
        Assert.False(wrong.Ok);
        Assert.Contains($"C at row-major position {211 * 307 * 2 / 5 + 1} ", wrong.Detail);
    }

    [Fact]
    public void AWrongScheduleToCompareWithGivesWayToAnother()
    {
        var task = Machine.Task("matmul m=211 n=307 k=24");
        var on = new SecondIsWrong(task.On, Machine.Tiled(task, "wrong").Nest);
        var result = new Certifier(task.Problem, on, seed: 3, maxPoints: 2e4).Certify(
            Machine.Tiled(task, "speck").Nest
        );
        Assert.True(on.Compiled > 2);
        Assert.False(result.Ok);
        Assert.Contains($"C at row-major position {211 * 307 * 2 / 5 + 1} ", result.Detail);
    }

    /// <summary>A target whose second kernel is another one than was asked for.</summary>
    private sealed class SecondIsWrong(ITuningTarget real, LoopNest wrong) : ITuningTarget, IBackend
    {
        public int Compiled { get; private set; }

        public IBackend Backend => this;

        public TargetInfo Target => real.Backend.Target;

        public TargetCeilings Ceilings => real.Ceilings;

        public nint Allocate(long bytes) => real.Allocate(bytes);

        public void Free(nint memory, long bytes) => real.Free(memory, bytes);

        public double SentinelMilliseconds() => real.SentinelMilliseconds();

        public ICompiledKernel Compile(LoopNest nest) => real.Backend.Compile(++Compiled == 2 ? wrong : nest);
    }

    [Theory]
    [InlineData("softmax rows=300 cols=211")]
    [InlineData("argmax rows=900 cols=70 axis=1")]
    [InlineData("copy shape=300x211 strides=1,300")]
    [InlineData("conv2d n=2 c=3 h=41 w=39 oc=15 kh=3 kw=3")]
    [InlineData("adam n=70001")]
    [InlineData("random_normal n=70001")]
    public void SampledOutputsAreComparedWhole(string text)
    {
        var task = Machine.Task(text);
        var nest = DefaultSchedule.For(task.Algorithm, task.Target);
        var result = new Certifier(task.Problem, task.On, seed: 3, maxPoints: 2e4).Certify(nest);
        Assert.True(result.Ok, result.Detail);
        Assert.Contains("all elements beside those of another schedule", result.Detail);
    }

    [Theory]
    [InlineData("copy shape=1501x2999 strides=2999,1 dtype=u8")]
    [InlineData("copy shape=1501x2999 strides=1,1504 dtype=bf16")]
    [InlineData("copy shape=5x1501x999 strides=0,999,1")]
    [InlineData("add n=4500001 dtype=f64")]
    public void LargeInputsInMemoryAreWhatTheEvaluatorReads(string text)
    {
        // A copy of them, or a sum, is right where both read the same.
        var task = Machine.Task(text);
        Assert.All(task.Problem.MakeInputs(1).Values, a => Assert.True(a.IsPattern || a.Count <= 1 << 22));
        Assert.Contains(task.Problem.MakeInputs(1).Values, a => a.IsPattern);
        var nest = DefaultSchedule.For(task.Algorithm, task.Target);
        var result = new Certifier(task.Problem, task.On, seed: 3, maxPoints: 1e5).Certify(nest);
        Assert.True(result.Ok, result.Detail);
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
