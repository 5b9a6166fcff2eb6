using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Picograd.Lower.Cpu.Runtime;

namespace Picograd.Baselines;

/// <summary>Sums of a row-major matrix down its columns or along its rows.</summary>
public static unsafe class HandSum
{
    // Columns that one thread takes at a time: a strip of the output of 16 KiB stays in the level 1 cache.
    private const long Strip = 4096;
    private const long SmallestStrip = 64;

    /// <summary>axis 0: y[j] = Σ_i x[i, j]; axis 1: y[i] = Σ_j x[i, j].</summary>
    /// <exception cref="ArgumentOutOfRangeException">Another axis.</exception>
    public static void Run(float* x, float* y, long rows, long cols, int axis, int threads, int vectorBits = 0)
    {
        if (axis is not (0 or 1))
        {
            throw new ArgumentOutOfRangeException(nameof(axis), $"axis is {axis}, but a matrix has axes 0 and 1.");
        }
        int width = HandBaseline.Width(vectorBits);
        int workers = RowArguments.Workers(rows * cols, threads);
        var arguments = new RowArguments
        {
            X = x,
            Y = y,
            Rows = rows,
            Cols = cols,
        };
        if (axis == 1)
        {
            delegate* managed<long*, long, long, long, void> along = width switch
            {
                512 => &AlongRows<Vector512<float>, Simd512>,
                256 => &AlongRows<Vector256<float>, Simd256>,
                _ => &AlongRows<Vector128<float>, Simd128>,
            };
            WorkerPool.Run(along, (long*)&arguments, rows, workers, dynamic: false);
            return;
        }
        delegate* managed<long*, long, long, long, void> down = width switch
        {
            512 => &DownColumns<Vector512<float>, Simd512>,
            256 => &DownColumns<Vector256<float>, Simd256>,
            _ => &DownColumns<Vector128<float>, Simd128>,
        };
        if (workers == 1 || cols >= workers * SmallestStrip)
        {
            // Each thread owns columns. IndexBits carries the strip's width.
            arguments.IndexBits = Math.Clamp(
                (cols / workers + SmallestStrip - 1) / SmallestStrip * SmallestStrip,
                SmallestStrip,
                Strip
            );
            long strips = (cols + arguments.IndexBits - 1) / arguments.IndexBits;
            WorkerPool.Run(down, (long*)&arguments, strips, workers, dynamic: false);
            return;
        }
        // A tall and narrow matrix: each thread sums a range of rows, and the partial sums are added at the end.
        using CpuBuffer partial = CpuBuffer.Rent(workers * cols * sizeof(float));
        arguments.Z = (float*)partial.Pointer;
        arguments.IndexBits = workers;
        delegate* managed<long*, long, long, long, void> ranges = width switch
        {
            512 => &RangesOfRows<Vector512<float>, Simd512>,
            256 => &RangesOfRows<Vector256<float>, Simd256>,
            _ => &RangesOfRows<Vector128<float>, Simd128>,
        };
        WorkerPool.Run(ranges, (long*)&arguments, workers, workers, dynamic: false);
        for (long j = 0; j < cols; j++)
        {
            float sum = 0;
            for (int i = 0; i < workers; i++)
            {
                sum += arguments.Z[i * cols + j];
            }
            y[j] = sum;
        }
    }

    private static void AlongRows<TV, TS>(long* context, long begin, long end, long worker)
        where TV : struct
        where TS : ISimd<TV>
    {
        var job = (RowArguments*)context;
        for (long row = begin; row < end; row++)
        {
            job->Y[row] = RowKernels.Sum<TV, TS>(job->X + row * job->Cols, job->Cols);
        }
    }

    private static void DownColumns<TV, TS>(long* context, long begin, long end, long worker)
        where TV : struct
        where TS : ISimd<TV>
    {
        var job = (RowArguments*)context;
        for (long strip = begin; strip < end; strip++)
        {
            long first = strip * job->IndexBits;
            long count = Math.Min(job->IndexBits, job->Cols - first);
            Columns<TV, TS>(job->X + first, job->Cols, job->Rows, job->Y + first, count);
        }
    }

    private static void RangesOfRows<TV, TS>(long* context, long begin, long end, long worker)
        where TV : struct
        where TS : ISimd<TV>
    {
        var job = (RowArguments*)context;
        for (long part = begin; part < end; part++)
        {
            long first = job->Rows * part / job->IndexBits;
            long last = job->Rows * (part + 1) / job->IndexBits;
            Columns<TV, TS>(job->X + first * job->Cols, job->Cols, last - first, job->Z + part * job->Cols, job->Cols);
        }
    }

    /// <summary>Eight rows at a time, so that the output is read and written once for eight rows read.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Columns<TV, TS>(float* x, long stride, long rows, float* y, long count)
        where TV : struct
        where TS : ISimd<TV>
    {
        for (long j = 0; j < count; j++)
        {
            y[j] = 0;
        }
        long i = 0;
        for (; i + 8 <= rows; i += 8)
        {
            float* r = x + i * stride;
            long j = 0;
            for (; j + TS.Count <= count; j += TS.Count)
            {
                float* p = r + j;
                TV a = TS.Add(TS.Load(p), TS.Load(p + stride));
                TV b = TS.Add(TS.Load(p + 2 * stride), TS.Load(p + 3 * stride));
                TV c = TS.Add(TS.Load(p + 4 * stride), TS.Load(p + 5 * stride));
                TV d = TS.Add(TS.Load(p + 6 * stride), TS.Load(p + 7 * stride));
                TS.Store(TS.Add(TS.Load(y + j), TS.Add(TS.Add(a, b), TS.Add(c, d))), y + j);
            }
            for (; j < count; j++)
            {
                float* p = r + j;
                float left = p[0] + p[stride] + (p[2 * stride] + p[3 * stride]);
                y[j] += left + (p[4 * stride] + p[5 * stride] + (p[6 * stride] + p[7 * stride]));
            }
        }
        for (; i < rows; i++)
        {
            float* r = x + i * stride;
            long j = 0;
            for (; j + TS.Count <= count; j += TS.Count)
            {
                TS.Store(TS.Add(TS.Load(y + j), TS.Load(r + j)), y + j);
            }
            for (; j < count; j++)
            {
                y[j] += r[j];
            }
        }
    }
}
