using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules;

/// <summary>
/// One schedule of <see cref="RowStages"/>, written step by step: all that nobody reads comes into the same loops over rows, and all
/// else below them. Sums over rows take what a tile of rows adds, from registers to memory; where they add up within rows as well, each
/// row has a partial result, and these are added up behind.
/// </summary>
internal sealed class RowStagesSchedule
{
    // Points of the rows that add to memory of their own where threads share rows, which are a multiple of so many.
    private const long SharedPoints = 1 << 16;
    private const long Together = 16;

    // Sums of one row that registers hold.
    private const long MostSums = 8;

    private readonly RowStages _p;
    private readonly TargetInfo _target;
    private readonly Schedule _s;
    private readonly long _vectors;
    private readonly long _together;
    private readonly bool _parallel;

    // Sinks by the name of their block: loops of rows from the outermost, and the loop within a tile of rows.
    private readonly List<(Stage Stage, LoopRef[] Rows)> _sinks = [];

    // Sums of partial results, which come behind.
    private readonly List<BlockRef> _totals = [];
    private LoopRef[] _rows = [];
    private LoopRef _row = null!;

    public RowStagesSchedule(
        Algorithm algorithm,
        RowStages pattern,
        TargetInfo target,
        long vectors,
        long together,
        bool parallel
    )
    {
        (_p, _target, _vectors, _together, _parallel) = (pattern, target, vectors, together, parallel);
        _s = new Schedule(algorithm);
    }

    public LoopNest Build()
    {
        // What reads sinks follows them in the loops that these share.
        var follow = _p.Followers;
        foreach (var stage in _p.Stages.Where(s => _p.IsSink(s) && !follow.Contains(s)))
            Own(stage);
        Tile();
        // What one sink alone reads goes there at once, so that it does not stand between sinks.
        var made = _p.Stages.Where(s => !_p.IsSink(s) && !follow.Contains(s)).Reverse().ToList();
        foreach (var stage in made.ToList())
        {
            var readers = _sinks.Where(k => Reads(k.Rows[0], stage.Output)).ToList();
            if (readers is [var (_, rows)] && !Outside(stage, rows[0]))
            {
                _s.ComputeAt(stage, rows[^1]);
                made.Remove(stage);
            }
        }
        Share();
        foreach (var stage in follow)
            _s.ReverseComputeAt(stage, _row);
        foreach (var stage in made)
            _s.ComputeAt(stage, _row);
        if (_p.Across)
        {
            foreach (var stage in _p.Stages)
                Lanes(stage);
        }
        else
        {
            foreach (var stage in _p.Stages.Where(s => !_p.IsSink(s) || follow.Contains(s)))
                StagewiseRule.Schedule(_s, [stage], _target, parallel: false, _vectors, fused: !_p.IsSink(stage));
            foreach (var (stage, _) in _sinks)
            {
                if (Reduces(stage) is { } over)
                    Collect(stage, over);
                else
                    StagewiseRule.Schedule(_s, [stage], _target, parallel: false, _vectors);
            }
        }
        foreach (var total in _totals)
            StagewiseRule.Schedule(_s, [StageOf(total)], _target, parallel: false, 1);
        StagewiseRule.Schedule(_s, _p.Rest, _target, _parallel, _vectors);
        if (_parallel)
            RowFusionRule.Parallel(_s, _rows, _target.Threads);
        return _s.Nest;
    }

    // Partial results of a row, where a sum is over elements of rows as well as over rows; of several rows, where threads share them.
    private void Own(Stage sink)
    {
        var rows = _p.Rows[sink.Name];
        BlockRef block = sink;
        LoopRef[] loops = [.. rows.Select(r => Loop(block, r))];
        var over = sink.ReduceAxes.Where(a => rows.Contains(a.Var)).Select(a => a.Var).ToList();
        if (over.Count < sink.ReduceAxes.Count())
        {
            foreach (var axis in over)
            {
                _totals.Insert(0, block);
                block = _s.Rfactor(block, loops[rows.IndexOf(axis)]);
            }
        }
        if (Share(sink) is { } share)
        {
            var (outer, inner) = LoopRecipes.SplitTile(
                _s,
                loops[0],
                share,
                _s.Nest.Loop(loops[0]).ConstantExtent!.Value
            );
            loops = [outer, inner, .. loops[1..]];
            if (over.Count > 0 && block == sink)
            {
                _totals.Insert(0, block);
                block = _s.Rfactor(block, outer);
                _s.MoveDimensionFirst(_s.Output(block), _s.Nest.Block(block).Output.Rank - 1);
            }
        }
        _sinks.Add((block == sink ? sink : StageOf(block), loops));
    }

