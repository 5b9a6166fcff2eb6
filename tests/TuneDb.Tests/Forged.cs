using System.Security.Cryptography;
using System.Text;
using Microsoft.Data.Sqlite;

namespace Picograd.Tests;

/// <summary>Records that no store would take, as somebody writes them who knows how checksums are made.</summary>
internal static class Forged
{
    /// <summary>A text of exported winners with the record.</summary>
    public static string Export(TuneRecord record)
    {
        var text = record.ToText();
        var checksum = Digest(text);
        return $"picograd-winners 1\n\nrecord {record.Key.Hash}\n{text}checksum {checksum}\n\nend 1 {Digest(checksum + "\n")}\n";
    }

    /// <summary>The record as a certified row of a database.</summary>
    public static void Insert(string path, TuneRecord record)
    {
        using var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = """
            INSERT INTO records (structure, shapes, dtypes, layouts, target, compiler, policy, spec, trace, guards, milliseconds,
              default_milliseconds, samples, error_ratio, certification_ok, bit_stable, certification_detail, utc, machine,
              seed, budget, candidates_tried, stop_reason, runtime, tool, origin, certified, checksum, key_hash, family_hash, trace_hash)
            VALUES ($0, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1, 1, $14, $15, $16, $17, $18, $19, $20, $21, $22,
              'local', 1, $23, $24, $25, $26)
            """;
        var p = record.Provenance;
        object?[] values =
        [
            record.Key.Structure,
            record.Key.Shapes,
            record.Key.DTypes,
            record.Key.Layouts,
            record.Key.Target,
            record.Key.CompilerVersion,
            record.Key.Policy,
            record.Spec,
            record.Trace,
            string.Join('\n', record.Guards),
            // SQLite has no such number; what stands there instead must be told as well.
            double.IsNaN(record.Milliseconds)
                ? double.PositiveInfinity
                : record.Milliseconds,
            record.DefaultMilliseconds,
            string.Join(
                ' ',
                record.Samples.Select(s => s.ToString("R", System.Globalization.CultureInfo.InvariantCulture))
            ),
            record.Certification.ErrorRatio,
            record.Certification.Detail,
            p.Utc.ToString("O"),
            p.Machine,
            p.Seed,
            p.Budget,
            p.CandidatesTried,
            p.StopReason,
            p.RuntimeVersion,
            p.ToolVersion,
            Digest(
                $"{(double.IsNaN(record.Milliseconds) ? record with { Milliseconds = double.PositiveInfinity } : record).ToText()}origin local\ncertified 1\n"
            ),
            record.Key.Hash,
            record.Key.FamilyHash,
            record.TraceHash,
        ];
        for (var i = 0; i < values.Length; i++)
        {
            command.Parameters.AddWithValue($"${i}", values[i] ?? DBNull.Value);
        }

        command.ExecuteNonQuery();
    }

    private static string Digest(string text) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
