namespace Picograd.Schedules.Traces;

/// <summary>A text that is no trace, a trace of a newer version, or one that does not fit an algorithm.</summary>
public class TraceException(string message, Exception? inner = null) : Exception(message, inner);
