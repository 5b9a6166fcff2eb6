using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Functions.Float64;
using Picograd.Algorithms.Operators;

namespace Picograd.Algorithms.Functions;

/// <summary>Powers.</summary>
public static partial class ScalarFunctions
{
    public static readonly ScalarFunction Rsqrt = ScalarFunction.Elementary("rsqrt", x => 1 / Math.Sqrt(x)) with
    {
        Derivatives = [(x, y, g) => g * Op.Const(-0.5, g.Type) * (y * (y * y))],
        Domains = [InputDomain.Positive],
        Range = InputDomain.Positive,
        Types = DTypes.Floats,
        Error = (ErrorRule)ErrorRules.Rsqrt,
        Underflows = true,
        Float32 = x => Op.Div(Op.Const(1, x[0].Type), Op.Sqrt(x[0])),
        MaxUlp = 1.5,
        Float64 = x => Op.Div(Op.Const(1, x[0].Type), Op.Sqrt(x[0])),
        MaxUlpFloat64 = 1.5,
        Cost = 8,
    };

    public static readonly ScalarFunction Reciprocal = ScalarFunction.Elementary("reciprocal", x => 1 / x) with
    {
        Derivatives = [(x, y, g) => -(g * (y * y))],
        Domains = [InputDomain.NonZero],
        Types = DTypes.Floats,
        Error = (ErrorRule)ErrorRules.Reciprocal,
        Roundoffs = BoundRules.DivisionUlps,
        Underflows = true,
        Float32 = x => Op.Div(Op.Const(1, x[0].Type), x[0]),
        MaxUlp = 0.5,
        Float64 = x => Op.Div(Op.Const(1, x[0].Type), x[0]),
        MaxUlpFloat64 = 0.5,
        Cost = 8,
        CudaName = null,
    };

    public static readonly ScalarFunction Square = ScalarFunction.Composed("square", x => x * x) with
    {
        Derivatives = [(x, y, g) => g * (x[0] * 2)],
        Types = DTypes.Numbers,
    };

    /// <summary>
    /// Power, with the special values of C99: 1^NaN and NaN^0 are 1, (−0)^−1 is −∞. To the power 0 everything is 1, so that the slope is 0;
    /// 0 to a power that is not negative does not depend on the power (to the power 0 as PyTorch has it).
    /// </summary>
    public static readonly ScalarFunction Pow = ScalarFunction.Elementary("pow", Math.Pow) with
    {
        Derivatives =
        [
            (x, y, g) =>
                Op.Select(Op.Eq(x[1], Zero(g)), Zero(g), g * (x[1] * Op.Pow(x[0], x[1] - Op.Const(1, g.Type)))),
            (x, y, g) => Op.Select(Op.And(Op.Eq(x[0], Zero(g)), Op.Le(Zero(g), x[1])), Zero(g), g * (y * Op.Log(x[0]))),
        ],
        Types = DTypes.Floats,
        Error = (ErrorRule2)ErrorRules.Pow,
        Underflows = true,
        Kernel = typeof(PowFloat32),
        MaxUlp = PowFloat32.MaxUlp,
        Float64 = x => DoublePowers.Pow(x[0], x[1]),
        MaxUlpFloat64 = 1,
        Cost = 120,
    };
}
