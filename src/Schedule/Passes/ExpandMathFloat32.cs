using Picograd.Algorithms;

namespace Picograd.Schedules;

public static partial class ExpandMath
{
    // 1.5·2^23: adding it rounds to an integer, which is then the low bits of the sum. With 127 more, these bits are
    // the biased exponent of 2^n.
    private const double RoundingBias = 12582912;
    private const double ExponentBias = RoundingBias + 127;

    private const double Ln2 = 0.6931472f;

    // 2·ln 2 as the sum of two floats.
    private const double TwoLn2 = 1.3862944f;
    private const double TwoLn2Rest = -3.8093084e-9f;

    // π as the sum of three floats, each rounded down: were one negative, the difference -0 - 0·π would become +0.
    private const double Pi = 3.1415925f;
    private const double PiRest = 1.5099579e-7f;
    private const double PiRest2 = 1.0780605e-14f;

    private static Expr F(double value) => Op.Const((float)value, DType.Float32);

    private static Expr I(int value) => Op.Const(value, DType.Int32);

    private static Expr Bits(Expr x) => Op.Bitcast(DType.Int32, x);

    private static Expr Float(Expr bits) => Op.Bitcast(DType.Float32, bits);

    private static Expr Clamp(Expr x, double low, double high) => Op.Max(Op.Min(x, F(high)), F(low));

    /// <summary>2^n from a sum x + <see cref="ExponentBias"/>.</summary>
    private static Expr PowerOfTwo(Expr biased) => Float(Bits(biased) << I(23));

    /// <summary>
    /// e^x = e^r·2^n·2^n with |r| ≤ ln 2: the two factors 2^n carry the result into denormals and to infinity with
    /// a single rounding, at the price of one more term of the polynomial. 16 operations: 2 bounds, 4 for n and r, 7
    /// for e^r, 1 for 2^n, 2 products.
    /// </summary>
    private static Expr Exp(Expr x)
    {
        // e^-104 rounds to zero, e^89 to infinity.
        x = Clamp(x, -104, 89);
        var (r, power) = HalfExponent(x);
        return ExpOfRemainder(r, 1) * power * power;
    }

    /// <summary>x = r + n·2·ln 2; gives r and 2^n.</summary>
    private static (Expr Remainder, Expr Power) HalfExponent(Expr x)
    {
        var biased = Op.Fma(x, F(0.7213475f), F(ExponentBias));
        var n = biased - F(ExponentBias);
        var r = Op.Fma(n, F(-TwoLn2Rest), Op.Fma(n, F(-TwoLn2), x));
        return (r, PowerOfTwo(biased));
    }

    /// <summary>e^r (sign 1) or e^-r (sign -1) for |r| ≤ 0.6936, to 1.5e-8.</summary>
    private static Expr ExpOfRemainder(Expr r, int sign) =>
        Polynomial(
            r,
            DType.Float32,
            sign * 0.00019637421f,
            0.0014105797f,
            sign * 0.008335929f,
            0.04166118f,
            sign * 0.16666616f,
            0.50000036f,
            sign,
            1
        );

    /// <summary>
    /// x = 2^k·(1+f) with 1+f in [√½, √2): log x = k·ln 2 + log(1+f), the latter f + f²·polynomial. 30 operations: 3
    /// to scale denormals, 8 for k and f, 10 for log(1+f), 9 for zero, negative and infinite x. Choices are between
    /// constants only: with x in an operand of Select a load in it would be conditional.
    /// </summary>
    private static Expr Log(Expr x)
    {
        const int SqrtHalf = 0x3f3504f3;
        var denormal = x < F(1.17549435e-38f);
        var bits = Bits(x * Op.Select(denormal, F(8388608), F(1)));
        var k = (bits - I(SqrtHalf)) >> I(23);
        var f = Float(bits - (k << I(23))) - F(1);
        var exponent = Op.Cast(DType.Float32, k) - Op.Select(denormal, F(23), F(0));
        var polynomial = Polynomial(
            f,
            DType.Float32,
            0.087015666f,
            -0.14267555f,
            0.14914382f,
            -0.16577566f,
            0.19963104f,
            -0.25001338f,
            0.3333391f,
            -0.5
        );
        // Where k is not 0 the result is at least 0.35, so that ln 2 as one float is accurate enough.
        var log = Op.Fma(exponent, F(Ln2), Op.Fma(f * f, polynomial, f));
        var negative = Op.Select(Op.Le(F(0), x), F(0), F(double.NaN));
        var zero = Op.Select(Op.Eq(x, F(0)), F(double.NegativeInfinity), F(0));
        var infinite = Op.Select(Op.Eq(x, F(double.PositiveInfinity)), F(double.PositiveInfinity), F(0));
        return log + (negative + zero + infinite);
    }

