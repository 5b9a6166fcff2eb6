using System.Text.Json;
using Picograd.Lower.Cpu.Machine;

namespace Picograd.Tests;

public sealed class TargetsTests
{
    [Fact]
    public void Json_is_one_object_with_fingerprint_and_ceilings()
    {
        string line = Assert.Single(ToolRun.Line("targets --threads 1 --json").Succeeded().TrimEnd().Split('\n'));
        var root = JsonDocument.Parse(line).RootElement;
        Assert.Equal("cpu", root.GetProperty("target").GetString());
        Assert.Equal(CpuTarget.Detect().Fingerprint(1), root.GetProperty("fingerprint").GetString());
        double fma = root.GetProperty("fma_gflops").GetDouble();
        Assert.InRange(fma, 0.1, 10_000);
        double read = root.GetProperty("read_gbps").GetDouble();
        Assert.InRange(read, 0.1, 10_000);
        Assert.InRange(root.GetProperty("copy_gbps").GetDouble(), 0.1, 10_000);
        var levels = root.GetProperty("levels").EnumerateArray().ToList();
        Assert.Equal("l1", levels[0].GetProperty("level").GetString());
        Assert.Equal("memory", levels[^1].GetProperty("level").GetString());
        Assert.Equal(read, levels[^1].GetProperty("read_gbps").GetDouble());
        var missing = root.GetProperty("unavailable").EnumerateArray().ToList();
        Assert.Equal(root.GetProperty("gpus").GetArrayLength() == 0, missing.Count == 1);
        Assert.All(missing, m => Assert.Equal("cuda", m.GetProperty("target").GetString()));
        Assert.All(missing, m => Assert.Contains("NVIDIA", m.GetProperty("missing").GetString()));
    }

    [Fact]
    public void Text_names_every_ceiling_and_what_cuda_lacks()
    {
        string text = ToolRun.Line("targets").Succeeded();
        foreach (string part in new[] { "cpu;", "fma_gflops", "read_gbps", "copy_gbps", "l1", "memory", "cuda" })
            Assert.Contains(part, text);
    }
}
