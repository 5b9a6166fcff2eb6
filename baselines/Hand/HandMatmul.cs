using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Picograd.Lower.Cpu.Runtime;

namespace Picograd.Baselines;

/// <summary>
/// Single-precision matrix product as a good engineer writes it by hand: packed panels, a register tile of 12 × 2 vectors
/// (6 × 2 where there are 16 registers) and blocks for the level 1 and 2 caches (Goto and van de Geijn, "Anatomy of
/// high-performance matrix multiplication", 2008).
/// </summary>
public static unsafe class HandMatmul
{
    // A panel of B, Depth by two vectors, takes two thirds of a 48 KiB level 1 cache with 512-bit vectors.
    private const long Depth = 256;

    // Rows of A that stay in the level 2 cache: 240 * 256 * 4 bytes.
    private const long RowBlock = 240;

    private const long ColumnBlock = 3072;

    // Below this many rows a copy of B costs more than it saves.
    private const long RowsWorthPacking = 48;

    // Below this many multiply-adds for each thread a second one makes the product slower: 32 × 200 × 200 takes 15
    // microseconds with one thread and 18 with two, which pack for each other and exchange the panels between their caches.
    private const long WorkPerThread = 1 << 20;

    // Up to this many rows, with B stored transposed, dot products beat packing B (1 × 3072 × 768: 2.8 times as fast).
    private const long RowsForDotProducts = 4;

    /// <summary>Everything that the bodies of the parallel loops read.</summary>
    private struct Job
    {
        public float* A;
        public float* B;
        public float* C;
        public float* PackedA;
        public float* PackedB;
        public long M;
        public long N;
        public long K;
        public long Batch;
        public bool TransposedA;
        public bool TransposedB;
        public bool PackB;
        public long FirstColumn;
        public long Columns;
        public long FirstDepth;
        public long CurrentDepth;
        public long Panels; // of A
        public long RowBlocks;
        public long ColumnTasks;
        public long PanelsPerTask; // of B
    }

    /// <summary>C = A·B for each of <paramref name="batch"/> triples that follow one another in memory.</summary>
    /// <param name="a">m × k row-major, or k × m where <paramref name="ta"/>.</param>
    /// <param name="b">k × n row-major, or n × k where <paramref name="tb"/>.</param>
    /// <param name="c">m × n row-major; overwritten.</param>
    /// <param name="m">Rows of C.</param>
    /// <param name="n">Columns of C.</param>
    /// <param name="k">Length of the dot products.</param>
    /// <param name="ta">Whether A is stored transposed.</param>
    /// <param name="tb">Whether B is stored transposed.</param>
    /// <param name="batch">Number of products.</param>
    /// <param name="threads">Threads to use.</param>
    /// <param name="vectorBits">512, 256 or 128; by default the widest of the machine.</param>
    public static void Run(
        float* a,
        float* b,
        float* c,
        long m,
        long n,
        long k,
        bool ta,
        bool tb,
        long batch,
        int threads,
        int vectorBits = 0
    )
    {
        var job = new Job
        {
            A = a,
            B = b,
            C = c,
            M = m,
            N = n,
            K = k,
            TransposedA = ta,
            TransposedB = tb,
            Batch = batch,
        };
        switch (HandBaseline.Width(vectorBits))
        {
            case 512:
                Run<Vector512<float>, Simd512>(&job, threads);
                break;
            case 256:
                Run<Vector256<float>, Simd256>(&job, threads);
                break;
            default:
                Run<Vector128<float>, Simd128>(&job, threads);
                break;
        }
    }

    /// <summary>Rows of a register tile: twelve need 27 registers.</summary>
    private static long TileRows<TV, TS>()
        where TV : struct
        where TS : ISimd<TV> => TS.Count == 16 || System.Runtime.Intrinsics.Arm.AdvSimd.IsSupported ? 12 : 6;

    private static long TileColumns<TV, TS>()
        where TV : struct
        where TS : ISimd<TV> => 2 * TS.Count;

