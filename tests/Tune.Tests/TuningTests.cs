using System.Text.Json;
using System.Text.RegularExpressions;

namespace Picograd.Tests;

/// <summary>Commands that search and time, on operators so small that a second is enough.</summary>
public sealed class TuningTests : IDisposable
{
    private const string Small = "matmul m=8 n=16 k=8";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Db => _folder["db"];

    [Fact]
    public void Op_finds_certifies_stores_and_tells()
    {
        string text = ToolRun.Of("op", "matmul", "m=8", "n=16", "k=8", "--budget", "12trials", "--db", Db).Succeeded();
        Assert.StartsWith($"{Small} on cpu;", text);
        Assert.Matches(@"stopped +(budget|plateau|roofline|exhausted) after [0-9.]+ s", text);
        Assert.Matches(@"candidates +[0-9]+ tried, [0-9.]+ a second: .*[0-9]+ timed", text);
        Assert.Matches(@"to code +[0-9.]+ (µs|ms)", text);
        Assert.Matches(@"cost model +(rank correlation -?[01]\.[0-9]+|too few)", text);
        Assert.Matches(@"time +[0-9.]+ (ns|µs|ms); default schedule [0-9.]+ (ns|µs|ms), [0-9.]+x", text);
        Assert.Matches(@"speed +[0-9.]+ G.*, [0-9]+ % of the ceiling", text);
        Assert.Matches(@"spent +start [0-9.]+ s, .*search [0-9.]+ s, .*; [0-9.]+ s in all", text);
        Assert.Contains($"stored       in {Db}", text);
        Assert.Contains("certified", ToolRun.Of("db", "list", "--db", Db).Succeeded());
        Assert.StartsWith($"{Small}: exact schedule", ToolRun.Of("show", Small, "--db", Db).Succeeded());
        // A default that nothing beat is not carried over to other shapes, which have their own.
        string near = text.Contains("nothing beat it") ? "default" : "near";
        Assert.StartsWith(
            $"matmul m=9 n=16 k=8: {near} schedule",
            ToolRun.Of("show", "matmul m=9 n=16 k=8", "--db", Db).Succeeded()
        );
    }

    [Fact]
    public void Op_times_a_schedule_written_by_hand_beside_the_best_found()
    {
        string trace = _folder.Write("t", "picograd-trace 1\ninputs A, B\nstage C(m, n, k)\nreorder C.m C.k C.n\n");
        const string large = "matmul m=64 n=64 k=64";
        string text = ToolRun.Of("op", large, "--budget", "4trials", "--db", Db, "--trace", trace).Succeeded();
        Assert.Matches(@"by hand +[0-9.]+ (ns|µs|ms), .*; best found [0-9.]+ (ns|µs|ms) beside it, [0-9.]+x", text);
        Assert.Matches(
            @"\n  warning      scalar-inner-loop: C\.n computes one element at a time .*; vectorize C\.n",
            text
        );
        string other = _folder.Write("other", "picograd-trace 1\ninputs X\nstage Y(i)\n");
        ToolRun.Of("op", Small, "--budget", "4trials", "--db", Db, "--trace", other).Refused("the trace does not fit");
    }

    [Fact]
    public void An_imported_winner_takes_part_and_is_certified_if_it_wins()
    {
        ToolRun.Of("op", Small, "--budget", "12trials", "--db", Db).Succeeded();
        ToolRun.Of("db", "export", _folder["text"], "--db", Db).Succeeded();
        string other = _folder["other"];
        ToolRun.Of("db", "import", _folder["text"], "--db", other).Succeeded();
        Assert.StartsWith($"{Small}: default schedule", ToolRun.Of("show", Small, "--db", other).Succeeded());
        string text = ToolRun.Of("op", Small, "--budget", "1trials", "--db", other).Succeeded();
        Assert.Matches("candidates +[2-9][0-9]* tried", text);
        Assert.StartsWith($"{Small}: exact schedule", ToolRun.Of("show", Small, "--db", other).Succeeded());
        string list = ToolRun.Of("db", "list", "--db", other).Succeeded();
        Assert.Matches(@"certified +\d", list);
    }

    [Fact]
    public void An_interrupt_before_anything_was_measured_says_so_and_exits_130()
    {
        using var cancel = new CancellationTokenSource();
        cancel.Cancel();
        using var error = new StringWriter();
        int code = Tune.TuneCommand.Run(
            ["bench", _folder.Write("f", Small), "--db", Made()],
            new Tune.ToolConsole(TextWriter.Null, error, false, cancel.Token)
        );
        Assert.Equal(130, code);
        Assert.Contains("interrupted", error.ToString());
    }

    [Fact]
    public void Run_tunes_a_file_and_bench_and_report_use_what_it_stored()
    {
        string file = _folder.Write("specs", $"# two of them\n\n{Small}\ntanh n=100  # the other\n{Small}\n");
        string text = ToolRun.Of("run", file, "--budget", "16trials", "--db", Db, "--seed", "3").Succeeded();
        Assert.Single(Regex.Matches(text, Regex.Escape(Small)));
        Assert.Contains("tanh n=100", text);
        Assert.Contains($"stored in {Db}", text);

        var bench = Lines(ToolRun.Of("bench", file, "--json", "--db", Db).Succeeded());
        Assert.Equal([Small, "tanh n=100"], bench.Select(l => l.GetProperty("spec").GetString()));
        Assert.All(bench, l => Assert.Equal("exact", l.GetProperty("source").GetString()));

        var report = Lines(ToolRun.Of("report", "--json", "--db", Db).Succeeded());
        Assert.Equal(2, report.Count);
        foreach (var line in report)
        {
            foreach (string key in new[] { "ms", "default_ms", "hand_ms", "ceiling_ms", "ceiling_share" })
                Assert.True(line.GetProperty(key).GetDouble() > 0, key);
            Assert.Equal("exact", line.GetProperty("source").GetString());
        }
        string table = ToolRun.Of("report", file, "--db", Db).Succeeded();
        Assert.Contains("vs openblas", table);
        Assert.Contains("against hand-written kernels: ", table);
    }

