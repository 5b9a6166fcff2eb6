using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Ir;

namespace Picograd.Tests.Passes;

/// <summary>GPU schedules written by hand, as a performance engineer would.</summary>
internal static class SimtSchedules
{
    public static Algorithm Matmul(long m, long n, long k)
    {
        var g = new AlgorithmBuilder("matmul");
        var a = g.Input("A", DType.Float32, m, k);
        var b = g.Input("B", DType.Float32, k, n);
        var (i, j, r) = (new Axis("m", m), new Axis("n", n), new Axis("k", k));
        return g.Build(g.Stage("C", [i, j], AlgorithmBuilder.Sum(r, a[i, r] * b[r, j])));
    }

    public static LoopNest Apply(Algorithm algorithm, string steps)
    {
        var schedule = new Schedule(algorithm);
        foreach (
            string line in steps.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        )
            schedule.Apply(Step.Parse(line));
        return schedule.Nest;
    }

    /// <summary>One thread an element, straight from device memory.</summary>
    public static LoopNest NaiveMatmul(long m, long n, long k) =>
        Apply(
            Matmul(m, n, k),
            """
            C.reg, C.copy = cache_write C register
            mo, mi = split C.m 4
            no, ni = split C.n 8
            reorder mo no mi ni C.k
            reverse_compute_at C.copy ni
            decompose_reduction C C.k
            bind mo block.y
            bind no block.x
            bind mi thread.y
            bind ni thread.x
            """
        );

    /// <summary>Tiles of A and B in shared memory, copied by all threads; each thread has a tile of C in registers.</summary>
    public static LoopNest TiledMatmul(long m, long n, long k, string more = "", int across = 4) =>
        Apply(
            Matmul(m, n, k),
            $"""
            C.reg, C.copy = cache_write C register
            mo, mi = split C.m 16
            no, ni = split C.n 16
            ko, ki = split C.k 8
            mt, mr = split mi 2
            nt, nr = split ni {across}
            reorder mo no ko mt nt ki mr nr
            As, A.copy = cache_read A C shared
            Bs, B.copy = cache_read B C shared
            am, ak = compute_at A.copy ko
            bk, bn = compute_at B.copy ko
            cm, cn = reverse_compute_at C.copy no
            t = fuse mt nt
            af = fuse am ak
            at, av = split af 4
            bf = fuse bk bn
            bt, bv = split bf 4
            cmt, cmr = split cm 2
            cnt, cnr = split cn {across}
            reorder cmt cnt cmr cnr
            ct = fuse cmt cnt
            """
                + """

                bind mo block.y
                bind no block.x
                bind t thread.x
                init = decompose_reduction C ko
                vectorize av
                bind at thread.x
                vectorize bv
                bind bt thread.x
                vectorize cnr
                bind ct thread.x

                """
                + more
        );

    /// <summary>max, exp(x − max), sum, quotient, over the rows of x.</summary>
    public static Algorithm Softmax(long rows, long columns)
    {
        var g = new AlgorithmBuilder("softmax");
        var x = g.Input("x", DType.Float32, rows, columns);
        Axis M() => new("m", rows);
        Axis N() => new("n", columns);
        var (m1, n1) = (M(), N());
        var max = g.Stage("max", [m1], AlgorithmBuilder.Max([n1], x[m1, n1]));
        var (m2, n2) = (M(), N());
        var e = g.Stage("e", [m2, n2], Op.Exp(x[m2, n2] - max[m2]));
        var (m3, n3) = (M(), N());
        var sum = g.Stage("sum", [m3], AlgorithmBuilder.Sum(n3, e[m3, n3]));
        var (m4, n4) = (M(), N());
        return g.Build(g.Stage("y", [m4, n4], e[m4, n4] / sum[m4]));
    }

    /// <summary>A warp a row, which it holds in registers.</summary>
    public static LoopNest WarpSoftmax(long rows, long columns) =>
        Apply(
            Softmax(rows, columns),
            """
            mo, mi = split y.m 3
            sn = compute_at sum mi
            en = compute_at e mi
            xn = compute_at max mi
            set_scope sum register
            set_scope max register
            set_scope e register
            yo, yl = split y.n 32
            reorder yl yo
            so, sl = split sn 32
            reorder sl so
            eo, el = split en 32
            reorder el eo
            xo, xl = split xn 32
            reorder xl xo
            bind mo block.x
            bind mi warp
            bind yl lane
            bind sl lane
            bind el lane
            bind xl lane
            """
        );

