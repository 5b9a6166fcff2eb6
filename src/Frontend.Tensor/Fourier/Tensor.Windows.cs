using Picograd.Algorithms;

namespace Picograd;

// Windows of signals. Periodic ones are the first n of one that is symmetric and one longer.
public sealed partial class Tensor
{
    private static Tensor Window(
        string what,
        long length,
        bool periodic,
        DType dtype,
        Device? device,
        Func<double, double, double> at
    )
    {
        if (length < 0 || length > Array.MaxLength)
            throw new ArgumentException($"{what}: windowLength is {length}, but must be from 0 to {Array.MaxLength}.");
        if (!dtype.IsFloat())
            throw new ArgumentException($"{what}: windows are floats, but {dtype.Name()} was asked for.");
        double[] values = new double[length];
        double last = periodic ? length : length - 1;
        for (long i = 0; i < length; i++)
            values[i] = length == 1 ? 1 : at(i, last);
        return From(values, [length]).To(dtype).ToDevice(device ?? DeviceScope.Current);
    }

    /// <summary>sin²(πi / n).</summary>
    public static Tensor HannWindow(
        long windowLength,
        bool periodic = true,
        DType dtype = DType.Float32,
        Device? device = null
    ) => HammingWindow("hann_window", windowLength, periodic, 0.5, 0.5, dtype, device);

    /// <summary>α − β cos(2πi / n).</summary>
    public static Tensor HammingWindow(
        long windowLength,
        bool periodic = true,
        double alpha = 0.54,
        double beta = 0.46,
        DType dtype = DType.Float32,
        Device? device = null
    ) => HammingWindow("hamming_window", windowLength, periodic, alpha, beta, dtype, device);

    private static Tensor HammingWindow(
        string what,
        long length,
        bool periodic,
        double alpha,
        double beta,
        DType dtype,
        Device? device
    ) => Window(what, length, periodic, dtype, device, (i, n) => alpha - beta * Math.Cos(2 * Math.PI * i / n));

    /// <summary>0.42 − 0.5 cos(2πi / n) + 0.08 cos(4πi / n).</summary>
    public static Tensor BlackmanWindow(
        long windowLength,
        bool periodic = true,
        DType dtype = DType.Float32,
        Device? device = null
    ) =>
        Window(
            "blackman_window",
            windowLength,
            periodic,
            dtype,
            device,
            (i, n) => 0.42 - 0.5 * Math.Cos(2 * Math.PI * i / n) + 0.08 * Math.Cos(4 * Math.PI * i / n)
        );

    /// <summary>1 − |2i / n − 1|.</summary>
    public static Tensor BartlettWindow(
        long windowLength,
        bool periodic = true,
        DType dtype = DType.Float32,
        Device? device = null
    ) => Window("bartlett_window", windowLength, periodic, dtype, device, (i, n) => 1 - Math.Abs(2 * i / n - 1));

    /// <summary>I₀(β √(1 − (2i / n − 1)²)) / I₀(β).</summary>
    public static Tensor KaiserWindow(
        long windowLength,
        bool periodic = true,
        double beta = 12,
        DType dtype = DType.Float32,
        Device? device = null
    ) =>
        Window(
            "kaiser_window",
            windowLength,
            periodic,
            dtype,
            device,
            (i, n) =>
            {
                double x = 2 * i / n - 1;
                return Bessel(beta * Math.Sqrt(Math.Max(0, 1 - x * x))) / Bessel(beta);
            }
        );

    // I₀ by its series, whose terms are all positive.
    private static double Bessel(double x)
    {
        double term = 1;
        double sum = 1;
        for (int k = 1; term > sum * 1e-17; k++)
        {
            term *= x / (2 * k) * (x / (2 * k));
            sum += term;
        }
        return sum;
    }
}
