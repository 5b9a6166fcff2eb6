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
    public static readonly ScalarFunction FloorDivide = Flat(ScalarFunction.Composed("floor_divide", Quotient)) with
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
            Types = DTypes.SignedIntegers,
        };

    // Of Float32 numbers in Float64, where quotients are below 2⁵³ or so large that nothing is known.
    private static Expr InFloat64(Func<Expr, Expr, Expr> function, Expr a, Expr b) =>
        Op.Cast(a.Type, function(Op.Cast(DType.Float64, a), Op.Cast(DType.Float64, b)));

    // Of magnitudes; of the sign of a, zeros included.
    private static Expr Rest(Expr a, Expr b)
    {
        if (a.Type == DType.Float32)
            return InFloat64(Rest, a, b);
        var zero = Zero(a);
        var (most, least) = (Op.Abs(a), Op.Abs(b));
        var rest = Op.Fma(-Op.Floor(most / least), least, most);
        // A quotient that was rounded up leaves too little.
        rest = Op.Select(Op.Lt(rest, zero), rest + least, rest);
        return Op.Select(Op.Lt(most, least), a, Op.Select(Op.Lt(a, zero), -rest, rest));
    }

    private static Expr Quotient(Expr a, Expr b)
    {
        if (a.Type == DType.Float32)
            return InFloat64(Quotient, a, b);
        var down = Op.Floor(a / b);
        // Of an infinite b as of the largest: what is left is a.
        var divisor = Op.Max(Op.Min(b, Op.Const(double.MaxValue, b.Type)), Op.Const(double.MinValue, b.Type));
        var rest = Op.Fma(-down, divisor, a);
        // A quotient that was rounded up.
        down = Op.Select(Differ(rest, b), down - Op.Const(1, a.Type), down);
        return Op.Select(Op.And(Op.IsInf(a), Op.Ne(b, Zero(b))), Op.Const(double.NaN, a.Type), down);
    }

    // Not 0, and of another sign; true of some that are no number.
    private static Expr Differ(Expr rest, Expr than) =>
        Op.And(Op.Ne(rest, Zero(rest)), Op.Ne(Op.Lt(rest, Zero(rest)), Op.Lt(than, Zero(than))));
}
