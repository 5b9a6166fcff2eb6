namespace Picograd.TuneDb;

/// <summary>The look-ups that dispatch makes. They return servable records only: certified, checked, undamaged.</summary>
public interface ITuneLookup : IDisposable
{
    /// <summary>The certified record of exactly this key; null when there is none or when it is damaged.</summary>
    /// <exception cref="TuneDbException">The storage failed; <see cref="TuneServing"/> never throws.</exception>
    TuneRecord? FindExact(TuneKey key);

    /// <summary>
    /// Certified records that differ from the key in <see cref="TuneKey.Shapes"/> only and name the same extents,
    /// nearest first by <see cref="TuneKey.LogDistance(TuneKey)"/>; ties in ordinal order of the shapes.
    /// </summary>
    /// <param name="key">The key that nothing exact was found for.</param>
    /// <param name="max">The most records to return; at least 1.</param>
    IReadOnlyList<TuneRecord> FindNear(TuneKey key, int max);

    /// <summary>The targets that certified records are for, as their keys write them, in ordinal order; see <see cref="TuneTargets"/>.</summary>
    IReadOnlyList<string> Targets();

    /// <summary>False only where there is nothing to find now, so that callers can spare themselves the key.</summary>
    bool MayFind => true;
}

/// <summary>
/// A store of tuned schedules: winners, their history and the log of every candidate. For each key it holds at most one
/// certified record, which look-ups serve, and at most one uncertified record, which waits for certification.
/// Safe for several threads.
/// </summary>
public interface ITuneStore : ITuneLookup
{
    /// <summary>Compiled programs, where a back end has any to keep.</summary>
    IBinaryStore Binaries { get; }

    /// <summary>Damaged records that look-ups and listings of this instance have skipped so far.</summary>
    long DamagedSkipped { get; }

    /// <summary>
    /// Offers a record. It takes its place (certified or uncertified) if the place is free or damaged, if it is faster
    /// than the record there, or if <paramref name="force"/> is set. A certified record also removes a waiting one of
    /// the same trace. Every offer, kept or not, goes into the history.
    /// </summary>
    /// <exception cref="ArgumentException">The record cannot be stored; see <see cref="TuneRecord.Validate"/>.</exception>
    PutOutcome Put(TuneRecord record, bool force = false);

    /// <summary>The record that waits for certification under exactly this key; null when there is none or when it is damaged.</summary>
    TuneRecord? FindWaiting(TuneKey key);

    /// <summary>Appends to the candidate log, all or nothing; durable against a killed process on return.</summary>
    void AppendCandidates(IReadOnlyCollection<TuneCandidate> candidates);

    /// <summary>Appends one candidate; see <see cref="AppendCandidates"/>.</summary>
    void AppendCandidate(TuneCandidate candidate);

    /// <summary>The undamaged records that match, in ordinal order of their key texts, certified before uncertified.</summary>
    IReadOnlyList<TuneRecord> All(TuneFilter? filter = null);

    /// <summary>Every undamaged offer for a key (for all keys when null), oldest first.</summary>
    IReadOnlyList<TuneHistoryEntry> History(TuneKey? key = null);

    /// <summary>The candidates logged for a key (for all keys when null), oldest first.</summary>
    IReadOnlyList<TuneCandidate> Candidates(TuneKey? key = null);

    /// <summary>
    /// Removes the records of a key, or only the certified or only the uncertified one. History and log stay.
    /// Returns whether anything was removed.
    /// </summary>
    bool Remove(TuneKey key, bool? certified = null);

    /// <summary>Checks the storage and every record in it.</summary>
    TuneVerifyReport Verify();

    /// <summary>
    /// Writes the certified records that match (with <paramref name="includeUncertified"/> the waiting ones too) as
    /// text, in an order and form that depend on the records alone. Returns how many were written.
    /// </summary>
    int Export(TextWriter writer, TuneFilter? filter = null, bool includeUncertified = false);

    /// <summary>
    /// Reads exported text. What is read gets <see cref="TuneOrigin.Imported"/> and stays uncertified, hence unserved,
    /// until it is certified on this machine.
    /// </summary>
    /// <param name="reader">The text.</param>
    /// <param name="trust">
    /// Whether what its author certified counts as certified here, where it is for this kind of machine: only of a text whose author is known,
    /// see <see cref="SigningKey"/>.
    /// </param>
    /// <exception cref="TuneDbException">The text as a whole cannot be read; then nothing was imported.</exception>
    TuneImportResult Import(TextReader reader, bool trust = false);

    /// <summary>
    /// Takes over the records, history and candidate log of another store. Records get <see cref="TuneOrigin.Imported"/> and
    /// wait for certification on this machine, as imported ones do; where one of the key waits already the faster stays.
    /// </summary>
    TuneMergeResult Merge(ITuneStore other);

    /// <summary>Removes what the options name.</summary>
    TunePruneResult Prune(TunePruneOptions options);
}

/// <summary>What became of an offered record.</summary>
public enum PutOutcome
{
    /// <summary>Its place was free.</summary>
    Added,

    /// <summary>It replaced a slower, a damaged or, when forced, any record.</summary>
    Replaced,

    /// <summary>The record that was there is at least as fast and stays.</summary>
    Kept,
}

