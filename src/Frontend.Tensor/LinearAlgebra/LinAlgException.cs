namespace Picograd;

/// <summary>A matrix of which there is no inverse or factor, or a series of steps that does not end; PyTorch's LinAlgError.</summary>
public sealed class LinAlgException : InvalidOperationException
{
    /// <summary>Says what failed of which matrix of a batch.</summary>
    /// <param name="message">What and why.</param>
    /// <param name="matrix">The matrix's number in its batch, from 0.</param>
    public LinAlgException(string message, long matrix = 0)
        : base(message) => Matrix = matrix;

    /// <summary>The number of the matrix in its batch, from 0.</summary>
    public long Matrix { get; }
}
