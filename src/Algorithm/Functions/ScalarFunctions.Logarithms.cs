using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using static Picograd.Algorithms.Functions.Expansion;

namespace Picograd.Algorithms.Functions;

/// <summary>Logarithms.</summary>
public static partial class ScalarFunctions
{
    /// <summary>Natural logarithm.</summary>
    public static readonly ScalarFunction Log = ScalarFunction.Elementary("log", (Func<double, double>)Math.Log) with
    {
        Derivatives = [(x, y, g) => g / x[0]],
        Domains = [InputDomain.Positive],
        Types = DTypes.Floats,
        Error = (ErrorRule)ErrorRules.Log,
        Float32 = x => LogFloat32(x[0]),
        MaxUlp = 1.25,
        Cost = 12,
    };

    /// <summary>
    /// x = 2^k·(1+f) with 1+f in [√½, √2): log x = k·ln 2 + log(1+f), the latter f + f²·polynomial. 30 operations: 3
    /// to scale denormals, 8 for k and f, 10 for log(1+f), 9 for zero, negative and infinite x. Choices are between
    /// constants only: with x in an operand of Select a load in it would be conditional.
    /// </summary>
    private static Expr LogFloat32(Expr x)
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
}
