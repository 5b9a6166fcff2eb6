using System.Runtime.InteropServices;

namespace Picograd.LinearAlgebra;

/// <summary>
/// Eigenvalues and vectors of a symmetric float64 matrix: reflections to three diagonals, then implicit QL steps (Bowdler, Martin,
/// Reinsch and Wilkinson, 1968), whose rotations are made of transposed vectors.
/// </summary>
internal static unsafe class SymmetricEigen
{
    private const int MostSteps = 60;
    private const double Epsilon = 2.220446049250313e-16;

    /// <summary>Eigenvalues in ascending order, and vectors as columns.</summary>
    /// <param name="a">[n, n], all of it; is overwritten.</param>
    /// <param name="n">Its side.</param>
    /// <param name="values">n.</param>
    /// <param name="vectors">[n, n]; null for values only.</param>
    /// <returns>Whether the steps came to an end.</returns>
    public static bool Run(double* a, int n, double* values, double* vectors)
    {
        double[] offArray = new double[n + 1];
        fixed (double* off = offArray)
        {
            double* turned = (double*)NativeMemory.Alloc((nuint)n * (nuint)n + 1, 8);
            double[] tauArray = new double[n + 1];
            fixed (double* taus = tauArray)
            {
                Tridiagonalize(a, n, off, taus);
                for (int i = 0; i < n; i++)
                    values[i] = a[(long)i * n + i];
                if (vectors is not null)
                    Transformation(a, n, taus, turned);
            }
            var rotations = new Rotations(turned, n, vectors is null ? 0 : n);
            bool ends = Steps(values, off, n, rotations);
            rotations.Flush();
            int[] order = new int[n];
            double[] sorted = new double[n];
            for (int i = 0; i < n; i++)
                (order[i], sorted[i]) = (i, values[i]);
            Array.Sort(sorted, order);
            sorted.CopyTo(new Span<double>(values, n));
            if (vectors is not null)
            {
                for (int j = 0; j < n; j++)
                {
                    double* from = turned + (long)order[j] * n;
                    for (int i = 0; i < n; i++)
                        vectors[(long)i * n + j] = from[i];
                }
            }
            NativeMemory.Free(turned);
            return ends;
        }
    }

    // The reflections stay in the rows, behind the diagonal.
    private static void Tridiagonalize(double* a, int n, double* off, double* tau)
    {
        double[] roomArray = new double[n + 1];
        fixed (double* room = roomArray)
        {
            for (int k = 0; k + 1 < n; k++)
            {
                double* v = a + (long)k * n + k + 1;
                int rest = n - k - 1;
                tau[k] = Householder.Make(v, 1, rest);
                off[k] = v[0];
                if (tau[k] == 0)
                    continue;
                double beta = v[0];
                v[0] = 1;
                double* below = a + (long)(k + 1) * n + k + 1;
                for (int i = 0; i < rest; i++)
                    room[i] = tau[k] * MatrixUpdate.Dot(below + (long)i * n, v, rest);
                double half = -0.5 * tau[k] * MatrixUpdate.Dot(room, v, rest);
                MatrixUpdate.Add(half, v, room, rest);
                for (int i = 0; i < rest; i++)
                    MatrixUpdate.Add(-v[i], room, -room[i], v, below + (long)i * n, rest);
                v[0] = beta;
            }
        }
    }

    // Qᵀ of reflections in the rows of a.
    private static void Transformation(double* a, int n, double* tau, double* turned)
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
                v[(long)i * side + k] = i > k ? a[(long)k * n + k + 1 + (i - k)] : 0;
        }
        Householder.Columns(v, side, tau, side, side, q, side);
        for (int i = 0; i < side; i++)
        {
            for (int j = 0; j < side; j++)
                turned[(long)(i + 1) * n + j + 1] = q[(long)j * side + i];
        }
        NativeMemory.Free(v);
    }

    private static bool Steps(double* d, double* e, int n, Rotations rotations)
    {
        double shifted = 0;
        double size = 0;
        if (n > 0)
            e[n - 1] = 0;
        for (int l = 0; l < n; l++)
        {
            size = Math.Max(size, Math.Abs(d[l]) + Math.Abs(e[l]));
            int m = l;
            while (m < n - 1 && Math.Abs(e[m]) > Epsilon * size)
                m++;
            int steps = 0;
            if (m > l)
            {
                do
                {
                    if (++steps > MostSteps)
                        return false;
                    double g = d[l];
                    double p = (d[l + 1] - g) / (2 * e[l]);
                    double r = p < 0 ? -double.Hypot(p, 1) : double.Hypot(p, 1);
                    d[l] = e[l] / (p + r);
                    d[l + 1] = e[l] * (p + r);
                    double next = d[l + 1];
                    double h = g - d[l];
                    for (int i = l + 2; i < n; i++)
                        d[i] -= h;
                    shifted += h;
                    p = d[m];
                    double c = 1,
                        c2 = 1,
                        c3 = 1,
                        s = 0,
                        s2 = 0;
                    double following = e[l + 1];
                    for (int i = m - 1; i >= l; i--)
                    {
                        (c3, c2, s2) = (c2, c, s);
                        g = c * e[i];
                        h = c * p;
                        double before = s;
                        (c, s, r) = Rotations.Of(p, e[i]);
                        e[i + 1] = before * r;
                        p = c * d[i] - s * g;
                        d[i + 1] = h + s * (c * g + s * d[i]);
                        rotations.Add(i + 1, i, c, s);
                    }
                    p = -s * s2 * c3 * following * e[l] / next;
                    if (next == 0)
                        p = 0;
                    e[l] = s * p;
                    d[l] = c * p;
                } while (Math.Abs(e[l]) > Epsilon * size);
            }
            d[l] += shifted;
            e[l] = 0;
        }
        return true;
    }
}