    private static void Run<TV, TS>(Job* job, int threads)
        where TV : struct
        where TS : ISimd<TV>
    {
        long work = job->M * job->N * job->K;
        if (job->TransposedB && job->M <= RowsForDotProducts && (!job->TransposedA || job->M == 1))
        {
            for (long i = 0; i < job->Batch; i++)
            {
                Job one = Single(job, i);
                int workers = RowArguments.Workers(job->N * job->K, threads);
                WorkerPool.Run(&DotProducts<TV, TS>, (long*)&one, job->N, workers, dynamic: false);
            }
            return;
        }
        if (job->Batch > 1 && (threads == 1 || work < WorkPerThread * threads))
        {
            int workers = job->Batch * work < WorkPerThread * threads ? 1 : threads;
            WorkerPool.Run(&BatchBody<TV, TS>, (long*)job, job->Batch, workers, dynamic: false);
            return;
        }
        for (long i = 0; i < job->Batch; i++)
        {
            Job one = Single(job, i);
            Product<TV, TS>(&one, work < WorkPerThread * threads ? 1 : threads);
        }
    }

    /// <summary>An iteration is a column of C: a row of B against every row of A.</summary>
    private static void DotProducts<TV, TS>(long* context, long begin, long end, long worker)
        where TV : struct
        where TS : ISimd<TV>
    {
        Job* job = (Job*)context;
        for (long column = begin; column < end; column++)
        {
            for (long row = 0; row < job->M; row++)
            {
                job->C[row * job->N + column] = RowKernels.Dot<TV, TS>(
                    job->A + row * job->K,
                    job->B + column * job->K,
                    job->K
                );
            }
        }
    }

    private static Job Single(Job* job, long index)
    {
        Job one = *job;
        one.A += index * job->M * job->K;
        one.B += index * job->K * job->N;
        one.C += index * job->M * job->N;
        return one;
    }

