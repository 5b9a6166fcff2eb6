using System.Data.Common;
using Picograd.TuneDb.Text;

namespace Picograd.TuneDb.Sql;

/// <summary>A candidate as a row of the table <c>candidates</c>, joined with the text of its key.</summary>
internal static class CandidateRow
{
    public const string Insert = """
        INSERT INTO candidates (key_hash, run, trace_hash, trace, outcome, milliseconds, utc, detail)
        VALUES (@key, @run, @traceHash, @trace, @outcome, @milliseconds, @utc, @detail)
        """;

    /// <summary>All of them.</summary>
    /// <param name="outcome">The column that tells what became of one.</param>
    public static string Select(string outcome) =>
        $"SELECT k.body, run, trace_hash, trace, {outcome}, milliseconds, utc, detail "
        + "FROM candidates c JOIN keys k ON k.key_hash = c.key_hash";

    public static void Bind(DbCommand command, TuneCandidate candidate)
    {
        command.With("@key", candidate.Key.Hash);
        command.With("@run", candidate.Run);
        command.With("@traceHash", candidate.TraceHash);
        command.With("@trace", candidate.Trace);
        command.With("@outcome", candidate.Outcome);
        command.With("@milliseconds", candidate.Milliseconds);
        command.With("@utc", RecordText.Time(candidate.Utc));
        command.With("@detail", candidate.Detail);
    }

    /// <summary>Reads the row that the reader stands on; null and a clause when it is damaged.</summary>
    /// <param name="row">What to read.</param>
    /// <param name="keys">Keys read so far, by their texts.</param>
    /// <param name="damage">What is wrong.</param>
    public static TuneCandidate? Read(DbDataReader row, Dictionary<string, TuneKey> keys, out string? damage)
    {
        try
        {
            var body = row.GetString(0);
            if (!keys.TryGetValue(body, out var parsed))
            {
                keys.Add(body, parsed = TuneKey.Parse(body));
            }

            damage = null;
            var candidate = new TuneCandidate(
                parsed,
                row.GetString(1),
                row.GetString(2),
                row.IsDBNull(3) ? null : row.GetString(3),
                row.GetString(4),
                row.IsDBNull(5) ? null : row.GetDouble(5),
                RecordText.Time(row.GetString(6)),
                row.GetString(7)
            );
            candidate.Validate();
            return candidate;
        }
        catch (Exception e)
            when (e is FormatException or ArgumentException or InvalidOperationException or InvalidCastException)
        {
            damage = e.Message;
            return null;
        }
    }
}