    /// <summary>A block of threads a row; what lies in shared memory is read by other threads than wrote it.</summary>
    public static LoopNest BlockSoftmax(long rows, long columns, int threads, string scope) =>
        Apply(
            Softmax(rows, columns),
            $"""
            sn = compute_at sum y.m
            en = compute_at e y.m
            xn = compute_at max y.m
            set_scope sum {scope}
            set_scope max {scope}
            set_scope e shared
            yo, yl = split y.n {threads}
            reorder yl yo
            so, sl = split sn {threads}
            reorder sl so
            eo, el = split en {threads}
            reorder el eo
            xo, xl = split xn {threads}
            reorder xl xo
            bind y.m block.x
            bind yl thread.x
            bind sl thread.x
            bind el thread.x
            bind xl thread.x
            """
        );

    public static Algorithm ArgMaxOf(long rows, long columns)
    {
        var g = new AlgorithmBuilder("argmax");
        var a = g.Input("A", DType.Float32, rows, columns);
        var (m, k) = (new Axis("m", rows), new Axis("k", columns));
        return g.Build([.. g.TupleStage("C", [m], AlgorithmBuilder.ArgMax(k, a[m, k]))]);
    }

    /// <summary>Groups of threads along x search a row each; a block has rows along y.</summary>
    public static LoopNest ArgMax(long rows, long columns, int perBlock, int threads) =>
        Apply(
            ArgMaxOf(rows, columns),
            $"""
            mo, mi = split C.m {perBlock}
            ko, ki = split C.k {threads}
            reorder ki ko
            bind mo block.x
            bind mi thread.y
            bind ki thread.x
            """
        );

    public static Algorithm ColumnSumOf(long rows, long columns)
    {
        var g = new AlgorithmBuilder("columns");
        var a = g.Input("A", DType.Float32, rows, columns);
        var (n, k) = (new Axis("n", columns), new Axis("k", rows));
        return g.Build(g.Stage("C", [n], AlgorithmBuilder.Sum(k, a[k, n])));
    }

    /// <summary>Columns along x, parts of the rows along y.</summary>
    public static LoopNest ColumnSum(long rows, long columns, int across, int down) =>
        Apply(
            ColumnSumOf(rows, columns),
            $"""
            no, ni = split C.n {across}
            ko, ki = split C.k {down}
            reorder no ki ni ko
            bind no block.x
            bind ni thread.x
            bind ki thread.y
            """
        );

    public static Algorithm TransposeOf(long rows, long columns)
    {
        var g = new AlgorithmBuilder("transpose");
        var a = g.Input("A", DType.Float32, rows, columns);
        var (i, j) = (new Axis("i", columns), new Axis("j", rows));
        return g.Build(g.Stage("T", [i, j], a[j, i] * 1f));
    }

    /// <summary>Tiles through padded shared memory, read and written by rows.</summary>
    public static LoopNest Transpose(long rows, long columns) =>
        Apply(
            TransposeOf(rows, columns),
            """
            S, copy = cache_read A T shared
            io, ii = split T.i 16
            jo, ji = split T.j 16
            reorder io jo ii ji
            cr, cc = compute_at copy jo
            storage_align S 0 17 0
            tf = fuse ii ji
            to, tt = split tf 64
            cf = fuse cr cc
            co, ct = split cf 64
            bind io block.y
            bind jo block.x
            bind tt thread.x
            bind ct thread.x
            """
        );

    /// <summary>Blocks along k, then a second kernel that adds what they made.</summary>
    public static LoopNest SplitK(long m, long n, long k) =>
        Apply(
            Matmul(m, n, k),
            """
            ko, ki = split C.k 8
            rf = rfactor C ko
            reorder ko C.m C.n ki
            mo, mi = split C.m 4
            no, ni = split C.n 8
            reorder ko mo no mi ni ki
            bind ko block.z
            bind mo block.y
            bind no block.x
            bind mi thread.y
            bind ni thread.x
            f = fuse C.m1 C.n1
            fo, fi = split f 64
            bind fo block.x
            bind fi thread.x
            """
        );
}
