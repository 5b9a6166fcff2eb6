using System.Collections.Immutable;
using Picograd.Algorithms.Operators;

namespace Picograd.Algorithms.Functions;

/// <summary>Arithmetic: functions that are nodes of expressions.</summary>
public static partial class ScalarFunctions
{
    public static readonly ScalarFunction Neg = ScalarFunction.Operation("neg", UnaryOp.Neg) with
    {
        Derivatives = [(x, y, g) => -g],
        Types = DTypes.Numbers,
    };

    /// <summary>Slope 0 at 0 and at NaN.</summary>
    public static readonly ScalarFunction Abs = ScalarFunction.Operation("abs", UnaryOp.Abs) with
    {
        Derivatives = [(x, y, g) => Op.Select(Op.Lt(Zero(g), x[0]), g, Op.Select(Op.Lt(x[0], Zero(g)), -g, Zero(g)))],
        Types = DTypes.Numbers,
    };

    public static readonly ScalarFunction Sqrt = ScalarFunction.Operation("sqrt", UnaryOp.Sqrt) with
    {
        Derivatives = [(x, y, g) => g * (Op.Const(0.5, g.Type) / y)],
        Domains = [InputDomain.Positive],
        Types = DTypes.Floats,
    };

    public static readonly ScalarFunction Floor = ScalarFunction.Operation("floor", UnaryOp.Floor) with
    {
        Derivatives = [null],
        Types = DTypes.Floats,
    };

    public static readonly ScalarFunction Ceil = ScalarFunction.Operation("ceil", UnaryOp.Ceil) with
    {
        Derivatives = [null],
        Types = DTypes.Floats,
    };

    /// <summary>To the nearest whole number, halves to even.</summary>
    public static readonly ScalarFunction Round = ScalarFunction.Operation("round", UnaryOp.Round) with
    {
        Derivatives = [null],
        Types = DTypes.Floats,
    };

    public static readonly ScalarFunction Add = ScalarFunction.Operation("add", BinaryOp.Add) with
    {
        Derivatives = [(x, y, g) => g, (x, y, g) => g],
        Types = DTypes.Numbers,
    };

    public static readonly ScalarFunction Sub = ScalarFunction.Operation("sub", BinaryOp.Sub) with
    {
        Derivatives = [(x, y, g) => g, (x, y, g) => -g],
        Types = DTypes.Numbers,
    };

    public static readonly ScalarFunction Mul = ScalarFunction.Operation("mul", BinaryOp.Mul) with
    {
        Derivatives = [(x, y, g) => g * x[1], (x, y, g) => g * x[0]],
        Types = DTypes.Numbers,
    };

    public static readonly ScalarFunction Div = ScalarFunction.Operation("div", BinaryOp.Div) with
    {
        Derivatives = [(x, y, g) => g / x[1], (x, y, g) => -(g * (x[0] / x[1] / x[1]))],
        Domains = [InputDomain.Any, InputDomain.NonZero],
        Types = DTypes.Floats,
    };

    /// <summary>At equal elements each side gets half; at NaN both get all, as in PyTorch.</summary>
    public static readonly ScalarFunction Maximum = ScalarFunction.Operation("maximum", BinaryOp.Max) with
    {
        Derivatives =
        [
            (x, y, g) => Won(g, Op.Lt(x[0], x[1]), Op.Eq(x[0], x[1])),
            (x, y, g) => Won(g, Op.Lt(x[1], x[0]), Op.Eq(x[0], x[1])),
        ],
        Types = DTypes.Numbers,
    };

    /// <inheritdoc cref="Maximum"/>
    public static readonly ScalarFunction Minimum = ScalarFunction.Operation("minimum", BinaryOp.Min) with
    {
        Derivatives =
        [
            (x, y, g) => Won(g, Op.Lt(x[1], x[0]), Op.Eq(x[0], x[1])),
            (x, y, g) => Won(g, Op.Lt(x[0], x[1]), Op.Eq(x[0], x[1])),
        ],
        Types = DTypes.Numbers,
    };

    private static Expr Won(Expr g, Expr loses, Expr ties) =>
        Op.Select(loses, Zero(g), Op.Select(ties, g * Op.Const(0.5, g.Type), g));
}
