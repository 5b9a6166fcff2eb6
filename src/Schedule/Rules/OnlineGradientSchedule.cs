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
    private string[] _batch = [];
    private string _columns = "";
    private string _rows = "";

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
            _s.ComputeAt(stage.Name, _rows);
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
        string[]? shared = null;
        foreach (var sum in _p.Sums)
        {
            var own = _s.Nest.OwnLoops(_s.Nest.Block(sum.Name)).Select(l => l.Name).ToList();
            // Kept, vector, summed.
            var (kept, lane, over) = (own[^3], own[^2], own[^1]);
            bool ofRow = _p.IsOfRow(sum);
            var (row, rowIn) = Split(ofRow ? kept : over, bi);
            var (column, columnIn) = Split(ofRow ? over : kept, bj);
            string[] around = [.. own.SkipLast(3), column, row];
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
        _s.ComputeAt(stage.Name, _batch[^1]);
        if (stage.Kind == StageKind.Map)
            _vectors.Lanes(stage.Name);
        else if (_s.Nest.OwnLoops(_s.Nest.Block(stage.Name)) is [.., var last] && last.ConstantExtent > _lanes)
        {
            // Lane by lane, which are added up at the end.
            var (_, inner) = _s.Split(last.Name, _lanes, Tail.Peel);
            string part = _s.Rfactor(stage.Name, inner);
            _s.SetScope(part, Scope.Register);
            Partial(part, stage.Name);
        }
    }

    private void Partial(string part, string total)
    {
        var own = _s.Nest.OwnLoops(_s.Nest.Block(part)).Select(l => l.Name).ToList();
        string lane = _vectors.LaneLoop(part)!;
        var order = own.Where(l => l != lane).ToList();
        _s.Reorder([.. order, lane]);
        _s.Vectorize(lane);
        _s.ComputeAt(part, _s.Nest.OwnLoops(_s.Nest.Block(total)).SkipLast(1).Last().Name);
        _s.DecomposeReduction(part, _s.Nest.OwnLoops(_s.Nest.Block(part))[0].Name);
    }

    // Scores: a register tile of rows × vectors of columns. The operand of the columns is transposed once a block.
    private void Product(Stage dot)
    {
        var load = dot.Values[0].Loads().Single(l => l.Indices.Any(i => i == dot.SpatialAxes.Last().Var));
        Columns(dot, load);
        var own = _s.Nest.OwnLoops(_s.Nest.Block(dot.Name)).Select(l => l.Name).ToList();
        var (row, lane, depth) = (own[^3], own[^2], own[^1]);
        long mr = Math.Min(_choices[OnlineGradientKnobs.Mr], _s.Nest.Loop(row).ConstantExtent ?? 1);
        long width = Math.Min(_choices[OnlineGradientKnobs.Nv] * _lanes, _s.Nest.Loop(lane).ConstantExtent ?? 1);
        var (far, near) = Split(row, mr);
        var (across, low) = Split(lane, width);
        _s.Reorder([.. own.SkipLast(3), far, across, depth, near, low]);
        // By way of memory, so that maps of scores need not be written out for each of the tile's registers.
        string done = _s.CacheWrite(dot.Output.Name, Scope.Register).Copy;
        _s.ReverseComputeAt(done, across);
        _vectors.Lanes(done, unroll: true);
        // Maps go with the rows of the last score that they read.
        _made.Add(dot.Output);
        foreach (var map in _p.Maps.Where(m => !_made.Contains(m.Output) && m.Reads.All(IsMade)))
        {
            _s.ReverseComputeAt(map.Name, far);
            _vectors.Lanes(map.Name);
            _made.Add(map.Output);
        }
        _s.Unroll(near);
        _s.Vectorize(low);
        _s.DecomposeReduction(dot.Name, depth);
    }

    private bool IsMade(Algorithms.Buffer buffer) =>
        _made.Contains(buffer) || !_p.Dots.Concat(_p.Maps).Any(s => s.Output == buffer);

    private void Columns(Stage dot, Load load)
    {
        var (cache, copy) = _s.CacheRead(load.Buffer.Name, dot.Name, Scope.Heap, type: Wide(load.Type));
        int at = Contraction.Dimension(load, dot.SpatialAxes.Last());
        if (at != load.Buffer.Rank - 1)
        {
            var dims = Enumerable.Range(0, load.Buffer.Rank).Select(d => $"d{d}").ToList();
            _s.TransformLayout(
                cache,
                $"{string.Join(",", dims)}->{string.Join(",", dims.Where((_, d) => d != at).Append(dims[at]))}"
            );
        }
        _s.ComputeAt(copy, _columns);
        _vectors.Transposed(copy, load);
    }

    // Register tiles of rows (or columns) × vectors over a tile of pairs, added to what there is.
    private void Mixture(Stage sum)
    {
        string name = sum.Name;
        string reduces = _p.IsOfRow(sum) ? _columns : _rows;
        _s.DecomposeReduction(name, reduces);
        var own = _s.Nest.OwnLoops(_s.Nest.Block(name)).Select(l => l.Name).ToList();
        var (kept, lane, over) = (own[^3], own[^2], own[^1]);
        var knob = _p.IsOfRow(sum) ? OnlineGradientKnobs.Pr : OnlineGradientKnobs.Pc;
        long pr = Math.Min(_choices[knob], _s.Nest.Loop(kept).ConstantExtent ?? 1);
        long extent = _s.Nest.Loop(lane).ConstantExtent ?? 1;
        long width = Math.Min(_choices[OnlineGradientKnobs.Pv] * _lanes, extent);
        var (far, near) = Split(kept, pr);
        string at = far;
        List<string> order = [far];
        if (extent > width)
        {
            (at, lane) = Split(lane, width);
            order.Add(at);
        }
        _s.Reorder([.. order, over, near, lane]);
        string part = _s.Rfactor(name, reduces, at);
        _s.SetScope(part, Scope.Register);
        _s.Unroll(near);
        _s.Vectorize(lane);
        _vectors.Lanes(name, unroll: true);
        _s.DecomposeReduction(part, over);
    }

    private (string Outer, string Inner) Split(string loop, long factor) =>
        LoopRecipes.SplitTile(_s, loop, factor, _s.Nest.Loop(loop).ConstantExtent!.Value);

    private static DType? Wide(DType type) => type.IsStorage() ? type.Compute() : null;
}
