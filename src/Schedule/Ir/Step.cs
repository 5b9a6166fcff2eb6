using System.Collections.Immutable;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Ir;

/// <summary>
/// One application of a primitive, as one line of text:
/// <c>C.m.o, C.m.i = split C.m 14 tail=peel</c>: results, primitive, arguments, options. Names have no spaces.
/// </summary>
public sealed record Step(
    string Primitive,
    ImmutableArray<string> Results,
    ImmutableArray<string> Args,
    ImmutableSortedDictionary<string, string> Options
)
{
    public static Step Of(string primitive, params string[] args) =>
        new(primitive, [], [.. args], ImmutableSortedDictionary<string, string>.Empty);

    /// <summary>Adds an option; null leaves it out.</summary>
    public Step With(string option, string? value) =>
        value is null ? this : this with { Options = Options.SetItem(option, value) };

    public Step Yielding(params string[] results) => this with { Results = [.. results] };

    public string? Option(string name) => Options.TryGetValue(name, out var value) ? value : null;

    public override string ToString()
    {
        string results = Results.IsEmpty ? "" : string.Join(", ", Results) + " = ";
        string args = string.Concat(Args.Select(a => " " + a));
        string options = string.Concat(Options.Select(o => $" {o.Key}={o.Value}"));
        return results + Primitive + args + options;
    }

    /// <exception cref="FormatException">The line is not of the form above.</exception>
    public static Step Parse(string line)
    {
        string text = line.Trim();
        ImmutableArray<string> results = [];
        int equals = text.IndexOf(" = ", StringComparison.Ordinal);
        if (equals >= 0)
        {
            results = [.. text[..equals].Split(',', StringSplitOptions.TrimEntries)];
            if (results.Any(r => r.Length == 0 || r.Contains(' ')))
                throw new FormatException($"malformed results before '=' in trace line '{line}'");
            text = text[(equals + 3)..];
        }
        var words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0)
            throw new FormatException($"trace line '{line}' names no primitive");
        var args = ImmutableArray.CreateBuilder<string>();
        var options = ImmutableSortedDictionary.CreateBuilder<string, string>();
        foreach (string word in words.Skip(1))
        {
            int at = word.IndexOf('=');
            if (at < 0)
                args.Add(word);
            else if (at == 0 || !options.TryAdd(word[..at], word[(at + 1)..]))
                throw new FormatException($"malformed or repeated option '{word}' in trace line '{line}'");
        }
        return new Step(words[0], results, args.ToImmutable(), options.ToImmutable());
    }
}
