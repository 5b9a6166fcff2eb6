using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules;

/// <summary>One schedule of <see cref="OnlineRule"/>, written step by step.</summary>
internal sealed class OnlineSchedule
{
    private readonly OnlineReduction _p;
    private readonly Algorithm _algorithm;
    private readonly TargetInfo _target;
    private readonly Choices _choices;
    private readonly Schedule _s;
    private readonly int _lanes;
    private readonly VectorRecipes _vectors;

    // Loops over tiles of rows, and over blocks of keys where there are several.
    private LoopRef _tile;
    private LoopRef? _keys;

    public OnlineSchedule(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        (_algorithm, _target, _choices) = (algorithm, target, choices);
        _p = OnlineReduction.Of(algorithm)!;
        _s = new Schedule(algorithm);
        _tile = _p.Last.Loop(_p.Row);
        _lanes = target.Lanes(DType.Float32);
        _vectors = new VectorRecipes(_s, _lanes);
    }

    public LoopNest Build()
    {
        LoopRef[] batch = [.. _p.Last.Loops(_p.Last.Axes.SkipLast(2))];
        long rows = Math.Min(_p.Rows, _choices[OnlineKnobs.Rv] * _lanes);
        (_tile, _) = _vectors.Split(_tile, rows);
        foreach (var stage in _p.Beside)
            Join(stage, batch, rows);
        foreach (var stage in _algorithm.Stages.Reverse().Where(s => s != _p.Last && !_p.Beside.Contains(s)))
            _s.ComputeAt(stage, _tile);
        var scores = Scores();
        Blocks(scores);

        // Rows side by side, in all that has rows and keys.
        foreach (var buffer in _s.Nest.Intermediates.Where(IsScore).ToList())
            _s.MoveDimensionLast(buffer, buffer.Rank - 2);
        _s.SetScope(_p.Dot.Output, Scope.Register);
        // The tile's rows with the summed axis outside, so that vectors of rows are read.
        var queries = _vectors.CopyAlong(
            _p.Query,
            _p.Dot,
            _p.Dot.SpatialAxes.ElementAt(_p.Last.Axes.Length - 2),
            _tile
        );
        Product(scores, rows);
        foreach (var block in _s.Nest.Blocks.ToList())
        {
            bool done = block.Ref == _p.Dot || block.Ref == queries || block.Ref == scores;
            if (!done && !block.IsReduction)
                _vectors.Lanes(block);
        }
        Statistic(_p.Max);
        Statistic(_p.Sum);
        Mixture(rows);
        if (_choices[OnlineKnobs.Parallel])
            _vectors.Share([.. batch, _tile], _target.Threads);
        return _s.Nest;
    }

    // What rows have besides comes into the tiles of the mixture.
    private void Join(Stage stage, LoopRef[] batch, long rows)
    {
        LoopRef[] own = [.. stage.Loops(stage.Axes)];
        (own[^1], _) = _vectors.Split(own[^1], rows);
        foreach (var (first, second) in batch.Append(_tile).Zip(own))
            _s.FuseSiblings(first, second);
    }

    // The stage whose values the maximum is taken of; what lies between it and the dot products is computed on the spot.
    private Stage Scores()
    {
        var read = _p
            .Max.Values[0]
            .Loads()
            .Select(l => _algorithm.Stages.FirstOrDefault(s => s.Output == l.Buffer))
            .OfType<Stage>()
            .ToList();
        if (read is not [{ Kind: StageKind.Map } scores])
            throw new ScheduleException(
                _s.Nest,
                null,
                $"the maximum {_p.Max.Name} is not of one map of the dot products {_p.Dot.Name}"
            );
        foreach (var stage in _algorithm.Stages.Take(_algorithm.Stages.IndexOf(scores)).Reverse())
        {
            if (stage.Kind == StageKind.Map)
                _s.ComputeInline(stage);
        }
        return scores;
    }

