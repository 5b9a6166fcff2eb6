using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using static Picograd.Algorithms.Functions.Expansion;

namespace Picograd.Algorithms.Functions;

/// <summary>Functions of angles.</summary>
public static partial class ScalarFunctions
{
    /// <summary>
    /// Largest |x| for which sin and cos of Float32 are computed in Float32; beyond it, by the functions of Float64.
    /// </summary>
    public const double AngleRange = 1e5;

    public static readonly ScalarFunction Sin = ScalarFunction.Elementary("sin", Math.Sin) with
    {
        Derivatives = [(x, y, g) => g * Op.Cos(x[0])],
        Types = DTypes.Floats,
        Error = (ErrorRule)ErrorRules.Nothing,
        AbsoluteRoundoffs = 8,
        Float32 = x => SinFloat32(x[0]),
        MaxUlp = 2.5,
        Cost = 12,
    };

    public static readonly ScalarFunction Cos = ScalarFunction.Elementary("cos", Math.Cos) with
    {
        Derivatives = [(x, y, g) => -(g * Op.Sin(x[0]))],
        Types = DTypes.Floats,
        Error = (ErrorRule)ErrorRules.Nothing,
        AbsoluteRoundoffs = 8,
        Float32 = x => CosFloat32(x[0]),
        MaxUlp = 2.5,
        Cost = 12,
    };

    /// <summary>sin x = ±sin(x - n·π), n = round(x/π). 15 operations: 2 for n, 3 for r, 6 for sin r, 2 bounds, 2 for
    /// the sign; 6 for arguments that are far.</summary>
    private static Expr SinFloat32(Expr x)
    {
        var biased = Op.Fma(x, F(0.31830987f), F(RoundingBias));
        return Far(Sin, x, SinOfRemainder(x, biased - F(RoundingBias), biased));
    }

    /// <summary>cos x = ±sin(x - n·π), n = round(x/π + ½) - ½. 17 operations, as in sin with 2 more for n.</summary>
    private static Expr CosFloat32(Expr x)
    {
        var biased = Op.Fma(x, F(0.31830987f), F(0.5)) + F(RoundingBias);
        return Far(Cos, x, SinOfRemainder(x, biased - F(RoundingBias) - F(0.5), biased));
    }

    // Beyond the range the function of Float64, which back ends call and which reduces its argument exactly. It is rare, so
    // vectors should test all lanes at once.
    private static Expr Far(ScalarFunction function, Expr x, Expr near) =>
        Op.Select(
            Op.Le(Op.Abs(x), F(AngleRange)),
            near,
            Op.Cast(DType.Float32, Op.Call(function, Op.Cast(DType.Float64, x)))
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
