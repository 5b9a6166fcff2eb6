namespace Picograd.LinearAlgebra;

/// <summary>
/// Eigenvalues and vectors of any real float64 matrix: Hessenberg's form by reflections, then steps of QR with double shifts (EISPACK's orthes
/// and hqr2; Wilkinson and Reinsch, 1971).
/// </summary>
internal sealed class GeneralEigen
{
    private const double Epsilon = 2.220446049250313e-16;
    private const int MostSteps = 60;

    private readonly int _size;
    private readonly double[,] _h;
    private readonly double[,] _v;
    private readonly double[] _ort;
    private double _norm;

    /// <param name="a">[n, n] in dense rows.</param>
    /// <param name="n">Its side.</param>
    public GeneralEigen(ReadOnlySpan<double> a, int n)
    {
        _size = n;
        (_h, _v, _ort) = (new double[n, n], new double[n, n], new double[n]);
        (Real, Imag) = (new double[n], new double[n]);
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
                _h[i, j] = a[i * n + j];
        }
    }

    /// <summary>Real parts of the eigenvalues.</summary>
    public double[] Real { get; }

    /// <summary>Imaginary parts; of a pair of conjugates the first is positive.</summary>
    public double[] Imag { get; }

    /// <summary>Whether the steps came to an end.</summary>
    public bool Run()
    {
        Reduce();
        if (!Iterate())
            return false;
        if (_norm > 0)
            Substitute();
        return true;
    }

    /// <summary>Component i of vector j, of length 1 with a real largest component.</summary>
    public void Vectors(Action<int, int, double, double> store)
    {
        for (int j = 0; j < _size; j++)
        {
            // Real and imaginary parts of a pair lie side by side.
            int re = Imag[j] < 0 ? j - 1 : j;
            double sign =
                Imag[j] == 0 ? 0
                : Imag[j] > 0 ? 1
                : -1;
            (double Re, double Im) At(int i) => (_v[i, re], sign == 0 ? 0 : sign * _v[i, re + 1]);
            double largest = 0;
            double squares = 0;
            var phase = (Re: 1.0, Im: 0.0);
            for (int i = 0; i < _size; i++)
                largest = Math.Max(largest, double.Hypot(At(i).Re, At(i).Im));
            double top = -1;
            for (int i = 0; i < _size && largest > 0; i++)
            {
                var (x, y) = (At(i).Re / largest, At(i).Im / largest);
                double size = x * x + y * y;
                squares += size;
                if (size > top * (1 + 1e-12))
                    (top, phase) = (size, sign == 0 ? (1, 0) : (x / Math.Sqrt(size), -y / Math.Sqrt(size)));
            }
            double length = largest * Math.Sqrt(squares);
            for (int i = 0; i < _size; i++)
            {
                var (x, y) = At(i);
                if (length > 0)
                    (x, y) = (x / length, y / length);
                store(i, j, x * phase.Re - y * phase.Im, x * phase.Im + y * phase.Re);
            }
        }
    }

    private void Reduce()
    {
        int high = _size - 1;
        for (int m = 1; m < high; m++)
        {
            double scale = 0;
            for (int i = m; i <= high; i++)
                scale += Math.Abs(_h[i, m - 1]);
            if (scale == 0)
                continue;
            double h = 0;
            for (int i = high; i >= m; i--)
            {
                _ort[i] = _h[i, m - 1] / scale;
                h += _ort[i] * _ort[i];
            }
            double g = _ort[m] > 0 ? -Math.Sqrt(h) : Math.Sqrt(h);
            h -= _ort[m] * g;
            _ort[m] -= g;
            for (int j = m; j < _size; j++)
            {
                double f = 0;
                for (int i = high; i >= m; i--)
                    f += _ort[i] * _h[i, j];
                f /= h;
                for (int i = m; i <= high; i++)
                    _h[i, j] -= f * _ort[i];
            }
            for (int i = 0; i <= high; i++)
            {
                double f = 0;
                for (int j = high; j >= m; j--)
                    f += _ort[j] * _h[i, j];
                f /= h;
                for (int j = m; j <= high; j++)
                    _h[i, j] -= f * _ort[j];
            }
            _ort[m] *= scale;
            _h[m, m - 1] = scale * g;
        }
        for (int i = 0; i < _size; i++)
            _v[i, i] = 1;
        for (int m = high - 1; m >= 1; m--)
        {
            if (_h[m, m - 1] == 0)
                continue;
            for (int i = m + 1; i <= high; i++)
                _ort[i] = _h[i, m - 1];
            for (int j = m; j <= high; j++)
            {
                double g = 0;
                for (int i = m; i <= high; i++)
                    g += _ort[i] * _v[i, j];
                g = g / _ort[m] / _h[m, m - 1];
                for (int i = m; i <= high; i++)
                    _v[i, j] += g * _ort[i];
            }
        }
    }

    private bool Iterate()
    {
        for (int i = 0; i < _size; i++)
        {
            for (int j = Math.Max(i - 1, 0); j < _size; j++)
                _norm += Math.Abs(_h[i, j]);
        }
        double shifted = 0;
        int steps = 0;
        int n = _size - 1;
        while (n >= 0)
        {
            int l = n;
            for (; l > 0; l--)
            {
                double size = Math.Abs(_h[l - 1, l - 1]) + Math.Abs(_h[l, l]);
                if (Math.Abs(_h[l, l - 1]) < Epsilon * (size == 0 ? _norm : size) || _h[l, l - 1] == 0)
                    break;
            }
            if (l == n)
            {
                _h[n, n] += shifted;
                (Real[n], Imag[n]) = (_h[n, n], 0);
                n--;
                steps = 0;
            }
            else if (l == n - 1)
            {
                Pair(n, shifted);
                n -= 2;
                steps = 0;
            }
            else
            {
                if (steps == MostSteps)
                    return false;
                Step(l, n, steps++, ref shifted);
            }
        }
        return true;
    }

    private void Pair(int n, double shifted)
    {
        double w = _h[n, n - 1] * _h[n - 1, n];
        double p = (_h[n - 1, n - 1] - _h[n, n]) / 2;
        double q = p * p + w;
        double z = Math.Sqrt(Math.Abs(q));
        _h[n, n] += shifted;
        _h[n - 1, n - 1] += shifted;
        double x = _h[n, n];
        if (q < 0)
        {
            (Real[n - 1], Real[n]) = (x + p, x + p);
            (Imag[n - 1], Imag[n]) = (z, -z);
            return;
        }
        z = p >= 0 ? p + z : p - z;
        Real[n - 1] = x + z;
        Real[n] = z != 0 ? x - w / z : x + z;
        (Imag[n - 1], Imag[n]) = (0, 0);
        x = _h[n, n - 1];
        double s = Math.Abs(x) + Math.Abs(z);
        (p, q) = (x / s, z / s);
        double r = Math.Sqrt(p * p + q * q);
        (p, q) = (p / r, q / r);
        for (int j = n - 1; j < _size; j++)
            (_h[n - 1, j], _h[n, j]) = (q * _h[n - 1, j] + p * _h[n, j], q * _h[n, j] - p * _h[n - 1, j]);
        for (int i = 0; i <= n; i++)
            (_h[i, n - 1], _h[i, n]) = (q * _h[i, n - 1] + p * _h[i, n], q * _h[i, n] - p * _h[i, n - 1]);
        for (int i = 0; i < _size; i++)
            (_v[i, n - 1], _v[i, n]) = (q * _v[i, n - 1] + p * _v[i, n], q * _v[i, n] - p * _v[i, n - 1]);
    }

    private void Step(int l, int n, int steps, ref double shifted)
    {
        double x = _h[n, n];
        double y = _h[n - 1, n - 1];
        double w = _h[n, n - 1] * _h[n - 1, n];
        double p = 0,
            q = 0,
            r = 0,
            s,
            z;
        // Wilkinson's shifts where the usual ones go round in circles.
        if (steps is 10 or 40)
        {
            shifted += x;
            for (int i = 0; i <= n; i++)
                _h[i, i] -= x;
            s = Math.Abs(_h[n, n - 1]) + Math.Abs(_h[n - 1, n - 2]);
            x = y = 0.75 * s;
            w = -0.4375 * s * s;
        }
        if (steps == 30)
        {
            s = (y - x) / 2;
            s = s * s + w;
            if (s > 0)
            {
                s = y < x ? -Math.Sqrt(s) : Math.Sqrt(s);
                s = x - w / ((y - x) / 2 + s);
                for (int i = 0; i <= n; i++)
                    _h[i, i] -= s;
                shifted += s;
                x = y = w = 0.964;
            }
        }
        int m = n - 2;
        for (; m >= l; m--)
        {
            z = _h[m, m];
            r = x - z;
            s = y - z;
            p = (r * s - w) / _h[m + 1, m] + _h[m, m + 1];
            q = _h[m + 1, m + 1] - z - r - s;
            r = _h[m + 2, m + 1];
            s = Math.Abs(p) + Math.Abs(q) + Math.Abs(r);
            (p, q, r) = (p / s, q / s, r / s);
            if (m == l)
                break;
            double beside = Math.Abs(_h[m - 1, m - 1]) + Math.Abs(z) + Math.Abs(_h[m + 1, m + 1]);
            if (Math.Abs(_h[m, m - 1]) * (Math.Abs(q) + Math.Abs(r)) < Epsilon * (Math.Abs(p) * beside))
                break;
        }
        for (int i = m + 2; i <= n; i++)
        {
            _h[i, i - 2] = 0;
            if (i > m + 2)
                _h[i, i - 3] = 0;
        }
        for (int k = m; k < n; k++)
        {
            bool three = k != n - 1;
            if (k != m)
            {
                p = _h[k, k - 1];
                q = _h[k + 1, k - 1];
                r = three ? _h[k + 2, k - 1] : 0;
                x = Math.Abs(p) + Math.Abs(q) + Math.Abs(r);
                if (x == 0)
                    break;
                (p, q, r) = (p / x, q / x, r / x);
            }
            s = Math.Sqrt(p * p + q * q + r * r);
            if (p < 0)
                s = -s;
            if (s == 0)
                continue;
            if (k != m)
                _h[k, k - 1] = -s * x;
            else if (l != m)
                _h[k, k - 1] = -_h[k, k - 1];
            p += s;
            (x, y, z) = (p / s, q / s, r / s);
            (q, r) = (q / p, r / p);
            for (int j = k; j < _size; j++)
            {
                double sum = _h[k, j] + q * _h[k + 1, j];
                if (three)
                {
                    sum += r * _h[k + 2, j];
                    _h[k + 2, j] -= sum * z;
                }
                _h[k, j] -= sum * x;
                _h[k + 1, j] -= sum * y;
            }
            Columns(_h, Math.Min(n, k + 3) + 1, k, three, (x, y, z), (q, r));
            Columns(_v, _size, k, three, (x, y, z), (q, r));
        }
    }

    private static void Columns(
        double[,] of,
        int rows,
        int k,
        bool three,
        (double X, double Y, double Z) v,
        (double Q, double R) w
    )
    {
        for (int i = 0; i < rows; i++)
        {
            double sum = v.X * of[i, k] + v.Y * of[i, k + 1];
            if (three)
            {
                sum += v.Z * of[i, k + 2];
                of[i, k + 2] -= sum * w.R;
            }
            of[i, k] -= sum;
            of[i, k + 1] -= sum * w.Q;
        }
    }

    // Vectors of the triangular form, then of the matrix.
    private void Substitute()
    {
        for (int n = _size - 1; n >= 0; n--)
        {
            if (Imag[n] == 0)
                RealVector(n);
            else if (Imag[n] < 0)
                ComplexVector(n);
        }
        for (int j = _size - 1; j >= 0; j--)
        {
            for (int i = 0; i < _size; i++)
            {
                double sum = 0;
                for (int k = 0; k <= j; k++)
                    sum += _v[i, k] * _h[k, j];
                _v[i, j] = sum;
            }
        }
    }

    private void RealVector(int n)
    {
        double p = Real[n];
        double z = 0,
            s = 0;
        int l = n;
        _h[n, n] = 1;
        for (int i = n - 1; i >= 0; i--)
        {
            double w = _h[i, i] - p;
            double r = 0;
            for (int j = l; j <= n; j++)
                r += _h[i, j] * _h[j, n];
            if (Imag[i] < 0)
            {
                (z, s) = (w, r);
                continue;
            }
            l = i;
            if (Imag[i] == 0)
                _h[i, n] = -r / (w != 0 ? w : Epsilon * _norm);
            else
            {
                double x = _h[i, i + 1];
                double y = _h[i + 1, i];
                double q = (Real[i] - p) * (Real[i] - p) + Imag[i] * Imag[i];
                double t = (x * s - z * r) / q;
                _h[i, n] = t;
                _h[i + 1, n] = Math.Abs(x) > Math.Abs(z) ? (-r - w * t) / x : (-s - y * t) / z;
            }
            double size = Math.Abs(_h[i, n]);
            if (Epsilon * size * size > 1)
            {
                for (int j = i; j <= n; j++)
                    _h[j, n] /= size;
            }
        }
    }

    private static (double, double) Quotient(double a, double b, double c, double d)
    {
        var quotient = new System.Numerics.Complex(a, b) / new System.Numerics.Complex(c, d);
        return (quotient.Real, quotient.Imaginary);
    }

    private void ComplexVector(int n)
    {
        double p = Real[n];
        double q = Imag[n];
        double z = 0,
            r = 0,
            s = 0;
        int l = n - 1;
        if (Math.Abs(_h[n, n - 1]) > Math.Abs(_h[n - 1, n]))
            (_h[n - 1, n - 1], _h[n - 1, n]) = (q / _h[n, n - 1], -(_h[n, n] - p) / _h[n, n - 1]);
        else
            (_h[n - 1, n - 1], _h[n - 1, n]) = Quotient(0, -_h[n - 1, n], _h[n - 1, n - 1] - p, q);
        (_h[n, n - 1], _h[n, n]) = (0, 1);
        for (int i = n - 2; i >= 0; i--)
        {
            double ra = 0,
                sa = 0;
            for (int j = l; j <= n; j++)
            {
                ra += _h[i, j] * _h[j, n - 1];
                sa += _h[i, j] * _h[j, n];
            }
            double w = _h[i, i] - p;
            if (Imag[i] < 0)
            {
                (z, r, s) = (w, ra, sa);
                continue;
            }
            l = i;
            if (Imag[i] == 0)
                (_h[i, n - 1], _h[i, n]) = Quotient(-ra, -sa, w, q);
            else
            {
                double x = _h[i, i + 1];
                double y = _h[i + 1, i];
                double vr = (Real[i] - p) * (Real[i] - p) + Imag[i] * Imag[i] - q * q;
                double vi = (Real[i] - p) * 2 * q;
                if (vr == 0 && vi == 0)
                    vr = Epsilon * _norm * (Math.Abs(w) + Math.Abs(q) + Math.Abs(x) + Math.Abs(y) + Math.Abs(z));
                var (re, im) = Quotient(x * r - z * ra + q * sa, x * s - z * sa - q * ra, vr, vi);
                (_h[i, n - 1], _h[i, n]) = (re, im);
                (_h[i + 1, n - 1], _h[i + 1, n]) =
                    Math.Abs(x) > Math.Abs(z) + Math.Abs(q)
                        ? ((-ra - w * re + q * im) / x, (-sa - w * im - q * re) / x)
                        : Quotient(-r - y * re, -s - y * im, z, q);
            }
            double size = Math.Max(Math.Abs(_h[i, n - 1]), Math.Abs(_h[i, n]));
            if (Epsilon * size * size > 1)
            {
                for (int j = i; j <= n; j++)
                {
                    _h[j, n - 1] /= size;
                    _h[j, n] /= size;
                }
            }
        }
    }
}
