using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Recipes;

/// <summary>
/// Schedules one contraction of a program: packs operands, keeps a tile of results in registers, cuts off edges, and places what
/// follows on the tile.
/// </summary>
internal sealed partial class ContractionRecipe
{
    // Multiply-adds in one piece of code: beyond it the JIT gains nothing any more, and edges repeat it.
    private const long MostUnrolled = 200;

    // Steps of the reduction in one piece of code.
    private const long MostSteps = 64;

    // Products of a part of the reduction for which threads need not meet (1 x 2304 x 768, two threads: 3.4 times one thread's time).
    private const long MostTogether = 1 << 18;

    private readonly Schedule _s;
    private readonly Algorithm _algorithm;
    private readonly ContractionPattern _pattern;
    private readonly TargetInfo _target;
    private readonly RegisterTiles _tiles;
    private readonly ContractionKnobs _knobs;
    private readonly Choices _choices;
    private readonly RegisterTile _tile;
    private readonly bool _direct;
    private readonly int _lanes;
    private readonly BlockRef _stage;

    // The block that multiplies and adds; the stage itself unless the reduction is cut into parts.
    private BlockRef _product;
    private LoopRef? _inBlock;

    public ContractionRecipe(
        Schedule s,
        Algorithm algorithm,
        ContractionPattern pattern,
        RegisterTiles tiles,
        TargetInfo target,
        ContractionKnobs knobs,
        Choices choices
    )
    {
        (_s, _algorithm, _pattern, _target) = (s, algorithm, pattern, target);
        (_tiles, _knobs, _choices) = (tiles, knobs, choices);
        var axes = tiles.Chosen(choices[knobs.Axes]);
        _direct = tiles.IsDirect(axes[0]);
        _product = _stage = pattern.Stage;
        _lanes = target.Lanes(pattern.Stage.Output.Type);
        var rows = ImmutableArray.CreateBuilder<(Axis, long)>();
        if (axes.Length > 1)
            rows.Add((axes[1], Points(axes[1], Math.Clamp(choices[knobs.Rows], 1, Extents.Of(axes[1])))));
        if (axes.Length > 2)
            rows.Add((axes[2], Extents.Of(axes[2])));
        _tile = new RegisterTile(axes[0], Math.Max(1, choices[knobs.Vectors]), rows.ToImmutable());
        if (_tile.Accumulators > _target.VectorRegisters * 2)
            throw new ScheduleException(
                null,
                null,
                $"a tile of {_tile.Accumulators} vectors",
                $"up to twice the {_target.VectorRegisters} registers"
            );
    }

    /// <summary>How many of the innermost loops of the reduction can be unrolled: while their steps are few.</summary>
    public static ImmutableArray<long> Unrollable(ContractionPattern pattern)
    {
        var counts = ImmutableArray.Create(0L);
        long steps = 1;
        foreach (var axis in pattern.Reduced.Reverse())
        {
            steps *= Extents.Of(axis);
            if (steps > MostSteps)
                break;
            counts = counts.Add(counts.Length);
        }
        return counts;
    }

    /// <summary>How many of the innermost loops of the reduction to unroll without any search.</summary>
    public static long Unrolled(ContractionPattern pattern, RegisterTiles tiles, RegisterTile tile)
    {
        // Rows that slide read the same elements at neighbouring steps: unrolled, these are kept, and take the sums' registers.
        if (pattern.Windows.Any(w => tile.Rows.Any(r => r.Axis == w.Place)) && tile.Accumulators > 12)
            return 0;
        long count = 0;
        long copies = tile.Accumulators;
        foreach (var axis in pattern.Reduced.Reverse())
        {
            copies *= Extents.Of(axis);
            if (
                copies > MostUnrolled
                || copies > MostSteps * tile.Accumulators
                || tiles.References(tile, (double)copies / tile.Accumulators) > RegisterTiles.MostReferences
                || !pattern.Windows.Any(w => w.Offset == axis)
            )
                break;
            count++;
        }
        return count;
    }

