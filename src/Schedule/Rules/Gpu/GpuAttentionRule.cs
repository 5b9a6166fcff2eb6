using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules;

/// <summary>
/// Attention as one kernel: a block takes a tile of queries of one head and goes through the keys block by block with
/// online softmax, tiles of Q, K and V in shared memory, scores, statistics and results in registers.
/// </summary>
public sealed class GpuAttentionRule : ScheduleRule
{
    public override string Name => "gpu-attention";

    public override bool Applies(Algorithm algorithm, TargetInfo target) =>
        target.Gpu is not null && AttentionPattern.Of(algorithm) is not null;

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var p = AttentionPattern.Of(algorithm)!;
        long rows = PowerOfTwo(p.Rows, 64);
        long keys = PowerOfTwo(p.Keys, p.Depth > 64 ? 32 : 64);
        long tx = Math.Min(rows == 1 ? 32 : 16, keys);
        return
        [
            new("bq", 0, UpTo(128, p.Rows, rows), rows),
            new("bk", 0, [.. UpTo(128, p.Keys, keys).Where(k => k >= 4 || k == keys)], keys),
            new("tx", 1, [4, 8, 16, 32], Math.Max(4, tx)),
            new("tm", 1, [1, 2, 4, 8], Math.Min(4, rows)),
            new("pad", 2, [0, 1], 1),
            new("vector", 3, [1, 2, 4], 4),
            new("fragments", 3, [0, 1], 1),
            new("eu", 3, [1, 2, 4, 8], 4),
            .. p.IsMasked ? [new Knob("skip", 1, [0, 1], 1)] : (Knob[])[],
        ];
    }

    public override LoopNest Apply(Algorithm algorithm, TargetInfo target, IReadOnlyDictionary<string, long> choices) =>
        new GpuAttentionSchedule(algorithm, choices).Build();

    private static long PowerOfTwo(long extent, long most)
    {
        long size = 1;
        while (size < extent && size < most)
            size *= 2;
        return size;
    }

    private static ImmutableArray<long> UpTo(long most, long extent, long always) =>
        [
            .. new long[] { 1, 2, 4, 8, 16, 32, 64, 128 }
                .Where(v => v <= most && v < 2 * extent)
                .Append(always)
                .Distinct()
                .Order(),
        ];
}
