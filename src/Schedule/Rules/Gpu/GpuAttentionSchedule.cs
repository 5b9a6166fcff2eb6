using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>
/// One schedule of <see cref="GpuAttentionRule"/> on the ordinary units, written step by step. Threads form a grid:
/// thread.y has rows of the tile, thread.x shares out keys (of scores) or columns (of results), so that all threads of a row
/// lie in one warp and combine a row's maximum and sum by shuffles; each of them has a copy of the row's statistics.
/// </summary>
internal sealed class GpuAttentionSchedule
{
    private readonly OnlineReduction _p;
    private readonly Dictionary<Buffer, BufferRef> _tiles = [];
    private readonly Algorithm _algorithm;
    private readonly Choices _choices;
    private readonly Schedule _s;
    private readonly long _bq;
    private readonly long _bk;
    private readonly long _tx;
    private readonly long _tm;
    private readonly long _ty;

    public GpuAttentionSchedule(Algorithm algorithm, Choices choices)
    {
        (_algorithm, _choices) = (algorithm, choices);
        _p = OnlineReduction.Of(algorithm)!;
        _s = new Schedule(algorithm);
        _bq = _choices[GpuAttentionKnobs.Bq];
        _bk = _choices[GpuAttentionKnobs.Bk];
        _tx = _choices[GpuAttentionKnobs.Tx];
        _tm = Math.Min(_choices[GpuAttentionKnobs.Tm], _bq);
        _ty = _bq / _tm;
        if (_tx * _ty > GpuInfo.MaxThreadsPerBlock)
            throw new ScheduleException(
                null,
                null,
                $"{_bq} queries, {_tm} a thread, by {_tx} threads a row take {_tx * _ty} threads",
                $"at most {GpuInfo.MaxThreadsPerBlock} threads a block"
            );
    }

    public LoopNest Build()
    {
        LoopRef[] batch = [.. _p.Last.Loops(_p.Last.Axes.SkipLast(2))];
        var (tile, _) = _s.Split(_p.Last.Loop(_p.Row), _bq, $"{_p.Last.Name}.tile", $"{_p.Last.Name}.row");
        foreach (var stage in _algorithm.Stages.Reverse().Skip(1))
            _s.ComputeAt(stage, tile);

        // One loop over blocks of keys.
        BlockRef max = _p.Max;
        var ko = OuterKeys(max);
        _s.OnlineSoftmax(max, ko, _p.IsMasked && _choices[GpuAttentionKnobs.Skip], _p.Sum, _p.Mix);
        foreach (var scores in ScoreStages())
            _s.ComputeAt(scores, ko);

        // Tiles in shared memory: dot products run along the first dimension, so that neighbouring threads read neighbours.
        var q = Operand(_p.Query, _p.Dot, transpose: true);
        var k = Operand(_p.Key, _p.Dot, transpose: true);
        var v = Operand(_p.Value, _p.Mix, transpose: false);
        var weights = WeightsOfMixture();
        var (shared, copy) = _s.CacheRead(weights, _p.Mix, Scope.Shared);

        foreach (var buffer in _s.Nest.Intermediates.Where(b => b.Scope == Scope.Heap))
            _s.SetScope(buffer, Scope.Register);
        Copy(q, tile);
        Copy(k, ko);
        Copy(v, ko);
        foreach (var block in _s.Nest.Blocks.ToList())
        {
            if (block.Ref != q && block.Ref != k && block.Ref != v)
                Threads(block);
        }
        if (_choices[GpuAttentionKnobs.Pad])
            Pad(shared);
        _s.Bind(tile, LoopKind.BlockX);
        var outermost = tile;
        if (batch.Length > 0)
        {
            outermost = _s.Fuse(batch, $"{_p.Last.Name}.batch");
            _s.Bind(outermost, LoopKind.BlockY);
        }
        // By itself the compiler aims at three blocks of 256 threads, and spills (sm_80, d = 64, causal: 8 bytes at 80 registers).
        _s.Annotate(outermost, Annotate.MinBlocks, "1");
        return _s.Nest;
    }

