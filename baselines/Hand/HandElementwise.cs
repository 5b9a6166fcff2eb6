using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Picograd.Lower.Cpu.Runtime;

namespace Picograd.Baselines;

/// <summary>tanh, exp and addition of arrays, element by element.</summary>
public static unsafe class HandElementwise
{
    // Parallel shares begin at multiples of this, so that no two threads write one cache line.
    private const long Grain = 64;

    private enum Function
    {
        Tanh,
        Exp,
        Add,
    }

    /// <summary>y[i] = tanh x[i].</summary>
    public static void Tanh(float* x, float* y, long n, int threads, int vectorBits = 0) =>
        Run(Function.Tanh, x, null, y, n, threads, vectorBits);

    /// <summary>y[i] = e^x[i].</summary>
    public static void Exp(float* x, float* y, long n, int threads, int vectorBits = 0) =>
        Run(Function.Exp, x, null, y, n, threads, vectorBits);

    /// <summary>z[i] = x[i] + y[i].</summary>
    public static void Add(float* x, float* y, float* z, long n, int threads, int vectorBits = 0) =>
        Run(Function.Add, x, y, z, n, threads, vectorBits);

    private static void Run(Function function, float* x, float* y, float* z, long n, int threads, int vectorBits)
    {
        var arguments = new RowArguments
        {
            X = x,
            Y = y,
            Z = z,
            Cols = n,
        };
        delegate* managed<long*, long, long, long, void> body = (function, HandBaseline.Width(vectorBits)) switch
        {
            (Function.Tanh, 512) => &TanhBody<Vector512<float>, Simd512>,
            (Function.Tanh, 256) => &TanhBody<Vector256<float>, Simd256>,
            (Function.Tanh, _) => &TanhBody<Vector128<float>, Simd128>,
            (Function.Exp, 512) => &ExpBody<Vector512<float>, Simd512>,
            (Function.Exp, 256) => &ExpBody<Vector256<float>, Simd256>,
            (Function.Exp, _) => &ExpBody<Vector128<float>, Simd128>,
            (_, 512) => &AddBody<Vector512<float>, Simd512>,
            (_, 256) => &AddBody<Vector256<float>, Simd256>,
            (_, _) => &AddBody<Vector128<float>, Simd128>,
        };
        long grains = (n + Grain - 1) / Grain;
        WorkerPool.Run(body, (long*)&arguments, grains, RowArguments.Workers(n, threads), dynamic: false);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TanhBody<TV, TS>(long* context, long begin, long end, long worker)
        where TV : struct
        where TS : ISimd<TV>
    {
        var job = (RowArguments*)context;
        long i = begin * Grain;
        long last = Math.Min(end * Grain, job->Cols);
        for (; i + 2 * TS.Count <= last; i += 2 * TS.Count)
        {
            TV first = VectorMath.Tanh<TV, TS>(TS.Load(job->X + i));
            TV second = VectorMath.Tanh<TV, TS>(TS.Load(job->X + i + TS.Count));
            TS.Store(first, job->Z + i);
            TS.Store(second, job->Z + i + TS.Count);
        }
        for (; i < last; i += TS.Count)
        {
            long count = Math.Min(TS.Count, last - i);
            TS.StoreTail(VectorMath.Tanh<TV, TS>(TS.LoadTail(job->X + i, count, 0)), job->Z + i, count);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ExpBody<TV, TS>(long* context, long begin, long end, long worker)
        where TV : struct
        where TS : ISimd<TV>
    {
        var job = (RowArguments*)context;
        long i = begin * Grain;
        long last = Math.Min(end * Grain, job->Cols);
        for (; i + 2 * TS.Count <= last; i += 2 * TS.Count)
        {
            TV first = VectorMath.Exp<TV, TS>(TS.Load(job->X + i));
            TV second = VectorMath.Exp<TV, TS>(TS.Load(job->X + i + TS.Count));
            TS.Store(first, job->Z + i);
            TS.Store(second, job->Z + i + TS.Count);
        }
        for (; i < last; i += TS.Count)
        {
            long count = Math.Min(TS.Count, last - i);
            TS.StoreTail(VectorMath.Exp<TV, TS>(TS.LoadTail(job->X + i, count, 0)), job->Z + i, count);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddBody<TV, TS>(long* context, long begin, long end, long worker)
        where TV : struct
        where TS : ISimd<TV>
    {
        var job = (RowArguments*)context;
        float* x = job->X;
        float* y = job->Y;
        float* z = job->Z;
        long i = begin * Grain;
        long last = Math.Min(end * Grain, job->Cols);
        for (; i + 4 * TS.Count <= last; i += 4 * TS.Count)
        {
            TV a = TS.Add(TS.Load(x + i), TS.Load(y + i));
            TV b = TS.Add(TS.Load(x + i + TS.Count), TS.Load(y + i + TS.Count));
            TV c = TS.Add(TS.Load(x + i + 2 * TS.Count), TS.Load(y + i + 2 * TS.Count));
            TV d = TS.Add(TS.Load(x + i + 3 * TS.Count), TS.Load(y + i + 3 * TS.Count));
            TS.Store(a, z + i);
            TS.Store(b, z + i + TS.Count);
            TS.Store(c, z + i + 2 * TS.Count);
            TS.Store(d, z + i + 3 * TS.Count);
        }
        for (; i < last; i++)
        {
            z[i] = x[i] + y[i];
        }
    }
}
