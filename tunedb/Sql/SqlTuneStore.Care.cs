using System.Data.Common;
using Picograd.TuneDb.Text;

namespace Picograd.TuneDb.Sql;

/// <summary>Care of the tables: verification and pruning.</summary>
public abstract partial class SqlTuneStore
{
    /// <inheritdoc/>
    public override TuneVerifyReport Verify() =>
        Run(() =>
        {
            var problems = new List<string>();
            var (records, certified) = (0, 0);
            try
            {
                VerifyStorage(problems);
                (records, certified) = VerifyRecords(problems);
                VerifyHistory(problems);
                VerifyKeys(problems);
            }
            catch (DbException e)
            {
                // Damage that stops the engine itself is a finding here, like the others.
                problems.Add(Translate(e).Message);
            }

            return new TuneVerifyReport(records, certified, problems);
        });

    /// <inheritdoc/>
    public override TunePruneResult Prune(TunePruneOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.OlderThan is { Kind: not DateTimeKind.Utc } moment)
        {
            throw new ArgumentException($"OlderThan is of kind {moment.Kind}, but it must be Utc.", nameof(options));
        }

        var result = Atomically(() =>
        {
            var (records, history, candidates) = (0, 0, 0);
            if (options.OlderThan is { } limit)
            {
                // The fixed-width UTC form sorts as text in the order of time.
                var text = RecordText.Time(limit);
                records += DeleteWhere("records WHERE utc < @value0", text);
                history += DeleteWhere("history WHERE recorded_utc < @value0", text);
                candidates += DeleteWhere("candidates WHERE utc < @value0", text);
            }

            if (options.KeepCompilerVersions is { } versions)
            {
                // No list of none in SQL; no version is empty.
                var isOther =
                    $"compiler NOT IN ('', {string.Join(", ", Enumerable.Range(0, versions.Count).Select(i => $"@value{i}"))}".TrimEnd(
                        ' ',
                        ','
                    ) + ")";
                object[] keep = [.. versions];
                records += DeleteWhere($"records WHERE {isOther}", keep);
                history += DeleteWhere($"history WHERE {isOther}", keep);
                candidates += DeleteWhere(
                    $"candidates WHERE key_hash IN (SELECT key_hash FROM keys WHERE {isOther})",
                    keep
                );
            }

            if (options.Uncertified)
            {
                records += DeleteWhere("records WHERE certified = 0");
            }

            if (options.Candidates)
            {
                candidates += DeleteWhere("candidates");
            }

            if (options.History)
            {
                history += DeleteWhere("history");
            }

            if (options.Damaged)
            {
                records += DeleteDamaged("records", $"SELECT {RecordRow.Columns}, id FROM records", RecordRow.Read);
                history += DeleteDamaged("history", $"SELECT {HistoryRow.Columns}, id FROM history", HistoryRow.Read);
            }

            DeleteWhere("keys WHERE key_hash NOT IN (SELECT key_hash FROM candidates)");
            _knownKeys.Clear();
            return new TunePruneResult(records, history, candidates) { Binaries = PruneMore(options) };
        });
        GiveBackSpace();
        return result;
    }

    /// <summary>Deletes, with parameters <c>@value0</c> and on; returns how many.</summary>
    private protected int DeleteWhere(string tableAndCondition, params ReadOnlySpan<object> values)
    {
        using var command = Command($"DELETE FROM {tableAndCondition}");
        for (var i = 0; i < values.Length; i++)
        {
            command.With($"@value{i}", values[i]);
        }

        return command.ExecuteNonQuery();
    }

    private int DeleteDamaged<T>(string table, string select, RowReader<T> read)
        where T : class
    {
        var damaged = new List<long>();
        using (var command = Command(select))
        using (var rows = command.ExecuteReader())
        {
            while (rows.Read())
            {
                if (read(rows, out _) is null)
                {
                    damaged.Add(rows.GetInt64(rows.FieldCount - 1));
                }
            }
        }

        return damaged.Sum(id => DeleteWhere($"{table} WHERE id = @value0", id));
    }

    private (int Records, int Certified) VerifyRecords(List<string> problems)
    {
        var (records, certified) = (0, 0);
        using var command = Command($"SELECT {RecordColumns} FROM records ORDER BY key_hash, certified");
        using var rows = command.ExecuteReader();
        while (rows.Read())
        {
            var problem = VerifyRecord(rows, out var isCertified);
            if (problem is not null)
            {
                var name = $"'{PlainText.Of(Text(rows, 7))}' (key {PlainText.Of(Text(rows, 28))})";
                problems.Add($"The record of {name} is unsound: {PlainText.Of(problem)}.");
                continue;
            }

            records++;
            certified += isCertified ? 1 : 0;
        }

        return (records, certified);
    }

    private static string? VerifyRecord(DbDataReader row, out bool certified)
    {
        certified = false;
        if (RecordRow.Read(row, out var damage) is not { } record)
        {
            return damage;
        }

        certified = record.Certified;
        return record.Fault()
            ?? Mismatch("key", record.Key.Hash, row.GetString(28))
            ?? Mismatch("family", record.Key.FamilyHash, row.GetString(29))
            ?? Mismatch("trace", record.TraceHash, row.GetString(30));
    }

    private static string Text(DbDataReader row, int column) =>
        row.IsDBNull(column)
            ? ""
            : Convert.ToString(row.GetValue(column), System.Globalization.CultureInfo.InvariantCulture) ?? "";

    private static string? Mismatch(string what, string expected, string found) =>
        expected == found ? null : $"the hash of its {what} is stored as {found}, but is {expected}";

    private void VerifyHistory(List<string> problems)
    {
        using var command = Command($"SELECT {HistoryRow.Columns}, id FROM history ORDER BY id");
        using var rows = command.ExecuteReader();
        while (rows.Read())
        {
            if (HistoryRow.Read(rows, out var damage) is null)
            {
                problems.Add($"Entry {rows.GetInt64(6)} of the history is unsound: {damage}.");
            }
        }
    }

    private void VerifyKeys(List<string> problems)
    {
        using (var command = Command("SELECT key_hash, body FROM keys"))
        using (var rows = command.ExecuteReader())
        {
            while (rows.Read())
            {
                if (Digest.Short(rows.GetString(1)) is var hash && hash != rows.GetString(0))
                {
                    problems.Add(
                        $"The key {rows.GetString(0)} of the candidate log is unsound: its text hashes to {hash}."
                    );
                }
            }
        }

        using var count = Command("SELECT count(*) FROM candidates WHERE key_hash NOT IN (SELECT key_hash FROM keys)");
        var orphans = Convert.ToInt64(count.ExecuteScalar(), System.Globalization.CultureInfo.InvariantCulture);
        if (orphans > 0)
        {
            problems.Add($"{orphans} entries of the candidate log have no key.");
        }
    }
}
