namespace Picograd.Algorithms.Functions;

/// <summary>Comparisons, and functions of bools and of bits: none has a gradient.</summary>
public static partial class ScalarFunctions
{
    public static readonly ScalarFunction Eq = Flat(ScalarFunction.Operation("eq", BinaryOp.Eq)) with
    {
        Types = DTypes.OfTensors,
    };

    public static readonly ScalarFunction Ne = Flat(ScalarFunction.Operation("ne", BinaryOp.Ne)) with
    {
        Types = DTypes.OfTensors,
    };

    public static readonly ScalarFunction Lt = Flat(ScalarFunction.Operation("lt", BinaryOp.Lt)) with
    {
        Types = DTypes.OfTensors,
    };

    public static readonly ScalarFunction Le = Flat(ScalarFunction.Operation("le", BinaryOp.Le)) with
    {
        Types = DTypes.OfTensors,
    };

    public static readonly ScalarFunction Gt = Flat(ScalarFunction.Composed("gt", (a, b) => Op.Lt(b, a))) with
    {
        Types = DTypes.OfTensors,
    };

    public static readonly ScalarFunction Ge = Flat(ScalarFunction.Composed("ge", (a, b) => Op.Le(b, a))) with
    {
        Types = DTypes.OfTensors,
    };

    public static readonly ScalarFunction LogicalAnd = Flat(ScalarFunction.Operation("logical_and", BinaryOp.And)) with
    {
        Types = [DType.Bool],
    };

    public static readonly ScalarFunction LogicalOr = Flat(ScalarFunction.Operation("logical_or", BinaryOp.Or)) with
    {
        Types = [DType.Bool],
    };

    public static readonly ScalarFunction LogicalXor = Flat(ScalarFunction.Composed("logical_xor", Op.Ne)) with
    {
        Types = [DType.Bool],
    };

    public static readonly ScalarFunction BitwiseAnd = Flat(
        ScalarFunction.Operation("bitwise_and", BinaryOp.BitAnd)
    ) with
    {
        Types = DTypes.SignedIntegers,
    };

    public static readonly ScalarFunction BitwiseOr = Flat(ScalarFunction.Operation("bitwise_or", BinaryOp.BitOr)) with
    {
        Types = DTypes.SignedIntegers,
    };

    public static readonly ScalarFunction BitwiseXor = Flat(
        ScalarFunction.Operation("bitwise_xor", BinaryOp.BitXor)
    ) with
    {
        Types = DTypes.SignedIntegers,
    };

    /// <summary>A shift by a negative number, or by the width and more, shifts every bit out, as in PyTorch: 0, or the sign.</summary>
    public static readonly ScalarFunction LeftShift = Flat(
        ScalarFunction.Composed("left_shift", (a, b) => Op.Select(InWidth(b), a << Amount(b), Op.Const(0, a.Type)))
    ) with
    {
        Types = DTypes.SignedIntegers,
    };

    /// <inheritdoc cref="LeftShift"/>
    public static readonly ScalarFunction RightShift = Flat(
        ScalarFunction.Composed(
            "right_shift",
            (a, b) => a >> Op.Select(InWidth(b), Amount(b), Op.Const(Width(b) - 1, b.Type))
        )
    ) with
    {
        Types = DTypes.SignedIntegers,
    };

    private static ScalarFunction Flat(ScalarFunction function) =>
        function with
        {
            Derivatives = [.. Enumerable.Repeat<Derivative?>(null, function.Arity)],
        };

    private static Expr InWidth(Expr amount) =>
        Op.And(Op.Le(Op.Const(0, amount.Type), amount), Op.Lt(amount, Op.Const(Width(amount), amount.Type)));

    // What shifts mean is stated for amounts below the width, also in the branch that is not taken.
    private static Expr Amount(Expr amount) => amount & Op.Const(Width(amount) - 1, amount.Type);

    private static int Width(Expr value) => 8 * value.Type.Size();
}