    // Rows whose sums have one memory, where threads share them; null where there is no need.
    private long? Share(Stage sink)
    {
        bool shared =
            _parallel
            && _p.Stages.Any(s =>
                s.ReduceAxes.Any(a => a.Var == _p.Rows[s.Name][0])
                && s.ReduceAxes.All(a => _p.Rows[s.Name].Contains(a.Var))
            );
        if (
            !shared
            || sink.Axes.First(a => a.Var == _p.Rows[sink.Name][0]).Extent is not IntImm { Value: > 1 and var rows }
        )
            return null;
        long points = _p.Stages.Max(s => Extents.Points(s.Axes));
        long share = Math.Min(
            SharedPoints / Math.Max(1, points / rows),
            (rows + _target.Threads - 1) / _target.Threads
        );
        return Math.Clamp(share / Together * Together, Math.Min(rows, Together), rows);
    }

    private bool Reads(LoopRef loop, Algorithms.Buffer buffer) =>
        _s.Nest.Loop(loop).Body.Nodes().OfType<Block>().Any(b => b.Reads.Any(r => r.Name == buffer.Name));

    // Whether a block outside of a loop reads what a stage makes.
    private bool Outside(Stage stage, LoopRef loop)
    {
        var below = _s.Nest.Loop(loop).Body.Nodes().OfType<Block>().Select(b => b.Name).ToHashSet();
        return _s.Nest.Blocks.Any(b =>
            b.Name != stage.Name && b.Reads.Any(r => r.Name == stage.Output.Name) && !below.Contains(b.Name)
        );
    }

    // Loops of rows outermost, cut into tiles.
    private void Tile()
    {
        bool tiled = _together > 1 || _p.Across;
        for (int i = 0; i < _sinks.Count; i++)
        {
            var (stage, rows) = _sinks[i];
            LoopRef[] order = [.. rows];
            LoopRef? within = null;
            if (tiled && _s.Nest.Loop(rows[^1]).ConstantExtent is { } all)
            {
                long tile = _p.Across ? Width * Math.Max(1, _together) : _together;
                if (all > tile || (_p.Across && rows.Length == 1))
                    (order[^1], within) = LoopRecipes.SplitTile(_s, rows[^1], Math.Min(tile, all), all);
                else if (_p.Across)
                    (order, within) = (order[..^1], rows[^1]);
            }
            var own = _s.OwnLoops(stage);
            var rest = own.Where(l => !order.Contains(l) && l != within);
            bool last = within is not null && (_p.Across || IsSummed(stage, within));
            LoopRef[] inner =
                within is null ? [.. rest]
                : last ? [.. rest, within]
                : [within, .. rest];
            _s.Reorder([.. order, .. inner]);
            _sinks[i] = (stage, order);
        }
    }

    private void Share()
    {
        _rows = _sinks[0].Rows;
        _row = _rows[^1];
        foreach (var (_, rows) in _sinks.Skip(1))
        {
            for (int i = 0; i < rows.Length; i++)
                _s.FuseSiblings(_rows[i], rows[i]);
        }
    }

    // The outermost of the shared loops over which a sink adds up; null where it does not.
    private LoopRef? Reduces(Stage sink) => _rows.FirstOrDefault(l => IsSummed(sink, l));

    private bool IsSummed(Stage sink, LoopRef loop) =>
        _s.Nest.Block(sink).ReduceAxes.Any(a => a.Binding.Uses(_s.Nest.Loop(loop).Var));

