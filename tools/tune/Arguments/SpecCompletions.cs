using System.CommandLine.Completions;
using Picograd.Algorithms.Operators;

namespace Picograd.Tune;

/// <summary>What may follow in an operator instance on the command line: names of operators, then keys and their values.</summary>
internal static class SpecCompletions
{
    /// <param name="words">The words of the instances so far, without the one to complete.</param>
    /// <param name="several">Whether another instance may follow a whole one.</param>
    public static IEnumerable<string> After(IReadOnlyList<string> words, bool several)
    {
        int begin = words.Count - 1;
        while (begin >= 0 && OperatorLibrary.Find(words[begin]) is null)
            begin--;
        if (begin < 0)
            return words.Count == 0 ? Names() : [];
        var definition = OperatorLibrary.Find(words[begin])!;
        var given = words.Skip(begin + 1).Select(w => w.Split('=')[0]).ToHashSet();
        var left = definition.Keys.Where(k => !given.Contains(k.Name)).ToList();
        bool whole = left.TrueForAll(k => k.Default is not null || k.Optional);
        return left.SelectMany(Pairs).Concat(several && whole ? Names() : []);
    }

    /// <inheritdoc cref="After"/>
    public static IEnumerable<CompletionItem> Items(CompletionContext context, string argument, bool several)
    {
        var result = context.ParseResult.CommandResult;
        var spec = result.Command.Arguments.FirstOrDefault(a => a.Name == argument);
        var given = spec is null ? null : result.GetResult(spec)?.Tokens;
        var words = given?.Select(t => t.Value).ToList() ?? [];
        if (words.Count > 0 && words[^1] == context.WordToComplete)
            words.RemoveAt(words.Count - 1);
        return After(words, several).Select(w => new CompletionItem(w));
    }

    private static IEnumerable<string> Names() => OperatorLibrary.All.Select(o => o.Name);

    private static IEnumerable<string> Pairs(OperatorKey key) =>
        key.Kind switch
        {
            KeyKind.Flag => [$"{key.Name}=0", $"{key.Name}=1"],
            KeyKind.Choice => key.Choices.Select(c => $"{key.Name}={c}"),
            _ => [$"{key.Name}="],
        };
}
