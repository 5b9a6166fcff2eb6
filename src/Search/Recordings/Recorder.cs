using System.Diagnostics;
using Picograd.Search.CostModels;
using Picograd.Search.Measurement;
using Picograd.Search.Space;
using Picograd.Search.Strategies;
using Picograd.TuneDb;

namespace Picograd.Search.Recordings;

/// <summary>Makes the recording of a task: every point of a thinned space is made, compiled and timed.</summary>
public static class Recorder
{
    /// <summary>Programs within this of the best are timed once more, so that luck does not make the best of the space.</summary>
    private const double NearBest = 1.1;
    private const int Again = 48;

    /// <summary>Points made before any is timed, so that code of the library's own is compiled.</summary>
    private const int WarmUp = 24;

    /// <param name="task">What is recorded.</param>
    /// <param name="runner">Runs candidates.</param>
    /// <param name="points">About so many points are taken of the space.</param>
    /// <param name="seed">Of the order in which they are measured.</param>
    /// <param name="progress">Told how many points of how many are done.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="TuneException">Nothing could be timed.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public static Recording Record(
        TuneTask task,
        ICandidateRunner runner,
        int points,
        int seed,
        Action<int, int>? progress = null,
        CancellationToken cancel = default
    )
    {
        var model = new CostModel(task.Target, task.On.Backend.Lower);
        var machine = new Hardware(task, null, runner, model);
        var space = machine.Space.Thinned(points);
        var random = new Random(seed);
        var all = space.Points().ToArray();
        for (int i = 0; i < WarmUp; i++)
            machine.Make(all[random.Next(all.Length)]);
        runner.Prepare();
        foreach (var point in space.Defaults)
        {
            if (machine.Make(point).Draft is { Candidate: { } candidate })
                runner.Measure([candidate], double.PositiveInfinity, cancel);
        }
        // Defaults first: from then on what is far slower is given up early.
        var standard = space.Defaults.Select(p => p.Text).ToHashSet();
        random.Shuffle(all);
        var order = all.OrderByDescending(p => standard.Contains(p.Text)).ToList();
        var programs = new List<RecordedProgram>();
        var drafts = new List<Draft>();
        var byHash = new Dictionary<ulong, int>();
        var recorded = new List<RecordedPoint>();
        double best = double.PositiveInfinity;
        foreach (var point in order)
        {
            cancel.ThrowIfCancellationRequested();
            long start = Stopwatch.GetTimestamp();
            var made = machine.Make(point);
            double making = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            int rule = space.Rules.IndexOf(point.Rule);
            if (made.Draft is not { } draft)
            {
                recorded.Add(new RecordedPoint(rule, point.At, making, -1, made.Outcome));
                continue;
            }
            if (!byHash.TryGetValue(draft.Hash, out int program))
            {
                byHash.Add(draft.Hash, program = programs.Count);
                drafts.Add(draft);
                start = Stopwatch.GetTimestamp();
                var measured = runner.Measure([draft.Candidate!], best, cancel)[0];
                double all1 = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
                double ready = measured.ReplayMilliseconds + measured.CompileMilliseconds;
                double calls = measured.IsTimed ? KernelTimer.CallsMilliseconds(measured.Milliseconds, best) : 0;
                programs.Add(
                    new RecordedProgram(
                        measured.Outcome,
                        measured.Milliseconds,
                        ready,
                        Math.Max(0, all1 - ready - calls),
                        draft.Complexity,
                        draft.Features
                    )
                );
                if (measured.IsTimed)
                    best = Math.Min(best, measured.Milliseconds);
            }
            recorded.Add(new RecordedPoint(rule, point.At, making, program, ""));
            progress?.Invoke(recorded.Count, order.Count);
        }
        if (!programs.Any(p => p.IsTimed))
            throw new TuneException($"nothing of '{task.Problem.Label}' could be timed");
        var near = Enumerable
            .Range(0, programs.Count)
            .Where(i => programs[i].IsTimed && programs[i].Milliseconds <= NearBest * best)
            .OrderBy(i => programs[i].Milliseconds)
            .Take(Again)
            .ToList();
        foreach (int i in near)
        {
            cancel.ThrowIfCancellationRequested();
            var once = runner.Measure([drafts[i].Candidate!], best, cancel)[0];
            var twice = runner.Measure([drafts[i].Candidate!], best, cancel)[0];
            // The median of three.
            if (once.IsTimed && twice.IsTimed)
                programs[i] = programs[i] with
                {
                    Milliseconds = Racing.Median([programs[i].Milliseconds, once.Milliseconds, twice.Milliseconds]),
                };
        }
        return new Recording(task.Problem.Label, task.Target.Fingerprint, space, recorded, programs);
    }

    /// <summary>
    /// The same measurements with the features that the cost model has now. Programs that their rules no longer make as they were are
    /// left out, as are points whose rule or choices are gone.
    /// </summary>
    /// <param name="recording">Of the task.</param>
    /// <param name="task">The same on this machine.</param>
    public static Recording Refresh(Recording recording, TuneTask task)
    {
        var model = new CostModel(task.Target, task.On.Backend.Lower);
        var machine = new Hardware(task, null, NoRunner.Instance, model);
        var programs = new RecordedProgram[recording.Programs.Count];
        var hashes = new ulong[programs.Length];
        var points = new List<RecordedPoint>();
        var offered = machine.Space.Rules.ToDictionary(r => r.Name, r => r.Knobs.Select(k => k.Name).ToHashSet());
        foreach (var point in recording.Points)
        {
            var rule = recording.Space.Rules[point.Rule];
            if (!offered.TryGetValue(rule.Name, out var knobs) || !knobs.SetEquals(rule.Knobs.Select(k => k.Name)))
                continue;
            var draft = machine.Make(new ChoicePoint(rule, point.At)).Draft;
            if (point.Program < 0)
            {
                if (draft is null)
                    points.Add(point);
                continue;
            }
            var old = recording.Programs[point.Program];
            if (draft is null || draft.Complexity != old.Complexity)
                continue;
            if (programs[point.Program] is null)
                hashes[point.Program] = draft.Hash;
            else if (hashes[point.Program] != draft.Hash)
                continue;
            programs[point.Program] = old with { Features = draft.Features };
            points.Add(point);
        }
        int[] places = new int[programs.Length];
        var kept = new List<RecordedProgram>();
        for (int i = 0; i < programs.Length; i++)
        {
            places[i] = programs[i] is null ? -1 : kept.Count;
            if (programs[i] is { } program)
                kept.Add(program);
        }
        return recording with
        {
            Programs = kept,
            Points = [.. points.Select(p => p.Program < 0 ? p : p with { Program = places[p.Program] })],
        };
    }

    /// <summary>For what is made and never run.</summary>
    private sealed class NoRunner : ICandidateRunner
    {
        public static NoRunner Instance { get; } = new();

        public IReadOnlyList<Measured> Measure(
            IReadOnlyList<Candidate> candidates,
            double bestMilliseconds,
            CancellationToken cancel
        ) => throw new InvalidOperationException("nothing is run here");

        public RaceTimes Race(IReadOnlyList<Candidate> candidates, RacePlan plan, CancellationToken cancel) =>
            throw new InvalidOperationException("nothing is run here");

        public Certification Certify(Candidate candidate, TimeSpan? limit = null) =>
            throw new InvalidOperationException("nothing is run here");

        public void Dispose() { }
    }
}
