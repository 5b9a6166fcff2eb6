using System.Collections.Immutable;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Xunit;

namespace Picograd.Tests.Properties;

/// <summary>Random legal steps on the initial nest of a subject.</summary>
internal static class RandomSchedule
{
    public static string[] Primitives { get; } = [.. PrimitiveRegistry.All.Keys.Order(StringComparer.Ordinal)];

    /// <summary>
    /// A schedule that is about one primitive: steps that prepare it, the primitive, then some others. What is refused is
    /// counted and left out; Error is set, and the step that caused it is the last, where one failed in another way.
    /// </summary>
    public static (PropertyCase Case, LoopNest? Nest, string? Error) Draw(
        Subject subject,
        string focus,
        int seed,
        Tally tally
    )
    {
        var random = new Random(seed);
        var nest = InitialNest.Of(subject.Algorithm);
        string? error = null;
        var refusedOrBroken = new List<Step>();

        bool Attempt(string primitive)
        {
            var generator = StepGenerator.Aimed.GetValueOrDefault(primitive) ?? StepGenerator.All[primitive];
            if (generator(random, nest) is not { } step)
                return false;
            primitive = step.Primitive;
            try
            {
                nest = PrimitiveRegistry.Get(primitive).Apply(nest, step);
                tally.Count(primitive, true);
                return true;
            }
            catch (ScheduleException e)
            {
                tally.Count(primitive, false);
                // A refusal names the step, says why and what would be legal, and shows the nest.
                if (
                    !e.Message.StartsWith($"{step}: ", StringComparison.Ordinal)
                    || string.IsNullOrWhiteSpace(e.Reason)
                    || !e.Message.Contains("legal: ", StringComparison.Ordinal)
                    || !e.Message.Contains("block ", StringComparison.Ordinal)
                    || (e.At is not null && !e.Message.Contains("<-- here", StringComparison.Ordinal))
                )
                    Assert.Fail(
                        $"refused without a reason, an alternative or the nest (seed {seed}): {step}\n{e.Message}"
                    );
                return false;
            }
            catch (Exception e)
            {
                error = $"{step}: {e}";
                refusedOrBroken.Add(step);
                return false;
            }
        }

        foreach (string before in Situation.Before(focus))
        {
            for (int i = 0; i < 6 && error is null && !Attempt(before); i++) { }
        }
        for (int i = 0; i < 12 && error is null && !Attempt(focus); i++) { }
        int more = random.Next(7);
        for (int i = 0; i < more && error is null; i++)
            Attempt(random.Next(5) == 0 ? focus : Primitives[random.Next(Primitives.Length)]);
        return (new PropertyCase(subject.Recipe, [.. nest.Trace, .. refusedOrBroken], seed), nest, error);
    }
}
