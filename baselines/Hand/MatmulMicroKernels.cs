using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Picograd.Baselines;

/// <summary>
/// The innermost kernels of <see cref="HandMatmul"/>: a tile of C held in registers over the whole depth. A is packed, one
/// column of the tile after another; rows of B are <c>ldb</c> floats apart, so B may be packed or not.
/// </summary>
internal static unsafe class MatmulMicroKernels
{
    /// <summary>12 rows by two vectors: 24 accumulators, two vectors of B and one of A at a time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Rows12<TV, TS>(long depth, float* a, float* b, long ldb, float* c, long ldc, bool accumulate)
        where TV : struct
        where TS : ISimd<TV>
    {
        Prefetch(c, ldc, 12);
        TV c00 = TS.Create(0),
            c01 = TS.Create(0);
        TV c10 = TS.Create(0),
            c11 = TS.Create(0);
        TV c20 = TS.Create(0),
            c21 = TS.Create(0);
        TV c30 = TS.Create(0),
            c31 = TS.Create(0);
        TV c40 = TS.Create(0),
            c41 = TS.Create(0);
        TV c50 = TS.Create(0),
            c51 = TS.Create(0);
        TV c60 = TS.Create(0),
            c61 = TS.Create(0);
        TV c70 = TS.Create(0),
            c71 = TS.Create(0);
        TV c80 = TS.Create(0),
            c81 = TS.Create(0);
        TV c90 = TS.Create(0),
            c91 = TS.Create(0);
        TV c100 = TS.Create(0),
            c101 = TS.Create(0);
        TV c110 = TS.Create(0),
            c111 = TS.Create(0);
        for (long p = 0; p < depth; p++)
        {
            TV b0 = TS.Load(b);
            TV b1 = TS.Load(b + TS.Count);
            TV x;
            x = TS.Create(a[0]);
            c00 = TS.Fma(x, b0, c00);
            c01 = TS.Fma(x, b1, c01);
            x = TS.Create(a[1]);
            c10 = TS.Fma(x, b0, c10);
            c11 = TS.Fma(x, b1, c11);
            x = TS.Create(a[2]);
            c20 = TS.Fma(x, b0, c20);
            c21 = TS.Fma(x, b1, c21);
            x = TS.Create(a[3]);
            c30 = TS.Fma(x, b0, c30);
            c31 = TS.Fma(x, b1, c31);
            x = TS.Create(a[4]);
            c40 = TS.Fma(x, b0, c40);
            c41 = TS.Fma(x, b1, c41);
            x = TS.Create(a[5]);
            c50 = TS.Fma(x, b0, c50);
            c51 = TS.Fma(x, b1, c51);
            x = TS.Create(a[6]);
            c60 = TS.Fma(x, b0, c60);
            c61 = TS.Fma(x, b1, c61);
            x = TS.Create(a[7]);
            c70 = TS.Fma(x, b0, c70);
            c71 = TS.Fma(x, b1, c71);
            x = TS.Create(a[8]);
            c80 = TS.Fma(x, b0, c80);
            c81 = TS.Fma(x, b1, c81);
            x = TS.Create(a[9]);
            c90 = TS.Fma(x, b0, c90);
            c91 = TS.Fma(x, b1, c91);
            x = TS.Create(a[10]);
            c100 = TS.Fma(x, b0, c100);
            c101 = TS.Fma(x, b1, c101);
            x = TS.Create(a[11]);
            c110 = TS.Fma(x, b0, c110);
            c111 = TS.Fma(x, b1, c111);
            a += 12;
            b += ldb;
        }
        Put<TV, TS>(c00, c01, c, accumulate);
        Put<TV, TS>(c10, c11, c + ldc, accumulate);
        Put<TV, TS>(c20, c21, c + 2 * ldc, accumulate);
        Put<TV, TS>(c30, c31, c + 3 * ldc, accumulate);
        Put<TV, TS>(c40, c41, c + 4 * ldc, accumulate);
        Put<TV, TS>(c50, c51, c + 5 * ldc, accumulate);
        Put<TV, TS>(c60, c61, c + 6 * ldc, accumulate);
        Put<TV, TS>(c70, c71, c + 7 * ldc, accumulate);
        Put<TV, TS>(c80, c81, c + 8 * ldc, accumulate);
        Put<TV, TS>(c90, c91, c + 9 * ldc, accumulate);
        Put<TV, TS>(c100, c101, c + 10 * ldc, accumulate);
        Put<TV, TS>(c110, c111, c + 11 * ldc, accumulate);
    }

    /// <summary>6 rows by two vectors: 12 accumulators, two vectors of B and one of A at a time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Rows6<TV, TS>(long depth, float* a, float* b, long ldb, float* c, long ldc, bool accumulate)
        where TV : struct
        where TS : ISimd<TV>
    {
        Prefetch(c, ldc, 6);
        TV c00 = TS.Create(0),
            c01 = TS.Create(0);
        TV c10 = TS.Create(0),
            c11 = TS.Create(0);
        TV c20 = TS.Create(0),
            c21 = TS.Create(0);
        TV c30 = TS.Create(0),
            c31 = TS.Create(0);
        TV c40 = TS.Create(0),
            c41 = TS.Create(0);
        TV c50 = TS.Create(0),
            c51 = TS.Create(0);
        for (long p = 0; p < depth; p++)
        {
            TV b0 = TS.Load(b);
            TV b1 = TS.Load(b + TS.Count);
            TV x;
            x = TS.Create(a[0]);
            c00 = TS.Fma(x, b0, c00);
            c01 = TS.Fma(x, b1, c01);
            x = TS.Create(a[1]);
            c10 = TS.Fma(x, b0, c10);
            c11 = TS.Fma(x, b1, c11);
            x = TS.Create(a[2]);
            c20 = TS.Fma(x, b0, c20);
            c21 = TS.Fma(x, b1, c21);
            x = TS.Create(a[3]);
            c30 = TS.Fma(x, b0, c30);
            c31 = TS.Fma(x, b1, c31);
            x = TS.Create(a[4]);
            c40 = TS.Fma(x, b0, c40);
            c41 = TS.Fma(x, b1, c41);
            x = TS.Create(a[5]);
            c50 = TS.Fma(x, b0, c50);
            c51 = TS.Fma(x, b1, c51);
            a += 6;
            b += ldb;
        }
        Put<TV, TS>(c00, c01, c, accumulate);
        Put<TV, TS>(c10, c11, c + ldc, accumulate);
        Put<TV, TS>(c20, c21, c + 2 * ldc, accumulate);
        Put<TV, TS>(c30, c31, c + 3 * ldc, accumulate);
        Put<TV, TS>(c40, c41, c + 4 * ldc, accumulate);
        Put<TV, TS>(c50, c51, c + 5 * ldc, accumulate);
    }

    /// <summary>Asks for the tile of C, which is needed only when the loop over the depth has ended.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(float* c, long ldc, int rows)
    {
        if (Sse.IsSupported)
        {
            for (int i = 0; i < rows; i++)
            {
                Sse.Prefetch0(c + i * ldc);
                Sse.Prefetch0(c + i * ldc + 16);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put<TV, TS>(TV left, TV right, float* c, bool accumulate)
        where TV : struct
        where TS : ISimd<TV>
    {
        if (accumulate)
        {
            left = TS.Add(left, TS.Load(c));
            right = TS.Add(right, TS.Load(c + TS.Count));
        }
        TS.Store(left, c);
        TS.Store(right, c + TS.Count);
    }
}
