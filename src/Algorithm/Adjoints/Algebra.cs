namespace Picograd.Algorithms.Adjoints;

/// <summary>
/// Arithmetic on float expressions that keeps derivatives short: signs and constants move outwards, what is selected under the
/// same condition is added there. Terms may be added up in another order than they were written.
/// </summary>
internal static class Algebra
{
    public static Expr Zero(DType type) => Op.Const(0, type);

    public static bool IsZero(Expr e) => e is FloatImm { Value: 0 };

    public static Expr Neg(Expr a) =>
        a switch
        {
            Unary { Kind: UnaryOp.Neg } n => n.A,
            Binary { Kind: BinaryOp.Sub } s => Op.Sub(s.B, s.A),
            Binary { Kind: BinaryOp.Mul, B: FloatImm c } m => Mul(m.A, Op.Neg(c)),
            Select s when IsZero(s.Then) => Op.Select(s.Cond, s.Then, Neg(s.Else)),
            Select s when IsZero(s.Else) => Op.Select(s.Cond, Neg(s.Then), s.Else),
            FloatImm { Value: 0 } => a,
            _ => Op.Neg(a),
        };

    public static Expr Add(Expr a, Expr b)
    {
        if (IsZero(a))
            return b;
        if (IsZero(b))
            return a;
        if (b is Unary { Kind: UnaryOp.Neg } minus)
            return Sub(a, minus.A);
        if (a is Unary { Kind: UnaryOp.Neg } first)
            return Sub(b, first.A);
        if (a is Select x && b is Select y && x.Cond == y.Cond && Disjoint(x, y))
            return Op.Select(x.Cond, Add(x.Then, y.Then), Add(x.Else, y.Else));
        return a == b ? Mul(a, Op.Const(2, a.Type)) : Op.Add(a, b);
    }

    public static Expr Sub(Expr a, Expr b) =>
        IsZero(b) ? a
        : IsZero(a) ? Neg(b)
        : b is Unary { Kind: UnaryOp.Neg } minus ? Add(a, minus.A)
        : Op.Sub(a, b);

    public static Expr Mul(Expr a, Expr b)
    {
        if (a is FloatImm && b is not FloatImm)
            (a, b) = (b, a);
        return (a, b) switch
        {
            (_, FloatImm { Value: -1 }) => Neg(a),
            (Unary { Kind: UnaryOp.Neg } n, FloatImm c) => Mul(n.A, Op.Neg(c)),
            (Binary { Kind: BinaryOp.Mul, B: FloatImm c } m, FloatImm d) => Mul(m.A, Op.Mul(c, d)),
            (Unary { Kind: UnaryOp.Neg } n, _) => Neg(Mul(n.A, b)),
            (_, Unary { Kind: UnaryOp.Neg } n) => Neg(Mul(a, n.A)),
            (Binary { Kind: BinaryOp.Mul, B: FloatImm c } m, not FloatImm) => Mul(Mul(m.A, b), c),
            (_, Binary { Kind: BinaryOp.Mul, B: FloatImm c } m) => Mul(Mul(a, m.A), c),
            // 1/b is no factor but a divisor.
            (_, Binary { Kind: BinaryOp.Div, A: FloatImm { Value: 1 } } d) => Div(a, d.B),
            _ => Op.Mul(a, b),
        };
    }

    public static Expr Div(Expr a, Expr b) =>
        (a, b) switch
        {
            (Unary { Kind: UnaryOp.Neg } n, _) => Neg(Div(n.A, b)),
            (_, Unary { Kind: UnaryOp.Neg } n) => Neg(Div(a, n.A)),
            (_, FloatImm { Value: 1 }) => a,
            _ => Op.Div(a, b),
        };

    /// <summary>The value where the condition holds, 0 elsewhere; nothing of the value is read there.</summary>
    public static Expr Where(Expr? condition, Expr value) =>
        condition is null || condition.IsTrue() || IsZero(value) ? value
        : condition is Unary { Kind: UnaryOp.Not } not ? Op.Select(not.A, Zero(value.Type), value)
        : Op.Select(condition, value, Zero(value.Type));

    public static Expr? And(Expr? a, Expr? b) =>
        a is null ? b
        : b is null ? a
        : Op.And(a, b);

    /// <summary>
    /// g times a slope, as terms under conditions: where the slope is 0 by a condition there is no term, so that an infinite g
    /// does not become NaN there.
    /// </summary>
    public static IEnumerable<(Expr? Guard, Expr Value)> Times(Expr? guard, Expr g, Expr slope)
    {
        switch (slope)
        {
            case FloatImm { Value: 0 }:
                yield break;
            case FloatImm { Value: 1 }:
                yield return (guard, g);
                yield break;
            case Select s when IsZero(s.Else):
                foreach (var term in Times(And(guard, s.Cond), g, s.Then))
                    yield return term;
                yield break;
            case Select s when IsZero(s.Then):
                foreach (var term in Times(And(guard, Op.Not(s.Cond)), g, s.Else))
                    yield return term;
                yield break;
            case Select s:
                yield return (guard, Op.Select(s.Cond, Product(g, s.Then), Product(g, s.Else)));
                yield break;
            default:
                yield return (guard, Mul(g, slope));
                yield break;
        }
    }

    /// <summary>
    /// The value with simpler indices and conditions. Indices that are an axis stay that, also where it has one element only.
    /// </summary>
    public static Expr Tidy(Expr e, LoopRanges ranges) =>
        e.Map(n =>
            n switch
            {
                Load l => new Load(l.Buffer, [.. l.Indices.Select(i => i is Var ? i : Simplifier.Simplify(i, ranges))]),
                Binary { Type: DType.Bool, Kind: not (BinaryOp.And or BinaryOp.Or) } b when b.A.Type == DTypes.Index =>
                    Simplifier.Simplify(b, ranges),
                _ => null,
            }
        );

    /// <summary>The value where a condition is known to hold, or not to: nothing asks for it again.</summary>
    public static Expr Given(Expr value, Expr condition, bool holds)
    {
        var conjuncts = condition.Conjuncts().ToList();
        return value.Map(n =>
            n is Select s && s.Cond == condition ? Given(holds ? s.Then : s.Else, condition, holds)
            : holds && n is Select t && conjuncts.Contains(t.Cond) ? Given(t.Then, condition, holds)
            : null
        );
    }

    private static Expr Product(Expr g, Expr slope) =>
        slope switch
        {
            FloatImm { Value: 0 } => slope,
            FloatImm { Value: 1 } => g,
            Select s => Op.Select(s.Cond, Product(g, s.Then), Product(g, s.Else)),
            _ => Mul(g, slope),
        };

    // Adding branch by branch must not add a number where there was none.
    private static bool Disjoint(Select x, Select y) =>
        (IsZero(x.Then) || IsZero(y.Then) || IsZero(x.Else)) && (IsZero(x.Else) || IsZero(y.Else) || IsZero(x.Then));
}
