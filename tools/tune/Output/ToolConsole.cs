using System.Diagnostics;

namespace Picograd.Tune;

/// <summary>Where a command writes, and how it is told to stop. Texts go out as <see cref="PlainTextWriter"/> shows them.</summary>
/// <param name="Out">Results.</param>
/// <param name="Error">Progress, warnings and what is wrong.</param>
/// <param name="IsTerminal">Whether <paramref name="Error"/> is a terminal, where progress may move.</param>
/// <param name="Cancel">Set by Ctrl-C: searches stop and keep what they found.</param>
public sealed record ToolConsole(TextWriter Out, TextWriter Error, bool IsTerminal, CancellationToken Cancel)
{
    /// <summary>Columns of the terminal that results go to; null where they go to a file or another program.</summary>
    public int? Width { get; init; }

    /// <summary>Whether <see cref="Error"/> is told how far a search is, besides what is wrong.</summary>
    public bool TellsProgress { get; init; } = true;

    /// <summary>When the command was given, as a timestamp: what it took to begin counts in budgets of time.</summary>
    public long Began { get; init; } = Stopwatch.GetTimestamp();

    /// <summary>Results, byte for byte: for texts that are read by programs.</summary>
    internal TextWriter Raw { get; init; } = Out;

    /// <summary>The terminal behind <see cref="Error"/>, for displays that move.</summary>
    internal TextWriter Screen { get; init; } = Error;

    /// <summary>The same console with everything shown as plain text.</summary>
    internal ToolConsole Plain() =>
        Out is PlainTextWriter
            ? this
            : this with
            {
                Out = new PlainTextWriter(Out) { Width = Width },
                Error = new PlainTextWriter(Error),
            };
}
