using Picograd.Algorithms;

namespace Picograd.Schedules;

public static partial class ExpandMath
{
    private static Expr D(double value) => Op.Const(value, DType.Float64);

    /// <summary>
    /// With e = e^-|x|: 1/(1 + e), for negative x e/(1 + e), which underflows gradually. 1 exponential and 6 operations
    /// (1 division).
    /// </summary>
    private static Expr SigmoidFloat64(Expr x)
    {
        var e = Op.Exp(-Op.Abs(x));
        return Op.Select(x < D(0), e, D(1)) / (D(1) + e);
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
