using Picograd.TuneDb;

namespace Picograd.Tests;

/// <summary>Algorithms that no operator names, from their texts: tuned, shown, timed, stored, exported, certified.</summary>
public sealed class AlgorithmFileTests : IDisposable
{
    private const string Gated = """
        # what no operator names
        algorithm gated
          input X: f32[33, 47]
          input W: f32[47] positive
          Y[r, c] = select(0.0 < X[r, c], X[r, c] * W[c], exp(X[r, c]) - 1.0) over r<33, c<47
          output Y
        """;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Db => _folder["db"];

    private List<TuneRecord> Records(string db)
    {
        using var store = TuneDatabase.Open(db, TuneDbMode.ReadOnly);
        return [.. store.All()];
    }

    [Fact]
    public void A_text_is_tuned_shown_timed_and_taken_to_another_database()
    {
        string file = _folder.Write("gated.txt", Gated);
        string tuned = ToolRun.Of("op", "--algorithm", file, "--budget", "6trials", "--db", Db).Succeeded();
        Assert.Contains("gated:", tuned);
        Assert.Contains("stored       in", tuned);
        var record = Assert.Single(Records(Db));
        Assert.True(record.Certified);
        Assert.Equal(Gated.Split('\n', 2)[1].Trim(), record.ProblemText.Trim());

        Assert.Contains("exact schedule", ToolRun.Of("show", "--algorithm", file, "--db", Db).Succeeded());
        Assert.Contains("exact", ToolRun.Of("bench", file, "--db", Db).Succeeded());
        Assert.Contains(record.Spec, ToolRun.Of("report", "--db", Db).Succeeded());
        Assert.Contains("algorithm gated", ToolRun.Of("db", "show", record.Spec.Split(' ')[0], "--db", Db).Succeeded());

        // The text goes along, so another machine can certify it.
        string text = _folder["winners"];
        ToolRun.Of("db", "export", text, "--db", Db).Succeeded();
        string other = _folder["other"];
        ToolRun.Of("db", "import", text, "--db", other).Succeeded();
        var imported = Assert.Single(Records(other));
        Assert.Equal((false, record.ProblemText), (imported.Certified, imported.ProblemText));
        string certified = ToolRun.Of("db", "certify", "--db", other).Out;
        Assert.Contains($"{record.Spec}: ", certified);
        Assert.DoesNotContain("left waiting: ", certified);
    }

    [Fact]
    public void A_range_is_tuned_and_serves_the_shapes_in_it()
    {
        string told = ToolRun
            .Of("op", "softmax rows=1..200 cols=64", "--threads", "1", "--budget", "6trials", "--db", Db)
            .Succeeded();
        Assert.Contains("certified ", told);
        Assert.Contains(" at 1; 200; ", told);
        foreach (string rows in new[] { "1", "57", "200" })
        {
            string shown = ToolRun
                .Of("show", "softmax", $"rows={rows}", "cols=64", "--threads", "1", "--db", Db)
                .Succeeded();
            // A range in which nothing beat the default schedule runs on that.
            Assert.Contains(Records(Db).Single().Speedup > 1 ? "exact schedule" : "default schedule", shown);
        }
        string text = _folder["winners"];
        ToolRun.Of("db", "export", text, "--db", Db).Succeeded();
        string other = _folder["other"];
        ToolRun.Of("db", "import", text, "--db", other).Succeeded();
        Assert.Contains(", 0 refused, 0 left waiting", ToolRun.Of("db", "certify", "--db", other).Succeeded());
        Assert.True(Assert.Single(Records(other)).Certified);

        ToolRun.Of("op", "matmul m=8 n=1..9 k=8", "--db", Db).Refused("n cannot be a range");
        ToolRun.Of("op", "softmax rows=9..1 cols=8", "--db", Db).Refused("is no range");
    }

    [Fact]
    public void What_is_wrong_with_a_file_is_told_with_its_place()
    {
        string wrong = _folder.Write("wrong.txt", Gated.Replace("exp(", "exq(", StringComparison.Ordinal));
        ToolRun
            .Of("op", "--algorithm", wrong, "--db", Db)
            .Refused("wrong.txt': line 5, column", "there is no function 'exq'");
        string outside = _folder.Write("outside.txt", Gated.Replace("W[c]", "W[c + 1]", StringComparison.Ordinal));
        ToolRun.Of("show", "--algorithm", outside, "--db", Db).Refused("outside.txt' cannot be evaluated");
        ToolRun.Of("op", "--algorithm", _folder["missing"], "--db", Db).Refused("there is no such file");
        ToolRun.Of("op", "--db", Db).Refused("--algorithm FILE");
        Assert.False(File.Exists(Db));
    }
}
