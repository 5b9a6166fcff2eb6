using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Traces;

/// <summary>
/// What a trace may cost. Traces come from files, so replaying one must end within milliseconds and give a program that
/// runs in a time and a memory that fit the operator, whatever the text says. The figures are far above what any rule makes
/// (of 1,867 schedules of 31 operators: at most 167 steps, 6,000 characters, 104 statements 10 loops deep, 1,400
/// expressions; workspaces above 8 times the operands only below 70 MB) and far below what hurts.
/// </summary>
public sealed record ReplayLimits
{
    /// <summary>For everything that is stored, served, imported or given as a text.</summary>
    public static ReplayLimits Standard { get; } = new();

    /// <summary>
    /// As <see cref="Standard"/>, but for the time: for schedules that a search makes and checks, whose time is limited as a whole.
    /// On a busy machine the first replay of a process may take seconds.
    /// </summary>
    public static ReplayLimits OfSearch { get; } = new() { Time = TimeSpan.FromMinutes(1) };

    /// <summary>Characters of the text.</summary>
    public int Characters { get; init; } = 64 << 10;

    /// <summary>Steps of the trace.</summary>
    public int Steps { get; init; } = 256;

    /// <summary>Loops, blocks and other statements of the nest after any step, beside 4 for each of the initial nest.</summary>
    public int Statements { get; init; } = 256;

    /// <summary>Statements inside one another.</summary>
    public int Depth { get; init; } = 40;

    /// <summary>Nodes of all expressions of the nest, beside 4 for each of the initial nest.</summary>
    public int Expressions { get; init; } = 4_096;

    /// <summary>Executions of statements in a run, in those of the initial nest …</summary>
    public double WorkRatio { get; init; } = 64;

    /// <summary>… and what is allowed in any case: about a tenth of a second.</summary>
    public double LeastWork { get; init; } = 1 << 26;

    /// <summary>
    /// Bytes of all intermediates at their full shapes, in those of arguments and intermediates of the initial nest; a number for
    /// each execution of the initial nest's statements, as splitting a reduction makes, is allowed in any case (a product of 8192³ in
    /// steps of 2: 1.1 TB). Placement cuts them down later, often to a few registers.
    /// </summary>
    public double ShapeRatio { get; init; } = 1_024;

    /// <summary>Bytes of workspace that a kernel holds while it runs, in the same measure …</summary>
    public double WorkspaceRatio { get; init; } = 8;

    /// <summary>… and what is allowed in any case, workspace and full shapes alike.</summary>
    public double LeastBytes { get; init; } = 256 << 20;

    /// <summary>
    /// Time after which no further step begins: a net below the other limits, which keep replays some hundred times
    /// shorter.
    /// </summary>
    public TimeSpan Time { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Refuses a kernel whose workspace is out of proportion to its operator.</summary>
    /// <exception cref="ReplayLimitException">Says how much it is and what the limit is.</exception>
    public void CheckWorkspace(Algorithm algorithm, long bytes)
    {
        double limit = Math.Max(LeastBytes, WorkspaceRatio * NestSize.DataBytes(InitialNest.Of(algorithm)));
        if (bytes > limit)
            throw new ReplayLimitException(
                $"the schedule needs a workspace of {Text(bytes)} bytes, and the limit for {algorithm.Name} is {Text(limit)}"
            );
    }

    internal static string Text(double value) =>
        value.ToString(value < 1e15 ? "#,0" : "0.#e0", System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>A trace that costs more than <see cref="ReplayLimits"/> allow: says what it would cost and the limit.</summary>
public sealed class ReplayLimitException(string message) : TraceException(message);