    /// <returns>The blocks of the stages that have been scheduled.</returns>
    public IReadOnlyList<BlockRef> Apply()
    {
        var packed = Copies();
        var block = Block();
        var after = block is null ? Epilogue(_algorithm, _pattern, _choices[_knobs.OnTile]) : [];
        var (write, later) = block is null ? Results(after) : (_stage, []);

        // Loops: whole tiles outside, then the reduction, then the tile.
        var outer = new List<LoopRef>();
        var tiles = new List<LoopRef>();
        var inner = new List<LoopRef>();
        var vector = Loop(_tile.Vector);
        foreach (var axis in _pattern.Spatial)
        {
            var loop = Loop(axis);
            var row = _tile.Rows.FirstOrDefault(r => r.Axis == axis);
            if (axis != _tile.Vector && row.Axis is null)
            {
                outer.Add(loop);
                continue;
            }
            long within = _pattern.GroupSize(axis);
            if (within < Extents.Of(axis))
            {
                (var group, loop) = _s.Split(loop, within, Tail.None);
                outer.Add(group);
            }
            long points = axis == _tile.Vector ? Width : row.Points;
            LoopRef? tile = null;
            if (within > points)
                (tile, loop) = LoopRecipes.SplitTile(_s, loop, points, within);
            if (axis == _tile.Vector)
                vector = loop;
            else
                inner.Add(loop);
            if (tile is not null)
                tiles.Add(tile);
        }
        var vectorTile = tiles.FirstOrDefault(t => _s.Nest.Loop(t) is var l && Drives(l, _tile.Vector));
        LoopRef? panel = null;
        if (
            _choices[_knobs.Panel] is > 0 and var panels
            && _tile.Rows.Length > 0
            && tiles.FirstOrDefault(t => Drives(_s.Nest.Loop(t), _tile.Rows[0].Axis)) is { } rowTile
            && _s.Nest.Loop(rowTile).ConstantExtent is { } all
            && all > panels
        )
        {
            (panel, var inPanel) = LoopRecipes.SplitTile(_s, rowTile, panels, all);
            tiles[tiles.IndexOf(rowTile)] = inPanel;
        }
        if (vectorTile is not null)
        {
            // The vectors' operand stays near while rows go by, or the rows' does.
            tiles.Remove(vectorTile);
            if (_choices[_knobs.Inner])
                tiles.Add(vectorTile);
            else
                tiles.Insert(0, vectorTile);
        }
        var reduce = _pattern.Reduced.ToList();
        int unrolled = (int)Math.Clamp(_choices[_knobs.Unroll], 0, reduce.Count);
        var serial = reduce.SkipLast(unrolled).ToList();
        // What conditions depend on goes outside, where they are asked once for many steps.
        serial = [.. serial.OrderBy(a => _pattern.Guard is { } g && g.Uses(a.Var) && OtherGuarded(g, a) ? 0 : 1)];
        LoopRef[] steps = [.. serial.Select(Step)];
        LoopRef[] unrolls = [.. reduce.TakeLast(unrolled).Select(Step)];
        LoopRef[] blocks = block is null ? [] : [block];
        LoopRef[] tileOrder = [.. outer, .. blocks, .. panel is null ? [] : new[] { panel }, .. tiles];
        _s.Reorder([.. tileOrder, .. steps, .. unrolls, .. inner, vector]);
        // Memory is asked for all steps of a part at once, as long as that compiles quickly (8 x 50257 x 768: 6.7 ms, 12.7 as a loop).
        bool part = block is not null && _choices[_knobs.Block] * _tile.Accumulators <= MostSteps;
        foreach (
            var loop in unrolls
                .Concat(part ? [Step(_pattern.Reduced[0])] : [])
                .Concat(inner)
                .Where(l => _s.Nest.Loop(l).Kind == LoopKind.Serial)
        )
            _s.Unroll(loop);
        if (_s.Nest.Loop(vector).ConstantExtent > 1)
            _s.Vectorize(vector);
        if (_pattern.Guard is not null)
        {
            foreach (var loop in tiles.Where(Edges))
                _s.Peel(loop);
            // Where rows are elements of the window, edges are at both ends of what is summed over.
            if (serial.Count > 0 && RowsMeet(_pattern.Guard, serial[^1]))
                _s.Peel(steps[^1]);
        }

        LoopRef[] around =
            tileOrder.Length > 0 ? tileOrder : [_s.UnitLoop(steps.Concat(unrolls).Concat(inner).First())];
        var at = around[^1];
        Write(write, at);
        var place = _choices[_knobs.RowsOut] && around.Length > 1 ? around[^2] : at;
        foreach (var next in later)
            Finish(next, _direct ? at : place);
        var first = steps.Concat(unrolls).First();
        _s.DecomposeReduction(_product, first);
        LoopRef? shared = null;
        if (_choices[_knobs.Parallel])
        {
            LoopRef[] below = block is null ? around : [.. around.SkipWhile(l => l != block).Skip(1)];
            shared = block is not null && packed.Count == 0 ? Stretches(block, below) : null;
            shared ??= Share(_s, _target, below);
        }
        // Copies that are made where they are used: for a part of the reduction, or for a tile of vectors that all rows pass.
        LoopRef? used = !_choices[_knobs.PackIn]
            ? null
            : block
                ?? (_choices[_knobs.Inner] || (shared is not null && Below(shared, vectorTile)) ? null : vectorTile);
        foreach (
            var copy in packed.Where(c =>
                used is not null && c.Packed && c.Alone && (block is not null || c.AlongVector)
            )
        )
            _s.ComputeAt(copy.Block, used!);
        foreach (var copy in packed)
            Copy(copy);
        return [_stage, .. after];
    }

