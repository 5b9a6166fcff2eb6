namespace Picograd.Algorithms.Text;

/// <summary>A text is no algorithm: where, what stands there and what would be right.</summary>
public sealed class AlgorithmTextException(string problem, int line, int column)
    : Exception(FormattableString.Invariant($"line {line}, column {column}: {problem}"))
{
    /// <summary>Counted from 1.</summary>
    public int Line { get; } = line;

    /// <summary>Counted from 1, in UTF-16 units.</summary>
    public int Column { get; } = column;

    /// <summary>The message without its place.</summary>
    public string Problem { get; } = problem;
}
