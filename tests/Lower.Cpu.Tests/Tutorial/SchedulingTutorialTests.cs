using System.Globalization;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Lower.Cpu.Warnings;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.Tests.Codegen;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Tutorial;

/// <summary>
/// docs/scheduling.md: its code compiles, gives the traces, nests and warnings that it shows, and computes what the evaluator does.
/// With PICOGRAD_UPDATE=1 the page's blocks are written again, with PICOGRAD_UPDATE=times its times as well.
/// </summary>
public sealed class SchedulingTutorialTests(ITestOutputHelper output)
{
    private const string Update = "PICOGRAD_UPDATE";
    private const double Points = 2e6;

    // What the page's text says: the tiles are made for vectors of 512 bits.
    private const int PageBits = 512;

    private static TutorialPage Page => TutorialPage.Instance.Value;

    public static TheoryData<string> Titles() => [.. Page.Steps.Select(s => s.Title)];

    private static TutorialStep Named(string title) => Page.Steps.First(s => s.Title == title);

    [Theory]
    [MemberData(nameof(Titles))]
    public void The_code_gives_the_trace_and_the_nest_that_the_page_shows(string title)
    {
        var step = Named(title);
        var nest = Page.Nest(step);
        if (Environment.GetEnvironmentVariable(Update) is null)
        {
            Assert.Equal(step.Trace, Trace.Of(nest).ToString());
            Assert.Equal(step.Nest, Text(nest));
        }
        var again = Trace.Parse(Trace.Of(nest).ToString()).Replay(OperatorSpec.Parse(step.Operator).Build());
        Assert.Equal(nest.ToString(), again.ToString());
    }

    [Theory]
    [MemberData(nameof(Titles))]
    public void The_result_is_the_evaluators_at_every_width(string title)
    {
        var step = Named(title);
        var nest = Page.Nest(step);
        var spec = OperatorSpec.Parse(step.Operator);
        var algorithm = spec.Build();
        var inputs = spec.MakeInputs(7);
        var samples = SampledEvaluator.Run(algorithm, inputs, Points, 7);
        Assert.NotEmpty(samples);
        foreach (int bits in Widths.All.Where(b => b <= CpuTarget.NativeVectorBits))
        {
            using var kernel = Widths.Backend(bits).Compile(nest);
            var actual = Execution.RunPooled(kernel, algorithm, inputs);
            foreach (var sample in samples)
            {
                for (int i = 0; i < sample.Positions.Length; i++)
                {
                    double error = sample.Expected.ErrorInBounds(i, actual[sample.Output].At(sample.Positions[i]));
                    Assert.True(error <= 1, $"{bits} bits, element {sample.Positions[i]}: {error} of its bound");
                }
            }
        }
    }

    /// <summary>Warnings depend on the width only where a tile is as large as the registers.</summary>
    [SkippableTheory]
    [MemberData(nameof(Titles))]
    public void The_warnings_are_those_that_the_page_shows(string title)
    {
        Skip.If(CpuTarget.NativeVectorBits < PageBits, "the page's tiles are made for 512-bit vectors");
        var step = Named(title);
        if (Environment.GetEnvironmentVariable(Update) is null)
            Assert.Equal(step.Warnings, string.Join('\n', Warnings(step, Page.Nest(step))));
    }

    [Fact]
    public void The_table_of_times_has_every_step()
    {
        string table = Page.Text[Page.Text.IndexOf("<!-- times -->", StringComparison.Ordinal)..];
        foreach (var step in Page.Steps)
            Assert.Contains($"| {step.Title} |", table);
    }

    /// <summary>Printed with the page's own stopwatch; only what no load of the machine can turn around is checked.</summary>
    [Fact]
    public void The_last_step_is_many_times_as_fast_as_the_first()
    {
        double first = Page.Milliseconds(Page.Nest(Page.Steps[0]), 1);
        double last = Page.Milliseconds(Page.Nest(Named("7. B in the order in which it is read")), 5);
        output.WriteLine($"{first} ms, then {last} ms");
        Assert.True(last < first / 5, $"{first} ms, then {last} ms");
    }

