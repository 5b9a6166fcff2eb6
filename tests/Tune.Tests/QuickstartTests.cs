using System.Globalization;
using System.Text.RegularExpressions;

namespace Picograd.Tests;

public sealed class QuickstartTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Quickstart_tunes_trains_and_samples_and_a_second_one_tunes_nothing()
    {
        string words = _folder.Write(
            "words",
            string.Join('\n', Enumerable.Range(0, 40).Select(i => $"ana{(char)('b' + i % 20)}elle"))
        );
        string[] line =
        [
            "quickstart",
            "--data",
            words,
            "--budget",
            "60trials",
            "--steps",
            "300",
            "--db",
            _folder["db"],
        ];
        string first = ToolRun.Of(line).Succeeded();
        Assert.Matches("tuning [0-9]+ of the [0-9]+ operators of a training step, budget 60trials", first);
        Assert.Contains("ceilings: ", first);

        string second = ToolRun.Of(line).Succeeded();
        Assert.Matches("all [0-9]+ operators of a training step are tuned already", second);
        Assert.DoesNotContain("tuning ", second);
        double start = double.Parse(
            Regex.Match(second, "training starts ([0-9.]+) s after the command").Groups[1].Value,
            CultureInfo.InvariantCulture
        );
        Assert.InRange(start, 0, 3);
        Assert.Contains("made up: ", second);
        var losses = Regex
            .Matches(second, "dev loss ([0-9.]+) nats")
            .Select(m => double.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture))
            .ToList();
        Assert.Equal(5, losses.Count);
        Assert.True(losses[^1] < losses[0], $"the loss went from {losses[0]} to {losses[^1]}");
        Assert.Matches(@"matmul m=32 n=200 k=200 +[0-9.]+ µs +[0-9.]+ µs +[0-9.]+x +[0-9.]+ GFLOP/s", second);
        Assert.Matches(@"a training step +[0-9.]+ (µs|ms) +[0-9.]+ (µs|ms) +[0-9.]+x", second);
        Assert.Contains($"the database is {_folder["db"]}", second);
        Assert.Contains("records", ToolRun.Of("db", "list", "--db", _folder["db"]).Succeeded());
    }

    [Fact]
    public void Words_that_every_machine_has_are_many_and_of_letters_only()
    {
        var names = Tune.TypeNames.All();
        Assert.True(names.Count > 1000, $"only {names.Count} names");
        Assert.Equal(names.Count, names.Distinct().Count());
        Assert.All(names, n => Assert.Matches("^[a-z]{3,24}$", n));
        Assert.Equal(26, names.SelectMany(n => n).Distinct().Count());
    }

    [Fact]
    public void A_data_file_that_cannot_be_read_or_is_no_text_is_refused()
    {
        string db = _folder["db"];
        ToolRun
            .Of("quickstart", "--data", _folder["missing"], "--db", db)
            .Refused("--data", _folder["missing"], "there is no such file");
        ToolRun.Of("quickstart", "--data", _folder[""], "--db", db).Refused("--data", "folder");
        ToolRun.Of("quickstart", "--data", "", "--db", db).Refused("--data");
        File.WriteAllBytes(_folder["bytes"], [0x80, 0xff, 0xfe, 0x00]);
        ToolRun.Of("quickstart", "--data", _folder["bytes"], "--db", db).Refused("--data", "not text in UTF-8");
        ToolRun
            .Of("quickstart", "--data", _folder.Write("zero", "ab\0cd\n"), "--db", db)
            .Refused("--data", "is not text");
        ToolRun
            .Of("quickstart", "--data", _folder.Write("few", "one\ntwo\n"), "--db", db)
            .Refused("--data", "at least 10 words");
        Assert.False(File.Exists(db));
    }

    [Theory]
    [InlineData("quickstart --budget never", "--budget", "'never'", "malformed")]
    [InlineData("quickstart --steps 0", "--steps is '0'", "a whole number from 1")]
    [InlineData("quickstart --threads 0", "--threads is '0'")]
    [InlineData("quickstart --data", "--data")]
    [InlineData("quickstart frob", "'frob' is not an option or argument of 'tune quickstart'", "--budget")]
    public void Bad_usage_is_refused_with_its_reason(string line, params string[] parts) =>
        ToolRun.Line(line).Refused(parts);

    [Fact]
    public void A_database_that_cannot_be_used_is_one_sentence()
    {
        string foreign = _folder.Write("foreign", "these are the words of another application, not a database of ours");
        ToolRun.Of("quickstart", "--db", foreign).Refused(foreign);
        ToolRun.Of("op", "tanh n=8", "--db", foreign).Refused(foreign);
        ToolRun.Of("op", "tanh n=8", "--db", _folder["no/such/folder/db"]).Refused("does not exist");
    }
}
