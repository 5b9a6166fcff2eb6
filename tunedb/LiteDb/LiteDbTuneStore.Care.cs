using Picograd.TuneDb.Text;

namespace Picograd.TuneDb.LiteDb;

/// <summary>Care of the file: verification and pruning.</summary>
public sealed partial class LiteDbTuneStore
{
    // Sentences that people read.
    private const int MostProblems = 100;

    /// <inheritdoc/>
    public override TuneVerifyReport Verify()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return LookAt(
                (pages, documents) =>
                {
                    var problems = new List<string>();
                    var (records, certified) = (0, 0);
                    try
                    {
                        VerifyPages(pages, problems);
                        documents.RequireOwn(Collections.All);
                        (records, certified) = VerifyRecords(documents, problems);
                        VerifyOthers(documents, problems);
                    }
                    catch (TuneDbException e)
                    {
                        problems.Add(e.Message);
                    }

                    return new TuneVerifyReport(records, certified, problems);
                }
            );
        }
    }

    /// <inheritdoc/>
    public override TunePruneResult Prune(TunePruneOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.OlderThan is { Kind: not DateTimeKind.Utc } moment)
        {
            throw new ArgumentException($"OlderThan is of kind {moment.Kind}, but it must be Utc.", nameof(options));
        }

        return Atomically(() =>
        {
            _shrinks = true;
            // The fixed-width UTC form sorts as text in the order of time.
            var limit = options.OlderThan is { } time ? RecordText.Time(time) : null;
            bool IsOlder(Fields fields, string name) =>
                limit is not null && string.CompareOrdinal(fields.TextOrNull(name), limit) < 0;
            bool IsOther(Fields fields) =>
                options.KeepCompilerVersions is { } keep && !keep.Contains(fields.TextOrNull("compiler") ?? "");

            var records = RemoveWhere(
                Collections.Records,
                fields =>
                    IsOlder(fields, "utc")
                    || IsOther(fields)
                    || (
                        options.Uncertified
                        && fields.TextOrNull(Fields.Id)?.EndsWith("/w", StringComparison.Ordinal) == true
                    )
                    || (options.Damaged && Documents.Record(fields, out _) is null)
            );
            var history = RemoveWhere(
                Collections.History,
                fields =>
                    options.History
                    || IsOlder(fields, "recorded")
                    || IsOther(fields)
                    || (options.Damaged && Documents.Offer(fields, out _) is null)
            );
            var candidates = RemoveWhere(
                Collections.Candidates,
                fields => options.Candidates || IsOlder(fields, "utc") || IsOther(fields)
            );
            var used = Change.Range(Collections.Candidates, "").Select(Documents.Beginning).ToHashSet();
            RemoveWhere(Collections.Keys, fields => !used.Contains(Documents.Beginning(fields)));
            if (records > 0)
            {
                DropTargets();
            }

            return new TunePruneResult(records, history, candidates);
        });
    }

    private int RemoveWhere(string collection, Func<Fields, bool> condition) =>
        Change.Remove(collection, Named(collection, condition));

    private List<string> Named(string collection, Func<Fields, bool> condition) =>
        Change.Range(collection, "").Where(condition).Select(fields => fields.Text(Fields.Id)).ToList();

    private static void VerifyPages(PageFile pages, List<string> problems)
    {
        var damaged = new List<long>();
        for (var number = 0L; number < pages.Count; number++)
        {
            if (pages.TryRead(number) is null)
            {
                damaged.Add(number);
            }
        }

        problems.AddRange(
            damaged.Take(MostProblems).Select(number => $"Page {number} of the file does not match its checksum.")
        );
        if (damaged.Count > MostProblems)
        {
            problems.Add($"More pages than these {MostProblems} do not: {damaged.Count}.");
        }
    }

    private static (int Records, int Certified) VerifyRecords(IDocuments documents, List<string> problems)
    {
        var (records, certified) = (0, 0);
        foreach (var fields in documents.Range(Collections.Records, ""))
        {
            var record = Documents.Record(fields, out var damage);
            damage ??= Documents.Mismatch(fields, record!);
            if (damage is not null)
            {
                var name =
                    $"'{PlainText.Of(fields.TextOrNull("spec") ?? "")}' ({PlainText.Of(fields.TextOrNull(Fields.Id) ?? "")})";
                problems.Add($"The record of {name} is unsound: {PlainText.Of(damage)}.");
                continue;
            }

            records++;
            certified += record!.Certified ? 1 : 0;
        }

        return (records, certified);
    }

    private static void VerifyOthers(IDocuments documents, List<string> problems)
    {
        foreach (var fields in documents.Range(Collections.History, ""))
        {
            if (Documents.Offer(fields, out var damage) is null)
            {
                problems.Add($"Entry {Shown(fields)} of the history is unsound: {PlainText.Of(damage ?? "")}.");
            }
        }

        var targets = documents
            .Range(Collections.Targets, "", only: "target")
            .Select(fields => fields.TextOrNull("target"))
            .ToHashSet();
        foreach (
            var target in documents
                .Range(Collections.Records, "", only: "target")
                .Where(Documents.IsCertified)
                .Select(fields => fields.TextOrNull("target"))
                .Where(target => !targets.Contains(target))
                .Distinct()
        )
        {
            problems.Add($"The list of targets lacks '{PlainText.Of(target ?? "")}'.");
        }

        var keys = new HashSet<string>();
        foreach (var fields in documents.Range(Collections.Keys, ""))
        {
            var hash = fields.TextOrNull(Fields.Id) ?? "";
            keys.Add(hash);
            if (KeyOf(documents, hash, out var damage) is null)
            {
                problems.Add(
                    $"The key {PlainText.Of(hash)} of the candidate log is unsound: {PlainText.Of(damage ?? "")}."
                );
            }
        }

        var orphans = documents.Range(Collections.Candidates, "").Count(f => !keys.Contains(Documents.Beginning(f)));
        if (orphans > 0)
        {
            problems.Add($"{orphans} entries of the candidate log have no key.");
        }
    }

    private static string Shown(Fields fields) => PlainText.Of(fields.TextOrNull(Fields.Id) ?? "");
}
