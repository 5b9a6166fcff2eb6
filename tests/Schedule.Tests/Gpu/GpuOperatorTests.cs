using System.Collections.Immutable;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Picograd.Tests.Codegen;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Gpu;

/// <summary>
/// Every operator of the library by its default schedule on a GPU and by random choices of every rule that applies, run
/// by the interpreter with all sanitizers: within the evaluator's bound.
/// </summary>
public class GpuOperatorTests(ITestOutputHelper output)
{
    private const int Specs = 3;
    private const int ChoicesARule = 2;
    private const long MostPoints = 20_000;

    public static TheoryData<string> Operators => [.. OperatorLibrary.All.Select(o => o.Name)];

    [Theory]
    [MemberData(nameof(Operators))]
    public void Schedules_are_right(string name)
    {
        var definition = OperatorLibrary.Find(name)!;
        int seed = name.Aggregate(17, (h, c) => unchecked(h * 31 + c)) & 0xFFFFFF;
        var random = new Random(seed);
        int nests = 0;
        var refusals = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var spec in RandomSpecs.Of(definition, 3 * Specs, seed).Where(IsSmall).Take(Specs + 1))
        {
            var algorithm = spec.Build();
            var subject = new Interpreted(algorithm, spec.MakeInputs(7, (InputKind)random.Next(3)));
            var target = random.Next(2) == 0 ? Targets.A100 : Targets.H100;
            output.WriteLine($"{spec}");
            Check(DefaultSchedule.For(algorithm, target), $"{spec}, default");
            foreach (var rule in ScheduleRules.For(algorithm, target))
            {
                var knobs = rule.Knobs(algorithm, target);
                Assert.All(knobs, k => Assert.Contains(k.Default, k.Values));
                for (int i = 0; i < (knobs.IsEmpty ? 1 : ChoicesARule); i++)
                {
                    var choices = knobs.ToImmutableSortedDictionary(
                        k => k.Name,
                        k => random.Next(3) == 0 ? k.Default : k.Values[random.Next(k.Values.Length)]
                    );
                    string what = $"{spec}, {rule.Name} {string.Join(" ", choices.Select(c => $"{c.Key}={c.Value}"))}";
                    try
                    {
                        Check(rule.Apply(algorithm, target, choices), what);
                    }
                    catch (ScheduleException e)
                    {
                        string reason = $"{rule.Name}: {e.Primitive}: {e.Reason}";
                        refusals[reason] = refusals.GetValueOrDefault(reason) + 1;
                    }
                }
            }

            void Check(LoopNest nest, string what)
            {
                nests++;
                foreach (var root in nest.Body is Seq s ? s.Items : [nest.Body])
                    Assert.True(root is For f && f.Kind.IsGpu(), $"{what}: a stage without a GPU loop\n{nest}");
                // At full shape a thread's registers are as large as the operands: only where that is little.
                if (nest.Intermediates.IsEmpty && subject.Wrong(nest, random.Next()) is { } wrong)
                    Assert.Fail($"{what}: {wrong}");
                var placed = StoragePlacement.Run(nest);
                if (subject.Wrong(placed, random.Next()) is { } after)
                    Assert.Fail($"{what}, storage placed: {after}");
            }
        }
        output.WriteLine($"{nests} nests");
        foreach (var (reason, count) in refusals)
            output.WriteLine($"refused {count}: {reason}");
    }

    // Casts of negative numbers to unsigned types have no specified result.
    // The interpreter runs about a million points a second, and a schedule may have several times those of the algorithm.
    private static bool IsSmall(OperatorSpec spec) =>
        spec.Build().Stages.Sum(s => s.Axes.Aggregate(1L, (n, a) => n * ((Algorithms.IntImm)a.Extent).Value))
            <= MostPoints
        && !spec.ToString().Contains(" to=u", StringComparison.Ordinal);
}
