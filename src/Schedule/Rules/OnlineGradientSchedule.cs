using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules;

/// <summary>One schedule of <see cref="OnlineGradientRule"/>, written step by step.</summary>
internal sealed class OnlineGradientSchedule
{
    private readonly ScoreSums _p;
    private readonly TargetInfo _target;
    private readonly Choices _choices;
    private readonly Schedule _s;
    private readonly int _lanes;
    private readonly VectorRecipes _vectors;

    // Dot products and their maps that have their place.
    private readonly HashSet<Algorithms.Buffer> _made = [];

    // Loops that all sums share: sequences and heads, blocks of columns, tiles of rows.
    private LoopRef[] _batch = [];
    private LoopRef _columns = null!;
    private LoopRef _rows = null!;

    public OnlineGradientSchedule(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        (_target, _choices) = (target, choices);
        _p = ScoreSums.Of(algorithm)!;
        _s = new Schedule(algorithm);
        _lanes = target.Lanes(DType.Float32);
        _vectors = new VectorRecipes(_s, _lanes);
    }

    public LoopNest Build()
    {
        Share();
        foreach (var stage in _p.Maps.Reverse().Concat(_p.Dots.Reverse()))
            _s.ComputeAt(stage, _rows);
        foreach (var stage in _p.Before.Reverse())
            Statistic(stage);
        foreach (var dot in _p.Dots)
            Product(dot);
        foreach (var sum in _p.Sums)
            Mixture(sum);
        if (_p.IsMasked && _choices[OnlineGradientKnobs.Skip])
            _s.SkipZeros(_rows);
        if (_choices[OnlineGradientKnobs.Parallel])
            _vectors.Share(_batch, _target.Threads);
        return _s.Nest;
    }

    // Sums that do not read one another come into the same loops over blocks of columns and tiles of rows.
    private void Share()
    {
        long bi = Math.Min(_choices[OnlineGradientKnobs.Bi], _p.Rows);
        long bj = Math.Min(_choices[OnlineGradientKnobs.Bj], _p.Columns);
        LoopRef[]? shared = null;
        foreach (var sum in _p.Sums)
        {
            var own = _s.OwnLoops(sum);
            // Kept, vector, summed.
            var (kept, lane, over) = (own[^3], own[^2], own[^1]);
            bool ofRow = _p.IsOfRow(sum);
            var (row, rowIn) = _vectors.Split(ofRow ? kept : over, bi);
            var (column, columnIn) = _vectors.Split(ofRow ? over : kept, bj);
            LoopRef[] around = [.. own.SkipLast(3), column, row];
            _s.Reorder([.. around, ofRow ? rowIn : columnIn, lane, ofRow ? columnIn : rowIn]);
            if (shared is null)
            {
                shared = around;
                continue;
            }
            for (int i = 0; i < around.Length; i++)
                _s.FuseSiblings(shared[i], around[i]);
        }
        (_batch, _columns, _rows) = (shared![..^2], shared[^2], shared[^1]);
    }

    // What rows have of their own (Σ of gradient times result), once for each.
    private void Statistic(Stage stage)
    {
        _s.ComputeAt(stage, _batch[^1]);
        if (stage.Kind == StageKind.Map)
            _vectors.Lanes(stage);
        else if (_s.Nest.OwnLoops(_s.Nest.Block(stage)) is [.., var last] && last.ConstantExtent > _lanes)
        {
            // Lane by lane, which are added up at the end.
            var (_, inner) = _s.Split(last, _lanes, Tail.Peel);
            var part = _s.Rfactor(stage, inner);
            _s.SetScope(_s.Output(part), Scope.Register);
            Partial(part, stage);
        }
    }

    private void Partial(BlockRef part, BlockRef total)
    {
        var own = _s.OwnLoops(part);
        var lane = _vectors.LaneLoop(part)!;
        var order = own.Where(l => l != lane).ToList();
        _s.Reorder([.. order, lane]);
        _s.Vectorize(lane);
        _s.ComputeAt(part, _s.OwnLoops(total)[^2]);
        _s.DecomposeReduction(part, _s.OwnLoops(part)[0]);
    }

    // Scores: a register tile of rows × vectors of columns. The operand of the columns is transposed once a block.
    private void Product(Stage dot)
    {
        var load = dot.Values[0].Loads().Single(l => l.Indices.Any(i => i == dot.SpatialAxes.Last().Var));
        _vectors.CopyAlong(load, dot, dot.SpatialAxes.Last(), _columns);
        var own = _s.OwnLoops(dot);
        var (row, lane, depth) = (own[^3], own[^2], own[^1]);
        long mr = Math.Min(_choices[OnlineGradientKnobs.Mr], _s.Nest.Loop(row).ConstantExtent ?? 1);
        long width = Math.Min(_choices[OnlineGradientKnobs.Nv] * _lanes, _s.Nest.Loop(lane).ConstantExtent ?? 1);
        var (far, near) = _vectors.Split(row, mr);
        var (across, low) = _vectors.Split(lane, width);
        _s.Reorder([.. own.SkipLast(3), far, across, depth, near, low]);
        // By way of memory, so that maps of scores need not be written out for each of the tile's registers.
        var done = _s.CacheWrite(dot.Output, Scope.Register).Copy;
        _s.ReverseComputeAt(done, across);
        _vectors.Lanes(done, unroll: true);
        // Maps go with the rows of the last score that they read.
        _made.Add(dot.Output);
        foreach (var map in _p.Maps.Where(m => !_made.Contains(m.Output) && m.Reads.All(IsMade)))
        {
            _s.ReverseComputeAt(map, far);
            _vectors.Lanes(map);
            _made.Add(map.Output);
        }
        _s.Unroll(near);
        _s.Vectorize(low);
        _s.DecomposeReduction(dot, depth);
    }

    private bool IsMade(Algorithms.Buffer buffer) =>
        _made.Contains(buffer) || !_p.Dots.Concat(_p.Maps).Any(s => s.Output == buffer);

    // Register tiles of rows (or columns) × vectors over a tile of pairs, added to what there is.
    private void Mixture(Stage sum)
    {
        BlockRef name = sum;
        var reduces = _p.IsOfRow(sum) ? _columns : _rows;
        _s.DecomposeReduction(name, reduces);
        var own = _s.OwnLoops(name);
        var (kept, lane, over) = (own[^3], own[^2], own[^1]);
        var knob = _p.IsOfRow(sum) ? OnlineGradientKnobs.Pr : OnlineGradientKnobs.Pc;
        long pr = Math.Min(_choices[knob], _s.Nest.Loop(kept).ConstantExtent ?? 1);
        long extent = _s.Nest.Loop(lane).ConstantExtent ?? 1;
        long width = Math.Min(_choices[OnlineGradientKnobs.Pv] * _lanes, extent);
        var (far, near) = _vectors.Split(kept, pr);
        var at = far;
        List<LoopRef> order = [far];
        if (extent > width)
        {
            (at, lane) = _vectors.Split(lane, width);
            order.Add(at);
        }
        _s.Reorder([.. order, over, near, lane]);
        var part = _s.Rfactor(name, reduces, at);
        _s.SetScope(_s.Output(part), Scope.Register);
        _s.Unroll(near);
        _s.Vectorize(lane);
        _vectors.Lanes(name, unroll: true);
        _s.DecomposeReduction(part, over);
    }
}
