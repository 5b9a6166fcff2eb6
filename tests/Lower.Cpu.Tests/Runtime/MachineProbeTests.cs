using System.Text.Json;
using Picograd.Lower.Cpu.Machine;
using Xunit;

namespace Picograd.Tests.Runtime;

[Collection(nameof(CpuMemoryCollection))]
public class MachineProbeTests
{
    [Fact]
    public void Ceilings_are_plausible_and_quick_to_measure()
    {
        CpuTarget target = CpuTarget.Detect();
        MachineCeilings one = MachineProbe.Measure(target, 1);

        // At least one scalar operation a cycle of a slow core; at most four vector operations a cycle of a very fast one.
        Assert.InRange(one.FmaGflops, 1, 6.0 * 4 * target.VectorFloats * 2);
        Assert.InRange(one.ReadGbps, 0.5, 2000);
        Assert.InRange(one.CopyGbps, 0.5, 2000);
        Assert.Equal(target.Fingerprint(1), one.Fingerprint);
        Assert.Equal("l1", one.Levels[0].Level);
        Assert.Equal("memory", one.Levels[^1].Level);
        Assert.Equal(one.ReadGbps, one.Levels[^1].ReadGbps);
        Assert.True(
            one.Levels[0].ReadGbps > one.ReadGbps,
            $"the level 1 cache ({one.Levels[0].ReadGbps:F1} GB/s) should beat memory ({one.ReadGbps:F1} GB/s)"
        );
    }

    [SkippableFact]
    public void Wider_vectors_reach_more_arithmetic()
    {
        CpuTarget target = CpuTarget.Detect();
        Skip.If(target.VectorBits == 128, "This machine has 128-bit vectors only.");
        double wide = MachineProbe.FmaGflops(target, 1);
        double narrow = MachineProbe.FmaGflops(target with { VectorBits = 128 }, 1);
        Assert.True(wide > 1.2 * narrow, $"{target.VectorBits}-bit: {wide:F0} GFLOP/s, 128-bit: {narrow:F0} GFLOP/s");
    }

    [Fact]
    public void Json_has_the_documented_names()
    {
        var ceilings = new MachineCeilings("cpu;x", 2, 3.5, 4.5, 5.5, [new LevelBandwidth("l1", 1024, 6.5)], 0.5);
        JsonElement json = JsonDocument.Parse(ceilings.ToJson()).RootElement;
        Assert.Equal(3.5, json.GetProperty("fma_gflops").GetDouble());
        Assert.Equal(4.5, json.GetProperty("read_gbps").GetDouble());
        Assert.Equal(5.5, json.GetProperty("copy_gbps").GetDouble());
        Assert.Equal(6.5, json.GetProperty("levels")[0].GetProperty("read_gbps").GetDouble());
        Assert.Equal(
            ceilings with
            {
                Levels = [],
            },
            JsonSerializer.Deserialize<MachineCeilings>(ceilings.ToJson())! with
            {
                Levels = [],
            }
        );
    }

    [Fact]
    public void A_thread_count_outside_the_pool_is_refused()
    {
        var refusal = Assert.Throws<ArgumentOutOfRangeException>(() => MachineProbe.Measure(CpuTarget.Detect(), 0));
        Assert.Contains("threads is 0, but the worker pool allows 1 to", refusal.Message);
    }
}
