using Picograd.Algorithms;
using Picograd.Autograd;
using Picograd.Calls;

namespace Picograd;

/// <summary>Which dtypes an element-wise function takes and gives.</summary>
internal enum FunctionKind
{
    /// <summary>Numbers to numbers of their type.</summary>
    Arithmetic,

    /// <summary>Integers and bools are made float32 first.</summary>
    Float,

    /// <summary>Gives bools.</summary>
    Comparison,

    /// <summary>On the bits of integers; the logical function of bools; not of floats.</summary>
    Bits,
}

/// <summary>An element-wise function of two tensors: its kernel and its derivative.</summary>
internal sealed class BinaryFunction(
    string name,
    FunctionKind kind,
    Rule? rule = null,
    Rule? numberRule = null,
    bool derives = false
) : Operator(name, rule: rule, derives: derives)
{
    public FunctionKind Kind { get; } = kind;

    /// <summary>The derivative where one operand is a plain number.</summary>
    public Rule? NumberRule { get; } = numberRule;

    public static readonly BinaryFunction Add = new(
        "add",
        FunctionKind.Arithmetic,
        Derivatives.Add,
        Derivatives.AddNumber
    );
    public static readonly BinaryFunction Sub = new(
        "sub",
        FunctionKind.Arithmetic,
        Derivatives.Sub,
        Derivatives.SubNumber
    );
    public static readonly BinaryFunction Mul = new(
        "mul",
        FunctionKind.Arithmetic,
        Derivatives.Mul,
        Derivatives.MulNumber
    );
    public static readonly BinaryFunction Div = new("div", FunctionKind.Float, Derivatives.Div, Derivatives.DivNumber);
    public static readonly BinaryFunction Pow = new("pow", FunctionKind.Float, Derivatives.Pow);
    public static readonly BinaryFunction Maximum = new("maximum", FunctionKind.Arithmetic, Derivatives.Maximum);
    public static readonly BinaryFunction Minimum = new("minimum", FunctionKind.Arithmetic, Derivatives.Minimum);
    public static readonly BinaryFunction Atan2 = new("atan2", FunctionKind.Float, derives: true);
    public static readonly BinaryFunction Eq = new("eq", FunctionKind.Comparison);
    public static readonly BinaryFunction Ne = new("ne", FunctionKind.Comparison);
    public static readonly BinaryFunction Lt = new("lt", FunctionKind.Comparison);
    public static readonly BinaryFunction Le = new("le", FunctionKind.Comparison);
    public static readonly BinaryFunction Gt = new("gt", FunctionKind.Comparison);
    public static readonly BinaryFunction Ge = new("ge", FunctionKind.Comparison);
    public static readonly BinaryFunction LogicalAnd = new("logical_and", FunctionKind.Comparison);
    public static readonly BinaryFunction LogicalOr = new("logical_or", FunctionKind.Comparison);
    public static readonly BinaryFunction LogicalXor = new("logical_xor", FunctionKind.Comparison);
    public static readonly BinaryFunction BitAnd = new("bitwise_and", FunctionKind.Bits);
    public static readonly BinaryFunction BitOr = new("bitwise_or", FunctionKind.Bits);
    public static readonly BinaryFunction BitXor = new("bitwise_xor", FunctionKind.Bits);
    public static readonly BinaryFunction LeftShift = new("left_shift", FunctionKind.Bits);
    public static readonly BinaryFunction RightShift = new("right_shift", FunctionKind.Bits);
}

/// <summary>
/// An element-wise function of one tensor: its kernel, and its derivative, which is derived unless a rule is given.
/// </summary>
internal sealed class UnaryFunction(string name, FunctionKind kind, Rule? rule = null)
    : Operator(name, rule: rule, derives: rule is null)
{
    public FunctionKind Kind { get; } = kind;

    public static readonly UnaryFunction Neg = new("neg", FunctionKind.Arithmetic);
    public static readonly UnaryFunction Abs = new("abs", FunctionKind.Arithmetic);
    public static readonly UnaryFunction Relu = new("relu", FunctionKind.Arithmetic);
    public static readonly UnaryFunction Square = new("square", FunctionKind.Arithmetic);
    public static readonly UnaryFunction Tanh = new("tanh", FunctionKind.Float);
    public static readonly UnaryFunction Exp = new("exp", FunctionKind.Float);
    public static readonly UnaryFunction Log = new("log", FunctionKind.Float);
    public static readonly UnaryFunction Sigmoid = new("sigmoid", FunctionKind.Float);
    public static readonly UnaryFunction Sqrt = new("sqrt", FunctionKind.Float);
    public static readonly UnaryFunction Rsqrt = new("rsqrt", FunctionKind.Float);
    public static readonly UnaryFunction Reciprocal = new("reciprocal", FunctionKind.Float);
    public static readonly UnaryFunction Erf = new("erf", FunctionKind.Float);
    public static readonly UnaryFunction Sin = new("sin", FunctionKind.Float);
    public static readonly UnaryFunction Cos = new("cos", FunctionKind.Float);
    public static readonly UnaryFunction Silu = new("silu", FunctionKind.Float);
    public static readonly UnaryFunction Gelu = new("gelu", FunctionKind.Float);
    public static readonly UnaryFunction Floor = new("floor", FunctionKind.Float, Derivatives.Flat);
    public static readonly UnaryFunction Ceil = new("ceil", FunctionKind.Float, Derivatives.Flat);
    public static readonly UnaryFunction Round = new("round", FunctionKind.Float, Derivatives.Flat);
    public static readonly UnaryFunction Expm1 = new("expm1", FunctionKind.Float);
    public static readonly UnaryFunction Log1p = new("log1p", FunctionKind.Float);
    public static readonly UnaryFunction Exp2 = new("exp2", FunctionKind.Float);
    public static readonly UnaryFunction Log2 = new("log2", FunctionKind.Float);
    public static readonly UnaryFunction Log10 = new("log10", FunctionKind.Float);
    public static readonly UnaryFunction Tan = new("tan", FunctionKind.Float);
    public static readonly UnaryFunction Asin = new("asin", FunctionKind.Float);
    public static readonly UnaryFunction Acos = new("acos", FunctionKind.Float);
    public static readonly UnaryFunction Atan = new("atan", FunctionKind.Float);
    public static readonly UnaryFunction Sinh = new("sinh", FunctionKind.Float);
    public static readonly UnaryFunction Cosh = new("cosh", FunctionKind.Float);
    public static readonly UnaryFunction Asinh = new("asinh", FunctionKind.Float);
    public static readonly UnaryFunction Acosh = new("acosh", FunctionKind.Float);
    public static readonly UnaryFunction Atanh = new("atanh", FunctionKind.Float);
    public static readonly UnaryFunction Erfc = new("erfc", FunctionKind.Float);
    public static readonly UnaryFunction Softplus = new("softplus", FunctionKind.Float);
    public static readonly UnaryFunction Trunc = new("trunc", FunctionKind.Float, Derivatives.Flat);
    public static readonly UnaryFunction Sign = new("sign", FunctionKind.Arithmetic, Derivatives.Flat);
}
