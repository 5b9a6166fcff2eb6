using System.CommandLine;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;

namespace Picograd.Tune;

/// <summary>
/// Operator instances on the command line: <c>matmul m=256 n=3072 k=768</c> as words of their own or as one quoted text,
/// several one after the other. A word that is an operator's name begins the next instance.
/// </summary>
internal static class SpecWords
{
    /// <summary>What help texts call the argument.</summary>
    public const string Name = "SPEC";

    /// <param name="several">Whether the command takes several instances.</param>
    /// <param name="optional">Whether something else may be given instead.</param>
    public static Argument<string[]> Argument(bool several = false, bool optional = false) =>
        new(Name)
        {
            Description = "Operator and key=value pairs, such as: matmul m=256 n=3072 k=768",
            HelpName = Name,
            Arity = optional ? ArgumentArity.ZeroOrMore : ArgumentArity.OneOrMore,
            CompletionSources = { context => SpecCompletions.Items(context, Name, several) },
        };

    /// <exception cref="OperatorSpecException">An instance is malformed.</exception>
    /// <exception cref="UsageException">An option that the command does not have stands among the words.</exception>
    public static IReadOnlyList<OperatorSpec> Parse(ParseResult parsed, Argument<string[]> argument) =>
        [.. Texts(parsed, argument).Select(OperatorSpec.Parse)];

    /// <summary>The same as texts, each an operator's name with its pairs.</summary>
    public static IReadOnlyList<string> Texts(ParseResult parsed, Argument<string[]> argument)
    {
        var words = new List<(string Word, bool Begins)>();
        foreach (string given in parsed.GetValue(argument) ?? [])
        {
            string[] parts = given.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            for (int i = 0; i < parts.Length; i++)
                words.Add((parts[i], i == 0 && parts.Length > 1 && !parts[0].Contains('=')));
        }
        if (words.Find(w => w.Word.StartsWith('-')) is { Word: { } option })
        {
            var command = parsed.CommandResult.Command;
            throw new UsageException(
                $"unknown option '{option}'{Spelling.Hint(option, command.Options.Select(o => o.Name))}; options of 'tune {command.Name}' are {string.Join(", ", command.Options.Select(o => o.Name))}."
            );
        }
        var texts = new List<string>();
        foreach (var (word, begins) in words)
        {
            if (texts.Count == 0 || begins || OperatorLibrary.Find(word) is not null)
                texts.Add(word);
            else
                texts[^1] += " " + word;
        }
        // An empty text is refused by the parser in its own words.
        return [.. texts.DefaultIfEmpty("")];
    }

    /// <summary>Exactly one instance.</summary>
    public static OperatorSpec ParseOne(ParseResult parsed, Argument<string[]> argument)
    {
        var specs = Parse(parsed, argument);
        return specs.Count == 1
            ? specs[0]
            : throw new UsageException(
                $"SPEC names {specs.Count} operators ({string.Join("; ", specs)}), but this command takes one."
            );
    }
}
