using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Picograd.Tune;

/// <summary>What Unix lets a process do with others of the same user: stop them, lower their priority, ask what they took.</summary>
internal static unsafe partial class ProcessControl
{
    private const int OfProcess = 0;
    private const int ClockOfThisProcess = 2;
    private const int KillSignal = 9;
    private const int SignalAtEndOfParent = 1;

    private static readonly int StopSignal = OperatingSystem.IsLinux() ? 19 : 17;
    private static readonly int ContinueSignal = OperatingSystem.IsLinux() ? 18 : 19;

    public static bool IsSupported => OperatingSystem.IsLinux() || OperatingSystem.IsMacOS();

    /// <summary>The process that started this one, or that took it over when that one ended.</summary>
    public static int Parent => GetParent();

    /// <summary>
    /// Makes this process, and those that it starts, a group, which ends with the process that started it: nobody else would let it go
    /// on when it is stopped.
    /// </summary>
    /// <param name="starter">That process.</param>
    /// <returns>Whether that process is still there.</returns>
    public static bool BeginGroup(int starter)
    {
        // The system lets a stopped group go on, and hang up, of which no process has a parent left.
        _ = SetGroup(0, 0);
        if (OperatingSystem.IsLinux())
            _ = Control(SignalAtEndOfParent, KillSignal);
        return Parent == starter;
    }

    /// <summary>Stops a process, and its group where it made one.</summary>
    public static void Stop(int process) => Send(process, StopSignal);

    public static void Continue(int process) => Send(process, ContinueSignal);

    public static void End(int process) => Send(process, KillSignal);

    /// <summary>
    /// Lowers the priority of a process that is stopped, of its threads and so of those that they start. Needs no rights.
    /// </summary>
    /// <param name="process">One that this process started.</param>
    /// <param name="niceness">1 to 19.</param>
    public static void Lower(int process, int niceness)
    {
        // On Linux a priority is one thread's.
        string threads = $"/proc/{process.ToString(CultureInfo.InvariantCulture)}/task";
        foreach (
            string thread in Directory.Exists(threads)
                ? Directory.EnumerateDirectories(threads)
                : [process.ToString(CultureInfo.InvariantCulture)]
        )
            _ = SetPriority(OfProcess, int.Parse(Path.GetFileName(thread), CultureInfo.InvariantCulture), niceness);
    }

    /// <summary>Processor time of a process, 0 for this one; null when it has ended.</summary>
    public static TimeSpan? ProcessorTime(int process)
    {
        if (OperatingSystem.IsLinux())
        {
            int clock = ClockOfThisProcess;
            TimeSpec time;
            return (process == 0 || GetClock(process, &clock) == 0) && GetTime(clock, &time) == 0
                ? TimeSpan.FromSeconds(time.Seconds)
                    + TimeSpan.FromTicks(time.Nanoseconds / TimeSpan.NanosecondsPerTick)
                : null;
        }
        try
        {
            using var asked = process == 0 ? Process.GetCurrentProcess() : Process.GetProcessById(process);
            return asked.TotalProcessorTime;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            return null;
        }
    }

    private static void Send(int process, int signal)
    {
        if (Kill(-process, signal) != 0)
            _ = Kill(process, signal);
    }

    private struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);

    [LibraryImport("libc", EntryPoint = "setpgid")]
    private static partial int SetGroup(int process, int group);

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int Control(int option, nint value);

    [LibraryImport("libc", EntryPoint = "getppid")]
    private static partial int GetParent();

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, int who, int priority);

    [LibraryImport("libc", EntryPoint = "clock_getcpuclockid")]
    private static partial int GetClock(int process, int* clock);

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, TimeSpec* time);
}
