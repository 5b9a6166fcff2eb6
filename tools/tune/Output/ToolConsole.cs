namespace Picograd.Tune;

/// <summary>Where a command writes, and how it is told to stop.</summary>
/// <param name="Out">Results.</param>
/// <param name="Error">Progress, warnings and what is wrong.</param>
/// <param name="IsTerminal">Whether <paramref name="Error"/> is a terminal, where progress may move.</param>
/// <param name="Cancel">Set by Ctrl-C: searches stop and keep what they found.</param>
public sealed record ToolConsole(TextWriter Out, TextWriter Error, bool IsTerminal, CancellationToken Cancel);
