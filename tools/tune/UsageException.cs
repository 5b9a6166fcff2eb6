namespace Picograd.Tune;

/// <summary>Bad usage or bad input: one sentence that names the argument, what was given and what is allowed.</summary>
internal sealed class UsageException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The command was understood and could not do its work; one sentence.</summary>
internal sealed class FailureException(string message) : Exception(message);
