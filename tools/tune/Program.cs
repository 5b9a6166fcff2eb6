namespace Picograd.Tune;

internal static class Program
{
    private static int Main(string[] args)
    {
        using var interrupts = new Interrupts();
        var console = new ToolConsole(Console.Out, Console.Error, !Console.IsErrorRedirected, interrupts.Token)
        {
            Width = Width(),
        };
        return interrupts.ExitCode(TuneCommand.Run(args, console));
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
