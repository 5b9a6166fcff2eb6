using Picograd.Algorithms.Operators;

namespace Picograd.Algorithms.Functions;

/// <summary>Quotients in whole numbers, and what they leave.</summary>
public static partial class ScalarFunctions
{
    /// <summary>a − b · trunc(a / b), of the sign of a; exact where |a / b| is below 2⁵³. Slope of b: −trunc(a / b).</summary>
    public static readonly ScalarFunction Fmod = ScalarFunction.Composed("fmod", Rest) with
    {
        Derivatives = [(x, y, g) => g, (x, y, g) => -(g * Op.Trunc(x[0] / x[1]))],
        Domains = [InputDomain.Any, InputDomain.NonZero],
        Types = DTypes.Floats,
    };

    /// <summary>a − b · ⌊a / b⌋, of the sign of b. Slope of b: −⌊a / b⌋.</summary>
    public static readonly ScalarFunction Remainder = ScalarFunction.Composed(
        "remainder",
        (a, b) =>
        {
            var rest = Rest(a, b);
            return Op.Select(Differ(rest, b), rest + b, rest);
        }
    ) with
    {
        Derivatives = [(x, y, g) => g, (x, y, g) => -(g * Op.Call(FloorDivide!, x[0], x[1]))],
        Domains = [InputDomain.Any, InputDomain.NonZero],
        Types = DTypes.Floats,
    };

    /// <summary>⌊a / b⌋ of the exact quotient.</summary>
    public static readonly ScalarFunction FloorDivide = Flat(
        ScalarFunction.Composed(
            "floor_divide",
            (a, b) =>
            {
                var rest = Rest(a, b);
                var quotient = (a - rest) / b;
                var down = Op.Select(Differ(rest, b), quotient - Op.Const(1, a.Type), quotient);
                var zero = Zero(a);
                return Op.Select(Op.Eq(b, zero), a / b, Op.Select(Op.Eq(rest, rest), Op.Round(down), down));
            }
        )
    ) with
    {
        Domains = [InputDomain.Any, InputDomain.NonZero],
        Types = DTypes.Floats,
    };

    /// <summary>a / b, rounded, then cut towards zero.</summary>
    public static readonly ScalarFunction TruncDivide = Flat(
        ScalarFunction.Composed("trunc_divide", (a, b) => Op.Trunc(a / b))
    ) with
    {
        Domains = [InputDomain.Any, InputDomain.NonZero],
        Types = DTypes.Floats,
    };

    /// <summary>⌊a / b⌋ of whole numbers; b may not be 0.</summary>
    public static readonly ScalarFunction FloorQuotient = OfWhole("floor_quotient", Op.FloorDiv, a => -a);

    /// <summary>trunc(a / b) of whole numbers; b may not be 0.</summary>
    public static readonly ScalarFunction TruncQuotient = OfWhole(
        "trunc_quotient",
        (a, b) =>
        {
            var down = Op.FloorDiv(a, b);
            var exact = Op.Eq(down * b, a);
            return Op.Select(Op.Or(exact, Op.Le(Zero(a), down)), down, down + Op.Const(1, a.Type));
        },
        a => -a
    );

    /// <summary>a − b · ⌊a / b⌋ of whole numbers; b may not be 0.</summary>
    public static readonly ScalarFunction FloorRest = OfWhole("floor_rest", (a, b) => a - Op.FloorDiv(a, b) * b, Zero);

    /// <summary>a − b · trunc(a / b) of whole numbers; b may not be 0.</summary>
    public static readonly ScalarFunction TruncRest = OfWhole(
        "trunc_rest",
        (a, b) =>
        {
            var rest = a - Op.FloorDiv(a, b) * b;
            var zero = Zero(a);
            // The rest has the sign of b.
            return Op.Select(Op.And(Op.Ne(rest, zero), Op.Ne(Op.Lt(a, zero), Op.Lt(rest, zero))), rest - b, rest);
        },
        Zero
    );

    // Divided by −1 the lowest number overflows, which processors do not forgive.
    private static ScalarFunction OfWhole(string name, Func<Expr, Expr, Expr> function, Func<Expr, Expr> byMinusOne) =>
        Flat(
            ScalarFunction.Composed(
                name,
                (a, b) =>
                {
                    var minusOne = Op.Eq(b, Op.Const(-1, b.Type));
                    var divisor = Op.Select(minusOne, Op.Const(1, b.Type), b);
                    return Op.Select(minusOne, byMinusOne(a), function(a, divisor));
                }
            )
        ) with
        {
            Domains = [InputDomain.Any, InputDomain.NonZero],
            Types = [DType.Int32, DType.Int64],
        };

    // In Float64, where quotients of Float32 numbers are below 2⁵³ or so large that nothing is known.
    private static Expr Rest(Expr a, Expr b)
    {
        if (a.Type == DType.Float32)
            return Op.Cast(DType.Float32, Rest(Op.Cast(DType.Float64, a), Op.Cast(DType.Float64, b)));
        var zero = Zero(a);
        var rest = Op.Fma(-Op.Trunc(a / b), b, a);
        // A quotient that was rounded up leaves too little.
        var more = Op.Select(Op.Lt(a, zero), -Op.Abs(b), Op.Abs(b));
        rest = Op.Select(Differ(rest, a), rest + more, rest);
        return Op.Select(Op.And(Op.IsInf(b), Op.IsFinite(a)), a, rest);
    }

    // Not 0, and of another sign.
    private static Expr Differ(Expr rest, Expr than) =>
        Op.Or(
            Op.And(Op.Lt(rest, Zero(rest)), Op.Lt(Zero(than), than)),
            Op.And(Op.Lt(Zero(rest), rest), Op.Lt(than, Zero(than)))
        );
}
