using System.Collections.Concurrent;
using Picograd.Algorithms;

namespace Picograd.Fourier;

/// <summary>
/// Discrete Fourier transforms of rows, Σⱼ x[j] · e^(±2πi·jk/n), of any length: short ones are a matrix product, others are divided into
/// short ones (Cooley and Tukey, 1965), long primes become circular sums of a length that is a power of 2 (Bluestein, 1970). All of it is
/// tensor operators beside constants, so it runs on tuned products and is differentiated by itself.
/// </summary>
internal static class DiscreteTransform
{
    // Lengths whose matrix is multiplied by as it is; beyond it those that have no factors.
    private const int Direct = 64;
    private const int DirectPrime = 256;

    // Constants that are kept, in numbers.
    private const long MostKept = 1 << 24;

    private static readonly ConcurrentDictionary<
        (string Kind, long N, long M, int Sign, DType, Device),
        Tensor
    > s_constants = new();
    private static long s_kept;

    /// <summary>Rows [count, n] of real and, unless null, imaginary parts.</summary>
    public static (Tensor Real, Tensor Imag) Run(Tensor real, Tensor? imag, int sign)
    {
        long n = real.Size(1);
        if (n == 1)
            return (real, imag ?? Tensor.ZerosLike(real.Detach()));
        long first = FactorOf(n);
        return n <= Direct || (first == 1 && n <= DirectPrime) ? Multiplied(real, imag, sign)
            : first == 1 ? Chirped(real, imag, sign)
            : Divided(real, imag, first, sign);
    }

    // The largest divisor up to Direct; of what is their square at most the one next to the root.
    private static long FactorOf(long n)
    {
        long most = n <= Direct * Direct ? (long)Math.Sqrt(n) : Direct;
        for (long d = Math.Min(most, n - 1); d > 1; d--)
        {
            if (n % d == 0 && n / d <= Direct)
                return d;
        }
        for (long d = Math.Min(Direct, n - 1); d > 1; d--)
        {
            if (n % d == 0)
                return d;
        }
        return 1;
    }

    private static (Tensor, Tensor) Multiplied(Tensor real, Tensor? imag, int sign)
    {
        long n = real.Size(1);
        // [re, im] · [[C, S], [−S, C]].
        var result = imag is null
            ? real.MatMul(Kept("rows", n, 0, sign, real).Narrow(0, 0, n))
            : Tensor.Cat([real, imag], 1).MatMul(Kept("rows", n, 0, sign, real));
        return (result.Narrow(1, 0, n), result.Narrow(1, n, n));
    }

    private static (Tensor, Tensor) Divided(Tensor real, Tensor? imag, long first, int sign)
    {
        long count = real.Size(0);
        long n = real.Size(1);
        long second = n / first;
        var x = real.Reshape(count, first, second);
        var columns = Kept("columns", first, 0, sign, real);
        var sums = imag is null
            ? columns.Narrow(1, 0, first).MatMul(x)
            : columns.MatMul(Tensor.Cat([x, imag.Reshape(count, first, second)], 1));
        var (a, b) = (sums.Narrow(1, 0, first), sums.Narrow(1, first, first));
        var (c, s) = (Kept("cos", first, second, sign, real), Kept("sin", first, second, sign, real));
        var (re, im) = (a * c - b * s, a * s + b * c);
        (re, im) = Run(re.Reshape(count * first, second), im.Reshape(count * first, second), sign);
        Tensor Ordered(Tensor t) => t.Reshape(count, first, second).Transpose(1, 2).Reshape(count, n);
        return (Ordered(re), Ordered(im));
    }

    private static (Tensor, Tensor) Chirped(Tensor real, Tensor? imag, int sign)
    {
        long n = real.Size(1);
        long m = 1;
        while (m < 2 * n - 1)
            m *= 2;
        var (c, s) = (Kept("chirp cos", n, 0, sign, real), Kept("chirp sin", n, 0, sign, real));
        var (re, im) = imag is null ? (real * c, real * s) : (real * c - imag * s, real * s + imag * c);
        var zeros = Tensor.Zeros([real.Size(0), m - n], real.DType, real.Device);
        (re, im) = Run(Tensor.Cat([re, zeros], 1), Tensor.Cat([im, zeros], 1), -1);
        var (p, q) = (Kept("filter re", n, m, sign, real), Kept("filter im", n, m, sign, real));
        (re, im) = (re * p - im * q, re * q + im * p);
        (re, im) = Run(re, im, 1);
        (re, im) = (re.Narrow(1, 0, n), im.Narrow(1, 0, n));
        return (re * c - im * s, re * s + im * c);
    }

    private static Tensor Kept(string kind, long n, long m, int sign, Tensor like)
    {
        var key = (kind, n, m, sign, like.DType, like.Device);
        if (s_constants.TryGetValue(key, out var known))
            return known;
        using var off = Tensor.NoGrad();
        var made = Made(kind, n, m, sign).To(like.DType).ToDevice(like.Device).Keep();
        if (Interlocked.Add(ref s_kept, made.NumElements) > MostKept)
        {
            s_constants.Clear();
            Interlocked.Exchange(ref s_kept, made.NumElements);
        }
        s_constants[key] = made;
        return made;
    }

    private static Tensor Made(string kind, long n, long m, int sign)
    {
        // e^(sign · 2πi · a / b), exact at quarters.
        (double C, double S) Turn(Int128 a, long b)
        {
            long rest = (long)(a % b);
            var (s, c) = double.SinCosPi(2.0 * rest / b);
            return (c, sign * s);
        }
        switch (kind)
        {
            case "rows" or "columns":
                double[] both = new double[4 * n * n];
                for (long j = 0; j < n; j++)
                {
                    for (long k = 0; k < n; k++)
                    {
                        var (c, s) = Turn((Int128)j * k, n);
                        both[j * 2 * n + k] = c;
                        both[(n + j) * 2 * n + n + k] = c;
                        both[j * 2 * n + n + k] = kind == "rows" ? s : -s;
                        both[(n + j) * 2 * n + k] = kind == "rows" ? -s : s;
                    }
                }
                return Here(both, [2 * n, 2 * n]);
            case "cos" or "sin":
                double[] turns = new double[n * m];
                for (long k = 0; k < n; k++)
                {
                    for (long j = 0; j < m; j++)
                    {
                        var (c, s) = Turn((Int128)j * k, n * m);
                        turns[k * m + j] = kind == "cos" ? c : s;
                    }
                }
                return Here(turns, [n, m]);
            case "chirp cos" or "chirp sin":
                double[] chirp = new double[n];
                for (long j = 0; j < n; j++)
                {
                    var (c, s) = Turn((Int128)j * j, 2 * n);
                    chirp[j] = kind == "chirp cos" ? c : s;
                }
                return Here(chirp, [n]);
            default:
                double[] real = new double[m];
                double[] imag = new double[m];
                for (long j = 0; j < n; j++)
                {
                    var (c, s) = Turn((Int128)j * j, 2 * n);
                    (real[j], imag[j]) = (c / m, -s / m);
                    if (j > 0)
                        (real[m - j], imag[m - j]) = (c / m, -s / m);
                }
                var (re, im) = Run(Here(real, [1, m]), Here(imag, [1, m]), -1);
                return (kind == "filter re" ? re : im).Reshape(m);
        }
    }

    private static Tensor Here(double[] values, long[] shape) => Tensor.From(values, shape).Cpu();
}
