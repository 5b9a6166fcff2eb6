using Picograd.Search.CostModels;

namespace Picograd.Tests;

/// <summary>Commands that look into the search itself.</summary>
public sealed class SearchBenchTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Recordings => _folder["recordings"];

    [Fact]
    public void Spaces_are_recorded_once_and_searched_as_often_as_one_likes()
    {
        string list = _folder.Write("list", "matmul m=48 n=96 k=32\nmatmul m=64 n=80 k=24\n");
        string bench =
            $"search-bench {list} --recordings {Recordings} --points 160 --seeds 2 --budget 200ms --threads 1 --strategies beam,random";
        var first = ToolRun.Line(bench);
        string text = first.Succeeded();
        Assert.Contains("2 tasks, 2 seeds", text);
        Assert.Matches(@"beam +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9]+ %", text);
        Assert.DoesNotContain("evolution", text);
        Assert.Equal(2, first.Error.Split("tune: recorded").Length - 1);
        var second = ToolRun.Line(bench);
        Assert.Equal("", second.Error);
        // What strategies think is timed by the clock; all else is the recordings'.
        static string Found(string all) => string.Join('\n', all.Split("\n\n")[1]);
        Assert.Equal(Found(text.ReplaceLineEndings("\n")), Found(second.Succeeded().ReplaceLineEndings("\n")));

        string file = Directory.GetFiles(Recordings).Order(StringComparer.Ordinal).First();
        string before = File.ReadAllText(file);
        ToolRun
            .Line($"search-bench --recordings {Recordings} --refresh --seeds 1 --budget 50ms --threads 1")
            .Succeeded();
        Assert.Equal(before, File.ReadAllText(file));

        string model = _folder["model"];
        string trained = ToolRun.Line($"search-train --recordings {Recordings} --out {model}").Succeeded();
        Assert.Matches(@"mean .*[0-9]\.[0-9]{2}", trained);
        using var reader = new StreamReader(model);
        Assert.True(BoostedTrees.Read(reader).FeatureCount > 13);

        File.AppendAllText(file, "nonsense\n");
        ToolRun.Line($"search-train --recordings {Recordings}").Refused("is no recording", "'nonsense' begins no line");
    }

    [Fact]
    public void What_cannot_be_is_refused()
    {
        ToolRun.Line($"search-bench --recordings {Recordings}").Refused("--recordings", "is no folder");
        ToolRun.Line("search-bench --budget 10trials").Refused("--budget", "must be a time");
        ToolRun.Line("search-bench --strategies beam,luck").Refused("--strategies has 'luck'", "evolution");
        Directory.CreateDirectory(Recordings);
        ToolRun.Line($"search-train --recordings {Recordings}").Refused("has no recordings");
    }

    [Fact]
    public void Op_prints_the_space_and_the_best_at_each_level()
    {
        string text = ToolRun
            .Of("op", "matmul", "m=16", "n=32", "k=16", "--budget", "30trials", "--threads", "1", "--db", _folder["db"])
            .Succeeded();
        Assert.Matches(@"space +[0-9,]+ schedules of [0-9]+ rules: .*tile [0-9,]+ \([a-z_ ]*nv rows", text);
        Assert.Matches(@"defaults +[0-9.]+ (ns|µs|ms) after [0-9]+ timed: [a-z]+", text);
        // Kernels as small as this may be at the ceiling at once.
        Assert.Matches(@"(level 0 +[0-9.]+ (ns|µs|ms) after [0-9]+ timed: [a-z]+|stopped +roofline)", text);
        Assert.Matches(@"stopped +[a-z]+ after [0-9.]+ s of search: [a-z]+", text);
        string why = ToolRun
            .Of("show", "matmul m=16 n=32 k=16", "--threads", "1", "--why", "--db", _folder["db"])
            .Succeeded();
        Assert.Matches(@"rule [a-z]+, (its default choices|choices that a search found)", why);
    }

    [Fact]
    public void From_scratch_there_are_no_defaults()
    {
        string text = ToolRun
            .Of(
                "op",
                "matmul m=16 n=32 k=16",
                "--from-scratch",
                "--budget",
                "30trials",
                "--threads",
                "1",
                "--db",
                _folder["db"]
            )
            .Succeeded();
        Assert.Matches(@"at random +[0-9.]+ (ns|µs|ms) after", text);
        Assert.DoesNotMatch(@"\n  defaults ", text);
        Assert.Matches(@"time .*default schedule", text);
    }

    [Fact]
    public void Show_says_which_rule_wrote_which_step()
    {
        string text = ToolRun
            .Of("show", "matmul m=64 n=64 k=64", "--threads", "1", "--why", "--db", _folder["db"])
            .Succeeded();
        Assert.Contains("rule tile, its default choices", text);
        Assert.Matches(@"rows = [0-9]+, level 1, of 1, 2", text);
        Assert.Matches(@"vectorize C\.n(\.i)? +TileRule\.Build", text);
        string conv = ToolRun
            .Of(
                "show",
                "conv2d n=1 c=16 h=14 w=14 oc=16 kh=3 kw=3 pad=1",
                "--threads",
                "1",
                "--why",
                "--db",
                _folder["db"]
            )
            .Succeeded();
        Assert.Contains("rule tile, its default choices", conv);
        Assert.Matches(@"TileRule\.Build › ContractionRecipe\.", conv);
        string trace = _folder.Write("t", "picograd-trace 1\ninputs A, B\nstage C(m, n, k)\nreorder C.m C.k C.n\n");
        string hand = ToolRun.Of("show", "matmul m=8 n=8 k=8", "--trace", trace, "--why", "--threads", "1").Succeeded();
        Assert.Contains("no rule of this version writes these steps", hand);
    }
}
