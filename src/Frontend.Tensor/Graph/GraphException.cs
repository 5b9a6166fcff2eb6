namespace Picograd;

/// <summary>A function that cannot be compiled; says which line of it, and what to do instead.</summary>
public sealed class GraphException : InvalidOperationException
{
    public GraphException() { }

    public GraphException(string message)
        : base(message) { }

    public GraphException(string message, Exception innerException)
        : base(message, innerException) { }
}
