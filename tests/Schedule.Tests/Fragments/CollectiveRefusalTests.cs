using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Xunit;

namespace Picograd.Tests.Fragments;

/// <summary>Where instructions of whole warps may not stand.</summary>
public class CollectiveRefusalTests
{
    private static Schedule Tile(LoopKind? around)
    {
        var s = new Schedule(OperatorSpec.Parse("matmul m=512 n=8 k=16 dtype=bf16").Build());
        s.SetScope("P", Scope.Fragment);
        s.CacheRead("A", "P", Scope.Fragment);
        s.CacheRead("B", "P", Scope.Fragment);
        var (outer, tile) = s.Split("P.m", 16);
        s.DecomposeReduction("P", tile);
        if (around is { } kind)
            s.Bind(outer, kind);
        s.Tensorize(tile, "mma.m16n8k16.bf16");
        return s;
    }

    [Fact]
    public void BelowLanesAndThreadsTensorizeRefuses()
    {
        var refusal = Assert.Throws<ScheduleException>(() => Tile(LoopKind.Lane));
        Assert.Contains(
            "mma.m16n8k16.bf16 is executed by 32 lanes together, and loop P.m.o around it is lane",
            refusal.Message,
            StringComparison.Ordinal
        );
        Assert.Throws<ScheduleException>(() => Tile(LoopKind.ThreadX));
        Assert.Single(Tile(LoopKind.Warp).Nest.Body.Nodes().OfType<Call>());
    }

    [Fact]
    public void LoopsAroundDoNotBecomeLanes()
    {
        var refusal = Assert.Throws<ScheduleException>(() => Tile(null).Bind("P.m.o", LoopKind.Lane));
        Assert.Contains(
            "P.m.o cannot be lane: mma.m16n8k16.bf16 below it is executed by 32 lanes together",
            refusal.Message,
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData("mma.m16n8k16.f16", "wants f16")]
    [InlineData("mma.m16n8k8.tf32", "the value is")]
    [InlineData("ldmatrix.a.x4.bf16", "only assigns")]
    public void OtherInstructionsAreNotMatched(string intrinsic, string why)
    {
        var s = new Schedule(OperatorSpec.Parse("matmul m=16 n=8 k=16 dtype=bf16").Build());
        s.SetScope("P", Scope.Fragment);
        s.CacheRead("A", "P", Scope.Fragment);
        s.CacheRead("B", "P", Scope.Fragment);
        s.DecomposeReduction("P", "P.m");
        var refusal = Assert.Throws<ScheduleException>(() => s.Tensorize("P.m", intrinsic));
        Assert.Contains(why, refusal.Message, StringComparison.Ordinal);
    }
}
