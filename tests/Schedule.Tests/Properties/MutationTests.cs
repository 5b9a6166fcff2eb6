using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Properties;

/// <summary>The oracles notice faults: mutants of right nests are stopped by a sanitizer or compute something else.</summary>
public class MutationTests(ITestOutputHelper output)
{
    [Fact]
    public void Faults_put_into_right_nests_are_noticed()
    {
        var counts = Mutation.All.Keys.ToDictionary(k => k, _ => (Noticed: 0, Made: 0));
        var missed = new List<string>();
        for (int seed = 0; seed < 150; seed++)
        {
            var subject = new Subject(Recipe.Draw(seed));
            var random = new Random(seed);
            var nest = InitialNest.Of(subject.Algorithm);
            foreach (string primitive in new[] { "split", "reorder", "compute_at", "cache_write" })
            {
                try
                {
                    if (StepGenerator.All[primitive](random, nest) is { } step)
                        nest = PrimitiveRegistry.Get(primitive).Apply(nest, step);
                }
                catch (ScheduleException)
                {
                    // A refused step leaves the nest as it was, which will do.
                }
            }
            Assert.Null(subject.Wrong(nest, seed));
            foreach (var (kind, mutate) in Mutation.All)
            {
                foreach (var mutant in mutate(nest))
                {
                    bool noticed = subject.Wrong(mutant, seed) is not null;
                    var (before, made) = counts[kind];
                    counts[kind] = (before + (noticed ? 1 : 0), made + 1);
                    if (!noticed)
                        missed.Add($"{kind}, {subject.Recipe}:\n{nest}\nmutant:\n{mutant}");
                }
            }
        }
        foreach (var (kind, (noticed, made)) in counts)
            output.WriteLine($"{kind, -28} {noticed} of {made}");
        Assert.All(counts, c => Assert.True(c.Value.Made >= 20, $"{c.Key}: only {c.Value.Made} mutants"));
        foreach (string always in new[] { "init dropped", "reduction in parallel", "reduction in lanes" })
            Assert.True(
                counts[always].Noticed == counts[always].Made,
                missed.FirstOrDefault(m => m.StartsWith(always, StringComparison.Ordinal))
            );
        // Of the others some change nothing: a maximum taken over one element less, a tail that is guarded anyway.
        int all = counts.Values.Sum(c => c.Made);
        int seen = counts.Values.Sum(c => c.Noticed);
        output.WriteLine(string.Join("\n", missed.Take(3)));
        Assert.True(seen >= 0.9 * all, $"{seen} of {all} noticed\n{string.Join("\n", missed.Take(10))}");
    }
}
