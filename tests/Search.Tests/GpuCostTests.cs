using System.Collections.Immutable;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Recipes;
using Picograd.Search.CostModels;
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

    private static double Milliseconds(LoopNest nest) =>
        new CostModel(Target, n => CudaLowering.WithoutBarriers(n, GpuInfo.H100)).Features(nest).AnalyticMilliseconds;

    private static double Time(string spec, string rule, params (string Knob, long Value)[] knobs)
    {
        var algorithm = OperatorSpec.Parse(spec).Build();
        var chosen = ScheduleRules.For(algorithm, Target).Single(r => r.Name == rule);
        var choices = chosen.Defaults(algorithm, Target).ToImmutableSortedDictionary();
        foreach (var (knob, value) in knobs)
            choices = choices.SetItem(knob, value);
        return Milliseconds(chosen.Apply(algorithm, Target, choices));
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
            var all = s.Fuse(along ? loops[0] : loops[1], along ? loops[1] : loops[0]);
            var (blocks, threads) = s.Split(all, 256);
            s.Bind(blocks, LoopKind.BlockX);
            s.Bind(threads, LoopKind.ThreadX);
            return Milliseconds(s.Nest);
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

    /// <summary>
    /// What the best libraries reach on H100 is what the defaults are predicted to come near: cuBLAS at 4096³, by number type, and
    /// FlashAttention 2 (forward, head of 128, sequence of 8192).
    /// </summary>
    [Theory]
    [InlineData("matmul m=4096 n=4096 k=4096 dtype=bf16", "gpu-warpgroup-matmul", 716)]
    [InlineData("matmul m=4096 n=4096 k=4096 dtype=f16", "gpu-warpgroup-matmul", 726)]
    [InlineData("matmul m=8192 n=8192 k=8192 dtype=bf16", "gpu-warpgroup-matmul", 795)]
    [InlineData("matmul m=4096 n=4096 k=4096 tb=1 tf32=1", "gpu-warpgroup-matmul", 400)]
    [InlineData("matmul m=4096 n=4096 k=4096 dtype=bf16", "gpu-tensor-matmul", 430)]
    [InlineData("matmul m=4096 n=4096 k=4096 tf32=1", "gpu-tensor-matmul", 215)]
    [InlineData("matmul m=4096 n=4096 k=4096", "gpu-matmul", 45.5)]
    [InlineData("attention b=2 h=16 tq=8192 tk=8192 d=128 dtype=bf16", "gpu-tensor-attention", 388)]
    public void Defaults_are_predicted_near_what_the_machine_can_do(string spec, string rule, double teraflops)
    {
        double ideal = OperatorSpec.Parse(spec).Flops / (teraflops * 1e9);
        Assert.InRange(Time(spec, rule), ideal / 3, ideal * 3);
    }

    [Theory]
    [InlineData("matmul m=4096 n=4096 k=4096 dtype=bf16", "gpu-warpgroup-matmul", "gpu-tensor-matmul", "gpu-plain")]
    [InlineData(
        "matmul m=4096 n=4096 k=4096 tb=1 tf32=1",
        "gpu-warpgroup-matmul",
        "gpu-tensor-matmul",
        "gpu-reduction"
    )]
    [InlineData("matmul m=4096 n=4096 k=4096", "gpu-matmul", "gpu-plain", "gpu-reduction")]
    [InlineData(
        "attention b=2 h=16 tq=8192 tk=8192 d=128 dtype=bf16",
        "gpu-tensor-attention",
        "gpu-attention",
        "gpu-plain"
    )]
    public void Families_come_in_the_order_of_their_units(string spec, string first, string second, string third)
    {
        double[] times = [Time(spec, first), Time(spec, second), Time(spec, third)];
        Assert.True(times[0] < times[1] && times[1] < times[2], string.Join(" ", times));
        // The ordinary units are far behind: 67 TFLOP/s at most, of f32.
        if (first != "gpu-matmul")
            Assert.True(times[2] > 5 * times[1] || second != "gpu-tensor-matmul", string.Join(" ", times));
    }

    [Fact]
    public void A_long_sum_shared_by_blocks_fills_the_machine()
    {
        const string Product = "matmul m=256 n=256 k=65536 dtype=bf16";
        double whole = Time(Product, "gpu-warpgroup-matmul", ("split_k", 1));
        double shared = Time(Product, "gpu-warpgroup-matmul", ("split_k", 8));
        Assert.True(shared < whole / 3, $"shared {shared}, whole {whole}");
    }

    [Fact]
    public void Copies_ahead_are_faster_than_waiting_for_each()
    {
        const string Product = "matmul m=4096 n=4096 k=4096 dtype=bf16";
        double one = Time(Product, "gpu-tensor-matmul", ("stages", 1));
        double three = Time(Product, "gpu-tensor-matmul", ("stages", 3));
        Assert.True(three < one, $"three stages {three}, one {one}");
    }

    [Fact]
    public void Rows_that_meet_in_the_banks_cost_time()
    {
        const string Product = "matmul m=4096 n=4096 k=4096 dtype=bf16";
        double swizzled = Time(Product, "gpu-tensor-matmul", ("swizzle", 1));
        double plain = Time(Product, "gpu-tensor-matmul", ("swizzle", 0), ("pad", 0));
        Assert.True(swizzled < plain / 1.5, $"swizzled {swizzled}, not {plain}");
    }
}
