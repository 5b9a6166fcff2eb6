using System.Text.Json;

namespace Picograd.Tests;

/// <summary>A wrong line of a file is told with its number and costs itself only.</summary>
public sealed class BadLineTests : IDisposable
{
    private static readonly string[] Good = ["tanh n=8", "matmul m=8 n=16 k=8", "sum rows=4 cols=5 axis=1"];

    private static readonly string[] Bad =
    [
        "frobnicate n=8",
        "tanh",
        "tanh n=x",
        "tanh n=-3",
        "tanh n=8 n=9",
        "copy shape=7x3 strides=1",
        "matmul m=200000 n=200000 k=200000",
        "tanh n=99999999999999999999",
        "=",
    ];

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Db => _folder["db"];

    private string Made()
    {
        using (TuneDb.TuneDatabase.Open(Db)) { }
        return Db;
    }

    [Fact]
    public void Bench_report_and_run_go_on_with_the_others_and_return_1()
    {
        string file = _folder.Write("f", "# a comment\ntanh n=8\nfrobnicate n=8\nexp n=9\n");
        foreach (
            string[] line in new[]
            {
                ["bench", file, "--json"],
                ["report", file, "--json"],
                new[] { "run", file, "--budget", "8trials" },
            }
        )
        {
            var run = ToolRun.Of([.. line, "--db", Made()]);
            Assert.Equal(1, run.Code);
            Assert.Contains($"tune: line 3 of '{file}': unknown operator 'frobnicate'", run.Error);
            Assert.Contains("tanh n=8", run.Out);
            Assert.Contains("exp n=9", run.Out);
        }
    }

    [Fact]
    public void Records_of_a_database_that_cannot_be_run_here_leave_the_others()
    {
        var problems = new StringWriter();
        var specs = Picograd.Tune.SpecFile.Of([.. Good.Concat(Bad).Select(s => (s, ""))], problems);
        Assert.Equal(Good, specs.Problems.Select(s => s.ToString()));
        Assert.Equal((Bad.Length, 1), (specs.Wrong, specs.ExitCode));
        Assert.Contains("unknown operator 'frobnicate'", problems.ToString());
        Assert.Contains("matmul m=200000 n=200000 k=200000: its tensors take", problems.ToString());
        Assert.Throws<Picograd.Tune.UsageException>(() =>
            Picograd.Tune.SpecFile.Of([.. Bad.Select(s => (s, ""))], TextWriter.Null)
        );
    }

    [Fact]
    public void Files_of_good_and_bad_lines_at_random()
    {
        var random = new Random(3);
        for (int i = 0; i < 6; i++)
        {
            var lines = Enumerable
                .Range(0, random.Next(1, 6))
                .Select(_ => random.Next(2) == 0 ? Bad[random.Next(Bad.Length)] : Good[random.Next(Good.Length)])
                .ToArray();
            string file = _folder.Write("f", string.Join('\n', lines));
            var run = ToolRun.Of("bench", file, "--json", "--db", Made());
            int wrong = lines.Count(l => Bad.Contains(l));
            Assert.Equal(
                wrong == 0 ? 0
                    : wrong == lines.Length ? 2
                    : 1,
                run.Code
            );
            for (int n = 0; n < lines.Length; n++)
                Assert.Equal(Bad.Contains(lines[n]), run.Error.Contains($"tune: line {n + 1} of '{file}': "));
            string[] timed = [.. run.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Spec)];
            Assert.Equal(lines.Where(l => Good.Contains(l)).Distinct(), timed);
        }

        static string Spec(string json) => JsonDocument.Parse(json).RootElement.GetProperty("spec").GetString()!;
    }

    [Fact]
    public void A_file_of_nothing_but_bad_lines_is_bad_input()
    {
        string file = _folder.Write("f", "frobnicate n=8\ntanh\n");
        foreach (string command in new[] { "run", "bench", "report" })
        {
            var run = ToolRun.Of(command, file, "--db", Made());
            Assert.Equal(2, run.Code);
            Assert.Equal("", run.Out);
            Assert.Contains("line 1 of", run.Error);
            Assert.Contains("line 2 of", run.Error);
            Assert.Contains($"none of the 2 operators of '{file}' can be used", run.Error);
        }
    }

    [Theory]
    [InlineData("copy shape=7x3 strides=1,0")]
    [InlineData("copy shape=6x5 strides=2,2")]
    [InlineData("copy shape=2x3x4 strides=0,1,0")]
    public void Operators_whose_strides_alias_are_tuned_and_timed(string spec)
    {
        string text = ToolRun.Of("op", spec, "--budget", "8trials", "--db", Db).Succeeded();
        Assert.DoesNotContain("wrong-result", text);
        Assert.Contains($"in {Db}", text);
        Assert.Contains(spec, ToolRun.Of("bench", _folder.Write("f", spec), "--json", "--db", Db).Succeeded());
    }
}
