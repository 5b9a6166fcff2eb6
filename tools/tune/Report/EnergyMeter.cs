using System.Diagnostics;
using System.Globalization;

namespace Picograd.Tune;

/// <summary>
/// Energy by the counters that Linux offers of processor packages (RAPL, https://docs.kernel.org/power/powercap/powercap.html). They count what
/// the whole package takes, idle parts and other programs included; virtual machines rarely have them, and only root may read them.
/// </summary>
internal sealed class EnergyMeter
{
    private const string Root = "/sys/class/powercap";

    // The counters move every millisecond; so long a run is right to a percent.
    private const double Seconds = 0.3;

    private readonly IReadOnlyList<(string Counter, double Range)> _packages;

    private EnergyMeter(IReadOnlyList<(string, double)> packages) => _packages = packages;

    /// <summary>That of this machine; null with the reason where it tells no energy.</summary>
    /// <param name="why">The reason.</param>
    /// <param name="root">Where the system keeps the counters.</param>
    public static EnergyMeter? Open(out string why, string root = Root)
    {
        why = "";
        var packages = new List<(string, double)>();
        try
        {
            // Packages are intel-rapl:0, :1 …; what has two colons is a part of one. AMD's have the same name.
            foreach (string folder in Directory.Exists(root) ? Directory.GetDirectories(root, "intel-rapl:*") : [])
            {
                if (Path.GetFileName(folder).Count(c => c == ':') == 1)
                {
                    string counter = Path.Combine(folder, "energy_uj");
                    _ = Read(counter);
                    packages.Add((counter, Read(Path.Combine(folder, "max_energy_range_uj"))));
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            why = $"the energy counters in {root} cannot be read: {e.Message}";
            return null;
        }
        if (packages.Count > 0)
            return new EnergyMeter(packages);
        why = $"this machine tells no energy: there are no counters of packages in {root}";
        return null;
    }

    /// <summary>Joules of one call.</summary>
    public double Of(Action run)
    {
        long calls = 0;
        var before = _packages.Select(p => Read(p.Counter)).ToList();
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < Seconds)
        {
            run();
            calls++;
        }
        double microjoules = _packages
            .Zip(before)
            .Sum(p =>
            {
                double moved = Read(p.First.Counter) - p.Second;
                // Counters begin again when they are full.
                return moved >= 0 ? moved : moved + p.First.Range;
            });
        return microjoules / 1e6 / calls;
    }

    private static double Read(string file) => double.Parse(File.ReadAllText(file), CultureInfo.InvariantCulture);
}