    [Fact]
    public void Bench_without_a_record_runs_defaults_and_baselines_beside_them()
    {
        string file = _folder.Write("specs", $"{Small}\nsum rows=64 cols=64 axis=0\nadd n=100\n");
        var lines = Lines(
            ToolRun.Of("bench", file, "--json", "--baselines", "--threads", "1", "--db", Made()).Succeeded()
        );
        foreach (var line in lines)
        {
            string lib = line.GetProperty("lib").GetString()!;
            Assert.Contains(lib, new[] { "picograd", "hand", "openblas" });
            Assert.Equal(1, line.GetProperty("threads").GetInt32());
            Assert.True(line.GetProperty("ms").GetDouble() > 0);
            // One of the two rates, and a source for ours only.
            Assert.True(line.TryGetProperty("gflops", out _) ^ line.TryGetProperty("gbps", out _));
            Assert.Equal(lib == "picograd", line.TryGetProperty("source", out var source));
            if (lib == "picograd")
                Assert.Equal("default", source.GetString());
        }
        Assert.Equal(3, lines.Count(l => l.GetProperty("lib").GetString() == "picograd"));
        Assert.Equal(3, lines.Count(l => l.GetProperty("lib").GetString() == "hand"));
    }

    [Theory]
    [InlineData("soon", "malformed")]
    [InlineData("30", "has no unit")]
    [InlineData("30parsecs", "unit 'parsecs'")]
    [InlineData("-5s", "malformed")]
    [InlineData("0s", "more than nothing")]
    [InlineData("0trials", "whole number from 1")]
    [InlineData("1.5trials", "whole number from 1")]
    public void A_malformed_budget_is_refused(string budget, string reason)
    {
        ToolRun.Of("op", Small, "--budget", budget, "--db", Db).Refused("--budget", $"'{budget}'", reason);
        ToolRun
            .Of("run", _folder.Write("f", Small), "--budget", budget, "--db", Db)
            .Refused("--budget", $"'{budget}'", reason);
        Assert.False(File.Exists(Db));
    }

    [Theory]
    [InlineData("op tanh n=8 --target cuda:77", "--target is 'cuda:77', which cannot be used")]
    [InlineData("op tanh n=8 --target abacus", "--target is 'abacus', an unknown target")]
    [InlineData("op tanh n=8 --threads 0", "--threads is '0'")]
    [InlineData("op tanh n=8 --seed x", "--seed is 'x', but must be a whole number from 0")]
    [InlineData("op", "SPEC is missing")]
    [InlineData("op tanh n=8 --frob", "unknown option '--frob'", "--budget")]
    [InlineData("op tanh n=8 frob n=3", "tanh: 'frob' is not a key=value pair")]
    [InlineData("op matmul m=200000 n=200000 k=200000", "its tensors take", "of this machine's memory")]
    [InlineData("run", "FILE is missing")]
    [InlineData("bench", "FILE is missing")]
    [InlineData("bench /nowhere/specs", "FILE '/nowhere/specs' cannot be read: there is no such file")]
    [InlineData("report --threads 0", "--threads is '0'")]
    public void Bad_usage_is_refused_with_its_reason(string line, params string[] parts) =>
        ToolRun.Line(line).Refused(parts);

    [Fact]
    public void A_file_that_is_none_of_operators_is_refused()
    {
        ToolRun.Of("bench", _folder.Write("empty", "# nothing\n"), "--db", Made()).Refused("holds no operator");
        File.WriteAllBytes(_folder["bytes"], [0xff, 0x00, 0x80]);
        ToolRun.Of("bench", _folder["bytes"], "--db", Made()).Refused("is not text");
        ToolRun.Of("bench", _folder[""], "--db", Made()).Refused("is a folder");
    }

    [Fact]
    public void Report_of_a_database_without_records_fails_and_says_how_to_make_some()
    {
        var run = ToolRun.Of("report", "--db", Made());
        Assert.Equal(1, run.Code);
        Assert.Contains("has no certified record", run.Error);
        ToolRun.Of("report", "--db", _folder["missing"]).Refused("does not exist");
    }

    [Fact]
    public void Bench_and_show_of_a_database_that_is_not_there_yet_run_default_schedules_and_say_so()
    {
        string missing = _folder["missing"];
        string specs = _folder.Write("f", Small);
        foreach (string[] line in new[] { ["bench", specs, "--db", missing], new[] { "show", Small, "--db", missing } })
        {
            var run = ToolRun.Of(line);
            Assert.Contains($"'{missing}' does not exist yet: default schedules run.", run.Error);
            Assert.Contains("default", run.Succeeded());
            Assert.False(File.Exists(missing));
        }
    }

    private string Made()
    {
        using (TuneDb.TuneDatabase.Open(Db)) { }
        return Db;
    }

    private static List<JsonElement> Lines(string text) =>
        [.. text.TrimEnd().Split('\n').Select(l => JsonDocument.Parse(l).RootElement)];
}
