using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Calls;

namespace Picograd;

/// <summary>
/// Functions whose expressions are too long for float32 to be worth its own: float64 throughout, by series that are exact to rounding
/// where they are used. They are compositions, so that derivatives follow where none is written.
/// </summary>
internal static class SpecialFunctions
{
    // From here on Stirling's series is exact to rounding; smaller arguments are raised.
    private const int Raised = 8;

    private static Expr C(double value) => Op.Const(value, DType.Float64);

    // A function of float64, whatever the dtype that it is called with.
    private static ScalarFunction Wide(string name, Func<Expr, Expr> function) =>
        ScalarFunction.Composed(name, x => Op.Cast(x.Type, function(Op.Cast(DType.Float64, x))));

    private static Expr Wide(Expr x) => Op.Cast(DType.Float64, x);

    private static Expr Horner(Expr x, params ReadOnlySpan<double> ascending)
    {
        var sum = C(ascending[^1]);
        for (int i = ascending.Length - 2; i >= 0; i--)
            sum = Op.Fma(sum, x, C(ascending[i]));
        return sum;
    }

    // What is left of x beside the nearest whole number.
    private static Expr Rest(Expr x) => x - Op.Round(x);

    public static readonly ScalarFunction Digamma = Wide(
        "digamma",
        x =>
        {
            var below = x < C(0.5);
            var z = Op.Select(below, C(1) - x, x);
            var small = z < C(Raised);
            var w = Op.Select(small, z + C(Raised), z);
            var s = C(1) / (w * w);
            var psi =
                Op.Log(w)
                - C(0.5) / w
                - s
                    * Horner(
                        s,
                        1.0 / 12,
                        -1.0 / 120,
                        1.0 / 252,
                        -1.0 / 240,
                        1.0 / 132,
                        -691.0 / 32760,
                        1.0 / 12,
                        -3617.0 / 8160
                    );
            var lowered = C(0);
            for (int k = 0; k < Raised; k++)
                lowered = lowered + C(1) / (z + C(k));
            psi = Op.Select(small, psi - lowered, psi);
            var reflected = psi - C(Math.PI) / Op.Tan(C(Math.PI) * Rest(x));
            // −∞ at 0, at whole numbers below it no number.
            var atPole = Op.And(Op.Eq(Rest(x), C(0)), x < C(0));
            return Op.Select(below, Op.Select(atPole, C(double.NaN), reflected), psi);
        }
    );

    public static readonly ScalarFunction LogGamma = Wide(
        "lgamma",
        x =>
        {
            var below = x < C(0.5);
            var z = Op.Select(below, C(1) - x, x);
            var small = z < C(Raised);
            var w = Op.Select(small, z + C(Raised), z);
            var r = C(1) / w;
            var series =
                r
                * Horner(
                    r * r,
                    1.0 / 12,
                    -1.0 / 360,
                    1.0 / 1260,
                    -1.0 / 1680,
                    1.0 / 1188,
                    -691.0 / 360360,
                    1.0 / 156,
                    -3617.0 / 122400
                );
            var log = (w - C(0.5)) * Op.Log(w) - w + C(0.91893853320467274178) + series;
            var product = z;
            for (int k = 1; k < Raised; k++)
                product = product * (z + C(k));
            log = Op.Select(small, log - Op.Log(product), log);
            var reflected = Op.Log(C(Math.PI) / Op.Abs(Op.Sin(C(Math.PI) * Rest(x)))) - log;
            return Op.Select(Op.IsInf(x), C(double.PositiveInfinity), Op.Select(below, reflected, log));
        }
    ) with
    {
        Derivatives = [(x, y, g) => g * Op.Call(Digamma, x[0])],
    };

    // Giles' polynomials (2010), then two steps of Halley with what is exact at either end.
    public static readonly ScalarFunction ErfInv = Wide(
        "erfinv",
        x =>
        {
            var a = Op.Abs(x);
            var rest = C(1) - a;
            var w = -Op.Log(rest * (C(1) + a));
            var root = Op.Sqrt(w) - C(3);
            var near = Horner(
                w - C(2.5),
                1.50140941,
                0.246640727,
                -0.00417768164,
                -0.00125372503,
                0.00021858087,
                -4.39150654e-06,
                -3.5233877e-06,
                3.43273939e-07,
                2.81022636e-08
            );
            var far = Horner(
                root,
                2.83297682,
                1.00167406,
                0.00943887047,
                -0.0076224613,
                0.00573950773,
                -0.00367342844,
                0.00134934322,
                0.000100950558,
                -0.000200214257
            );
            var y = Op.Select(w < C(5), near, far) * a;
            for (int step = 0; step < 2; step++)
            {
                var off = Op.Select(a < C(0.5), Op.Erf(y) - a, rest - Op.Erfc(y));
                var d = off / (C(1.1283791670955126) * Op.Exp(-(y * y)));
                y = y - d / (C(1) + y * d);
            }
            var size = Op.Select(Op.Eq(a, C(1)), C(double.PositiveInfinity), y);
            return Op.Select(x < C(0), -size, size);
        }
    ) with
    {
        Derivatives = [(x, y, g) => g * Op.Cast(g.Type, C(0.88622692545275801) * Op.Exp(Wide(y) * Wide(y)))],
    };

