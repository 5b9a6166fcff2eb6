using L = System.Linq.Expressions.Expression;

namespace Picograd.Algorithms.Evaluation;

/// <summary>Float operations and conversions.</summary>
internal sealed partial class ExprCompiler
{
    private Emitted FloatBinary(Binary b)
    {
        var (x, y) = (Emit(b.A), Emit(b.B));
        if (b.Type == DType.Bool)
            return Comparison(b, x, y);
        L value = Let(
            b.Kind switch
            {
                BinaryOp.Add => L.Add(x.Value, y.Value),
                BinaryOp.Sub => L.Subtract(x.Value, y.Value),
                BinaryOp.Mul => L.Multiply(x.Value, y.Value),
                BinaryOp.Div => L.Divide(x.Value, y.Value),
                BinaryOp.Min => L.Call(typeof(FloatFunctions), nameof(FloatFunctions.Min), null, x.Value, y.Value),
                BinaryOp.Max => L.Call(typeof(FloatFunctions), nameof(FloatFunctions.Max), null, x.Value, y.Value),
                _ => throw new EvaluationException($"stage {stage}: {b.Kind} is not defined on {b.Type.Name()}"),
            }
        );
        if (!track)
            return new(value, null);
        bool exact = x.Bound is null && y.Bound is null;
        var (ex, ey) = (x.Bound ?? Zero, y.Bound ?? Zero);
        switch (b.Kind)
        {
            case BinaryOp.Add or BinaryOp.Sub:
                return new(value, Rounded(value, exact ? Zero : L.Add(ex, ey), b.Type, 1));
            case BinaryOp.Mul:
                L e = exact ? Zero : Rule(nameof(BoundRules.Mul), x.Value, ex, y.Value, ey);
                return new(value, L.Add(Rounded(value, e, b.Type, 1), L.Constant(BoundRules.Tiny(b.Type))));
            case BinaryOp.Div:
                L d = exact ? Zero : Rule(nameof(BoundRules.Div), x.Value, ex, y.Value, ey);
                return new(
                    value,
                    L.Add(Rounded(value, d, b.Type, BoundRules.DivisionUlps), L.Constant(BoundRules.Tiny(b.Type)))
                );
            case BinaryOp.Max:
                return new(value, exact ? null : Rule(nameof(BoundRules.Max), x.Value, ex, y.Value, ey));
            default:
                return new(
                    value,
                    exact ? null : Rule(nameof(BoundRules.Max), L.Negate(x.Value), ex, L.Negate(y.Value), ey)
                );
        }
    }

    private Emitted FusedMultiplyAdd(Fma f)
    {
        var (a, b, c) = (Emit(f.A), Emit(f.B), Emit(f.C));
        // Rounded once, also where what is left is small beside the product.
        L value = Let(
            L.Call(
                typeof(Math).GetMethod(
                    nameof(Math.FusedMultiplyAdd),
                    [typeof(double), typeof(double), typeof(double)]
                )!,
                a.Value,
                b.Value,
                c.Value
            )
        );
        if (!track)
            return new(value, null);
        L e = L.Add(Rule(nameof(BoundRules.Mul), a.Value, a.Bound ?? Zero, b.Value, b.Bound ?? Zero), c.Bound ?? Zero);
        return new(value, L.Add(Rounded(value, e, f.Type, 1), L.Constant(BoundRules.Tiny(f.Type))));
    }

    private Emitted Unary(Unary u)
    {
        var x = Emit(u.A);
        if (u.Kind == UnaryOp.Not)
            return new(L.Not(x.Value), x.Bound);
        if (!u.Type.IsFloat())
        {
            L integer =
                u.Kind == UnaryOp.Neg
                    ? L.Negate(x.Value)
                    : L.Condition(L.LessThan(x.Value, L.Constant(0L)), L.Negate(x.Value), x.Value);
            return new(Wrap(integer, u.Type), x.Bound);
        }
        L value = Let(Operation(u.Kind, x.Value));
        if (!track)
            return new(value, null);
        double ulps = BoundRules.Ulps(u.Kind);
        if (x.Bound is null && ulps == 0)
            return new(value, null);
        L e = x.Bound is null ? Zero : Rule(nameof(BoundRules.Unary), L.Constant(u.Kind), x.Value, x.Bound, value);
        return new(value, ulps == 0 ? e : Rounded(value, e, u.Type, ulps));
    }

    private Emitted Function(Apply call)
    {
        var function = call.Function;
        var x = Emit(call.A);
        L value = Let(Called(function.Reference!, x.Value));
        if (!track)
            return new(value, null);
        L e = x.Bound is null
            ? Zero
            : Rule(nameof(BoundRules.Function), L.Constant(BoundRules.ErrorOf(function)), x.Value, x.Bound, value);
        return Approximated(call, value, e);
    }

    private Emitted Function2(Apply call)
    {
        var function = call.Function;
        var (x, y) = (Emit(call.Arguments[0]), Emit(call.Arguments[1]));
        L value = Let(Called(function.Reference!, x.Value, y.Value));
        if (!track)
            return new(value, null);
        L e =
            x.Bound is null && y.Bound is null
                ? Zero
                : Rule(
                    nameof(BoundRules.Function2),
                    L.Constant(BoundRules.Error2Of(function)),
                    x.Value,
                    x.Bound ?? Zero,
                    y.Value,
                    y.Bound ?? Zero,
                    value
                );
        return Approximated(call, value, e);
    }

