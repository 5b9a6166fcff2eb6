using System.Runtime.CompilerServices;

namespace Picograd.Baselines;

/// <summary>The passes over one row that softmax, log-softmax and cross-entropy are made of.</summary>
internal static unsafe class RowKernels
{
    /// <summary>The largest of n elements, n at least 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Max<TV, TS>(float* x, long n)
        where TV : struct
        where TS : ISimd<TV>
    {
        TV a = TS.Create(float.NegativeInfinity);
        TV b = a;
        TV c = a;
        TV d = a;
        long i = 0;
        for (; i + 4 * TS.Count <= n; i += 4 * TS.Count)
        {
            a = TS.Max(a, TS.Load(x + i));
            b = TS.Max(b, TS.Load(x + i + TS.Count));
            c = TS.Max(c, TS.Load(x + i + 2 * TS.Count));
            d = TS.Max(d, TS.Load(x + i + 3 * TS.Count));
        }
        for (; i + TS.Count <= n; i += TS.Count)
        {
            a = TS.Max(a, TS.Load(x + i));
        }
        if (i < n)
        {
            b = TS.Max(b, TS.LoadTail(x + i, n - i, float.NegativeInfinity));
        }
        return TS.MaxElement(TS.Max(TS.Max(a, b), TS.Max(c, d)));
    }

    /// <summary>y[i] = e^(x[i] − shift); returns their sum. y may be x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float ExpStore<TV, TS>(float* x, float* y, long n, float shift)
        where TV : struct
        where TS : ISimd<TV>
    {
        TV minus = TS.Create(shift);
        TV sum = TS.Create(0);
        TV other = sum;
        long i = 0;
        for (; i + 2 * TS.Count <= n; i += 2 * TS.Count)
        {
            TV first = VectorMath.Exp<TV, TS>(TS.Sub(TS.Load(x + i), minus));
            TV second = VectorMath.Exp<TV, TS>(TS.Sub(TS.Load(x + i + TS.Count), minus));
            TS.Store(first, y + i);
            TS.Store(second, y + i + TS.Count);
            sum = TS.Add(sum, first);
            other = TS.Add(other, second);
        }
        for (; i < n; i += TS.Count)
        {
            long count = Math.Min(TS.Count, n - i);
            TV rest = VectorMath.Exp<TV, TS>(TS.Sub(TS.LoadTail(x + i, count, float.NegativeInfinity), minus));
            TS.StoreTail(rest, y + i, count);
            sum = TS.Add(sum, rest);
        }
        return TS.Sum(TS.Add(sum, other));
    }

    /// <summary>Σ e^(x[i] − shift).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float ExpSum<TV, TS>(float* x, long n, float shift)
        where TV : struct
        where TS : ISimd<TV>
    {
        TV minus = TS.Create(shift);
        TV sum = TS.Create(0);
        TV other = sum;
        long i = 0;
        for (; i + 2 * TS.Count <= n; i += 2 * TS.Count)
        {
            sum = TS.Add(sum, VectorMath.Exp<TV, TS>(TS.Sub(TS.Load(x + i), minus)));
            other = TS.Add(other, VectorMath.Exp<TV, TS>(TS.Sub(TS.Load(x + i + TS.Count), minus)));
        }
        for (; i < n; i += TS.Count)
        {
            long count = Math.Min(TS.Count, n - i);
            TV rest = TS.LoadTail(x + i, count, float.NegativeInfinity);
            sum = TS.Add(sum, VectorMath.Exp<TV, TS>(TS.Sub(rest, minus)));
        }
        return TS.Sum(TS.Add(sum, other));
    }

    /// <summary>y[i] = x[i]·scale + offset. y may be x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Affine<TV, TS>(float* x, float* y, long n, float scale, float offset)
        where TV : struct
        where TS : ISimd<TV>
    {
        TV factor = TS.Create(scale);
        TV plus = TS.Create(offset);
        long i = 0;
        for (; i + 2 * TS.Count <= n; i += 2 * TS.Count)
        {
            TV first = TS.Fma(TS.Load(x + i), factor, plus);
            TV second = TS.Fma(TS.Load(x + i + TS.Count), factor, plus);
            TS.Store(first, y + i);
            TS.Store(second, y + i + TS.Count);
        }
        for (; i < n; i += TS.Count)
        {
            long count = Math.Min(TS.Count, n - i);
            TS.StoreTail(TS.Fma(TS.LoadTail(x + i, count, 0), factor, plus), y + i, count);
        }
    }

    /// <summary>Σ x[i], with four accumulators of a vector each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Sum<TV, TS>(float* x, long n)
        where TV : struct
        where TS : ISimd<TV>
    {
        TV a = TS.Create(0);
        TV b = a;
        TV c = a;
        TV d = a;
        long i = 0;
        for (; i + 4 * TS.Count <= n; i += 4 * TS.Count)
        {
            a = TS.Add(a, TS.Load(x + i));
            b = TS.Add(b, TS.Load(x + i + TS.Count));
            c = TS.Add(c, TS.Load(x + i + 2 * TS.Count));
            d = TS.Add(d, TS.Load(x + i + 3 * TS.Count));
        }
        for (; i + TS.Count <= n; i += TS.Count)
        {
            a = TS.Add(a, TS.Load(x + i));
        }
        if (i < n)
        {
            b = TS.Add(b, TS.LoadTail(x + i, n - i, 0));
        }
        return TS.Sum(TS.Add(TS.Add(a, b), TS.Add(c, d)));
    }

    /// <summary>Σ x[i]·y[i], with four accumulators of a vector each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Dot<TV, TS>(float* x, float* y, long n)
        where TV : struct
        where TS : ISimd<TV>
    {
        TV a = TS.Create(0);
        TV b = a;
        TV c = a;
        TV d = a;
        long i = 0;
        for (; i + 4 * TS.Count <= n; i += 4 * TS.Count)
        {
            a = TS.Fma(TS.Load(x + i), TS.Load(y + i), a);
            b = TS.Fma(TS.Load(x + i + TS.Count), TS.Load(y + i + TS.Count), b);
            c = TS.Fma(TS.Load(x + i + 2 * TS.Count), TS.Load(y + i + 2 * TS.Count), c);
            d = TS.Fma(TS.Load(x + i + 3 * TS.Count), TS.Load(y + i + 3 * TS.Count), d);
        }
        for (; i + TS.Count <= n; i += TS.Count)
        {
            a = TS.Fma(TS.Load(x + i), TS.Load(y + i), a);
        }
        if (i < n)
        {
            b = TS.Fma(TS.LoadTail(x + i, n - i, 0), TS.LoadTail(y + i, n - i, 0), b);
        }
        return TS.Sum(TS.Add(TS.Add(a, b), TS.Add(c, d)));
    }
}