    // What a tile of rows adds to each element, in registers.
    private void Collect(Stage stage, LoopRef over)
    {
        _s.DecomposeReduction(stage, over);
        var own = _s.OwnLoops(stage);
        bool tiled = _together > 1 && over == _row && own.Count > 1;
        LoopRef? within = tiled ? own[^1] : null;
        var lane = own[tiled ? ^2 : ^1];
        if (_s.Nest.Loop(lane).ConstantExtent is not { } extent || extent <= 1)
            return;
        long width = _target.Lanes(stage) * _vectors;
        LoopRef? tile = null;
        if (extent > width)
            (tile, lane) = LoopRecipes.SplitTile(_s, lane, width, extent);
        if (within is null)
        {
            _s.Vectorize(lane);
            return;
        }
        var at = tile ?? _row;
        _s.Reorder(within, lane);
        var part = _s.Rfactor(stage, over, at);
        _s.SetScope(_s.Output(part), Scope.Register);
        _s.Unroll(within);
        _s.Vectorize(lane);
        new VectorRecipes(_s, _target.Lanes(stage)).Lanes(stage);
        _s.DecomposeReduction(part, within);
    }

    // Rows that lie side by side in some vectors of the widest elements.
    private long Width => _vectors * _p.Stages.Max(_target.Lanes);

    // Rows side by side are the lanes of vectors, in all stages; of a few vectors the sums are in registers, of more in the first cache.
    private void Lanes(Stage stage)
    {
        BlockRef block = stage;
        var place = _s.Nest.Block(block).Axes.First(a => a.Name == _p.Rows[stage.Name][^1].Name).Binding;
        // One row, or what all rows share.
        if (_s.Nest.OwnLoops(_s.Nest.Block(block)).LastOrDefault(l => place.Uses(l.Var))?.Ref is not { } lane)
            return;
        if (stage.Kind == StageKind.Reduce && (_together > 1 || !FitsRegisters(stage)))
        {
            Vector(block, lane);
            _s.DecomposeReduction(block, _s.OwnLoops(block)[0]);
            return;
        }
        if (stage.Kind == StageKind.Reduce)
        {
            var done = block;
            if (!_p.IsSink(stage))
                _s.SetScope(stage.Output, Scope.Register);
            else
            {
                done = _s.CacheWrite(stage.Output, Scope.Register).Copy;
                _s.ReverseComputeAt(done, _row);
                Vector(done, _s.OwnLoops(done)[^1]);
            }
            Vector(block, lane);
            _s.DecomposeReduction(block, _s.OwnLoops(block)[0]);
            return;
        }
        Vector(block, lane);
    }

    // Whether what a stage makes of one row is known to be few elements.
    private bool FitsRegisters(Stage stage)
    {
        var rows = _p.Rows[stage.Name];
        long elements = 1;
        foreach (var axis in stage.Axes.Where(a => a.Kind != AxisKind.Reduce && !rows.Contains(a.Var)))
        {
            if (axis.Extent is not IntImm { Value: var extent } || (elements *= extent) > MostSums)
                return false;
        }
        return true;
    }

    private void Vector(BlockRef block, LoopRef lane)
    {
        var own = _s.OwnLoops(block);
        if (own[^1] != lane)
            _s.Reorder([.. own.Where(l => l != lane), lane]);
        if (_s.Nest.Loop(lane).ConstantExtent is { } extent && extent > Width)
            (_, lane) = LoopRecipes.SplitTile(_s, lane, Width, extent);
        _s.Vectorize(lane);
    }

    // The innermost loop that an axis of a block follows.
    private LoopRef Loop(BlockRef block, Var axis)
    {
        var own = _s.Nest.Block(block);
        var binding = own.Axes.First(a => a.Name == axis.Name).Binding;
        return _s.Nest.LoopsAround(own).Last(l => binding.Uses(l.Var));
    }

    private Stage StageOf(BlockRef name)
    {
        var block = _s.Nest.Block(name);
        return new Stage(
            name.Name,
            StageKind.Reduce,
            [.. block.Axes.Select(a => new Axis(a.Var, a.Extent, a.Kind))],
            block.Outputs,
            block.Indices,
            block.Values,
            block.Reducer
        );
    }
}
