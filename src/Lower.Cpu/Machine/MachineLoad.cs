using System.Globalization;

namespace Picograd.Lower.Cpu.Machine;

/// <summary>How much of the machine's processors processes have used so far, by Linux's count.</summary>
/// <param name="All">Seconds of all processors, used or not; 0 where the system does not say.</param>
/// <param name="Used">Seconds used by any process, or taken by another virtual machine.</param>
/// <param name="Own">Seconds used by this process.</param>
internal readonly record struct MachineLoad(double All, double Used, double Own)
{
    private const string File = "/proc/stat";

    // The kernel counts in hundredths of a second for every program, whatever its own clock.
    private const double TicksPerSecond = 100;

    public static MachineLoad Now()
    {
        if (!OperatingSystem.IsLinux())
            return default;
        string? line;
        try
        {
            using var reader = new StreamReader(File);
            line = reader.ReadLine();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return default;
        }
        return Of(line ?? "", Environment.CpuUsage.TotalTime.TotalSeconds);
    }

    /// <summary>Of the first line of /proc/stat: cpu user nice system idle iowait irq softirq steal …</summary>
    internal static MachineLoad Of(string line, double own)
    {
        string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length < 8 || words[0] != "cpu")
            return default;
        var ticks = new double[Math.Min(8, words.Length - 1)];
        for (int i = 0; i < ticks.Length; i++)
        {
            if (!double.TryParse(words[i + 1], CultureInfo.InvariantCulture, out ticks[i]))
                return default;
        }
        double all = ticks.Sum();
        return new MachineLoad(all / TicksPerSecond, (all - ticks[3] - ticks[4]) / TicksPerSecond, own);
    }

    /// <summary>
    /// The share of all processors that others than this process took since then; null where the system does not say, or where too little
    /// time has passed for its count.
    /// </summary>
    public double? OthersSince(MachineLoad before) =>
        All - before.All is > 0 and var all && before.All > 0
            // A tick of each processor may belong to what came before.
            ? Math.Clamp(
                (Used - before.Used - (Own - before.Own) - Environment.ProcessorCount / TicksPerSecond) / all,
                0,
                1
            )
            : null;
}
