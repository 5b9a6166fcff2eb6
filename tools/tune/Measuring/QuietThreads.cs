using System.Diagnostics;

namespace Picograd.Tune;

/// <summary>Waits for the other threads of this process to sleep.</summary>
internal static class QuietThreads
{
    /// <summary>Looks, one after another, that must find nobody running: a thread that yields is seen asleep now and then.</summary>
    private const int QuietLooks = 4;

    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(2);

    /// <summary>Where the system does not tell what threads do: as long as OpenBLAS's spin by default, twice over.</summary>
    private static readonly TimeSpan Unknown = TimeSpan.FromMilliseconds(100);

    /// <summary>What the wait takes at most.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(2);

    /// <summary>Returns as soon as no other thread runs; false where that was not so within <see cref="Longest"/>.</summary>
    public static bool Await(CancellationToken cancel)
    {
        long start = Stopwatch.GetTimestamp();
        int quiet = 0;
        while (quiet < QuietLooks)
        {
            if (cancel.IsCancellationRequested)
                return true;
            Thread.Sleep(Between);
            if (Running() is not { } running)
            {
                Thread.Sleep(Unknown);
                return true;
            }
            quiet = running == 0 ? quiet + 1 : 0;
            if (quiet == 0 && Stopwatch.GetElapsedTime(start) > Longest)
                return false;
        }
        return true;
    }

    /// <summary>How many threads of this process run or are ready to, this one aside; null where the system does not tell.</summary>
    private static int? Running()
    {
        if (!OperatingSystem.IsLinux())
            return null;
        int running = 0;
        try
        {
            foreach (string task in Directory.EnumerateDirectories("/proc/self/task"))
            {
                string stat;
                try
                {
                    stat = File.ReadAllText(task + "/stat");
                }
                catch (IOException)
                {
                    // The thread ended meanwhile.
                    continue;
                }
                // "tid (name) state …", where the name may hold anything.
                int name = stat.LastIndexOf(')');
                if (name >= 0 && name + 2 < stat.Length && stat[name + 2] == 'R')
                    running++;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
        // This one runs.
        return Math.Max(0, running - 1);
    }
}
