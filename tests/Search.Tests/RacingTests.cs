using Picograd.Search;
using Picograd.Search.CostModels;
using Picograd.Search.Measurement;
using Xunit;

namespace Picograd.Tests;

public class RacingTests
{
    private static RaceTimes Rounds(int rounds, Func<int, double> sentinel, params Func<int, double>[] times) =>
        new(
            [.. Enumerable.Range(0, rounds).Select(r => times.Select(t => t(r)).ToArray())],
            [.. Enumerable.Range(0, rounds).Select(sentinel)]
        );

    [Fact]
    public void SlowSpellsHitAllAndDecideNothing()
    {
        // The faster one's share of slow rounds is larger: by medians of plain times it would lose.
        double Drift(int r) => r % 10 < 6 ? 1 : 1.18;
        var race = Racing.Decide(Rounds(30, _ => 1, r => 1.00 * Drift(r), r => 1.05 * Drift(r)), [1, 1]);
        Assert.Equal([0, 1], race.Order);
    }

    [Fact]
    public void RoundsWithASlowSentinelDoNotCount()
    {
        // In the slow rounds candidate 1 is lucky.
        var race = Racing.Decide(Rounds(20, r => r < 12 ? 1.3 : 1, _ => 1, r => r < 12 ? 0.5 : 1.2), [1, 1]);
        Assert.Equal(0, race.Order[0]);
        Assert.Equal(12, race.RoundsDiscarded);
        Assert.Equal(1.2, race.Milliseconds[1]);
    }

    [Fact]
    public void OfEquallyGoodOnesTheSimplestWins()
    {
        var race = Racing.Decide(Rounds(9, _ => 1, _ => 1.00, _ => 1.01, _ => 1.10), [9, 4, 1]);
        Assert.Equal([1, 0, 2], race.Order);
    }

    [Fact]
    public void TheIncumbentStaysUnlessClearlyBeaten()
    {
        Assert.Equal(1, Racing.Decide(Rounds(9, _ => 1, _ => 1.00, _ => 1.01), [1, 9], incumbent: 1).Order[0]);
        Assert.Equal(0, Racing.Decide(Rounds(9, _ => 1, _ => 1.00, _ => 1.05), [9, 1], incumbent: 1).Order[0]);
    }

    [Fact]
    public void WhatFailedIsLeftOut()
    {
        var race = Racing.Decide(Rounds(9, _ => 1, _ => double.NaN, _ => 2), [1, 1]);
        Assert.Equal([1], race.Order);
        Assert.Empty(Racing.Decide(new RaceTimes([], []), [1, 2]).Order);
    }

    [Fact]
    public void RankCorrelationOfKnownOrders()
    {
        Assert.Equal(1.0, RankCorrelation.Spearman([1, 2, 3, 4], [10, 20, 30, 99]));
        Assert.Equal(-1.0, RankCorrelation.Spearman([4, 3, 2, 1], [10, 20, 30, 99]));
        // d = (0, 1, −1, 0): 1 − 6·2 / (4·15).
        Assert.Equal(0.8, RankCorrelation.Spearman([1, 2, 3, 4], [10, 30, 20, 99])!.Value, 12);
        Assert.Null(RankCorrelation.Spearman([1, 2], [1, 2]));
        Assert.Null(RankCorrelation.Spearman([1, 1, 1], [1, 2, 3]));
    }
}
