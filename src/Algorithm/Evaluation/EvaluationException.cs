namespace Picograd.Algorithms.Evaluation;

/// <summary>An algorithm did at run time what it must not: read or wrote outside a buffer, divided by zero.</summary>
public sealed class EvaluationException : Exception
{
    public EvaluationException() { }

    public EvaluationException(string message)
        : base(message) { }

    public EvaluationException(string message, Exception innerException)
        : base(message, innerException) { }

    internal static long OutOfRange(string stage, string buffer, int dimension, long index, long extent) =>
        throw new EvaluationException(
            $"stage {stage}: index {index} of {buffer} is outside [0, {extent}) in dimension {dimension}"
        );
}
