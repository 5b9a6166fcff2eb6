using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>One schedule of <see cref="GpuMatmulRule"/>, written step by step.</summary>
internal sealed class GpuMatmulSchedule
{
    private readonly Algorithm _algorithm;
    private readonly TargetInfo _target;
    private readonly Choices _choices;
    private readonly Contraction _c;
    private readonly Schedule _s;
    private readonly TilePart _m;
    private readonly TilePart _n;
    private readonly long _bk;
    private readonly long _parts;
    private readonly long _lanesM;
    private readonly Axis? _batch;
    private readonly long _products;

    public GpuMatmulSchedule(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        (_algorithm, _target, _choices) = (algorithm, target, choices);
        _c = Contraction.Of(algorithm.Stages[0])!;
        _s = new Schedule(algorithm);
        long most = Math.Max(1, 16 / _c.Stage.Output.Type.Size());
        _m = TilePart.Of(_choices[GpuMatmulKnobs.Bm], _choices[GpuMatmulKnobs.Tm], most);
        _n = TilePart.Of(_choices[GpuMatmulKnobs.Bn], _choices[GpuMatmulKnobs.Tn], most);
        _bk = _choices[GpuMatmulKnobs.Bk];
        _parts = _choices[GpuMatmulKnobs.Parts];
        _lanesM = _choices[GpuMatmulKnobs.LanesM];
        _batch = Batch(_c);
        _products = _batch is null ? 1 : _choices[GpuMatmulKnobs.Products];
        if (Threads > GpuInfo.MaxThreadsPerBlock)
            throw new ScheduleException(
                null,
                null,
                $"tiles of {_m.Tile} × {_n.Tile} with {_m.PerThread} × {_n.PerThread} results a thread, {_products} at once, take {Threads} threads",
                $"at most {GpuInfo.MaxThreadsPerBlock} threads a block"
            );
    }

    /// <summary>The axis along which whole products repeat, several of which one block may make; null where there is none.</summary>
    internal static Axis? Batch(Contraction c) => c.Outer.Concat(c.M.SkipLast(1)).LastOrDefault();

    private long Threads => _m.Threads * _n.Threads * _products;

    private bool IsAsync => _choices[GpuMatmulKnobs.Async] && _target.Gpu is { HasAsyncCopy: true };

    private BlockRef Stage => _c.Stage;

    public LoopNest Build()
    {
        // Whole tiles; the copies that pad are those into shared memory.
        long[] factors = [.. _c.Stage.Axes.Select(Factor)];
        var made = _s.PadEinsum(Stage, factors);
        var value = (Binary)_c.Stage.Values[0];
        var crop = made[2];
        var (copyA, copyB) = ReferenceEquals(value.A, _c.A) ? (made[0], made[1]) : (made[1], made[0]);
        var sum = Stage;
        var write = crop;
        var k = Loop(_c.K);
        LoopRef? part = null;
        var after = Epilogue(crop);
        if (_parts > 1)
        {
            (part, k) = _s.Split(k, _s.Nest.Loop(k).ConstantExtent!.Value / _parts);
            sum = _s.Rfactor(Stage, part);
            var partial = _s.Output(sum);
            _s.MoveDimensionFirst(partial, _s.Nest.Buffer(partial).Rank - 1);
            (_, write) = _s.CacheWrite(partial, Scope.Register);
        }
        else
        {
            _s.SetScope(_s.Output(sum), Scope.Register);
            write = after[0];
        }
        Operand(copyA, _c.A, _c.M[^1], _m);
        Operand(copyB, _c.B, _c.N, _n);

        // Blocks, threads, and what each thread does.
        LoopRef[] outer = [.. _c.Stage.SpatialAxes.Where(a => a.Var != _c.N.Var && a.Var != _c.M[^1].Var).Select(Loop)];
        var m = _m.Split(_s, Stage, "m", Loop(_c.M[^1]), outermost: true);
        var n = _n.Split(_s, Stage, "n", Loop(_c.N), outermost: true);
        LoopRef[] together = [];
        if (_products > 1)
        {
            int at = Array.IndexOf(outer, Loop(_batch!));
            (outer[at], var product) = _s.Split(outer[at], _products, $"{Stage}.some", $"{Stage}.product");
            together = [product];
        }
        var (ko, ki) = _s.Split(k, _bk, $"{Stage}.ko", $"{Stage}.ki");
        // Loops keep one order of the tiles: all that is outside of k first.
        _s.Reorder([
            .. outer,
            .. Some(part),
            m.Outer,
            n.Outer,
            ko,
            .. together,
            m.Thread,
            n.Thread,
            ki,
            m.Group,
            m.Item,
            n.Group,
            n.Item,
        ]);
        var thread = FuseThreads(Stage, together, m.Thread, n.Thread);
        Copy(copyA, ko, _c.A, _c.M[^1]);
        Copy(copyB, ko, _c.B, _c.N);
        if (_choices[GpuMatmulKnobs.Fragments])
        {
            Fragment(sum, copyA, ki);
            Fragment(sum, copyB, ki);
        }
        _s.Bind(thread, LoopKind.ThreadX);

        // What comes after the sum happens to the results where they are.
        foreach (var later in _parts > 1 ? [write] : after)
            After(later, n.Outer);
        _s.DecomposeReduction(sum, ko);
        Grid(outer, part, m.Outer, n.Outer);
        Unroll(m, n, ki);
        if (_choices[GpuMatmulKnobs.Stages] > 1 && _s.Nest.Loop(ko).ConstantExtent > 1)
            Stages(ko, (int)Math.Min(_choices[GpuMatmulKnobs.Stages], _s.Nest.Loop(ko).ConstantExtent!.Value));
        if (_choices[GpuMatmulKnobs.Pad])
        {
            PadRows(copyA, _c.A, _c.M[^1], _m);
            PadRows(copyB, _c.B, _c.N, _n);
        }
        if (_parts > 1)
            AddParts(after);
        return _s.Nest;
    }

