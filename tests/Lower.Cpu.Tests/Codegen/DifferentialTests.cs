using System.Diagnostics;
using System.Globalization;
using System.Text;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Lower.Cpu;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Picograd.Tests.Properties;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Codegen;

/// <summary>
/// Random algorithms under random schedules: generated code gives the same bits as the interpreter on the nest after all
/// passes, and stays within the evaluator's bound. Number of programs and seed come from PICOGRAD_PROPERTY_CASES and
/// PICOGRAD_PROPERTY_SEED.
/// </summary>
public class DifferentialTests(ITestOutputHelper output)
{
    private const int DefaultCases = 2000;
    private const int DefaultSeed = 20260726;
    private const int SchedulesAnAlgorithm = 4;

    [SkippableTheory]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    public void Generated_code_equals_the_interpreter(int bits)
    {
        int cases = FromEnvironment("PICOGRAD_PROPERTY_CASES", DefaultCases);
        int seed = FromEnvironment("PICOGRAD_PROPERTY_SEED", DefaultSeed);
        var outcomes = new SortedDictionary<string, int>(StringComparer.Ordinal);
        var backends = new[] { Widths.Backend(bits), Widths.Backend(bits, 2) };
        var failures = new List<PropertyCase>();
        var clock = Stopwatch.StartNew();
        var tally = new Tally();
        // A processor has no threads of a GPU: few cases are about binding to them.
        string[] about = [.. RandomSchedule.Primitives.Where(p => p is not "bind")];
        Subject? subject = null;
        for (int i = 0; i < cases && failures.Count < 3; i++)
        {
            string focus = about[i / SchedulesAnAlgorithm % about.Length];
            if (i % SchedulesAnAlgorithm == 0)
                subject = new Subject(Situation.Draw(focus, seed + i));
            var made = RandomSchedule.Draw(subject!, focus, seed + i, tally);
            if (made.Nest is not null && Difference(backends, subject!, made.Nest, seed + i, Count) is not null)
                failures.Add(made.Case);
        }
        output.WriteLine($"{cases} programs from seed {seed} in {clock.Elapsed.TotalSeconds:0.0} s");
        foreach (var (outcome, count) in outcomes)
            output.WriteLine($"{outcome, -32} {count}");
        Assert.True(failures.Count == 0, Report(failures, seed, backends));
        // Most programs must get as far as running, or the test says little.
        int run = outcomes.Where(o => o.Key.StartsWith("equal", StringComparison.Ordinal)).Sum(o => o.Value);
        Assert.True(run >= cases / 2, $"only {run} of {cases} programs ran");

        void Count(string outcome) => outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
    }

    // Threads make a difference only where a loop is spread over them.
    private static string? Difference(
        CpuBackend[] backends,
        Subject subject,
        LoopNest nest,
        int seed,
        Action<string> count
    )
    {
        bool parallel = nest.Loops.Any(l => l.Kind == LoopKind.Parallel);
        foreach (var backend in parallel ? backends : backends[..1])
        {
            if (Difference(backend, subject, nest, seed, count) is { } difference)
                return $"{backend.Target.VectorBits} bits, {backend.Target.Threads} threads: {difference}";
        }
        return null;
    }

    private static string? Difference(
        CpuBackend backend,
        Subject subject,
        LoopNest nest,
        int seed,
        Action<string> count
    )
    {
        LoopNest? lowered = null;
        try
        {
            lowered = backend.Lower(nest);
            using var kernel = backend.Generate(lowered);
            var actual = Execution.Run(kernel, subject.Algorithm, subject.Data, subject.Recipe.Parameters);
            if (Execution.Wrong(subject.Algorithm, actual, subject.Expected) is { } wrong)
                return $"{wrong}\n{lowered}";
            if (OtherBits(subject, lowered, seed, actual) is { } other)
                return $"{other}\n{lowered}";
            count($"equal on {backend.Target.Threads}");
            return null;
        }
        catch (LoweringException e)
        {
            count($"refused: {e.Reason}");
            return null;
        }
        catch (ScheduleException e) when (lowered is null)
        {
            count($"refused: {e.Primitive}");
            return null;
        }
        catch (Exception e)
        {
            return $"{e}\n{lowered ?? nest}";
        }
    }

    private static string? OtherBits(Subject subject, LoopNest lowered, int seed, NDArray[] actual)
    {
        var algorithm = subject.Algorithm;
        var parameters = subject.Recipe.Parameters;
        HostArray[] arguments =
        [
            .. algorithm.Inputs.Select(b => HostArray.From(subject.Data[b], b)),
            .. algorithm.Outputs.Select(b => HostArray.For(b, parameters)),
        ];
        Interpreter.Run(lowered, arguments, parameters, new InterpreterOptions(Seed: seed));
        for (int o = 0; o < actual.Length; o++)
        {
            var expected = arguments[algorithm.Inputs.Length + o].ToNDArray();
            for (int i = 0; i < expected.Length; i++)
            {
                if (!SameBits(expected, actual[o], i))
                    return $"{algorithm.Outputs[o].Name} element {i} is {actual[o].At(i):R}, the interpreter says {expected.At(i):R}";
            }
        }
        return null;
    }

    // One NaN is as good as another.
    private static bool SameBits(NDArray expected, NDArray actual, int i)
    {
        if (!expected.Type.IsFloat())
            return expected.Longs[i] == actual.Longs[i];
        var (x, y) = (expected.Doubles[i], actual.Doubles[i]);
        return BitConverter.DoubleToInt64Bits(x) == BitConverter.DoubleToInt64Bits(y)
            || (double.IsNaN(x) && double.IsNaN(y));
    }

    private static string Report(List<PropertyCase> failures, int seed, CpuBackend[] backends)
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{failures.Count} failures, run seed {seed}");
        string? Check(Subject subject, LoopNest nest, int caseSeed) =>
            Difference(backends, subject, nest, caseSeed, _ => { });
        foreach (var failure in failures)
        {
            var small = failure.Shrink(Check);
            text.AppendLine(small.Describe());
            text.AppendLine(small.Failure(Check) ?? "no longer fails after shrinking: " + failure.Describe());
            text.AppendLine("----");
        }
        return text.ToString();
    }

    private static int FromEnvironment(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text
            ? int.Parse(text, CultureInfo.InvariantCulture)
            : otherwise;
}
