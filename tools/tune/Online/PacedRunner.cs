using Picograd.Search;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>Runs candidates one at a time, each when the share of the processor allows it.</summary>
internal sealed class PacedRunner(ICandidateRunner inner, CpuShare share) : ICandidateRunner
{
    public TimeSpan? Limit
    {
        get => inner.Limit;
        set => inner.Limit = value;
    }

    public double Prepare()
    {
        share.Wait();
        return inner.Prepare();
    }

    public IReadOnlyList<Measured> Measure(
        IReadOnlyList<Candidate> candidates,
        double bestMilliseconds,
        CancellationToken cancel
    )
    {
        var results = new List<Measured>();
        double best = bestMilliseconds;
        foreach (var candidate in candidates)
        {
            share.Wait();
            if (cancel.IsCancellationRequested)
                break;
            var one = inner.Measure([candidate], best, cancel);
            if (one is not [var measured])
                break;
            results.Add(measured);
            if (measured.IsTimed)
                best = Math.Min(best, measured.Milliseconds);
        }
        return results;
    }

    public RaceTimes Race(IReadOnlyList<Candidate> candidates, RacePlan plan, CancellationToken cancel)
    {
        share.Wait();
        return inner.Race(candidates, plan, cancel);
    }

    public Certification Certify(Candidate candidate, TimeSpan? limit = null)
    {
        share.Wait();
        return inner.Certify(candidate, limit);
    }

    public void Dispose() => inner.Dispose();
}
