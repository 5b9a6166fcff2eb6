using Picograd.Search.Measurement;
using Picograd.Search.Space;
using Picograd.Search.Strategies;

namespace Picograd.Search.Recordings;

/// <summary>
/// A machine of which everything is known: programs are made and timed as was recorded, and each step takes the time that it took then,
/// by a clock of its own.
/// </summary>
/// <param name="recording">What is known.</param>
/// <param name="clock">Moved on by every step.</param>
internal sealed class RecordedMachine(Recording recording, RecordedClock clock) : ISearchMachine
{
    /// <summary>Cores on which programs are made side by side, as on the machine of the recordings.</summary>
    private const int Cores = 2;

    /// <summary>What ending a worker process and starting another costs, and the least after which a candidate is ended.</summary>
    private const double RestartMilliseconds = 500;

    private static readonly RecordedPoint Unknown = new(0, [], 0, -1, "not-recorded");

    private readonly Dictionary<string, RecordedPoint> _points = recording.Points.ToDictionary(p =>
        new ChoicePoint(recording.Space.Rules[p.Rule], p.At).Text
    );

    public CandidateSpace Space => recording.Space;

    public TimeSpan? Limit { get; set; }

    public bool IsHostMemory => true;

    /// <summary>When each program was known, and what it takes: milliseconds each.</summary>
    public List<(double At, double Milliseconds)> Timeline { get; } = [];

    /// <summary>Points that were asked for.</summary>
    public int Looked { get; private set; }

    /// <summary>What is far slower than the best is given up early; without it everything is timed to the end.</summary>
    public bool GivesUp { get; init; } = true;

    /// <summary>Nothing is measured after it; milliseconds.</summary>
    public double Deadline { get; init; } = double.PositiveInfinity;

    public IReadOnlyList<Made> Make(IReadOnlyList<ChoicePoint> points)
    {
        // What was not recorded, since its rule has changed, is refused for nothing.
        var made = points.Select(p => (Point: p, Found: _points.GetValueOrDefault(p.Text) ?? Unknown)).ToList();
        Looked += points.Count;
        clock.Advance(made.Sum(m => m.Found.MakeMilliseconds) / Math.Min(Cores, points.Count));
        return [.. made.Select(m => Of(m.Point, m.Found))];
    }

    public IReadOnlyList<Measured> Measure(
        IReadOnlyList<Draft> drafts,
        double bestMilliseconds,
        CancellationToken cancel
    )
    {
        var results = new List<Measured>();
        foreach (var draft in drafts)
        {
            if (clock.Milliseconds >= Deadline || cancel.IsCancellationRequested)
                break;
            var program = recording.Programs[(int)draft.Hash];
            double best = GivesUp ? bestMilliseconds : double.PositiveInfinity;
            clock.Advance(program.ReadyMilliseconds + program.OtherMilliseconds);
            if (program.IsTimed)
            {
                clock.Advance(KernelTimer.CallsMilliseconds(program.Milliseconds, best));
                Timeline.Add((clock.Milliseconds, program.Milliseconds));
                results.Add(new Measured(OutcomeNames.Timed, program.Milliseconds, [program.Milliseconds]));
                continue;
            }
            if (program.Outcome is OutcomeNames.OverTime or OutcomeNames.Hang or OutcomeNames.Crash)
                clock.Advance(RestartMilliseconds);
            results.Add(Measured.Failed(program.Outcome, "as recorded"));
        }
        return results;
    }

    /// <summary>Of every program a point that leads to it.</summary>
    public static IReadOnlyList<Draft> Drafts(Recording recording)
    {
        var drafts = new Draft[recording.Programs.Count];
        foreach (var point in recording.Points.Where(p => p.Program >= 0))
            drafts[point.Program] ??= Of(recording, point);
        return drafts;
    }

    private static Draft Of(Recording recording, RecordedPoint found)
    {
        var program = recording.Programs[found.Program];
        var point = new ChoicePoint(recording.Space.Rules[found.Rule], found.At);
        return new Draft(point, (ulong)found.Program, program.Complexity, program.Features);
    }

    private Made Of(ChoicePoint point, RecordedPoint found)
    {
        if (found.Program < 0)
            return new Made(point, null, found.Refusal);
        return new Made(point, Of(recording, found));
    }
}

/// <summary>A clock that stands still unless told otherwise.</summary>
internal sealed class RecordedClock : TimeProvider
{
    private double _milliseconds;

    public double Milliseconds => _milliseconds;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => (long)(_milliseconds * TimeSpan.TicksPerMillisecond);

    public void Advance(double milliseconds) => _milliseconds += milliseconds;
}
