using System.Collections.Immutable;
using Picograd.Algorithms.Operators;
using Picograd.Schedules;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Passes;

/// <summary>Schedules of the library's GPU rules, at random choices of their knobs, through all passes.</summary>
public class RuleLoweringTests(ITestOutputHelper log)
{
    private static readonly TargetInfo Target = new("cuda", "cuda test", 0, 0, 1, 0, 0, 0) { Gpu = GpuInfo.H100 };

    [Theory]
    [InlineData("matmul m=5 n=7 k=3")]
    [InlineData("matmul m=33 n=40 k=17")]
    [InlineData("matmul m=37 n=33 k=19 ta=1")]
    [InlineData("matmul m=34 n=37 k=20 tb=1")]
    [InlineData("matmul m=17 n=18 k=11 batch=2")]
    [InlineData("matmul m=16 n=16 k=520")]
    [InlineData("softmax rows=5 cols=70")]
    [InlineData("layernorm rows=5 cols=70")]
    [InlineData("sum rows=5 cols=70 axis=0")]
    [InlineData("argmax rows=5 cols=70 axis=1")]
    [InlineData("transpose rows=33 cols=21")]
    public void Right_and_each_barrier_counts(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var algorithm = spec.Build();
        var random = new Random(text.Length);
        int right = 0;
        foreach (var rule in ScheduleRules.For(algorithm, Target))
        {
            var knobs = rule.Knobs(algorithm, Target);
            for (int i = 0; i < 5; i++)
            {
                var choices = knobs.ToImmutableSortedDictionary(
                    k => k.Name,
                    k => i == 0 || random.Next(2) == 0 ? k.Default : k.Values[random.Next(k.Values.Length)]
                );
                string what = $"{rule.Name} {string.Join(" ", choices.Select(c => $"{c.Key}={c.Value}"))}";
                try
                {
                    Proof.Lowers(rule.Apply(algorithm, Target, choices), spec);
                    right++;
                    log.WriteLine(what);
                }
                catch (ScheduleException e) when (i > 0)
                {
                    log.WriteLine($"{what}: {e.Reason}");
                }
            }
        }
        Assert.True(right > 2);
    }

    /// <summary>
    /// Where each warp reads the rows of A that it copies, a barrier of the warp parts a slot's last use from the copy that
    /// fills it again. Of two iterations only the first copies, and none has used the slot before. Each barrier counts.
    /// </summary>
    [Theory]
    [InlineData("m=20 n=24 k=8 tb=1", "bm=32 bn=16 bk=4 tm=4 tn=2 lanes_m=8 vector=2 fragments=0", 0)]
    [InlineData("m=20 n=24 k=12 tb=1", "bm=32 bn=16 bk=4 tm=4 tn=2 lanes_m=8 vector=2 fragments=0", 1)]
    [InlineData("m=16 n=16 k=64 batch=2", "bm=16 bn=16 bk=32 tm=2 tn=1 lanes_m=2 vector=4 fragments=1", 0)]
    [InlineData("m=16 n=16 k=96 batch=2", "bm=16 bn=16 bk=32 tm=2 tn=1 lanes_m=2 vector=4 fragments=1", 1)]
    public void Pipelines_of_two_iterations(string shape, string knobs, int ofWarps)
    {
        var spec = OperatorSpec.Parse($"matmul {shape}");
        var algorithm = spec.Build();
        var rule = new GpuMatmulRule();
        var choices = new Dictionary<string, long>(rule.Defaults(algorithm, Target));
        foreach (string[] knob in $"{knobs} parts=1 stages=2".Split(' ').Select(k => k.Split('=')))
            choices[knob[0]] = long.Parse(knob[1], System.Globalization.CultureInfo.InvariantCulture);
        var barriers = Proof
            .Lowers(rule.Apply(algorithm, Target, choices), spec)
            .Body.Nodes()
            .OfType<Picograd.Schedules.Barrier>()
            .ToLookup(b => b.Scope);
        Assert.Equal((ofWarps, 1), (barriers[BarrierScope.Warp].Count(), barriers[BarrierScope.Block].Count()));
    }
}
