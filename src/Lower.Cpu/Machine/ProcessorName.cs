using System.Text;

namespace Picograd.Lower.Cpu.Machine;

/// <summary>The processor's name, as the system gives it and as a short word for fingerprints.</summary>
internal static class ProcessorName
{
    private const string LinuxFile = "/proc/cpuinfo";

    /// <summary>
    /// The name, followed on x86 by family and model in brackets, since virtual machines hide the generation in the name
    /// ("AMD EPYC [f26m2]").
    /// </summary>
    public static string Read()
    {
        try
        {
            if (File.Exists(LinuxFile) && FromCpuInfo(File.ReadLines(LinuxFile)) is { } name)
            {
                return name;
            }
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            // Falls through to what every system has.
        }
        return Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") is { Length: > 0 } identifier
            ? identifier
            : "unknown";
    }

    /// <summary>The first processor's name in the lines of /proc/cpuinfo; null where there is none (as on most Arm systems).</summary>
    internal static string? FromCpuInfo(IEnumerable<string> lines)
    {
        var fields = new Dictionary<string, string>();
        foreach (string line in lines)
        {
            int colon = line.IndexOf(':');
            if (colon < 0)
            {
                if (fields.Count > 0)
                {
                    break; // a blank line ends the first processor
                }
                continue;
            }
            fields.TryAdd(line[..colon].Trim(), line[(colon + 1)..].Trim());
        }
        if (fields.TryGetValue("model name", out string? name) && name.Length > 0)
        {
            return
                fields.TryGetValue("cpu family", out string? family) && fields.TryGetValue("model", out string? model)
                ? $"{name} [f{family}m{model}]"
                : name;
        }
        return
            fields.TryGetValue("CPU implementer", out string? maker) && fields.TryGetValue("CPU part", out string? part)
            ? $"arm {maker} {part}"
            : null;
    }

    /// <summary>Lower case letters, digits and single hyphens; without trade marks, clock rates and words that say nothing.</summary>
    internal static string Slug(string name)
    {
        string plain = name.ToLowerInvariant();
        var slug = new StringBuilder();
        for (int i = 0; i < plain.Length; )
        {
            int noise = Noise(plain, i);
            if (noise == 0 && char.IsAsciiLetterOrDigit(plain[i]))
            {
                slug.Append(plain[i]);
            }
            else if (slug.Length > 0 && slug[^1] != '-')
            {
                slug.Append('-');
            }
            i += Math.Max(noise, 1);
        }
        string text = slug.ToString().Trim('-');
        return text.Length == 0 ? "unknown" : text;
    }

    // Characters from a place on that say nothing: (r) and (tm), from @ to a bracket, and the words cpu, processor and 16-core.
    // By hand: a regular expression took 5 ms of a program's start, to be made and once used.
    private static int Noise(string text, int at)
    {
        var rest = text.AsSpan(at);
        if (rest.StartsWith("(r)") || rest.StartsWith("(tm)"))
        {
            return rest.IndexOf(')') + 1;
        }
        if (rest[0] == '@')
        {
            return rest.IndexOf('[') is var bracket and >= 0 ? bracket : rest.Length;
        }
        if (at > 0 && IsWord(text[at - 1]))
        {
            return 0;
        }
        int length = 0;
        while (length < rest.Length && IsWord(rest[length]))
        {
            length++;
        }
        var word = rest[..length];
        if (word is "cpu" or "processor")
        {
            return length;
        }
        const string core = "-core";
        bool counted = length > 0 && !word.ContainsAnyExceptInRange('0', '9') && rest[length..].StartsWith(core);
        int end = length + core.Length;
        return counted && (end == rest.Length || !IsWord(rest[end])) ? end : 0;
    }

    private static bool IsWord(char c) => char.IsLetterOrDigit(c) || c == '_';
}
