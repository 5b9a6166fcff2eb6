using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Calls;
using Picograd.Gradients;

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

/// <summary>
/// An element-wise function as tensors call it: what it takes, gives and how it is differentiated follows from its entry in
/// <see cref="ScalarFunctions"/>. Made when it is first called.
/// </summary>
internal sealed class ElementFunction : Operator
{
    private static readonly Lock s_lock = new();
    private static ElementFunction?[] s_known = new ElementFunction?[256];

    private readonly ScalarFunction _function;

    private ElementFunction(ScalarFunction function, Rule? rule)
        : base(function.Name, rule: rule, derives: rule is null && HasSlope(function))
    {
        _function = function;
        Kind =
            function.GivesBool || function.Types is [DType.Bool] ? FunctionKind.Comparison
            : !function.Types.Any(t => t.IsFloat()) ? FunctionKind.Bits
            : function.OnIntegers ? FunctionKind.Arithmetic
            : FunctionKind.Float;
        NumberRule = NumberRuleOf(function);
    }

    public FunctionKind Kind { get; }

    /// <summary>The derivative where one of two operands is a plain number.</summary>
    public Rule? NumberRule { get; }

    public static implicit operator ElementFunction(ScalarFunction function)
    {
        var known = s_known;
        int id = function.Id;
        return id < known.Length && known[id] is { } made && ReferenceEquals(made._function, function)
            ? made
            : Make(function);
    }

    private static ElementFunction Make(ScalarFunction function)
    {
        var made = new ElementFunction(function, RuleOf(function));
        lock (s_lock)
        {
            if (function.Id >= s_known.Length)
                Array.Resize(ref s_known, 2 * function.Id);
            return s_known[function.Id] = made;
        }
    }

    // By hand is what docs/gradients.md lists; the others are derived.
    private static Rule? RuleOf(ScalarFunction function) =>
        function.Arity == 1
            ? !function.GivesBool && !HasSlope(function)
                ? Derivatives.Flat
                : null
            : function.Name switch
            {
                "add" => Derivatives.Add,
                "sub" => Derivatives.Sub,
                "copysign" => Derivatives.Copysign,
                "floor_divide" or "trunc_divide" => Derivatives.FlatOfTwo,
                _ => null,
            };

    private static Rule? NumberRuleOf(ScalarFunction function) =>
        function.Name switch
        {
            "add" => Derivatives.AddNumber,
            "sub" => Derivatives.SubNumber,
            "mul" => Derivatives.MulNumber,
            "div" => Derivatives.DivNumber,
            _ => null,
        };

    private static bool HasSlope(ScalarFunction function) =>
        function.Derivatives.IsDefault
            ? function.Definition is not null && !function.GivesBool
            : function.Derivatives.Any(d => d is not null);
}
