using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Traces;

/// <summary>Names of a stage and of its axes in a trace's header.</summary>
public sealed record TraceStage(string Name, ImmutableArray<string> Axes)
{
    public override string ToString() => $"{Name}({string.Join(", ", Axes)})";
}

/// <summary>
/// A schedule as text: the names that its steps use for parameters, inputs, stages and axes, then one step a line.
/// <code>
/// picograd-trace 1
/// inputs A, B
/// stage C(m, n, k)
/// C.m.o, C.m.i = split C.m 14 tail=peel
/// </code>
/// Names are matched by position, so it replays on any algorithm of the same structure whatever that calls its parts. A
/// line "parameters N, M" follows the first where there are symbolic extents. Empty lines and lines that start with '#'
/// are skipped.
/// </summary>
public sealed class Trace : IEquatable<Trace>
{
    /// <summary>Version of the text form written; older ones are read too.</summary>
    public const int Version = 1;

    private const string Magic = "picograd-trace";

    public Trace(
        ImmutableArray<string> parameters,
        ImmutableArray<string> inputs,
        ImmutableArray<TraceStage> stages,
        ImmutableArray<Step> steps
    )
    {
        Parameters = parameters;
        Inputs = inputs;
        Stages = stages;
        Steps = steps;
    }

    public ImmutableArray<string> Parameters { get; }

    public ImmutableArray<string> Inputs { get; }

    public ImmutableArray<TraceStage> Stages { get; }

    public ImmutableArray<Step> Steps { get; }

    /// <summary>The trace of a nest, in the names of its algorithm.</summary>
    public static Trace Of(LoopNest nest) =>
        new(
            [.. nest.Algorithm.Parameters.Select(p => p.Name)],
            [.. nest.Algorithm.Inputs.Select(b => b.Name)],
            [.. nest.Algorithm.Stages.Select(s => new TraceStage(s.Name, [.. s.Axes.Select(a => a.Name)]))],
            nest.Trace
        );