/// <summary>One candidate of a search.</summary>
/// <param name="Key">The task.</param>
/// <param name="Run">Identifies the search run.</param>
/// <param name="TraceHash">Hash of the candidate's trace or nest.</param>
/// <param name="Trace">The trace itself; null to save space.</param>
/// <param name="Outcome">A named reason: <c>timed</c>, <c>compile-error</c>, <c>jit-limit</c>, <c>hung</c> …</param>
/// <param name="Milliseconds">Median time; null when it was not timed.</param>
/// <param name="Utc">When; of kind <see cref="DateTimeKind.Utc"/>.</param>
/// <param name="Detail">More on the outcome; may be empty.</param>
public sealed record TuneCandidate(
    TuneKey Key,
    string Run,
    string TraceHash,
    string? Trace,
    string Outcome,
    double? Milliseconds,
    DateTime Utc,
    string Detail = ""
)
{
    /// <summary>Checks that the candidate can be logged.</summary>
    /// <exception cref="ArgumentException">Names the field, what it holds and what is allowed.</exception>
    public void Validate()
    {
        if (string.IsNullOrWhiteSpace(Outcome))
        {
            throw new ArgumentException(
                "A tune candidate's Outcome is empty, but it must name a reason such as 'timed'."
            );
        }

        if (Milliseconds is { } time && !(double.IsFinite(time) && time > 0))
        {
            throw new ArgumentException(
                FormattableString.Invariant(
                    $"A tune candidate's Milliseconds is {time}, but it must be positive and finite, or null."
                )
            );
        }

        if (Utc.Kind != DateTimeKind.Utc)
        {
            throw new ArgumentException($"A tune candidate's Utc is of kind {Utc.Kind}, but it must be Utc.");
        }
    }
}

/// <summary>One offer in the history of a key.</summary>
/// <param name="RecordedUtc">When the store received it.</param>
/// <param name="Outcome">What became of it then.</param>
/// <param name="Record">The record as it was offered.</param>
public sealed record TuneHistoryEntry(DateTime RecordedUtc, PutOutcome Outcome, TuneRecord Record);

/// <summary>Which records to list; a null part matches all.</summary>
public sealed record TuneFilter
{
    /// <summary>First word of the spec, for instance <c>matmul</c>.</summary>
    public string? Operator { get; init; }

    /// <summary>The whole spec.</summary>
    public string? Spec { get; init; }

    /// <summary>The target fingerprint.</summary>
    public string? Target { get; init; }

    /// <summary>The compiler version.</summary>
    public string? CompilerVersion { get; init; }

    /// <summary>Where records came from.</summary>
    public TuneOrigin? Origin { get; init; }

    /// <summary>Certified ones or waiting ones.</summary>
    public bool? Certified { get; init; }

    /// <summary>True when the record has all parts that are set.</summary>
    public bool Matches(TuneRecord record) =>
        (
            Operator is null
            || record.Spec == Operator
            || record.Spec.StartsWith(Operator + " ", StringComparison.Ordinal)
        )
        && (Spec is null || record.Spec == Spec)
        && (Target is null || record.Key.Target == Target)
        && (CompilerVersion is null || record.Key.CompilerVersion == CompilerVersion)
        && (Origin is null || record.Origin == Origin)
        && (Certified is null || record.Certified == Certified);
}

/// <summary>Outcome of <see cref="ITuneStore.Verify"/>.</summary>
/// <param name="Records">Records that passed.</param>
/// <param name="Certified">How many of them are certified.</param>
/// <param name="Problems">One sentence a problem; empty when the store is sound.</param>
public sealed record TuneVerifyReport(int Records, int Certified, IReadOnlyList<string> Problems)
{
    /// <summary>True when nothing is wrong.</summary>
    public bool Ok => Problems.Count == 0;
}

/// <summary>Outcome of <see cref="ITuneStore.Import"/>.</summary>
/// <param name="Added">Records that found their place free.</param>
/// <param name="Replaced">Records that replaced a slower waiting one.</param>
/// <param name="Kept">Records that did not replace a waiting one at least as fast.</param>
/// <param name="Problems">One sentence for each record that was refused; the others were imported.</param>
public sealed record TuneImportResult(int Added, int Replaced, int Kept, IReadOnlyList<string> Problems);

/// <summary>Outcome of <see cref="ITuneStore.Merge"/>.</summary>
/// <param name="Added">Records that found their place free.</param>
/// <param name="Replaced">Records that replaced a slower one.</param>
/// <param name="Kept">Records that did not replace one at least as fast.</param>
/// <param name="Damaged">Damaged records of the other store, which were left out.</param>
/// <param name="Candidates">Log entries taken over.</param>
public sealed record TuneMergeResult(int Added, int Replaced, int Kept, long Damaged, int Candidates);

/// <summary>What to remove: whatever one of the parts names.</summary>
public sealed record TunePruneOptions
{
    /// <summary>Records measured, history recorded, candidates logged and kernels last used before this moment (UTC).</summary>
    public DateTime? OlderThan { get; init; }

    /// <summary>Records, history and candidates of every compiler version but these.</summary>
    public IReadOnlyList<string>? KeepCompilerVersions { get; init; }

    /// <summary>The whole candidate log.</summary>
    public bool Candidates { get; init; }

    /// <summary>The whole history.</summary>
    public bool History { get; init; }

    /// <summary>Records that wait for certification.</summary>
    public bool Uncertified { get; init; }

    /// <summary>Records and history entries whose checksum does not match.</summary>
    public bool Damaged { get; init; }

    /// <summary>Compiled kernels.</summary>
    public bool Binaries { get; init; }
}

/// <summary>How much <see cref="ITuneStore.Prune"/> removed.</summary>
/// <param name="Records">Records.</param>
/// <param name="History">History entries.</param>
/// <param name="Candidates">Log entries.</param>
public sealed record TunePruneResult(int Records, int History, int Candidates)
{
    /// <summary>Compiled kernels.</summary>
    public int Binaries { get; init; }
}
