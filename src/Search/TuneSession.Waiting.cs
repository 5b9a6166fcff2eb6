using Picograd.TuneDb;

namespace Picograd.Search;

/// <summary>
/// Improvements are stored as soon as the search finds them, after the check on a sample that every candidate passes: as
/// records that wait for certification, which nothing serves. A run that is killed, or has no time left to certify, thus
/// leaves what it found; the next one of the same task times and certifies it.
/// </summary>
internal sealed partial class TuneSession
{
    /// <summary>The record that waits under the task's key; null for none. Read when the search begins, then kept up to date.</summary>
    private TuneRecord? _waiting;

    /// <summary>Whether it was timed in this run; one that was not, because of an interrupt, say, is none of this run's business.</summary>
    private bool _waitingTookPart;

    private Trial? _kept;

    private TuneRecord? Waiting() => _options.Store?.FindWaiting(_key);

    private void FindWaiting() => _waiting = Waiting();

    private void MeasureWaiting()
    {
        if (_waiting is null)
            return;
        Given(_waiting.Trace);
        _waitingTookPart = true;
    }

    /// <summary>
    /// Stores the best so far as waiting, if it is an improvement: on the default, on the certified record as it was timed in
    /// this run, and on what was stored so before.
    /// </summary>
    private void KeepImprovement()
    {
        if (
            _options.Store is null
            || Best is not { } best
            || Standard() is not { } standard
            || best.Milliseconds > standard.Milliseconds * NewsShare
            || (_kept is not null && best.Milliseconds > _kept.Milliseconds * NewsShare)
            || best.Candidate.Hash == _stored
            || _certified.ContainsKey(best.Candidate.Hash)
        )
            return;
        _kept = best;
        Keep(
            best,
            best.Milliseconds,
            standard.Milliseconds,
            best.Measured.Samples,
            "right on a sample of normal inputs"
        );
    }

    /// <summary>Stores a schedule as waiting.</summary>
    /// <returns>Whether it waits now: one from elsewhere that claims to be faster stays in its place.</returns>
    private bool Keep(
        Trial trial,
        double milliseconds,
        double? defaultMilliseconds,
        IReadOnlyList<double> samples,
        string detail
    )
    {
        if (_options.Store is not { } store)
            return false;
        var record = Record(
            trial.Candidate.TraceText,
            milliseconds,
            defaultMilliseconds,
            samples,
            new Certification(0, Ok: false, BitStable: false, $"not certified yet: {detail}"),
            _budget
        );
        // One of an earlier run of this machine took part in this search and is slower.
        bool force = _waitingTookPart && IsUnchanged();
        if (_phases.Time(Phases.Store, () => store.Put(record, force)) == PutOutcome.Kept)
            return false;
        _waiting = record;
        _waitingTookPart = true;
        return true;
    }

    /// <summary>Removes what this machine's searches left waiting: it was certified, or lost against what was, or is wrong.</summary>
    private void DropWaiting()
    {
        if (!_waitingTookPart || !IsUnchanged() || _options.Store is not { } store)
            return;
        _phases.Time(Phases.Store, () => store.Remove(_key, certified: false));
        _waiting = null;
    }

    // What another process put there meanwhile did not take part.
    private bool IsUnchanged() => _waiting is { Origin: TuneOrigin.Local } known && Waiting() == known;
}
