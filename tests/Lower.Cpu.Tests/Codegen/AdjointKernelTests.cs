using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Codegen;

/// <summary>
/// The gradient of every operator, all of its inputs' and one alone, by its default schedule and by every rule that applies: within
/// the evaluator's bound.
/// </summary>
public class AdjointKernelTests(ITestOutputHelper output)
{
    private const int Specs = 2;

    // Derived, the gradient of logcumsumexp takes as many steps as there are pairs of places, and its own none that compiles; tensors
    // have it from their rule by hand, up to the second (LogCumSumExpTests).
    public static TheoryData<string> Operators() =>
        [.. OperatorLibrary.All.Select(o => o.Name).Where(n => n != "logcumsumexp")];

    [SkippableTheory]
    [MemberData(nameof(Operators))]
    public void Kernels_of_derived_operators_are_within_the_bound(string name)
    {
        var random = new Random(name.Aggregate(17, (h, c) => unchecked(h * 31 + c)));
        int kernels = 0;
        foreach (var inner in RandomSpecs.Of(OperatorLibrary.Find(name)!, Specs, random.Next()))
        {
            foreach (var spec in Derived(inner, random))
            {
                var algorithm = spec.Build();
                var kinds = spec.CertificationKinds.ToList();
                var inputs = GuardedMemory.AsStored(spec.MakeInputs(7, kinds[random.Next(kinds.Count)]));
                var expected = Evaluator.RunWithBounds(algorithm, inputs);
                var backend = Widths.Backend(random.Next(2) == 0 ? 256 : 512, 1 + random.Next(2));
                Check(Default(algorithm, backend), $"{spec}, default");
                foreach (var rule in ScheduleRules.For(algorithm, backend.Target))
                {
                    var choices = rule.Knobs(algorithm, backend.Target)
                        .ToImmutableSortedDictionary(k => k.Name, k => k.Values[random.Next(k.Values.Length)]);
                    string what = string.Join(' ', choices.Select(c => $"{c.Key}={c.Value}"));
                    try
                    {
                        Check(rule.Apply(algorithm, backend.Target, choices), $"{spec}, {rule.Name} {what}");
                    }
                    catch (Exception e) when (e is ScheduleException or LoweringException)
                    {
                        output.WriteLine($"{spec}, {rule.Name} {what}: {e.Message.Split('\n')[0]}");
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
                            Assert.Fail($"{what}: {wrong}\n{algorithm}\n{nest}");
                    }
                    catch (DamageException e)
                    {
                        Assert.Fail($"{what}: {e.Message}\n{nest}");
                    }
                }
            }
        }
        output.WriteLine($"{kernels} kernels");
    }

    // The default schedule, or the first that a back end takes of those that follow where it refuses it, as for programs.
    private static LoopNest Default(Algorithm algorithm, CpuBackend backend)
    {
        foreach (
            var make in DefaultSchedule
                .Fallbacks(algorithm, backend.Target)
                .Prepend(() => DefaultSchedule.For(algorithm, backend.Target))
        )
        {
            try
            {
                var nest = make();
                backend.Compile(nest).Dispose();
                return nest;
            }
            catch (Exception e) when (e is ScheduleException or LoweringException)
            {
                // The next one.
            }
        }
        throw new LoweringException("no-schedule", $"no schedule of {algorithm.Name} compiles");
    }

    // All gradients, one of several, and the gradient of the gradient; none where the operator has no float inputs.
    private static IEnumerable<OperatorSpec> Derived(OperatorSpec inner, Random random)
    {
        string text = inner.ToString().Insert(inner.Name.Length, AdjointOperators.Suffix);
        OperatorSpec all;
        try
        {
            all = OperatorSpec.Parse(text);
        }
        catch (OperatorSpecException)
        {
            yield break;
        }
        yield return all;
        var wanted = AdjointOperators.Roles(all).Outputs;
        if (wanted.Length > 1)
            yield return OperatorSpec.Parse($"{text} wrt={wanted[random.Next(wanted.Length)].Name}");
        if (all.Build().Inputs.Any(b => b.Type.IsFloat()))
            yield return OperatorSpec.Parse(text.Insert(all.Name.Length, AdjointOperators.Suffix));
    }
}
