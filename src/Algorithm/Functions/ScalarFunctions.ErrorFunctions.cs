using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Functions.Float64;
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
        Float64 = x => DoubleErrorFunctions.Erf(x[0]),
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
        Float64 = x => DoubleErrorFunctions.Erfc(x[0]),
        MaxUlpFloat64 = 4,
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
}
