using System.Runtime.Intrinsics;
using Picograd.Lower.Cpu.Runtime;

namespace Picograd.Baselines;

/// <summary>softmax and log-softmax along the rows of a row-major matrix, with the row's maximum subtracted first.</summary>
public static unsafe class HandSoftmax
{
    /// <summary>y = softmax of each row of x.</summary>
    public static void Softmax(float* x, float* y, long rows, long cols, int threads, int vectorBits = 0) =>
        Run(
            x,
            y,
            rows,
            cols,
            threads,
            HandBaseline.Width(vectorBits) switch
            {
                512 => &SoftmaxBody<Vector512<float>, Simd512>,
                256 => &SoftmaxBody<Vector256<float>, Simd256>,
                _ => &SoftmaxBody<Vector128<float>, Simd128>,
            }
        );

    /// <summary>y = log softmax of each row of x.</summary>
    public static void LogSoftmax(float* x, float* y, long rows, long cols, int threads, int vectorBits = 0) =>
        Run(
            x,
            y,
            rows,
            cols,
            threads,
            HandBaseline.Width(vectorBits) switch
            {
                512 => &LogSoftmaxBody<Vector512<float>, Simd512>,
                256 => &LogSoftmaxBody<Vector256<float>, Simd256>,
                _ => &LogSoftmaxBody<Vector128<float>, Simd128>,
            }
        );

    private static void Run(
        float* x,
        float* y,
        long rows,
        long cols,
        int threads,
        delegate* managed<long*, long, long, long, void> body
    )
    {
        var arguments = new RowArguments
        {
            X = x,
            Y = y,
            Rows = rows,
            Cols = cols,
        };
        WorkerPool.Run(body, (long*)&arguments, rows, RowArguments.Workers(rows * cols, threads), dynamic: false);
    }

    private static void SoftmaxBody<TV, TS>(long* context, long begin, long end, long worker)
        where TV : struct
        where TS : ISimd<TV>
    {
        var job = (RowArguments*)context;
        for (long row = begin; row < end; row++)
        {
            float* x = job->X + row * job->Cols;
            float* y = job->Y + row * job->Cols;
            float max = RowKernels.Max<TV, TS>(x, job->Cols);
            float sum = RowKernels.ExpStore<TV, TS>(x, y, job->Cols, max);
            RowKernels.Affine<TV, TS>(y, y, job->Cols, 1 / sum, 0);
        }
    }

    private static void LogSoftmaxBody<TV, TS>(long* context, long begin, long end, long worker)
        where TV : struct
        where TS : ISimd<TV>
    {
        var job = (RowArguments*)context;
        for (long row = begin; row < end; row++)
        {
            float* x = job->X + row * job->Cols;
            float max = RowKernels.Max<TV, TS>(x, job->Cols);
            float sum = RowKernels.ExpSum<TV, TS>(x, job->Cols, max);
            RowKernels.Affine<TV, TS>(x, job->Y + row * job->Cols, job->Cols, 1, -(max + MathF.Log(sum)));
        }
    }
}
