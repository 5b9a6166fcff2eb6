using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Picograd.Schedules.Rules;
using Picograd.Tests.Codegen;
using Xunit;

namespace Picograd.Tests.Attention;

/// <summary>Gradients of attention in tiles, and attention with masks and what they read of rows, within the evaluator's bound.</summary>
public class OnlineGradientTests
{
    private static readonly string[] Specs =
    [
        "attention_grad b=1 h=2 tq=40 tk=37 d=16",
        "attention_grad b=1 h=1 tq=67 tk=130 d=17 causal=1",
        "attention_grad b=2 h=2 tq=70 tk=70 d=8 causal=1 first=1",
        "attention_grad b=1 h=4 tq=33 tk=50 d=20 hk=2 dv=9 bias=1 mb=1 mq=1",
        "attention_grad b=1 h=2 tq=19 tk=100 d=4 seen=1 mh=1 dtype=bf16",
        "attention_grad b=2 h=1 tq=2 tk=3 d=1",
        "attention_grad b=1 h=1 tq=97 tk=128 d=32 causal=1 scale=0.3",
    ];

    private static readonly string[] Forward =
    [
        "attention b=1 h=2 tq=40 tk=37 d=16 stats=1",
        "attention b=1 h=1 tq=67 tk=130 d=17 causal=1 stats=1",
        "attention b=2 h=2 tq=70 tk=30 d=8 causal=1 first=1 stats=1",
        "attention b=1 h=4 tq=33 tk=150 d=20 hk=2 dv=9 bias=1 mb=1 mq=1",
        "attention b=1 h=2 tq=19 tk=300 d=4 seen=1 mh=1 stats=1 dtype=bf16",
        "attention b=1 h=2 tq=50 tk=70 d=40 bias=1 seen=1 stats=1 scale=0.3",
    ];

    public static TheoryData<string, int> Gradients() => Cases(Specs);

    public static TheoryData<string, int> Attentions() => Cases(Forward);

    private static TheoryData<string, int> Cases(string[] specs)
    {
        var data = new TheoryData<string, int>();
        for (int i = 0; i < specs.Length; i++)
        {
            data.Add(specs[i], 512);
            data.Add(specs[i], i % 2 == 0 ? 256 : 128);
        }
        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Gradients))]
    public void Gradients_are_within_the_bound(string spec, int bits) =>
        Check(new OnlineGradientRule(), spec, Widths.Backend(bits, 2), draws: 2);

    [SkippableTheory]
    [MemberData(nameof(Attentions))]
    public void Attention_is_within_the_bound(string spec, int bits) =>
        Check(new OnlineRule(), spec, Widths.Backend(bits, 2), draws: 1);

    // No buffer grows with the square of the lengths.
    [SkippableFact]
    public void Nothing_of_all_pairs_is_in_memory()
    {
        var backend = Widths.Backend(256);
        var rule = new OnlineGradientRule();
        var algorithm = OperatorSpec.Parse("attention_grad b=1 h=2 tq=1024 tk=1024 d=64 causal=1").Build();
        var nest = rule.Apply(algorithm, backend.Target, rule.Defaults(algorithm, backend.Target));
        Assert.Contains(nest.Trace, s => s.Primitive == "skip_zeros");
        var placed = StoragePlacement.Run(nest);
        Assert.All(
            placed.Body.Nodes().OfType<Allocate>(),
            a => Assert.True(a.Buffer.ConstantSize() <= 1024 * 64, $"{a.Buffer}")
        );
    }

    private static void Check(ScheduleRule rule, string text, CpuBackend backend, int draws)
    {
        var problem = OperatorSpec.Parse(text).Problem;
        var algorithm = problem.Algorithm;
        Assert.True(rule.Applies(algorithm, backend.Target));
        var inputs = GuardedMemory.AsStored(problem.MakeInputs(1));
        var expected = Evaluator.RunWithBounds(algorithm, inputs);
        var knobs = rule.Knobs(algorithm, backend.Target);
        Assert.All(knobs, k => Assert.Contains(k.Default, k.Values));
        var random = new Random(text.Length);
        for (int i = 0; i <= draws; i++)
        {
            IReadOnlyDictionary<string, long> choices = knobs.ToImmutableDictionary(
                k => k.Name,
                k => i == 0 ? k.Default : k.Values[random.Next(k.Values.Length)]
            );
            CpuKernel? kernel = null;
            LoopNest? nest = null;
            // As dispatch does with a default whose code grows too long; other choices may be refused.
            foreach (var tried in i == 0 ? rule.Shorter(algorithm, backend.Target).Prepend(choices) : [choices])
            {
                try
                {
                    nest = rule.Apply(algorithm, backend.Target, choices = tried);
                    kernel = backend.Compile(nest);
                    break;
                }
                catch (LoweringException) { }
                catch (ScheduleException) when (i > 0) { }
            }
            if (kernel is null)
            {
                Assert.True(i > 0, $"{text}: no shorter default compiles");
                continue;
            }
            using (kernel)
            {
                var actual = Execution.Run(kernel, algorithm, inputs);
                string drawn = string.Join(' ', choices.Select(c => $"{c.Key}={c.Value}"));
                Assert.True(Execution.Wrong(algorithm, actual, expected) is null, $"{text} {drawn}\n{nest}");
            }
        }
    }
}
