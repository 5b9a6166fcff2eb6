using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Intrinsics;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>
/// Matrix products on Hopper's tensor cores through wgmma: a tile of the result for each block, 64 rows or multiples of them for
/// each warpgroup, in registers; along k, tiles of both operands in shared memory, 128 bytes of k deep, swizzled as the
/// instruction wants them, copied ahead by bulk copies of a warpgroup of their own or by cp.async of all threads; bias,
/// activation and rounding are applied on the way out. Operands are padded with zeros to whole tiles while they are copied.
/// </summary>
/// <remarks>
/// Operands of 16 bits lie in any order; tf32 only with rows along k (A as m × k, B as n × k): other products are those of
/// <see cref="GpuTensorMatmulRule"/>. Their rows start at multiples of 16 bytes.
/// </remarks>
public sealed class GpuWarpgroupMatmulRule : ScheduleRule
{
    // Accumulators of a lane: of the 168 registers that three warpgroups may have each, 255 with setmaxnreg.
    private const long MostAccumulators = 128;

    private const long RowBytes = 128;

    public override string Name => "gpu-warpgroup-matmul";

    public override bool Applies(Algorithm algorithm, TargetInfo target) =>
        target.Gpu is { HasWarpgroupMma: true }
        && TensorContraction.Of(algorithm) is { } c
        && LiesWell(c.A, c.M, c.K)
        && LiesWell(c.B, c.N, c.K);

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var c = TensorContraction.Of(algorithm)!;
        var (m, n, k) = (Extents.Of(c.M), Extents.Of(c.N), Extents.Of(c.K));
        long batch = c.Batch.Aggregate(1L, (p, a) => p * Extents.Of(a));
        long processors = target.Gpu!.Multiprocessors;
        // The largest tile of which there is one for every multiprocessor, by falling arithmetic per byte loaded.
        (long Bm, long Bn)[] tiles = [(128, 256), (128, 128), (64, 128), (64, 64)];
        var tile = tiles.FirstOrDefault(
            t => t.Bm <= WholeRows(c) && Extents.CeilDiv(m, t.Bm) * Extents.CeilDiv(n, t.Bn) * batch >= processors,
            tiles[^1]
        );
        long bk = RowBytes / c.Type.Size();
        long blocks = Extents.CeilDiv(m, tile.Bm) * Extents.CeilDiv(n, tile.Bn) * batch;
        long split = 1;
        while (split < 8 && blocks * split * 2 <= processors && k / (split * 2) >= 16 * bk)
            split *= 2;
        long room = (target.Gpu.SharedBytesPerBlock - 1024) / (RowBytes * (tile.Bm + tile.Bn));
        return
        [
            GpuWarpgroupMatmulKnobs.Bm.Offer([64, 128, 256], tile.Bm),
            GpuWarpgroupMatmulKnobs.Bn.Offer([.. Enumerable.Range(1, 16).Select(i => 16L * i)], tile.Bn),
            GpuWarpgroupMatmulKnobs.Consumers.Offer([1, 2, 4], tile.Bm >= 128 ? 2 : 1),
            GpuWarpgroupMatmulKnobs.Bulk.Offer(true),
            GpuWarpgroupMatmulKnobs.SplitK.Offer([1, 2, 4, 8, 16], split),
            GpuWarpgroupMatmulKnobs.Stages.Offer(
                [2, 3, 4, 5, 6, 7, 8],
                Math.Clamp(Math.Min(room, Extents.CeilDiv(k, bk * split)), 2, 8)
            ),
            GpuWarpgroupMatmulKnobs.Group.Offer([1, 2, 4, 8, 16], m * n >= 1 << 20 ? 8 : 1),
            GpuWarpgroupMatmulKnobs.Persistent.Offer(false),
        ];
    }

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        var c = TensorContraction.Of(algorithm)!;
        // No higher than the matrix in whole warpgroups: of a second one that has no rows nothing would be left to write.
        long bm = Math.Min(choices[GpuWarpgroupMatmulKnobs.Bm], WholeRows(c));
        var tile = new WarpgroupTile(
            bm,
            // No wider than the matrix in whole groups of columns, or panels.
            Math.Min(choices[GpuWarpgroupMatmulKnobs.Bn], Extents.CeilDiv(Extents.Of(c.N), Granule(c)) * Granule(c)),
            RowBytes / c.Type.Size(),
            Math.Min(choices[GpuWarpgroupMatmulKnobs.Consumers], bm / WarpgroupMatmuls.Rows),
            choices[GpuWarpgroupMatmulKnobs.Bulk],
            choices[GpuWarpgroupMatmulKnobs.SplitK],
            choices[GpuWarpgroupMatmulKnobs.Stages],
            choices[GpuWarpgroupMatmulKnobs.Group],
            choices[GpuWarpgroupMatmulKnobs.Persistent] ? target.Gpu!.Multiprocessors : 0
        );
        var s = new Schedule(algorithm);
        Require(s.Nest, tile, c);
        new WarpgroupMatmulSchedule(s, algorithm, c, tile).Run();
        return s.Nest;
    }

    private static void Require(LoopNest nest, WarpgroupTile t, TensorContraction c)
    {
        string? why =
            t.Bm % (WarpgroupMatmuls.Rows * t.Consumers) != 0
                ? $"a block tile of {t.Bm} rows is no multiple of {WarpgroupMatmuls.Rows} for each of {t.Consumers} warpgroups"
            : t.Bm * t.Bn / t.Consumers / 128 > MostAccumulators
                ? $"a tile of {t.Bm}×{t.Bn} over {t.Consumers} warpgroups takes {t.Bm * t.Bn / t.Consumers / 128} accumulators a lane"
            : t.Persistent > 0 && t.SplitK > 1 ? "persistent blocks do not share sums along k"
            : t.Bn % Granule(c) != 0 ? $"columns of B come in {Granule(c)}s, and bn is {t.Bn}"
            : null;
        if (why is not null)
            throw new ScheduleException(
                nest,
                null,
                why,
                $"64 rows or multiples for each warpgroup, at most {MostAccumulators} accumulators a lane"
            );
    }

    // Along k, or for 16 bits across it; the other of the two last dimensions; rows on multiples of 16 bytes.
    private static bool LiesWell(Load load, Axis axis, Axis k)
    {
        int rank = load.Indices.Length;
        if (rank is < 2 or > 3 || !load.Buffer.Strides.IsDefault)
            return false;
        var (along, deep) = (Contraction.Dimension(load, axis), Contraction.Dimension(load, k));
        bool straight = deep == rank - 1 && along == rank - 2;
        bool across = deep == rank - 2 && along == rank - 1 && load.Type.Size() == 2;
        return (straight || across) && ((IntImm)load.Buffer.Shape[^1]).Value * load.Type.Size() % 16 == 0;
    }

    // Columns of B that lie together where its rows run along n.
    private static long Granule(TensorContraction c) =>
        TensorContraction.IsContiguous(c.B, c.K) ? 16 : RowBytes / c.Type.Size();

    private static long WholeRows(TensorContraction c) =>
        Extents.CeilDiv(Extents.Of(c.M), WarpgroupMatmuls.Rows) * WarpgroupMatmuls.Rows;
}

/// <summary>Sizes of a schedule of <see cref="GpuWarpgroupMatmulRule"/>.</summary>
/// <param name="Consumers">Warpgroups that multiply.</param>
/// <param name="Bulk">Bulk copies by one more warpgroup, else cp.async by all.</param>
/// <param name="Persistent">Blocks, each of which takes several tiles; 0 for a block a tile.</param>
internal sealed record WarpgroupTile(
    long Bm,
    long Bn,
    long Bk,
    long Consumers,
    bool Bulk,
    long SplitK,
    long Stages,
    long Group,
    long Persistent
);

/// <summary>The knobs of <see cref="GpuWarpgroupMatmulRule"/>.</summary>
internal static class GpuWarpgroupMatmulKnobs
{
    public static readonly NumberKnob Bm = new("bm", 0);
    public static readonly NumberKnob Bn = new("bn", 0);
    public static readonly NumberKnob Consumers = new("consumers", 1);
    public static readonly SwitchKnob Bulk = new("bulk", 1);
    public static readonly NumberKnob SplitK = new("split_k", 1);
    public static readonly NumberKnob Stages = new("stages", 2);
    public static readonly NumberKnob Group = new("group", 2);
    public static readonly SwitchKnob Persistent = new("persistent", 2);
}