    private bool Below(LoopRef outer, LoopRef? inner) =>
        inner is not null
        && inner != outer
        && _s.Nest.LoopsAround(_s.Nest.Loop(inner)).Any(l => l.Ref == outer)
        && IsRow(outer);

    // Whether a loop goes over tiles of rows.
    private bool IsRow(LoopRef loop) => _s.Nest.Loop(loop) is var l && _tile.Rows.Any(r => Drives(l, r.Axis));

    // Parts of the reduction's outermost axis, outside of all tiles: what a tile sums up over one of them is added to what is there.
    // Returns the loop over parts; null: there is none.
    private LoopRef? Block()
    {
        var axis = _pattern.Reduced[0];
        long steps = _choices[_knobs.Block];
        if (steps <= 0 || steps >= Extents.Of(axis))
            return null;
        if (!_direct)
            throw new ScheduleException(
                null,
                null,
                $"parts of the reduction for results that do not lie along {_tile.Vector.Name}",
                "vectors along the results' last axis"
            );
        (var block, _inBlock) = _s.Split(Loop(axis), steps, Extents.Of(axis) % steps == 0 ? Tail.None : Tail.Peel);
        _product = _s.Rfactor(_stage, block);
        _s.SetScope(_s.Output(_product), Scope.Register);
        return block;
    }

    private LoopRef Step(Axis axis) => axis == _pattern.Reduced[0] && _inBlock is not null ? _inBlock : Loop(axis);

    private IEnumerable<Axis> Outer =>
        _pattern.Spatial.Where(a => a != _tile.Vector && _tile.Rows.All(r => r.Axis != a));

    private long Width => Points(_tile.Vector, _tile.Vectors * _lanes);

    // Tiles must not reach into the next group.
    private long Points(Axis axis, long wanted)
    {
        long within = _pattern.GroupSize(axis);
        if (within == Extents.Of(axis))
            return wanted;
        wanted = Math.Min(wanted, within);
        while (within % wanted != 0)
            wanted--;
        return wanted;
    }

    private LoopRef Loop(Axis axis) => _pattern.Stage.Loop(axis);

    private bool Drives(For loop, Axis axis) =>
        _s.Nest.Block(_product).SpatialAxes.First(a => a.Name == axis.Name).Binding.Uses(loop.Var);

    // Whether what is guarded depends on a loop over tiles.
    private bool Edges(LoopRef loop) =>
        _s.Nest.Loop(loop) is { Kind: LoopKind.Serial } l
        && _pattern.Spatial.Any(a => _pattern.Guard!.Uses(a.Var) && Drives(l, a));

    private bool RowsMeet(Expr guard, Axis axis) =>
        guard.Conjuncts().Any(c => c.Uses(axis.Var) && _tile.Rows.Any(r => c.Uses(r.Axis.Var)))
        && !_pattern.Windows.Any(w => w.Offset == axis);

