namespace Picograd.Algorithms.Adjoints;

/// <summary>An algorithm has no derivative, or none that is known: says which part of it and why.</summary>
public class AdjointException : ArgumentException
{
    public AdjointException() { }

    public AdjointException(string message)
        : base(message) { }

    public AdjointException(string message, Exception innerException)
        : base(message, innerException) { }
}

/// <summary>There is no gradient because the outputs do not depend on the inputs: it is 0.</summary>
public sealed class IndependentException : AdjointException
{
    /// <summary>What its message ends with, wherever it is passed on.</summary>
    public const string Reason = "do not depend on them by float arithmetic";

    public IndependentException() { }

    public IndependentException(string message)
        : base(message) { }

    public IndependentException(string message, Exception innerException)
        : base(message, innerException) { }
}
