using System.Runtime.Intrinsics;
using Picograd.Lower.Cpu.Runtime;

namespace Picograd.Baselines;

/// <summary>Mean cross-entropy of logits against integer classes, and its gradient.</summary>
public static unsafe class HandCrossEntropy
{
    /// <summary>
    /// loss[0] = mean over rows of (log Σ e^x − x[target]); where <paramref name="gradient"/> is not null, it gets
    /// (softmax(x) − onehot(target)) / rows.
    /// </summary>
    /// <param name="logits">rows × classes.</param>
    /// <param name="targets">rows integers in [0, classes).</param>
    /// <param name="indexBits">Width of a target: 32 or 64.</param>
    /// <param name="loss">One float.</param>
    /// <param name="gradient">rows × classes, or null.</param>
    /// <param name="rows">Examples.</param>
    /// <param name="classes">Classes.</param>
    /// <param name="threads">Threads to use.</param>
    /// <param name="vectorBits">512, 256 or 128; by default the widest of the machine.</param>
    public static void Run(
        float* logits,
        void* targets,
        int indexBits,
        float* loss,
        float* gradient,
        long rows,
        long classes,
        int threads,
        int vectorBits = 0
    )
    {
        using CpuBuffer losses = CpuBuffer.Rent(rows * sizeof(float));
        var arguments = new RowArguments
        {
            X = logits,
            Y = gradient,
            Z = (float*)losses.Pointer,
            Indices = targets,
            IndexBits = indexBits,
            Rows = rows,
            Cols = classes,
        };
        delegate* managed<long*, long, long, long, void> body = HandBaseline.Width(vectorBits) switch
        {
            512 => &Body<Vector512<float>, Simd512>,
            256 => &Body<Vector256<float>, Simd256>,
            _ => &Body<Vector128<float>, Simd128>,
        };
        int workers = RowArguments.Workers(rows * classes, threads);
        WorkerPool.Run(body, (long*)&arguments, rows, workers, dynamic: false);
        *loss = RowKernels.Sum<Vector128<float>, Simd128>(arguments.Z, rows) / rows;
    }

    private static void Body<TV, TS>(long* context, long begin, long end, long worker)
        where TV : struct
        where TS : ISimd<TV>
    {
        var job = (RowArguments*)context;
        long classes = job->Cols;
        float share = 1f / job->Rows;
        for (long row = begin; row < end; row++)
        {
            float* x = job->X + row * classes;
            long target = job->Index(row);
            float max = RowKernels.Max<TV, TS>(x, classes);
            float sum;
            if (job->Y == null)
            {
                sum = RowKernels.ExpSum<TV, TS>(x, classes, max);
            }
            else
            {
                float* gradient = job->Y + row * classes;
                sum = RowKernels.ExpStore<TV, TS>(x, gradient, classes, max);
                RowKernels.Affine<TV, TS>(gradient, gradient, classes, share / sum, 0);
                gradient[target] -= share;
            }
            job->Z[row] = max + MathF.Log(sum) - x[target];
        }
    }
}
