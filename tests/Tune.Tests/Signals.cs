using System.Globalization;
using Xunit;

namespace Picograd.Tests;

/// <summary>What this process, and so those that it starts, do about signals.</summary>
internal static class Signals
{
    /// <summary>
    /// Skips a test of a signal that processes from here do not get: a shell without job control starts what runs in the background
    /// with SIGINT ignored.
    /// </summary>
    public static void SkipIfIgnored(int signal)
    {
        const string Field = "SigIgn:";
        if (!OperatingSystem.IsLinux())
            return;
        string line = File.ReadLines("/proc/self/status").First(l => l.StartsWith(Field, StringComparison.Ordinal));
        ulong ignored = ulong.Parse(line[Field.Length..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        Skip.If(
            (ignored >> (signal - 1) & 1) != 0,
            $"signal {signal} is ignored here: this runs in the background of a shell"
        );
    }
}
