using Picograd.Algorithms.Operators;
using static Picograd.Algorithms.Functions.Expansion;

namespace Picograd.Algorithms.Functions;

/// <summary>Signs, whole numbers, and kinds of numbers: functions that are flat.</summary>
public static partial class ScalarFunctions
{
    /// <summary>1, -1 or 0; 0 of NaN, as in PyTorch.</summary>
    public static readonly ScalarFunction Sign = ScalarFunction.Composed(
        "sign",
        x =>
            Op.Select(
                Op.Lt(Zero(x), x),
                Op.Const(1, x.Type),
                Op.Select(Op.Lt(x, Zero(x)), Op.Const(-1, x.Type), Zero(x))
            )
    ) with
    {
        Derivatives = [null],
        Types = DTypes.Numbers,
    };

    /// <summary>Towards zero; the sign of zero is that of x.</summary>
    public static readonly ScalarFunction Trunc = ScalarFunction.Elementary("trunc", Math.Truncate) with
    {
        Derivatives = [null],
        Types = DTypes.Floats,
        Error = (ErrorRule)ErrorRules.Trunc,
        Roundoffs = 0,
        Float32 = x => WithSign(Op.Floor(Op.Abs(x[0])), x[0]),
        Float64 = x =>
            Op.Bitcast(
                DType.Float64,
                (Op.Bitcast(DType.Int64, x[0]) & Op.Const(long.MinValue, DType.Int64))
                    | Op.Bitcast(DType.Int64, Op.Floor(Op.Abs(x[0])))
            ),
        Cost = 4,
    };

    public static readonly ScalarFunction IsNan = ScalarFunction.Composed("isnan", x => Op.Ne(x, x)) with
    {
        Derivatives = [null],
        Types = DTypes.Floats,
    };

    public static readonly ScalarFunction IsInf = ScalarFunction.Composed(
        "isinf",
        x => Op.Eq(Op.Abs(x), Op.Const(double.PositiveInfinity, x.Type))
    ) with
    {
        Derivatives = [null],
        Types = DTypes.Floats,
    };

    public static readonly ScalarFunction IsFinite = ScalarFunction.Composed(
        "isfinite",
        x => Op.Lt(Op.Abs(x), Op.Const(double.PositiveInfinity, x.Type))
    ) with
    {
        Derivatives = [null],
        Types = DTypes.Floats,
    };
}
