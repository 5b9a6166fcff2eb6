using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Search;
using Picograd.Search.Measurement;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>What a check says of a kernel.</summary>
internal enum KernelVerdict
{
    Right,

    /// <summary>There is no such kernel: a primitive or the back end refused the schedule.</summary>
    Refused,

    /// <summary>Its check took too long, but single calls end: it is not known to be wrong.</summary>
    Slow,

    /// <summary>Wrong results, a fault, or a call that does not end.</summary>
    Wrong,
}

/// <summary>Certifies kernels and tells slow ones from those that hang.</summary>
/// <param name="certify">May give up: see <see cref="Certification.IsUnfinished"/>.</param>
/// <param name="time">Times a kernel of which a certification was given up; null where none ever is.</param>
internal sealed class KernelCheck(Func<Candidate, Certification> certify, Func<Candidate, Measured>? time)
{
    /// <summary>The verdict, the largest error in units of its bound, and what else there is to say; empty for right ones.</summary>
    /// <param name="make">Makes the candidate, which a primitive may refuse.</param>
    public (KernelVerdict Verdict, double Error, string Note) Of(Func<Candidate> make)
    {
        Candidate candidate;
        Certification certification;
        try
        {
            candidate = make();
            certification = certify(candidate);
        }
        catch (Exception e) when (e is ScheduleException or LoweringException)
        {
            return (KernelVerdict.Refused, 0, e.Message.Split('\n')[0]);
        }
        if (certification.Ok)
            return (KernelVerdict.Right, certification.ErrorRatio, "");
        if (!certification.IsUnfinished)
        {
            // An error that is not the kernel's must not pass for a refusal.
            var verdict = certification is { IsRefused: true, IsFault: false }
                ? KernelVerdict.Refused
                : KernelVerdict.Wrong;
            return (verdict, certification.ErrorRatio, certification.Detail);
        }
        if (time is null)
            return (KernelVerdict.Slow, 0, certification.Detail);
        var measured = time(candidate);
        return measured switch
        {
            { IsTimed: true } => (
                KernelVerdict.Slow,
                0,
                $"slow: one call takes {Figures.Time(measured.Milliseconds)}; {certification.Detail}"
            ),
            { Outcome: OutcomeNames.Hang or OutcomeNames.OverTime } => (
                KernelVerdict.Wrong,
                0,
                $"hangs: {certification.Detail}, nor did a few calls"
            ),
            _ => (KernelVerdict.Wrong, 0, $"{measured.Outcome}: {measured.Detail}"),
        };
    }
}
