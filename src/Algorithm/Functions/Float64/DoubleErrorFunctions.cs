using static Picograd.Algorithms.Functions.Float64.DoubleExpansion;

namespace Picograd.Algorithms.Functions.Float64;

/// <summary>The error function and its complement, of Float64 in arithmetic. Errors are stated in the table and tested.</summary>
internal static class DoubleErrorFunctions
{
    /// <summary>
    /// Below 0.9 x·P(x²)/Q(x²); above, 1 - e^(-x²)·P(|x|)/Q(|x|) with a rational fit of the scaled complement
    /// e^(x²)·(1 - erf x). About 1e-16 relative, rounding aside. (2 divisions.)
    /// </summary>
    public static Expr Erf(Expr x)
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
                    -3.2179467313970924e-06,
                    0.00012112426597381894,
                    -0.00023056421923240062,
                    0.038054895363466054,
                    0.0858424390184521,
                    1.1283791670955126
                )
                / Polynomial(
                    square,
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
                0.012167064329063585,
                0.12318966915641505,
                0.5813606844796029,
                1.5909774008388509,
                2.6230509726880378,
                2.445539245652295,
                1
            );
        var far = WithSign(Op.Fma(-DoubleExponentials.ExpWithin(-square), complement, D(1)), x);
        return Choose(Mask(a < D(0.9)), near, far);
    }

    /// <summary>
    /// With a = |x|, q = (a - 3¾)/(a + 3¾): erfc a = polynomial(q)/(1 + 2a)·e^(-a²), the square in two parts; for negative x, 2 - erfc a. (2
    /// divisions.)
    /// </summary>
    public static Expr Erfc(Expr x)
    {
        // From 27.23 on erfc rounds to zero.
        var a = Op.Min(Op.Abs(x), D(27.3));
        var inverse = D(1) / (a + D(3.75));
        var q = (a - D(3.75)) * inverse;
        // The quotient to more than a number: the divisor, too, was rounded.
        var rest = Op.Fma(-q, a, Op.Fma(q + D(1), D(-3.75), a));
        q = Op.Fma(rest, inverse, q);
        var p = Polynomial(
            q,
            5.736641122796271e-09,
            3.124965129804122e-08,
            -2.440963451252244e-09,
            -2.598999598812524e-07,
            -2.654328714012675e-08,
            1.7622756856288439e-06,
            -9.939873859512483e-07,
            -1.1454623558104036e-05,
            2.2392480171688765e-05,
            5.1654294132640184e-05,
            -0.0002901561417820751,
            0.00029371216577631884,
            0.0017556261681541919,
            -0.009746579301163733,
            0.028362277390876236,
            -0.05869339861461485,
            0.09230432116170129,
            -0.10880393014052128,
            0.0822767384901176,
            0.003585415485441065,
            -0.1402405985855468,
            1.2375126308378277
        );
        var square = a * a;
        var lost = Op.Fma(a, a, -square);
        var (e, first, second) = DoubleExponentials.ExpParts(-square);
        var complement = Op.Fma(e, -lost, e) * (p / Op.Fma(a, D(2), D(1))) * first * second;
        var negative = x < D(0);
        return Op.Fma(complement, Op.Select(negative, D(-1), D(1)), Op.Select(negative, D(2), D(0)));
    }
}
