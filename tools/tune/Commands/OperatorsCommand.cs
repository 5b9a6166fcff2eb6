using System.CommandLine;
using Picograd.Algorithms.Operators;

namespace Picograd.Tune;

/// <summary><c>tune operators [NAME]</c>: the operators by group, or the keys of one.</summary>
internal static class OperatorsCommand
{
    public static Command Create(ToolConsole console)
    {
        var name = new Argument<string?>("NAME")
        {
            Description = "An operator, such as matmul; without it, all are listed",
            HelpName = "NAME",
            Arity = ArgumentArity.ZeroOrOne,
        };
        name.CompletionSources.Add([.. OperatorLibrary.All.Select(o => o.Name)]);
        var command = new Command("operators", "Lists the operators, or the keys of one") { name };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(name) is { } wanted)
                OperatorHelp.WriteKeys(
                    console.Out,
                    OperatorLibrary.Find(wanted)
                        ?? throw new UsageException($"{OperatorLibrary.Unknown(wanted).TrimEnd('.')}.")
                );
            else
                List(console.Out);
            return TuneCommand.Success;
        });
        return command;
    }

    private static void List(TextWriter to)
    {
        foreach (var (group, operators) in OperatorLibrary.Groups)
        {
            to.WriteLine($"{group}:");
            var table = new TextTable(showHeadings: false, "operator", "keys", "meaning");
            foreach (var definition in operators)
                table.Add(definition.Name, definition.Usage[definition.Name.Length..].Trim(), definition.Doc);
            table.Write(to, "  ");
            to.WriteLine();
        }
        to.WriteLine("'tune operators NAME' tells what the keys of one mean.");
    }
}
