using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// Numbers of gamma distributions of rate 1: the place at which the distribution function reaches a uniform number, one draw each. On the
/// host, in float64, since the place is found by steps. Its slope along the concentration follows from that function's slopes, so that it has
/// a gradient (Figurnov and others, 2018), once.
/// </summary>
internal sealed class GammaDraw(Generator? generator) : Function
{
    protected override bool OnceDifferentiable => true;

    public static Tensor Of(Tensor concentration, Generator? generator) =>
        new GammaDraw(generator).Apply(concentration);

    public override Tensor Forward(FunctionContext context, params Tensor[] inputs)
    {
        var a = inputs[0];
        var uniform = Tensor.Rand(a.Shape, generator, DType.Float64, a.Device);
        var drawn = Each(uniform, a, Quantile);
        // As PyTorch, never 0, of which there is no logarithm.
        drawn = drawn.To(a.DType).Clamp(min: Math.Max(1.18e-38, a.DType == DType.Float16 ? 6.2e-5 : 0));
        context.SaveForBackward(a, drawn);
        return drawn;
    }

    public override Tensor?[] Backward(FunctionContext context, Tensor gradient)
    {
        var (a, drawn) = (context.SavedTensors[0], context.SavedTensors[1]);
        return [gradient * Each(drawn, a, Slope).To(a.DType)];
    }

    /// <summary>Logarithms in float64, of which small concentrations make many that no number of the dtype is.</summary>
    public static Tensor LogOf(Tensor concentration, Generator? generator) =>
        new Logarithms(generator).Apply(concentration);

    private sealed class Logarithms(Generator? generator) : Function
    {
        // Below its exponential the distribution function is xᵃ / Γ(a + 1) to 8 places.
        private const double Small = -18.42;

        protected override bool OnceDifferentiable => true;

        public override Tensor Forward(FunctionContext context, params Tensor[] inputs)
        {
            var a = inputs[0];
            var uniform = Tensor.Rand(a.Shape, generator, DType.Float64, a.Device);
            var drawn = Each(uniform, a, LogQuantile);
            context.SaveForBackward(a, drawn);
            return drawn;
        }

        public override Tensor?[] Backward(FunctionContext context, Tensor gradient)
        {
            var (a, drawn) = (context.SavedTensors[0], context.SavedTensors[1]);
            return [(gradient * Each(drawn, a, LogSlope)).To(a.DType)];
        }

        private static double LogQuantile(double u, double a)
        {
            u = Math.Max(u, Math.ScaleB(1, -54));
            double log = (Math.Log(u) + LogGamma(a + 1)) / a;
            return a < 1 && log < Small ? log : Math.Log(Quantile(u, a));
        }

        private static double LogSlope(double log, double a)
        {
            if (a < 1 && log < Small)
            {
                const double H = 1e-4;
                double digamma = (LogGamma(a + 1 + H) - LogGamma(a + 1 - H)) / (2 * H);
                return (digamma - log) / a;
            }
            double x = Math.Exp(log);
            return Slope(x, a) / x;
        }
    }

    private static Tensor Each(Tensor x, Tensor a, Func<double, double, double> function)
    {
        if (x.Device.IsMeta)
            return Tensor.Empty(x.Shape, DType.Float64, x.Device);
        double[] values = x.ToDoubles();
        double[] concentrations = a.ToDoubles();
        for (int i = 0; i < values.Length; i++)
            values[i] = function(values[i], concentrations[i]);
        return Tensor.From(values, x.Shape).ToDevice(x.Device);
    }

    // P(a, x) and Q(a, x) = 1 − P, each without cancellation: the series below a + 1, else Lentz's continued fraction.
    internal static (double Lower, double Upper) Regularized(double a, double x)
    {
        if (double.IsNaN(a) || double.IsNaN(x))
            return (double.NaN, double.NaN);
        if (x <= 0)
            return (0, 1);
        if (double.IsPositiveInfinity(x))
            return (1, 0);
        double front = Math.Exp(a * Math.Log(x) - x - LogGamma(a));
        if (x < a + 1)
        {
            double term = 1 / a;
            double sum = term;
            for (double n = a + 1; term > sum * 1e-17; n++)
                sum += term *= x / n;
            double lower = Math.Min(1, front * sum);
            return (lower, 1 - lower);
        }
        double b = x + 1 - a;
        double c = 1e300;
        double d = 1 / b;
        double h = d;
        for (int i = 1; i < 100_000; i++)
        {
            double k = -i * (i - a);
            b += 2;
            d = 1 / NotZero(k * d + b);
            c = NotZero(b + k / c);
            double factor = c * d;
            h *= factor;
            if (Math.Abs(factor - 1) < 1e-15)
                break;
        }
        double upper = Math.Min(1, front * h);
        return (1 - upper, upper);
    }

