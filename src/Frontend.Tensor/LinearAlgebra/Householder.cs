using System.Runtime.InteropServices;

namespace Picograd.LinearAlgebra;

/// <summary>
/// Reflections H = I − τ · v · vᵀ (v begins with 1), as LAPACK keeps them: v below the diagonal of a matrix, τ beside. Several are
/// applied at once as I − V · T · Vᵀ (Schreiber and Van Loan, 1989).
/// </summary>
internal static unsafe class Householder
{
    private const int BlockSize = 32;
    private const double Tiny = 1e-270;

    /// <summary>The reflection that leaves of x its first element alone, which becomes β; v takes the place of the others.</summary>
    /// <param name="x">n elements, <paramref name="step"/> apart.</param>
    /// <returns>τ; 0 where x is that already.</returns>
    public static double Make(double* x, long step, int n)
    {
        double largest = 0;
        for (int i = 1; i < n; i++)
            largest = Math.Max(largest, Math.Abs(x[i * step]));
        if (largest == 0)
            return 0;
        largest = Math.Max(largest, Math.Abs(x[0]));
        if (largest < Tiny)
        {
            // Of numbers with few digits a root has few, too; v and τ do not depend on the scale.
            for (int i = 0; i < n; i++)
                x[i * step] /= Tiny;
            double of = Make(x, step, n);
            x[0] *= Tiny;
            return of;
        }
        double squares = 0;
        for (int i = 0; i < n; i++)
        {
            double scaled = x[i * step] / largest;
            squares += scaled * scaled;
        }
        double beta = -Math.CopySign(largest * Math.Sqrt(squares), x[0]);
        double tau = (beta - x[0]) / beta;
        double divisor = x[0] - beta;
        for (int i = 1; i < n; i++)
            x[i * step] /= divisor;
        x[0] = beta;
        return tau;
    }

    /// <summary>A = Q · R: R from the diagonal of A [m, n] on, min(m, n) reflections below, whose τ are given.</summary>
    public static void Factor(double* a, long row, int m, int n, double* tau)
    {
        int count = Math.Min(m, n);
        double* sums = stackalloc double[BlockSize];
        for (int first = 0; first < count; first += BlockSize)
        {
            int block = Math.Min(BlockSize, count - first);
            for (int k = first; k < first + block; k++)
            {
                double* corner = a + k * row + k;
                tau[k] = Make(corner, row, m - k);
                int rest = first + block - k - 1;
                if (rest > 0 && tau[k] != 0)
                    Reflect(corner, row, tau[k], corner + 1, row, m - k, rest, sums);
            }
            int right = n - first - block;
            if (right > 0)
            {
                double* corner = a + first * row + first;
                Apply(corner, row, tau + first, m - first, block, corner + block, row, right, transposed: true);
            }
        }
    }

    // One reflection, of a few columns.
    private static void Reflect(double* v, long vRow, double tau, double* c, long cRow, int m, int n, double* sums)
    {
        for (int j = 0; j < n; j++)
            sums[j] = c[j];
        for (int i = 1; i < m; i++)
            MatrixUpdate.Add(v[i * vRow], c + i * cRow, sums, n);
        for (int j = 0; j < n; j++)
            c[j] -= tau * sums[j];
        for (int i = 1; i < m; i++)
            MatrixUpdate.Add(-tau * v[i * vRow], sums, c + i * cRow, n);
    }

    /// <summary>
    /// C [m, n] becomes H₀ · H₁ · … · C, or transposed that of the reverse, of <paramref name="count"/> reflections that lie below
    /// the diagonal of v [m, count].
    /// </summary>
    public static void ApplyAll(
        double* v,
        long vRow,
        double* tau,
        int m,
        int count,
        double* c,
        long cRow,
        int n,
        bool transposed
    )
    {
        int blocks = (count + BlockSize - 1) / BlockSize;
        for (int b = 0; b < blocks; b++)
        {
            int first = (transposed ? b : blocks - 1 - b) * BlockSize;
            int block = Math.Min(BlockSize, count - first);
            Apply(v + first * vRow + first, vRow, tau + first, m - first, block, c + first * cRow, cRow, n, transposed);
        }
    }

    private static void Apply(
        double* v,
        long vRow,
        double* tau,
        int m,
        int block,
        double* c,
        long cRow,
        int n,
        bool transposed
    )
    {
        double* room = (double*)NativeMemory.Alloc((nuint)((long)m * block + 2L * block * n + block * block) * 8);
        double* clean = room;
        double* t = clean + (long)m * block;
        double* sums = t + block * block;
        double* weighted = sums + (long)block * n;
        new Span<double>(t, block * block).Clear();
        new Span<byte>(sums, checked(2 * block * n * 8)).Clear();
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < block; j++)
                clean[i * block + j] =
                    i == j ? 1
                    : i < j ? 0
                    : v[i * vRow + j];
        }
        // T[k, k] = τ, T[..k, k] = −τ · T[..k, ..k] · Vᵀ[..k] · v.
        double* dots = stackalloc double[BlockSize];
        for (int k = 0; k < block; k++)
        {
            t[k * block + k] = tau[k];
            for (int j = 0; j < k; j++)
                dots[j] = 0;
            for (int i = k; i < m; i++)
            {
                double* own = clean + (long)i * block;
                for (int j = 0; j < k; j++)
                    dots[j] += own[j] * own[k];
            }
            for (int i = 0; i < k; i++)
            {
                double sum = 0;
                for (int j = i; j < k; j++)
                    sum += t[i * block + j] * dots[j];
                t[i * block + k] = -tau[k] * sum;
            }
        }
        MatrixUpdate.Product(1, clean, 1, block, c, cRow, sums, n, block, n, m);
        MatrixUpdate.Product(
            1,
            t,
            transposed ? 1 : block,
            transposed ? block : 1,
            sums,
            n,
            weighted,
            n,
            block,
            n,
            block
        );
        MatrixUpdate.Product(-1, clean, block, 1, weighted, n, c, cRow, m, n, block);
        NativeMemory.Free(room);
    }

    /// <summary>The first columns of H₀ · H₁ · …: Q [m, columns].</summary>
    public static void Columns(double* v, long vRow, double* tau, int m, int count, double* q, int columns)
    {
        new Span<double>(q, checked(m * columns)).Clear();
        for (int i = 0; i < Math.Min(m, columns); i++)
            q[(long)i * columns + i] = 1;
        ApplyAll(v, vRow, tau, m, count, q, columns, columns, transposed: false);
    }
}
