using System.Text.RegularExpressions;
using Xunit.Abstractions;

namespace Picograd.Tests;

/// <summary><c>tune model</c> on whole programs: run, tune, run again, tell.</summary>
public sealed class ModelTests(ITestOutputHelper output) : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static string NamesMlp => Path.Combine(AppContext.BaseDirectory, "names-mlp.dll");

    private string Words() =>
        _folder.Write(
            "words",
            string.Join(
                '\n',
                Enumerable.Range(0, 400).Select(i => $"w{(char)('a' + i % 26)}{i * 7919}".Replace('0', 'o'))
            )
        );

    private ToolRun Model(params string[] arguments)
    {
        var run = ToolRun.Of(["model", .. arguments]);
        output.WriteLine(run.Out);
        return run;
    }

    // The gain of the whole program is printed, and that of its kernels.
    private static void HasGains(string text)
    {
        Assert.Matches(@"all kernels: [0-9.]+ (ms|s) before, [0-9.]+ (ms|s) after, gain [0-9.]+x", text);
        Assert.Matches(@"by the races, .*: gain [0-9.]+x of all kernels", text);
        Assert.Matches(@"the program: [0-9.]+ (ms|s) before, [0-9.]+ (ms|s) after, gain [0-9.]+x", text);
    }

    [Fact]
    public void The_character_model_is_tuned_once()
    {
        string[] arguments = [NamesMlp, "--db", _folder["db"], "--threads", "1", "--budget", "240trials"];
        string[] program = ["--", "--data", Words(), "--steps", "300"];
        var run = Model([.. arguments, .. program]);
        string text = run.Succeeded();
        HasGains(text);
        Assert.Contains("  | step 300: dev loss", run.Error);
        // Its products are what it is about; they ran on the default schedules, and then on the tuned ones.
        var products = Regex.Matches(
            text,
            @"(?m)^matmul .* +[0-9,]+ +[0-9.]+ (ns|µs|ms).* tuned(; nothing beat the default)?$"
        );
        Assert.InRange(products.Count, 9, 40);
        int tuned = int.Parse(Regex.Match(text, "(?m)^([0-9]+) operators are to be tuned").Groups[1].Value);
        Assert.InRange(tuned, 10, 60);

        text = Model([.. arguments, .. program]).Succeeded();
        Assert.Contains($"{tuned} operators are tuned already", text);
        Assert.Contains("nothing is left to tune", text);
        Assert.Contains("the program takes", text);
        Assert.DoesNotContain("gain ", text.Replace("again ", ""));
    }

    [Fact]
    public void Operators_of_the_programs_own_are_tuned_by_their_text()
    {
        string[] arguments = [ProfileTests.Gpt, "--db", _folder["db"], "--threads", "1", "--budget", "300trials"];
        string[] program = ["--", "--steps", "20", "--own"];
        var run = Model([.. arguments, .. program]);
        string text = run.Succeeded();
        Assert.DoesNotContain("is not tuned", run.Error);
        HasGains(text);
        // Itself and its derived gradient ran on what was stored.
        foreach (string name in new[] { "quick_gelu", @"quick_gelu\.adjoint" })
            Assert.Matches($@"(?m)^{name} n=65536 .* tuned(; nothing beat the default)?$", text);
        Assert.Contains("algorithm quick_gelu", ToolRun.Line($"db export --db {_folder["db"]}").Succeeded());
        // Others than these may seem long in the second run, where the machine was away for a moment.
        string again = Model([.. arguments, .. program]).Succeeded();
        Assert.Matches(@"(?m)^\d+ operators are tuned already", again);
        Assert.DoesNotMatch(@"(?m)^quick_gelu\S* n=65536 .* [0-9.]+x +[0-9.]+x ", again);
    }

    [Fact]
    public void What_is_no_program_is_refused_with_its_reason()
    {
        string db = _folder["db"];
        Model(_folder["none"], "--db", db).Refused("there is no such file or folder");
        string folder = _folder["folder"];
        Directory.CreateDirectory(folder);
        Model(folder, "--db", db).Refused("in which there is no project");
        File.WriteAllText(Path.Combine(folder, "a.csproj"), "<Project/>");
        File.WriteAllText(Path.Combine(folder, "b.fsproj"), "<Project/>");
        Model(folder, "--db", db).Refused("in which there are 2 projects; name one of them");
        Model(_folder.Write("library.dll", "x"), "--db", db).Refused("is a library, but must be a program");
        Assert.Contains("PROJECT is missing", Model().Error);
        Model(NamesMlp, "--budget", "soon", "--db", db).Refused("--budget");
    }

    [Fact]
    public void A_program_that_fails_or_runs_no_operator_is_not_tuned()
    {
        string db = _folder["db"];
        var failed = Model(ProfileTests.Gpt, "--db", db, "--", "--steps", "1", "--fail");
        Assert.Equal(1, failed.Code);
        Assert.Contains("the program ended with exit code 3, so nothing is tuned", failed.Error);
        // A program of .NET that has nothing to do with Picograd.
        string tool = typeof(Tune.TuneCommand).Assembly.Location;
        var idle = Model(tool, "--db", db, "--", "operators");
        Assert.Equal(1, idle.Code);
        Assert.Contains("the program ran no operator of Picograd", idle.Error);
        string broken = _folder["broken.csproj"];
        File.WriteAllText(broken, "<Project Sdk=\"Microsoft.NET.Sdk\"><Nonsense></Project>");
        var unbuilt = Model(broken, "--db", db);
        Assert.Equal(1, unbuilt.Code);
        Assert.Contains("cannot be built: ", unbuilt.Error);
    }

    /// <summary>
    /// The whole of it, as a user would: the project of the example, built first, and a GPT whose last prompts have many lengths.
    /// Takes some minutes: with PICOGRAD_LARGE_TESTS=1.
    /// </summary>
    [SkippableTheory]
    [InlineData("examples/names-mlp", "--data WORDS --steps 4000", 60)]
    [InlineData("tests/Tune.Tests.Gpt", "--steps 300 --lengths 25", 90)]
    public void Programs_gain_and_a_second_run_tunes_nothing(string project, string program, int seconds)
    {
        Skip.If(
            Environment.GetEnvironmentVariable("PICOGRAD_LARGE_TESTS") is null,
            "PICOGRAD_LARGE_TESTS is not set; this takes some minutes"
        );
        string[] arguments =
        [
            Path.Combine(Root(), project),
            "--db",
            _folder["db"],
            "--budget",
            $"{seconds}s",
            "--",
            .. program.Replace("WORDS", Words()).Split(' '),
        ];
        string text = Model(arguments).Succeeded();
        HasGains(text);
        Assert.Contains("nothing is left to tune", Model(arguments).Succeeded());
    }

    private static string Root()
    {
        string? folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder!, "Picograd.slnx")))
            folder = Path.GetDirectoryName(folder);
        return folder!;
    }
}