    // What the rounding of x² leaves is put back, up to where erfc is too small; then the series in 1 / x².
    private const double FarFrom = 25;

    public static readonly ScalarFunction ErfCX = Wide(
        "erfcx",
        x =>
        {
            var near = Op.Min(x, C(FarFrom));
            var square = near * near;
            var rest = Op.Fma(near, near, -square);
            var scale = Op.Exp(square);
            var product = scale * Op.Erfc(near) * (C(1) + rest);
            var r = C(1) / Op.Max(x, C(FarFrom));
            double[] terms = new double[9];
            terms[0] = 0.56418958354775628695;
            for (int k = 1; k < terms.Length; k++)
                terms[k] = -terms[k - 1] * (k - 0.5);
            var far = r * Horner(r * r, terms);
            var value = Op.Select(x < C(-27), C(double.PositiveInfinity), Op.Select(x < C(FarFrom), product, far));
            return Op.Select(Op.IsNan(x), x, value);
        }
    ) with
    {
        Derivatives = [(x, y, g) => g * Op.Cast(g.Type, C(2) * Wide(x[0]) * Wide(y) - C(1.1283791670955126))],
    };

    public static readonly ScalarFunction LogNdtr = Wide(
        "log_ndtr",
        x =>
        {
            var t = x * C(0.70710678118654752440);
            var below = Op.Log(Op.Call(ErfCX, -t) * C(0.5)) - t * t;
            return Op.Select(x < C(-1), below, Op.Log1p(Op.Erfc(t) * C(-0.5)));
        }
    ) with
    {
        Derivatives =
        [
            (x, y, g) =>
                g
                * Op.Cast(g.Type, C(0.79788456080286535588) / Op.Call(ErfCX, Wide(x[0]) * C(-0.70710678118654752440))),
        ],
    };

    // Up to 20 the series in (x / 2)², whose terms are all positive, beyond it that in 1 / x.
    private const int SeriesTerms = 44;
    private const int FarTerms = 26;

    private static Expr Bessel(Expr x, int order, bool scaled)
    {
        var a = Op.Abs(x);
        var near = Op.Min(a, C(20));
        var t = near * near * C(0.25);
        double[] terms = new double[SeriesTerms];
        terms[0] = 1;
        for (int k = 1; k < SeriesTerms; k++)
            terms[k] = terms[k - 1] / (k * (double)(k + order));
        var series = Horner(t, terms);
        if (order == 1)
            series = series * (near * C(0.5));
        if (scaled)
            series = series * Op.Exp(-near);
        double[] far = new double[FarTerms];
        far[0] = 1;
        double mu = 4 * order * order;
        for (int k = 1; k < FarTerms; k++)
            far[k] = -far[k - 1] * (mu - (2 * k - 1.0) * (2 * k - 1)) / (8 * k);
        var large = Op.Max(a, C(20));
        var root = C(1) / Op.Sqrt(C(2 * Math.PI) * large);
        var half = Op.Exp(large * C(0.5));
        var value = Horner(C(1) / large, far) * root;
        var beyond = scaled ? value : value * half * half;
        // Infinite ones are 0 or infinite, not what 0 times them is.
        beyond = Op.Select(Op.IsInf(x), C(scaled ? 0 : double.PositiveInfinity), beyond);
        var result = Op.Select(a <= C(20), series, beyond);
        result = Op.Select(Op.IsNan(x), x, result);
        return order == 1 ? Op.Select(x < C(0), -result, result) : result;
    }

    // I₀ − I₁ / x, at 0 its limit, of what both are scaled with.
    private static Expr SlopeOfI1(Expr x, Expr y, bool scaled)
    {
        var isZero = Op.Eq(x, C(0));
        var slope = Bessel(x, 0, scaled) - Op.Select(isZero, C(0.5), y / Op.Select(isZero, C(1), x));
        return scaled ? slope - Op.Sign(x) * y : slope;
    }

    public static readonly ScalarFunction I1 = Wide("i1", x => Bessel(x, 1, false)) with
    {
        Derivatives = [(x, y, g) => g * Op.Cast(g.Type, SlopeOfI1(Wide(x[0]), Wide(y), false))],
    };

    public static readonly ScalarFunction I0 = Wide("i0", x => Bessel(x, 0, false)) with
    {
        Derivatives = [(x, y, g) => g * Op.Call(I1, x[0])],
    };

    public static readonly ScalarFunction I1E = Wide("i1e", x => Bessel(x, 1, true)) with
    {
        Derivatives = [(x, y, g) => g * Op.Cast(g.Type, SlopeOfI1(Wide(x[0]), Wide(y), true))],
    };

    public static readonly ScalarFunction I0E = Wide("i0e", x => Bessel(x, 0, true)) with
    {
        Derivatives = [(x, y, g) => g * (Op.Call(I1E, x[0]) - Op.Sign(x[0]) * y)],
    };
}
