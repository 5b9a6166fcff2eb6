using System.Collections.Immutable;
using Picograd.Algorithms.Compose;
using Picograd.Algorithms.Evaluation;
using Picograd.Lower.Cpu;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Tests.Compose;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Codegen;

/// <summary>
/// Groups of calls as one kernel: by the default schedule and by choices of every rule that applies, within the evaluator's bound.
/// </summary>
public class GroupKernelTests(ITestOutputHelper output)
{
    private const int Groups = 40;

    [SkippableFact]
    public void Kernels_of_groups_are_within_the_bound()
    {
        int kernels = 0;
        int plain = 0;
        for (int seed = 0; seed < Groups; seed++)
        {
            var random = new Random(seed);
            var group = new RandomGroup(seed, 2 + seed % 6, RandomGroup.Near(seed, others: false)).Group;
            var problem = Joiner.Join(group).Problem;
            var algorithm = problem.Algorithm;
            var inputs = GuardedMemory.AsStored(problem.MakeInputs(seed));
            var expected = Evaluator.RunWithBounds(algorithm, inputs);
            var backend = Widths.Backend(random.Next(2) == 0 ? 256 : 512, 1 + random.Next(2));
            bool served = false;
            foreach (var rule in ScheduleRules.For(algorithm, backend.Target))
            {
                var drawn = rule.Knobs(algorithm, backend.Target)
                    .ToImmutableSortedDictionary(k => k.Name, k => k.Values[random.Next(k.Values.Length)]);
                foreach (var choices in new[] { rule.Defaults(algorithm, backend.Target), drawn })
                {
                    try
                    {
                        Check(rule.Apply(algorithm, backend.Target, choices), rule.Name);
                        plain += !served && rule.Name == "plain" ? 1 : 0;
                        served = true;
                    }
                    catch (Exception e) when (e is ScheduleException or LoweringException)
                    {
                        output.WriteLine($"seed {seed}, {rule.Name}: {e.Message.Split('\n')[0]}");
                    }
                }
            }
            Assert.True(served);

            void Check(LoopNest nest, string rule)
            {
                using var kernel = backend.Compile(nest);
                kernels++;
                var actual = Execution.Run(kernel, algorithm, inputs);
                if (Execution.Wrong(algorithm, actual, expected) is { } wrong)
                    Assert.Fail($"seed {seed}, {rule}: {wrong}\n{algorithm}\n{nest}");
            }
        }
        output.WriteLine($"{kernels} kernels, {plain} of plain loops by default");
        Assert.Equal(0, plain);
    }
}
