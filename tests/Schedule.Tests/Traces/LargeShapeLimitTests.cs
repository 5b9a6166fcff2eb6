using System.Collections.Immutable;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.Tests.Gpu;
using Xunit;

namespace Picograd.Tests.Traces;

/// <summary>What rules make of large shapes, whatever their knobs say, is within the limits of replays.</summary>
public class LargeShapeLimitTests
{
    private const int ChoicesARule = 10;
    private static readonly TargetInfo Two = new("cpu", "cpu", 512, 32, 2, 48 << 10, 2 << 20, 32 << 20);

    [Theory]
    [InlineData("matmul m=8192 n=8192 k=8192")]
    [InlineData("matmul m=1 n=50257 k=768 tb=1")]
    [InlineData("matmul m=3 n=3 k=30000000")]
    [InlineData("matmul m=64 n=64 k=64 batch=65536")]
    [InlineData("matmul m=100000 n=100000 k=7 dtype=f16")]
    [InlineData("conv2d n=4 c=64 h=512 w=512 oc=1 kh=7 kw=7 pad=3")]
    [InlineData("conv2d n=300000 c=3 h=8 w=8 oc=4 kh=3 kw=3")]
    [InlineData("attention b=1 h=16 tq=16384 tk=16384 d=64")]
    [InlineData("attention b=1 h=1 tq=100000 tk=100000 d=8 causal=1")]
    [InlineData("sum shape=1073741824 axes=0")]
    [InlineData("sum shape=4096x65536 axes=0")]
    [InlineData("cumsum rows=4096 cols=65536 axis=0")]
    [InlineData("softmax rows=2 cols=100000000")]
    [InlineData("cross_entropy rows=65536 classes=50257")]
    [InlineData("embedding.adjoint vocab=50257 dim=768 rows=65536")]
    [InlineData("copy shape=40000x40000 strides=1,40000")]
    public void Large_shapes_replay(string text)
    {
        var algorithm = OperatorSpec.Parse(text).Build();
        var random = new Random(7);
        int replayed = 0;
        foreach (var target in (TargetInfo[])[Two, Two with { Threads = 64 }, Targets.A100, Targets.H100])
        foreach (var rule in ScheduleRules.For(algorithm, target))
        {
            var knobs = rule.Knobs(algorithm, target);
            for (int i = 0; i < ChoicesARule; i++)
            {
                var choices = knobs.ToImmutableSortedDictionary(
                    k => k.Name,
                    k => i == 0 ? k.Default : k.Values[random.Next(k.Values.Length)]
                );
                LoopNest nest;
                try
                {
                    nest = rule.Apply(algorithm, target, choices);
                }
                catch (ScheduleException)
                {
                    continue;
                }
                // Refused, it throws: it says by which limit.
                Trace.Parse(Trace.Of(nest).ToString()).Replay(algorithm);
                replayed++;
            }
        }
        Assert.True(replayed > 10, $"only {replayed} schedules were made");
    }
}
