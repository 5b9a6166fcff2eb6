using System.Runtime.InteropServices;

namespace Picograd.LinearAlgebra;

/// <summary>
/// A = U · S · Vᵀ of a float64 matrix: reflections from both sides to two diagonals, then implicit QR steps (Golub and Reinsch, 1970,
/// as in LINPACK's dsvdc), whose rotations are made of transposed vectors.
/// </summary>
internal static unsafe class SingularValues
{
    private const int MostSteps = 100;
    private const double Epsilon = 2.220446049250313e-16;
    private const double Tiny = 1.6033346880071782e-291;

    /// <summary>Of m ≥ n. Singular values in descending order.</summary>
    /// <param name="a">[m, n]; is overwritten.</param>
    /// <param name="m">Rows.</param>
    /// <param name="n">Columns, at most as many.</param>
    /// <param name="s">n.</param>
    /// <param name="u">Transposed [columns of U, m]; null for values only.</param>
    /// <param name="uColumns">n, or m for a whole basis.</param>
    /// <param name="v">Transposed [n, n]; null for values only.</param>
    /// <returns>Whether the steps came to an end.</returns>
    public static bool Run(double* a, int m, int n, double* s, double* u, int uColumns, double* v)
    {
        double[] room = new double[4 * (n + 1) + m];
        fixed (double* e = room)
        {
            double* tauLeft = e + n + 1;
            double* tauRight = tauLeft + n + 1;
            Bidiagonalize(a, m, n, s, e, tauLeft, tauRight, tauRight + n + 1);
            if (u is not null)
            {
                double* q = (double*)NativeMemory.Alloc((nuint)m * (nuint)uColumns + 1, 8);
                Householder.Columns(a, n, tauLeft, m, n, q, uColumns);
                Turn(q, m, uColumns, u, m);
                NativeMemory.Free(q);
                FromRight(a, n, tauRight, v);
            }
            var left = new Rotations(u, m, u is null ? 0 : m);
            var right = new Rotations(v, n, u is null ? 0 : n);
            bool ends = Steps(s, e, n, left, right, v);
            left.Flush();
            right.Flush();
            Order(s, n, u, m, v);
            return ends;
        }
    }

    private static void Bidiagonalize(
        double* a,
        int m,
        int n,
        double* d,
        double* e,
        double* left,
        double* right,
        double* sums
    )
    {
        for (int k = 0; k < n; k++)
        {
            double* corner = a + (long)k * n + k;
            int columns = n - k - 1;
            left[k] = Householder.Make(corner, n, m - k);
            d[k] = corner[0];
            e[k] = 0;
            if (columns == 0)
                continue;
            double* c = corner + 1;
            if (left[k] != 0)
            {
                new Span<double>(c, columns).CopyTo(new Span<double>(sums, columns));
                for (int i = 1; i < m - k; i++)
                    MatrixUpdate.Add(corner[(long)i * n], c + (long)i * n, sums, columns);
                MatrixUpdate.Add(-left[k], sums, c, columns);
                for (int i = 1; i < m - k; i++)
                    MatrixUpdate.Add(-left[k] * corner[(long)i * n], sums, c + (long)i * n, columns);
            }
            right[k] = Householder.Make(c, 1, columns);
            double beta = c[0];
            e[k] = beta;
            if (right[k] == 0)
                continue;
            c[0] = 1;
            for (int i = 1; i < m - k; i++)
            {
                double* own = c + (long)i * n;
                MatrixUpdate.Add(-right[k] * MatrixUpdate.Dot(own, c, columns), c, own, columns);
            }
            c[0] = beta;
        }
    }

    // Vᵀ of the reflections in the rows of a.
    private static void FromRight(double* a, int n, double* tau, double* turned)
    {
        new Span<double>(turned, checked(n * n)).Clear();
        if (n > 0)
            turned[0] = 1;
        if (n < 2)
            return;
        int side = n - 1;
        double* v = (double*)NativeMemory.Alloc((nuint)side * (nuint)side * 2, 8);
        double* q = v + (long)side * side;
        for (int i = 0; i < side; i++)
        {
            for (int k = 0; k < side; k++)
                v[(long)i * side + k] = i > k ? a[(long)k * n + 1 + i] : 0;
        }
        Householder.Columns(v, side, tau, side, side, q, side);
        Turn(q, side, side, turned + n + 1, n);
        NativeMemory.Free(v);
    }

    private static void Turn(double* from, int rows, int columns, double* to, long toRow)
    {
        const int Tile = 16;
        for (int i0 = 0; i0 < rows; i0 += Tile)
        {
            for (int j0 = 0; j0 < columns; j0 += Tile)
            {
                for (int i = i0; i < Math.Min(rows, i0 + Tile); i++)
                {
                    for (int j = j0; j < Math.Min(columns, j0 + Tile); j++)
                        to[j * toRow + i] = from[(long)i * columns + j];
                }
            }
        }
    }

