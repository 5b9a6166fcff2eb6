using System.Numerics;

namespace Picograd.LinearAlgebra;

/// <summary>Factors of one complex matrix in float64, by rotations of Jacobi's (Golub and Van Loan, 8.5 and 8.6) and elimination.</summary>
internal static class ComplexMatrices
{
    // Rotations stop when what is off the diagonal is so small beside the rest.
    private const double Epsilon = 1e-16;
    private const int MostSweeps = 60;

    /// <summary>The determinant's phase and the logarithm of its magnitude; overwrites the matrix.</summary>
    public static (Complex Sign, double Log) Determinant(Complex[,] a)
    {
        int n = a.GetLength(0);
        Complex sign = 1;
        double log = 0;
        for (int k = 0; k < n; k++)
        {
            int pivot = k;
            for (int i = k + 1; i < n; i++)
                pivot = Complex.Abs(a[i, k]) > Complex.Abs(a[pivot, k]) ? i : pivot;
            double size = Complex.Abs(a[pivot, k]);
            log += Math.Log(size);
            sign = size == 0 ? 0 : sign * (a[pivot, k] / size) * (pivot == k ? 1 : -1);
            if (size == 0)
                return (0, double.NegativeInfinity);
            for (int j = 0; j < n && pivot != k; j++)
                (a[k, j], a[pivot, j]) = (a[pivot, j], a[k, j]);
            for (int i = k + 1; i < n; i++)
            {
                var factor = a[i, k] / a[k, k];
                for (int j = k + 1; j < n; j++)
                    a[i, j] -= factor * a[k, j];
            }
        }
        return (sign, log);
    }

    /// <summary>The lower factor, in place, with zeros above; the row where there is none, or −1.</summary>
    public static int Cholesky(Complex[,] a)
    {
        int n = a.GetLength(0);
        for (int j = 0; j < n; j++)
        {
            double diagonal = a[j, j].Real;
            for (int k = 0; k < j; k++)
                diagonal -= Squared(a[j, k]);
            if (!(diagonal > 0))
                return j;
            double root = Math.Sqrt(diagonal);
            a[j, j] = root;
            for (int i = j + 1; i < n; i++)
            {
                var sum = a[i, j];
                for (int k = 0; k < j; k++)
                    sum -= a[i, k] * Complex.Conjugate(a[j, k]);
                a[i, j] = sum / root;
            }
            for (int i = 0; i < j; i++)
                a[i, j] = 0;
        }
        return -1;
    }

    /// <summary>Eigenvalues of a Hermitian matrix in ascending order and its vectors in columns; overwrites it. Null where it does not end.</summary>
    public static (double[] Values, Complex[,] Vectors)? Hermitian(Complex[,] a)
    {
        int n = a.GetLength(0);
        var v = Identity(n);
        double whole = 0;
        foreach (var x in a)
            whole += Squared(x);
        bool ends = false;
        for (int sweep = 0; sweep < MostSweeps && !ends; sweep++)
        {
            ends = true;
            for (int p = 0; p < n; p++)
            {
                for (int q = p + 1; q < n; q++)
                {
                    double size = Complex.Abs(a[p, q]);
                    if (size * size <= Epsilon * Epsilon * whole)
                        continue;
                    ends = false;
                    var phase = a[p, q] / size;
                    var (c, s) = Rotation((a[q, q].Real - a[p, p].Real) / (2 * size));
                    for (int i = 0; i < n; i++)
                    {
                        Turn(ref a[i, p], ref a[i, q], c, s, Complex.Conjugate(phase));
                        Turn(ref v[i, p], ref v[i, q], c, s, Complex.Conjugate(phase));
                    }
                    for (int i = 0; i < n; i++)
                        Turn(ref a[p, i], ref a[q, i], c, s, phase);
                    (a[p, q], a[q, p]) = (0, 0);
                }
            }
        }
        if (!ends)
            return null;
        double[] values = new double[n];
        int[] order = new int[n];
        for (int i = 0; i < n; i++)
            (values[i], order[i]) = (a[i, i].Real, i);
        Array.Sort(values, order);
        return (values, Columns(v, order));
    }

