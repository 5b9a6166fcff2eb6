namespace Picograd.LinearAlgebra;

/// <summary>LU and Cholesky factors of one float64 matrix in dense rows, in place, halved down to small ones so that the work is products.</summary>
internal static unsafe class Triangular
{
    private const int Small = 8;

    /// <summary>
    /// P · A = L · U with the largest pivot of each column (Toledo, 1997): L, whose diagonal is 1, below the diagonal, U from it on.
    /// </summary>
    /// <param name="a">[m, n]; becomes the factors.</param>
    /// <param name="row">Elements from a row to the next.</param>
    /// <param name="pivots">min(m, n) places, from 0: with which row each was exchanged.</param>
    /// <returns>The first place of the diagonal of U that is 0, from 1; 0 for none.</returns>
    public static int Lu(double* a, long row, int m, int n, int* pivots)
    {
        if (n <= Small || m <= 1)
            return SmallLu(a, row, m, n, pivots);
        int left = Math.Min(m, n) / 2;
        int right = n - left;
        int found = Lu(a, row, m, left, pivots);
        Exchange(a + left, row, right, pivots, left);
        MatrixUpdate.SolveLower(a, row, 1, true, left, a + left, row, right);
        double* below = a + left * row;
        MatrixUpdate.Product(-1, below, row, 1, a + left, row, below + left, row, m - left, right, left);
        int foundBelow = Lu(below + left, row, m - left, right, pivots + left);
        int rest = Math.Min(m - left, right);
        Exchange(below, row, left, pivots + left, rest);
        for (int i = 0; i < rest; i++)
            pivots[left + i] += left;
        return found != 0 ? found
            : foundBelow != 0 ? foundBelow + left
            : 0;
    }

    private static int SmallLu(double* a, long row, int m, int n, int* pivots)
    {
        int found = 0;
        for (int k = 0; k < Math.Min(m, n); k++)
        {
            int best = k;
            for (int i = k + 1; i < m; i++)
            {
                if (Math.Abs(a[i * row + k]) > Math.Abs(a[best * row + k]))
                    best = i;
            }
            pivots[k] = best;
            double pivot = a[best * row + k];
            if (pivot == 0)
            {
                found = found == 0 ? k + 1 : found;
                continue;
            }
            if (best != k)
                MatrixUpdate.Swap(a + best * row, a + k * row, n);
            for (int i = k + 1; i < m; i++)
            {
                double* own = a + i * row;
                own[k] /= pivot;
                for (int j = k + 1; j < n; j++)
                    own[j] -= own[k] * a[k * row + j];
            }
        }
        return found;
    }

    /// <summary>Exchanges rows in the order of pivots, or back.</summary>
    public static void Exchange(double* a, long row, int n, int* pivots, int count, bool back = false)
    {
        for (int i = 0; i < count; i++)
        {
            int k = back ? count - 1 - i : i;
            if (pivots[k] != k)
                MatrixUpdate.Swap(a + k * row, a + pivots[k] * row, n);
        }
    }

    /// <summary>A = Uᵀ · U, of the upper triangle of A, which becomes U. Below it stays what was there.</summary>
    /// <returns>The first place, from 1, at which A is not positive definite; 0 for none.</returns>
    public static int Cholesky(double* a, long row, int n)
    {
        if (n > 2 * Small)
        {
            int half = n / 2;
            int found = Cholesky(a, row, half);
            if (found != 0)
                return found;
            double* right = a + half;
            MatrixUpdate.SolveLower(a, 1, row, false, half, right, row, n - half);
            double* rest = right + half * row;
            // Of what is in the rest the upper triangle: in stripes of rows.
            const int Stripe = 32;
            for (int i = 0; i < n - half; i += Stripe)
            {
                int rows = Math.Min(Stripe, n - half - i);
                MatrixUpdate.Product(
                    -1,
                    right + i,
                    1,
                    row,
                    right + i,
                    row,
                    rest + i * (row + 1),
                    row,
                    rows,
                    n - half - i,
                    half
                );
            }
            found = Cholesky(rest, row, n - half);
            return found == 0 ? 0 : found + half;
        }
        for (int k = 0; k < n; k++)
        {
            double* own = a + k * row;
            double square = own[k];
            if (!(square > 0))
                return k + 1;
            double root = Math.Sqrt(square);
            for (int j = k; j < n; j++)
                own[j] /= root;
            own[k] = root;
            for (int i = k + 1; i < n; i++)
            {
                for (int j = i; j < n; j++)
                    a[i * row + j] -= own[i] * own[j];
            }
        }
        return 0;
    }
}
