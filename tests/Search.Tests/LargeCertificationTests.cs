using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Defaults;
using Picograd.Search;
using Xunit;

namespace Picograd.Tests;

/// <summary>Inputs and right answers for instances of more than 2^31 − 1 elements.</summary>
public class LargeCertificationTests
{
    [Theory]
    [InlineData("tanh n=2147483653")]
    [InlineData("copy shape=2147483653 strides=1 dtype=u8")]
    [InlineData("copy shape=3x1073741827 strides=1,3 dtype=bool")]
    [InlineData("copy shape=2147483653x2 strides=0,1 dtype=u8")]
    [InlineData("add a=2147483653x2 b=2")]
    [InlineData("index shape=2147483653 dims=0 rows=7 dtype=u8")]
    [InlineData("max rows=2147483653 cols=3 axis=1")]
    public void Large_instances_have_inputs_and_right_answers(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var inputs = spec.MakeInputs(3);
        Assert.NotEmpty(SampledEvaluator.Run(spec.Build(), inputs, 1e5, 1));
        var large = inputs.Values.First(a => a.Count > int.MaxValue);
        Assert.True(large.IsPattern);
        // All kinds of elements are met, and one place has one value.
        var met = Enumerable.Range(0, 4096).Select(i => large.At(large.Count - 1 - i * 3L)).Distinct().Count();
        Assert.True(
            met > (large.Type == DType.Bool || text.Contains("strides=0") ? 1 : 50),
            $"{met} different elements"
        );
        Assert.Equal(large.At(large.Count - 2), large.At(large.Count - 2));
        Assert.Throws<OverflowException>(() =>
        {
            _ = large.Length;
        });
    }

    [Fact]
    public void Patterns_follow_memory()
    {
        long[] values = [.. Enumerable.Range(0, 64).Select(i => (long)i)];
        var repeated = NDArray.Pattern(DType.Int64, [5, 3, 7], values, [0, 1, 3]);
        for (int i = 0; i < 21; i++)
        {
            for (int r = 1; r < 5; r++)
                Assert.Equal(repeated.At(i), repeated.At(r * 21 + i));
        }
        // Element [0, 2, k] and [0, …] lie where a dense vector would have them.
        var dense = NDArray.Pattern(DType.Int64, [21], values);
        Assert.Equal(dense.At(2 + 3 * 4), repeated.At(2 * 7 + 4));
        Assert.Equal(dense.At(4) + 1, dense.At(5));
    }

    [Fact]
    public void Sampling_is_right_where_inputs_are_patterns()
    {
        var spec = OperatorSpec.Parse("add a=2147483653x2 b=2 dtype=i64");
        var inputs = spec.MakeInputs(5);
        var algorithm = spec.Build();
        foreach (var sample in SampledEvaluator.Run(algorithm, inputs, 1e4, 1))
        {
            for (int i = 0; i < sample.Positions.Length; i++)
            {
                long at = sample.Positions[i];
                double right = inputs[algorithm.Inputs[0]].At(at) + inputs[algorithm.Inputs[1]].At(at % 2);
                Assert.Equal(right, sample.Expected.Value.At(i));
            }
            Assert.Contains(2L * 2147483653 - 1, sample.Positions);
        }
    }

    [SkippableFact]
    public void A_kernel_of_that_size_is_certified()
    {
        // It takes two minutes on two cores.
        Skip.If(
            Environment.GetEnvironmentVariable("PICOGRAD_LARGE_TESTS") is null,
            "set PICOGRAD_LARGE_TESTS to certify a kernel of 2^31 + 5 elements"
        );
        const long Needed = 8L << 30;
        long free = Available();
        Skip.If(free < Needed, $"{free >> 20} MiB of memory are free, {Needed >> 20} are needed");
        var spec = OperatorSpec.Parse("fill n=2147483653 dtype=u8");
        var target = Machine.Cpu;
        var certification = new Certifier(spec, target, 7, 1e4).Certify(
            DefaultSchedule.For(spec.Build(), target.Backend.Target)
        );
        Assert.True(certification.Ok, certification.Detail);
    }

    private static long Available() =>
        OperatingSystem.IsLinux()
        && File.ReadLines("/proc/meminfo").FirstOrDefault(l => l.StartsWith("MemAvailable", StringComparison.Ordinal))
            is { } line
            ? long.Parse(
                line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
                System.Globalization.CultureInfo.InvariantCulture
            ) << 10
            : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
}
