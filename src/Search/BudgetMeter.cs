namespace Picograd.Search;

/// <summary>How much of a budget is spent.</summary>
/// <param name="budget">What may be spent.</param>
/// <param name="clock">Tells the time; tests give one that they move.</param>
internal sealed class BudgetMeter(SearchBudget budget, TimeProvider clock)
{
    private readonly long _start = clock.GetTimestamp();
    private int _trials;

    public TimeSpan Elapsed => clock.GetElapsedTime(_start);

    public void CountTrials(int trials) => _trials += trials;

    /// <summary>0 at the start, 1 when nothing is left; more when overdrawn.</summary>
    public double Fraction => budget.Time is { } time ? Elapsed / time : (double)_trials / budget.Trials!.Value;

    public bool IsSpent => Fraction >= 1;

    /// <summary>Trials that may be made before the fraction spent passes a value; at least 0.</summary>
    public int TrialsUntil(double fraction) =>
        budget.Trials is { } trials ? Math.Max(0, (int)Math.Ceiling(fraction * trials) - _trials)
        : Fraction < fraction ? int.MaxValue
        : 0;

    /// <summary>Of a budget of time, what is left of it; at least a millisecond. Null for one of trials.</summary>
    public TimeSpan? TimeLeft =>
        budget.Time is { } time ? TimeSpan.FromMilliseconds(Math.Max(1, (time - Elapsed).TotalMilliseconds)) : null;

    /// <summary>Time until the budget is spent, by the clock or by the speed so far; null before that is known.</summary>
    public TimeSpan? Remaining
    {
        get
        {
            if (budget.Time is { } time)
                return time > Elapsed ? time - Elapsed : TimeSpan.Zero;
            return _trials == 0 ? null : Elapsed / _trials * Math.Max(0, budget.Trials!.Value - _trials);
        }
    }
}
