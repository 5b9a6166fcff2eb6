namespace Picograd.Search;

/// <summary>Tunes tasks: searches, races the best, certifies the winner and stores it.</summary>
public static class Tuner
{
    /// <summary>Of a shared budget, what is dealt out evenly before gains are compared.</summary>
    private const double EvenShare = 0.5;

    /// <summary>Of an even part, what each task gets at least.</summary>
    private const double LeastSlice = 1 / 3.0;

    /// <summary>Slices that the rest of a shared budget is cut into, for each task.</summary>
    private const double SlicesPerTask = 3;

    /// <summary>Certification may overdraw a budget of time by this share of it, or by <see cref="LeastOverdraft"/>.</summary>
    private const double Overdraft = 0.1;

    /// <summary>
    /// What certifying may take after an interrupt: whoever sends one waits some ten seconds before it ends the process for good.
    /// </summary>
    internal static readonly TimeSpan Grace = TimeSpan.FromSeconds(6);

    private static readonly TimeSpan LeastOverdraft = TimeSpan.FromSeconds(0.35);

    /// <summary>
    /// Tunes one task. A budget of time counts everything: measuring the machine, inputs, search, race, certification. An
    /// interrupt ends the search early; what was found until then is certified and stored.
    /// </summary>
    /// <exception cref="TuneException">Nothing was measured, or the worker cannot be had.</exception>
    /// <exception cref="TuneDb.TuneDbException">The store failed.</exception>
    public static TuneResult Tune(
        TuneTask task,
        TuneOptions options,
        IProgress<TuneProgress>? progress = null,
        CancellationToken cancel = default
    )
    {
        using var watch = new BudgetWatch(options, cancel);
        using var session = new TuneSession(task, options, Report);
        session.Search(options.Budget, watch.Began, () => watch.UntilDeadline, cancel);
        var result = session.Settle(options.Budget, options.Budget, () => watch.UntilDeadline, cancel);
        Report(session, Phases.Done);
        return result;

        void Report(TuneSession at, string phase) =>
            progress?.Report(watch.Progress(at, phase, task, 0, 1, at.SliceProgress.Spent, at.SliceProgress.Remaining));
    }

