namespace Picograd.Tune;

internal static class Program
{
    private static int Main(string[] args)
    {
        using var cancel = new CancellationTokenSource();
        Console.CancelKeyPress += (_, key) =>
        {
            // The first Ctrl-C ends the search and keeps what it found; the second ends the process.
            if (!cancel.IsCancellationRequested)
            {
                key.Cancel = true;
                cancel.Cancel();
            }
        };
        var console = new ToolConsole(Console.Out, Console.Error, !Console.IsErrorRedirected, cancel.Token);
        return TuneCommand.Run(args, console);
    }
}
