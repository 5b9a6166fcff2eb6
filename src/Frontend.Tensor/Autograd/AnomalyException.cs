namespace Picograd;

/// <summary>
/// A derivative failed or gave NaN within <see cref="Autograd.DetectAnomaly"/>; the message names the operator and where it was
/// called.
/// </summary>
public sealed class AnomalyException : InvalidOperationException
{
    internal AnomalyException(string message, Exception? inner = null)
        : base(message, inner) { }
}
