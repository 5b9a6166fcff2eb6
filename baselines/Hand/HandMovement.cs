using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Picograd.Lower.Cpu.Runtime;

namespace Picograd.Baselines;

/// <summary>Kernels that only move data: gathering rows of a table, and transposing a matrix.</summary>
public static unsafe class HandMovement
{
    // A square of 64 × 64 floats, read and written, is 32 KiB: it fits the level 1 cache with 64 open pages.
    private const long Block = 64;

    /// <summary>y[i] = table[index[i]] for rows of <paramref name="dim"/> floats.</summary>
    /// <param name="table">vocab × dim.</param>
    /// <param name="indices">rows integers, each a row of the table.</param>
    /// <param name="indexBits">Width of an index: 32 or 64.</param>
    /// <param name="y">rows × dim.</param>
    /// <param name="dim">Floats in a row.</param>
    /// <param name="rows">Rows to gather.</param>
    /// <param name="threads">Threads to use.</param>
    public static void Embedding(float* table, void* indices, int indexBits, float* y, long dim, long rows, int threads)
    {
        var arguments = new RowArguments
        {
            X = table,
            Y = y,
            Indices = indices,
            IndexBits = indexBits,
            Rows = rows,
            Cols = dim,
        };
        WorkerPool.Run(&GatherBody, (long*)&arguments, rows, RowArguments.Workers(rows * dim, threads), dynamic: false);
    }

    /// <summary>y[j, i] = x[i, j] for x of rows × cols.</summary>
    public static void Transpose(float* x, float* y, long rows, long cols, int threads)
    {
        var arguments = new RowArguments
        {
            X = x,
            Y = y,
            Rows = rows,
            Cols = cols,
        };
        long blocks = (cols + Block - 1) / Block;
        WorkerPool.Run(
            &TransposeBody,
            (long*)&arguments,
            blocks,
            RowArguments.Workers(rows * cols, threads),
            dynamic: false
        );
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void GatherBody(long* context, long begin, long end, long worker)
    {
        var job = (RowArguments*)context;
        long dim = job->Cols;
        for (long row = begin; row < end; row++)
        {
            float* from = job->X + job->Index(row) * dim;
            float* to = job->Y + row * dim;
            if (dim >= 32)
            {
                NativeMemory.Copy(from, to, (nuint)(dim * sizeof(float)));
                continue;
            }
            for (long j = 0; j < dim; j++)
            {
                to[j] = from[j];
            }
        }
    }

    /// <summary>An iteration is a strip of 64 columns of x, which are 64 whole rows of y.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransposeBody(long* context, long begin, long end, long worker)
    {
        var job = (RowArguments*)context;
        long rows = job->Rows;
        long cols = job->Cols;
        long side = Avx.IsSupported ? 8 : 4;
        for (long strip = begin; strip < end; strip++)
        {
            long firstColumn = strip * Block;
            long lastColumn = Math.Min(cols, firstColumn + Block);
            for (long firstRow = 0; firstRow < rows; firstRow += Block)
            {
                long lastRow = Math.Min(rows, firstRow + Block);
                long tiledColumn = firstColumn + (lastColumn - firstColumn) / side * side;
                long tiledRow = firstRow + (lastRow - firstRow) / side * side;
                for (long j = firstColumn; j < tiledColumn; j += side)
                {
                    for (long i = firstRow; i < tiledRow; i += side)
                    {
                        if (Avx.IsSupported)
                        {
                            TransposeTiles.Tile8(job->X + i * cols + j, cols, job->Y + j * rows + i, rows);
                        }
                        else
                        {
                            TransposeTiles.Tile4(job->X + i * cols + j, cols, job->Y + j * rows + i, rows);
                        }
                    }
                }
                Edge(job, firstRow, lastRow, tiledColumn, lastColumn);
                Edge(job, tiledRow, lastRow, firstColumn, tiledColumn);
            }
        }
    }

    private static void Edge(RowArguments* job, long firstRow, long lastRow, long firstColumn, long lastColumn)
    {
        for (long j = firstColumn; j < lastColumn; j++)
        {
            for (long i = firstRow; i < lastRow; i++)
            {
                job->Y[j * job->Rows + i] = job->X[i * job->Cols + j];
            }
        }
    }
}
