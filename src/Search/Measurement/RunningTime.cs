using System.Diagnostics;

namespace Picograd.Search.Measurement;

/// <summary>
/// Time that passes while this process runs: a process that is held to a share of the processor (<c>tune online</c>) is stopped in
/// between, for a tenth of a second and more, which no kernel and no time limit is to pay for. The clock of
/// <see cref="Stopwatch"/> where nothing stops it.
/// </summary>
internal static class RunningTime
{
    private static readonly PacePage? Page = PacePage.OfEnvironment();

    /// <summary>Whether something stops this process now and then.</summary>
    public static bool IsPaced => Page is not null;

    /// <summary>In units of <see cref="Stopwatch"/>.</summary>
    public static long GetTimestamp()
    {
        if (Page is not { } page)
            return Stopwatch.GetTimestamp();
        // Stopped between the two readings, it would run backwards.
        while (true)
        {
            long before = page.Stopped;
            long now = Stopwatch.GetTimestamp();
            if (page.Stopped == before)
                return now - before;
        }
    }

    /// <summary>Since a time stamp of this clock.</summary>
    public static TimeSpan Since(long timestamp) => Stopwatch.GetElapsedTime(timestamp, GetTimestamp());

    /// <summary>Tells whoever paces this process that it is a worker, and from now on what a device does for it.</summary>
    /// <param name="deviceTime">What it did so far.</param>
    public static IDisposable? Tell(Func<TimeSpan> deviceTime)
    {
        if (Page is not { } page)
            return null;
        page.Device = 0;
        page.Worker = Environment.ProcessId;
        return new Timer(_ => page.Device = deviceTime().Ticks, null, PacePage.Interval, PacePage.Interval);
    }
}