    /// <summary>
    /// Tunes several tasks with one budget: half of it evenly, the rest slice by slice where the most time may still be
    /// saved, which is time × weight × distance from the ceiling, less where slices have brought nothing lately. The winner
    /// of a slice is certified and stored at its end. A task that cannot be tuned is reported in its place and does not stop
    /// the others.
    /// </summary>
    /// <param name="tasks">What to tune.</param>
    /// <param name="options">The budget is for all of them together.</param>
    /// <param name="progress">Told of every phase and batch.</param>
    /// <param name="cancel">Ends the search; what was found is certified and stored.</param>
    /// <param name="weights">How often each task runs, say in a training step; 1 when null.</param>
    /// <param name="settled">Told of every winner that was certified and stored, as soon as it is.</param>
    /// <param name="shares">
    /// By what each task counts in the first half of the budget, say its part of a program's time; evenly where null. None gets
    /// less than a third of an even part, as there is no gain in a search that cannot begin.
    /// </param>
    /// <returns>For each task its result, or why there is none.</returns>
    /// <exception cref="TuneException">No task could be measured.</exception>
    public static IReadOnlyList<(TuneTask Task, TuneResult? Result, string? Failure)> TuneAll(
        IReadOnlyList<TuneTask> tasks,
        TuneOptions options,
        IProgress<TuneProgress>? progress = null,
        CancellationToken cancel = default,
        IReadOnlyList<double>? weights = null,
        Action<TuneResult>? settled = null,
        IReadOnlyList<double>? shares = null
    )
    {
        if (tasks.Count == 0)
            throw new ArgumentException("tasks is empty; give at least one task to tune", nameof(tasks));
        if (weights is not null && weights.Count != tasks.Count)
            throw new ArgumentException($"{weights.Count} weights are given for {tasks.Count} tasks", nameof(weights));
        if (shares is not null && shares.Count != tasks.Count)
            throw new ArgumentException($"{shares.Count} shares are given for {tasks.Count} tasks", nameof(shares));
        var clock = options.Settings.Clock;
        using var watch = new BudgetWatch(options, cancel);
        var slots = tasks.Select((t, i) => new Slot(t, weights?[i] ?? 1)).ToArray();
        try
        {
            double spent = 0;
            double even = EvenShare / tasks.Count;
            double[] first = FirstSlices(shares, tasks.Count);
            for (int i = 0; i < slots.Length; i++)
            {
                spent += first[i];
                Slice(i, first[i]);
            }
            double slice = Math.Max(even / SlicesPerTask, (1 - EvenShare) / (SlicesPerTask * tasks.Count));
            // What early stops left over goes round as well: by the clock for time, by the count for trials.
            while (Left(spent) > slice / 2 && !cancel.IsCancellationRequested)
            {
                int next = Enumerable
                    .Range(0, slots.Length)
                    .Where(i => slots[i].Session is { IsOpen: true } || slots[i].IsToRetry)
                    .OrderByDescending(i => slots[i].ExpectedGain)
                    .FirstOrDefault(-1);
                if (next < 0)
                    break;
                // What had too little time gets more of it, once.
                double more = slots[next].IsToRetry ? Math.Max(slice, 2 * first[next]) : slice;
                slots[next].IsToRetry = false;
                // One that takes long to settle gets a longer slice, as long as there is that much left.
                if (options.Budget.Time is { } whole && slots[next].Session is { } session)
                    more = Math.Max(more, session.LeastSlice(whole * more) / whole);
                more = Math.Min(more, Left(spent));
                spent += more;
                Slice(next, more);
            }
        }
        finally
        {
            foreach (var slot in slots)
                slot.Session?.Dispose();
        }
        if (slots.All(s => s.Result is null))
            throw new TuneException(
                $"none of {tasks.Count} tasks could be tuned; the first: {slots.First(s => s.Failure is not null).Failure}"
            );
        return [.. slots.Select(s => (s.Task, s.Result, s.Failure))];

        double Left(double share)
        {
            if (options.Budget.Time is { } time)
                return 1 - watch.Elapsed / time;
            int used = slots.Sum(s => s.Session?.Tried ?? 0);
            return Math.Max(1 - share, 1 - (double)used / options.Budget.Trials!.Value);
        }

        void Slice(int i, double share)
        {
            var slot = slots[i];
            if (cancel.IsCancellationRequested && slots.Any(s => s.Result is not null))
            {
                slot.Failure ??= slot.Result is null ? "interrupted before this task began" : null;
                return;
            }
            if (slot.Session is null && watch.UntilDeadline is { } rest && rest <= TimeSpan.Zero)
            {
                slot.Failure ??= $"the budget of {options.Budget} was spent before its turn came";
                return;
            }
            try
            {
                long began = clock.GetTimestamp();
                var part = options.Budget.Share(share);
                slot.Session ??= new TuneSession(slot.Task, options, (at, phase) => Report(i, at, phase));
                double before = slot.Session.BestMilliseconds ?? double.PositiveInfinity;
                slot.Session.Search(part, began, () => Limit(began, part), cancel);
                double after = slot.Session.BestMilliseconds ?? double.PositiveInfinity;
                slot.Hope = after < before * 0.99 ? 1 : slot.Hope / 2;
                if (slot.Session.HasNews || slot.Result is null)
                {
                    slot.Session.Settle(options.Budget, part, () => Limit(began, part), cancel);
                    settled?.Invoke(slot.Session.Result!);
                }
                slot.Result = slot.Session.Result;
                slot.Failure = null;
                Report(i, slot.Session, Phases.Done);
            }
            catch (TuneException e)
            {
                slot.Fail(e);
            }
        }

        // One that takes long to certify must not take the others' time: twice its own share, or a second.
        TimeSpan? Limit(long began, SearchBudget part)
        {
            if (part.Time is not { } time)
                return watch.UntilDeadline;
            var own =
                (time < TimeSpan.FromSeconds(1) ? TimeSpan.FromSeconds(2) : 2 * time) - clock.GetElapsedTime(began);
            return watch.UntilDeadline is { } all && all < own ? all : own;
        }

        void Report(int i, TuneSession session, string phase)
        {
            if (progress is null)
                return;
            int tried = slots.Sum(s => (s == slots[i] ? session : s.Session)?.Tried ?? 0);
            double share = options.Budget.Trials is { } trials ? Math.Min(1, (double)tried / trials) : 0;
            TimeSpan? remaining = share > 0 ? watch.Elapsed / share * (1 - share) : null;
            progress.Report(watch.Progress(session, phase, slots[i].Task, i, slots.Length, share, remaining));
        }
    }

