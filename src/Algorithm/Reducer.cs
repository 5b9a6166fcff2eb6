using System.Collections.Immutable;

namespace Picograd.Algorithms;

/// <summary>
/// An associative combiner over one value or a tuple of values: combine(Lhs, Rhs) = Result, with Identity. Lhs is the
/// accumulated value, Rhs the new one; both appear in Result as <see cref="ReducerArg"/>. Sum, Prod, Max, Min, Any, All
/// and the tuple-valued ArgMax / ArgMin are made by the factories; any other by <see cref="Custom"/>.
/// </summary>
public sealed class Reducer
{
    private Reducer(string name, ImmutableArray<Expr> identity, ImmutableArray<Expr> result)
    {
        Name = name;
        Identity = identity;
        Result = result;
    }

    /// <summary>sum, prod, max, min, any, all, argmax, argmin, or the name given to a custom one.</summary>
    public string Name { get; }

    public ImmutableArray<Expr> Identity { get; }

    /// <summary>One expression a component, over ReducerArg(false, i) (accumulated) and ReducerArg(true, i) (new).</summary>
    public ImmutableArray<Expr> Result { get; }

    public int Arity => Identity.Length;

    /// <summary>Whether it adds up, whatever it is called.</summary>
    public bool IsSum =>
        Result is [Binary { Kind: BinaryOp.Add, A: ReducerArg { IsNew: false }, B: ReducerArg { IsNew: true } }]
        && Identity[0].IsConst(0);

    /// <summary>Whether the new value replaces the accumulated one: <see cref="Last"/>.</summary>
    public bool IsLast => Result is [ReducerArg { IsNew: true }];

    public static Reducer Sum(DType type) => Simple("sum", type, 0, (a, b) => a + b);

    public static Reducer Prod(DType type) => Simple("prod", type, 1, (a, b) => a * b);

    public static Reducer Max(DType type) => Simple("max", type, Lowest(type), Op.Max);

    public static Reducer Min(DType type) => Simple("min", type, Highest(type), Op.Min);

    public static Reducer Any() => Simple("any", DType.Bool, 0, Op.Or);

    public static Reducer All() => Simple("all", DType.Bool, 1, Op.And);

    /// <summary>
    /// The new value, whatever was there: a scatter that assigns. Not commutative, so the axes of such a scatter that its
    /// indices do not name are <see cref="AxisKind.Ordered"/>.
    /// </summary>
    public static Reducer Last(DType type) => Simple("last", type, 0, (_, b) => b);

    /// <summary>Over (value, index): the largest value, NaN above all; of equals the smallest index.</summary>
    public static Reducer ArgMax(DType type) => Arg("argmax", type, Lowest(type), (a, b) => b < a);

    /// <summary>Over (value, index): the smallest value, NaN below all; of equals the smallest index.</summary>
    public static Reducer ArgMin(DType type) => Arg("argmin", type, Highest(type), (a, b) => a < b);

    /// <summary>
    /// A combiner of your own. <paramref name="combine"/> gets the accumulated and the new tuple. It must be
    /// associative and commutative, and identity neutral on the left.
    /// </summary>
    public static Reducer Custom(
        string name,
        ImmutableArray<Expr> identity,
        Func<ImmutableArray<Expr>, ImmutableArray<Expr>, ImmutableArray<Expr>> combine
    )
    {
        var lhs = identity.Select((e, i) => (Expr)new ReducerArg(false, i, e.Type)).ToImmutableArray();
        var rhs = identity.Select((e, i) => (Expr)new ReducerArg(true, i, e.Type)).ToImmutableArray();
        var result = combine(lhs, rhs);
        if (result.Length != identity.Length)
            throw new ArgumentException(
                $"reducer {name}: {identity.Length} identities but combine returned {result.Length} values"
            );
        for (int i = 0; i < result.Length; i++)
        {
            if (result[i].Type != identity[i].Type)
                throw new ArgumentException(
                    $"reducer {name}: component {i} starts as {identity[i].Type.Name()} but combines to {result[i].Type.Name()}"
                );
        }
        return new Reducer(name, identity, result);
    }

    /// <summary>A combiner of checked parts: those of <see cref="Identity"/> and <see cref="Result"/>.</summary>
    internal static Reducer Of(string name, ImmutableArray<Expr> identity, ImmutableArray<Expr> result) =>
        new(name, identity, result);

    /// <summary>combine(lhs, rhs), component by component.</summary>
    public ImmutableArray<Expr> Combine(ImmutableArray<Expr> lhs, ImmutableArray<Expr> rhs) =>
        [.. Result.Select(r => r.Map(e => e is ReducerArg a ? (a.IsNew ? rhs : lhs)[a.Index] : null))];

    private static Reducer Simple(string name, DType type, double identity, Func<Expr, Expr, Expr> combine) =>
        Custom(name, [IdentityOf(type, identity)], (a, b) => [combine(a[0], b[0])]);

    private static Reducer Arg(string name, DType type, double identity, Func<Expr, Expr, Expr> better) =>
        Custom(
            name,
            [IdentityOf(type, identity), new IntImm(long.MaxValue, DType.Int64)],
            (a, b) =>
            {
                // "keep": the accumulated pair wins. NaN != NaN makes a NaN win; ties go to the smaller index.
                Expr aNaN = type.IsFloat() ? Op.Ne(a[0], a[0]) : Op.False;
                Expr bNaN = type.IsFloat() ? Op.Ne(b[0], b[0]) : Op.False;
                Expr tie = Op.Or(Op.Eq(a[0], b[0]), Op.And(aNaN, bNaN));
                Expr keep = Op.Or(
                    Op.And(Op.Not(bNaN), Op.Or(aNaN, better(a[0], b[0]))),
                    Op.And(tie, Op.Lt(a[1], b[1]))
                );
                return [Op.Select(keep, a[0], b[0]), Op.Select(keep, a[1], b[1])];
            }
        );

    private static Expr IdentityOf(DType type, double value) =>
        type == DType.Int64 && value == double.MaxValue ? new IntImm(long.MaxValue, type)
        : type == DType.Int64 && value == double.MinValue ? new IntImm(long.MinValue, type)
        : Op.Const(value, type);

    private static double Lowest(DType type) =>
        type.IsFloat() ? double.NegativeInfinity
        : type == DType.Int64 ? double.MinValue
        : type.Info().Lowest;

    private static double Highest(DType type) =>
        type.IsFloat() ? double.PositiveInfinity
        : type == DType.Int64 ? double.MaxValue
        : type.Info().Highest;
}

/// <summary>Placeholder within a reducer's Result: component Index of the accumulated or of the new tuple.</summary>
public sealed record ReducerArg(bool IsNew, int Index, DType ArgType) : Expr
{
    public override DType Type => ArgType;
}
