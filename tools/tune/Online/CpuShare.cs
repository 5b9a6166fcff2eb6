namespace Picograd.Tune;

/// <summary>
/// Decides when work may run that is to slow another program by no more than a share, whatever it takes from it: of each second it
/// may have share / (1 + share), so that a program all of whose time it takes away needs 1 + share times as long. What is
/// not spent is not saved up, but for one burst.
/// </summary>
/// <param name="share">Of one core; above 0.</param>
/// <param name="clock">For tests.</param>
internal sealed class CpuShare(double share, TimeProvider? clock = null)
{
    /// <summary>
    /// Seconds of processor time that may be spent at once. Shorter bursts cost more (each finds the caches as the program left
    /// them), longer ones are felt.
    /// </summary>
    public const double Burst = 0.006;

    private readonly TimeProvider _clock = clock ?? TimeProvider.System;
    private readonly double _rate = share / (1 + share);
    private double _credit = Burst;
    private long? _when;
    private double _spent;
    private bool _runs = true;

    /// <summary>Whether the work may go on, and for how long that holds.</summary>
    /// <param name="spent">All processor time so far.</param>
    public (bool Runs, TimeSpan For) Next(TimeSpan spent)
    {
        long now = _clock.GetTimestamp();
        double passed = _when is { } before ? _clock.GetElapsedTime(before, now).TotalSeconds : 0;
        // What a process took before it ended may not be known.
        _credit = Math.Min(Burst, _credit + _rate * passed - Math.Max(0, spent.TotalSeconds - _spent));
        (_when, _spent) = (now, spent.TotalSeconds);
        // Once stopped it waits for a whole burst.
        bool ran = _runs;
        _runs = _credit >= (ran ? 0 : Burst);
        if (!_runs)
            return (false, TimeSpan.FromSeconds((Burst - _credit) / _rate));
        // Where nothing is done there is not much to watch.
        bool idles = ran && _credit >= Burst;
        return (true, TimeSpan.FromSeconds(idles ? 4 * Burst : Math.Max(_credit, Burst / 4)));
    }
}
