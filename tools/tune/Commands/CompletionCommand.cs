using System.CommandLine;

namespace Picograd.Tune;

/// <summary>
/// <c>tune completion SHELL</c>: prints a script that teaches a shell to complete the command line. The script asks the
/// program, by System.CommandLine's <c>[suggest]</c> directive, so that it never grows old.
/// </summary>
internal static class CompletionCommand
{
    private static readonly (string Shell, string Resource)[] Scripts =
    [
        ("bash", "tune.bash"),
        ("zsh", "tune.zsh"),
        ("pwsh", "tune.ps1"),
    ];

    public static Command Create(ToolConsole console)
    {
        string shells = string.Join(", ", Scripts.Select(s => s.Shell));
        var shell = new Argument<string>("SHELL") { Description = $"One of {shells}", HelpName = "SHELL" };
        shell.CompletionSources.Add([.. Scripts.Select(s => s.Shell)]);
        var command = new Command("completion", "Prints a script with which a shell completes this command line")
        {
            shell,
        };
        command.SetAction(parsed =>
        {
            string wanted = parsed.GetValue(shell)!;
            string resource =
                Array.Find(Scripts, s => s.Shell == wanted).Resource
                ?? throw new UsageException(
                    $"SHELL is '{wanted}'{Algorithms.Spelling.Hint(wanted, Scripts.Select(s => s.Shell))}, but must be one of {shells}."
                );
            using var stream = typeof(CompletionCommand).Assembly.GetManifestResourceStream(resource)!;
            using var reader = new StreamReader(stream);
            console.Raw.Write(reader.ReadToEnd().ReplaceLineEndings("\n"));
            return TuneCommand.Success;
        });
        return command;
    }
}
