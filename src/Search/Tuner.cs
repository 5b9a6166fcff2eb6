namespace Picograd.Search;

/// <summary>Tunes tasks: searches, races the best, certifies the winner and stores it.</summary>
public static class Tuner
{
    /// <summary>Of a shared budget, what is dealt out evenly before gains are compared.</summary>
    private const double EvenShare = 0.5;

    /// <summary>Slices that the rest of a shared budget is cut into, for each task.</summary>
    private const double SlicesPerTask = 3;

    /// <summary>
    /// Tunes one task. An interrupt ends the search early; what was found until then is certified and stored.
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
        long start = options.Settings.Clock.GetTimestamp();
        using var session = new TuneSession(task, options);
        session.OnProgress = () => Report("search");
        session.Search(options.Budget, cancel);
        var result = session.Finish(options.Budget, Report, cancel);
        Report("done");
        return result;

        void Report(string phase)
        {
            bool searching = phase == "search";
            progress?.Report(
                new TuneProgress(
                    task.Spec.ToString(),
                    phase,
                    session.Tried,
                    session.BestMilliseconds,
                    session.Ceiling.Milliseconds,
                    searching ? Math.Min(1, session.SliceProgress.Spent) : 1,
                    options.Settings.Clock.GetElapsedTime(start),
                    searching ? session.SliceProgress.Remaining : TimeSpan.Zero,
                    0,
                    1
                )
            );
        }
    }

    /// <summary>
    /// Tunes several tasks with one budget: half of it evenly, the rest slice by slice where the most time may still be
    /// saved, which is time × weight × distance from the ceiling, less where slices have brought nothing lately. A task
    /// that cannot be tuned is reported in its place and does not stop the others.
    /// </summary>
    /// <param name="tasks">What to tune.</param>
    /// <param name="options">The budget is for all of them together.</param>
    /// <param name="progress">Told of every batch.</param>
    /// <param name="cancel">Ends the search; what was found is certified and stored.</param>
    /// <param name="weights">How often each task runs, say in a training step; 1 when null.</param>
    /// <returns>For each task its result, or why there is none.</returns>
    /// <exception cref="TuneException">No task could be measured.</exception>
    public static IReadOnlyList<(TuneTask Task, TuneResult? Result, string? Failure)> TuneAll(
        IReadOnlyList<TuneTask> tasks,
        TuneOptions options,
        IProgress<TuneProgress>? progress = null,
        CancellationToken cancel = default,
        IReadOnlyList<double>? weights = null
    )
    {
        if (tasks.Count == 0)
            throw new ArgumentException("tasks is empty; give at least one task to tune", nameof(tasks));
        if (weights is not null && weights.Count != tasks.Count)
            throw new ArgumentException($"{weights.Count} weights are given for {tasks.Count} tasks", nameof(weights));
        var clock = options.Settings.Clock;
        long start = clock.GetTimestamp();
        var slots = tasks.Select((t, i) => new Slot(t, weights?[i] ?? 1)).ToArray();
        try
        {
            double spent = 0;
            double even = EvenShare / tasks.Count;
            for (int i = 0; i < slots.Length; i++)
            {
                spent += even;
                Slice(i, even);
            }
            double slice = Math.Max(even / SlicesPerTask, (1 - EvenShare) / (SlicesPerTask * tasks.Count));
            // What early stops left over goes round as well: by the clock for time, by the count for trials.
            while (Left(spent) > slice / 2 && !cancel.IsCancellationRequested)
            {
                int next = Enumerable
                    .Range(0, slots.Length)
                    .Where(i => slots[i].Session is { IsOpen: true })
                    .OrderByDescending(i => slots[i].ExpectedGain)
                    .FirstOrDefault(-1);
                if (next < 0)
                    break;
                spent += slice;
                Slice(next, Math.Min(slice, Left(spent - slice)));
            }
            for (int i = 0; i < slots.Length; i++)
                Finish(i);
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
                return 1 - clock.GetElapsedTime(start) / time;
            int used = slots.Sum(s => s.Session?.Tried ?? 0);
            return Math.Max(1 - share, 1 - (double)used / options.Budget.Trials!.Value);
        }

        void Slice(int i, double share)
        {
            if (cancel.IsCancellationRequested && slots.Any(s => s.Session?.BestMilliseconds is not null))
                return;
            var slot = slots[i];
            try
            {
                slot.Session ??= new TuneSession(slot.Task, options);
                slot.Session.OnProgress = () => Report(i, "search");
                double before = slot.Session.BestMilliseconds ?? double.PositiveInfinity;
                slot.Session.Search(options.Budget.Share(share), cancel);
                double after = slot.Session.BestMilliseconds ?? double.PositiveInfinity;
                slot.Hope = after < before * 0.99 ? 1 : slot.Hope / 2;
            }
            catch (TuneException e)
            {
                slot.Fail(e.Message);
            }
        }

        void Finish(int i)
        {
            var slot = slots[i];
            if (slot.Session is null)
            {
                slot.Failure ??= "interrupted before this task began";
                return;
            }
            try
            {
                slot.Result = slot.Session.Finish(options.Budget, phase => Report(i, phase), cancel);
            }
            catch (TuneException e)
            {
                slot.Fail(e.Message);
            }
            Report(i, "done");
        }

        void Report(int i, string phase)
        {
            if (progress is null || slots[i].Session is not { } session)
                return;
            var elapsed = clock.GetElapsedTime(start);
            double share = Math.Clamp(
                options.Budget.Time is { } time
                    ? elapsed / time
                    : (double)slots.Sum(s => s.Session?.Tried ?? 0) / options.Budget.Trials!.Value,
                0,
                1
            );
            progress.Report(
                new TuneProgress(
                    slots[i].Task.Spec.ToString(),
                    phase,
                    session.Tried,
                    session.BestMilliseconds,
                    session.Ceiling.Milliseconds,
                    share,
                    elapsed,
                    share > 0 ? elapsed / share * (1 - share) : null,
                    i,
                    slots.Length
                )
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

        public void Fail(string message)
        {
            Failure = message;
            Session?.Dispose();
            Session = null;
        }
    }
}
