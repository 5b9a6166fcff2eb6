using Microsoft.Data.Sqlite;
using Picograd.TuneDb.Text;

namespace Picograd.TuneDb.Sqlite;

/// <summary>A record as a row of the table <c>records</c>, with a checksum over everything in it.</summary>
internal static class RecordRow
{
    public const string Columns =
        "structure, shapes, dtypes, layouts, target, compiler, policy, spec, trace, guards, milliseconds, "
        + "default_milliseconds, samples, error_ratio, certification_ok, bit_stable, certification_detail, utc, machine, "
        + "seed, budget, candidates_tried, stop_reason, runtime, tool, origin, certified, checksum, key_hash, "
        + "family_hash, trace_hash, problem";

    public const string Insert = $"""
        INSERT OR REPLACE INTO records ({Columns}) VALUES (
          $structure, $shapes, $dtypes, $layouts, $target, $compiler, $policy, $spec, $trace, $guards, $milliseconds,
          $default, $samples, $ratio, $ok, $stable, $detail, $utc, $machine,
          $seed, $budget, $tried, $stop, $runtime, $tool, $origin, $certified, $checksum, $key, $family, $traceHash, $problem)
        """;

    /// <summary>The columns as a file of an older version, which is read without being migrated, has them.</summary>
    public static string ColumnsIn(int version) =>
        version >= 4 ? Columns : Columns[..^"problem".Length] + "'' AS problem";

    public static void Bind(SqliteCommand command, TuneRecord record)
    {
        var parameters = command.Parameters;
        parameters.AddWithValue("$structure", record.Key.Structure);
        parameters.AddWithValue("$shapes", record.Key.Shapes);
        parameters.AddWithValue("$dtypes", record.Key.DTypes);
        parameters.AddWithValue("$layouts", record.Key.Layouts);
        parameters.AddWithValue("$target", record.Key.Target);
        parameters.AddWithValue("$compiler", record.Key.CompilerVersion);
        parameters.AddWithValue("$policy", record.Key.Policy);
        parameters.AddWithValue("$spec", record.Spec);
        parameters.AddWithValue("$trace", record.Trace);
        parameters.AddWithValue("$guards", string.Join('\n', record.Guards.Select(Escape.Write)));
        parameters.AddWithValue("$milliseconds", record.Milliseconds);
        parameters.AddWithValue("$default", record.DefaultMilliseconds ?? (object)DBNull.Value);
        parameters.AddWithValue("$samples", RecordText.Samples(record.Samples));
        parameters.AddWithValue("$ratio", record.Certification.ErrorRatio);
        parameters.AddWithValue("$ok", record.Certification.Ok ? 1 : 0);
        parameters.AddWithValue("$stable", record.Certification.BitStable ? 1 : 0);
        parameters.AddWithValue("$detail", record.Certification.Detail);
        parameters.AddWithValue("$utc", RecordText.Time(record.Provenance.Utc));
        parameters.AddWithValue("$machine", record.Provenance.Machine);
        parameters.AddWithValue("$seed", record.Provenance.Seed);
        parameters.AddWithValue("$budget", record.Provenance.Budget);
        parameters.AddWithValue("$tried", record.Provenance.CandidatesTried);
        parameters.AddWithValue("$stop", record.Provenance.StopReason);
        parameters.AddWithValue("$runtime", record.Provenance.RuntimeVersion);
        parameters.AddWithValue("$tool", record.Provenance.ToolVersion);
        parameters.AddWithValue("$origin", StoredForm.Name(record.Origin));
        parameters.AddWithValue("$certified", record.Certified ? 1 : 0);
        parameters.AddWithValue("$checksum", StoredForm.Checksum(record));
        parameters.AddWithValue("$key", record.Key.Hash);
        parameters.AddWithValue("$family", record.Key.FamilyHash);
        parameters.AddWithValue("$traceHash", record.TraceHash);
        parameters.AddWithValue("$problem", record.ProblemText);
    }

    /// <summary>
    /// Reads the row that the reader stands on. Any damage (a value that cannot be read, a checksum that does not match)
    /// gives null and a clause, never a wrong record.
    /// </summary>
    public static TuneRecord? Read(SqliteDataReader row, out string? damage)
    {
        try
        {
            var record = new TuneRecord
            {
                Key = new TuneKey(
                    row.GetString(0),
                    row.GetString(1),
                    row.GetString(2),
                    row.GetString(3),
                    row.GetString(4),
                    row.GetString(5),
                    row.GetString(6)
                ),
                Spec = row.GetString(7),
                ProblemText = row.GetString(31),
                Trace = row.GetString(8),
                Guards = row.GetString(9) is { Length: > 0 } guards
                    ? Array.ConvertAll(guards.Split('\n'), Escape.Read)
                    : [],
                Milliseconds = row.GetDouble(10),
                DefaultMilliseconds = row.IsDBNull(11) ? null : row.GetDouble(11),
                Samples = RecordText.Samples(row.GetString(12)),
                Certification = new Certification(
                    row.GetDouble(13),
                    row.GetInt64(14) == 1,
                    row.GetInt64(15) == 1,
                    row.GetString(16)
                ),
                Provenance = new Provenance(
                    RecordText.Time(row.GetString(17)),
                    row.GetString(18),
                    row.GetInt64(19),
                    row.GetString(20),
                    checked((int)row.GetInt64(21)),
                    row.GetString(22),
                    row.GetString(23),
                    row.GetString(24)
                ),
                Origin = StoredForm.Origin(row.GetString(25)),
                Certified = row.GetInt64(26) == 1,
            };
            damage = StoredForm.Checksum(record) == row.GetString(27) ? record.Fault() : "its checksum does not match";
            return damage is null ? record : null;
        }
        catch (Exception e)
            when (e is FormatException or OverflowException or InvalidCastException or InvalidOperationException
                || e is System.Text.EncoderFallbackException
            )
        {
            damage = $"a value cannot be read ({e.Message.TrimEnd('.')})";
            return null;
        }
    }
}
