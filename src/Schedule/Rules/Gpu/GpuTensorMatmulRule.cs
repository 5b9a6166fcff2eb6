using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>
/// Matrix products on tensor cores through mma.sync: a tile of the result for each block in fragments, a part of it for each
/// warp; along k, tiles of both operands in shared memory (rows swizzled or padded, so that ldmatrix meets no bank twice), loaded into
/// fragments with ldmatrix; bias, activation and rounding are applied to the accumulators on their way out. Operands are
/// padded with zeros to whole tiles while they are copied.
/// </summary>
public sealed class GpuTensorMatmulRule : ScheduleRule
{
    // Accumulators of a lane: 64×64 over 32 lanes are 128 registers, half of what there is.
    private const long MostAccumulators = 128;

    public override string Name => "gpu-tensor-matmul";

    public override bool Applies(Algorithm algorithm, TargetInfo target) =>
        target.Gpu is { HasAsyncCopy: true } && TensorContraction.Of(algorithm) is not null;

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var c = TensorContraction.Of(algorithm)!;
        var (m, n, k) = (Extents.Of(c.M), Extents.Of(c.N), Extents.Of(c.K));
        long batch = c.Batch.Aggregate(1L, (p, a) => p * Extents.Of(a));
        long processors = target.Gpu!.Multiprocessors;
        // The largest tile of which there is one for every multiprocessor, by falling arithmetic per byte loaded.
        (long Bm, long Bn, long Wm, long Wn)[] tiles = [(128, 128, 64, 64), (128, 64, 64, 32), (64, 64, 32, 32)];
        var tile = tiles.FirstOrDefault(
            t => Extents.CeilDiv(m, t.Bm) * Extents.CeilDiv(n, t.Bn) * batch >= processors,
            tiles[^1]
        );
        long depth = c.Depth;
        long bk = k >= 4 * depth ? 2 * depth : depth;
        long blocks = Extents.CeilDiv(m, tile.Bm) * Extents.CeilDiv(n, tile.Bn) * batch;
        // Few blocks and a long sum: several blocks share it, each at least 16 steps of it.
        long split = 1;
        while (split < 8 && blocks * split * 2 <= processors && k / (split * 2) >= 16 * bk)
            split *= 2;
        return
        [
            GpuTensorMatmulKnobs.Bm.Offer([32, 64, 128, 256], tile.Bm),
            GpuTensorMatmulKnobs.Bn.Offer([32, 64, 128, 256], tile.Bn),
            GpuTensorMatmulKnobs.Wm.Offer([16, 32, 64, 128], tile.Wm),
            GpuTensorMatmulKnobs.Wn.Offer([16, 32, 64, 128], tile.Wn),
            GpuTensorMatmulKnobs.Bk.Offer([depth, 2 * depth, 4 * depth], bk),
            GpuTensorMatmulKnobs.SplitK.Offer([1, 2, 4, 8, 16], split),
            GpuTensorMatmulKnobs.Stages.Offer([1, 2, 3, 4], Math.Clamp(k / (bk * split), 1, 3)),
            GpuTensorMatmulKnobs.Group.Offer([1, 2, 4, 8, 16], m * n >= 1 << 20 ? 8 : 1),
            GpuTensorMatmulKnobs.Swizzle.Offer(Swizzles(c, tile.Bm, tile.Bn, bk)),
            GpuTensorMatmulKnobs.Pad.Offer(true),
        ];
    }

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        var c = TensorContraction.Of(algorithm)!;
        // A block tile is no larger than the matrix in whole warp tiles.
        long Fit(NumberKnob knob, Axis axis, long warp) =>
            Math.Min(choices[knob], Extents.CeilDiv(Extents.Of(axis), warp) * warp);
        var (wm, wn) = (choices[GpuTensorMatmulKnobs.Wm], choices[GpuTensorMatmulKnobs.Wn]);
        var tile = new Tile(
            Fit(GpuTensorMatmulKnobs.Bm, c.M, wm),
            Fit(GpuTensorMatmulKnobs.Bn, c.N, wn),
            wm,
            wn,
            choices[GpuTensorMatmulKnobs.Bk],
            choices[GpuTensorMatmulKnobs.SplitK],
            choices[GpuTensorMatmulKnobs.Stages],
            choices[GpuTensorMatmulKnobs.Group],
            choices[GpuTensorMatmulKnobs.Swizzle],
            choices[GpuTensorMatmulKnobs.Pad]
        );
        var s = new Schedule(algorithm);
        Require(s.Nest, tile, c);
        new Steps(s, algorithm, c, tile).Run();
        return s.Nest;
    }

    private static void Require(LoopNest nest, Tile t, TensorContraction c)
    {
        string? why =
            t.Bm % t.Wm != 0 || t.Bn % t.Wn != 0
                ? $"a block tile of {t.Bm}×{t.Bn} is no whole number of warp tiles of {t.Wm}×{t.Wn}"
            : t.Warps > 16 ? $"a block tile of {t.Bm}×{t.Bn} takes {t.Warps} warps of {t.Wm}×{t.Wn}"
            : t.Wm * t.Wn / GpuInfo.WarpSize > MostAccumulators
                ? $"a warp tile of {t.Wm}×{t.Wn} takes {t.Wm * t.Wn / GpuInfo.WarpSize} accumulators a lane"
            : t.SplitK > 1 && t.SplitK * t.Bk > 4 * Extents.CeilDiv(Extents.Of(c.K), t.Bk) * t.Bk
                ? $"split_k={t.SplitK} by bk={t.Bk} pads the {Extents.Of(c.K)} steps of k more than four times over"
            : t.Bk % c.Depth != 0 ? $"bk={t.Bk} is no multiple of {c.Depth}, the k of {c.Instruction.Name}"
            : null;
        if (why is not null)
            throw new ScheduleException(
                nest,
                null,
                why,
                $"warp tiles that divide the block tile into at most 16, with at most {MostAccumulators} accumulators a lane"
            );
    }

    // Swizzled rows take less memory than padded ones; below 64 bytes there is little to win.
    private static bool Swizzles(TensorContraction c, long bm, long bn, long bk) =>
        new[] { c.A, c.B }.Any(load =>
            RowBytes(c, load, bm, bn, bk) >= 64 && SwizzleOf(c, load, bm, bn, bk) is not null
        );

    // Bytes of a row of an operand's tile.
    private static long RowBytes(TensorContraction c, Load load, long bm, long bn, long bk)
    {
        long elements =
            TensorContraction.IsContiguous(load, c.K) ? bk
            : TensorContraction.IsContiguous(load, c.M) ? bm
            : TensorContraction.IsContiguous(load, c.N) ? bn
            : 1;
        return elements * load.Type.Size();
    }

    private static ByteSwizzle? SwizzleOf(TensorContraction c, Load load, long bm, long bn, long bk) =>
        ByteSwizzle.ForColumns(RowBytes(c, load, bm, bn, bk), RunBytes(c, load));

    // What lies together in one row of those that a warp reads at once: 16 bytes of 8 rows with ldmatrix, 8 elements of 4
    // rows with single loads of 32 bits.
    private static long RunBytes(TensorContraction c, Load load) =>
        c.Type == DType.Float32 && !TensorContraction.IsContiguous(load, c.K) ? 32 : 16;

    private sealed record Tile(
        long Bm,
        long Bn,
        long Wm,
        long Wn,
        long Bk,
        long SplitK,
        long Stages,
        long Group,
        bool Swizzle,
        bool Pad
    )
    {
        public long Warps => Bm / Wm * (Bn / Wn);

        public long Threads => Warps * GpuInfo.WarpSize;
    }

    private sealed class Steps(Schedule s, Algorithm algorithm, TensorContraction c, Tile t)
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
                (accumulators, var write) = s.CacheWrite(accumulators, Scope.Fragment);
                Product(a, b, write);
                Combine(result);
            }
            else
            {
                s.SetScope(accumulators, Scope.Fragment);
                Product(a, b, result);
            }
        }

        private LoopRef? _parts;

        // Each block sums one stretch of k; the sums are added in a kernel of their own.
        private void SplitReduction()
        {
            var k = c.Stage.Loop(c.K);
            long extent = s.Nest.Loop(k).ConstantExtent!.Value;
            (_parts, _) = s.Split(k, extent / t.SplitK, Tail.None);
            _product = s.Rfactor(_stage, _parts);
        }

        private void Product(BlockRef a, BlockRef b, BlockRef write)
        {
            var around = s.LoopsAround(_product);
            var m = LoopOf(c.M);
            var n = LoopOf(c.N);
            var k = around.Single(l => IsReduceLoop(l));
            LoopRef[] outer = [.. around.Where(l => l != m && l != n && l != k)];
            var (mo, m1) = s.Split(m, t.Bm, Tail.None);
            var (wm, m2) = s.Split(m1, t.Wm, Tail.None);
            var (mi, m3) = s.Split(m2, 16, Tail.None);
            var (no, n1) = s.Split(n, t.Bn, Tail.None);
            var (wn, n2) = s.Split(n1, t.Wn, Tail.None);
            var (ni, n3) = s.Split(n2, 8, Tail.None);
            var (ko, k1) = s.Split(k, t.Bk, Tail.None);
            var (ki, k2) = s.Split(k1, c.Depth, Tail.None);
            // Blocks that run at the same time should share rows and columns: group rows of tiles at a time.
            LoopRef[] tiles = [mo, no];
            long rows = s.Nest.Loop(mo).ConstantExtent!.Value;
            if (t.Group > 1 && rows % t.Group == 0 && rows > t.Group)
            {
                var (groups, within) = s.Split(mo, t.Group, Tail.None);
                tiles = [groups, no, within];
            }
            LoopRef[] grid = [.. outer, .. tiles];
            s.Reorder([.. grid, ko, wm, wn, ki, mi, ni, m3, n3, k2]);
            var warp = s.Fuse(wm, wn);
            var block = Grid(outer, tiles);
            s.ComputeAt(a, ko);
            s.ComputeAt(b, ko);
            var (_, copyA) = s.CacheRead(s.Output(a), _product, Scope.Fragment);
            var (_, copyB) = s.CacheRead(s.Output(b), _product, Scope.Fragment);
            LoadA(copyA, s.ComputeAt(copyA, ki));
            LoadB(copyB, s.ComputeAt(copyB, ki));
            WriteTile(write, block);
            s.Bind(warp, LoopKind.Warp);
            s.DecomposeReduction(_product, ko);
            s.Tensorize(m3, c.Instruction.Name);
            s.Unroll(ki);
            long bytes = 16;
            foreach (var (copy, load) in new[] { (a, c.A), (b, c.B) })
            {
                bytes = Math.Min(bytes, CopyTile(copy, load) * load.Type.Size());
            }
            // Asynchronous copies move 4 bytes at least.
            if (t.Stages > 1)
                s.Pipeline(ko, (int)t.Stages, bytes >= 4 ? "cp.async" : "sync");
            foreach (var (copy, load) in new[] { (a, c.A), (b, c.B) })
            {
                // Rows that are no power of two are padded in any case.
                if (t.Swizzle && SwizzleOf(c, load, t.Bm, t.Bn, t.Bk) is { } swizzle)
                    s.Swizzle(s.Output(copy), swizzle);
                else if (t.Pad)
                    PadRows(copy, load);
            }
        }

        // The last of the tile loops runs fastest, along x; what does not fit into y and z makes one loop of all.
        private LoopRef Grid(LoopRef[] outer, LoopRef[] tiles)
        {
            const long most = 65_535;
            LoopRef[][] kinds =
            [
                [.. outer, .. tiles[..^2]],
                [tiles[^2]],
            ];
            long Count(LoopRef[] loops) => loops.Aggregate(1L, (n, l) => n * s.Nest.Loop(l).ConstantExtent!.Value);
            if (kinds.Any(l => Count(l) > most))
            {
                var all = s.Fuse([.. outer, .. tiles]);
                s.Bind(all, LoopKind.BlockX);
                return all;
            }
            if (kinds[0].Length > 0)
                s.Bind(s.Fuse(kinds[0]), LoopKind.BlockZ);
            s.Bind(tiles[^2], LoopKind.BlockY);
            s.Bind(tiles[^1], LoopKind.BlockX);
            return tiles[^1];
        }

        private bool IsReduceLoop(LoopRef loop)
        {
            var block = s.Nest.Block(_product);
            var v = s.Nest.Loop(loop).Var;
            return block.ReduceAxes.Any(x => x.Binding.Uses(v));
        }

        private LoopRef LoopOf(Axis axis)
        {
            var block = s.Nest.Block(_product);
            var bound = block.Axes.First(x => x.Name == axis.Name && x.Kind == AxisKind.Spatial);
            return s.Nest.LoopsAround(block).Single(l => bound.Binding.Uses(l.Var));
        }

        // Fragments come from shared memory by ldmatrix, in the form that fits how the operand lies there; 32-bit elements
        // across rows only by single loads, which lowering makes of the plain loops.
        private void LoadA(BlockRef copy, IReadOnlyList<LoopRef> loops)
        {
            var (m, k) = LoopsAlong(c.A, loops, c.M);
            bool straight = TensorContraction.IsContiguous(c.A, c.K);
            (_, m) = s.Split(m, 16, Tail.None);
            if (straight || c.Type != DType.Float32)
                Tensorized(copy, [m, k], $"ldmatrix.a.x4{(straight ? "" : ".trans")}.{Suffix}");
        }

        private void LoadB(BlockRef copy, IReadOnlyList<LoopRef> loops)
        {
            var (n, k) = LoopsAlong(c.B, loops, c.N);
            bool straight = TensorContraction.IsContiguous(c.B, c.K);
            long width = t.Wn % 16 == 0 ? 16 : 8;
            (_, n) = s.Split(n, width, Tail.None);
            if (straight || c.Type != DType.Float32)
                Tensorized(copy, [n, k], $"ldmatrix.b.x{width / 4}{(straight ? "" : ".trans")}.{Suffix}");
        }

        private string Suffix => c.Type == DType.Float32 ? "tf32" : c.Type.Name();

        private void Tensorized(BlockRef copy, LoopRef[] tile, string intrinsic)
        {
            LoopRef[] around = [.. s.Nest.OwnLoops(s.Nest.Block(copy)).Refs().Except(tile)];
            LoopRef[] order = [.. around, .. tile];
            if (!order.SequenceEqual(s.Nest.OwnLoops(s.Nest.Block(copy)).Refs()))
                s.Reorder(order);
            s.Tensorize(tile[0], intrinsic);
        }

        // Of the loops over an operand's dimensions (of extent 1 there is none) the one along an axis, and that along k.
        private (LoopRef Along, LoopRef K) LoopsAlong(Load load, IReadOnlyList<LoopRef> loops, Axis axis)
        {
            int d = Contraction.Dimension(load, axis);
            int k = Contraction.Dimension(load, c.K);
            return d < k ? (loops[^2], loops[^1]) : (loops[^1], loops[^2]);
        }

        private void WriteTile(BlockRef write, LoopRef block)
        {
            var loops = s.ReverseComputeAt(write, block);
            var m = loops[^2];
            var n = loops[^1];
            var (wm, m1) = s.Split(m, t.Wm, Tail.Guard);
            var (wn, n1) = s.Split(n, t.Wn, Tail.Guard);
            s.Reorder(wm, wn, m1, n1);
            s.Bind(s.Fuse(wm, wn), LoopKind.Warp);
        }

        // A tile of an operand from global to shared memory: 16 bytes a thread at a time, neighbours to neighbours.
        /// <returns>Elements that a thread moves at once.</returns>
        private long CopyTile(BlockRef copy, Load load)
        {
            var loops = s.OwnLoops(copy);
            var last = s.Nest.Loop(loops[^1]);
            var inner = load.Buffer.Shape[^1] is IntImm e ? e.Value : 1;
            long vector = 16 / load.Type.Size();
            while (vector > 1 && (inner % vector != 0 || last.ConstantExtent % vector != 0))
                vector /= 2;
            var (rest, lanes) = s.Split(loops[^1], vector, Tail.None);
            var all = s.Fuse([.. loops[..^1], rest]);
            long pieces = s.Nest.Loop(all).ConstantExtent!.Value;
            var thread = all;
            if (pieces > t.Threads)
            {
                (var turns, thread) = s.Split(all, t.Threads, pieces % t.Threads == 0 ? Tail.None : Tail.Guard);
                s.Reorder(thread, turns);
                s.Unroll(turns);
            }
            s.Bind(thread, LoopKind.ThreadX);
            if (vector > 1)
                s.Vectorize(lanes);
            return vector;
        }

        // Rows an odd number of 16-byte pieces apart: ldmatrix reads 8 rows of one piece from 8 different quarters of the
        // banks. Single loads of 32 bits read 4 rows of 8 neighbours: rows 8 banks apart.
        private void PadRows(BlockRef copy, Load load)
        {
            var buffer = s.Nest.Block(copy).Output;
            int rank = buffer.Rank;
            long piece = 16 / load.Type.Size();
            if (RunBytes(c, load) == 32)
                s.StorageAlign(buffer, rank - 2, 32, 8);
            else
                s.StorageAlign(buffer, rank - 2, 2 * piece, piece);
        }

        // The sums of the stretches of k, and what follows them.
        private void Combine(BlockRef result)
        {
            s.SetScope(s.Output(_stage), Scope.Register);
            var loops = s.OwnLoops(result);
            if (loops.Count > 2)
                s.Bind(s.Fuse(loops[..^2]), LoopKind.BlockY);
            var thread = GpuLoops.BindGrid(s, s.Fuse(loops[^2..]), 256).Threads;
            s.ComputeAt(_stage, thread);
        }
    }
}

/// <summary>The knobs of <see cref="GpuTensorMatmulRule"/>.</summary>
internal static class GpuTensorMatmulKnobs
{
    public static readonly NumberKnob Bm = new("bm", 0);
    public static readonly NumberKnob Bn = new("bn", 0);
    public static readonly NumberKnob Wm = new("wm", 1);
    public static readonly NumberKnob Wn = new("wn", 1);
    public static readonly NumberKnob Bk = new("bk", 1);
    public static readonly NumberKnob SplitK = new("split_k", 1);
    public static readonly NumberKnob Stages = new("stages", 2);
    public static readonly NumberKnob Group = new("group", 2);
    public static readonly SwitchKnob Swizzle = new("swizzle", 3);
    public static readonly SwitchKnob Pad = new("pad", 3);
}