    // The blocks that come after the sum, in order: the first of them reads the sum itself.
    private List<BlockRef> Epilogue(BlockRef crop)
    {
        List<BlockRef> blocks = [crop, .. _algorithm.Stages.Skip(1).Select(a => (BlockRef)a)];
        foreach (var block in blocks.SkipLast(1).ToList())
        {
            var before = _s.Nest;
            try
            {
                _s.ComputeInline(block);
                blocks.Remove(block);
            }
            catch (ScheduleException)
            {
                // An output, or read in other places too: it is written.
                _s.Reset(before);
            }
        }
        return blocks;
    }

    private long Factor(Axis axis) =>
        axis.Var == _c.M[^1].Var ? _m.Tile
        : axis.Var == _c.N.Var ? _n.Tile
        : axis.Var == _c.K.Var ? _bk * _parts
        : axis.Var == _batch?.Var ? _products
        : 1;

    // The hardware copies where it can: what threads copy with loads and stores waits in registers meanwhile.
    private void Stages(LoopRef ko, int stages)
    {
        if (IsAsync)
        {
            var before = _s.Nest;
            try
            {
                _s.Pipeline(ko, stages, "cp.async");
                return;
            }
            catch (ScheduleException)
            {
                // Elements of less than 4 bytes that change their order on the way, rows that are not aligned.
                _s.Reset(before);
            }
        }
        _s.Pipeline(ko, stages);
    }

    // Neighbours along k go to different rows of the tile: an odd number of vectors apart they meet in few banks.
    private void PadRows(BlockRef copy, Load load, Axis axis, TilePart part)
    {
        if (!Contraction.IsContiguous(load, _c.K) || Extents.Of(axis) == 1)
            return;
        var buffer = _s.Nest.Block(copy).Output;
        int size = load.Buffer.Type.Size();
        _s.StorageAlign(buffer, buffer.Rank - (part.Groups > 1 ? 3 : 2), 128 / size, 16 / size);
    }

    // An operand's tile in shared memory: k outermost, then the groups of a thread's items, so that neighbours along m or
    // n are neighbours there.
    private void Operand(BlockRef copy, Load load, Axis axis, TilePart part)
    {
        BufferRef buffer = _s.Output(copy);
        _s.SetScope(buffer, Scope.Shared);
        int along = Contraction.Dimension(load, axis);
        int k = Contraction.Dimension(load, _c.K);
        string[] dims = [.. Enumerable.Range(0, load.Buffer.Rank).Select(d => $"d{d}")];
        var others = dims.Where((_, d) => d != along && d != k);
        string[] tile =
            part.Groups > 1
                ? [dims[k], $"{dims[along]}/{part.Stretch}", $"{dims[along]}%{part.Stretch}"]
                : [dims[k], dims[along]];
        _s.TransformLayout(buffer, $"{string.Join(",", dims)}->{string.Join(",", others.Concat(tile))}");
    }

