using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>One schedule of <see cref="GpuTensorAttentionRule"/>, written step by step.</summary>
internal sealed class GpuTensorAttentionSchedule
{
    private readonly OnlineReduction _p;
    private readonly Algorithm _algorithm;
    private readonly Schedule _s;
    private readonly long _bq;
    private readonly long _bk;
    private readonly long _wm;
    private readonly bool _pad;
    private readonly bool _skip;
    private readonly bool _hold;

    public GpuTensorAttentionSchedule(Algorithm algorithm, Choices choices)
    {
        _algorithm = algorithm;
        _p = OnlineReduction.Of(algorithm)!;
        _s = new Schedule(algorithm);
        (_bq, _bk, _wm, _pad) = (
            choices[GpuTensorAttentionKnobs.Bq],
            choices[GpuTensorAttentionKnobs.Bk],
            choices[GpuTensorAttentionKnobs.Wm],
            choices[GpuTensorAttentionKnobs.Pad]
        );
        _skip = _p.IsMasked && choices[GpuTensorAttentionKnobs.Skip];
        _hold = choices[GpuTensorAttentionKnobs.Hold];
        if (_bq % _wm != 0 || _bq / _wm > 16)
            throw new ScheduleException(
                null,
                null,
                $"{_bq} queries a block are no whole number of at most 16 warps with {_wm} each",
                "rows of a warp that divide those of a block"
            );
    }

    private string Suffix => _p.Query.Type.Name();

    private long Threads => _bq / _wm * GpuInfo.WarpSize;

    public LoopNest Build()
    {
        LoopRef[] batch = [.. _p.Last.Loops(_p.Last.Axes.SkipLast(2))];
        var (tile, _) = _s.Split(_p.Last.Loop(_p.Row), _bq, Tail.None);
        foreach (var stage in _algorithm.Stages.Reverse().Skip(1))
            _s.ComputeAt(stage, tile);

        BlockRef max = _p.Max;
        var loops = _s.Nest.OwnLoops(_s.Nest.Block(max));
        var (ko, key) = _s.Split(loops[^1], _bk, Tail.None);
        _s.Reorder([ko, .. loops.SkipLast(1).Refs(), key]);
        _s.OnlineSoftmax(max, ko, _skip, _p.Sum, _p.Mix);
        foreach (var stage in _algorithm.Stages.Take(_algorithm.Stages.IndexOf(_p.Max)).Reverse())
            _s.ComputeAt(stage, ko);
        _s.DecomposeReduction(max, ko);

        var (q, copyQ) = _s.CacheRead(_p.Query.Buffer, _p.Dot, Scope.Shared);
        var (k, copyK) = _s.CacheRead(_p.Key.Buffer, _p.Dot, Scope.Shared);
        var (v, copyV) = _s.CacheRead(_p.Value.Buffer, _p.Mix, Scope.Shared);
        foreach (var buffer in _s.Nest.Intermediates.Where(b => b.Scope == Scope.Heap))
            _s.SetScope(buffer, Scope.Fragment);

        Copy(copyQ, tile);
        Copy(copyK, ko);
        Copy(copyV, ko);
        Scores(q, k, tile);
        Mixture(v);
        BlockRef[] copies = [copyQ, copyK, copyV];
        foreach (var block in _s.Nest.Blocks.ToList())
        {
            if (!copies.Contains(block) && _s.Nest.LoopsAround(block).All(l => l.Kind != LoopKind.Warp))
                Elements(block);
        }
        if (_pad)
        {
            // Rows an odd number of 16-byte pieces apart, so that ldmatrix meets no bank twice.
            foreach (var shared in new[] { q, k, v })
                _s.StorageAlign(shared, _s.Nest.Buffer(shared).Rank - 2, 16, 8);
        }
        _s.Bind(tile, LoopKind.BlockX);
        if (batch.Length > 0)
            _s.Bind(_s.Fuse(batch, $"{_p.Last.Name}.batch"), LoopKind.BlockY);
        return _s.Nest;
    }

