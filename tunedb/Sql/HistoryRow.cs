using System.Data.Common;
using Picograd.TuneDb.Text;

namespace Picograd.TuneDb.Sql;

/// <summary>An offer as a row of the table <c>history</c>: the record's canonical text with what became of it.</summary>
internal static class HistoryRow
{
    public const string Columns = "recorded_utc, outcome, origin, certified, body, checksum";

    public const string Insert = """
        INSERT INTO history (key_hash, recorded_utc, outcome, origin, certified, compiler, body, checksum)
        VALUES (@key, @recorded, @outcome, @origin, @certified, @compiler, @body, @checksum)
        """;

    public static void Bind(DbCommand command, TuneHistoryEntry entry)
    {
        command.With("@key", entry.Record.Key.Hash);
        command.With("@recorded", RecordText.Time(entry.RecordedUtc));
        command.With("@outcome", StoredForm.Name(entry.Outcome));
        command.With("@origin", StoredForm.Name(entry.Record.Origin));
        command.With("@certified", entry.Record.Certified ? 1 : 0);
        command.With("@compiler", entry.Record.Key.CompilerVersion);
        command.With("@body", entry.Record.ToText());
        command.With("@checksum", StoredForm.Checksum(entry));
    }

    /// <summary>Reads the row that the reader stands on; null and a clause when it is damaged.</summary>
    public static TuneHistoryEntry? Read(DbDataReader row, out string? damage)
    {
        try
        {
            var entry = new TuneHistoryEntry(
                RecordText.Time(row.GetString(0)),
                StoredForm.Outcome(row.GetString(1)),
                RecordText.Read(row.GetString(4)) with
                {
                    Origin = StoredForm.Origin(row.GetString(2)),
                    Certified = row.GetInt64(3) == 1,
                }
            );
            damage = StoredForm.Checksum(entry) == row.GetString(5) ? null : "its checksum does not match";
            return damage is null ? entry : null;
        }
        catch (Exception e)
            when (e is FormatException or OverflowException or InvalidCastException or InvalidOperationException)
        {
            damage = $"a value cannot be read ({e.Message.TrimEnd('.')})";
            return null;
        }
    }
}
