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
internal sealed class ContractionRecipe
{
    // Multiply-adds in one piece of code: beyond it the JIT gains nothing any more, and edges repeat it.
    private const long MostUnrolled = 200;

    // Steps of the reduction in one piece of code.
    private const long MostSteps = 64;

    private readonly Schedule _s;
    private readonly Algorithm _algorithm;
    private readonly ContractionPattern _pattern;
    private readonly TargetInfo _target;
    private readonly ContractionKnobs _knobs;
    private readonly Choices _choices;
    private readonly RegisterTile _tile;
    private readonly bool _direct;
    private readonly int _lanes;
    private readonly string _stage;

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
        (_knobs, _choices) = (knobs, choices);
        var axes = tiles.Axes[(int)Math.Clamp(choices[knobs.Axes], 0, tiles.Axes.Length - 1)];
        _direct = tiles.IsDirect(axes[0]);
        _stage = pattern.Stage.Name;
        _lanes = target.Lanes(pattern.Stage.Output.Type);
        var rows = ImmutableArray.CreateBuilder<(Axis, long)>();
        if (axes.Length > 1)
            rows.Add((axes[1], Points(axes[1], Math.Clamp(choices[knobs.Rows], 1, RegisterTiles.Extent(axes[1])))));
        if (axes.Length > 2)
            rows.Add((axes[2], RegisterTiles.Extent(axes[2])));
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
            steps *= RegisterTiles.Extent(axis);
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
            copies *= RegisterTiles.Extent(axis);
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

    /// <returns>Names of the stages that have been scheduled.</returns>
    public IReadOnlyList<string> Apply()
    {
        var packed = Copies();
        var after = Epilogue();
        var (write, later) = Results(after);

        // Loops: whole tiles outside, then the reduction, then the tile.
        var outer = new List<string>();
        var tiles = new List<string>();
        var inner = new List<string>();
        string vector = "";
        foreach (var axis in _pattern.Spatial)
        {
            string loop = Loop(axis);
            var row = _tile.Rows.FirstOrDefault(r => r.Axis == axis);
            if (axis != _tile.Vector && row.Axis is null)
            {
                outer.Add(loop);
                continue;
            }
            long within = _pattern.GroupSize(axis);
            if (within < RegisterTiles.Extent(axis))
            {
                (string group, loop) = _s.Split(loop, within, Tail.None);
                outer.Add(group);
            }
            long points = axis == _tile.Vector ? Width : row.Points;
            string? tile = null;
            if (within > points)
                (tile, loop) = LoopRecipes.SplitTile(_s, loop, points, within);
            if (axis == _tile.Vector)
                vector = loop;
            else
                inner.Add(loop);
            if (tile is not null)
                tiles.Add(tile);
        }
        string? vectorTile = tiles.FirstOrDefault(t => _s.Nest.Loop(t) is var l && Drives(l, _tile.Vector));
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
        string[] steps = [.. serial.Select(Loop)];
        string[] unrolls = [.. reduce.TakeLast(unrolled).Select(Loop)];
        string[] tileOrder = [.. outer, .. tiles];
        _s.Reorder([.. tileOrder, .. steps, .. unrolls, .. inner, vector]);
        foreach (string loop in unrolls.Concat(inner).Where(l => _s.Nest.Loop(l).Kind == LoopKind.Serial))
            _s.Unroll(loop);
        if (_s.Nest.Loop(vector).ConstantExtent > 1)
            _s.Vectorize(vector);
        if (_pattern.Guard is not null)
        {
            foreach (string loop in tiles.Where(Edges))
                _s.Peel(loop);
            // Where rows are elements of the window, edges are at both ends of what is summed over.
            if (serial.Count > 0 && RowsMeet(_pattern.Guard, serial[^1]))
                _s.Peel(steps[^1]);
        }

        string[] around = tileOrder.Length > 0 ? tileOrder : [_s.UnitLoop(steps.Concat(unrolls).Concat(inner).First())];
        string at = around[^1];
        Write(write, at);
        string place = _choices[_knobs.RowsOut] && around.Length > 1 ? around[^2] : at;
        foreach (string block in later)
            Finish(block, _direct ? at : place);
        string first = steps.Concat(unrolls).First();
        _s.DecomposeReduction(_stage, first);
        if (_choices[_knobs.Parallel])
            Parallel(around);
        foreach (var (copy, dimension) in packed)
            Copy(copy, dimension);
        return [_stage, .. after];
    }

    private long Width => Points(_tile.Vector, _tile.Vectors * _lanes);