    private static bool Steps(double* s, double* e, int n, Rotations left, Rotations right, double* v)
    {
        int p = n;
        int steps = 0;
        if (n > 0)
            e[n - 1] = 0;
        while (p > 0)
        {
            int k = p - 2;
            for (; k >= 0; k--)
            {
                if (Math.Abs(e[k]) <= Tiny + Epsilon * (Math.Abs(s[k]) + Math.Abs(s[k + 1])))
                {
                    e[k] = 0;
                    break;
                }
            }
            if (k == p - 2)
            {
                p--;
                steps = 0;
                continue;
            }
            int zero = p - 1;
            for (; zero > k; zero--)
            {
                double beside = (zero != p - 1 ? Math.Abs(e[zero]) : 0) + (zero != k + 1 ? Math.Abs(e[zero - 1]) : 0);
                if (Math.Abs(s[zero]) <= Tiny + Epsilon * beside)
                {
                    s[zero] = 0;
                    break;
                }
            }
            if (zero == p - 1)
                DropLast(s, e, k + 1, p, right);
            else if (zero > k)
                Divide(s, e, zero + 1, p, left);
            else
            {
                if (++steps > MostSteps)
                    return false;
                Step(s, e, k + 1, p, left, right);
            }
        }
        // Rotations act on what is there, so signs come last.
        right.Flush();
        for (int k = 0; k < n; k++)
        {
            if (s[k] < 0 || (s[k] == 0 && double.IsNegative(s[k])))
            {
                s[k] = -s[k];
                if (v is not null)
                    MatrixUpdate.Scale(-1, v + (long)k * n, n);
            }
        }
        return true;
    }

    // The last singular value is 0.
    private static void DropLast(double* s, double* e, int k, int p, Rotations right)
    {
        double f = e[p - 2];
        e[p - 2] = 0;
        for (int j = p - 2; j >= k; j--)
        {
            var (c, sine, r) = Rotations.Of(s[j], f);
            s[j] = r;
            if (j != k)
            {
                f = -sine * e[j - 1];
                e[j - 1] *= c;
            }
            right.Add(j, p - 1, c, sine);
        }
    }

    // The one in front of k is 0.
    private static void Divide(double* s, double* e, int k, int p, Rotations left)
    {
        double f = e[k - 1];
        e[k - 1] = 0;
        for (int j = k; j < p; j++)
        {
            var (c, sine, r) = Rotations.Of(s[j], f);
            s[j] = r;
            f = -sine * e[j];
            e[j] *= c;
            left.Add(j, k - 1, c, sine);
        }
    }

    private static void Step(double* s, double* e, int k, int p, Rotations left, Rotations right)
    {
        double scale = Math.Max(
            Math.Max(Math.Max(Math.Abs(s[p - 1]), Math.Abs(s[p - 2])), Math.Abs(e[p - 2])),
            Math.Max(Math.Abs(s[k]), Math.Abs(e[k]))
        );
        double last = s[p - 1] / scale;
        double before = s[p - 2] / scale;
        double between = e[p - 2] / scale;
        double first = s[k] / scale;
        double b = ((before + last) * (before - last) + between * between) / 2;
        double c2 = last * between * (last * between);
        double shift = 0;
        if (b != 0 || c2 != 0)
        {
            shift = Math.Sqrt(b * b + c2);
            shift = c2 / (b + (b < 0 ? -shift : shift));
        }
        double f = (first + last) * (first - last) + shift;
        double g = first * (e[k] / scale);
        for (int j = k; j < p - 1; j++)
        {
            var (c, sine, r) = Rotations.Of(f, g);
            if (j != k)
                e[j - 1] = r;
            f = c * s[j] + sine * e[j];
            e[j] = c * e[j] - sine * s[j];
            g = sine * s[j + 1];
            s[j + 1] *= c;
            right.Add(j, j + 1, c, sine);
            (c, sine, r) = Rotations.Of(f, g);
            s[j] = r;
            f = c * e[j] + sine * s[j + 1];
            s[j + 1] = c * s[j + 1] - sine * e[j];
            g = sine * e[j + 1];
            e[j + 1] *= c;
            left.Add(j, j + 1, c, sine);
        }
        e[p - 2] = f;
    }

    private static void Order(double* s, int n, double* u, int m, double* v)
    {
        for (int k = 0; k < n; k++)
        {
            int best = k;
            for (int i = k + 1; i < n; i++)
            {
                if (s[i] > s[best])
                    best = i;
            }
            if (best == k)
                continue;
            (s[k], s[best]) = (s[best], s[k]);
            if (u is null)
                continue;
            MatrixUpdate.Swap(u + (long)k * m, u + (long)best * m, m);
            MatrixUpdate.Swap(v + (long)k * n, v + (long)best * n, n);
        }
    }
}