    // Both products of a tile: rows of a warp by keys or columns, step by step along what is summed.
    private (LoopRef Warp, LoopRef Step, LoopRef Tile) Product(BlockRef name)
    {
        var block = _s.Nest.Block(name);
        var own = _s.Nest.OwnLoops(block);
        LoopRef sum = own.First(l => block.ReduceAxes.Any(a => a.Binding.Uses(l.Var)));
        LoopRef[] spatial = [.. own.Refs().Where(l => l != sum)];
        var (warp, m1) = _s.Split(spatial[0], _wm, Tail.None);
        var (mi, m) = _s.Split(m1, 16, Tail.None);
        var (ni, n) = _s.Split(spatial[1], 8, Tail.None);
        var (step, k) = _s.Split(sum, 16, Tail.None);
        _s.Reorder(warp, step, mi, ni, m, n, k);
        return (warp, step, m);
    }

    private void Scores(BufferRef q, BufferRef k, LoopRef tile)
    {
        BlockRef dot = _p.Dot;
        var (warp, step, unit) = Product(dot);
        var (_, copyA) = _s.CacheRead(q, dot, Scope.Fragment);
        if (_hold)
            Hold(copyA, tile);
        else
            Load(copyA, step, 16, across: false, $"ldmatrix.a.x4.{Suffix}");
        var (_, copyB) = _s.CacheRead(k, dot, Scope.Fragment);
        Load(copyB, step, 16, across: false, $"ldmatrix.b.x4.{Suffix}");
        _s.Bind(warp, LoopKind.Warp);
        if (_s.Nest.Block(dot).Init)
            _s.DecomposeReduction(dot, step);
        _s.Tensorize(unit, $"mma.m16n8k16.{Suffix}");
        _s.Unroll(step);
    }

    // Each warp loads the fragments of its queries once, before the loop over keys.
    private void Hold(BlockRef copy, LoopRef tile)
    {
        var loops = _s.ComputeAt(copy, tile);
        var (warp, rows) = _s.Split(loops[^2], _wm, Tail.None);
        var (part, row) = _s.Split(rows, 16, Tail.None);
        var (step, along) = _s.Split(loops[^1], 16, Tail.None);
        _s.Reorder(warp, step, part, along, row);
        _s.Bind(warp, LoopKind.Warp);
        _s.Tensorize(along, $"ldmatrix.a.x4.{Suffix}");
        _s.Unroll(step);
    }

    private void Mixture(BufferRef v)
    {
        var (warp, step, tile) = Product(_p.Mix);
        var (_, copyB) = _s.CacheRead(v, _p.Mix, Scope.Fragment);
        Load(copyB, step, 16, across: true, $"ldmatrix.b.x4.trans.{Suffix}");
        _s.Bind(warp, LoopKind.Warp);
        _s.Tensorize(tile, $"mma.m16n8k16.{Suffix}");
        _s.Unroll(step);
    }

    // A fragment from shared memory, whose rows run along the summed axis, or across it.
    private void Load(BlockRef copy, LoopRef at, long width, bool across, string intrinsic)
    {
        var loops = _s.ComputeAt(copy, at);
        var (first, second) = (loops[^2], loops[^1]);
        var along = across ? second : first;
        var other = across ? first : second;
        var (outer, inner) = _s.Split(along, width, Tail.None);
        LoopRef[] order = [.. loops.Where(l => l != along && l != other), outer, inner, other];
        if (!order.SequenceEqual(_s.Nest.OwnLoops(_s.Nest.Block(copy)).Refs()))
            _s.Reorder(order);
        _s.Tensorize(inner, intrinsic);
    }

    // What a warp does with its rows element by element; a row's loop lies outside of that of its elements.
    private void Elements(BlockRef name)
    {
        var own = _s.OwnLoops(name);
        var (warp, row) = _s.Split(own[0], _wm, Tail.None);
        _s.Bind(warp, LoopKind.Warp);
    }

    // All threads together fetch a tile, 16 bytes each along the rows.
    private void Copy(BlockRef copy, LoopRef at)
    {
        var loops = _s.ComputeAt(copy, at).ToList();
        var (inner, lanes) = _s.Split(loops[^1], 8, Tail.None);
        var all = _s.Fuse([.. loops.SkipLast(1), inner]);
        long pieces = _s.Nest.Loop(all).ConstantExtent!.Value;
        var thread = all;
        if (pieces > Threads)
        {
            (var turns, thread) = _s.Split(all, Threads, pieces % Threads == 0 ? Tail.None : Tail.Guard);
            _s.Reorder(thread, turns);
            _s.Unroll(turns);
        }
        _s.Bind(thread, LoopKind.ThreadX);
        _s.Vectorize(lanes);
    }
}