    // Tiles must not reach into the next group.
    private long Points(Axis axis, long wanted)
    {
        long within = _pattern.GroupSize(axis);
        if (within == RegisterTiles.Extent(axis))
            return wanted;
        wanted = Math.Min(wanted, within);
        while (within % wanted != 0)
            wanted--;
        return wanted;
    }

    private string Loop(Axis axis) => $"{_stage}.{axis.Name}";

    private bool Drives(For loop, Axis axis) =>
        _s.Nest.Block(_stage).SpatialAxes.First(a => a.Name == axis.Name).Binding.Uses(loop.Var);

    // Whether what is guarded depends on a loop over tiles.
    private bool Edges(string loop) =>
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

    // Operands that vectors find a distance apart are packed; halves are converted on the way, also where they are not.
    private List<(string Copy, bool Packed)> Copies()
    {
        var copies = new List<(string, bool)>();
        foreach (var operand in _pattern.Operands)
        {
            bool strided =
                operand.Step(_tile.Vector) is not (0 or 1) && RegisterTiles.CanPack(_pattern, operand, _tile.Vector);
            bool once = _pattern.Operands.Count(o => o.Buffer == operand.Buffer) == 1;
            if (!strided && !(operand.Converted is not null && operand.Buffer.Type.IsStorage() && once))
                continue;
            var (cache, copy) = _s.CacheRead(operand.Buffer.Name, _stage, Scope.Heap, type: operand.Converted);
            copies.Add((copy, strided));
            if (!strided)
                continue;
            string[] names = [.. Enumerable.Range(0, operand.Buffer.Rank).Select(d => $"d{d}")];
            int along = operand.Dimension(_tile.Vector);
            var others = names.Where((_, d) => d != along);
            string map =
                $"{string.Join(",", names)}->{string.Join(",", [$"{names[along]}/{Width}", .. others, $"{names[along]}%{Width}"])}";
            _s.TransformLayout(cache, map, RegisterTiles.Extent(_tile.Vector) % Width != 0);
        }
        return copies;
    }

    // Element-wise stages that follow and have the same axes.
    private List<string> Epilogue()
    {
        var names = new List<string>();
        var made = new HashSet<Algorithms.Buffer> { _pattern.Stage.Output };
        foreach (var stage in _algorithm.Stages.SkipWhile(x => x != _pattern.Stage).Skip(1))
        {
            bool follows =
                stage.Kind == StageKind.Map
                && Contraction.SameAxes(stage, _pattern.Stage)
                && stage.Outputs.Length == 1
                && stage.Reads.Any(made.Contains)
                && stage.Reads.All(b => made.Contains(b) || _algorithm.Inputs.Contains(b));
            if (!follows)
                break;
            made.Add(stage.Output);
            names.Add(stage.Name);
        }
        // What others read, or who called, has to be there as a whole.
        bool readElsewhere =
            _algorithm.Outputs.Contains(_pattern.Stage.Output)
            || _algorithm
                .Stages.Where(x => x != _pattern.Stage && !names.Contains(x.Name))
                .Any(x => x.Reads.Contains(_pattern.Stage.Output));
        return readElsewhere ? [] : names;
    }

    // Registers for the results; what takes them to memory, and the blocks that follow on the tile.
    private (string? Write, List<string> Later) Results(List<string> after)
    {
        string output = _pattern.Stage.Output.Name;
        List<string> later = [.. after];
        if (_direct)
        {
            var (_, write) = _s.CacheWrite(output, Scope.Register);
            bool cheap = !_algorithm
                .Stages.Where(x => after.Contains(x.Name))
                .Any(x => x.Values[0].Nodes().Any(n => n.IsFunction()));
            if (after.Count > 0 && cheap && _choices[_knobs.Inline])
            {
                _s.ComputeInline(write);
                return (null, later);
            }
            return (write, later);
        }
        // Vectors are not along the results' rows: tiles go to the stack, and from there with rows and columns exchanged.
        string tile = output;
        if (after.Count == 0)
        {
            (tile, string copy) = _s.CacheWrite(output, Scope.Stack);
            later.Add(copy);
        }
        else
        {
            _s.SetScope(output, Scope.Stack);
        }
        string[] names = [.. Enumerable.Range(0, _pattern.Spatial.Length).Select(d => $"d{d}")];
        int along = _pattern.Spatial.IndexOf(_tile.Vector);
        _s.TransformLayout(
            tile,
            $"{string.Join(",", names)}->{string.Join(",", names.Where((_, d) => d != along).Append(names[along]))}"
        );
        return (_s.CacheWrite(tile, Scope.Register).Copy, later);
    }

    // From registers to memory, a vector at a time.
    private void Write(string? block, string at)
    {
        if (block is null)
            return;
        _s.ReverseComputeAt(block, at);
        InnermostAlong(block, _s.Nest.Block(block).Indices.Length - 1, vectorize: true);
    }

