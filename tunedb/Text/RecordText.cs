using System.Globalization;
using System.Text;

namespace Picograd.TuneDb.Text;

/// <summary>
/// The canonical text of a record: <c>name value</c> lines in fixed order, then <c>trace</c> and the steps of the
/// trace, each behind <c>"  | "</c>. Numbers are written so that they read back to the same bits. Reading accepts exactly
/// what writing produces, so text and record determine each other.
/// </summary>
internal static class RecordText
{
    private const string Margin = "  |";

    public static string Write(TuneRecord record)
    {
        var builder = new StringBuilder(1024 + record.Trace.Length);
        record.Key.AppendTo(builder);
        FieldLine.Append(builder, "spec", record.Spec);
        // Records of versions that did not keep it read and write as they did.
        if (record.ProblemText.Length > 0)
        {
            builder.Append("problem\n");
            AppendBlock(builder, record.ProblemText);
        }

        foreach (var guard in record.Guards)
        {
            FieldLine.Append(builder, "guard", guard);
        }

        FieldLine.Append(builder, "milliseconds", Number(record.Milliseconds));
        FieldLine.Append(
            builder,
            "default-milliseconds",
            record.DefaultMilliseconds is { } standard ? Number(standard) : ""
        );
        FieldLine.Append(builder, "samples", Samples(record.Samples));
        FieldLine.Append(builder, "error-ratio", Number(record.Certification.ErrorRatio));
        FieldLine.Append(builder, "certification-ok", Flag(record.Certification.Ok));
        FieldLine.Append(builder, "bit-stable", Flag(record.Certification.BitStable));
        FieldLine.Append(builder, "certification-detail", record.Certification.Detail);
        FieldLine.Append(builder, "utc", Time(record.Provenance.Utc));
        FieldLine.Append(builder, "machine", record.Provenance.Machine);
        FieldLine.Append(builder, "seed", record.Provenance.Seed.ToString(CultureInfo.InvariantCulture));
        FieldLine.Append(builder, "budget", record.Provenance.Budget);
        FieldLine.Append(
            builder,
            "candidates-tried",
            record.Provenance.CandidatesTried.ToString(CultureInfo.InvariantCulture)
        );
        FieldLine.Append(builder, "stop-reason", record.Provenance.StopReason);
        FieldLine.Append(builder, "runtime", record.Provenance.RuntimeVersion);
        FieldLine.Append(builder, "tool", record.Provenance.ToolVersion);
        builder.Append("trace\n");
        AppendBlock(builder, record.Trace);
        return builder.ToString();
    }

    private static void AppendBlock(StringBuilder builder, string text)
    {
        foreach (var line in text.Split('\n'))
        {
            builder.Append(Margin);
            if (line.Length > 0)
            {
                builder.Append(' ');
                Escape.Append(builder, line);
            }

            builder.Append('\n');
        }
    }

    /// <summary>The inverse of <see cref="Write"/>; the result is uncertified and local until the caller says else.</summary>
    /// <exception cref="FormatException">The text is not what <see cref="Write"/> would have written.</exception>
    public static TuneRecord Read(string text)
    {
        var record = ReadOwn(text);
        return Write(record) == text
            ? record
            : throw new FormatException("it is not in canonical form (a number or a time is written in another way)");
    }

