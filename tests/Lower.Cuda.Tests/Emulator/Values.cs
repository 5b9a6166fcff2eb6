using Xunit;

namespace Picograd.Tests;

/// <summary>Data for kernels, and their plain reference in double precision.</summary>
internal static class Values
{
    public static float[] Random(int count, int seed)
    {
        var random = new Random(seed);
        var values = new float[count];
        for (int i = 0; i < count; i++)
            values[i] = (float)(random.NextDouble() * 2 - 1);
        return values;
    }

    /// <summary>Rounded to nearest even.</summary>
    public static ushort Bf16(float x)
    {
        uint bits = BitConverter.SingleToUInt32Bits(x);
        return (ushort)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
    }

    public static float FromBf16(ushort x) => BitConverter.UInt32BitsToSingle((uint)x << 16);

    /// <summary>rows×columns → columns×rows.</summary>
    public static float[] Transpose(float[] x, int rows, int columns)
    {
        var y = new float[x.Length];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
                y[j * rows + i] = x[i * columns + j];
        }
        return y;
    }

    /// <summary>Checks c = a b with a m×k, b k×n, all row-major; the tolerance is relative to the sum of the products' sizes.</summary>
    public static void AssertProduct(float[] a, float[] b, float[] c, int m, int n, int k, double tolerance)
    {
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < n; j++)
            {
                double sum = 0;
                double size = 0;
                for (int l = 0; l < k; l++)
                {
                    double product = (double)a[i * k + l] * b[l * n + j];
                    sum += product;
                    size += Math.Abs(product);
                }
                Assert.True(
                    Math.Abs(sum - c[i * n + j]) <= tolerance * size,
                    $"element ({i}, {j}) is {c[i * n + j]}, not {sum}"
                );
            }
        }
    }
}
