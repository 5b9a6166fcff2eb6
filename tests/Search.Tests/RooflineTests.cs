using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Search;
using Xunit;

namespace Picograd.Tests;

/// <summary>Which ceiling an operator is held against.</summary>
public sealed class RooflineTests
{
    private static TargetCeilings Ceilings(double? tensorGflops) =>
        new(1_000, [("memory", long.MaxValue, 1e6)], 1e6) { TensorGflops = tensorGflops };

    [Theory]
    [InlineData("add n=1000", "near")]
    [InlineData("add n=100000", "copy")]
    [InlineData("matmul m=8 n=8 k=64", "arithmetic near")]
    public void Only_what_limits_an_operator_is_measured(string spec, string measured)
    {
        var asked = new List<string>();
        double Ask(string what)
        {
            asked.Add(what);
            return 100;
        }
        var ceilings = new TargetCeilings(
            () => Ask("arithmetic"),
            [
                new MemoryLevel("l1", 50_000, () => Ask("near")),
                new MemoryLevel("memory", long.MaxValue, () => Ask("far")),
            ],
            () => Ask("copy")
        );
        var task = new TuneTask(OperatorSpec.Parse(spec), Machine.Cpu);
        Roofline.Of(task, ceilings);
        Roofline.Of(task, ceilings);
        Assert.Equal(measured, string.Join(' ', asked));
    }

    [Theory]
    [InlineData("matmul m=64 n=64 k=64", 1_000)]
    [InlineData("matmul m=64 n=64 k=64 dtype=bf16", 10_000)]
    public void ProductsOfHalfFloatsAreHeldAgainstTensorCores(string spec, double gflops)
    {
        var task = new TuneTask(OperatorSpec.Parse(spec), Machine.Cpu);
        var roofline = Roofline.Of(task, Ceilings(10_000));
        Assert.Equal("arithmetic", roofline.Limit);
        Assert.Equal(task.Problem.Flops / (gflops * 1e6), roofline.Milliseconds, 12);
        Assert.Equal(task.Problem.Flops / 1e9, Roofline.Of(task, Ceilings(null)).Milliseconds, 12);
    }
}