    /// <summary>What part of the whole budget each task gets at first; <see cref="EvenShare"/> together.</summary>
    private static double[] FirstSlices(IReadOnlyList<double>? shares, int count)
    {
        double sum = shares?.Sum() ?? 0;
        if (shares is null || !(sum > 0))
            return [.. Enumerable.Repeat(EvenShare / count, count)];
        return [.. shares.Select(s => EvenShare * (LeastSlice / count + (1 - LeastSlice) * s / sum))];
    }

    /// <summary>How much of a budget is spent since it began to be, everything counted.</summary>
    private sealed class BudgetWatch : IDisposable
    {
        private readonly TuneOptions _options;
        private readonly TimeProvider _clock;
        private readonly CancellationTokenRegistration _registration;
        private long _interrupted;

        public BudgetWatch(TuneOptions options, CancellationToken cancel)
        {
            _options = options;
            _clock = options.Settings.Clock;
            Began = options.Began ?? _clock.GetTimestamp();
            _registration = cancel.Register(() => Volatile.Write(ref _interrupted, Math.Max(1, _clock.GetTimestamp())));
        }

        public long Began { get; }

        public TimeSpan Elapsed => _clock.GetElapsedTime(Began);

        /// <summary>
        /// Time until nothing may begin or go on any more; null for a budget of trials, until an interrupt comes.
        /// </summary>
        public TimeSpan? UntilDeadline
        {
            get
            {
                TimeSpan? left = _options.Budget.Time is { } time
                    ? time + (time * Overdraft > LeastOverdraft ? time * Overdraft : LeastOverdraft) - Elapsed
                    : null;
                if (Volatile.Read(ref _interrupted) is not (> 0 and var at))
                    return left;
                var grace = Grace - _clock.GetElapsedTime(at);
                return left < grace ? left : grace;
            }
        }

        public void Dispose() => _registration.Dispose();

        /// <param name="session">Of the task at work.</param>
        /// <param name="phase">What begins or goes on.</param>
        /// <param name="task">The task at work.</param>
        /// <param name="index">Its position.</param>
        /// <param name="count">Tasks that are tuned together.</param>
        /// <param name="share">Of a budget of trials, what is spent.</param>
        /// <param name="remaining">Of a budget of trials, the time until it is, at the speed so far.</param>
        public TuneProgress Progress(
            TuneSession session,
            string phase,
            TuneTask task,
            int index,
            int count,
            double share,
            TimeSpan? remaining
        )
        {
            bool searching = phase == Phases.Search;
            return new TuneProgress(
                task.Problem.Label,
                phase,
                session.Tried,
                session.BestMilliseconds,
                session.Ceiling.Milliseconds,
                _options.Budget.Time is { } time ? Elapsed / time : share,
                Elapsed,
                _options.Budget.Time - Elapsed ?? (searching ? remaining : null),
                index,
                count
            );
        }
    }

    private sealed class Slot(TuneTask task, double weight)
    {
        public TuneTask Task { get; } = task;

        public TuneSession? Session { get; set; }

        public TuneResult? Result { get; set; }

        public string? Failure { get; set; }

        /// <summary>Halved by every slice that brings nothing.</summary>
        public double Hope { get; set; } = 1;

        /// <summary>Milliseconds that more search may save.</summary>
        public double ExpectedGain =>
            Session?.BestMilliseconds is { } best
                ? Hope * weight * Math.Max(0, best - Session.Ceiling.Milliseconds)
                : double.PositiveInfinity;

        /// <summary>It had too little time to be timed at all, and no other chance yet.</summary>
        public bool IsToRetry { get; set; }

        public void Fail(TuneException failure)
        {
            IsToRetry = failure.IsOverTime && Failure is null && Result is null;
            // What was stored before stays.
            Failure = Result is null ? failure.Message : null;
            Session?.Dispose();
            Session = null;
        }
    }
}