    private static Emitted Approximated(Apply call, L value, L error) =>
        new(
            value,
            L.Add(
                Rounded(value, error, call.Type, call.Function.Roundoffs),
                L.Constant(BoundRules.Absolute(call.Function, call.Type))
            )
        );

    private static L Called(Delegate function, params L[] arguments) =>
        L.Call(function.Target is null ? null : L.Constant(function.Target), function.Method, arguments);

    private L Operation(UnaryOp kind, L x) =>
        kind switch
        {
            UnaryOp.Neg => L.Negate(x),
            UnaryOp.Abs => L.Call(typeof(Math), nameof(Math.Abs), null, x),
            UnaryOp.Sqrt => L.Call(typeof(Math), nameof(Math.Sqrt), null, x),
            UnaryOp.Floor => L.Call(typeof(Math), nameof(Math.Floor), null, x),
            UnaryOp.Ceil => L.Call(typeof(Math), nameof(Math.Ceiling), null, x),
            UnaryOp.Round => L.Call(typeof(Math), nameof(Math.Round), null, x),
            _ => throw new EvaluationException($"stage {stage}: {kind} is not a float function"),
        };

    private Emitted Cast(Cast c)
    {
        var x = Emit(c.A);
        var (from, to) = (c.A.Type, c.To);
        if (to.IsFloat())
        {
            L value = Let(AsDouble(x.Value));
            if (!track)
                return new(value, null);
            bool widens = from.IsFloat() && from.Size() < to.Size();
            if (widens || (!from.IsFloat() && from.Size() == 1) || from == to)
                return new(value, x.Bound);
            if (from.IsFloat())
                return new(value, Rounded(value, x.Bound ?? Zero, to, 1));
            // An integer of at most the significand's width is exact.
            double exactBelow = 1 / BoundRules.UnitRoundoff(to);
            return new(
                value,
                L.Condition(
                    L.LessThanOrEqual(L.Call(typeof(Math), nameof(Math.Abs), null, value), L.Constant(exactBelow)),
                    x.Bound ?? Zero,
                    Rounded(value, x.Bound ?? Zero, to, 1)
                )
            );
        }
        if (to == DType.Bool)
        {
            L zero = from.IsFloat() ? Zero : L.Constant(0L);
            L truth = L.NotEqual(x.Value, zero);
            return new(truth, x.Bound is null ? null : Call(nameof(Undecided), AsDouble(x.Value), x.Bound, Zero, Zero));
        }
        if (from == DType.Bool)
            return new(L.Condition(x.Value, L.Constant(1L), L.Constant(0L)), x.Bound);
        if (!from.IsFloat())
            return new(Wrap(x.Value, to), x.Bound);
        L truncated = L.Call(typeof(FloatFunctions), nameof(FloatFunctions.ToInteger), null, x.Value);
        return new(Wrap(truncated, to), x.Bound is null ? null : Call(nameof(TruncationSpread), x.Value, x.Bound));
    }

    private Emitted Bitcast(Bitcast c)
    {
        var x = Emit(c.A);
        var (from, to) = (c.A.Type, c.To);
        if (from.Size() != to.Size())
            throw new EvaluationException($"stage {stage}: bitcast from {from.Name()} to {to.Name()} changes the size");
        L value = (from, to) switch
        {
            (DType.Float32, _) when !to.IsFloat() => Wrap(Bits(nameof(FloatFunctions.FloatBits), x.Value), to),
            (_, DType.Float32) when !from.IsFloat() => Bits(nameof(FloatFunctions.BitsFloat), x.Value),
            (DType.Float64, DType.Int64) => L.Call(
                typeof(BitConverter),
                nameof(BitConverter.DoubleToInt64Bits),
                null,
                x.Value
            ),
            (DType.Int64, DType.Float64) => L.Call(
                typeof(BitConverter),
                nameof(BitConverter.Int64BitsToDouble),
                null,
                x.Value
            ),
            _ when !from.IsFloat() && !to.IsFloat() && from != DType.Bool && to != DType.Bool => Wrap(x.Value, to),
            _ => throw new EvaluationException(
                $"stage {stage}: bitcast from {from.Name()} to {to.Name()} is not defined"
            ),
        };
        return new(value, x.Bound is null ? null : Unknowable(x.Bound));
    }

    private static L Bits(string method, L x) => L.Call(typeof(FloatFunctions), method, null, x);

    private static L Rule(string method, params L[] arguments) => L.Call(typeof(BoundRules), method, null, arguments);

    private static L Rounded(L value, L error, DType type, double ulps) =>
        Rule(
            nameof(BoundRules.Round),
            value,
            error,
            L.Constant(ulps * BoundRules.UnitRoundoff(type)),
            L.Constant(BoundRules.Largest(type)),
            L.Constant(BoundRules.Smallest(type))
        );

    private static double TruncationSpread(double x, double e)
    {
        double spread = Math.Truncate(x + e) - Math.Truncate(x - e);
        return double.IsNaN(spread) ? double.PositiveInfinity : spread;
    }
}
