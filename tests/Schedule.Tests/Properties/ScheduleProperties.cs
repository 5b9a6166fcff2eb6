using System.Diagnostics;
using System.Globalization;
using System.Text;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Properties;

/// <summary>
/// Random algorithms under random schedules compute what the evaluator says, with all sanitizers watching. The number
/// of cases and the seed come from PICOGRAD_PROPERTY_CASES and PICOGRAD_PROPERTY_SEED.
/// </summary>
public class ScheduleProperties(ITestOutputHelper output)
{
    private const int DefaultCases = 3000;
    private const int DefaultSeed = 20260726;
    private const int SchedulesAnAlgorithm = 4;
    private static readonly string[] Primitives = RandomSchedule.Primitives;

    [Fact]
    public void Every_primitive_has_a_generator()
    {
        Assert.Empty(Primitives.Except(StepGenerator.All.Keys));
        Assert.Empty(Situation.All.Keys.Except(StepGenerator.All.Keys));
    }

    [Fact]
    public void Random_schedules_compute_what_the_algorithm_says()
    {
        int cases = FromEnvironment("PICOGRAD_PROPERTY_CASES", DefaultCases);
        int seed = FromEnvironment("PICOGRAD_PROPERTY_SEED", DefaultSeed);
        var tally = new Tally();
        var failures = new List<PropertyCase>();
        var clock = Stopwatch.StartNew();
        int steps = 0;
        Subject? subject = null;
        for (int i = 0; i < cases && failures.Count < 3; i++)
        {
            // Each primitive has its turn to be what the case is about.
            string focus = Primitives[i / SchedulesAnAlgorithm % Primitives.Length];
            if (i % SchedulesAnAlgorithm == 0)
                subject = new Subject(Situation.Draw(focus, seed + i));
            var made = RandomSchedule.Draw(subject!, focus, seed + i, tally);
            steps += made.Nest?.Trace.Length ?? 0;
            if (made.Error is not null || PropertyCase.Check(subject!, made.Nest!, seed + i) is not null)
                failures.Add(made.Case);
        }
        output.WriteLine($"{cases} cases from seed {seed}, {steps} steps, in {clock.Elapsed.TotalSeconds:0.0} s");
        output.WriteLine(tally.ToString());
        Assert.True(failures.Count == 0, Report(failures, seed));
        var never = Primitives.Where(p => tally.Accepted(p) == 0).ToList();
        Assert.True(
            never.Count == 0 || cases < DefaultCases,
            $"never applied: {string.Join(", ", never)} (seed {seed})\n{tally}"
        );
    }

    private static string Report(List<PropertyCase> failures, int seed)
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{failures.Count} failures, run seed {seed}");
        foreach (var failure in failures)
        {
            var small = failure.Shrink();
            text.AppendLine(small.Describe());
            text.AppendLine(small.Failure() ?? "no longer fails after shrinking: " + failure.Describe());
            text.AppendLine("----");
        }
        return text.ToString();
    }

    private static int FromEnvironment(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text
            ? int.Parse(text, CultureInfo.InvariantCulture)
            : otherwise;
}
