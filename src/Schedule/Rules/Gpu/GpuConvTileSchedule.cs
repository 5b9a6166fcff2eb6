using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>
/// One tiled schedule of <see cref="GpuConvRule"/>: a product of filters and windows whose windows are read out of the
/// image's tile in shared memory.
/// </summary>
internal sealed class GpuConvTileSchedule
{
    private readonly Choices _choices;
    private readonly GpuConvTile.Form _form;
    private readonly Algorithm _algorithm;
    private readonly Schedule _s;
    private readonly long _channels;
    private readonly long _slices;
    private readonly long _columns;
    private readonly long _places;
    private readonly long _rows;

    public GpuConvTileSchedule(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        (_algorithm, _choices) = (algorithm, choices);
        _form = GpuConvTile.Form.Of(algorithm.Stages[0])!;
        _s = new Schedule(algorithm);
        // What is chosen is the most: tiles divide what they cut, so that no thread has to ask whether its place exists.
        long group = _form.GroupSize;
        _channels = GpuConvTile.Largest(group, _choices[GpuConvKnobs.Channels]);
        _slices = GpuConvTile.Largest(group / _channels, _choices[GpuConvKnobs.Slices]);
        _columns = GpuConvTile.Largest(Extents.Of(_form.Places[^1]), _choices[GpuConvKnobs.Columns]);
        _places = GpuConvTile.Largest(_columns, _choices[GpuConvKnobs.Places]);
        _rows = HasRows ? GpuConvTile.Largest(Extents.Of(_form.Places[0]), _choices[GpuConvKnobs.Rows]) : 1;
        if (Threads > GpuInfo.MaxThreadsPerBlock)
            throw new ScheduleException(
                null,
                null,
                $"{_rows} rows of {_columns / _places} threads for {_slices} slices of channels take {Threads} threads",
                $"at most {GpuInfo.MaxThreadsPerBlock} threads a block"
            );
    }

    private BlockRef Stage => _form.Stage;

    private bool HasRows => _form.Places.Length > 1;

    private long Threads => _slices * _rows * (_columns / _places);

    public LoopNest Build()
    {
        List<BlockRef> after = [.. _algorithm.Stages.Skip(1).Select(x => (BlockRef)x)];
        if (after.Count == 0)
            after.Add(_s.CacheWrite(_form.Stage.Output, Scope.Register).Copy);
        else
            _s.SetScope(_form.Stage.Output, Scope.Register);
        var (_, image) = _s.CacheRead(_form.Image.Buffer, Stage, Scope.Shared);
        var (filterTile, filters) = _s.CacheRead(_form.Filters.Buffer, Stage, Scope.Shared);
        ChannelsInnermost(filterTile);

        var batch = Loop(_form.Stage.SpatialAxes.First());
        var (co, ci) = _s.Split(Loop(_form.Out), _channels * _slices, $"{Stage}.c.tile", $"{Stage}.c.in");
        var channel = Channels(Stage, ci);
        var (xo, xi) = _s.Split(Loop(_form.Places[^1]), _columns, $"{Stage}.x.tile", $"{Stage}.x.in");
        var place = Places(Stage, xi);
        LoopRef[] rowTiles = [];
        LoopRef[] row = [];
        if (HasRows)
        {
            var (yo, yi) = _s.Split(Loop(_form.Places[0]), _rows, $"{Stage}.y.tile", $"{Stage}.y.in");
            (rowTiles, row) = ([yo], [yi]);
        }
        var (ko, ki) = _s.Split(Loop(_form.In), _choices[GpuConvKnobs.Step], $"{Stage}.ko", $"{Stage}.ki");
        LoopRef[] window = [.. _form.Window.Select(Loop)];
        LoopRef[] grid = [batch, co, .. rowTiles, xo];
        _s.Reorder([.. grid, ko, channel.Slice, .. row, place.Thread, ki, .. window, channel.Item, place.Group]);
        var thread = _s.Fuse([channel.Slice, .. row, place.Thread], $"{Stage}.t");
        foreach (var copy in new[] { image, filters })
        {
            var loops = _s.ComputeAt(copy, ko).ToList();
            Share(copy, loops);
        }
        _s.Bind(thread, LoopKind.ThreadX);
        foreach (var later in after)
            After(later, xo);
        _s.DecomposeReduction(Stage, ko);
        foreach (var loop in window.Reverse().Take((int)_choices[GpuConvKnobs.Unroll]))
        {
            if (_s.Nest.Loop(loop).ConstantExtent is > 1 and <= 7)
                _s.Unroll(loop);
        }
        Unroll(channel.Item);
        Unroll(place.Group);
        Grid(batch, co, [.. rowTiles, xo]);
        return _s.Nest;
    }

