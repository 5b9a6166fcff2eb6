using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Picograd.Algorithms.Operators;

namespace Picograd.Tune;

/// <summary>
/// Help texts with the operators: those of the whole program list them by group; those of a command that takes operators
/// tell the keys of the ones that stand on the command line (<c>tune op matmul --help</c>).
/// </summary>
internal sealed class OperatorHelp(HelpAction standard, ToolConsole console) : SynchronousCommandLineAction
{
    // A pipe has no width; as wide as pages of documentation.
    private const int PipeWidth = 100;

    public override int Invoke(ParseResult parseResult)
    {
        if (console.Width is { } width)
            standard.MaxWidth = width;
        int code = standard.Invoke(parseResult);
        var to = console.Out;
        var command = parseResult.CommandResult.Command;
        if (command is RootCommand)
            WriteGroups(to, console.Width ?? PipeWidth);
        else if (command.Arguments.FirstOrDefault(a => a.Name == SpecWords.Name) is { } spec)
            WriteKeys(to, parseResult.CommandResult.GetResult(spec)?.Tokens.Select(t => t.Value) ?? []);
        return code;
    }

    /// <summary>An operator's text form and the meaning of each key.</summary>
    public static void WriteKeys(TextWriter to, OperatorDefinition definition)
    {
        to.WriteLine($"{definition.Usage}");
        to.WriteLine($"  {definition.Doc}");
        var table = new TextTable(showHeadings: false, "key", "meaning", "allowed");
        foreach (var key in definition.Keys)
        {
            string standing =
                key.Default is { } value ? $"; default {value}"
                : key.Optional ? "; may be left out"
                : "";
            table.Add($"{key.Name}=", key.Doc, $"{key.Allowed}{standing}");
        }
        table.Write(to, "    ");
        to.WriteLine($"  such as {definition.Example}");
    }

    private static void WriteKeys(TextWriter to, IEnumerable<string> words)
    {
        var named = words
            .SelectMany(w => w.Split(' '))
            .Select(OperatorLibrary.Find)
            .OfType<OperatorDefinition>()
            .Distinct()
            .ToList();
        foreach (var definition in named)
        {
            to.WriteLine();
            WriteKeys(to, definition);
        }
        if (named.Count == 0)
            to.WriteLine("'tune operators' lists the operators, 'tune operators NAME' tells the keys of one.");
    }

    private static void WriteGroups(TextWriter to, int width)
    {
        to.WriteLine("Operators ('tune operators NAME' tells the keys of one):");
        int indent = OperatorLibrary.Groups.Max(g => g.Group.Length) + 4;
        foreach (var (group, operators) in OperatorLibrary.Groups)
        {
            string line = $"  {group}".PadRight(indent);
            foreach (var definition in operators)
            {
                if (line.Length > indent && line.Length + definition.Name.Length + 1 > width)
                {
                    to.WriteLine(line.TrimEnd());
                    line = new string(' ', indent);
                }
                line += definition.Name + " ";
            }
            to.WriteLine(line.TrimEnd());
        }
    }
}
