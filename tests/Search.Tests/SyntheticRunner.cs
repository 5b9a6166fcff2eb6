using System.Text;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Search;
using Picograd.Search.Measurement;
using Picograd.TuneDb;

namespace Picograd.Tests;

/// <summary>
/// Times that come from a formula instead of the hardware. Noise as seen on shared machines: in spells, 13 to 18 per cent
/// slow. Everything is decided by the seed.
/// </summary>
internal sealed class SyntheticRunner(Func<Candidate, double> time, int seed, bool noisy) : ICandidateRunner
{
    private readonly Random _random = new(seed);
    private int _spell;
    private double _slow = 1;

    public int Measurements { get; private set; }

    public Func<Candidate, Certification> Certifying { get; init; } = _ => new Certification(0.1, true, true);

    /// <summary>Moved on by every measurement.</summary>
    public FakeClock? Clock { get; init; }

    public IReadOnlyList<Measured> Measure(
        IReadOnlyList<Candidate> candidates,
        double bestMilliseconds,
        CancellationToken cancel
    )
    {
        var results = new List<Measured>();
        foreach (var candidate in candidates)
        {
            if (cancel.IsCancellationRequested)
                break;
            Measurements++;
            Clock?.Advance(TimeSpan.FromMilliseconds(20));
            double ms = time(candidate);
            results.Add(
                double.IsNaN(ms)
                    ? Measured.Failed("il-too-large", "as the test asked")
                    : new Measured(OutcomeNames.Timed, ms * Noise(), [ms], 1, 2)
            );
        }
        return results;
    }

    /// <summary>What a candidate takes in a race, where that is not what it takes elsewhere; by candidate and heat of its race.</summary>
    public Func<Candidate, int, double>? Racing { get; init; }

    /// <summary>Races that were run, by the names of who took part.</summary>
    public List<IReadOnlyList<Candidate>> Races { get; } = [];

    public TimeSpan? Limit { get; set; }

    public RaceTimes Race(IReadOnlyList<Candidate> candidates, RacePlan plan, CancellationToken cancel)
    {
        Races.Add(candidates);
        var times = new List<double[]>();
        var sentinel = new List<double>();
        var heats = new List<int>();
        for (int r = 0; r < plan.Heats * plan.Rounds; r++)
        {
            double slow = Noise();
            int heat = r / plan.Rounds;
            double Time(Candidate c) => Racing?.Invoke(c, heat) ?? time(c);
            times.Add([.. candidates.Select(c => Time(c) * slow * (noisy ? 1 + 0.002 * _random.NextDouble() : 1))]);
            sentinel.Add(0.03 * slow);
            heats.Add(heat);
        }
        return new RaceTimes(times, sentinel, heats);
    }

    /// <summary>What making inputs takes, by <see cref="Clock"/>.</summary>
    public TimeSpan PrepareTime { get; init; }

    public double Prepare(TimeSpan? limit = null)
    {
        Clock?.Advance(PrepareTime);
        return PrepareTime.TotalSeconds;
    }

    public Certification Certify(Candidate candidate, TimeSpan? limit = null)
    {
        Clock?.Advance(limit < CertifyTime ? limit.Value : CertifyTime);
        return CertifyTime > limit
            ? new Certification(0, false, false, "its check did not end") { IsRefused = true }
            : Certifying(candidate);
    }

    /// <summary>What a certification takes, by <see cref="Clock"/>.</summary>
    public TimeSpan CertifyTime { get; init; }

    public void Dispose() { }

    private double Noise()
    {
        if (!noisy)
            return 1;
        if (_spell-- <= 0)
        {
            _spell = _random.Next(3, 12);
            _slow = _random.Next(3) == 0 ? 1.13 + 0.05 * _random.NextDouble() : 1;
        }
        return _slow * (1 + 0.01 * _random.NextDouble());
    }
}

/// <summary>A clock that stands still unless told otherwise.</summary>
internal sealed class FakeClock : TimeProvider
{
    private long _ticks;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => _ticks;

    public void Advance(TimeSpan by) => _ticks += by.Ticks;
}

/// <summary>A target of which nothing but its description is used.</summary>
internal sealed class PaperTarget(TargetInfo info, double gflops = 100) : ITuningTarget, IBackend
{
    public static TargetInfo Info { get; } =
        new("cpu", "cpu;paper;threads=1", 256, 16, 1, 32 << 10, 512 << 10, 32 << 20);

    public IBackend Backend => this;

    public TargetInfo Target => info;

    public TargetCeilings Ceilings { get; } = new(gflops, [("memory", long.MaxValue, 20)], 20);

    public ICompiledKernel Compile(LoopNest nest) => throw new InvalidOperationException("a paper target runs nothing");

    public nint Allocate(long bytes) => throw new InvalidOperationException("a paper target has no memory");

    public void Free(nint memory, long bytes) => throw new InvalidOperationException("a paper target has no memory");

    public double SentinelMilliseconds() => 0.03;
}
