using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Picograd.LinearAlgebra;

/// <summary>
/// What factorisations spend their time in, on float64 rows in main memory: products that are added, sums of rows, triangular systems.
/// Rows lie side by side, so that everything runs along them.
/// </summary>
internal static unsafe class MatrixUpdate
{
    // Rows of a product that share loads of the right side; its blocks of terms stay in the cache.
    private const int RowsAtOnce = 4;
    private const int TermsAtOnce = 128;
    private const int Lanes = 8;

    // Below it triangles are solved row by row.
    private const int SmallTriangle = 16;

    /// <summary>C += alpha · A · B, of C [m, n] and k terms. A's element [i, j] lies at <c>i·aRow + j·aColumn</c>; rows of B and C are dense.</summary>
    public static void Product(
        double alpha,
        double* a,
        long aRow,
        long aColumn,
        double* b,
        long bRow,
        double* c,
        long cRow,
        int m,
        int n,
        int k
    )
    {
        for (int first = 0; first < k; first += TermsAtOnce)
        {
            int terms = Math.Min(TermsAtOnce, k - first);
            double* left = a + first * aColumn;
            double* right = b + first * bRow;
            int i = 0;
            for (; i + RowsAtOnce <= m; i += RowsAtOnce)
                FourRows(alpha, left + i * aRow, aRow, aColumn, right, bRow, c + i * cRow, cRow, n, terms);
            for (; i < m; i++)
            {
                for (int t = 0; t < terms; t++)
                    Add(alpha * left[i * aRow + t * aColumn], right + t * bRow, c + i * cRow, n);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourRows(
        double alpha,
        double* a,
        long aRow,
        long aColumn,
        double* b,
        long bRow,
        double* c,
        long cRow,
        int n,
        int k
    )
    {
        double* a1 = a + aRow;
        double* a2 = a1 + aRow;
        double* a3 = a2 + aRow;
        int j = 0;
        for (; j + 2 * Lanes <= n; j += 2 * Lanes)
        {
            Vector512<double> s00 = default,
                s01 = default,
                s10 = default,
                s11 = default,
                s20 = default,
                s21 = default,
                s30 = default,
                s31 = default;
            double* row = b + j;
            long at = 0;
            for (int t = 0; t < k; t++, row += bRow, at += aColumn)
            {
                var b0 = Vector512.Load(row);
                var b1 = Vector512.Load(row + Lanes);
                var x = Vector512.Create(a[at]);
                s00 = Vector512.FusedMultiplyAdd(x, b0, s00);
                s01 = Vector512.FusedMultiplyAdd(x, b1, s01);
                x = Vector512.Create(a1[at]);
                s10 = Vector512.FusedMultiplyAdd(x, b0, s10);
                s11 = Vector512.FusedMultiplyAdd(x, b1, s11);
                x = Vector512.Create(a2[at]);
                s20 = Vector512.FusedMultiplyAdd(x, b0, s20);
                s21 = Vector512.FusedMultiplyAdd(x, b1, s21);
                x = Vector512.Create(a3[at]);
                s30 = Vector512.FusedMultiplyAdd(x, b0, s30);
                s31 = Vector512.FusedMultiplyAdd(x, b1, s31);
            }
            var scale = Vector512.Create(alpha);
            double* to = c + j;
            AddTo(to, s00, s01, scale);
            AddTo(to += cRow, s10, s11, scale);
            AddTo(to += cRow, s20, s21, scale);
            AddTo(to + cRow, s30, s31, scale);
        }
        for (; j < n; j++)
        {
            double s0 = 0,
                s1 = 0,
                s2 = 0,
                s3 = 0;
            for (int t = 0; t < k; t++)
            {
                double value = b[t * bRow + j];
                long at = t * aColumn;
                s0 += a[at] * value;
                s1 += a1[at] * value;
                s2 += a2[at] * value;
                s3 += a3[at] * value;
            }
            c[j] += alpha * s0;
            c[cRow + j] += alpha * s1;
            c[2 * cRow + j] += alpha * s2;
            c[3 * cRow + j] += alpha * s3;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddTo(double* to, Vector512<double> a, Vector512<double> b, Vector512<double> scale)
    {
        Vector512.FusedMultiplyAdd(scale, a, Vector512.Load(to)).Store(to);
        Vector512.FusedMultiplyAdd(scale, b, Vector512.Load(to + Lanes)).Store(to + Lanes);
    }

    /// <summary>y += a · x.</summary>
    public static void Add(double a, double* x, double* y, int n)
    {
        int i = 0;
        var scale = Vector512.Create(a);
        for (; i + Lanes <= n; i += Lanes)
            Vector512.FusedMultiplyAdd(scale, Vector512.Load(x + i), Vector512.Load(y + i)).Store(y + i);
        for (; i < n; i++)
            y[i] += a * x[i];
    }

    /// <summary>z += a · x + b · y.</summary>
    public static void Add(double a, double* x, double b, double* y, double* z, int n)
    {
        int i = 0;
        var (ofX, ofY) = (Vector512.Create(a), Vector512.Create(b));
        for (; i + Lanes <= n; i += Lanes)
        {
            var sum = Vector512.FusedMultiplyAdd(ofX, Vector512.Load(x + i), Vector512.Load(z + i));
            Vector512.FusedMultiplyAdd(ofY, Vector512.Load(y + i), sum).Store(z + i);
        }
        for (; i < n; i++)
            z[i] += a * x[i] + b * y[i];
    }

    /// <summary>Σ x · y.</summary>
    public static double Dot(double* x, double* y, int n)
    {
        Vector512<double> s0 = default,
            s1 = default;
        int i = 0;
        for (; i + 2 * Lanes <= n; i += 2 * Lanes)
        {
            s0 = Vector512.FusedMultiplyAdd(Vector512.Load(x + i), Vector512.Load(y + i), s0);
            s1 = Vector512.FusedMultiplyAdd(Vector512.Load(x + i + Lanes), Vector512.Load(y + i + Lanes), s1);
        }
        double sum = Vector512.Sum(s0 + s1);
        for (; i < n; i++)
            sum += x[i] * y[i];
        return sum;
    }

    public static void Scale(double a, double* x, int n)
    {
        for (int i = 0; i < n; i++)
            x[i] *= a;
    }

    public static void Swap(double* x, double* y, int n)
    {
        for (int i = 0; i < n; i++)
            (x[i], y[i]) = (y[i], x[i]);
    }

    /// <summary>
    /// B becomes L⁻¹ · B, of B [n, columns] in dense rows; L's element [i, j] lies at <c>i·row + j·column</c>, so that an upper
    /// triangle is one that is read across.
    /// </summary>
    public static void SolveLower(double* l, long row, long column, bool unit, int n, double* b, long bRow, int columns)
    {
        if (n > SmallTriangle)
        {
            int half = n / 2;
            SolveLower(l, row, column, unit, half, b, bRow, columns);
            double* below = l + half * row;
            Product(-1, below, row, column, b, bRow, b + half * bRow, bRow, n - half, columns, half);
            SolveLower(below + half * column, row, column, unit, n - half, b + half * bRow, bRow, columns);
            return;
        }
        for (int i = 0; i < n; i++)
        {
            double* own = b + i * bRow;
            for (int j = 0; j < i; j++)
                Add(-l[i * row + j * column], b + j * bRow, own, columns);
            if (!unit)
                Divide(own, l[i * (row + column)], columns);
        }
    }

    /// <summary>As <see cref="SolveLower"/>, of an upper triangle.</summary>
    public static void SolveUpper(double* u, long row, long column, bool unit, int n, double* b, long bRow, int columns)
    {
        if (n > SmallTriangle)
        {
            int half = n / 2;
            double* right = u + half * column;
            SolveUpper(right + half * row, row, column, unit, n - half, b + half * bRow, bRow, columns);
            Product(-1, right, row, column, b + half * bRow, bRow, b, bRow, half, columns, n - half);
            SolveUpper(u, row, column, unit, half, b, bRow, columns);
            return;
        }
        for (int i = n - 1; i >= 0; i--)
        {
            double* own = b + i * bRow;
            for (int j = i + 1; j < n; j++)
                Add(-u[i * row + j * column], b + j * bRow, own, columns);
            if (!unit)
                Divide(own, u[i * (row + column)], columns);
        }
    }

    private static void Divide(double* x, double by, int n)
    {
        for (int i = 0; i < n; i++)
            x[i] /= by;
    }
}
