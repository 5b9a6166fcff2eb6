using System.CommandLine;
using Picograd.Search;

namespace Picograd.Tune;

/// <summary><c>--budget 30s|5m|200trials</c>.</summary>
internal static class BudgetOption
{
    public static Option<string?> Create(string standard) =>
        new("--budget")
        {
            Description = $"Time or candidates to spend: 30s, 5m, 200trials; default {standard}",
            HelpName = "BUDGET",
            CompletionSources = { "10s", "30s", "1m", "5m", "200trials" },
        };

    /// <exception cref="UsageException">Malformed.</exception>
    public static SearchBudget Of(ParseResult parsed, Option<string?> option, string standard)
    {
        try
        {
            return SearchBudget.Parse(parsed.GetValue(option) ?? standard);
        }
        catch (FormatException e)
        {
            throw new UsageException($"{option.Name}: {e.Message}.", e);
        }
    }
}
