using Picograd.Search;
using Xunit;

namespace Picograd.Tests;

public class BudgetTests
{
    [Theory]
    [InlineData("30s", 30.0, null)]
    [InlineData("1.5s", 1.5, null)]
    [InlineData("5m", 300.0, null)]
    [InlineData("250ms", 0.25, null)]
    [InlineData("1h", 3600.0, null)]
    [InlineData(" 200trials ", null, 200)]
    [InlineData("1trial", null, 1)]
    public void Forms(string text, double? seconds, int? trials)
    {
        var budget = SearchBudget.Parse(text);
        Assert.Equal(seconds, budget.Time?.TotalSeconds);
        Assert.Equal(trials, budget.Trials);
        Assert.Equal(budget, SearchBudget.Parse(budget.ToString()));
    }

    [Theory]
    [InlineData("", "malformed")]
    [InlineData("fast", "malformed")]
    [InlineData("s", "malformed")]
    [InlineData("30", "has no unit")]
    [InlineData("30 weeks", "unit 'weeks'")]
    [InlineData("-5s", "malformed")]
    [InlineData("0s", "more than nothing")]
    [InlineData("1e9s", "malformed")]
    [InlineData("0trials", "whole number")]
    [InlineData("1.5trials", "whole number")]
    [InlineData("9999999h", "at most 30 days")]
    public void MalformedIsSaidInOneSentence(string text, string reason)
    {
        var e = Assert.Throws<FormatException>(() => SearchBudget.Parse(text));
        Assert.Contains(reason, e.Message);
        Assert.Contains($"'{text}'", e.Message);
    }
}