    // A condition on this axis and on no row of the tile: it is the same for all of a tile.
    private bool OtherGuarded(Expr guard, Axis axis) =>
        guard
            .Conjuncts()
            .Any(c => c.Uses(axis.Var) && !_tile.Rows.Any(r => c.Uses(r.Axis.Var)) && !c.Uses(_tile.Vector.Var));

    /// <summary>A copy of an operand.</summary>
    /// <param name="Block">Its block.</param>
    /// <param name="Packed">Whether it has another layout than the operand.</param>
    /// <param name="AlongVector">Whether it has the vectors' axis.</param>
    /// <param name="Alone">Whether a tile of vectors alone has its part of it.</param>
    /// <param name="Converts">Whether it has another type.</param>
    /// <param name="Turned">Whether what lies side by side in the copy is a distance apart in the operand.</param>
    private sealed record OperandCopy(
        BlockRef Block,
        bool Packed,
        bool AlongVector,
        bool Alone,
        bool Turned,
        bool Converts
    );

    // Operands that vectors find a distance apart are packed; halves are converted on the way, also where they are not. Others
    // are packed where that is chosen, so that a tile reads one stream of memory.
    private List<OperandCopy> Copies()
    {
        var copies = new List<OperandCopy>();
        foreach (var operand in _pattern.Operands)
        {
            bool once = _pattern.Operands.Count(o => o.Buffer == operand.Buffer) == 1;
            bool along = operand.Uses(_tile.Vector);
            bool strided =
                along && operand.Step(_tile.Vector) != 1 && RegisterTiles.CanPack(_pattern, operand, _tile.Vector);
            // What a single tile reads is converted where it is read: no memory in between (4 x 2304 x 768 in bfloat16: 62 µs, 192 by a copy).
            bool converts =
                operand.Converted is not null
                && operand.Buffer.Type.IsStorage()
                && once
                && (!along || strided || IsReused(operand));
            var axis =
                strided || ((converts || _choices[_knobs.PackVectors]) && _tiles.IsPanel(operand, _tile)) ? _tile.Vector
                : !along && _choices[_knobs.PackRows] && _tile.Rows.Length > 0 ? _tile.Rows[0].Axis
                : null;
            if (axis is not null && !RegisterTiles.CanPack(_pattern, operand, axis))
                axis = null;
            if (axis is null && !converts)
                continue;
            var (cache, copy) = _s.CacheRead(operand.Buffer, _stage, Scope.Heap, type: operand.Converted);
            bool alone =
                _tiles.IsPanel(operand, _tile) || (!along && Outer.All(a => Extents.Of(a) == 1 || operand.Uses(a)));
            copies.Add(
                new OperandCopy(
                    copy,
                    axis is not null,
                    along,
                    alone,
                    axis is not null && operand.Step(axis) != 1,
                    converts
                )
            );
            if (axis is null)
                continue;
            long width = axis == _tile.Vector ? Width : _tile.Rows[0].Points;
            string[] names = [.. Enumerable.Range(0, operand.Buffer.Rank).Select(d => $"d{d}")];
            int tiled = operand.Dimension(axis);
            var others = names.Where((_, d) => d != tiled);
            string map =
                $"{string.Join(",", names)}->{string.Join(",", [$"{names[tiled]}/{width}", .. others, $"{names[tiled]}%{width}"])}";
            _s.TransformLayout(cache, map, Extents.Of(axis) % width != 0);
        }
        return copies;
    }

    // Whether several tiles read the same of an operand.
    private bool IsReused(ContractionOperand operand) =>
        _pattern.Spatial.Any(a =>
            !operand.Uses(a)
            && Extents.Of(a) > (_tile.Rows.FirstOrDefault(r => r.Axis == a) is (not null, var points) ? points : 1)
        );