    private static void BatchBody<TV, TS>(long* context, long begin, long end, long worker)
        where TV : struct
        where TS : ISimd<TV>
    {
        for (long i = begin; i < end; i++)
        {
            Job one = Single((Job*)context, i);
            Product<TV, TS>(&one, 1);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Product<TV, TS>(Job* job, int threads)
        where TV : struct
        where TS : ISimd<TV>
    {
        long rows = TileRows<TV, TS>();
        long columns = TileColumns<TV, TS>();
        if (job->K == 0)
        {
            new Span<float>(job->C, checked((int)(job->M * job->N))).Clear();
            return;
        }
        job->Panels = Ceiling(job->M, rows);
        job->PackB = job->TransposedB || job->M > RowsWorthPacking;
        long widest = Math.Min(job->N, ColumnBlock);
        long deepest = Math.Min(job->K, Depth);
        using CpuBuffer packedA = CpuBuffer.Rent(job->Panels * rows * deepest * sizeof(float));
        using CpuBuffer packedB = CpuBuffer.Rent((Ceiling(widest, columns) + 1) * columns * deepest * sizeof(float));
        job->PackedA = (float*)packedA.Pointer;
        job->PackedB = (float*)packedB.Pointer;
        // Depth blocks of equal size rather than a thin last one.
        long depthBlocks = Ceiling(job->K, Depth);
        long depth = Ceiling(job->K, depthBlocks);
        for (long jc = 0; jc < job->N; jc += ColumnBlock)
        {
            job->FirstColumn = jc;
            job->Columns = Math.Min(ColumnBlock, job->N - jc);
            long panelsB = Ceiling(job->Columns, columns);
            for (long pc = 0; pc < job->K; pc += depth)
            {
                job->FirstDepth = pc;
                job->CurrentDepth = Math.Min(depth, job->K - pc);
                // Without packing, only the last panel may need a copy, padded to full vectors.
                WorkerPool.Run(&PackBody<TV, TS>, (long*)job, job->Panels + panelsB, threads, dynamic: false);
                job->RowBlocks = Ceiling(job->M, RowBlock);
                job->ColumnTasks =
                    threads == 1 ? 1 : Math.Min(panelsB, Ceiling(4 * threads, Math.Min(job->RowBlocks, 4 * threads)));
                job->PanelsPerTask = Ceiling(panelsB, job->ColumnTasks);
                job->ColumnTasks = Ceiling(panelsB, job->PanelsPerTask);
                WorkerPool.Run(
                    &ComputeBody<TV, TS>,
                    (long*)job,
                    job->RowBlocks * job->ColumnTasks,
                    threads,
                    dynamic: true
                );
            }
        }
    }

    /// <summary>The first iterations pack panels of A, the others panels of B.</summary>
    private static void PackBody<TV, TS>(long* context, long begin, long end, long worker)
        where TV : struct
        where TS : ISimd<TV>
    {
        Job* job = (Job*)context;
        long rows = TileRows<TV, TS>();
        long columns = TileColumns<TV, TS>();
        long depth = job->CurrentDepth;
        for (long i = begin; i < end; i++)
        {
            if (i < job->Panels)
            {
                long first = i * rows;
                float* to = job->PackedA + first * depth;
                long count = Math.Min(rows, job->M - first);
                if (job->TransposedA)
                {
                    MatmulPacking.CopyRows(job->A + job->FirstDepth * job->M + first, job->M, to, rows, depth, count);
                }
                else
                {
                    MatmulPacking.TransposeRows(
                        job->A + first * job->K + job->FirstDepth,
                        job->K,
                        to,
                        rows,
                        depth,
                        count
                    );
                }
                continue;
            }
            long column = (i - job->Panels) * columns;
            long width = Math.Min(columns, job->Columns - column);
            if (!job->PackB && width == columns)
            {
                continue;
            }
            float* panel = PackedPanel(job, column, columns, width);
            long source = job->FirstColumn + column;
            if (job->TransposedB)
            {
                MatmulPacking.TransposeRows(
                    job->B + source * job->K + job->FirstDepth,
                    job->K,
                    panel,
                    columns,
                    depth,
                    width
                );
            }
            else
            {
                MatmulPacking.CopyRows(
                    job->B + job->FirstDepth * job->N + source,
                    job->N,
                    panel,
                    columns,
                    depth,
                    width
                );
            }
        }
    }

    /// <summary>Where the packed panel that begins at a column lies; without packing only the last one has a place.</summary>
    private static float* PackedPanel(Job* job, long column, long columns, long width) =>
        job->PackB || width == columns ? job->PackedB + column * job->CurrentDepth : job->PackedB;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ComputeBody<TV, TS>(long* context, long begin, long end, long worker)
        where TV : struct
        where TS : ISimd<TV>
    {
        Job* job = (Job*)context;
        long rows = TileRows<TV, TS>();
        long columns = TileColumns<TV, TS>();
        long depth = job->CurrentDepth;
        bool accumulate = job->FirstDepth > 0;
        float* edge = stackalloc float[12 * 32];
        for (long task = begin; task < end; task++)
        {
            long rowBegin = task % job->RowBlocks * RowBlock;
            long rowEnd = Math.Min(job->M, rowBegin + RowBlock);
            long columnBegin = task / job->RowBlocks * job->PanelsPerTask * columns;
            long columnEnd = Math.Min(job->Columns, columnBegin + job->PanelsPerTask * columns);
            for (long column = columnBegin; column < columnEnd; column += columns)
            {
                long width = Math.Min(columns, job->Columns - column);
                bool packed = job->PackB || width < columns;
                float* b = packed
                    ? PackedPanel(job, column, columns, width)
                    : job->B + job->FirstDepth * job->N + job->FirstColumn + column;
                long ldb = packed ? columns : job->N;
                for (long row = rowBegin; row < rowEnd; row += rows)
                {
                    long height = Math.Min(rows, job->M - row);
                    float* a = job->PackedA + row * depth;
                    float* c = job->C + row * job->N + job->FirstColumn + column;
                    if (height == rows && width == columns)
                    {
                        Tile<TV, TS>(rows, depth, a, b, ldb, c, job->N, accumulate);
                    }
                    else
                    {
                        Tile<TV, TS>(rows, depth, a, b, ldb, edge, columns, false);
                        MatmulPacking.PutEdge(edge, columns, c, job->N, height, width, accumulate);
                    }
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Tile<TV, TS>(
        long rows,
        long depth,
        float* a,
        float* b,
        long ldb,
        float* c,
        long ldc,
        bool accumulate
    )
        where TV : struct
        where TS : ISimd<TV>
    {
        if (rows == 12)
        {
            MatmulMicroKernels.Rows12<TV, TS>(depth, a, b, ldb, c, ldc, accumulate);
        }
        else
        {
            MatmulMicroKernels.Rows6<TV, TS>(depth, a, b, ldb, c, ldc, accumulate);
        }
    }

    private static long Ceiling(long a, long b) => (a + b - 1) / b;
}