    /// <summary>
    /// The same for a text whose checksum says that <see cref="Write"/> wrote it; not writing it again halves the time.
    /// </summary>
    /// <exception cref="FormatException">The text is no record.</exception>
    public static TuneRecord ReadOwn(string text)
    {
        if (!text.EndsWith('\n'))
        {
            throw new FormatException("its last line is cut off");
        }

        var lines = new Lines(text[..^1].Split('\n'));
        var keyText = new StringBuilder(256);
        for (var i = 0; i < TuneKey.Lines; i++)
        {
            keyText.Append(lines.Next()).Append('\n');
        }

        var key = TuneKey.Parse(keyText.ToString());
        var spec = lines.Field("spec");
        var problemText = "";
        if (lines.NextIs("problem"))
        {
            _ = lines.Field("problem");
            problemText = lines.Block(Margin);
        }

        var guards = new List<string>();
        while (lines.NextIs("guard"))
        {
            guards.Add(lines.Field("guard"));
        }

        var milliseconds = Number(lines.Field("milliseconds"));
        var standard = lines.Field("default-milliseconds");
        var samples = Samples(lines.Field("samples"));
        var certification = new Certification(
            Number(lines.Field("error-ratio")),
            Flag(lines.Field("certification-ok")),
            Flag(lines.Field("bit-stable")),
            lines.Field("certification-detail")
        );
        var provenance = new Provenance(
            Time(lines.Field("utc")),
            lines.Field("machine"),
            long.Parse(lines.Field("seed"), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture),
            lines.Field("budget"),
            int.Parse(lines.Field("candidates-tried"), NumberStyles.None, CultureInfo.InvariantCulture),
            lines.Field("stop-reason"),
            lines.Field("runtime"),
            lines.Field("tool")
        );
        _ = lines.Field("trace");
        var record = new TuneRecord
        {
            Key = key,
            Spec = spec,
            ProblemText = problemText,
            Guards = guards,
            Milliseconds = milliseconds,
            DefaultMilliseconds = standard.Length == 0 ? null : Number(standard),
            Samples = samples,
            Certification = certification,
            Provenance = provenance,
            Trace = lines.RestBehind(Margin),
        };
        if (record.Fault() is { } problem)
        {
            throw new FormatException(problem);
        }

        return record;
    }

    public static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    public static double Number(string text) => double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);

    public static string Time(DateTime utc) => utc.ToString("O", CultureInfo.InvariantCulture);

    public static DateTime Time(string text) =>
        DateTime.ParseExact(text, "O", CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind);

    public static string Samples(IReadOnlyList<double> samples)
    {
        var builder = new StringBuilder(samples.Count * 8);
        for (var i = 0; i < samples.Count; i++)
        {
            builder.Append(i > 0 ? " " : "").Append(Number(samples[i]));
        }

        return builder.ToString();
    }

    public static IReadOnlyList<double> Samples(string text)
    {
        if (text.Length == 0)
        {
            return [];
        }

        var words = text.Split(' ');
        var samples = new double[words.Length];
        for (var i = 0; i < words.Length; i++)
        {
            samples[i] = Number(words[i]);
        }

        return samples;
    }

    public static string Flag(bool value) => value ? "yes" : "no";

    private static bool Flag(string text) =>
        text switch
        {
            "yes" => true,
            "no" => false,
            _ => throw new FormatException($"'{text}' stands where 'yes' or 'no' is allowed"),
        };

    private sealed class Lines(string[] lines)
    {
        private int _next;

        public string Next() =>
            _next < lines.Length ? lines[_next++] : throw new FormatException("it ends before its trace");

        public bool NextIs(string name) => _next < lines.Length && FieldLine.Split(lines[_next]).Name == name;

        public string Field(string name)
        {
            var (found, value) = FieldLine.Split(Next());
            return found == name
                ? Escape.Read(value)
                : throw new FormatException($"'{found}' stands where '{name}' is expected");
        }

        public string RestBehind(string margin)
        {
            var rest = Block(margin);
            return _next == lines.Length
                ? rest
                : throw new FormatException($"the line '{lines[_next]}' stands where a step of the trace is expected");
        }

        /// <summary>The lines that begin with the margin, without it.</summary>
        public string Block(string margin)
        {
            var block = new List<string>();
            for (; _next < lines.Length && lines[_next].StartsWith(margin, StringComparison.Ordinal); _next++)
            {
                block.Add(lines[_next].Length == margin.Length ? "" : Escape.Read(lines[_next][(margin.Length + 1)..]));
            }

            return string.Join('\n', block);
        }
    }
}
