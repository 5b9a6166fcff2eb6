using Picograd.Algorithms;
using Picograd.Schedules.Intrinsics;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>The steps of <see cref="GpuWarpgroupMatmulRule"/>.</summary>
internal sealed class WarpgroupMatmulSchedule(Schedule s, Algorithm algorithm, TensorContraction c, WarpgroupTile t)
{
    private readonly BlockRef _stage = c.Stage;
    private BlockRef _product = c.Stage;

    public void Run()
    {
        var (a, b, result) = c.IntoShared(s, algorithm, t.Bm, t.Bn, t.Bk * t.SplitK);
        BufferRef accumulators = s.Output(_stage);
        if (t.SplitK > 1)
        {
            SplitReduction();
            accumulators = s.Output(_product);
            var (_, write) = s.CacheWrite(accumulators, Scope.Fragment);
            Product(a, b, write);
            Combine(result);
        }
        else
        {
            s.SetScope(accumulators, Scope.Fragment);
            Product(a, b, result);
        }
    }

    // Each block sums one stretch of k; the sums are added in a kernel of their own.
    private void SplitReduction()
    {
        var k = c.Stage.Loop(c.K);
        long extent = s.Nest.Loop(k).ConstantExtent!.Value;
        var (parts, _) = s.Split(k, extent / t.SplitK, Tail.None);
        _product = s.Rfactor(_stage, parts);
    }

    private void Product(BlockRef a, BlockRef b, BlockRef write)
    {
        var around = s.LoopsAround(_product);
        var m = LoopOf(c.M);
        var n = LoopOf(c.N);
        var k = around.Single(IsReduceLoop);
        LoopRef[] outer = [.. around.Where(l => l != m && l != n && l != k)];
        var (mo, m1) = s.Split(m, t.Bm, Tail.None);
        var (wg, m2) = s.Split(m1, t.Bm / t.Consumers, Tail.None);
        var (mi, m3) = s.Split(m2, WarpgroupMatmuls.Rows, Tail.None);
        var (no, n3) = s.Split(n, t.Bn, Tail.None);
        var (ko, k1) = s.Split(k, t.Bk, Tail.None);
        var (ki, k2) = s.Split(k1, WarpgroupMatmuls.Depth(c.Type), Tail.None);
        // Blocks that run at the same time should share rows and columns: group rows of tiles at a time.
        LoopRef[] tiles = [mo, no];
        long rows = s.Nest.Loop(mo).ConstantExtent!.Value;
        if (t.Group > 1 && rows % t.Group == 0 && rows > t.Group)
        {
            var (groups, within) = s.Split(mo, t.Group, Tail.None);
            tiles = [groups, no, within];
        }
        LoopRef[] grid = [.. outer, .. tiles];
        s.Reorder([.. grid, ko, wg, ki, mi, m3, n3, k2]);
        var block = s.Fuse(grid);
        var tile = block;
        if (t.Persistent > 0)
        {
            // Tiles that run at the same time are neighbours in the raster: block i takes tiles i, i + blocks, ….
            (tile, block) = s.Split(block, Blocks(s.Nest.Loop(block)), Tail.None);
            s.Reorder(block, tile);
        }
        s.Bind(block, LoopKind.BlockX);
        s.ComputeAt(a, ko);
        s.ComputeAt(b, ko);
        WriteTile(write, tile);
        s.Bind(wg, LoopKind.Warpgroup);
        s.DecomposeReduction(_product, ko);
        bool am = !TensorContraction.IsContiguous(c.A, c.K);
        bool bn = !TensorContraction.IsContiguous(c.B, c.K);
        s.Tensorize(m3, WarpgroupMatmuls.NameOf(c.Type, (int)t.Bn, am, bn));
        s.Unroll(ki);
        foreach (var (copy, load) in t.Bulk ? [] : new[] { (a, c.A), (b, c.B) })
            CopyTile(copy, load);
        s.Pipeline(ko, (int)t.Stages, t.Bulk ? "bulk" : "cp.async");
        foreach (var copy in new[] { a, b })
            s.Swizzle(s.Output(copy), ByteSwizzle.OfRow(128)!.Value);
    }

    // Every block takes as many tiles as the others, and most multiprocessors have one.
    private long Blocks(For tiles)
    {
        long count = tiles.ConstantExtent!.Value;
        for (long blocks = Math.Min(t.Persistent, count); 4 * blocks >= 3 * t.Persistent; blocks--)
        {
            if (count % blocks == 0)
                return blocks;
        }
        throw new ScheduleException(
            s.Nest,
            tiles,
            $"{count} tiles are no multiple of a number of blocks between {(3 * t.Persistent + 3) / 4} and {t.Persistent}, the multiprocessors",
            "persistent=0"
        );
    }

    private bool IsReduceLoop(LoopRef loop)
    {
        var v = s.Nest.Loop(loop).Var;
        return s.Nest.Block(_product).ReduceAxes.Any(x => x.Binding.Uses(v));
    }

    private LoopRef LoopOf(Axis axis)
    {
        var block = s.Nest.Block(_product);
        var bound = block.Axes.First(x => x.Name == axis.Name && x.Kind == AxisKind.Spatial);
        return s.Nest.LoopsAround(block).Single(l => bound.Binding.Uses(l.Var));
    }

    private void WriteTile(BlockRef write, LoopRef tile)
    {
        var loops = s.ReverseComputeAt(write, tile);
        var (wg, _) = s.Split(loops[^2], t.Bm / t.Consumers, Tail.Guard);
        s.Bind(wg, LoopKind.Warpgroup);
    }

    // A tile of an operand from device to shared memory: 16 bytes a thread at a time, neighbours to neighbours.
    private void CopyTile(BlockRef copy, Load load)
    {
        var loops = s.OwnLoops(copy);
        var (rest, lanes) = s.Split(loops[^1], 16 / load.Type.Size(), Tail.None);
        var all = s.Fuse([.. loops[..^1], rest]);
        long pieces = s.Nest.Loop(all).ConstantExtent!.Value;
        long threads = 128 * t.Consumers;
        var thread = all;
        if (pieces > threads)
        {
            (var turns, thread) = s.Split(all, threads, pieces % threads == 0 ? Tail.None : Tail.Guard);
            s.Reorder(thread, turns);
            s.Unroll(turns);
        }
        s.Bind(thread, LoopKind.ThreadX);
        s.Vectorize(lanes);
    }

    // The sums of the stretches of k, and what follows them.
    private void Combine(BlockRef result)
    {
        s.SetScope(s.Output(_stage), Scope.Register);
        var loops = s.OwnLoops(result);
        var fused = s.Fuse(loops);
        var thread = GpuLoops.BindGrid(s, fused, 256).Threads;
        s.ComputeAt(_stage, thread);
    }
}
