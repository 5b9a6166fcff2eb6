using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Codegen;

/// <summary>Attention in blocks of queries and keys: any shape, any knobs, any width, within the evaluator's bound.</summary>
public class OnlineRuleTests(ITestOutputHelper output)
{
    private static readonly long[] Sizes = [1, 2, 3, 5, 7, 8, 13, 16, 17, 31, 32, 33, 47, 64, 65];
    private static readonly ScheduleRule Rule = ScheduleRules.All.Single(r => r.Name == "online");

    [SkippableTheory]
    [InlineData(128, 1)]
    [InlineData(256, 2)]
    [InlineData(512, 3)]
    public void Random_shapes_and_knobs(int bits, int seed)
    {
        var random = new Random(seed);
        long Pick() => Sizes[random.Next(Sizes.Length)];
        int kernels = 0;
        for (int i = 0; i < 16; i++)
        {
            long heads = random.Next(1, 3);
            long group = random.Next(1, 3);
            string text =
                $"attention b={random.Next(1, 3)} h={heads * group} tq={Pick() + 2} tk={Pick()} d={Pick()}"
                + (random.Next(2) == 0 ? " causal=1" : "")
                + (group > 1 ? $" hk={heads}" : "")
                + (random.Next(2) == 0 ? $" dv={Pick()}" : "")
                + (random.Next(5) == 0 ? " dtype=bf16" : "");
            kernels += Check(OperatorSpec.Parse(text), bits, random);
        }
        output.WriteLine($"{kernels} kernels");
        Assert.True(kernels >= 14);
    }

    [SkippableTheory]
    [InlineData("attention b=1 h=2 tq=40 tk=7 d=5 causal=1")] // 33 queries see no key
    [InlineData("attention b=1 h=1 tq=64 tk=300 d=16 causal=1")] // several blocks of keys
    [InlineData("attention b=2 h=1 tq=33 tk=311 d=17")]
    [InlineData("attention b=1 h=4 tq=50 tk=290 d=8 hk=2 dv=40 causal=1")]
    public void The_default_and_others(string text)
    {
        var random = new Random(5);
        for (int i = 0; i < 4; i++)
            Check(OperatorSpec.Parse(text), 512, random, first: i == 0);
    }

    // Scores of a mask that is data: rows that see nothing at all give 0, as do rows of -Infinity.
    [SkippableTheory]
    [InlineData(256)]
    [InlineData(512)]
    public void Masks_that_are_data(int bits)
    {
        foreach (var (rows, keys) in new[] { (5L, 1L), (33, 40), (40, 260) })
        {
            var algorithm = Masked(rows, keys);
            var backend = Widths.Backend(bits);
            Assert.True(Rule.Applies(algorithm, backend.Target));
            var random = new Random(3);
            var seen = new long[rows * keys];
            for (long at = 0; at < seen.Length; at++)
                seen[at] = at / keys == rows / 2 ? 0 : random.Next(2);
            var inputs = GuardedMemory.AsStored(
                Problem
                    .Of(algorithm)
                    .MakeInputs(3)
                    .ToDictionary(
                        x => x.Key,
                        x => x.Key.Type == DType.Bool ? NDArray.Of(DType.Bool, [rows, keys], seen) : x.Value
                    )
            );
            Run(algorithm, backend, Rule.Defaults(algorithm, backend.Target), inputs);
        }
    }

    private static Algorithm Masked(long rows, long keys)
    {
        var g = new AlgorithmBuilder("masked");
        var (i, j, e, c) = (new Axis("i", rows), new Axis("j", keys), new Axis("e", 6), new Axis("c", 9));
        var h = new Axis("h", 2);
        var q = g.Input("Q", DType.Float32, h.Extent, i.Extent, e.Extent);
        var k = g.Input("K", DType.Float32, h.Extent, j.Extent, e.Extent);
        var v = g.Input("V", DType.Float32, h.Extent, j.Extent, c.Extent);
        var mask = g.Input("A", DType.Bool, i.Extent, j.Extent);
        var lowest = Op.Const(double.NegativeInfinity, DType.Float32);
        var zero = Op.Const(0, DType.Float32);
        var d = g.Stage("D", [h, i, j], AlgorithmBuilder.Sum(e, q[h, i, e] * k[h, j, e]));
        var s = g.Stage("S", [h, i, j], Op.Select(mask[i, j], d[h, i, j], lowest));
        var m = g.Stage("M", [h, i], AlgorithmBuilder.Max([j], s[h, i, j]));
        var n = g.Stage("N", [h, i], Op.Select(Op.Eq(m[h, i], lowest), zero, m[h, i]));
        var w = g.Stage("E", [h, i, j], Op.Exp(s[h, i, j] - n[h, i]));
        var l = g.Stage("L", [h, i], AlgorithmBuilder.Sum(j, w[h, i, j]));
        var o = g.Stage("O", [h, i, c], AlgorithmBuilder.Sum(j, w[h, i, j] * v[h, j, c]));
        return g.Build(g.Stage("Y", [h, i, c], Op.Select(Op.Eq(l[h, i], zero), zero, o[h, i, c] / l[h, i])));
    }

    private int Check(OperatorSpec spec, int bits, Random random, bool first = false)
    {
        var algorithm = spec.Build();
        var backend = Widths.Backend(bits, 1 + random.Next(2));
        if (!Rule.Applies(algorithm, backend.Target))
            return 0;
        var choices = Rule.Knobs(algorithm, backend.Target)
            .ToImmutableSortedDictionary(
                k => k.Name,
                k => first || random.Next(2) == 0 ? k.Default : k.Values[random.Next(k.Values.Length)]
            );
        var kinds = spec.CertificationKinds.ToList();
        var inputs = GuardedMemory.AsStored(spec.MakeInputs(7, kinds[random.Next(kinds.Count)]));
        try
        {
            Run(algorithm, backend, choices, inputs);
            return 1;
        }
        catch (ScheduleException e) when (!first)
        {
            output.WriteLine($"{spec}: {e.Message.Split('\n')[0]}");
            return 0;
        }
    }

    private static void Run(
        Algorithm algorithm,
        CpuBackend backend,
        IReadOnlyDictionary<string, long> choices,
        IReadOnlyDictionary<Buffer, NDArray> inputs
    )
    {
        var nest = Rule.Apply(algorithm, backend.Target, choices);
        using var kernel = backend.Compile(nest);
        var actual = Execution.Run(kernel, algorithm, inputs);
        string what = $"{algorithm.Name} {string.Join(' ', choices.Select(c => $"{c.Key}={c.Value}"))}";
        if (Execution.Wrong(algorithm, actual, Evaluator.RunWithBounds(algorithm, inputs)) is { } wrong)
            Assert.Fail($"{what}: {wrong}\n{algorithm}\n{nest}");
    }
}
