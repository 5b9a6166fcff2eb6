using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.TuneDb;
using Process = System.Diagnostics.Process;

namespace Picograd.Tests;

/// <summary>Files that are no files, and texts that a terminal would obey: every command says so in plain characters.</summary>
public sealed class HostileFileTests : IDisposable
{
    private const string Product = "matmul m=8 n=8 k=8";
    private const string Escapes = "\u001b[2J\u001b]0;owned\u0007\u202e";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Readers =>
        [
            "run {0} --budget 1s",
            "bench {0}",
            "report {0}",
            "op tanh n=5 --budget 1s --trace {0}",
            "show tanh n=5 --trace {0}",
            "quickstart --data {0}",
            "db import {0}",
            "db merge {0}",
            "db list --db {0}",
            "db verify --db {0}",
            "db export --db {0}",
            "db export {0}",
            "db prune --history --db {0}",
            "op tanh n=5 --budget 1s --db {0}",
            "show tanh n=5 --db {0}",
        ];

    [SkippableTheory]
    [MemberData(nameof(Readers))]
    public async Task A_pipe_or_a_device_is_refused_at_once(string command)
    {
        Skip.If(OperatingSystem.IsWindows(), "pipes and devices have other names");
        Put(Product);
        using (var mkfifo = Process.Start("mkfifo", _folder["pipe"]))
            mkfifo.WaitForExit();
        foreach (string path in (string[])[_folder["pipe"], "/dev/zero"])
        {
            string[] words = string.Format(null, command, path).Split(' ');
            if (!words.Contains("--db"))
                words = [.. words, "--db", _folder["db"]];
            var run = await Task.Run(() => ToolRun.Of(words)).WaitAsync(TimeSpan.FromSeconds(60));
            run.Refused(path, path == "/dev/zero" ? "is a device" : "is a pipe");
        }
    }

    [Fact]
    public void Export_writes_to_the_output_by_a_dash()
    {
        Put(Product);
        string text = ToolRun.Of("db", "export", "-", "--db", _folder["db"]).Succeeded();
        Assert.StartsWith("picograd-winners 1\n", text);
        Assert.Equal(text, ToolRun.Of("db", "export", "--db", _folder["db"]).Succeeded());
        Assert.False(File.Exists("-"));
        ToolRun.Of("db", "export", "/dev/stdout", "--db", _folder["db"]).Refused("'-' writes to the standard output");
    }

    [Fact]
    public void What_is_printed_moves_no_terminal()
    {
        Put(Product);
        // Where a record may hold such text, and where the command line itself does.
        string forged = File.ReadAllText(Exported()).Replace("spec matmul", $"spec {Escapes}matmul");
        File.WriteAllText(_folder["forged"], forged);
        foreach (
            string[] words in (string[][])
                [
                    ["db", "import", _folder["forged"], "--db", _folder["db"]],
                    ["db", "import", _folder[$"no{Escapes}"], "--db", _folder["db"]],
                    ["db", "list", "--db", _folder[$"no{Escapes}"]],
                    ["db", "list", "--operator", Escapes, "--db", _folder["db"]],
                    ["db", Escapes],
                    ["show", Escapes],
                    ["run", _folder[$"no{Escapes}"]],
                    ["db", "show", Product, "--db", _folder["db"]],
                    ["db", "why", Product, "--db", _folder["db"]],
                    ["db", "list", "--db", _folder["db"]],
                    ["db", "list", "--json", "--db", _folder["db"]],
                    ["db", "verify", "--db", _folder["db"]],
                ]
        )
        {
            var run = ToolRun.Of(words);
            Assert.DoesNotContain(run.Out + run.Error, c => (char.IsControl(c) && c is not '\n') || c == '\u202e');
        }
        Assert.Contains("\\u001b[2J", ToolRun.Of("db", "list", "--db", _folder[$"no{Escapes}"]).Error);
    }

    [Fact]
    public void A_file_larger_than_any_list_is_refused_unread()
    {
        string path = _folder["large"];
        using (var stream = File.Create(path))
            stream.SetLength(1L << 40);
        ToolRun.Of("bench", path).Refused(path, "bytes, but may have");
        ToolRun.Of("show", "tanh n=5", "--trace", path).Refused(path, "bytes, but may have");
        ToolRun.Of("quickstart", "--data", path).Refused(path, "bytes, but may have");
    }

    private string Exported()
    {
        ToolRun.Of("db", "export", _folder["text"], "--db", _folder["db"]).Succeeded();
        return _folder["text"];
    }

    private void Put(string text)
    {
        var spec = OperatorSpec.Parse(text);
        using var store = TuneDatabase.Open(_folder["db"]);
        store.Put(
            new TuneRecord
            {
                Key = TuneKeys.Of(spec, new CpuBackend(CpuTarget.Detect(), 1).Target),
                Spec = spec.ToString(),
                Trace = Trace.Of(InitialNest.Of(spec.Build())) + $"# {Escapes}",
                Guards = [$"align({Escapes},64)"],
                Milliseconds = 1,
                Certification = new Certification(0.25, true, true, $"detail {Escapes}"),
                Provenance = new Provenance(DateTime.UtcNow, "test", 7, "3s", 42, "plateau", "10", "0.1.0"),
                Certified = true,
            }
        );
        store.AppendCandidate(
            new TuneCandidate(
                TuneKeys.Of(spec, new CpuBackend(CpuTarget.Detect(), 1).Target),
                "run",
                "hash",
                null,
                Escapes,
                1,
                DateTime.UtcNow,
                Escapes
            )
        );
    }
}
