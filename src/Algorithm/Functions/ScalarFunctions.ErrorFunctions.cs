using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using static Picograd.Algorithms.Functions.Expansion;

namespace Picograd.Algorithms.Functions;

/// <summary>The error function and its complement.</summary>
public static partial class ScalarFunctions
{
    internal const double TwoOverRootPi = 1.1283791670955126;

    public static readonly ScalarFunction Erf = ScalarFunction.Elementary("erf", FloatFunctions.Erf) with
    {
        Derivatives = [(x, y, g) => g * (Op.Const(TwoOverRootPi, g.Type) * Op.Exp(-(x[0] * x[0])))],
        Range = InputDomain.Unit,
        Types = DTypes.Floats,
        Error = (ErrorRule)ErrorRules.Erf,
        Float32 = x => ErfFloat32(x[0]),
        MaxUlp = 3.75,
        Float64 = x => ErfFloat64(x[0]),
        MaxUlpFloat64 = 4,
    };

    /// <summary>1 − erf x, also where that is small.</summary>
    public static readonly ScalarFunction Erfc = ScalarFunction.Elementary("erfc", FloatFunctions.Erfc) with
    {
        Derivatives = [(x, y, g) => g * (Op.Const(-TwoOverRootPi, g.Type) * Op.Exp(-(x[0] * x[0])))],
        Range = InputDomain.Positive,
        Types = DTypes.Floats,
        Underflows = true,
        Float32 = x => ErfcFloat32(x[0]),
        MaxUlp = 4,
        MaxUlpFloat64 = 6,
        Cost = 45,
    };

    /// <summary>
    /// With a = |x|, q = (a-2)/(a+2): erfc a = polynomial(q)/(1 + 2a)·e^(-a²), the square in two parts; for negative x, 2 - erfc a. 48
    /// operations (2 divisions).
    /// </summary>
    private static Expr ErfcFloat32(Expr x)
    {
        // From 10.06 on erfc rounds to zero.
        var a = Op.Min(Op.Abs(x), F(10.1f));
        var (top, bottom) = (a - F(2), a + F(2));
        var inverse = F(1) / bottom;
        var q = top * inverse;
        // The quotient to more than a float: bottom, too, was rounded.
        var rest = Op.Fma(-q, a, Op.Fma(q + F(1), F(-2), a));
        q = Op.Fma(rest, inverse, q);
        var p = Polynomial(
            q,
            DType.Float32,
            0.000116882518f,
            0.000226640419f,
            -0.000439467869f,
            -0.00150269084f,
            0.00126257073f,
            0.00875116792f,
            -0.00802999735f,
            -0.0542269163f,
            0.164050579f,
            -0.166029811f,
            -0.0927637964f,
            1.27697837f
        );
        var square = a * a;
        var lost = Op.Fma(a, a, -square);
        var (r, power) = HalfExponent(-square);
        var quotient = p / Op.Fma(a, F(2), F(1));
        var e = ExpOfRemainder(r, 1);
        var complement = Op.Fma(e, -lost, e) * quotient * power * power;
        var negative = x < F(0);
        return Op.Fma(complement, Op.Select(negative, F(-1), F(1)), Op.Select(negative, F(2), F(0)));
    }

    /// <summary>
    /// erf |x| = 1 - e^-w with w = -log(1 - erf |x|), a smooth function (a polynomial of degree 8 without a constant):
    /// relative errors of w become no larger in the result. 24 operations: 2 bounds, 8 for w, 3 for n and r, 6 for
    /// 1 - e^-r, 3 for 1 - e^-w, 2 for the sign.
    /// </summary>
    private static Expr ErfFloat32(Expr x)
    {
        // From 3.92 on erf rounds to 1.
        var a = Op.Min(Op.Abs(x), F(3.95f));
        var w =
            a
            * Polynomial(
                a,
                DType.Float32,
                3.58152e-5f,
                -0.0003499081f,
                0.0011769019f,
                0.0002916148f,
                -0.019370236f,
                0.1028269f,
                0.63661534f,
                1.1283792f
            );
        // w = r - n·ln 2, n ≤ 0.
        var biased = Op.Fma(w, F(-1.442695f), F(ExponentBias));
        var n = biased - F(ExponentBias);
        var r = Op.Fma(n, F(Ln2), w);
        var power = PowerOfTwo(biased);
        var polynomial = Polynomial(
            r,
            DType.Float32,
            -0.0013870712f,
            0.008366277f,
            -0.041667435f,
            0.16666546f,
            -0.49999997f,
            1
        );
        return WithSign(Op.Fma(power, polynomial * r, F(1) - power), x);
    }

    /// <summary>
    /// Below 0.9 x·P(x²)/Q(x²); above, 1 - e^(-x²)·P(|x|)/Q(|x|) with a rational fit of the scaled complement
    /// e^(x²)·(1 - erf x). 1 exponential and 35 operations (2 divisions). About 1e-16 relative, rounding aside.
    /// </summary>
    private static Expr ErfFloat64(Expr x)
    {
        // From 5.93 on erf rounds to 1.
        var a = Op.Min(Op.Abs(x), D(6));
        var square = a * a;
        // Odd in x itself, which keeps the sign of zero.
        var near =
            x
            * (
                Polynomial(
                    square,
                    DType.Float64,
                    -3.2179467313970924e-06,
                    0.00012112426597381894,
                    -0.00023056421923240062,
                    0.038054895363466054,
                    0.0858424390184521,
                    1.1283791670955126
                )
                / Polynomial(
                    square,
                    DType.Float64,
                    0.00022692036420621315,
                    0.006062607161866512,
                    0.07019501096253573,
                    0.4094092141380187,
                    1
                )
            );
        var complement =
            Polynomial(
                a,
                DType.Float64,
                1.6277790679539356e-08,
                0.006863979232537496,
                0.06951130491901897,
                0.3244721224546906,
                0.8635542071060107,
                1.3171603000887449,
                0.9999999810037283
            )
            / Polynomial(
                a,
                DType.Float64,
                0.012167064329063585,
                0.12318966915641505,
                0.5813606844796029,
                1.5909774008388509,
                2.6230509726880378,
                2.445539245652295,
                1
            );
        var sign = Op.Select(x < D(0), D(-1), D(1));
        var far = sign * Op.Fma(-Op.Exp(-square), complement, D(1));
        return Op.Select(a < D(0.9), near, far);
    }
}
