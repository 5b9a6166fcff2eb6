using System.Data.Common;
using Picograd.TuneDb.Text;

namespace Picograd.TuneDb.Sql;

/// <summary>A record as a row of the table <c>records</c>, with a checksum over everything in it.</summary>
internal static class RecordRow
{
    public const string Columns =
        "structure, shapes, dtypes, layouts, target, compiler, policy, spec, trace, guards, milliseconds, "
        + "default_milliseconds, samples, error_ratio, certification_ok, bit_stable, certification_detail, utc, machine, "
        + "seed, budget, candidates_tried, stop_reason, runtime, tool, origin, certified, checksum, key_hash, "
        + "family_hash, trace_hash, problem";

    /// <summary>Puts a record into its place, over what is there.</summary>
    public static readonly string Insert = $"""
        INSERT INTO records ({Columns}) VALUES (
          @structure, @shapes, @dtypes, @layouts, @target, @compiler, @policy, @spec, @trace, @guards, @milliseconds,
          @default, @samples, @ratio, @ok, @stable, @detail, @utc, @machine,
          @seed, @budget, @tried, @stop, @runtime, @tool, @origin, @certified, @checksum, @key, @family, @traceHash, @problem)
        ON CONFLICT (key_hash, certified) DO UPDATE SET {string.Join(
            ", ",
            Columns.Split(", ").Select(column => $"{column} = excluded.{column}")
        )}
        """;

    /// <summary>The columns as a file of an older version, which is read without being migrated, has them.</summary>
    public static string ColumnsIn(int version) =>
        version >= 4 ? Columns : Columns[..^"problem".Length] + "'' AS problem";

    public static void Bind(DbCommand command, TuneRecord record)
    {
        command.With("@structure", record.Key.Structure);
        command.With("@shapes", record.Key.Shapes);
        command.With("@dtypes", record.Key.DTypes);
        command.With("@layouts", record.Key.Layouts);
        command.With("@target", record.Key.Target);
        command.With("@compiler", record.Key.CompilerVersion);
        command.With("@policy", record.Key.Policy);
        command.With("@spec", record.Spec);
        command.With("@trace", record.Trace);
        command.With("@guards", string.Join('\n', record.Guards.Select(Escape.Write)));
        command.With("@milliseconds", record.Milliseconds);
        command.With("@default", record.DefaultMilliseconds);
        command.With("@samples", RecordText.Samples(record.Samples));
        command.With("@ratio", record.Certification.ErrorRatio);
        command.With("@ok", record.Certification.Ok ? 1 : 0);
        command.With("@stable", record.Certification.BitStable ? 1 : 0);
        command.With("@detail", record.Certification.Detail);
        command.With("@utc", RecordText.Time(record.Provenance.Utc));
        command.With("@machine", record.Provenance.Machine);
        command.With("@seed", record.Provenance.Seed);
        command.With("@budget", record.Provenance.Budget);
        command.With("@tried", record.Provenance.CandidatesTried);
        command.With("@stop", record.Provenance.StopReason);
        command.With("@runtime", record.Provenance.RuntimeVersion);
        command.With("@tool", record.Provenance.ToolVersion);
        command.With("@origin", StoredForm.Name(record.Origin));
        command.With("@certified", record.Certified ? 1 : 0);
        command.With("@checksum", StoredForm.Checksum(record));
        command.With("@key", record.Key.Hash);
        command.With("@family", record.Key.FamilyHash);
        command.With("@traceHash", record.TraceHash);
        command.With("@problem", record.ProblemText);
    }

    /// <summary>
    /// Reads the row that the reader stands on. Any damage (a value that cannot be read, a checksum that does not match)
    /// gives null and a clause, never a wrong record.
    /// </summary>
    public static TuneRecord? Read(DbDataReader row, out string? damage)
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
