using System.Diagnostics;

namespace Picograd.Tune;

internal static class Program
{
    private static int Main(string[] args)
    {
        using var interrupts = new Interrupts();
        var console = new ToolConsole(Console.Out, Console.Error, !Console.IsErrorRedirected, interrupts.Token)
        {
            Width = Width(),
            Began = Began(),
        };
        return interrupts.ExitCode(TuneCommand.Run(args, console));
    }

    // When the process was started, .NET and all.
    private static long Began()
    {
        using var self = Process.GetCurrentProcess();
        var since = DateTime.Now - self.StartTime;
        // A clock that was set meanwhile.
        if (since < TimeSpan.Zero || since > TimeSpan.FromSeconds(10))
            since = TimeSpan.Zero;
        return Stopwatch.GetTimestamp() - (long)(since.TotalSeconds * Stopwatch.Frequency);
    }

    private static int? Width()
    {
        if (Console.IsOutputRedirected)
            return null;
        try
        {
            return Console.WindowWidth is > 0 and var columns ? columns : null;
        }
        catch (Exception e) when (e is IOException or PlatformNotSupportedException)
        {
            // A terminal that does not say how wide it is.
            return null;
        }
    }
}
