using Picograd.Algorithms.Operators;
using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;
using Xunit;

namespace Picograd.Tests;

public class StepAuthorsTests
{
    private static Schedule Split() => new(OperatorSpec.Parse("matmul m=8 n=8 k=8").Build());

    [Fact]
    public void EveryStepHasAnEntryAndResetStepsAreForgotten()
    {
        var (nest, authors) = StepAuthors.Of(() =>
        {
            var s = Split();
            s.Split("C.m", 4);
            var before = s.Nest;
            s.Split("C.n", 4);
            s.Reset(before);
            s.Unroll("C.m.i");
            return s.Nest;
        });
        Assert.Equal(2, nest.Trace.Length);
        Assert.Equal(nest.Trace.Length, authors.Count);
        // Written by a test, which is no rule.
        Assert.All(authors, a => Assert.Equal("", a));
    }

    [Fact]
    public void AnErrorEndsTheWatching()
    {
        Assert.Throws<ScheduleException>(() =>
            StepAuthors.Of(() =>
            {
                Split().Split("nothing", 2);
                return null!;
            })
        );
        var (nest, _) = StepAuthors.Of(() => Split().Nest);
        Assert.Empty(nest.Trace);
    }
}
