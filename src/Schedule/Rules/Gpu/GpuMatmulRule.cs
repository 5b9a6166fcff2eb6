using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules;

/// <summary>
/// Matrix products (all layouts, batched or not, any type) on the ordinary arithmetic units: a block makes a tile of the
/// result, step by step of k from tiles of both operands in shared memory; each thread holds tm × tn results in
/// registers. Tiles that overhang are padded with zeros on their way into shared memory. Element-wise stages after the
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
        && algorithm.Stages.Skip(1).All(s => s.Kind == StageKind.Map && MatmulRule.SameAxes(s, c.Stage));

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var c = Contraction.Of(algorithm.Stages[0])!;
        var gpu = target.Gpu!;
        long m = MatmulRule.Extent(c.M[^1]);
        long n = MatmulRule.Extent(c.N);
        long k = MatmulRule.Extent(c.K);
        long batch = c.Outer.Concat(c.M.SkipLast(1)).Aggregate(1L, (x, a) => x * MatmulRule.Extent(a));
        long size = c.Stage.Output.Type.Size();
        var (bm, bn) = Tile(m, n, batch, gpu, size);
        long blocks = Ceil(m, bm) * Ceil(n, bn) * batch;
        long parts = 1;
        while (parts < 16 && blocks * parts * 2 <= gpu.Multiprocessors && k / (parts * 2) >= 256)
            parts *= 2;
        long bk = k >= 16 ? 16 : 8;
        long tm = Math.Min(size > 4 ? 4 : 8, Math.Max(1, bm / 16));
        long tn = Math.Min(size > 4 ? 4 : 8, Math.Max(1, bn / 16));
        return
        [
            new("bm", 0, Fitting([16, 32, 64, 128, 256], m, bm), bm),
            new("bn", 0, Fitting([16, 32, 64, 128, 256], n, bn), bn),
            new("parts", 0, k >= 512 ? [1, 2, 4, 8, 16] : [1], parts),
            new("tm", 1, [1, 2, 4, 8, 16], tm),
            new("tn", 1, [1, 2, 4, 8, 16], tn),
            new("bk", 1, [4, 8, 16, 32], bk),
            new("lanes_m", 2, [1, 2, 4, 8, 16], 4),
            new("stages", 2, [1, 2, 3], bm * bn >= 64 * 64 && k >= 128 ? 2 : 1),
            new("raster", 2, [1, 2, 4, 8], 1),
            new("min_blocks", 3, [0, 1, 2, 3], 0),
            new("vector", 3, [1, 2, 4], size > 4 ? 2 : 4),
            new("fragments", 3, [0, 1], 1),
            new("ku", 3, [1, 2, 4, 8], 8),
        ];
    }

    public override LoopNest Apply(Algorithm algorithm, TargetInfo target, IReadOnlyDictionary<string, long> choices) =>
        new GpuMatmulSchedule(algorithm, target, choices).Build();

    // The largest tile that still gives every multiprocessor a block; small products take small tiles.
    private static (long M, long N) Tile(long m, long n, long batch, GpuInfo gpu, long size)
    {
        (long M, long N)[] tiles = [(128, 128), (64, 128), (64, 64), (32, 64), (32, 32), (16, 32), (16, 16)];
        long most = size > 4 ? 64 : 128;
        foreach (var (bm, bn) in tiles)
        {
            bool fits = bm <= most && bn <= most && bm < 2 * m && bn < 2 * n;
            if (fits && Ceil(m, bm) * Ceil(n, bn) * batch >= gpu.Multiprocessors)
                return (bm, bn);
        }
        return (m >= 32 ? 32 : 16, n >= 32 ? 32 : 16);
    }

    private static ImmutableArray<long> Fitting(long[] values, long extent, long always) =>
        [.. values.Where(v => v < 2 * extent).Append(always).Distinct().Order()];

    internal static long Ceil(long a, long b) => (a + b - 1) / b;
}