    // Newton's steps, halved where they would leave what is left of the range, from Wilson and Hilferty's place.
    private static double Quantile(double u, double a)
    {
        if (a == 0)
            return 0;
        if (!(a > 0) || double.IsInfinity(a))
            return double.NaN;
        if (u <= 0)
            return 0;
        double log = LogGamma(a);
        double x;
        if (a < 1)
        {
            // Near 0 the function is xᵃ / Γ(a + 1).
            x = Math.Exp((Math.Log(u) + LogGamma(a + 1)) / a);
            if (x < 1e-8)
                return x;
            x = Math.Min(x, 1 + 50 / (1 - Math.Min(u, 0.999)));
        }
        else
        {
            double z = Normal(u);
            double t = 1 - 1 / (9 * a) + z / (3 * Math.Sqrt(a));
            x = Math.Max(a * t * t * t, a * 1e-3);
        }
        var (low, high) = (0.0, double.PositiveInfinity);
        double last = double.PositiveInfinity;
        for (int i = 0; i < 200; i++)
        {
            var (lower, upper) = Regularized(a, x);
            double error = u < 0.5 ? lower - u : 1 - u - upper;
            if (error > 0)
                high = x;
            else
                low = x;
            double density = Math.Exp((a - 1) * Math.Log(x) - x - log);
            double step = error / density;
            // Halley's correction.
            double curved = step * ((a - 1) / x - 1) / 2;
            double next = x - step / Math.Max(0.5, 1 - curved);
            if (!(next > low && next < high))
                next = double.IsInfinity(high) ? x * 2 : (low + high) / 2;
            double moved = Math.Abs(next - x);
            // From where rounding decides on steps do not become shorter.
            if (moved <= 1e-14 * x || (i > 4 && moved >= last && moved < 1e-9 * x))
                return next;
            (x, last) = (next, moved);
        }
        return x;
    }

    // −(∂P/∂a) / (∂P/∂x), of five places.
    private static double Slope(double x, double a)
    {
        double h = 1e-3 * Math.Min(a, Math.Sqrt(a));
        // The smaller of both functions is the precise one.
        bool isLower = x < a + 1;
        double At(double place)
        {
            var (lower, upper) = Regularized(place, x);
            return isLower ? lower : -upper;
        }
        double along = (8 * (At(a + h) - At(a - h)) - (At(a + 2 * h) - At(a - 2 * h))) / (12 * h);
        double density = Math.Exp((a - 1) * Math.Log(x) - x - LogGamma(a));
        // Where both vanish, near 0, x is (u · Γ(a + 1))^(1/a), and far out the slope tends to 1.
        if (along == 0 || density == 0)
            return x < a ? 0 : 1;
        return -along / density;
    }

    // Stirling's series from 16 on.
    private static double LogGamma(double x)
    {
        double shift = 0;
        for (; x < 16; x++)
            shift += Math.Log(x);
        double r = 1 / x;
        double s = r * r;
        return (x - 0.5) * Math.Log(x)
            - x
            + 0.91893853320467274178
            + r * (1.0 / 12 - s * (1.0 / 360 - s * (1.0 / 1260 - s * (1.0 / 1680 - s / 1188))))
            - shift;
    }

    // A place to begin at is enough (Abramowitz and Stegun 26.2.23, ± 4.5e-4).
    private static double Normal(double u)
    {
        double tail = Math.Min(u, 1 - u);
        double t = Math.Sqrt(-2 * Math.Log(Math.Max(tail, 1e-300)));
        double z =
            t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
        return u < 0.5 ? -z : z;
    }

    private static double NotZero(double x) => x == 0 ? 1e-300 : x;
}