    // Keys in blocks, each after the other with the maximum so far; or all at once.
    private void Blocks(BlockRef scores)
    {
        long size = _choices[OnlineKnobs.Bk];
        if (size == 0 || size >= _p.Keys)
            return;
        BlockRef max = _p.Max;
        var own = _s.OwnLoops(max);
        var (keys, inner) = _vectors.Split(own[^1], size);
        _s.Reorder([keys, .. own.SkipLast(1), inner]);
        bool skip = _p.IsMasked && _choices[OnlineKnobs.Skip];
        _s.OnlineSoftmax(max, keys, skip, _p.Sum, _p.Mix);
        _s.ComputeAt(scores, keys);
        _s.ComputeAt(_p.Dot, keys);
        _keys = keys;
    }

    // Intermediates with a row and a key, which come before the mixture.
    private bool IsScore(Buffer buffer)
    {
        var stage = _algorithm.Stages.FirstOrDefault(s => s.Output.Name == buffer.Name);
        return stage is not null
            && (stage == _p.Dot || (stage.Kind == StageKind.Map && _p.IsScore(stage)))
            && _s.Nest.Blocks.Any(b => b.Name == stage.Name);
    }

    // Scores: a register tile of keys × vectors of rows, over all of the summed axis.
    private void Product(BlockRef scores, long rows)
    {
        BlockRef dot = _p.Dot;
        var lane = _vectors.LaneLoop(dot)!;
        var own = _s.OwnLoops(dot);
        var depth = own[^1];
        var key = own[^2];
        long mr = Math.Min(_choices[OnlineKnobs.Mr], _s.Nest.Loop(key).ConstantExtent ?? 1);
        var (far, near) = _vectors.Split(key, mr);
        _s.Reorder([.. own.SkipLast(2).Where(l => l != lane), far, depth, near, lane]);
        _s.ReverseComputeAt(scores, far);
        _s.Unroll(near);
        _s.Vectorize(lane);
        _vectors.Lanes(scores, unroll: true);
        _s.DecomposeReduction(dot, depth);
        long eu = _choices[OnlineKnobs.Eu];
        if (eu > 1 && _s.Nest.Loop(depth).ConstantExtent > eu)
            _s.Unroll(_vectors.Split(depth, eu).Inner);
    }

    // A maximum or sum of each row over the keys, in registers; with blocks of keys that of a block, then of all so far.
    private void Statistic(BlockRef name)
    {
        var lane = _vectors.LaneLoop(name)!;
        var own = _s.OwnLoops(name);
        var key = own[^1];
        _s.Reorder([.. own.Where(l => l != lane), lane]);
        _s.Vectorize(lane);
        if (_keys is null)
        {
            _vectors.Lanes(_s.CacheWrite(_s.Output(name), Scope.Register).Copy);
            _s.DecomposeReduction(name, key);
            return;
        }
        if (_s.Nest.Block(name).Init)
            _s.DecomposeReduction(name, _keys);
        var part = _s.Rfactor(name, _keys);
        _s.SetScope(_s.Output(part), Scope.Register);
        _s.DecomposeReduction(part, key);
        _vectors.Lanes(name);
    }

    // Results: register tiles of rows × vectors of columns over a block of keys, added to what there is.
    private void Mixture(long rows)
    {
        BlockRef mix = _p.Mix;
        var own = _s.OwnLoops(mix);
        var key = own[^1];
        var lane = _vectors.LaneLoop(mix)!;
        var row = own[^3];
        long pr = Math.Min(_choices[OnlineKnobs.Pr], rows);
        long width = Math.Min(_choices[OnlineKnobs.Pv] * _lanes, _p.Columns);
        var order = own.SkipLast(3).ToList();
        var (far, near) = _vectors.Split(row, pr);
        order.Add(far);
        var at = far;
        if (_p.Columns > width)
        {
            (at, lane) = _vectors.Split(lane, width);
            order.Add(at);
        }
        _s.Reorder([.. order, key, near, lane]);
        var part = mix;
        var sum = mix;
        if (_keys is null)
        {
            sum = _s.CacheWrite(_p.Mix.Output, Scope.Register).Copy;
            _s.ReverseComputeAt(sum, at);
        }
        else
        {
            part = _s.Rfactor(mix, _keys, at);
            _s.SetScope(_s.Output(part), Scope.Register);
        }
        _s.Unroll(near);
        _s.Vectorize(lane);
        _vectors.Lanes(sum, unroll: true);
        _s.DecomposeReduction(part, key);
    }
}