    // Moves the loop over a dimension of what a block writes inside of its others.
    private string? InnermostAlong(string block, int dimension, bool vectorize)
    {
        if (LoopOver(block, dimension) is not { } loop)
            return null;
        var own = _s
            .Nest.LoopsAround(_s.Nest.Block(block))
            .SkipWhile(l => l.Name != loop.Name)
            .Select(l => l.Name)
            .ToList();
        if (own.Count > 1)
            _s.Reorder([.. own.Skip(1), loop.Name]);
        if (vectorize && loop.ConstantExtent > 1)
            _s.Vectorize(loop.Name);
        return loop.Name;
    }

    private For? LoopOver(string block, int dimension)
    {
        var target = _s.Nest.Block(block);
        var index = target.Indices[dimension].Substitute(target.Bindings);
        return _s.Nest.OwnLoops(target).LastOrDefault(l => l.Kind == LoopKind.Serial && index.Uses(l.Var));
    }

    private void Finish(string block, string at)
    {
        _s.ReverseComputeAt(block, at);
        int rank = _pattern.Spatial.Length;
        if (_direct)
        {
            InnermostAlong(block, rank - 1, vectorize: true);
            return;
        }
        if (LoopOver(block, rank - 1) is null)
            return;
        // As many vectors of the tile as lanes: a square block, transposed in registers.
        string? low = null;
        if (LoopOver(block, _pattern.Spatial.IndexOf(_tile.Vector)) is { ConstantExtent: > 1 and var width } along)
        {
            low = along.Name;
            if (width > _lanes)
                (_, low) = LoopRecipes.SplitTile(_s, along.Name, _lanes, width);
        }
        string row = InnermostAlong(block, rank - 1, vectorize: false)!;
        long extent = _s.Nest.Loop(row).ConstantExtent!.Value;
        if (extent > _lanes)
            (_, row) = LoopRecipes.SplitTile(_s, row, _lanes, extent);
        if (low is not null)
        {
            var between = _s
                .Nest.LoopsAround(_s.Nest.Block(block))
                .SkipWhile(l => l.Name != low)
                .Select(l => l.Name)
                .ToList();
            if (between.Count > 2)
                _s.Reorder([.. between.Skip(1).SkipLast(1), low, row]);
            _s.Unroll(low);
        }
        if (_s.Nest.Loop(row).ConstantExtent > 1)
            _s.Vectorize(row);
    }

    // Threads share the outermost loops, together so many iterations that all have something to do.
    private void Parallel(string[] around)
    {
        var free = around.Where(l => !_s.Nest.Loop(l).Peel && _s.Nest.Loop(l).Kind == LoopKind.Serial).ToList();
        string? loop = free.FirstOrDefault(l =>
            _s.Nest.Loop(l).ConstantExtent is { } n && (n % _target.Threads == 0 || n >= 4 * _target.Threads)
        );
        if (loop is null)
            return;
        // Everything outside of it has one iteration, or it goes outside.
        int index = Array.IndexOf(around, loop);
        if (index > 0 && around.Take(index).Any(l => _s.Nest.Loop(l).ConstantExtent != 1))
            _s.Reorder([loop, .. around.Take(index)]);
        _s.Parallel(loop);
    }

    private void Copy(string copy, bool packed)
    {
        bool parallel = _choices[_knobs.Parallel];
        if (!packed)
        {
            LoopRecipes.FuseContiguous(_s, copy);
            LoopRecipes.VectorizeInner(_s, copy, _lanes);
            return;
        }
        // The loop over what lies side by side in the operand, unrolled as many times as there are lanes, makes squares that are
        // transposed in registers.
        var loops = _s.Nest.LoopsAround(_s.Nest.Block(copy)).Select(l => l.Name).ToList();
        if (loops.Count > 2)
        {
            var middle = loops.Skip(1).SkipLast(1).ToList();
            string fused = middle[0];
            foreach (string next in middle.Skip(1))
                fused = _s.Fuse(fused, next);
            long extent = _s.Nest.Loop(fused).ConstantExtent ?? 1;
            if (extent >= _lanes)
            {
                var (_, low) = LoopRecipes.SplitTile(_s, fused, _lanes, extent);
                _s.Unroll(low);
            }
        }
        LoopRecipes.VectorizeInner(_s, copy, _lanes);
        if (
            parallel
            && _s.Nest.LoopsAround(_s.Nest.Block(copy)) is [{ Kind: LoopKind.Serial, ConstantExtent: > 1 } first, ..]
        )
            _s.Parallel(first.Name);
    }
}
