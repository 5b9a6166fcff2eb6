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

    [Theory]
    [InlineData("matmul m=64 n=64 k=64", "arithmetic")]
    [InlineData("add n=100000", "memory")]
    [InlineData("add n=1000", "l1")]
    public void ACeilingThatIsBeatenIsMeasuredAgainAndReplaced(string spec, string limit)
    {
        int asked = 0;
        // The machine was busy the first time.
        double Ask() => asked++ == 0 ? 100 : 200;
        double Ample() => 1e9;
        var ceilings = new TargetCeilings(
            limit == "arithmetic" ? Ask : Ample,
            [
                new MemoryLevel("l1", 50_000, limit == "l1" ? Ask : Ample),
                new MemoryLevel("memory", long.MaxValue, Ample),
            ],
            limit == "memory" ? Ask : Ample
        );
        var task = new TuneTask(OperatorSpec.Parse(spec), Machine.Cpu);
        var first = Roofline.Of(task, ceilings);
        Assert.Equal(limit, first.Limit);
        var notes = new List<string>();

        Assert.Equal(first, Roofline.Of(task, ceilings, first.Milliseconds * 1.5, notes.Add));
        Assert.Empty(notes);

        var renewed = Roofline.Of(task, ceilings, first.Milliseconds * 0.7, notes.Add);
        Assert.Equal(first.Milliseconds / 2, renewed.Milliseconds, 9);
        Assert.Contains("200", Assert.Single(notes));
        Assert.Contains("instead of 100", notes[0]);
        // For what follows, too; and never lower than before.
        Assert.Equal(renewed, Roofline.Of(task, ceilings));
        Assert.Equal(2, asked);

        // What beats the new one as well is the ceiling itself.
        Assert.Equal(first.Milliseconds / 5, Roofline.Of(task, ceilings, first.Milliseconds / 5).Milliseconds, 9);
    }
}