    /// <summary>Reads the text form. Primitives must be known; whether steps apply is only seen on an algorithm.</summary>
    /// <param name="text">A header and steps.</param>
    /// <param name="limits">How long it may be; null: <see cref="ReplayLimits.Standard"/>.</param>
    /// <exception cref="TraceException">Says what is wrong and in which line.</exception>
    public static Trace Parse(string text, ReplayLimits? limits = null)
    {
        limits ??= ReplayLimits.Standard;
        if (text.Length > limits.Characters)
            throw new ReplayLimitException(
                $"the trace has {text.Length} characters, and the limit is {limits.Characters}"
            );
        string[] lines = text.ReplaceLineEndings("\n").Split('\n');
        CheckVersion(lines[0].Trim());
        ImmutableArray<string> parameters = [];
        ImmutableArray<string>? inputs = null;
        var stages = ImmutableArray.CreateBuilder<TraceStage>();
        var steps = ImmutableArray.CreateBuilder<Step>();
        for (int i = 1; i < lines.Length; i++)
        {
            string line = lines[i].Trim();
            if (line.Length == 0 || line[0] == '#')
                continue;
            var (word, rest) = line.IndexOf(' ') is var space and >= 0
                ? (line[..space], line[(space + 1)..].Trim())
                : (line, "");
            bool header = steps.Count == 0;
            switch (word)
            {
                case "parameters" when header:
                    parameters = Names(rest, i, line);
                    break;
                case "inputs" when header:
                    inputs = Names(rest, i, line);
                    break;
                case "stage" when header:
                    stages.Add(Stage(rest, i, line));
                    break;
                default:
                    steps.Add(ParseStep(line, i));
                    if (steps.Count > limits.Steps)
                        throw new ReplayLimitException($"the trace has more than {limits.Steps} steps");
                    break;
            }
        }
        if (inputs is null || stages.Count == 0)
            throw new TraceException($"the trace has no '{(inputs is null ? "inputs" : "stage")}' line in its header");
        var names = stages.Select(s => s.Name).Concat(inputs.Value).Concat(parameters);
        if (names.GroupBy(n => n).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new TraceException($"the trace's header gives the name {twice.Key} twice");
        return new Trace(parameters, inputs.Value, stages.ToImmutable(), steps.ToImmutable());
    }

    /// <summary>
    /// Applies the steps as they are. The algorithm is first renamed to the trace's names where it has others; the
    /// nest's algorithm is then that copy, with arguments in the same order.
    /// </summary>
    /// <param name="algorithm">What the schedule is for.</param>
    /// <param name="limits">What it may cost; null: <see cref="ReplayLimits.Standard"/>.</param>
    /// <exception cref="TraceException">It does not fit the algorithm: says which step and why.</exception>
    /// <exception cref="ReplayLimitException">It costs too much: says what, after which step.</exception>
    public LoopNest Replay(Algorithm algorithm, ReplayLimits? limits = null)
    {
        var nest = InitialNest.Of(Adopt(algorithm));
        var meter = new ReplayMeter(limits ?? ReplayLimits.Standard, nest);
        for (int i = 0; i < Steps.Length; i++)
        {
            try
            {
                nest = PrimitiveRegistry.Get(Steps[i].Primitive).Apply(nest, Steps[i]);
            }
            catch (ScheduleException e)
            {
                throw new TraceException(
                    $"the trace does not fit the algorithm {algorithm.Name}: step {i + 1} '{Steps[i]}' is refused: {e.Message}",
                    e
                );
            }
            meter.Check(nest, i, Steps[i]);
        }
        return nest;
    }

    /// <summary>
    /// Applies the steps to an algorithm of the same structure with other extents: where one is refused, factors are
    /// inferred again, and hints that have lost their loop are left out. Never throws for want of a fit: see
    /// <see cref="NearReplay.Failure"/>.
    /// </summary>
    /// <exception cref="ReplayLimitException">It costs too much: says what, after which step.</exception>
    public NearReplay ReplayNear(Algorithm algorithm, ReplayLimits? limits = null) =>
        NearReplayer.Run(this, algorithm, limits ?? ReplayLimits.Standard);

    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Magic} {Version}\n");
        if (!Parameters.IsEmpty)
            text.Append("parameters ").AppendJoin(", ", Parameters).Append('\n');
        text.Append(Inputs.IsEmpty ? "inputs" : "inputs ").AppendJoin(", ", Inputs).Append('\n');
        foreach (var stage in Stages)
            text.Append("stage ").Append(stage).Append('\n');
        foreach (var step in Steps)
            text.Append(step).Append('\n');
        return text.ToString();
    }

    public bool Equals(Trace? other) => other is not null && ToString() == other.ToString();

    public override bool Equals(object? obj) => Equals(obj as Trace);

    public override int GetHashCode() => ToString().GetHashCode(StringComparison.Ordinal);

    /// <summary>The algorithm under the trace's names; itself where it has them already.</summary>
    /// <exception cref="TraceException">The numbers of parameters, inputs, stages or axes differ.</exception>
    public Algorithm Adopt(Algorithm algorithm)
    {
        Same("parameters", Parameters.Length, Parameters, algorithm.Parameters.Select(p => p.Name).ToList());
        Same("inputs", Inputs.Length, Inputs, algorithm.Inputs.Select(b => b.Name).ToList());
        Same("stages", Stages.Length, Stages.Select(s => s.Name), algorithm.Stages.Select(s => s.Name).ToList());
        for (int i = 0; i < Stages.Length; i++)
        {
            var axes = algorithm.Stages[i].Axes.Select(a => a.Name).ToList();
            Same($"axes in stage {i + 1}", Stages[i].Axes.Length, Stages[i].Axes, axes);
        }
        var own = new Trace(
            [.. algorithm.Parameters.Select(p => p.Name)],
            [.. algorithm.Inputs.Select(b => b.Name)],
            [.. algorithm.Stages.Select(s => new TraceStage(s.Name, [.. s.Axes.Select(a => a.Name)]))],
            Steps
        );
        return own.Equals(this)
            ? algorithm
            : AlgorithmRenamer.Rename(algorithm, Parameters, Inputs, [.. Stages.Select(s => (s.Name, s.Axes))]);

        void Same(string what, int count, IEnumerable<string> names, List<string> have)
        {
            if (count != have.Count)
                throw new TraceException(
                    $"the trace does not fit the algorithm {algorithm.Name}: the trace has {count} {what} ({string.Join(", ", names)}), the algorithm {have.Count} ({string.Join(", ", have)})"
                );
        }
    }

    private static void CheckVersion(string first)
    {
        string[] words = first.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words is not [Magic, var number] || !int.TryParse(number, CultureInfo.InvariantCulture, out int version))
            throw new TraceException(
                $"this is not a trace: the first line is '{Cut(first)}', and a trace begins with '{Magic} {Version}'"
            );
        if (version > Version)
            throw new TraceException(
                $"the trace has version {version}, newer than version {Version}, the newest that this build reads"
            );
        if (version < 1)
            throw new TraceException($"the trace has version {version}; versions begin at 1");
    }

    private static Step ParseStep(string line, int index)
    {
        Step step;
        try
        {
            step = Step.Parse(line);
        }
        catch (FormatException e)
        {
            throw new TraceException($"line {index + 1} of the trace: {e.Message}", e);
        }
        if (!PrimitiveRegistry.All.ContainsKey(step.Primitive))
        {
            string known = string.Join(", ", PrimitiveRegistry.All.Keys.Order(StringComparer.Ordinal));
            throw new TraceException(
                $"line {index + 1} of the trace, '{line}': unknown primitive '{Cut(step.Primitive)}'; known: {known}"
            );
        }
        return step;
    }

    private static TraceStage Stage(string text, int index, string line)
    {
        int open = text.IndexOf('(');
        if (open <= 0 || text[^1] != ')')
            throw new TraceException($"line {index + 1} of the trace, '{line}': expected 'stage name(axis, axis)'");
        string name = text[..open];
        if (!IsName(name))
            throw new TraceException($"line {index + 1} of the trace, '{line}': '{name}' is not a name");
        var axes = Names(text[(open + 1)..^1], index, line);
        if (axes.GroupBy(n => n).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new TraceException($"line {index + 1} of the trace, '{line}': axis {twice.Key} appears twice");
        return new TraceStage(name, axes);
    }

    private static ImmutableArray<string> Names(string text, int index, string line)
    {
        if (text.Length == 0)
            return [];
        ImmutableArray<string> names = [.. text.Split(',', StringSplitOptions.TrimEntries)];
        if (names.FirstOrDefault(n => !IsName(n)) is { } bad)
            throw new TraceException($"line {index + 1} of the trace, '{line}': '{bad}' is not a name");
        return names;
    }

    private static bool IsName(string text) =>
        text.Length > 0 && text.All(c => char.IsLetterOrDigit(c) || c is '_' or '.');

    private static string Cut(string text) => text.Length <= 60 ? text : text[..60] + "…";
}
