using Picograd.Algorithms;
using Picograd.Schedules;

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
    public static LoopNest TiledMatmul(long m, long n, long k, string more = "") =>
        Apply(
            Matmul(m, n, k),
            """
            C.reg, C.copy = cache_write C register
            mo, mi = split C.m 16
            no, ni = split C.n 16
            ko, ki = split C.k 8
            mt, mr = split mi 2
            nt, nr = split ni 4
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
            cnt, cnr = split cn 4
            reorder cmt cnt cmr cnr
            ct = fuse cmt cnt
            """
                + "\n"
                + more
                + "\n"
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
        );
}
