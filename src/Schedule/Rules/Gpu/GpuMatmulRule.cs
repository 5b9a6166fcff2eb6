using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>
/// Matrix products (all layouts, batched or not, any type) on the ordinary arithmetic units: a block makes a tile of the
/// result, step by step of k from tiles of both operands in shared memory; each thread holds tm × tn results in
/// registers. Tiles that overhang are padded with zeros on their way into shared memory, several steps ahead where there is
/// room, by asynchronous copies where the GPU has them. A block makes several small products of a batch. Element-wise stages after the
/// product run on the results while they are in registers. Long sums of few results are cut into parts that a second
/// kernel adds up.
/// </summary>
public sealed class GpuMatmulRule : ScheduleRule
{
    public override string Name => "gpu-matmul";

    public override bool Applies(Algorithm algorithm, TargetInfo target) =>
        target.Gpu is not null
        && Contraction.Of(algorithm.Stages[0]) is { } c
        && c.Stage.Axes.All(a => a.Extent is IntImm { Value: > 0 })
        && algorithm.Stages.Skip(1).All(s => s.Kind == StageKind.Map && Contraction.SameAxes(s, c.Stage));

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var c = Contraction.Of(algorithm.Stages[0])!;
        var gpu = target.Gpu!;
        long m = Extents.Of(c.M[^1]);
        long n = Extents.Of(c.N);
        long k = Extents.Of(c.K);
        long batch = c.Outer.Concat(c.M.SkipLast(1)).Aggregate(1L, (x, a) => x * Extents.Of(a));
        long size = c.Stage.Output.Type.Size();
        var (bm, bn) = Tile(m, n, batch, gpu, size);
        long blocks = Extents.CeilDiv(m, bm) * Extents.CeilDiv(n, bn) * batch;
        long parts = 1;
        // A few rows take as long as their operand takes to arrive: many threads have to wait for it at a time.
        long wanted = bm <= 4 ? 8 * gpu.Multiprocessors : gpu.Multiprocessors;
        // Partial sums of tiles that overhang are not shared evenly by the threads that add them up.
        while (n % bn == 0 && parts < 16 && blocks * parts * 2 <= wanted && k / (parts * 2) >= 256)
            parts *= 2;
        // Latency decides where there is little to do: longer steps of k, and copies ahead of them.
        bool small = bm * bn < 64 * 64;
        long bk =
            k < 16 ? 8
            : small && k >= 64 ? 32
            : 16;
        long across = blocks >= 8 * gpu.Multiprocessors ? 8 : 16;
        long tm = PerThread(bm, across, size);
        long tn = bm <= 4 ? 1 : PerThread(bn, across, size);
        long products = 1;
        if (GpuMatmulSchedule.Batch(c) is { } axis)
        {
            // At least a warp, up to four, as long as every multiprocessor gets a block.
            long threads = bm / tm * (bn / tn);
            while (
                products * 2 <= Extents.Of(axis)
                && threads * products * 2 <= 128
                && (threads * products < GpuInfo.WarpSize || blocks / (products * 2) >= 2 * gpu.Multiprocessors)
            )
                products *= 2;
        }
        return
        [
            GpuMatmulKnobs.Bm.Offer(Fitting([1, 4, 8, 16, 32, 64, 128, 256], m, bm), bm),
            GpuMatmulKnobs.Bn.Offer(Fitting([4, 8, 16, 32, 64, 128, 256], n, bn), bn),
            GpuMatmulKnobs.Parts.Offer(k >= 512 ? [1, 2, 4, 8, 16] : [1], parts),
            GpuMatmulKnobs.Products.Offer(batch > 1 ? [1, 2, 4, 8, 16] : [1], products),
            GpuMatmulKnobs.Tm.Offer([1, 2, 4, 8, 16], tm),
            GpuMatmulKnobs.Tn.Offer([1, 2, 4, 8, 16], tn),
            GpuMatmulKnobs.Bk.Offer([4, 8, 16, 32], bk),
            GpuMatmulKnobs.LanesM.Offer([1, 2, 4, 8, 16], 4),
            GpuMatmulKnobs.Stages.Offer([1, 2, 3, 4], k >= 4 * bk ? (small && gpu.HasAsyncCopy ? 3 : 2) : 1),
            GpuMatmulKnobs.Async.Offer(gpu.HasAsyncCopy, free: gpu.HasAsyncCopy),
            GpuMatmulKnobs.Raster.Offer([1, 2, 4, 8], 1),
            GpuMatmulKnobs.MinBlocks.Offer([0, 1, 2, 3], 0),
            GpuMatmulKnobs.Vector.Offer([1, 2, 4], size > 4 ? 2 : 4),
            GpuMatmulKnobs.Fragments.Offer(true),
            GpuMatmulKnobs.Pad.Offer(true),
            GpuMatmulKnobs.Ku.Offer([1, 2, 4, 8], 8),
        ];
    }

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices) =>
        new GpuMatmulSchedule(algorithm, target, choices).Build();

    // The largest tile that still gives every multiprocessor a block; small products take small tiles.
    private static (long M, long N) Tile(long m, long n, long batch, GpuInfo gpu, long size)
    {
        (long M, long N)[] tiles =
        [
            (128, 128),
            (64, 128),
            (64, 64),
            (32, 64),
            (32, 32),
            (16, 32),
            (16, 16),
            (8, 16),
            (8, 8),
        ];
        // A tile much larger than the result works on zeros.
        long mostM = Math.Min(size > 4 ? 64 : 128, Above(m));
        long mostN = Math.Max(4, Math.Min(size > 4 ? 64 : 128, Above(n)));
        foreach (var (rows, columns) in tiles)
        {
            long bm = Math.Min(rows, mostM);
            // Few rows: the threads go along n.
            long bn = Math.Min(columns * Math.Max(1, Math.Min(rows / bm, 4)), mostN);
            if (Extents.CeilDiv(m, bm) * Extents.CeilDiv(n, bn) * batch >= gpu.Multiprocessors)
                return (bm, bn);
        }
        return (Math.Min(8, mostM), Math.Min(mostM >= 8 ? 8 : 32, mostN));
    }

    // The tile for an extent that is less than one of the larger tiles.
    private static long Above(long extent)
    {
        long tile = extent == 1 ? 1 : 4;
        while (tile < extent && tile < 128)
            tile *= 2;
        return tile;
    }

    // Results of a thread along one side; small tiles keep enough threads to wait for memory.
    private static long PerThread(long tile, long across, long size) =>
        tile >= 64 ? Math.Min(size > 4 ? 4 : 8, tile / 16) : Math.Max(1, Math.Min(size > 4 ? 4 : 8, tile / across));

    private static ImmutableArray<long> Fitting(long[] values, long extent, long always) =>
        [.. values.Where(v => v < 2 * extent).Append(always).Distinct().Order()];
}

/// <summary>The knobs of <see cref="GpuMatmulRule"/>.</summary>
internal static class GpuMatmulKnobs
{
    public static readonly NumberKnob Bm = new("bm", 0);
    public static readonly NumberKnob Bn = new("bn", 0);
    public static readonly NumberKnob Parts = new("parts", 0);
    public static readonly NumberKnob Products = new("products", 0);
    public static readonly NumberKnob Tm = new("tm", 1);
    public static readonly NumberKnob Tn = new("tn", 1);
    public static readonly NumberKnob Bk = new("bk", 1);
    public static readonly NumberKnob LanesM = new("lanes_m", 2);
    public static readonly NumberKnob Stages = new("stages", 2);
    public static readonly SwitchKnob Async = new("async", 2);
    public static readonly NumberKnob Raster = new("raster", 2);
    public static readonly NumberKnob MinBlocks = new("min_blocks", 3);
    public static readonly NumberKnob Vector = new("vector", 3);
    public static readonly SwitchKnob Fragments = new("fragments", 3);
    public static readonly SwitchKnob Pad = new("pad", 3);
    public static readonly NumberKnob Ku = new("ku", 3);
}
