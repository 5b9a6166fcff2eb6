using System.CommandLine;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary><c>tune db keygen FILE</c>: a pair of keys with which exported winners are signed and trusted.</summary>
internal static class DbKeygenCommand
{
    public static Command Create(ToolConsole console)
    {
        var file = new Argument<string>("FILE") { Description = "The private key; the public one goes to FILE.pub" };
        var command = new Command("keygen", "Makes a pair of keys to sign exported winners with") { file };
        command.SetAction(parsed =>
        {
            string path = parsed.GetValue(file)!;
            string publicPath = SigningKey.Create(path);
            console.Out.WriteLine(
                $"{path} signs ('tune db export --sign'), keep it to yourself; {publicPath} is for those who trust it ('tune db import --trust')"
            );
            return TuneCommand.Success;
        });
        return command;
    }
}
