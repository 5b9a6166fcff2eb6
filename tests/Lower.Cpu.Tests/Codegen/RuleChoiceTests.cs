using System.Collections.Immutable;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Codegen;

/// <summary>
/// Whatever the knobs of a rule say, at any width and number of threads: the rule makes a schedule or a primitive refuses.
/// Any other exception is an error of the rule. Defaults are among the values of their knobs and are not refused.
/// </summary>
public class RuleChoiceTests(ITestOutputHelper output)
{
    private const int Specs = 40;
    private const int ChoicesARule = 8;
    private static readonly int[] Threads = [1, 2, 3, 8];

    public static TheoryData<string> Operators() => [.. OperatorLibrary.All.Select(o => o.Name)];

    [Theory]
    [MemberData(nameof(Operators))]
    public void Rules_refuse_and_never_fail(string name)
    {
        var definition = OperatorLibrary.Find(name)!;
        int seed = name.Aggregate(23, (h, c) => unchecked(h * 31 + c)) & 0xFFFFFF;
        var random = new Random(seed);
        int made = 0;
        var refusals = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var spec in RandomSpecs.Of(definition, Specs, seed))
        {
            var algorithm = spec.Build();
            var target = Target(Widths.All[random.Next(Widths.All.Length)], Threads[random.Next(Threads.Length)]);
            foreach (var rule in ScheduleRules.For(algorithm, target))
            {
                var knobs = rule.Knobs(algorithm, target);
                Assert.All(knobs, k => Assert.Contains(k.Default, k.Values));
                for (int i = 0; i < (knobs.IsEmpty ? 1 : ChoicesARule); i++)
                {
                    var choices = knobs.ToImmutableSortedDictionary(
                        k => k.Name,
                        k => i == 0 || random.Next(3) == 0 ? k.Default : k.Values[random.Next(k.Values.Length)]
                    );
                    string what =
                        $"{spec}, {target.VectorBits} bits, {target.Threads} threads, {rule.Name} {string.Join(" ", choices.Select(c => $"{c.Key}={c.Value}"))}";
                    try
                    {
                        rule.Apply(algorithm, target, choices);
                        made++;
                    }
                    catch (ScheduleException e)
                    {
                        string reason = $"{rule.Name}: {e.Primitive}: {e.Reason}";
                        refusals[reason] = refusals.GetValueOrDefault(reason) + 1;
                        Assert.True(i > 0, $"the default is refused: {what}\n{e.Message}");
                    }
                    catch (Exception e)
                    {
                        Assert.Fail($"{what}: {e}");
                    }
                }
            }
        }
        output.WriteLine($"{made} schedules");
        foreach (var (reason, count) in refusals)
            output.WriteLine($"refused {count}: {reason}");
        Assert.True(made > 0);
    }

    private static TargetInfo Target(int bits, int threads) =>
        new("cpu", "test", bits, bits == 512 ? 32 : 16, threads, 48 << 10, 1 << 20, 32 << 20);
}