    [Fact]
    public void The_page_is_up_to_date()
    {
        string? update = Environment.GetEnvironmentVariable(Update);
        int begin = Page.Text.IndexOf("<!-- times -->", StringComparison.Ordinal) + "<!-- times -->".Length;
        string times =
            update == "times" ? Times() : Page.Text[begin..Page.Text.IndexOf("\n## ", begin, StringComparison.Ordinal)];
        string text = Page.With(Shown, times, WarningTable());
        if (update is not null)
            File.WriteAllText(TutorialPage.Path, text);
        else
            Assert.Equal(text, Page.Text);
    }

    private static string Text(LoopNest nest) => NestPrinter.Print(nest).ReplaceLineEndings("\n").TrimEnd() + "\n";

    private static IEnumerable<string> Warnings(TutorialStep step, LoopNest nest) =>
        CpuTarget.NativeVectorBits < PageBits
            ? step.Warnings.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            : ScheduleWarnings.Of(nest, Widths.Backend(PageBits)).Select(w => w.ToString());

    private static string Shown(TutorialStep step)
    {
        var nest = Page.Nest(step);
        string warnings = string.Concat(Warnings(step, nest).Select(w => $"\n> {w}\n"));
        return $"""
            <table>
            <tr><th>C#</th><th>trace</th></tr>
            <tr><td>

            ```csharp
            {step.Code.TrimEnd()}
            ```

            </td><td>

            ```trace
            {Trace.Of(nest).ToString().TrimEnd()}
            ```

            </td></tr>
            </table>

            ```nest
            {Text(nest).TrimEnd()}
            ```
            {warnings}
            """;
    }

    private static string WarningTable() =>
        "| warning | meaning | what mends it |\n|---|---|---|\n"
        + string.Concat(ScheduleWarning.Kinds.Select(k => $"| `{k.Name}` | {k.Meaning} | {k.Mends} |\n"));

    private static string Times()
    {
        double ceiling = MachineProbe.Measure(CpuTarget.Detect(), 1).FmaGflops;
        var target = new CpuBackend(CpuTarget.Detect(), 1).Target;
        var defaults = Page.Steps.Select(s => s.Operator).Distinct();
        var nests = Page
            .Steps.Select(s => (s.Title, s.Operator, Nest: Page.Nest(s)))
            .Concat(
                defaults.Select(d =>
                    (
                        Title: $"the default of `{d}`",
                        Operator: d,
                        Nest: DefaultSchedule.For(OperatorSpec.Parse(d).Build(), target)
                    )
                )
            )
            .ToList();
        // In turns, so that a busy moment of the machine meets all of them.
        double[] best = [.. nests.Select(_ => double.MaxValue)];
        for (int round = 0; round < 8; round++)
        {
            for (int i = 0; i < best.Length; i++)
                best[i] = Math.Min(best[i], Page.Milliseconds(nests[i].Nest, best[i] > 20 ? 2 : 60));
        }
        var rows = nests.Select(
            (nest, i) =>
            {
                var spec = OperatorSpec.Parse(nest.Operator);
                double gflops = spec.Flops / best[i] / 1e6;
                string speed =
                    spec.Name == "matmul"
                        ? $"{Number(gflops)} GFLOP/s | {(gflops < ceiling / 100 ? Number(100 * gflops / ceiling) : $"{100 * gflops / ceiling:0}")} %"
                        : $"{Number(spec.MinBytes / best[i] / 1e6)} GB/s | ";
                return $"| {nest.Title} | {Number(best[i])} ms | {speed} |\n";
            }
        );
        return $"| step | time | speed | of {Number(ceiling)} GFLOP/s |\n|---|---|---|---|\n{string.Concat(rows)}";
    }

    private static string Number(double value) =>
        value.ToString(
            value >= 100 ? "0"
                : value >= 10 ? "0.0"
                : "0.00",
            CultureInfo.InvariantCulture
        );
}
