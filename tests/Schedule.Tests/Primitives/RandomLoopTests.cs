using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Traces;
using Xunit;

namespace Picograd.Tests.Primitives;

/// <summary>
/// Random sequences of loop primitives, accepted or refused by chance: what is accepted computes the same, and its trace
/// replays to the same nest, also when its factors are inferred again.
/// </summary>
public class RandomLoopTests
{
    [Theory]
    [InlineData("matmul")]
    [InlineData("matmul-relu")]
    [InlineData("maps")]
    [InlineData("stencil")]
    [InlineData("softmax")]
    [InlineData("scan")]
    [InlineData("scatter")]
    [InlineData("rows")]
    public void Accepted_steps_compute_the_same(string sample)
    {
        int accepted = 0;
        for (int seed = 0; seed < 50; seed++)
        {
            var random = new Random(seed);
            var schedule = new Schedule(SampleAlgorithms.All[sample]());
            for (int i = 0; i < 14; i++)
            {
                try
                {
                    schedule.Apply(Step.Parse(Draw(random, schedule.Nest)));
                    accepted++;
                }
                catch (ScheduleException refusal)
                {
                    Assert.NotNull(refusal.Primitive);
                    Assert.NotEmpty(refusal.Reason);
                }
            }
            var nest = schedule.Nest;
            (string, long)[] sizes = nest.Algorithm.Parameters.IsEmpty ? [] : [("N", 1 + random.Next(20))];
            Equivalence.Check(nest, sizes);
            var trace = Trace.Parse(Trace.Of(nest).ToString());
            Assert.Equal(nest.ToString(), trace.Replay(SampleAlgorithms.All[sample]()).ToString());
            var near = trace.ReplayNear(SampleAlgorithms.All[sample]());
            // Factors larger than their loop are drawn too, and those are made smaller.
            if (near.Changes.IsEmpty)
                Assert.Equal(NestHash.Of(nest), NestHash.Of(near.Nest!));
            else if (near.Nest is not null)
                Equivalence.Check(near.Nest, sizes);
        }
        Assert.InRange(accepted, 100, int.MaxValue);
    }

    private static string Draw(Random random, LoopNest nest)
    {
        var loops = nest.Loops.ToList();
        string Loop() => loops[random.Next(loops.Count)].Name;
        string Chained()
        {
            var top = loops[random.Next(loops.Count)];
            var chain = new List<string>();
            for (Stmt at = top; at is For f; at = f.Body)
                chain.Add(f.Name);
            string[] shuffled = [.. chain.Take(2 + random.Next(4))];
            random.Shuffle(shuffled);
            return string.Join(' ', shuffled);
        }
        string Pair() =>
            loops
                .Where(l => l.Body is For)
                .Select(l => $"{l.Name} {((For)l.Body).Name}")
                .OrderBy(_ => random.Next())
                .FirstOrDefault()
            ?? "none none";
        string tail = new[] { "", "", " tail=guard", " tail=peel", " tail=predicate", " tail=shift", " tail=pad" }[
            random.Next(7)
        ];
        return random.Next(12) switch
        {
            0 or 1 or 2 => $"split {Loop()} {1 + random.Next(7)}{tail}",
            3 => $"tile {Pair()} {1 + random.Next(4)} {1 + random.Next(4)}{tail}",
            4 or 5 => $"fuse {Pair()}",
            6 or 7 => $"reorder {Chained()}",
            8 => $"parallel {Loop()}",
            9 => $"vectorize {Loop()}",
            10 => random.Next(2) == 0
                ? $"unroll {Loop()}"
                : $"bind {Loop()} {(random.Next(2) == 0 ? "block.x" : "thread.x")}",
            _ => random.Next(2) == 0
                ? $"prefetch A {Loop()} {1 + random.Next(5)}"
                : $"specialize N {1 + random.Next(20)}",
        };
    }
}
