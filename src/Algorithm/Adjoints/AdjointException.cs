namespace Picograd.Algorithms.Adjoints;

/// <summary>An algorithm has no derivative, or none that is known: says which part of it and why.</summary>
public sealed class AdjointException : ArgumentException
{
    public AdjointException() { }

    public AdjointException(string message)
        : base(message) { }

    public AdjointException(string message, Exception innerException)
        : base(message, innerException) { }
}
