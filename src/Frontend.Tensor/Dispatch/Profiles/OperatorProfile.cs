using System.Globalization;
using System.Text;
using Picograd.Algorithms.Operators;
using Picograd.TuneDb;

namespace Picograd.Dispatch.Profiles;

/// <summary>
/// What programs recorded, as text: the operators that they ran, one a line, each an operator instance with counts and times
/// behind a '#', so that the file is at once one of operators; behind an operator of the program's own follows the text of its algorithm. A process appends a block; the blocks of several processes, or of
/// several runs, add up. A block that was cut off, because its process was killed while it wrote, is left out.
/// </summary>
/// <param name="Operators">Longest first.</param>
/// <param name="Seconds">From the first operator to the end, over all processes.</param>
/// <param name="MakingSeconds">Of these what choosing and compiling kernels took.</param>
public sealed record OperatorProfile(IReadOnlyList<RecordedOperator> Operators, double Seconds, double MakingSeconds)
{
    private const string Magic = "# picograd profile ";
    private const string Version = "1";
    private const string End = "# end ";

    // Before each line of the text of the operator above.
    private const string Of = "#| ";

    /// <summary>Milliseconds in kernels.</summary>
    public double KernelMilliseconds => Operators.Sum(o => o.Milliseconds);

    /// <summary>Whether a text is a profile, rather than a plain list of operators.</summary>
    public static bool IsProfile(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.StartsWith(Magic, StringComparison.Ordinal);
    }

    /// <summary>Whether a line ends a block.</summary>
    public static bool IsEnd(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        return line.StartsWith(End, StringComparison.Ordinal);
    }

    /// <summary>Reads the text of a profile.</summary>
    /// <exception cref="FormatException">It is none, or of a newer version; names the line.</exception>
    public static OperatorProfile Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] lines = text.ReplaceLineEndings("\n").Split('\n');
        var all = new List<RecordedOperator>();
        var block = new List<RecordedOperator>();
        double seconds = 0;
        double making = 0;
        Dictionary<string, string>? header = null;
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].Trim();
            if (line.StartsWith(Magic, StringComparison.Ordinal))
            {
                string[] words = line[Magic.Length..].Split(' ', 2);
                if (words[0] != Version)
                    throw new FormatException(
                        $"line {i + 1}: the profile is of version {words[0]}, but this version of Picograd reads {Version}"
                    );
                // Of a block without its end nothing is known to be whole.
                block.Clear();
                header = Fields(words.Length > 1 ? words[1] : "");
            }
            else if (line.StartsWith(End, StringComparison.Ordinal) && header is not null)
            {
                if (line[End.Length..] == Number(block.Count))
                {
                    all.AddRange(block);
                    seconds += Value(header, "seconds") ?? 0;
                    making += Value(header, "making") ?? 0;
                }
                block.Clear();
                header = null;
            }
            else if (line.StartsWith(Of, StringComparison.Ordinal) && block.Count > 0)
            {
                block[^1] = block[^1] with { ProblemText = $"{block[^1].ProblemText}{line[Of.Length..]}\n" };
            }
            else if (line.Length > 0 && !line.StartsWith('#') && header is not null)
            {
                // The last line of a block that was cut off may be half of one.
                if (ParseLine(line) is { } parsed)
                    block.Add(parsed);
                else if (EndsBefore(lines, i))
                    throw new FormatException($"line {i + 1}: '{line}' is no line of a profile");
            }
        }
        return new OperatorProfile(OperatorRecorder.Merge(all), seconds, making);
    }

    /// <summary>The text of one block.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append(
            CultureInfo.InvariantCulture,
            $"{Magic}{Version} seconds={Seconds:0.###} making={MakingSeconds:0.###} kernels={KernelMilliseconds / 1000:0.######} utc={DateTime.UtcNow:yyyy-MM-ddTHH:mm:ssZ}\n"
        );
        foreach (var o in Operators)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"{o.Spec} # calls={o.Calls} ms={o.Milliseconds:0.######} median={o.MillisecondsPerCall:0.######} source={o.SourceName} device={o.Device} target={o.Target}"
            );
            // It has blanks, so it comes last.
            if (o.Record is not null)
                text.Append(" record=").Append(PlainText.Of(o.Record));
            text.Append('\n');
            foreach (string line in o.ProblemText.Split('\n', StringSplitOptions.RemoveEmptyEntries))
                text.Append(Of).Append(line).Append('\n');
        }
        return text.Append(CultureInfo.InvariantCulture, $"{End}{Operators.Count}\n").ToString();
    }

    /// <summary>Appends a block to a file, as one piece also where several processes do it at once.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public void AppendTo(string path) => Append(path, ToString());

    /// <summary>Appends a text under a lock of the file; an empty one only shows whether that could be done.</summary>
    internal static void Append(string path, string text)
    {
        if (RegularFile.Problem(path) is { } clause)
            throw new IOException($"it {clause}");
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                using var stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
                stream.Seek(0, SeekOrigin.End);
                // A block that was cut off may have ended within a line.
                stream.Write(Encoding.UTF8.GetBytes(text.Length > 0 && stream.Length > 0 ? "\n" + text : text));
                return;
            }
            // Another process writes at this moment: for some milliseconds.
            catch (IOException) when (attempt < 100 && File.Exists(path))
            {
                Thread.Sleep(20);
            }
        }
    }

    private static RecordedOperator? ParseLine(string line)
    {
        int at = line.IndexOf(" # ", StringComparison.Ordinal);
        if (at < 0)
            return null;
        string spec;
        try
        {
            // As this version writes it.
            spec = OperatorSpec.Parse(line[..at]).ToString();
        }
        catch (OperatorSpecException)
        {
            // An operator of another version: its time counts, and whoever tunes it says what is wrong with it.
            spec = line[..at].Trim();
        }
        var fields = Fields(line[(at + 3)..]);
        return
            fields.TryGetValue("calls", out string? text)
            && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long calls)
            && Value(fields, "ms") is { } milliseconds
            && fields.TryGetValue("source", out string? name)
            && RecordedOperator.SourceOf(name) is { } source
            && fields.TryGetValue("device", out string? device)
            && fields.TryGetValue("target", out string? target)
            ? new RecordedOperator(
                spec,
                device,
                target,
                source,
                fields.GetValueOrDefault("record"),
                calls,
                milliseconds
            )
            {
                MillisecondsPerCall = Value(fields, "median") ?? milliseconds / Math.Max(1, calls),
            }
            : null;
    }

    private static Dictionary<string, string> Fields(string text)
    {
        const string last = "record=";
        var fields = new Dictionary<string, string>();
        int record = text.IndexOf(last, StringComparison.Ordinal);
        if (record >= 0)
            fields["record"] = text[(record + last.Length)..].Trim();
        foreach (string word in text[..(record < 0 ? text.Length : record)].Split(' '))
        {
            int equals = word.IndexOf('=');
            if (equals > 0)
                fields[word[..equals]] = word[(equals + 1)..];
        }
        return fields;
    }

    private static double? Value(Dictionary<string, string> fields, string name) =>
        fields.TryGetValue(name, out string? text)
        && double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value)
        && double.IsFinite(value)
            ? value
            : null;

    // Whether the block of a line has its end.
    private static bool EndsBefore(string[] lines, int from)
    {
        string? next = lines
            .Skip(from)
            .Select(l => l.Trim())
            .FirstOrDefault(l =>
                l.StartsWith(Magic, StringComparison.Ordinal) || l.StartsWith(End, StringComparison.Ordinal)
            );
        return next?.StartsWith(End, StringComparison.Ordinal) == true;
    }

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