    /// <summary>
    /// Singular values in descending order, left vectors and right ones in columns, all n of an m × n matrix with m ≥ n; overwrites it.
    /// Null where it does not end.
    /// </summary>
    /// <param name="a">m × n, m ≥ n.</param>
    /// <param name="columns">How many left vectors: n, or m for a whole basis.</param>
    public static (double[] Values, Complex[,] Left, Complex[,] Right)? Singular(Complex[,] a, int columns)
    {
        int m = a.GetLength(0);
        int n = a.GetLength(1);
        var v = Identity(n);
        bool ends = false;
        for (int sweep = 0; sweep < MostSweeps && !ends; sweep++)
        {
            ends = true;
            for (int p = 0; p < n; p++)
            {
                for (int q = p + 1; q < n; q++)
                {
                    double alpha = 0;
                    double beta = 0;
                    Complex gamma = 0;
                    for (int i = 0; i < m; i++)
                    {
                        alpha += Squared(a[i, p]);
                        beta += Squared(a[i, q]);
                        gamma += Complex.Conjugate(a[i, p]) * a[i, q];
                    }
                    double size = Complex.Abs(gamma);
                    if (size <= 4 * Epsilon * Math.Sqrt(alpha) * Math.Sqrt(beta) || size == 0)
                        continue;
                    ends = false;
                    var phase = Complex.Conjugate(gamma / size);
                    var (c, s) = Rotation((beta - alpha) / (2 * size));
                    for (int i = 0; i < m; i++)
                        Turn(ref a[i, p], ref a[i, q], c, s, phase);
                    for (int i = 0; i < n; i++)
                        Turn(ref v[i, p], ref v[i, q], c, s, phase);
                }
            }
        }
        if (!ends)
            return null;
        double[] values = new double[n];
        int[] order = new int[n];
        for (int j = 0; j < n; j++)
        {
            double sum = 0;
            for (int i = 0; i < m; i++)
                sum += Squared(a[i, j]);
            (values[j], order[j]) = (-Math.Sqrt(sum), j);
        }
        Array.Sort(values, order);
        var left = new Complex[m, columns];
        double largest = n > 0 ? -values[0] : 0;
        for (int j = 0; j < columns; j++)
        {
            double size = j < n ? -values[j] : 0;
            if (size > largest * Epsilon * m && size > 0)
            {
                for (int i = 0; i < m; i++)
                    left[i, j] = a[i, order[j]] / size;
            }
            else
            {
                Complete(left, j);
            }
        }
        return ([.. values.Select(x => x == 0 ? 0 : -x)], left, Columns(v, order));
    }

    // A column of length 1 across those before it: of the unit vector that has most left.
    private static void Complete(Complex[,] basis, int column)
    {
        int m = basis.GetLength(0);
        double best = -1;
        Complex[] found = [];
        for (int unit = 0; unit < m && best < 0.5; unit++)
        {
            var x = new Complex[m];
            x[unit] = 1;
            // Twice, for what rounding leaves.
            for (int pass = 0; pass < 2; pass++)
            {
                for (int j = 0; j < column; j++)
                {
                    Complex dot = 0;
                    for (int i = 0; i < m; i++)
                        dot += Complex.Conjugate(basis[i, j]) * x[i];
                    for (int i = 0; i < m; i++)
                        x[i] -= dot * basis[i, j];
                }
            }
            double length = Math.Sqrt(x.Sum(Squared));
            if (length > best)
                (best, found) = (length, x);
        }
        for (int i = 0; i < m; i++)
            basis[i, column] = found[i] / best;
    }

    private static double Squared(Complex x) => x.Real * x.Real + x.Imaginary * x.Imaginary;

    private static (double C, double S) Rotation(double zeta)
    {
        double t = (zeta >= 0 ? 1 : -1) / (Math.Abs(zeta) + Math.Sqrt(1 + zeta * zeta));
        double c = 1 / Math.Sqrt(1 + t * t);
        return (c, c * t);
    }

    // The second one with another phase, then both turned.
    private static void Turn(ref Complex p, ref Complex q, double c, double s, Complex phase)
    {
        var turned = q * phase;
        (p, q) = (c * p - s * turned, s * p + c * turned);
    }

    private static Complex[,] Identity(int n)
    {
        var eye = new Complex[n, n];
        for (int i = 0; i < n; i++)
            eye[i, i] = 1;
        return eye;
    }

    private static Complex[,] Columns(Complex[,] of, int[] order)
    {
        var result = new Complex[of.GetLength(0), order.Length];
        for (int i = 0; i < of.GetLength(0); i++)
        {
            for (int j = 0; j < order.Length; j++)
                result[i, j] = of[i, order[j]];
        }
        return result;
    }
}
