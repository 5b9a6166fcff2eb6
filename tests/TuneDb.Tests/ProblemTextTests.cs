namespace Picograd.Tests;

/// <summary>Records keep the text of their problem in every store and in exports; those from before it have none.</summary>
public sealed class ProblemTextTests : IDisposable
{
    private const string Text = "algorithm gated\n  input X: f32[5]\n  Y[i] = X[i] * 2.0 over i<5\n  output Y\n";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("litedb:")]
    [InlineData("sqlite:")]
    public void Records_keep_the_text_of_their_problem(string provider)
    {
        var record = SampleRecords.Record() with { ProblemText = Text };
        string address = provider + _folder.File("winners.db");
        using (var store = TuneDatabase.Open(address))
        {
            store.Put(record);
            store.Put(SampleRecords.Record(SampleRecords.Key(m: 7)));
        }

        using var again = TuneDatabase.Open(address, TuneDbMode.ReadOnly);
        Assert.Empty(again.Verify().Problems);
        Assert.Equal(record, again.FindExact(record.Key));
        Assert.Equal(Text, again.FindExact(record.Key)!.ProblemText);
        Assert.Equal("", again.FindExact(SampleRecords.Key(m: 7))!.ProblemText);
        Assert.Equal([Text, ""], again.History().Select(entry => entry.Record.ProblemText));
    }

    [Fact]
    public void Records_without_a_text_are_written_as_before()
    {
        Assert.DoesNotContain("problem", SampleRecords.Record().ToText(), StringComparison.Ordinal);
        var record = SampleRecords.Record() with { ProblemText = Text };
        Assert.Contains(
            "\nproblem\n  | algorithm gated\n  |   input X: f32[5]\n",
            record.ToText(),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_text_that_is_too_long_is_refused()
    {
        var record = SampleRecords.Record() with { ProblemText = new string('x', 300 << 10) };
        Assert.Contains(
            "ProblemText has",
            Assert.Throws<ArgumentException>(record.Validate).Message,
            StringComparison.Ordinal
        );
    }
}
