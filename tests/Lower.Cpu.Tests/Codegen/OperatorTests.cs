using System.Collections.Immutable;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Codegen;

/// <summary>
/// Every operator of the library at every vector width, on one thread and two, by its default schedule and by random
/// choices of every rule that applies: within the evaluator's bound.
/// </summary>
public class OperatorTests(ITestOutputHelper output)
{
    private const int Specs = 4;
    private const int ChoicesARule = 2;

    public static TheoryData<string, int> Operators()
    {
        var data = new TheoryData<string, int>();
        foreach (var definition in OperatorLibrary.All)
        foreach (int bits in Widths.All)
            data.Add(definition.Name, bits);
        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Operators))]
    public void Generated_code_is_within_the_bound_of_the_evaluator(string name, int bits)
    {
        var definition = OperatorLibrary.Find(name)!;
        var random = new Random(StableSeed(name) + bits);
        var refusals = new SortedDictionary<string, int>(StringComparer.Ordinal);
        int kernels = 0;
        foreach (var spec in RandomSpecs.Of(definition, Specs, StableSeed(name)))
        {
            var algorithm = spec.Build();
            var inputs = GuardedMemory.AsStored(spec.MakeInputs(7, Kinds(spec)[random.Next(Kinds(spec).Length)]));
            var expected = Evaluator.RunWithBounds(algorithm, inputs);
            // One thread, and two or three: extents that threads do not share evenly.
            foreach (int threads in new[] { 1, 2 + random.Next(2) })
            {
                var backend = Widths.Backend(bits, threads);
                Check(
                    DefaultSchedule.For(algorithm, backend.Target),
                    $"{spec}, {bits} bits, {threads} threads, default"
                );
                foreach (var rule in ScheduleRules.For(algorithm, backend.Target))
                {
                    var knobs = rule.Knobs(algorithm, backend.Target);
                    for (int i = 0; i < (knobs.IsEmpty ? 1 : ChoicesARule); i++)
                    {
                        var choices = knobs.ToImmutableSortedDictionary(
                            k => k.Name,
                            k => random.Next(3) == 0 ? k.Default : k.Values[random.Next(k.Values.Length)]
                        );
                        string what =
                            $"{spec}, {bits} bits, {threads} threads, {rule.Name} {string.Join(" ", choices.Select(c => $"{c.Key}={c.Value}"))}";
                        try
                        {
                            Check(rule.Apply(algorithm, backend.Target, choices), what);
                        }
                        catch (ScheduleException e)
                        {
                            Refused($"{rule.Name}: {e.Primitive}");
                        }
                        catch (LoweringException e)
                        {
                            Refused($"{rule.Name}: {e.Reason}");
                        }
                    }
                }

                void Check(LoopNest nest, string what)
                {
                    using var kernel = backend.Compile(nest);
                    kernels++;
                    try
                    {
                        var actual = Execution.Run(kernel, algorithm, inputs);
                        if (Execution.Wrong(algorithm, actual, expected) is { } wrong)
                            Assert.Fail($"{what}: {wrong}\n{nest}");
                    }
                    catch (DamageException e)
                    {
                        Assert.Fail($"{what}: {e.Message}\n{nest}");
                    }
                }
            }
        }
        output.WriteLine($"{kernels} kernels");
        foreach (var (reason, count) in refusals)
            output.WriteLine($"refused {count}: {reason}");

        void Refused(string reason) => refusals[reason] = refusals.GetValueOrDefault(reason) + 1;
    }

    private static InputKind[] Kinds(OperatorSpec spec) => [.. spec.CertificationKinds];

    private static int StableSeed(string name) => name.Aggregate(17, (h, c) => unchecked(h * 31 + c)) & 0xFFFFFF;
}
