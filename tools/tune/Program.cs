namespace Picograd.Tune;

internal static class Program
{
    private static int Main(string[] args)
    {
        using var interrupts = new Interrupts();
        var console = new ToolConsole(Console.Out, Console.Error, !Console.IsErrorRedirected, interrupts.Token);
        return TuneCommand.Run(args, console);
    }
}
