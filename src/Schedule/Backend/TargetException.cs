namespace Picograd.Schedules.Backend;

/// <summary>The run time of a target failed while something ran there: names the call and the error.</summary>
/// <param name="reason">Short stable name under which the search counts it: illegal-address, launch-failed, ….</param>
/// <param name="message">For people.</param>
/// <param name="isLost">
/// Whether the target is lost for this process: every later call fails the same way, and only a new process can go on.
/// </param>
public class TargetException(string reason, string message, bool isLost) : Exception(message)
{
    /// <summary>Short stable name under which the search counts it.</summary>
    public string Reason { get; } = reason;

    /// <summary>Whether only a new process can use the target again.</summary>
    public bool IsLost { get; } = isLost;
}
