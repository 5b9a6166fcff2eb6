using System.Collections.Immutable;
using Picograd.Algorithms.Operators;
using Picograd.Schedules;
using Picograd.Search;
using Xunit;

namespace Picograd.Tests;

/// <summary>The prior of GPUs puts known cases in their order.</summary>
public class GpuCostTests
{
    private static readonly TargetInfo Target = new(
        "cuda",
        "cuda sm_90a",
        0,
        0,
        GpuInfo.H100.Multiprocessors,
        0,
        GpuInfo.H100.L2Bytes,
        0
    )
    {
        Gpu = GpuInfo.H100,
    };

    private static double Time(string spec, string rule, params (string Knob, long Value)[] knobs)
    {
        var algorithm = OperatorSpec.Parse(spec).Build();
        var chosen = ScheduleRules.For(algorithm, Target).Single(r => r.Name == rule);
        var choices = chosen.Defaults(algorithm, Target).ToImmutableSortedDictionary();
        foreach (var (knob, value) in knobs)
            choices = choices.SetItem(knob, value);
        return new CostModel(Target).Features(chosen.Apply(algorithm, Target, choices)).AnalyticMilliseconds;
    }

    [Fact]
    public void Tiles_in_shared_memory_beat_none_and_tiles_in_registers_beat_those()
    {
        const string Product = "matmul m=2048 n=2048 k=2048";
        double naive = Time(Product, "gpu-plain");
        double shared = Time(Product, "gpu-matmul", ("bm", 32), ("bn", 32), ("tm", 1), ("tn", 1));
        double registers = Time(Product, "gpu-matmul", ("bm", 128), ("bn", 128), ("tm", 8), ("tn", 8));
        Assert.True(shared < naive, $"shared {shared}, naive {naive}");
        Assert.True(registers < shared / 1.5, $"registers {registers}, shared {shared}");
        // Never faster than the arithmetic units: 2·2048³ operations at 67 TFLOP/s.
        Assert.True(registers > 2 * Math.Pow(2048, 3) / 70e9, $"registers {registers} ms");
    }

    [Fact]
    public void Neighbours_that_read_neighbours_are_faster()
    {
        double Walk(bool along)
        {
            var s = new Schedule(OperatorSpec.Parse("add a=4096x4096 b=4096").Build());
            var loops = s.Nest.Loops.Select(l => l.Name).ToArray();
            if (!along)
                s.Reorder(loops[1], loops[0]);
            string all = s.Fuse(along ? loops[0] : loops[1], along ? loops[1] : loops[0]);
            var (blocks, threads) = s.Split(all, 256);
            s.Bind(blocks, LoopKind.BlockX);
            s.Bind(threads, LoopKind.ThreadX);
            return new CostModel(Target).Features(s.Nest).AnalyticMilliseconds;
        }
        Assert.True(Walk(along: true) < Walk(along: false) / 2);
    }

    [Fact]
    public void One_block_leaves_the_machine_empty()
    {
        double one = Time("sum shape=4194304 axes=0", "gpu-reduction", ("parts", 1), ("team", 2));
        double many = Time("sum shape=4194304 axes=0", "gpu-reduction", ("parts", 256), ("team", 2));
        Assert.True(many < one / 4, $"many {many}, one {one}");
    }

    [Fact]
    public void One_pass_over_rows_is_faster_than_a_kernel_a_stage()
    {
        double fused = Time("softmax rows=8192 cols=4096", "gpu-rows");
        double staged = Time("softmax rows=8192 cols=4096", "gpu-reduction");
        Assert.True(fused < staged, $"fused {fused}, staged {staged}");
    }

    [Fact]
    public void A_memory_bound_kernel_takes_what_its_bytes_take()
    {
        double time = Time("add n=67108864", "gpu-elementwise");
        double bytes = 3.0 * 4 * 67108864;
        Assert.InRange(time, bytes / (GpuInfo.H100.MemoryGbps * 1e6), 2 * bytes / (GpuInfo.H100.MemoryGbps * 1e6));
    }
}
