using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Picograd.Baselines;

/// <summary>
/// Copies between matrices and the panels of <see cref="HandMatmul"/>. A panel holds <c>depth</c> groups of <c>group</c>
/// floats; groups with fewer elements are filled with zeros, which add nothing to a product.
/// </summary>
internal static unsafe class MatmulPacking
{
    /// <summary>panel[p][i] = source[p·stride + i] for i below count.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void CopyRows(float* source, long stride, float* panel, long group, long depth, long count)
    {
        if (count == group && group % 4 == 0)
        {
            for (long p = 0; p < depth; p++)
            {
                if (Sse.IsSupported)
                {
                    // Rows lie too far apart for the hardware to guess the next one.
                    Sse.Prefetch0(source + (p + 8) * stride);
                    Sse.Prefetch0(source + (p + 8) * stride + group - 1);
                }
                for (long i = 0; i < group; i += 4)
                {
                    Vector128.Load(source + p * stride + i).Store(panel + p * group + i);
                }
            }
            return;
        }
        for (long p = 0; p < depth; p++)
        {
            var to = new Span<float>(panel + p * group, (int)group);
            new ReadOnlySpan<float>(source + p * stride, (int)count).CopyTo(to);
            to[(int)count..].Clear();
        }
    }

    /// <summary>panel[p][i] = source[i·stride + p] for i below count.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void TransposeRows(float* source, long stride, float* panel, long group, long depth, long count)
    {
        long i = 0;
        for (; i + 4 <= count; i += 4)
        {
            long p = 0;
            for (; p + 4 <= depth; p += 4)
            {
                TransposeTiles.Tile4(source + i * stride + p, stride, panel + p * group + i, group);
            }
            for (; p < depth; p++)
            {
                for (long j = i; j < i + 4; j++)
                {
                    panel[p * group + j] = source[j * stride + p];
                }
            }
        }
        for (; i < group; i++)
        {
            for (long p = 0; p < depth; p++)
            {
                panel[p * group + i] = i < count ? source[i * stride + p] : 0;
            }
        }
    }

    /// <summary>Puts the part of a tile that lies inside C there, or adds it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PutEdge(
        float* tile,
        long tileStride,
        float* c,
        long ldc,
        long height,
        long width,
        bool accumulate
    )
    {
        for (long i = 0; i < height; i++)
        {
            float* from = tile + i * tileStride;
            float* to = c + i * ldc;
            if (accumulate)
            {
                for (long j = 0; j < width; j++)
                {
                    to[j] += from[j];
                }
            }
            else
            {
                for (long j = 0; j < width; j++)
                {
                    to[j] = from[j];
                }
            }
        }
    }
}
