using System.Diagnostics;

namespace Picograd.Tune;

/// <summary>
/// Holds work to a share of one core, on average: whoever works asks before each piece, and waits until what was spent so far is
/// within the share. What is not spent is not saved up, but for a moment.
/// </summary>
/// <param name="share">Of one core; above 0.</param>
/// <param name="spent">Processor time spent so far.</param>
/// <param name="cancel">Ends the waiting.</param>
/// <param name="clock">For tests.</param>
internal sealed class CpuShare(double share, Func<TimeSpan> spent, CancellationToken cancel, TimeProvider? clock = null)
{
    /// <summary>Seconds of processor time that may be spent at once.</summary>
    private const double MostCredit = 0.1;

    private readonly TimeProvider _clock = clock ?? TimeProvider.System;
    private double _credit = MostCredit;
    private long? _when;
    private double _spent;

    /// <summary>Seconds of processor time that are paid for; below 0 what is owed.</summary>
    public double Credit
    {
        get
        {
            long now = _clock.GetTimestamp();
            double used = spent().TotalSeconds;
            double passed = _when is { } before ? _clock.GetElapsedTime(before, now).TotalSeconds : 0;
            // What a process took before it ended may not be known.
            _credit = Math.Min(MostCredit, _credit + share * passed - Math.Max(0, used - _spent));
            (_when, _spent) = (now, used);
            return _credit;
        }
    }

    /// <summary>Waits until nothing is owed.</summary>
    public void Wait()
    {
        while (!cancel.IsCancellationRequested && Credit is < 0 and var owed)
            cancel.WaitHandle.WaitOne(TimeSpan.FromSeconds(Math.Clamp(-owed / share, 0.001, 60)));
    }

    /// <summary>Processor time of this process.</summary>
    public static TimeSpan OfThisProcess()
    {
        using var self = Process.GetCurrentProcess();
        return self.TotalProcessorTime;
    }
}
