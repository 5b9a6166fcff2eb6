using System.Globalization;
using System.Text;

namespace Picograd.Graphs;

/// <summary>What compiled programs consist of, as text.</summary>
internal static class Explanation
{
    private const int Widest = 96;

    public static string Of(
        IEnumerable<CompiledProgram> programs,
        IReadOnlyList<string> messages,
        int recordings,
        long replays
    )
    {
        var text = new StringBuilder();
        Line(text, $"{recordings} calls recorded, {replays} run as programs");
        foreach (string message in messages)
            Line(text, $"  {message}");
        foreach (var program in programs)
            Append(text, program);
        return text.ToString().TrimEnd();
    }

    private static void Append(StringBuilder text, CompiledProgram program)
    {
        var plan = program.Plan;
        int calls = program.Recorded.Calls.Count();
        int kernels = program.Nodes.Count(n => n.Kernel is not null);
        Line(text, $"program: {calls} calls recorded, {kernels} kernels");
        Line(
            text,
            $"memory: an arena of {Bytes(plan.Bytes)} for {plan.Count} values, {Bytes(plan.WithoutReuse)} without reuse, at least "
                + $"{Bytes(plan.LeastPossible)} at once; {Bytes(program.BytesHeld)} held with constants and spare memory"
        );
        Line(text, $"  over time: {Timeline(program)}");
        double whole = program.Nodes.Sum(n => n.Time);
        foreach (var node in program.Nodes)
            Line(text, Row(program, node, whole));
        if (program.TimedRuns > 0)
            Line(
                text,
                $"kernels together {Number(whole / program.TimedRuns * 1000)} us a run ({program.TimedRuns} timed)"
            );
    }

    private static string Row(CompiledProgram program, CompiledProgram.Node node, double whole)
    {
        if (node.Group is not { } group)
            return $"  host: {Describe(node.Host!)}";
        long bytes = node.Arguments.Sum(BytesOf);
        string title = string.Join(" + ", group.Calls.Select(c => c.Spec));
        if (title.Length > Widest)
            title = title[..(Widest - 1)] + "…";
        var row = new StringBuilder($"  {title.PadRight(Widest)} {Bytes(bytes), 9}");
        if (program.TimedRuns > 0)
        {
            double us = node.Time / program.TimedRuns * 1000;
            row.Append(
                CultureInfo.InvariantCulture,
                $" {Number(us), 8} us {(whole > 0 ? node.Time / whole : 0), 5:0%} {Number(bytes / Math.Max(us, 1e-3) / 1000), 6} GB/s"
            );
        }
        row.Append(' ').Append(node.Kernel!.SourceName);
        string line = group.Calls[0].Line;
        if (line.Length > 0)
            row.Append("  ").Append(line);
        return row.ToString();
    }

    private static long BytesOf(Operand operand) =>
        operand.Number?.Length ?? operand.Layout!.Once().Count * operand.Type.Size();

    // What is in use at forty moments, as bars.
    private static string Timeline(CompiledProgram program)
    {
        const string Bars = " ▁▂▃▄▅▆▇█";
        int count = program.Nodes.Count;
        if (count == 0)
            return "nothing";
        long[] use = new long[count];
        var lives = new Dictionary<Block, (int First, int Last)>();
        for (int i = 0; i < count; i++)
        {
            foreach (var operand in program.Nodes[i].Arguments)
            {
                if (operand.Block is { } block && program.Plan.Has(block))
                    lives[block] = (lives.TryGetValue(block, out var known) ? known.First : i, i);
            }
        }
        foreach (var (block, life) in lives)
        {
            for (int i = life.First; i <= life.Last; i++)
                use[i] += block.Bytes;
        }
        long most = Math.Max(1, use.Max());
        int columns = Math.Min(40, count);
        var bars = new StringBuilder();
        for (int c = 0; c < columns; c++)
        {
            long here = use.Skip(c * count / columns)
                .Take(Math.Max(1, (c + 1) * count / columns - c * count / columns))
                .Max();
            bars.Append(Bars[(int)(here * (Bars.Length - 1) / most)]);
        }
        return $"{bars} (most {Bytes(most)})";
    }

    public static string Describe(Step step) =>
        step switch
        {
            NumbersStep n => $"numbers of {n.Numbers.Title}",
            ScanStep s => $"indices of {s.Scan.What} are within {s.Scan.Limit} {s.Line}".TrimEnd(),
            ValueStep v => $"a bool is {v.Value != 0} {v.Line}".TrimEnd(),
            _ => step.ToString(),
        };

    public static string Bytes(long bytes) =>
        bytes < 10_000 ? $"{bytes} B"
        : bytes < 10_000_000 ? $"{Number(bytes / 1e3)} kB"
        : $"{Number(bytes / 1e6)} MB";

    private static string Number(double value) =>
        value.ToString(
            value < 10 ? "0.00"
                : value < 100 ? "0.0"
                : "0",
            CultureInfo.InvariantCulture
        );

    private static void Line(StringBuilder text, string line) => text.Append(line).Append('\n');
}