    /// <summary>
    /// Threads share a loop with something to do for each of them: one of those around, outermost first. It goes outside of the
    /// others. Null: there is none.
    /// </summary>
    public static LoopRef? Share(Schedule s, TargetInfo target, LoopRef[] around)
    {
        var free = around.Where(l => !s.Nest.Loop(l).PeelBegin && s.Nest.Loop(l).Kind == LoopKind.Serial).ToList();
        var loop = free.FirstOrDefault(l =>
            s.Nest.Loop(l).ConstantExtent is { } n && (n % target.Threads == 0 || n >= 4 * target.Threads)
        );
        if (loop is null)
            return null;
        // Everything outside of it has one iteration, or it goes outside.
        int index = Array.IndexOf(around, loop);
        if (index > 0 && around.Take(index).Any(l => s.Nest.Loop(l).ConstantExtent != 1))
            s.Reorder([loop, .. around.Take(index)]);
        s.Parallel(loop);
        return loop;
    }

    // Where a part of the reduction is little to do, threads meet once, not a part: each has tiles that lie side by side, and goes
    // over all parts. Null: the parts are worth it, or there is nothing to share.
    private LoopRef? Stretches(LoopRef block, LoopRef[] below)
    {
        double points = _choices[_knobs.Block] * (double)_pattern.Spatial.Aggregate(1L, (n, a) => n * Extents.Of(a));
        if (points > MostTogether || below.FirstOrDefault(IsShared) is not { } loop)
            return null;
        long tiles = _s.Nest.Loop(loop).ConstantExtent!.Value;
        // Of other sizes of a class the stretches may not come out even.
        var (stretch, _) = _s.Split(loop, (tiles + _target.Threads - 1) / _target.Threads, Tail.Peel);
        _s.Reorder([stretch, .. _s.Nest.LoopsAround(_s.Nest.Loop(block)).Refs().Where(l => l != stretch), block]);
        _s.Parallel(stretch);
        return stretch;

        bool IsShared(LoopRef l) =>
            _s.Nest.Loop(l) is { PeelBegin: false, Kind: LoopKind.Serial } own && own.ConstantExtent >= _target.Threads;
    }

    private void Copy(OperandCopy copy)
    {
        if (!copy.Packed)
        {
            LoopRecipes.FuseContiguous(_s, copy.Block);
            LoopRecipes.VectorizeInner(_s, copy.Block, _lanes);
            return;
        }
        var loops = _s.OwnLoops(copy.Block);
        // The loop over what lies side by side in the operand, unrolled as many times as there are lanes, makes squares that are
        // transposed in registers.
        if (copy.Turned && loops.Count > 2)
        {
            var middle = loops.Skip(1).SkipLast(1).ToList();
            var fused = _s.Fuse(middle);
            long extent = _s.Nest.Loop(fused).ConstantExtent ?? 1;
            if (extent >= _lanes)
            {
                var (_, low) = LoopRecipes.SplitTile(_s, fused, _lanes, extent);
                _s.Unroll(low);
                if (middle.Count == 1)
                    Squares(copy.Block, low);
            }
        }
        // Conversions take registers: a vector at a time (256³ in float16: 150 µs, 200 by two at once).
        var last = _s.Nest.LoopsAround(_s.Nest.Block(copy.Block))[^1];
        if (copy.Converts && last.Kind == LoopKind.Serial && last.ConstantExtent > _lanes)
            LoopRecipes.SplitTile(_s, last, _lanes, last.ConstantExtent.Value);
        LoopRecipes.VectorizeInner(_s, copy.Block, _lanes);
        var around = _s.Nest.LoopsAround(_s.Nest.Block(copy.Block));
        if (!_choices[_knobs.Parallel] || around.Any(l => l.Kind == LoopKind.Parallel))
            return;
        if (
            _s.Nest.OwnLoops(_s.Nest.Block(copy.Block)).FirstOrDefault(l => l.ConstantExtent > 1) is
            { Kind: LoopKind.Serial } first
        )
            _s.Parallel(first);
    }

    // One square after the other: four side by side are more than there are registers (100000 x 17 times a column: 151 µs, 95 one by one).
    private void Squares(BlockRef copy, LoopRef low)
    {
        var last = _s.Nest.LoopsAround(_s.Nest.Block(copy))[^1];
        if (last.Kind != LoopKind.Serial || last.ConstantExtent is not { } extent || extent <= 2 * _lanes)
            return;
        var (squares, lane) = LoopRecipes.SplitTile(_s, last, _lanes, extent);
        _s.Reorder(squares, low, lane);
    }
}