    private LoopRef OuterKeys(BlockRef max)
    {
        var loops = _s.Nest.OwnLoops(_s.Nest.Block(max));
        LoopRef keys = loops[^1];
        var (outer, inner) = _s.Split(keys, _bk, $"{max}.keys", $"{max}.key");
        if (loops.Length > 1)
            _s.Reorder([outer, .. loops.SkipLast(1).Refs(), inner]);
        return outer;
    }

    // What the maximum is taken of, last first: the scores, the dot products.
    private List<BlockRef> ScoreStages()
    {
        int max = _algorithm.Stages.IndexOf(_p.Max);
        return
        [
            .. _algorithm
                .Stages.Take(max)
                .Reverse()
                .Where(s => _s.Nest.Blocks.Any(b => b.Name == s.Name))
                .Select(s => (BlockRef)s),
        ];
    }

    private BufferRef WeightsOfMixture() =>
        _s.Nest.Block(_p.Mix).Reads.First(b => _s.Nest.Intermediates.Contains(b) && b.Scope != Scope.Shared);

    // A tile of an input in shared memory; the block that copies it.
    private BlockRef Operand(Load load, Stage reader, bool transpose)
    {
        var (buffer, copy) = _s.CacheRead(load.Buffer, reader, Scope.Shared);
        _tiles[load.Buffer] = buffer;
        if (transpose)
            _s.MoveDimensionLast(buffer, load.Buffer.Rank - 2);
        return copy;
    }

    // All threads together fetch a tile, a vector each along the rows in memory.
    private void Copy(BlockRef copy, LoopRef at)
    {
        var loops = _s.ComputeAt(copy, at).ToList();
        // A tile of one element has none.
        if (loops.Count == 0)
            loops.Add(_s.UnitLoop(copy));
        var block = _s.Nest.Block(copy);
        var along = block.Loads.Single().Indices[^1].Substitute(block.Bindings);
        int last = loops.FindIndex(l => along.Uses(_s.Nest.Loop(l).Var));
        if (last >= 0 && last < loops.Count - 1)
        {
            loops.Add(loops[last]);
            loops.RemoveAt(last);
            _s.Reorder([.. loops]);
        }
        var inner = loops[^1];
        long extent = _s.Nest.Loop(inner).ConstantExtent ?? 1;
        long vector = _choices[GpuAttentionKnobs.Vector];
        while (vector > 1 && extent % vector != 0)
            vector /= 2;
        LoopRef? lanes = null;
        if (vector > 1)
            (inner, lanes) = _s.Split(inner, vector, $"{copy}.vec", $"{copy}.v");
        var all = _s.Fuse([.. loops.SkipLast(1), inner], $"{copy}.all");
        var (rest, x) = _s.Split(all, _tx, $"{copy}.rest", $"{copy}.x");
        if (_ty > 1)
        {
            var (again, y) = _s.Split(rest, _ty, $"{copy}.again", $"{copy}.y");
            _s.Reorder(y, x, again);
            _s.Bind(y, LoopKind.ThreadY);
        }
        else
        {
            _s.Reorder(x, rest);
        }
        _s.Bind(x, LoopKind.ThreadX);
        if (lanes is not null)
            _s.Vectorize(lanes);
    }

