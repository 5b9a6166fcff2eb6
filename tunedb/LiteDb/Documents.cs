using Picograd.TuneDb.Text;

namespace Picograd.TuneDb.LiteDb;

/// <summary>
/// Records, offers and candidates as documents. What a record says stands in its canonical text; beside it stand, under their
/// names, what belongs to the store, what is searched by, and a checksum over all of it. Unknown names are left alone.
/// </summary>
internal static class Documents
{
    public static string RecordId(TuneKey key, bool certified) =>
        $"{key.FamilyHash}/{key.Hash}/{(certified ? 'c' : 'w')}";

    /// <summary>Whether the name is that of a certified record.</summary>
    public static bool IsCertified(Fields fields) =>
        fields.TextOrNull(Fields.Id)?.EndsWith("/c", StringComparison.Ordinal) == true;

    /// <summary>A target that there are certified records for.</summary>
    public static Fields OfTarget(string target) => new() { [Fields.Id] = Digest.Short(target), ["target"] = target };

    public static Fields Of(TuneRecord record) =>
        new()
        {
            [Fields.Id] = RecordId(record.Key, record.Certified),
            ["family"] = record.Key.FamilyHash,
            ["spec"] = record.Spec,
            ["shapes"] = record.Key.Shapes,
            ["target"] = record.Key.Target,
            ["compiler"] = record.Key.CompilerVersion,
            ["utc"] = RecordText.Time(record.Provenance.Utc),
            ["origin"] = StoredForm.Name(record.Origin),
            ["certified"] = record.Certified,
            ["body"] = record.ToText(),
            ["checksum"] = StoredForm.Checksum(record),
        };

    /// <summary>The record; null and a clause when it is damaged.</summary>
    public static TuneRecord? Record(Fields fields, out string? damage)
    {
        try
        {
            var (body, origin, certified) = (fields.Text("body"), fields.Text("origin"), fields.Flag("certified"));
            if (StoredForm.Checksum(body, origin, certified) != fields.Text("checksum"))
            {
                damage = "its checksum does not match";
                return null;
            }

            var record = RecordText.ReadOwn(body) with { Origin = StoredForm.Origin(origin), Certified = certified };
            damage = record.Fault();
            return damage is null ? record : null;
        }
        catch (Exception e) when (IsDamage(e))
        {
            damage = $"a value cannot be read ({e.Message.TrimEnd('.')})";
            return null;
        }
    }

    /// <summary>What is wrong with what stands beside an undamaged record, as a clause; null when nothing is.</summary>
    public static string? Mismatch(Fields fields, TuneRecord record)
    {
        foreach (var (name, expected) in Of(record).All)
        {
            if (expected is string text && fields.TextOrNull(name) is { } found && found != text)
            {
                return $"its {(name == Fields.Id ? "name" : name)} is stored as '{found}', but is '{text}'";
            }
        }

        return null;
    }

    public static Fields Of(TuneHistoryEntry entry, string id) =>
        new()
        {
            [Fields.Id] = id,
            ["recorded"] = RecordText.Time(entry.RecordedUtc),
            ["outcome"] = StoredForm.Name(entry.Outcome),
            ["origin"] = StoredForm.Name(entry.Record.Origin),
            ["certified"] = entry.Record.Certified,
            ["compiler"] = entry.Record.Key.CompilerVersion,
            ["body"] = entry.Record.ToText(),
            ["checksum"] = StoredForm.Checksum(entry),
        };

    public static TuneHistoryEntry? Offer(Fields fields, out string? damage)
    {
        try
        {
            var entry = new TuneHistoryEntry(
                RecordText.Time(fields.Text("recorded")),
                StoredForm.Outcome(fields.Text("outcome")),
                RecordText.Read(fields.Text("body")) with
                {
                    Origin = StoredForm.Origin(fields.Text("origin")),
                    Certified = fields.Flag("certified"),
                }
            );
            damage = StoredForm.Checksum(entry) == fields.Text("checksum") ? null : "its checksum does not match";
            return damage is null ? entry : null;
        }
        catch (Exception e) when (IsDamage(e))
        {
            damage = $"a value cannot be read ({e.Message.TrimEnd('.')})";
            return null;
        }
    }

    public static Fields Of(TuneCandidate candidate, string id) =>
        new()
        {
            [Fields.Id] = id,
            ["compiler"] = candidate.Key.CompilerVersion,
            ["run"] = candidate.Run,
            ["trace_hash"] = candidate.TraceHash,
            ["trace"] = candidate.Trace,
            ["outcome"] = candidate.Outcome,
            ["milliseconds"] = candidate.Milliseconds,
            ["utc"] = RecordText.Time(candidate.Utc),
            ["detail"] = candidate.Detail,
        };

    public static TuneCandidate? Candidate(Fields fields, TuneKey key, out string? damage)
    {
        try
        {
            var candidate = new TuneCandidate(
                key,
                fields.Text("run"),
                fields.Text("trace_hash"),
                fields.TextOrNull("trace"),
                fields.Text("outcome"),
                fields.RealOrNull("milliseconds"),
                RecordText.Time(fields.Text("utc")),
                fields.Text("detail")
            );
            candidate.Validate();
            damage = null;
            return candidate;
        }
        catch (Exception e) when (IsDamage(e))
        {
            damage = e.Message;
            return null;
        }
    }

    /// <summary>The part of a name behind its first stroke: when a numbered document was made.</summary>
    public static string Number(Fields fields)
    {
        var id = fields.TextOrNull(Fields.Id) ?? "";
        return id[(id.IndexOf('/', StringComparison.Ordinal) + 1)..];
    }

    /// <summary>The part of a name before its first stroke.</summary>
    public static string Beginning(Fields fields)
    {
        var id = fields.TextOrNull(Fields.Id) ?? "";
        var end = id.IndexOf('/', StringComparison.Ordinal);
        return end < 0 ? id : id[..end];
    }

    private static bool IsDamage(Exception e) =>
        e is FormatException or OverflowException or ArgumentException or InvalidOperationException;
}
