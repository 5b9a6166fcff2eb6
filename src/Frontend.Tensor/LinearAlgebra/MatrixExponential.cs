using System.Runtime.InteropServices;

namespace Picograd.LinearAlgebra;

/// <summary>e to the power of a float64 matrix: Padé's approximant of degree 13 of a scaled matrix, squared (Higham, 2005).</summary>
internal static unsafe class MatrixExponential
{
    // Up to this 1-norm the approximant is exact to rounding.
    private const double Theta = 5.371920351148152;

    private static readonly double[] B =
    [
        64764752532480000,
        32382376266240000,
        7771770303897600,
        1187353796428800,
        129060195264000,
        10559470521600,
        670442572800,
        33522128640,
        1323241920,
        40840800,
        960960,
        16380,
        182,
        1,
    ];

    public static void Run(double* a, int n, double* result)
    {
        if (n == 0)
            return;
        int count = checked(n * n);
        double norm = 0;
        for (int j = 0; j < n; j++)
        {
            double sum = 0;
            for (int i = 0; i < n; i++)
                sum += Math.Abs(a[(long)i * n + j]);
            norm = sum > norm || double.IsNaN(sum) ? sum : norm;
        }
        if (!double.IsFinite(norm))
        {
            new Span<double>(result, count).Fill(double.NaN);
            return;
        }
        int squarings = norm > Theta ? (int)Math.Ceiling(Math.Log2(norm / Theta)) : 0;
        for (int i = 0; i < count; i++)
            a[i] = Math.ScaleB(a[i], -squarings);
        double* room = (double*)NativeMemory.Alloc((nuint)count * 6, 8);
        double* a2 = room;
        double* a4 = a2 + count;
        double* a6 = a4 + count;
        double* x = a6 + count;
        double* u = x + count;
        double* v = u + count;
        Multiply(a, a, a2, n);
        Multiply(a2, a2, a4, n);
        Multiply(a4, a2, a6, n);
        // U = A · (A⁶ · (b₁₃A⁶ + b₁₁A⁴ + b₉A²) + b₇A⁶ + b₅A⁴ + b₃A² + b₁I).
        Combine(a2, a4, a6, 9, x, n);
        Multiply(a6, x, v, n);
        Combine(a2, a4, a6, 3, x, n, v);
        Multiply(a, x, u, n);
        Combine(a2, a4, a6, 8, x, n);
        Multiply(a6, x, v, n);
        Combine(a2, a4, a6, 2, x, n, v);
        // (V − U) · X = V + U.
        for (int i = 0; i < count; i++)
            (v[i], result[i]) = (x[i] - u[i], x[i] + u[i]);
        int[] pivots = new int[n];
        fixed (int* places = pivots)
        {
            Triangular.Lu(v, n, n, n, places);
            Triangular.Exchange(result, n, n, places, n);
            MatrixUpdate.SolveLower(v, n, 1, true, n, result, n, n);
            MatrixUpdate.SolveUpper(v, n, 1, false, n, result, n, n);
        }
        for (int s = 0; s < squarings; s++)
        {
            Multiply(result, result, x, n);
            new Span<double>(x, count).CopyTo(new Span<double>(result, count));
        }
        NativeMemory.Free(room);
    }

    // b[k + 4] A⁶ + b[k + 2] A⁴ + b[k] A², and with a matrix that is added also b[k − 2] I.
    private static void Combine(double* a2, double* a4, double* a6, int k, double* to, int n, double* added = null)
    {
        int count = n * n;
        for (int i = 0; i < count; i++)
            to[i] = B[k + 4] * a6[i] + B[k + 2] * a4[i] + B[k] * a2[i] + (added is null ? 0 : added[i]);
        if (added is null)
            return;
        for (int i = 0; i < n; i++)
            to[(long)i * (n + 1)] += B[k - 2];
    }

    private static void Multiply(double* a, double* b, double* to, int n)
    {
        new Span<double>(to, n * n).Clear();
        MatrixUpdate.Product(1, a, n, 1, b, n, to, n, n, n, n);
    }
}
