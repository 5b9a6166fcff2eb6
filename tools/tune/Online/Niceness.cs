using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Picograd.Tune;

/// <summary>The priority of this process, and of those that it starts.</summary>
internal static partial class Niceness
{
    private const int OfProcess = 0;
    private const int Lowest = 19;

    /// <summary>Runs only where others leave processors idle, or nearly so. Needs no rights.</summary>
    public static void Lower()
    {
        using var self = Process.GetCurrentProcess();
        if (OperatingSystem.IsLinux())
        {
            // There a priority is one thread's; new threads and processes have that of the one that starts them.
            foreach (string thread in Directory.EnumerateDirectories("/proc/self/task"))
                _ = SetPriority(OfProcess, int.Parse(Path.GetFileName(thread), CultureInfo.InvariantCulture), Lowest);
        }
        else
        {
            self.PriorityClass = ProcessPriorityClass.Idle;
        }
    }

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, int who, int priority);
}
