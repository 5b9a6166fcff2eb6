using System.Text;
using System.Text.RegularExpressions;

namespace Picograd.Lower.Cpu;

/// <summary>The processor's name, as the system gives it and as a short word for fingerprints.</summary>
internal static partial class ProcessorName
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
        string plain = Noise().Replace(name.ToLowerInvariant(), " ");
        var slug = new StringBuilder();
        foreach (char c in plain)
        {
            if (char.IsAsciiLetterOrDigit(c))
            {
                slug.Append(c);
            }
            else if (slug.Length > 0 && slug[^1] != '-')
            {
                slug.Append('-');
            }
        }
        string text = slug.ToString().Trim('-');
        return text.Length == 0 ? "unknown" : text;
    }

    [GeneratedRegex(@"\((r|tm)\)|@.*?(?=\[|$)|\b\d+-core\b|\b(cpu|processor)\b")]
    private static partial Regex Noise();
}
