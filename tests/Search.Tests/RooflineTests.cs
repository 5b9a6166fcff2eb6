using Picograd.Algorithms.Operators;
using Picograd.Schedules;
using Picograd.Search;
using Xunit;

namespace Picograd.Tests;

/// <summary>Which ceiling an operator is held against.</summary>
public sealed class RooflineTests
{
    private static readonly TargetCeilings Ceilings = new(1_000, [("memory", long.MaxValue, 1e6)], 1e6)
    {
        TensorGflops = 10_000,
    };

    [Theory]
    [InlineData("matmul m=64 n=64 k=64", 1_000)]
    [InlineData("matmul m=64 n=64 k=64 dtype=bf16", 10_000)]
    public void ProductsOfHalfFloatsAreHeldAgainstTensorCores(string spec, double gflops)
    {
        var task = new TuneTask(OperatorSpec.Parse(spec), Machine.Cpu);
        var roofline = Roofline.Of(task, Ceilings);
        Assert.Equal("arithmetic", roofline.Limit);
        Assert.Equal(task.Problem.Flops / (gflops * 1e6), roofline.Milliseconds, 12);
        Assert.Equal(
            task.Problem.Flops / 1e9,
            Roofline.Of(task, Ceilings with { TensorGflops = null }).Milliseconds,
            12
        );
    }
}
