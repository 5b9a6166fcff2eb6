namespace Picograd.Search;

/// <summary>Names of what tuning spends time on, in order.</summary>
public static class Phases
{
    /// <summary>Measuring the machine's ceilings (once a process), starting the worker, making inputs and right answers.</summary>
    public const string Start = "start";

    /// <summary>Timing the default schedule.</summary>
    public const string Default = "default";

    /// <summary>Making and timing candidates.</summary>
    public const string Search = "search";

    /// <summary>Timing the best against one another and the default.</summary>
    public const string Race = "race";

    /// <summary>Checking the winner against the evaluator.</summary>
    public const string Certify = "certify";

    /// <summary>Writing to the store.</summary>
    public const string Store = "store";

    /// <summary>Nothing is left to do.</summary>
    public const string Done = "done";

    public static IReadOnlyList<string> All { get; } = [Start, Default, Search, Race, Certify, Store];
}

/// <summary>How long each phase took, over all its visits.</summary>
/// <param name="clock">Tells the time.</param>
/// <param name="entered">Told the name of a phase when it begins.</param>
internal sealed class PhaseClock(TimeProvider clock, Action<string> entered)
{
    private readonly Dictionary<string, double> _seconds = [];

    /// <summary>Seconds by phase, in the order of <see cref="Phases.All"/>; phases that never began are left out.</summary>
    public IReadOnlyList<(string Phase, double Seconds)> Seconds =>
        [.. Phases.All.Where(_seconds.ContainsKey).Select(p => (p, _seconds[p]))];

    /// <summary>start 0.31 s, default 0.02 s, …</summary>
    public override string ToString() =>
        string.Join(", ", Seconds.Select(p => FormattableString.Invariant($"{p.Phase} {p.Seconds:0.00} s")));

    public double Of(string phase) => _seconds.GetValueOrDefault(phase);

    public T Time<T>(string phase, Func<T> work)
    {
        entered(phase);
        long start = clock.GetTimestamp();
        try
        {
            return work();
        }
        finally
        {
            _seconds[phase] = Of(phase) + clock.GetElapsedTime(start).TotalSeconds;
        }
    }
}