    // Whole rows of the tile to the threads, as many as there are threads for, so that a thread's place in the tile takes one
    // division; the rest one after the other.
    private void Share(BlockRef copy, List<LoopRef> loops)
    {
        long left = Threads;
        var threads = new List<LoopRef>();
        var again = new List<LoopRef>();
        foreach (var loop in Enumerable.Reverse(loops))
        {
            long extent = _s.Nest.Loop(loop).ConstantExtent ?? 1;
            if (extent <= left)
            {
                threads.Insert(0, loop);
                left /= extent;
                continue;
            }
            if (left > 1)
            {
                long turns = Extents.CeilDiv(extent, left);
                var (outer, inner) = _s.Split(loop, Extents.CeilDiv(extent, turns), $"{copy}.again", $"{copy}.row");
                threads.Insert(0, inner);
                again.Insert(0, outer);
            }
            else
            {
                again.Insert(0, loop);
            }
            left = 1;
        }
        if (again.Count > 0 && threads.Count > 0)
            _s.Reorder([.. threads, .. again]);
        var thread = threads.Count > 0 ? _s.Fuse(threads, $"{copy}.t") : _s.UnitLoop(loops[0]);
        _s.Bind(thread, LoopKind.ThreadX);
        foreach (var loop in again)
            Unroll(loop);
    }

    // The channels out become the last dimension: a thread's are neighbours, and lanes of a slice read the same ones.
    private void ChannelsInnermost(BufferRef tile)
    {
        int rank = _s.Nest.Buffer(tile).Rank;
        int channel = _form.Filters.Indices.IndexOf(_form.Out.Var);
        if (channel != rank - 1)
            _s.MoveDimensionLast(tile, channel);
    }

    private (LoopRef Slice, LoopRef Item) Channels(BlockRef block, LoopRef loop) =>
        _s.Split(loop, _channels, $"{block}.slice", $"{block}.channel");

    // Neighbouring places to neighbouring threads; a thread's own places are a stretch apart.
    private (LoopRef Group, LoopRef Thread) Places(BlockRef block, LoopRef loop) =>
        _s.Split(loop, _columns / _places, $"{block}.group", $"{block}.place");

    private void After(BlockRef block, LoopRef at)
    {
        // A tile of one channel, row or column has no loop there.
        var loops = _s.ReverseComputeAt(block, at).ToList();
        var axes = _s.Nest.Block(block).SpatialAxes.ToList();
        LoopRef? Over(BlockAxis axis) => loops.FirstOrDefault(l => axis.Binding.Uses(_s.Nest.Loop(l).Var));
        var threads = new List<LoopRef>();
        var items = new List<LoopRef>();
        var (c, y, x) = (Over(axes[1]), HasRows ? Over(axes[2]) : null, Over(axes[^1]));
        if (c is not null)
        {
            var (slice, item) = Channels(block, c);
            threads.Add(slice);
            items.Add(item);
        }
        if (y is not null)
            threads.Add(y);
        if (x is not null)
        {
            var (group, thread) = Places(block, x);
            threads.Add(thread);
            items.Add(group);
        }
        if (threads.Count + items.Count > 1)
            _s.Reorder([.. threads, .. items]);
        var fused = threads.Count > 0 ? _s.Fuse(threads, $"{block}.t") : _s.UnitLoop(block);
        _s.Bind(fused, LoopKind.ThreadX);
        foreach (var item in items)
            Unroll(item);
    }

    private void Grid(LoopRef batch, LoopRef channels, LoopRef[] places)
    {
        const long most = 65_535;
        var place = _s.Fuse(places, $"{Stage}.places");
        if (_s.Nest.Loop(batch).ConstantExtent <= most && _s.Nest.Loop(channels).ConstantExtent <= most)
        {
            _s.Bind(place, LoopKind.BlockX);
            _s.Bind(channels, LoopKind.BlockY);
            _s.Bind(batch, LoopKind.BlockZ);
            Room(batch);
            return;
        }
        var all = _s.Fuse([batch, channels, place], $"{Stage}.block");
        _s.Bind(all, LoopKind.BlockX);
        Room(all);
    }

    // By itself the compiler aims at more blocks at a time than its registers allow, and spills (224 threads: 16 bytes).
    private void Room(LoopRef loop)
    {
        var outermost = _s.Nest.LoopsAround(_s.Nest.Loop(loop)).FirstOrDefault()?.Ref ?? loop;
        _s.Annotate(outermost, Annotate.MinBlocks, "1");
    }

    private void Unroll(LoopRef loop)
    {
        if (_s.Nest.Loop(loop) is { Kind: LoopKind.Serial, ConstantExtent: > 1 and <= 16 })
            _s.Unroll(loop);
    }

    private LoopRef Loop(Axis axis) => _form.Stage.Loop(axis);
}
