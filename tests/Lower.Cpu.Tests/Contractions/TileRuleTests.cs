using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Recipes;
using Picograd.Schedules.Rules;
using Picograd.Tests.Codegen;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Contractions;

/// <summary>
/// Register tiles of any contraction: convolutions and pools in one to three dimensions of any stride, padding, dilation and groups,
/// their gradients, triangles, A times its transpose. By default and by random choices: within the evaluator's bound. PICOGRAD_CASES
/// says how many to try.
/// </summary>
public class TileRuleTests(ITestOutputHelper output)
{
    private const int Choices = 3;

    [SkippableTheory]
    [InlineData(128)]
    [InlineData(512)]
    public void Sums_that_are_results_too_have_tiles(int bits)
    {
        var (m, n, k) = (new Axis("m", 13), new Axis("n", 19), new Axis("k", 7));
        var g = new AlgorithmBuilder("sums_and_more");
        var a = g.Input("A", DType.Float32, m.Extent, k.Extent);
        var b = g.Input("B", DType.Float32, k.Extent, n.Extent);
        var sums = g.Stage("S", [m, n], AlgorithmBuilder.Sum(k, a[m, k] * b[k, n]));
        var (i, j) = (new Axis("i", 13), new Axis("j", 19));
        var algorithm = g.Build(sums, g.Stage("Y", [i, j], Op.Max(sums[i, j], 0f)));
        var backend = Widths.Backend(bits);
        var rule = new TileRule();
        Assert.True(rule.Applies(algorithm, backend.Target));
        var nest = rule.Apply(algorithm, backend.Target, rule.Defaults(algorithm, backend.Target));
        using var kernel = backend.Compile(nest);
        var inputs = GuardedMemory.AsStored(Problem.Of(algorithm).MakeInputs(1));
        var actual = Execution.Run(kernel, algorithm, inputs);
        Assert.Null(Execution.Wrong(algorithm, actual, Evaluator.RunWithBounds(algorithm, inputs)));
    }

    [SkippableTheory]
    [InlineData("conv1d.adjoint n=2 c=5 w=19 oc=7 kw=3 pad=1 bias=1")]
    [InlineData("conv2d.adjoint n=2 c=5 h=9 w=11 oc=7 kh=3 kw=3 pad=1 bias=1")]
    [InlineData("conv2d.adjoint n=3 c=4 h=9 w=11 oc=4 kh=3 kw=3 stride=2 pad=1 groups=4 bias=1")]
    [InlineData("conv_transpose2d.adjoint n=2 c=6 h=5 w=7 oc=5 kh=2 kw=2 stride=2 bias=1")]
    public void Gradients_of_convolutions_have_tiles_beside_that_of_a_bias(string spec)
    {
        var algorithm = OperatorSpec.Parse(spec).Build();
        foreach (int threads in (int[])[1, 2])
        {
            var backend = Widths.Backend(512, threads);
            var rule = new TileRule();
            Assert.True(rule.Applies(algorithm, backend.Target));
            var nest = rule.Apply(algorithm, backend.Target, rule.Defaults(algorithm, backend.Target));
            using var kernel = backend.Compile(nest);
            var inputs = GuardedMemory.AsStored(Problem.Of(algorithm).MakeInputs(1));
            var actual = Execution.Run(kernel, algorithm, inputs);
            Assert.Null(Execution.Wrong(algorithm, actual, Evaluator.RunWithBounds(algorithm, inputs)));
        }
    }

    [SkippableTheory]
    [InlineData(128, 1)]
    [InlineData(256, 2)]
    [InlineData(512, 1)]
    [InlineData(512, 2)]
    public void Tiles_are_within_the_bound(int bits, int seed)
    {
        var random = new Random(seed * 1000 + bits);
        int cases = int.TryParse(Environment.GetEnvironmentVariable("PICOGRAD_CASES"), out int n) ? n : 40;
        int kernels = 0;
        var refusals = new SortedDictionary<string, int>(StringComparer.Ordinal);
        for (int c = 0; c < cases; c++)
        {
            var (name, algorithm) = ContractionCases.Draw(random);
            var backend = Widths.Backend(bits, 1 + random.Next(2));
            var rule = new TileRule();
            if (!rule.Applies(algorithm, backend.Target))
                continue;
            var inputs = GuardedMemory.AsStored(Problem.Of(algorithm).MakeInputs(c));
            var expected = Evaluator.RunWithBounds(algorithm, inputs);
            var knobs = rule.Knobs(algorithm, backend.Target);
            Assert.All(knobs, k => Assert.Contains(k.Default, k.Values));
            for (int i = 0; i <= Choices; i++)
            {
                var choices = knobs.ToImmutableSortedDictionary(
                    k => k.Name,
                    k => i == 0 ? k.Default : k.Values[random.Next(k.Values.Length)]
                );
                string what =
                    $"{name}, {bits} bits, {backend.Target.Threads} threads: {string.Join(' ', choices.Select(x => $"{x.Key}={x.Value}"))}";
                LoopNest nest;
                try
                {
                    nest = rule.Apply(algorithm, backend.Target, choices);
                    using var kernel = backend.Compile(nest);
                    kernels++;
                    var actual = Execution.Run(kernel, algorithm, inputs);
                    if (Execution.Wrong(algorithm, actual, expected) is { } wrong)
                        Assert.Fail($"{what}: {wrong}\n{algorithm}\n{nest}");
                }
                catch (Exception e) when (e is ScheduleException or LoweringException)
                {
                    Assert.True(i > 0, $"the default is refused: {what}\n{algorithm}\n{e.Message}");
                    string reason = e.Message.Split('\n')[0];
                    refusals[reason] = refusals.GetValueOrDefault(reason) + 1;
                }
                catch (DamageException e)
                {
                    Assert.Fail($"{what}: {e.Message}\n{algorithm}");
                }
            }
        }
        output.WriteLine($"{kernels} kernels");
        foreach (var (reason, count) in refusals)
            output.WriteLine($"refused {count}: {reason}");
        Assert.True(kernels > cases);
    }
}
