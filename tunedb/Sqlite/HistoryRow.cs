using Microsoft.Data.Sqlite;
using Picograd.TuneDb.Text;

namespace Picograd.TuneDb.Sqlite;

/// <summary>An offer as a row of the table <c>history</c>: the record's canonical text with what became of it.</summary>
internal static class HistoryRow
{
    public const string Columns = "recorded_utc, outcome, origin, certified, body, checksum";

    public const string Insert = """
        INSERT INTO history (key_hash, recorded_utc, outcome, origin, certified, compiler, body, checksum)
        VALUES ($key, $recorded, $outcome, $origin, $certified, $compiler, $body, $checksum)
        """;

    public static void Bind(SqliteCommand command, TuneHistoryEntry entry)
    {
        var parameters = command.Parameters;
        parameters.AddWithValue("$key", entry.Record.Key.Hash);
        parameters.AddWithValue("$recorded", RecordText.Time(entry.RecordedUtc));
        parameters.AddWithValue("$outcome", StoredForm.Name(entry.Outcome));
        parameters.AddWithValue("$origin", StoredForm.Name(entry.Record.Origin));
        parameters.AddWithValue("$certified", entry.Record.Certified ? 1 : 0);
        parameters.AddWithValue("$compiler", entry.Record.Key.CompilerVersion);
        parameters.AddWithValue("$body", entry.Record.ToText());
        parameters.AddWithValue("$checksum", StoredForm.Checksum(entry));
    }

    /// <summary>Reads the row that the reader stands on; null and a clause when it is damaged.</summary>
    public static TuneHistoryEntry? Read(SqliteDataReader row, out string? damage)
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
