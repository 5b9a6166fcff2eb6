using Picograd.Algorithms.Operators;
using Picograd.Search.Space;
using Xunit;

namespace Picograd.Tests;

public class CandidateSpaceTests
{
    private static CandidateSpace Space() =>
        CandidateSpace.Of(
            OperatorSpec.Parse("matmul m=48 n=64 k=96").Build(),
            PaperTarget.Info,
            [new TileRule(), new Picograd.Schedules.Rules.PlainRule()]
        );

    [Fact]
    public void SizesAndPointsAgree()
    {
        var space = Space();
        Assert.Equal(6 * 4 * 6 * 3 + 1, space.Size);
        var points = space.Points().ToList();
        Assert.Equal(space.Size, points.Count);
        Assert.Equal(points.Count, points.Select(p => p.Text).Distinct().Count());
        Assert.Equal([1, 2, 3], space.Levels.ToArray());
    }

    [Theory]
    [InlineData(2)]
    [InlineData(30)]
    [InlineData(200)]
    public void AThinnedSpaceIsAPartWithTheDefaults(int most)
    {
        var space = Space();
        var thinned = space.Thinned(most);
        Assert.InRange(thinned.Size, 2, most);
        var all = space.Points().Select(p => p.Text).ToHashSet();
        Assert.All(thinned.Points(), p => Assert.Contains(p.Text, all));
        Assert.Equal(space.Defaults.Select(d => d.Text), thinned.Defaults.Select(d => d.Text));
    }

    [Fact]
    public void APartialScheduleKeepsWhatIsDecided()
    {
        var random = new Random(1);
        var from = Space().Rules[0].Draw(random);
        foreach (var partial in CandidateSpace.Expand(from, 1, 1000, random))
        {
            var completed = partial.Completed(from.Rule.Draw(random), 1);
            foreach (var (knob, i) in from.Rule.Knobs.Select((k, i) => (k, i)))
            {
                // Coarse knobs stay through completion, fine ones through expansion.
                if (knob.Level > 1)
                    Assert.Equal(from.At[i], partial.At[i]);
                else
                    Assert.Equal(partial.At[i], completed.At[i]);
            }
        }
        // mr and nr in all ways.
        Assert.Equal(6 * 4, CandidateSpace.Expand(from, 1, 1000, random).Count);
        Assert.InRange(CandidateSpace.Expand(from, 1, 12, random).Count, 8, 12);
    }

    [Fact]
    public void PointsAreDrawnFromAllRules()
    {
        var random = new Random(2);
        var drawn = Enumerable
            .Range(0, 4000)
            .Select(_ => Space().Draw(random).Rule.Name)
            .CountBy(n => n)
            .ToDictionary();
        Assert.InRange(drawn["plain"], 1, 40);
    }
}