    // The loops of a block: rows to thread.y, keys or columns to thread.x; what a thread has is unrolled.
    private void Threads(BlockRef name)
    {
        var block = _s.Nest.Block(name);
        var own = _s.Nest.OwnLoops(block);
        var row = own.FirstOrDefault(l => IsRow(block, l))?.Ref;
        var depth = name == _p.Dot || name == _p.Mix ? own.First(l => IsSummed(block, l)).Ref : null;
        var across = own.Refs().FirstOrDefault(l => l != row && l != depth);
        var order = new List<LoopRef>();
        var items = new List<LoopRef>();
        if (row is not null && _ty > 1)
        {
            var (y, item) = _s.Split(row, _tm, $"{name}.y", $"{name}.row");
            order.Add(y);
            items.Add(item);
        }
        else if (row is not null)
        {
            items.Add(row);
        }
        LoopRef? x = null;
        if (across is not null)
        {
            // A short row of keys leaves the last loop of the maximum longer than the others.
            long extent = _s.Nest.Loop(across).ConstantExtent!.Value;
            if (name == _p.Max)
                extent = Math.Min(extent, _p.Keys);
            long vector = _choices[GpuAttentionKnobs.Vector];
            while (vector > 1 && (extent % vector != 0 || extent < vector * _tx))
                vector /= 2;
            var (rest, lane) = _s.Split(across, vector, $"{name}.rest", $"{name}.item");
            var (group, thread) = _s.Split(rest, _tx, $"{name}.group", $"{name}.x");
            x = thread;
            order.Add(x);
            items.AddRange([group, lane]);
        }
        if (depth is not null)
            order.Add(depth);
        if (order.Count + items.Count > 1)
            _s.Reorder([.. order, .. items]);
        if (depth is not null && _choices[GpuAttentionKnobs.Fragments] && IsWhole(name, items[^1]))
            Fragment(name, depth);
        if (row is not null && _ty > 1)
            _s.Bind(order[0], LoopKind.ThreadY);
        if (x is not null)
            _s.Bind(x, LoopKind.ThreadX);
        bool stores = depth is null && block.Output.Scope is Scope.Shared or Scope.Global;
        foreach (var item in items)
        {
            if (_s.Nest.Loop(item).ConstantExtent is not > 1)
                continue;
            if (stores && x is not null && item == items[^1])
                _s.Vectorize(item);
            else
                _s.Unroll(item);
        }
        if (depth is null)
            return;
        if (block.Init)
            _s.DecomposeReduction(name, depth);
        long unroll = _choices[GpuAttentionKnobs.Eu];
        if (unroll > 1 && _s.Nest.Loop(depth).ConstantExtent is { } length && length % unroll == 0 && length > unroll)
            _s.Unroll(_s.Split(depth, unroll).Inner);
    }

    // Whether no tile overhangs along what the threads of a row share out, so that all of them have all of their items.
    private bool IsWhole(BlockRef sum, LoopRef item)
    {
        long step = _s.Nest.Loop(item).ConstantExtent!.Value * _tx;
        return sum == _p.Dot ? _p.Keys % _bk == 0 && _bk % step == 0 : _p.Columns % step == 0;
    }

    // What a thread multiplies with all of its rows, as vectors from shared memory.
    private void Fragment(BlockRef sum, LoopRef depth)
    {
        var operand = sum == _p.Dot ? _p.Key : _p.Value;
        var (_, fetch) = _s.CacheRead(_tiles[operand.Buffer], sum, Scope.Register);
        _s.ComputeAt(fetch, depth);
        GpuLoops.VectorizeInner(_s, fetch);
    }

    // The row's axis is the one before the last of the results, and of everything that has rows.
    private bool IsRow(Block block, For loop)
    {
        int at = _p.Last.Axes.Length - 2;
        return block.Indices.Length > at && block.Axis(block.Indices[at]).Binding.Uses(loop.Var);
    }

    private static bool IsSummed(Block block, For loop) => block.ReduceAxes.Any(a => a.Binding.Uses(loop.Var));

    // Rows of weights that different rows of threads read start in different banks.
    private void Pad(BufferRef shared)
    {
        var before = _s.Nest;
        try
        {
            _s.StorageAlign(shared, _s.Nest.Buffer(shared).Rank - 2, 32, 4);
        }
        catch (ScheduleException)
        {
            // Rows that are too short to have padding keep their own length.
            _s.Reset(before);
        }
    }
}
