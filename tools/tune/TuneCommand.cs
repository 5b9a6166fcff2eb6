using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>The command line <c>tune</c>.</summary>
public static class TuneCommand
{
    /// <summary>Exit code for success.</summary>
    public const int Success = 0;

    /// <summary>Exit code for work that failed, such as a search that measured nothing.</summary>
    public const int Failure = 1;

    /// <summary>Exit code for bad usage and bad input.</summary>
    public const int BadInput = 2;

    /// <summary>Exit code for what an interrupt ended, whatever it kept: 128 and SIGINT's number, as shells count.</summary>
    public const int Interrupted = 130;

    /// <summary>Runs a command line and returns its exit code. What is wrong with it is told in one sentence.</summary>
    public static int Run(IReadOnlyList<string> args, ToolConsole console)
    {
        int code = RunToEnd(args, console);
        return console.Cancel.IsCancellationRequested ? Interrupted : code;
    }

    private static int RunToEnd(IReadOnlyList<string> args, ToolConsole console)
    {
        ArgumentNullException.ThrowIfNull(console);
        console = console.Plain();
        var root = Root(console);
        var parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0)
            return Refuse(console, Sentence(parsed));
        try
        {
            return parsed.Invoke(
                new InvocationConfiguration
                {
                    Output = console.Out,
                    Error = console.Error,
                    EnableDefaultExceptionHandler = false,
                }
            );
        }
        catch (Exception e) when (e is UsageException or OperatorSpecException or TuneDbException or TraceException)
        {
            return Refuse(console, e.Message);
        }
        catch (Exception e) when (e is FailureException)
        {
            console.Error.WriteLine($"tune: {e.Message}");
            return Failure;
        }
        catch (LoweringException e)
        {
            console.Error.WriteLine($"tune: the back end refuses the program: {e.Message}");
            return Failure;
        }
        catch (Exception e) when (e is TargetException or OutOfMemoryException)
        {
            console.Error.WriteLine($"tune: {e.Message}");
            return Failure;
        }
    }

    private static RootCommand Root(ToolConsole console)
    {
        var root = new RootCommand("Searches fast schedules for tensor operators on this machine, and keeps them.");
        root.Subcommands.Add(QuickstartCommand.Create(console));
        root.Subcommands.Add(OpCommand.Create(console));
        root.Subcommands.Add(ModelCommand.Create(console));
        root.Subcommands.Add(RunCommand.Create(console));
        root.Subcommands.Add(BenchCommand.Create(console));
        root.Subcommands.Add(ReportCommand.Create(console));
        root.Subcommands.Add(ShowCommand.Create(console));
        root.Subcommands.Add(TargetsCommand.Create(console));
        root.Subcommands.Add(SelfcheckCommand.Create(console));
        root.Subcommands.Add(OperatorsCommand.Create(console));
        root.Subcommands.Add(DbCommand.Create(console));
        root.Subcommands.Add(CompletionCommand.Create(console));
        root.Subcommands.Add(OnlineCommand.Create(console));
        root.Subcommands.Add(SearchBenchCommand.Create(console));
        root.Subcommands.Add(SearchTrainCommand.Create(console));
        root.Subcommands.Add(WorkerCommand.Create());
        // Without the names that other systems give it: they would be offered as completions.
        root.Options.Remove(root.Options.OfType<HelpOption>().First());
        var help = new HelpOption("--help", "-h", "-?");
        help.Action = new OperatorHelp((HelpAction)help.Action!, console);
        root.Options.Add(help);
        return root;
    }

    private static int Refuse(ToolConsole console, string message)
    {
        console.Error.WriteLine($"tune: {message}");
        return BadInput;
    }

    // The parser's own messages say neither what is allowed nor, for arguments, what is missing.
    private static string Sentence(ParseResult parsed)
    {
        var result = parsed.CommandResult;
        var command = result.Command;
        string path = Path(result);
        var subcommands = command.Subcommands.Where(c => !c.Hidden).Select(c => c.Name).ToList();
        if (subcommands.Count > 0)
        {
            string what = parsed.UnmatchedTokens is [var unknown, ..]
                ? $"'{unknown}' is not a command{Meant(command, unknown, subcommands)}"
                : "a command is missing";
            return $"{what}; commands of '{path}' are {string.Join(", ", subcommands)}.";
        }
        string options =
            command.Options.Count == 0
                ? $"'{path}' has no options"
                : $"options of '{path}' are {string.Join(", ", command.Options.Select(o => o.Name))}";
        if (parsed.UnmatchedTokens is [var stray, ..])
        {
            string hint = Spelling.Hint(stray, command.Options.Select(o => o.Name));
            return $"'{stray}' is not an option or argument of '{path}'{hint}; {options}.";
        }
        if (command.Arguments.FirstOrDefault(a => a.Arity.MinimumNumberOfValues > Given(result, a)) is { } missing)
            return $"{missing.Name} is missing ({missing.Description}); {options}.";
        return $"{parsed.Errors[0].Message.TrimEnd('.')}; {options}.";
    }

    // Who begins with an operator wants to do something with it.
    private static string Meant(Command command, string unknown, IReadOnlyList<string> subcommands) =>
        command is RootCommand && OperatorLibrary.Find(unknown) is not null
            ? Spelling.Hint([$"tune op {unknown} …"])
            : Spelling.Hint(unknown, subcommands);

    private static int Given(CommandResult result, Argument argument) => result.GetResult(argument)?.Tokens.Count ?? 0;

    private static string Path(CommandResult result) =>
        result.Parent is CommandResult parent ? $"{Path(parent)} {result.Command.Name}" : "tune";
}