    // All threads together fetch a tile, each a vector a time along what is contiguous in memory.
    private void Copy(BlockRef copy, LoopRef at, Load load, Axis axis)
    {
        var loops = _s.ComputeAt(copy, at).ToList();
        bool alongK = Contraction.IsContiguous(load, _c.K);
        var block = _s.Nest.Block(copy);
        var k = loops.FirstOrDefault(l => Drives(block, l, load, _c.K));
        var order = loops.Where(l => l != k).ToList();
        if (k is not null)
            order.Insert(alongK ? order.Count : 0, k);
        if (order.Count > 1 && !order.SequenceEqual(loops))
            _s.Reorder([.. order]);
        long vector = Math.Min(_choices[GpuMatmulKnobs.Vector], 16 / load.Buffer.Type.Size());
        bool straight = Contraction.IsContiguous(load, axis) && !alongK;
        if (IsAsync && _choices[GpuMatmulKnobs.Stages] > 1)
        {
            // One copy goes to one place: what changes its order goes element by element, what is not aligned too.
            long inner = straight ? Extents.Of(axis) : 1;
            while (vector > 1 && (inner % vector != 0 || !load.Buffer.Strides.IsDefault))
                vector /= 2;
        }
        GpuLoops.Cooperative(_s, copy, order, Threads, vector, alongK || straight);
    }

    // Whether a loop of a copy runs along the dimension that an axis of the product indexes.
    private bool Drives(Block copy, LoopRef loop, Load load, Axis axis)
    {
        var read = copy.Loads.First(l => l.Buffer == load.Buffer);
        var bindings = copy.Bindings;
        var v = _s.Nest.Loop(loop).Var;
        return read.Indices[Contraction.Dimension(load, axis)].Substitute(bindings).Uses(v);
    }

    private void Fragment(BlockRef sum, BlockRef copy, LoopRef ki)
    {
        var (_, fetch) = _s.CacheRead(_s.Output(copy), sum, Scope.Register);
        _s.ComputeAt(fetch, ki);
        GpuLoops.VectorizeInner(_s, fetch);
    }

    private void After(BlockRef block, LoopRef at)
    {
        var loops = _s.ReverseComputeAt(block, at).ToList();
        var bindings = _s.Nest.Block(block).SpatialAxes.Select(x => x.Binding).ToList();
        var spatial = _c.Stage.SpatialAxes.ToList();
        // Parts of the sum are in front of the axes.
        int row = bindings.Count - spatial.Count + spatial.FindIndex(x => x.Var == _c.M[^1].Var);
        int column = bindings.Count - 1;
        // Where a tile has one row or one product there is no loop.
        LoopRef Over(int axis) =>
            loops.FirstOrDefault(l => bindings[axis].Uses(_s.Nest.Loop(l).Var))
            ?? (loops.Count > 0 ? _s.UnitLoop(loops[0]) : _s.UnitLoop(block));
        var along = Over(column);
        var down = Over(row);
        LoopRef[] products = [.. loops.Where(l => l != along && l != down)];
        var m = _m.Split(_s, block, "m", down, outermost: false);
        var n = _n.Split(_s, block, "n", along, outermost: false);
        _s.Reorder([.. products, m.Thread, n.Thread, m.Group, m.Item, n.Group, n.Item]);
        var thread = FuseThreads(block, products, m.Thread, n.Thread);
        _s.Bind(thread, LoopKind.ThreadX);
        bool whole = Extents.Of(_c.N) % _n.Items == 0;
        if (_n.Items > 1 && whole)
            _s.Vectorize(n.Item);
        foreach (var loop in new[] { m.Group, m.Item, n.Group }.Concat(whole || _n.Items == 1 ? [] : [n.Item]))
            UnrollUnlessOne(loop);
    }

    // One loop over the threads: warps of the tile, then lanes, so that a warp has a tile of its own that is near square.
    private LoopRef FuseThreads(BlockRef block, LoopRef[] products, LoopRef m, LoopRef n)
    {
        long lanesN = GpuInfo.WarpSize / Math.Max(1, _lanesM);
        if (_m.Threads % _lanesM != 0 || _n.Threads % lanesN != 0 || _m.Threads == _lanesM || _n.Threads == lanesN)
            return _s.Fuse([.. products, m, n], $"{block}.t");
        var (mw, ml) = _s.Split(m, _lanesM);
        var (nw, nl) = _s.Split(n, lanesN);
        _s.Reorder(mw, nw, ml, nl);
        return _s.Fuse([.. products, mw, nw, ml, nl], $"{block}.t");
    }

