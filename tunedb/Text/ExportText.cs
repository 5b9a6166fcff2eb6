using System.Globalization;
using System.Text;

namespace Picograd.TuneDb.Text;

/// <summary>
/// The text of exported winners: a first line with the format's version, records in ordinal order of their texts, each
/// between <c>record KEYHASH</c> and <c>checksum SHA256</c>, and a last line with the number of records and a checksum of
/// all checksums. Lines that begin with <c>#</c> between records, and blank lines there, are comments.
/// </summary>
internal static class ExportText
{
    private const string Magic = "picograd-winners";
    private const int Version = 1;

    // Characters; records have some thousands, most of them their trace.
    private const int LongestRecord = 1 << 20;

    // Sentences that people read.
    private const int MostProblems = 100;

    public static void Write(TextWriter writer, IEnumerable<TuneRecord> records)
    {
        // The line feeds are written out, so that the bytes are the same on every system.
        writer.Write($"{Magic} {Version}\n");
        var checksums = new StringBuilder();
        var count = 0;
        foreach (
            var (text, hash) in records
                .Select(r => (r.ToText(), r.Key.Hash))
                .OrderBy(r => r.Item1, StringComparer.Ordinal)
        )
        {
            var checksum = Digest.Full(text);
            checksums.Append(checksum).Append('\n');
            count++;
            writer.Write($"\nrecord {hash}\n{text}checksum {checksum}\n");
        }

        writer.Write($"\nend {count.ToString(CultureInfo.InvariantCulture)} {Digest.Full(checksums.ToString())}\n");
    }

    /// <summary>Reads all records; a damaged one becomes a sentence in <c>Problems</c>.</summary>
    /// <param name="reader">The text.</param>
    /// <param name="origin">Origin that the records get.</param>
    /// <param name="trustCertification">
    /// Whether a record that claims to have passed counts as certified: true for what ships with the library only.
    /// </param>
    /// <exception cref="TuneDbException">The text is foreign, newer or cut off.</exception>
    public static (IReadOnlyList<TuneRecord> Records, IReadOnlyList<string> Problems) Read(
        TextReader reader,
        TuneOrigin origin,
        bool trustCertification
    )
    {
        var lines = new LineReader(reader);
        ReadHeader(lines.ReadLine());
        var records = new List<TuneRecord>();
        var problems = new List<string>();
        var checksums = new StringBuilder();
        var count = 0;
        for (var line = lines.ReadLine(); line is not null; line = lines.ReadLine())
        {
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }

            var (name, value) = FieldLine.Split(line);
            if (name == "end")
            {
                CheckEnd(value, count, checksums.ToString(), problems);
                return (records, problems);
            }

            if (name != "record")
            {
                throw Bad($"holds '{Shorten(line)}' where a record or the end is expected", TuneDbErrorKind.BadText);
            }

            count++;
            var (text, checksum) = ReadBody(lines);
            checksums.Append(checksum).Append('\n');
            try
            {
                records.Add(ReadRecord(value, text, checksum, origin, trustCertification));
            }
            catch (Exception e) when (e is FormatException or OverflowException)
            {
                if (problems.Count < MostProblems)
                {
                    problems.Add($"Record {count} ({Shorten(value)}) was refused: {Shorten(e.Message)}.");
                }
                else if (problems.Count == MostProblems)
                {
                    problems.Add($"More records than these {MostProblems} were refused.");
                }
            }
        }

        throw Bad($"is cut off: it ends after {count} records without its last line", TuneDbErrorKind.Truncated);
    }

    private static void ReadHeader(string? line)
    {
        var (name, value) = FieldLine.Split(line ?? "");
        if (name != Magic || !int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var version))
        {
            throw Bad(
                $"is not in the export format: its first line is not '{Magic} {Version}'",
                TuneDbErrorKind.BadText
            );
        }

        if (version > Version)
        {
            throw Bad(
                $"is of format {version}, but this version of Picograd reads formats up to {Version}; update Picograd",
                TuneDbErrorKind.NewerSchema
            );
        }
    }

    private static (string Text, string Checksum) ReadBody(LineReader lines)
    {
        var body = new StringBuilder();
        for (var line = lines.ReadLine(); line is not null; line = lines.ReadLine())
        {
            var (name, value) = FieldLine.Split(line);
            if (name == "checksum")
            {
                return (body.ToString(), value);
            }

            if (name is "record" or "end")
            {
                break;
            }

            body.Append(line).Append('\n');
            if (body.Length > LongestRecord)
            {
                throw Bad(
                    $"has a record of more than {LongestRecord} characters, so it is no export",
                    TuneDbErrorKind.BadText
                );
            }
        }

        throw Bad("is cut off: it ends within a record", TuneDbErrorKind.Truncated);
    }

    private static TuneRecord ReadRecord(
        string keyHash,
        string text,
        string checksum,
        TuneOrigin origin,
        bool trustCertification
    )
    {
        if (Digest.Full(text) != checksum)
        {
            throw new FormatException("its checksum does not match");
        }

        var record = RecordText.Read(text);
        return record.Key.Hash == keyHash
            ? record with
            {
                Origin = origin,
                Certified = trustCertification && record.Certification.Ok,
            }
            : throw new FormatException("the hash of its key does not match");
    }

    private static void CheckEnd(string value, int count, string checksums, List<string> problems)
    {
        var expected = $"{count.ToString(CultureInfo.InvariantCulture)} {Digest.Full(checksums)}";
        if (value != expected)
        {
            problems.Add(
                $"The last line does not match the {count} records above it, so the text was changed after export."
            );
        }
    }

    private static string Shorten(string text) => PlainText.Of(text.Length <= 200 ? text : text[..200] + "…");

    private static TuneDbException Bad(string clause, TuneDbErrorKind kind) =>
        new(kind, null, $"The text of exported winners {clause}.");
}
