using System.Globalization;
using System.Runtime.InteropServices;

namespace Picograd.Lower.Cpu.Machine;

/// <summary>
/// How many physical cores this process may use, which is the number of threads where none is named, as in PyTorch: a second
/// thread on a core that already runs vector code gains nothing and shares its caches.
/// </summary>
internal static partial class PhysicalCores
{
    private const string LinuxFolder = "/sys/devices/system/cpu";
    private const string CpuInfoFile = "/proc/cpuinfo";
    private const string StatusFile = "/proc/self/status";

    // RelationProcessorCore of LOGICAL_PROCESSOR_RELATIONSHIP.
    private const int ProcessorCore = 0;

    /// <summary>At least 1 and at most <see cref="Environment.ProcessorCount"/>, which heeds affinity and quotas of containers.</summary>
    public static int Count { get; } = Math.Clamp(Read() ?? int.MaxValue, 1, Environment.ProcessorCount);

    /// <summary>Null where the system does not tell: logical processors have to do then.</summary>
    private static int? Read()
    {
        try
        {
            return OperatingSystem.IsLinux() ? OnLinux(LinuxFolder, CpuInfoFile, StatusFile)
                : OperatingSystem.IsMacOS() ? OnMac()
                : OperatingSystem.IsWindows() ? OnWindows()
                : null;
        }
        catch (Exception unknown)
            when (unknown is IOException or UnauthorizedAccessException or DllNotFoundException
                || unknown is EntryPointNotFoundException
            )
        {
            // Containers may hide the files.
            return null;
        }
    }

    /// <summary>
    /// By /sys, else by /proc/cpuinfo; only processors that the process may run on count (Cpus_allowed_list of its status).
    /// </summary>
    internal static int? OnLinux(string folder, string cpuInfo, string status)
    {
        var allowed = File.Exists(status) ? Allowed(File.ReadLines(status)) : null;
        return ByTopology(folder, allowed)
            ?? (File.Exists(cpuInfo) ? ByCpuInfo(File.ReadLines(cpuInfo), allowed) : null);
    }

    /// <summary>Distinct sets of siblings of the processors in the folder; null where one does not tell.</summary>
    private static int? ByTopology(string folder, HashSet<int>? allowed)
    {
        if (!Directory.Exists(folder))
            return null;
        var cores = new HashSet<string>();
        foreach (string cpu in Directory.GetDirectories(folder, "cpu*"))
        {
            if (!TryNumber(Path.GetFileName(cpu)[3..], out int number) || allowed?.Contains(number) == false)
                continue;
            // The second is its name before Linux 5.3. Processors that are off have neither.
            string? siblings = new[] { "core_cpus_list", "thread_siblings_list" }
                .Select(name => Path.Combine(cpu, "topology", name))
                .Where(File.Exists)
                .Select(file => File.ReadAllText(file).Trim())
                .FirstOrDefault(text => text.Length > 0);
            if (siblings is not null)
                cores.Add(siblings);
            else if (allowed is not null)
                return null;
        }
        return cores.Count > 0 ? cores.Count : null;
    }

    /// <summary>Distinct pairs of socket and core; null where a processor does not tell, as on Arm.</summary>
    internal static int? ByCpuInfo(IEnumerable<string> lines, HashSet<int>? allowed)
    {
        var cores = new HashSet<(string, string)>();
        int? processor = null;
        string? socket = null;
        string? core = null;
        foreach (string line in lines.Append(""))
        {
            int colon = line.IndexOf(':');
            string value = colon < 0 ? "" : line[(colon + 1)..].Trim();
            switch (colon < 0 ? "" : line[..colon].Trim())
            {
                case "processor" when TryNumber(value, out int number):
                    processor = number;
                    break;
                case "physical id":
                    socket = value;
                    break;
                case "core id":
                    core = value;
                    break;
                case "" when processor is { } at:
                    if (allowed?.Contains(at) != false)
                    {
                        if (core is null)
                            return null;
                        cores.Add((socket ?? "", core));
                    }
                    (processor, socket, core) = (null, null, null);
                    break;
            }
        }
        return cores.Count > 0 ? cores.Count : null;
    }

    /// <summary>The numbers of <c>Cpus_allowed_list: 0-3,8</c>; null where there is no such line.</summary>
    internal static HashSet<int>? Allowed(IEnumerable<string> lines)
    {
        const string name = "Cpus_allowed_list:";
        if (lines.FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal)) is not { } line)
            return null;
        var allowed = new HashSet<int>();
        foreach (string range in line[name.Length..].Split(',', StringSplitOptions.TrimEntries))
        {
            string[] ends = range.Split('-');
            if (!TryNumber(ends[0], out int first) || !TryNumber(ends[^1], out int last) || last - first > 1 << 20)
                return null;
            for (int cpu = first; cpu <= last; cpu++)
                allowed.Add(cpu);
        }
        return allowed;
    }

    private static bool TryNumber(string text, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    private static int? OnMac()
    {
        nint length = sizeof(int);
        return SysctlByName("hw.physicalcpu", out int cores, ref length, 0, 0) == 0 && cores > 0 ? cores : null;
    }

    private static unsafe int? OnWindows()
    {
        int bytes = 0;
        GetLogicalProcessorInformation(null, ref bytes);
        int size = sizeof(ProcessorInformation);
        if (bytes < size)
            return null;
        var all = new ProcessorInformation[bytes / size];
        fixed (ProcessorInformation* to = all)
        {
            if (GetLogicalProcessorInformation(to, ref bytes) == 0)
                return null;
        }
        int cores = all.Count(p => p.Relationship == ProcessorCore);
        return cores > 0 ? cores : null;
    }

    // SYSTEM_LOGICAL_PROCESSOR_INFORMATION: a mask, the relationship, and a union of 16 bytes that is aligned to 8.
    [StructLayout(LayoutKind.Sequential)]
    private struct ProcessorInformation
    {
        public nuint Mask;
        public int Relationship;
        public ulong First;
        public ulong Second;
    }

    [LibraryImport("kernel32")]
    private static unsafe partial int GetLogicalProcessorInformation(ProcessorInformation* to, ref int bytes);

    [LibraryImport("libc", EntryPoint = "sysctlbyname", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SysctlByName(string name, out int value, ref nint length, nint newValue, nint newLength);
}