    private void Grid(LoopRef[] outer, LoopRef? part, LoopRef m, LoopRef n)
    {
        long group = _choices[GpuMatmulKnobs.Raster];
        var columns = n;
        if (group > 1 && _s.Nest.Loop(m).ConstantExtent is { } rows && rows > group && rows % group == 0)
        {
            // Blocks that run at once share columns of B: a group of rows goes along n together.
            var (mo, mg) = _s.Split(m, group);
            _s.Reorder(mo, n, mg);
            columns = _s.Fuse([mo, n, mg], $"{Stage}.block");
        }
        else
        {
            columns = _s.Fuse([m, n], $"{Stage}.block");
        }
        _s.Bind(columns, LoopKind.BlockX);
        var outermost = columns;
        if (part is not null)
        {
            _s.Bind(part, LoopKind.BlockY);
            outermost = part;
        }
        if (outer.Length > 0)
        {
            outermost = _s.Fuse(outer, $"{Stage}.batch");
            _s.Bind(outermost, LoopKind.BlockZ);
        }
        if (_choices[GpuMatmulKnobs.MinBlocks] is > 0 and var blocks)
            _s.Annotate(outermost, Annotate.MinBlocks, $"{blocks}");
    }

    private void Unroll(TilePart.Loops m, TilePart.Loops n, LoopRef ki)
    {
        foreach (var loop in new[] { m.Group, m.Item, n.Group, n.Item })
            UnrollUnlessOne(loop);
        long ku = Math.Min(_choices[GpuMatmulKnobs.Ku], _bk);
        if (ku >= _bk)
            UnrollUnlessOne(ki);
        else if (ku > 1)
            _s.Unroll(_s.Split(ki, ku).Inner);
    }

    private void UnrollUnlessOne(LoopRef loop)
    {
        if (_s.Nest.Loop(loop).ConstantExtent > 1)
            _s.Unroll(loop);
    }

    // The second kernel: a thread adds up the parts of a few neighbours, and does what comes after.
    private void AddParts(List<BlockRef> after)
    {
        BufferRef total = _s.Output(Stage);
        var map = new GpuMap(256, 1, 1, 0);
        var made = map.Apply(_s, after[0], _target);
        if (made is { } first && !_algorithm.Outputs.Any(o => o == total))
        {
            _s.SetScope(total, Scope.Register);
            _s.ComputeAt(Stage, first.Thread);
        }
        else
        {
            GpuPlainRule.Stage(_s, Stage, 256);
        }
        foreach (var block in after.Skip(1))
            map.Apply(_s, block, _target);
    }

    private LoopRef Loop(Axis axis) => _c.Stage.Loop(axis);

    private static IEnumerable<LoopRef> Some(LoopRef? loop) => loop is null ? [] : [loop];
}

/// <summary>
/// How one side of a block's tile is shared out: thread t has, in each of Groups stretches, Items neighbours from t·Items
/// on. Several groups of one vector each keep a warp's accesses to shared memory dense.
/// </summary>
internal sealed record TilePart(long Tile, long Groups, long Items)
{
    internal sealed record Loops(LoopRef Outer, LoopRef Group, LoopRef Thread, LoopRef Item);

    public long PerThread => Groups * Items;

    public long Threads => Tile / PerThread;

    /// <summary>Elements of one group, over all threads.</summary>
    public long Stretch => Tile / Groups;

    public static TilePart Of(long tile, long perThread, long vector)
    {
        perThread = Math.Min(perThread, tile);
        long items = Math.Min(perThread, vector);
        return new TilePart(tile, perThread / items, items);
    }

    /// <summary>Splits a loop over this side; one outside of the tile where the loop runs over all tiles.</summary>
    public Loops Split(Schedule s, BlockRef block, string side, LoopRef loop, bool outermost)
    {
        var outer = loop;
        if (outermost)
            (outer, loop) = s.Split(loop, Tile, $"{block}.{side}.tile", $"{block}.{side}.in");
        var (group, rest) = s.Split(loop, Stretch, $"{block}.{side}.group", $"{block}.{side}.rest");
        var (thread, item) = s.Split(rest, Items, $"{block}.{side}.t", $"{block}.{side}.item");
        return new Loops(outer, group, thread, item);
    }
}
