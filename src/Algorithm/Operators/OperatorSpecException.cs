namespace Picograd.Algorithms.Operators;

/// <summary>The text form of an operator is wrong; the message says which part, and what is allowed.</summary>
public sealed class OperatorSpecException : FormatException
{
    public OperatorSpecException() { }

    public OperatorSpecException(string message)
        : base(message) { }

    public OperatorSpecException(string message, Exception innerException)
        : base(message, innerException) { }
}