    /// <summary>
    /// With e = e^(2|x|) - 1: tanh |x| = e/(e + 2). e is 2^n·(e^(2r) - 1) + (2^n - 1), which is accurate near zero
    /// too, as n = 0 there. 19 operations: 2 bounds, 3 for n and r, 7 for e^(2r) - 1, 3 for e, 2 for the quotient
    /// (1 division), 2 for the sign. (A rational minimax x·P(x²)/Q(x²) takes 14, but its errors double near ±1: 5 ULP.)
    /// </summary>
    private static Expr Tanh(Expr x)
    {
        // From 9.011 on tanh rounds to 1.
        var a = Op.Min(Op.Abs(x), F(9.02f));
        var biased = Op.Fma(a, F(2.88539f), F(ExponentBias));
        var n = biased - F(ExponentBias);
        // ln 2 / 2 as one float: where n is large, an error of e hardly moves e/(e + 2).
        var r = Op.Fma(n, F(-0.3465736f), a);
        var power = PowerOfTwo(biased);
        var polynomial = Polynomial(r, DType.Float32, 0.08877256f, 0.26772088f, 0.66667897f, 1.3333237f, 1.9999999f);
        var e = Op.Fma(power, Op.Fma(polynomial * r, r, r + r), power - F(1));
        return WithSign(e / (e + F(2)), x);
    }

    /// <summary>A magnitude (sign bit clear) with the sign of x.</summary>
    private static Expr WithSign(Expr magnitude, Expr x) => Float((Bits(x) & I(int.MinValue)) | Bits(magnitude));

    /// <summary>
    /// With x = r + n·2·ln 2 and u = 2^n: 1/(1 + e^-x) = u·(u/(u² + e^-r)), where nothing overflows and only the last
    /// product may be denormal. 17 operations: 2 bounds, 4 for n and r, 7 for e^-r, 1 for u, 3 for the quotient
    /// (1 division).
    /// </summary>
    private static Expr Sigmoid(Expr x)
    {
        var (quotient, power) = SigmoidFactors(x, -104);
        return quotient * power;
    }

    /// <summary>x·σ(x) as x·(u/(u² + e^-r))·u: only the last product may be denormal. 21 operations.</summary>
    private static Expr Silu(Expr x)
    {
        // x·e^x rounds to zero from -109 on; at -∞ it is NaN.
        var (quotient, power) = SigmoidFactors(x, -109);
        var factor = Op.Fma(Op.Min(x, F(1)), F(0), Op.Max(x, F(-109)));
        return factor * quotient * power;
    }

    private static (Expr Quotient, Expr Power) SigmoidFactors(Expr x, double low)
    {
        // At 30 the result is 1 and u² far from overflow.
        x = Clamp(x, low, 30);
        var (r, power) = HalfExponent(x);
        return (power / Op.Fma(power, power, ExpOfRemainder(r, -1)), power);
    }

    /// <summary>
    /// erf |x| = 1 - e^-w with w = -log(1 - erf |x|), a smooth function (a polynomial of degree 8 without a constant):
    /// relative errors of w become no larger in the result. 24 operations: 2 bounds, 8 for w, 3 for n and r, 6 for
    /// 1 - e^-r, 3 for 1 - e^-w, 2 for the sign.
    /// </summary>
    private static Expr Erf(Expr x)
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

    /// <summary>sin x = ±sin(x - n·π), n = round(x/π). 15 operations: 2 for n, 3 for r, 6 for sin r, 2 bounds, 2 for
    /// the sign; 6 for arguments that are far.</summary>
    private static Expr Sin(Expr x)
    {
        var biased = Op.Fma(x, F(0.31830987f), F(RoundingBias));
        return Far(UnaryOp.Sin, x, SinOfRemainder(x, biased - F(RoundingBias), biased));
    }

    /// <summary>cos x = ±sin(x - n·π), n = round(x/π + ½) - ½. 17 operations, as in sin with 2 more for n.</summary>
    private static Expr Cos(Expr x)
    {
        var biased = Op.Fma(x, F(0.31830987f), F(0.5)) + F(RoundingBias);
        return Far(UnaryOp.Cos, x, SinOfRemainder(x, biased - F(RoundingBias) - F(0.5), biased));
    }

    // Beyond the range the function of Float64, which back ends call and which reduces its argument exactly. It is rare, so
    // vectors should test all lanes at once.
    private static Expr Far(UnaryOp kind, Expr x, Expr near) =>
        Op.Select(
            Op.Le(Op.Abs(x), F(SinCosRange)),
            near,
            Op.Cast(DType.Float32, Op.Call(kind, Op.Cast(DType.Float64, x)))
        );

    private static Expr SinOfRemainder(Expr x, Expr n, Expr biased)
    {
        // With fused products the first difference is exact and the second and third round once (Cody and Waite).
        var r = Op.Fma(n, F(-PiRest2), Op.Fma(n, F(-PiRest), Op.Fma(n, F(-Pi), x)));
        // r times a polynomial that ends in 1, not r + r³·polynomial, which would lose the sign of zero.
        var sin = r * Polynomial(r * r, DType.Float32, 2.6051127e-6f, -0.00019809435f, 0.0083330665f, -0.1666666f, 1);
        // Rounding may go above 1 near π/2; and outside of the range of the reduction r is no longer small.
        sin = Clamp(sin, -1, 1);
        // Odd n flip the sign: their lowest bit moves to and is added at the sign bit.
        return Float((Bits(biased) << I(31)) + Bits(sin));
    }
}
