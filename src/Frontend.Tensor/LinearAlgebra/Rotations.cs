using System.Runtime.Intrinsics;

namespace Picograd.LinearAlgebra;

/// <summary>
/// Rotations of neighbouring rows of a matrix, noted as they are found and made later, some columns at a time: so a sweep over the rows
/// stays in the cache, and a row that two rotations in turn share in registers.
/// </summary>
internal sealed unsafe class Rotations(double* matrix, long row, int columns)
{
    private const int Most = 1 << 14;
    private const int Lanes = 8;
    private const double Small = 1e-280;

    private readonly List<(int A, int B, double C, double S)> _noted = [];

    /// <summary>Cosine and sine that turn (f, g) into (r, 0); of tiny ones too, whose root has few digits.</summary>
    public static (double C, double S, double R) Of(double f, double g)
    {
        double r = double.Hypot(f, g);
        if (r == 0)
            return (1, 0, 0);
        if (r > Small)
            return (f / r, g / r, r);
        var (c, s, scaled) = Of(f / Small, g / Small);
        return (c, s, scaled * Small);
    }

    /// <summary>Row a becomes c · a + s · b, row b becomes c · b − s · a.</summary>
    public void Add(int a, int b, double c, double s)
    {
        if (columns == 0)
            return;
        _noted.Add((a, b, c, s));
        if (_noted.Count >= Most)
            Flush();
    }

    /// <summary>Makes what was noted.</summary>
    public void Flush()
    {
        int whole = columns / (4 * Lanes);
        if (whole > 1 && Tensor.NumThreads > 1 && (long)_noted.Count * columns > 1 << 18)
            Parallel.For(
                0,
                whole,
                new ParallelOptions { MaxDegreeOfParallelism = Tensor.NumThreads },
                i => Wide(matrix + i * 4 * Lanes)
            );
        else
        {
            for (int i = 0; i < whole; i++)
                Wide(matrix + i * 4 * Lanes);
        }
        for (int at = whole * 4 * Lanes; at < columns; at++)
        {
            double* column = matrix + at;
            foreach (var (a, b, c, s) in _noted)
            {
                double x = column[a * row];
                double y = column[b * row];
                column[a * row] = c * x + s * y;
                column[b * row] = c * y - s * x;
            }
        }
        _noted.Clear();
    }

    private void Wide(double* columns)
    {
        int last = -1;
        Vector512<double> v0 = default,
            v1 = default,
            v2 = default,
            v3 = default;
        var noted = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_noted);
        for (int i = 0; i < noted.Length; i++)
        {
            var (a, b, c, s) = noted[i];
            // One of the two rows goes on to the next rotation.
            bool goesA = i + 1 < noted.Length && (noted[i + 1].A == a || noted[i + 1].B == a);
            double* rowA = columns + a * row;
            double* rowB = columns + b * row;
            var (cosine, sine) = (Vector512.Create(c), Vector512.Create(s));
            bool hasA = last == a;
            bool hasB = last == b;
            var x0 = hasA ? v0 : Vector512.Load(rowA);
            var x1 = hasA ? v1 : Vector512.Load(rowA + Lanes);
            var x2 = hasA ? v2 : Vector512.Load(rowA + 2 * Lanes);
            var x3 = hasA ? v3 : Vector512.Load(rowA + 3 * Lanes);
            var y0 = hasB ? v0 : Vector512.Load(rowB);
            var y1 = hasB ? v1 : Vector512.Load(rowB + Lanes);
            var y2 = hasB ? v2 : Vector512.Load(rowB + 2 * Lanes);
            var y3 = hasB ? v3 : Vector512.Load(rowB + 3 * Lanes);
            var p0 = cosine * x0 + sine * y0;
            var p1 = cosine * x1 + sine * y1;
            var p2 = cosine * x2 + sine * y2;
            var p3 = cosine * x3 + sine * y3;
            y0 = cosine * y0 - sine * x0;
            y1 = cosine * y1 - sine * x1;
            y2 = cosine * y2 - sine * x2;
            y3 = cosine * y3 - sine * x3;
            if (goesA)
            {
                (v0, v1, v2, v3) = (p0, p1, p2, p3);
                last = a;
                y0.Store(rowB);
                y1.Store(rowB + Lanes);
                y2.Store(rowB + 2 * Lanes);
                y3.Store(rowB + 3 * Lanes);
                continue;
            }
            p0.Store(rowA);
            p1.Store(rowA + Lanes);
            p2.Store(rowA + 2 * Lanes);
            p3.Store(rowA + 3 * Lanes);
            bool goesB = i + 1 < noted.Length && (noted[i + 1].A == b || noted[i + 1].B == b);
            if (goesB)
            {
                (v0, v1, v2, v3) = (y0, y1, y2, y3);
                last = b;
                continue;
            }
            y0.Store(rowB);
            y1.Store(rowB + Lanes);
            y2.Store(rowB + 2 * Lanes);
            y3.Store(rowB + 3 * Lanes);
            last = -1;
        }
    }
}
