using System.Diagnostics;
using System.Text.Json;
using Picograd.Lower.Cuda.Emulator;
using Picograd.TuneDb;

namespace Picograd.Tests;

/// <summary>
/// The command line on a GPU, here the emulated one. What CUDA a process uses is decided when it first asks, so each command
/// is a process of its own.
/// </summary>
public sealed class CudaTests : IDisposable
{
    private const string Small = "add n=64";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private ToolRun Run(string cuda, string? compute, params string[] words) => Run(cuda, compute, null, words);

    private ToolRun Run(string cuda, string? compute, string? fault, string[] words)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.ArgumentList.Add(typeof(Tune.TuneCommand).Assembly.Location);
        foreach (string word in words)
            start.ArgumentList.Add(word);
        start.Environment["PICOGRAD_CUDA"] = cuda;
        start.Environment["PICOGRAD_CUBINS"] = _folder["cubins"];
        if (compute is not null)
            start.Environment["PICOGRAD_EMULATOR_COMPUTE"] = compute;
        if (fault is not null)
            start.Environment["PICOGRAD_EMULATOR_FAULT"] = fault;
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(120_000), "the command did not end");
        return new ToolRun(process.ExitCode, output, error.Result);
    }

    private ToolRun Emulated(params string[] words)
    {
        Skip.IfNot(CudaEmulator.IsAvailable(out string? whyNot), whyNot ?? "");
        return Run("emulated", null, words);
    }

    [SkippableFact]
    public void What_was_certified_with_another_driver_is_certified_again()
    {
        string db = _folder["db"];
        Emulated("op", Small, "--target", "cuda", "--budget", "3trials", "--db", db).Succeeded();
        string here;
        using (var store = TuneDatabase.Open(db))
        {
            var record = Assert.Single(store.All());
            here = record.Provenance.RuntimeVersion;
            Assert.Contains("; driver=", here);
            string other = here[..here.IndexOf(';', StringComparison.Ordinal)] + "; driver=11.4,nvrtc=11.4";
            store.Put(record with { Provenance = record.Provenance with { RuntimeVersion = other } }, force: true);
        }
        Assert.StartsWith(
            $"{Small}: default schedule",
            Emulated("show", Small, "--target", "cuda", "--db", db).Succeeded()
        );
        string[] why = ["db", "why", Small, "--db", db];
        Assert.Contains("certified with another driver or compiler", Emulated(why).Succeeded());
        string text = Emulated("db", "certify", "--db", db).Succeeded();
        Assert.Matches($@"\[1/1\] {Small}: (certified|no faster)", text);
        using (var store = TuneDatabase.Open(db))
            Assert.Equal(here, Assert.Single(store.All()).Provenance.RuntimeVersion);
        Assert.DoesNotContain("certified with another driver", Emulated(why).Succeeded());
        Assert.Contains("nothing waits", Emulated("db", "certify", "--db", db).Succeeded());
    }

    [SkippableFact]
    public void Op_tunes_and_stores_bench_and_show_use_it_and_other_architectures_refuse_it()
    {
        string db = _folder["db"];
        string text = Emulated("op", Small, "--target", "cuda", "--budget", "3trials", "--db", db).Succeeded();
        Assert.StartsWith($"{Small} on cuda;sm_90a;", text);
        Assert.Contains("best         gpu-", text);
        Assert.Contains($"stored       in {db}", text);

        string list = ToolRun.Of("db", "list", "--db", db).Succeeded();
        Assert.Contains("cuda;sm_90a;", list);
        // Compiled kernels lie beside the database, which stays small.
        Assert.NotEmpty(Directory.GetFiles(_folder["cubins"]));
        Assert.True(new FileInfo(db).Length < 300_000, $"{new FileInfo(db).Length} bytes");
        Assert.Matches(", [1-9][0-9]* compiled kernels", Emulated("db", "prune", "--kernels", "--db", db).Succeeded());
        Assert.Empty(Directory.GetFiles(_folder["cubins"]));

        string file = _folder.Write("specs", Small);
        string line = Emulated("bench", file, "--target", "cuda:0", "--db", db, "--json").Succeeded();
        var timed = JsonDocument.Parse(line).RootElement;
        Assert.Equal("exact", timed.GetProperty("source").GetString());
        Assert.True(timed.GetProperty("ms").GetDouble() > 0);

        string shown = Emulated("show", Small, "--target", "cuda", "--db", db, "--asm").Succeeded();
        Assert.StartsWith($"{Small}: exact schedule", shown);
        Assert.Contains("extern \"C\" __global__", shown);
        Assert.Contains("blocks of", shown);

        var other = Run("emulated", "8.0", "show", Small, "--target", "cuda", "--db", db);
        Assert.StartsWith($"{Small}: default schedule", other.Succeeded());
        Assert.Contains($"a winner of {Small} for sm_90a is stored and refused here", other.Error);
    }

    [SkippableFact]
    public void Selfcheck_counts_kernels_that_fault_and_goes_on()
    {
        Skip.IfNot(CudaEmulator.IsAvailable(out string? whyNot), whyNot ?? "");
        string[] words = ["selfcheck", "--target", "cuda", "--only", "max rows=5 ", "--choices", "0"];
        var run = Run("emulated", null, "700@softmax_f32_", words);
        Assert.Equal(Tune.TuneCommand.Failure, run.Code);
        Assert.Contains("WRONG   softmax rows=5", run.Out);
        Assert.Contains("CUDA_ERROR_ILLEGAL_ADDRESS", run.Out);
        Assert.Contains("ok      log_softmax rows=5", run.Out);
        Assert.DoesNotContain("picograd-trace", run.Out);

        // In one process nothing can follow, and one sentence says why.
        run = Run("emulated", null, "700@softmax_f32_", [.. words, "--in-process"]);
        Assert.Equal(Tune.TuneCommand.Failure, run.Code);
        Assert.Contains("tune: cuMemcpyDtoHAsync failed with error 700", run.Error);
        Assert.DoesNotContain("Unhandled", run.Error);
        Assert.DoesNotContain("log_softmax", run.Out);
    }

    [SkippableFact]
    public void Selfcheck_ends_what_hangs_and_calls_it_so()
    {
        Skip.IfNot(CudaEmulator.IsAvailable(out string? whyNot), whyNot ?? "");
        string[] words = ["selfcheck", "--target", "cuda", "--only", "m=32 n=64 k=24", "--choices", "0"];
        // All that the next run compiles is in the caches, and what clusters are is said.
        string text = Run("emulated", null, null, words).Succeeded();
        Assert.Contains("ok      matmul m=32 n=64 k=24 [by hand, clusters of 2 blocks]", text);
        Assert.Contains("right at least once: sums over lanes, cp.async, clusters", text);

        var run = Run("emulated", null, "hang@_t64", [.. words, "--timeout", "8"]);
        Assert.Equal(Tune.TuneCommand.Failure, run.Code);
        Assert.Contains("WRONG   matmul m=32 n=64 k=24 [by hand, clusters of 2 blocks]: 0 right", run.Out);
        Assert.Contains("hangs: its check did not end within 8.0 s", run.Out);
        Assert.Contains("ok      matmul m=32 n=64 k=24 [gpu-plain]", run.Out);
    }

    [SkippableFact]
    public void Targets_lists_gpus()
    {
        string line = Emulated("targets", "--json").Succeeded();
        var root = JsonDocument.Parse(line).RootElement;
        var gpu = Assert.Single(root.GetProperty("gpus").EnumerateArray());
        Assert.Equal("cuda:0", gpu.GetProperty("target").GetString());
        Assert.True(gpu.GetProperty("emulated").GetBoolean());
        Assert.True(gpu.GetProperty("copy_gbps").GetDouble() > 0);
        Assert.Empty(root.GetProperty("unavailable").EnumerateArray());
    }

    [Fact]
    public void Without_cuda_schedules_are_shown_and_the_rest_is_refused()
    {
        var shown = Run("off", null, "show", Small, "--target", "cuda", "--asm");
        Assert.Contains("extern \"C\" __global__", shown.Succeeded());
        Assert.Contains("shown for an H100", shown.Error);
        Run("off", null, "op", Small, "--target", "cuda", "--db", _folder["none"])
            .Refused("--target is 'cuda:0', which cannot be used", "PICOGRAD_CUDA=off");
        Assert.False(File.Exists(_folder["none"]));
    }

    [SkippableFact]
    public void Report_puts_hand_written_kernels_and_their_ladder_beside_ours()
    {
        string file = _folder.Write("specs", "matmul m=16 n=16 k=8\nsoftmax rows=2 cols=64\n");
        var run = Emulated("report", file, "--target", "cuda", "--db", _folder["db"], "--json");
        string[] lines = run.Succeeded().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains("the emulator", run.Error);
        Assert.Contains("cuBLASLt", run.Error);
        Assert.Equal(2, lines.Length);
        var product = JsonDocument.Parse(lines[0]).RootElement;
        Assert.InRange(product.GetProperty("hand_ms").GetDouble(), 1e-6, 1e6);
        Assert.Equal(
            ["sgemm_naive", "sgemm_coalesced", "sgemm_shared", "sgemm_tile2d", "sgemm_vectorised", "sgemm_warptile"],
            product.GetProperty("ladder_ms").EnumerateObject().Select(p => p.Name)
        );
        Assert.False(product.TryGetProperty("cublaslt_ms", out _));
        Assert.Equal("default", product.GetProperty("source").GetString());
        string table = Emulated("report", file, "--target", "cuda", "--db", _folder["db"]).Succeeded();
        Assert.Contains("vs cublaslt", table);
        Assert.Contains("against each step by hand sgemm_naive", table);
    }

    [SkippableFact]
    public void Selfcheck_runs_kernels_of_every_rule()
    {
        string text = Emulated("selfcheck", "--target", "cuda", "--only", "softmax rows=5", "--choices", "1")
            .Succeeded();
        foreach (string rule in new[] { "gpu-rows", "gpu-reduction", "gpu-plain" })
            Assert.Contains($"ok      softmax rows=5 cols=7 [{rule}]", text);
        Assert.Contains(" 0 kernels wrong", text);
    }
}
