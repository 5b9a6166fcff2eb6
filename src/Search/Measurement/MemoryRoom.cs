using System.Globalization;

namespace Picograd.Search.Measurement;

/// <summary>How much memory there is, in bytes.</summary>
internal static class MemoryRoom
{
    /// <summary>That this process may use: of the machine, or of its container.</summary>
    public static long Total => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    /// <summary>That nobody uses now, or that the system can take back at once; the total where that is not told.</summary>
    public static long Free
    {
        get
        {
            // The collector's own figure is of its last run, which may be long ago.
            const string Line = "MemAvailable:";
            try
            {
                string? line = OperatingSystem.IsLinux()
                    ? File.ReadLines("/proc/meminfo").FirstOrDefault(l => l.StartsWith(Line, StringComparison.Ordinal))
                    : null;
                return
                    line is not null
                    && long.TryParse(
                        line.AsSpan(Line.Length).Trim().TrimEnd(" kB"),
                        NumberStyles.None,
                        CultureInfo.InvariantCulture,
                        out long kilobytes
                    )
                    ? Math.Min(Total, kilobytes << 10)
                    : Total;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return Total;
            }
        }
    }
}
