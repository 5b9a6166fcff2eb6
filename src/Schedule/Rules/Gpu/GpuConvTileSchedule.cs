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
        _columns = GpuConvTile.Largest(Contraction.Extent(_form.Places[^1]), _choices[GpuConvKnobs.Columns]);
        _places = GpuConvTile.Largest(_columns, _choices[GpuConvKnobs.Places]);
        _rows = HasRows ? GpuConvTile.Largest(Contraction.Extent(_form.Places[0]), _choices[GpuConvKnobs.Rows]) : 1;
        if (Threads > GpuInfo.MaxThreadsPerBlock)
            throw new ScheduleException(
                null,
                null,
                $"{_rows} rows of {_columns / _places} threads for {_slices} slices of channels take {Threads} threads",
                $"at most {GpuInfo.MaxThreadsPerBlock} threads a block"
            );
    }

    private string Stage => _form.Stage.Name;

    private bool HasRows => _form.Places.Length > 1;

    private long Threads => _slices * _rows * (_columns / _places);

    public LoopNest Build()
    {
        List<string> after = [.. _algorithm.Stages.Skip(1).Select(x => x.Name)];
        if (after.Count == 0)
            after.Add(_s.CacheWrite(_form.Stage.Output.Name, Scope.Register).Copy);
        else
            _s.SetScope(_form.Stage.Output.Name, Scope.Register);
        var (_, image) = _s.CacheRead(_form.Image.Buffer.Name, Stage, Scope.Shared);
        var (filterTile, filters) = _s.CacheRead(_form.Filters.Buffer.Name, Stage, Scope.Shared);
        ChannelsInnermost(filterTile);

        string batch = Loop(_form.Stage.SpatialAxes.First());
        var (co, ci) = GpuLoops.Split(_s, Loop(_form.Out), _channels * _slices, $"{Stage}.c.tile", $"{Stage}.c.in");
        var channel = Channels(Stage, ci);
        var (xo, xi) = GpuLoops.Split(_s, Loop(_form.Places[^1]), _columns, $"{Stage}.x.tile", $"{Stage}.x.in");
        var place = Places(Stage, xi);
        string[] rowTiles = [];
        string[] row = [];
        if (HasRows)
        {
            var (yo, yi) = GpuLoops.Split(_s, Loop(_form.Places[0]), _rows, $"{Stage}.y.tile", $"{Stage}.y.in");
            (rowTiles, row) = ([yo], [yi]);
        }
        var (ko, ki) = GpuLoops.Split(_s, Loop(_form.In), _choices[GpuConvKnobs.Step], $"{Stage}.ko", $"{Stage}.ki");
        string[] window = [.. _form.Window.Select(Loop)];
        string[] grid = [batch, co, .. rowTiles, xo];
        _s.Reorder([.. grid, ko, channel.Slice, .. row, place.Thread, ki, .. window, channel.Item, place.Group]);
        string thread = GpuLoops.FuseAll(_s, [channel.Slice, .. row, place.Thread], $"{Stage}.t");
        foreach (string copy in new[] { image, filters })
        {
            var loops = _s.ComputeAt(copy, ko).ToList();
            Share(copy, loops);
        }
        _s.Bind(thread, LoopKind.ThreadX);
        foreach (string later in after)
            After(later, xo);
        _s.DecomposeReduction(Stage, ko);
        foreach (string loop in window.Reverse().Take((int)_choices[GpuConvKnobs.Unroll]))
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
    private void Share(string copy, List<string> loops)
    {
        long left = Threads;
        var threads = new List<string>();
        var again = new List<string>();
        foreach (string loop in Enumerable.Reverse(loops))
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
                long turns = GpuMatmulRule.Ceil(extent, left);
                var (outer, inner) = GpuLoops.Split(
                    _s,
                    loop,
                    GpuMatmulRule.Ceil(extent, turns),
                    $"{copy}.again",
                    $"{copy}.row"
                );
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
        string thread = threads.Count > 0 ? GpuLoops.FuseAll(_s, threads, $"{copy}.t") : _s.UnitLoop(loops[0]);
        _s.Bind(thread, LoopKind.ThreadX);
        foreach (string loop in again)
            Unroll(loop);
    }

    // The channels out become the last dimension: a thread's are neighbours, and lanes of a slice read the same ones.
    private void ChannelsInnermost(string tile)
    {
        int rank = _s.Nest.Buffer(tile).Rank;
        int channel = _form.Filters.Indices.IndexOf(_form.Out.Var);
        string[] dims = [.. Enumerable.Range(0, rank).Select(d => $"d{d}")];
        if (channel != rank - 1)
            _s.TransformLayout(
                tile,
                $"{string.Join(",", dims)}->{string.Join(",", dims.Where((_, d) => d != channel).Append(dims[channel]))}"
            );
    }

    private (string Slice, string Item) Channels(string block, string loop) =>
        GpuLoops.Split(_s, loop, _channels, $"{block}.slice", $"{block}.channel");

    // Neighbouring places to neighbouring threads; a thread's own places are a stretch apart.
    private (string Group, string Thread) Places(string block, string loop) =>
        GpuLoops.Split(_s, loop, _columns / _places, $"{block}.group", $"{block}.place");

    private void After(string block, string at)
    {
        // A tile of one channel, row or column has no loop there.
        var loops = _s.ReverseComputeAt(block, at).ToList();
        var axes = _s.Nest.Block(block).SpatialAxes.ToList();
        string? Over(BlockAxis axis) => loops.FirstOrDefault(l => axis.Binding.Uses(_s.Nest.Loop(l).Var));
        var threads = new List<string>();
        var items = new List<string>();
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
        string fused = threads.Count > 0 ? GpuLoops.FuseAll(_s, threads, $"{block}.t") : _s.UnitLoop(block);
        _s.Bind(fused, LoopKind.ThreadX);
        foreach (string item in items)
            Unroll(item);
    }

    private void Grid(string batch, string channels, string[] places)
    {
        const long most = 65_535;
        string place = GpuLoops.FuseAll(_s, places, $"{Stage}.places");
        if (_s.Nest.Loop(batch).ConstantExtent <= most && _s.Nest.Loop(channels).ConstantExtent <= most)
        {
            _s.Bind(place, LoopKind.BlockX);
            _s.Bind(channels, LoopKind.BlockY);
            _s.Bind(batch, LoopKind.BlockZ);
            Room(batch);
            return;
        }
        string all = GpuLoops.FuseAll(_s, [batch, channels, place], $"{Stage}.block");
        _s.Bind(all, LoopKind.BlockX);
        Room(all);
    }

    // By itself the compiler aims at more blocks at a time than its registers allow, and spills (224 threads: 16 bytes).
    private void Room(string loop)
    {
        string outermost = _s.Nest.LoopsAround(_s.Nest.Loop(loop)).FirstOrDefault()?.Name ?? loop;
        _s.Annotate(outermost, Annotate.MinBlocks, "1");
    }

    private void Unroll(string loop)
    {
        if (_s.Nest.Loop(loop) is { Kind: LoopKind.Serial, ConstantExtent: > 1 and <= 16 })
            _s.Unroll(loop);
    }

    private string Loop(Axis axis) => $"{Stage}.{axis.Name}";
}
