using Picograd.TuneDb.Text;

namespace Picograd.TuneDb.LiteDb;

/// <summary>Care of the file: verification, pruning, the cache of compiled kernels.</summary>
public sealed partial class LiteDbTuneStore
{
    // Sentences that people read.
    private const int MostProblems = 100;

    // LiteDB's documents hold sixteen megabytes.
    private const int LargestBinary = 15 << 20;

    /// <inheritdoc/>
    public override TuneVerifyReport Verify()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return LookOnce(
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
                options.KeepCompilerVersion is { } keep && fields.TextOrNull("compiler") != keep;

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
            var binaries = RemoveBinaries(fields => options.Binaries || IsOlder(fields, "used"));
            return new TunePruneResult(records, history, candidates) { Binaries = binaries };
        });
    }

    /// <inheritdoc/>
    public override CompiledBinary? FindBinary(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        var (binary, renew) = Look<(CompiledBinary? Binary, bool Renew)>(documents =>
        {
            if (
                documents.Find(Collections.Kernels, key) is not { } kernel
                || documents.Find(Collections.KernelCode, key) is not { } code
            )
            {
                return (null, false);
            }

            if (Binary(kernel, code) is not { } found)
            {
                CountDamaged();
                return (null, true);
            }

            var stale = RecordText.Time(DateTime.UtcNow - UseResolution);
            return (found, string.CompareOrdinal(kernel.TextOrNull("used"), stale) < 0);
        });
        if (renew && Mode == TuneDbMode.ReadWrite)
        {
            Atomically(() =>
            {
                if (binary is null)
                {
                    return RemoveBinaries(fields => fields.TextOrNull(Fields.Id) == key);
                }

                Change.Put(Collections.Kernels, Kernel(key, binary, DateTime.UtcNow));
                return 0;
            });
        }

        return binary;
    }

    /// <inheritdoc/>
    /// <remarks>A kernel of more than 15 megabytes, of which no compiler has made one yet, is not stored.</remarks>
    public override void PutBinary(string key, ReadOnlySpan<byte> code, string log)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        ArgumentNullException.ThrowIfNull(log);
        var binary = new CompiledBinary(code.ToArray(), log);
        if (binary.Bytes > LargestBinary)
        {
            return;
        }

        Atomically(() =>
        {
            if (Change.Find(Collections.Kernels, key) is not null)
            {
                return 0;
            }

            Change.Put(Collections.Kernels, Kernel(key, binary, DateTime.UtcNow));
            Change.Put(
                Collections.KernelCode,
                new Fields
                {
                    [Fields.Id] = key,
                    ["log"] = log,
                    ["code"] = binary.Code,
                }
            );
            return DropOldest();
        });
    }

    /// <inheritdoc/>
    public override BinaryStatistics Binaries() =>
        Look(documents =>
        {
            var (count, bytes) = (0, 0L);
            foreach (var kernel in documents.Range(Collections.Kernels, ""))
            {
                count++;
                bytes += Size(kernel);
            }

            return new BinaryStatistics(count, bytes);
        });

    /// <inheritdoc/>
    public override IReadOnlyList<string> BinaryKeys() =>
        Look<IReadOnlyList<string>>(documents =>
            documents.Range(Collections.Kernels, "").Select(kernel => kernel.Text(Fields.Id)).ToList()
        );

    private static Fields Kernel(string key, CompiledBinary binary, DateTime used) =>
        new()
        {
            [Fields.Id] = key,
            ["used"] = RecordText.Time(used),
            ["bytes"] = binary.Bytes,
            ["checksum"] = binary.Checksum(),
        };

    private static CompiledBinary? Binary(Fields kernel, Fields code)
    {
        try
        {
            var binary = new CompiledBinary(code.Bytes("code"), code.Text("log"));
            return binary.Checksum() == kernel.Text("checksum") ? binary : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private static long Size(Fields kernel) => kernel.Has("bytes") ? kernel.Number("bytes") : 0;

    private int DropOldest()
    {
        var kernels = Change
            .Range(Collections.Kernels, "")
            .OrderByDescending(kernel => kernel.TextOrNull("used"), StringComparer.Ordinal)
            .ToList();
        var total = 0L;
        var doomed = new HashSet<string>();
        foreach (var kernel in kernels)
        {
            total += Size(kernel);
            if (total > MostBinaryBytes)
            {
                doomed.Add(kernel.Text(Fields.Id));
            }
        }

        return doomed.Count == 0 ? 0 : RemoveBinaries(fields => doomed.Contains(fields.Text(Fields.Id)));
    }

    private int RemoveBinaries(Func<Fields, bool> condition)
    {
        var doomed = Named(Collections.Kernels, condition);
        Change.Remove(Collections.KernelCode, doomed);
        return Change.Remove(Collections.Kernels, doomed);
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

        foreach (var kernel in documents.Range(Collections.Kernels, ""))
        {
            var key = kernel.TextOrNull(Fields.Id) ?? "";
            if (documents.Find(Collections.KernelCode, key) is not { } code || Binary(kernel, code) is null)
            {
                problems.Add($"The compiled kernel {PlainText.Of(key)} is unsound: its checksum does not match.");
            }
        }
    }

    private static string Shown(Fields fields) => PlainText.Of(fields.TextOrNull(Fields.Id) ?? "");
}
