using System.Linq.Expressions;
using L = System.Linq.Expressions.Expression;

namespace Picograd.Algorithms.Evaluation;

/// <summary>Code for one value: its CLR expression (double, long or bool) and, unless it is exact, its error bound.</summary>
internal readonly record struct Emitted(L Value, L? Bound);

/// <summary>
/// Turns expressions into straight-line LINQ statements, each subexpression once. With <c>track</c> every value has a
/// running error bound beside it (<see cref="BoundRules"/>); a null bound means exact.
/// </summary>
internal sealed partial class ExprCompiler(
    string stage,
    bool track,
    IReadOnlyDictionary<Var, Interval> ranges,
    IReadOnlyDictionary<Var, ParameterExpression> vars,
    Func<Buffer, StoredArray> arrays
)
{
    private sealed record Block(List<L> Code, List<ParameterExpression> Locals, Dictionary<Expr, Emitted> Known);

    private readonly Stack<Block> _blocks = new();

    /// <summary>What the placeholders of a reducer stand for.</summary>
    public Dictionary<ReducerArg, Emitted> Arguments { get; } = [];

    /// <summary>Collects the code that <paramref name="emit"/> produces into one block.</summary>
    public L InBlock(Action emit)
    {
        _blocks.Push(new Block([], [], []));
        emit();
        var block = _blocks.Pop();
        return block.Code.Count == 0 ? L.Empty() : L.Block(typeof(void), block.Locals, block.Code);
    }

    public void Add(L statement) => _blocks.Peek().Code.Add(statement);

    /// <summary>Evaluates once into a local.</summary>
    public L Let(L value)
    {
        if (value is ParameterExpression or ConstantExpression)
            return value;
        var local = L.Variable(value.Type);
        _blocks.Peek().Locals.Add(local);
        Add(L.Assign(local, value));
        return local;
    }

    public ParameterExpression Local(Type type)
    {
        var local = L.Variable(type);
        _blocks.Peek().Locals.Add(local);
        return local;
    }

    /// <summary>Makes a local made elsewhere one of the current block.</summary>
    public void Declare(ParameterExpression local) => _blocks.Peek().Locals.Add(local);

    public static Type ClrType(DType type) =>
        type.IsFloat() ? typeof(double)
        : type == DType.Bool ? typeof(bool)
        : typeof(long);

    public Emitted Emit(Expr e)
    {
        switch (e)
        {
            case IntImm { ImmType: DType.Bool } b:
                return new(L.Constant(b.Value != 0), null);
            case IntImm i:
                return new(L.Constant(i.Value), null);
            // Immediates of float32 are rounded, as every back end rounds them.
            case FloatImm f:
                return new(L.Constant(f.ImmType == DType.Float32 ? (float)f.Value : f.Value), null);
            case Var v:
                return vars.TryGetValue(v, out var axis)
                    ? new(axis, null)
                    : throw new EvaluationException($"stage {stage}: no value for {v.Name}");
            case ReducerArg a:
                return Arguments[a];
        }
        foreach (var block in _blocks)
        {
            if (block.Known.TryGetValue(e, out var known))
                return known;
        }
        var made = e switch
        {
            Unary u => Unary(u),
            Apply { Meaning: { } meaning } => Emit(meaning),
            Apply { Arguments.Length: 2 } a => Function2(a),
            Apply a => Function(a),
            Binary { Kind: BinaryOp.And or BinaryOp.Or } b => Logical(b),
            Binary { A.Type: DType.Bool } b => BoolBinary(b),
            Binary b => b.A.Type.IsFloat() ? FloatBinary(b) : IntBinary(b),
            Fma f => FusedMultiplyAdd(f),
            Select s => Select(s),
            Cast c => Cast(c),
            Bitcast c => Bitcast(c),
            Load l => Load(l),
            _ => throw new EvaluationException($"stage {stage}: cannot evaluate {e.GetType().Name}"),
        };
        made = new(Let(made.Value), made.Bound is null ? null : Let(made.Bound));
        _blocks.Peek().Known[e] = made;
        return made;
    }

    /// <summary>Flat position of an index (or its place in a pattern); checks each dimension unless its range proves it inside.</summary>
    public (L Position, L? Bound) Position(Buffer buffer, IReadOnlyList<Expr> indices, StoredArray array)
    {
        L? position = null;
        L? bound = null;
        for (int d = 0; d < indices.Count; d++)
        {
            long extent = array.Data.Shape[d];
            var index = Emit(indices[d]);
            bound = Larger(bound, index.Bound);
            var range = Interval.Of(indices[d], ranges);
            if (range.Min < 0 || range.Max >= extent)
            {
                Add(
                    L.IfThen(
                        L.Or(
                            L.LessThan(index.Value, L.Constant(0L)),
                            L.GreaterThanOrEqual(index.Value, L.Constant(extent))
                        ),
                        L.Call(
                            typeof(EvaluationException),
                            nameof(EvaluationException.OutOfRange),
                            null,
                            L.Constant(stage),
                            L.Constant(buffer.Name),
                            L.Constant(d),
                            index.Value,
                            L.Constant(extent)
                        )
                    )
                );
            }
            position = position is null ? index.Value : L.Add(L.Multiply(position, L.Constant(extent)), index.Value);
        }
        var place = position ?? L.Constant(0L);
        return (
            array.Data.IsPattern
                ? L.Call(L.Constant(array.Data), nameof(NDArray.PlaceOf), null, place)
                : L.Convert(place, typeof(int)),
            bound
        );
    }

    public static L Element(L array, L position) => L.ArrayAccess(array, position);

    private Emitted Load(Load load)
    {
        var array = arrays(load.Buffer);
        var (where, indexBound) = Position(load.Buffer, load.Indices, array);
        var position = Let(where);
        var element = Element(array.Elements, position);
        L value = load.Type == DType.Bool ? L.NotEqual(element, L.Constant(0L)) : element;
        L? bound = track && array.Bounds is not null ? Element(array.Bounds, position) : null;
        if (indexBound is not null)
            bound = L.Condition(L.GreaterThan(indexBound, Zero), Infinity, bound ?? Zero);
        return new(value, bound);
    }

    private Emitted Select(Select s)
    {
        var cond = Emit(s.Cond);
        var value = Local(ClrType(s.Type));
        ParameterExpression? bound = null;
        L Branch(Expr e) =>
            InBlock(() =>
            {
                var made = Emit(e);
                Add(L.Assign(value, made.Value));
                if (bound is not null)
                    Add(L.Assign(bound, made.Bound ?? Zero));
            });
        // First without a bound to see whether either branch has one.
        bool needed = cond.Bound is not null || (track && (HasBound(s.Then) || HasBound(s.Else)));
        if (needed)
            bound = Local(typeof(double));
        L choose = L.IfThenElse(cond.Value, Branch(s.Then), Branch(s.Else));
        if (cond.Bound is not null)
        {
            // The condition might have gone the other way: allow both outcomes.
            var both = InBlock(() =>
            {
                var then = Emit(s.Then);
                var other = Emit(s.Else);
                Add(L.Assign(value, L.Condition(cond.Value, then.Value, other.Value)));
                Add(
                    L.Assign(
                        bound!,
                        Call(
                            nameof(Spread),
                            AsDouble(then.Value),
                            then.Bound ?? Zero,
                            AsDouble(other.Value),
                            other.Bound ?? Zero
                        )
                    )
                );
            });
            choose = L.IfThenElse(L.GreaterThan(cond.Bound, Zero), both, choose);
        }
        Add(choose);
        return new(value, bound);
    }

    private bool HasBound(Expr e)
    {
        bool has = false;
        InBlock(() => has = Emit(e).Bound is not null);
        return has;
    }

    // Lazy: the second operand's code runs only if the first does not decide.
    private Emitted Logical(Binary b)
    {
        bool and = b.Kind == BinaryOp.And;
        var first = Emit(b.A);
        var value = Local(typeof(bool));
        bool needed = first.Bound is not null || (track && HasBound(b.B));
        var bound = needed ? Local(typeof(double)) : null;
        Add(L.Assign(value, first.Value));
        if (bound is not null)
            Add(L.Assign(bound, first.Bound ?? Zero));
        var second = InBlock(() =>
        {
            var made = Emit(b.B);
            Add(L.Assign(value, made.Value));
            if (bound is not null)
                Add(L.Assign(bound, L.Call(typeof(Math), nameof(Math.Max), null, bound, made.Bound ?? Zero)));
        });
        Add(L.IfThen(and ? first.Value : L.Not(first.Value), second));
        return new(value, bound);
    }

    private Emitted BoolBinary(Binary b)
    {
        var (x, y) = (Emit(b.A), Emit(b.B));
        L value = b.Kind switch
        {
            BinaryOp.Eq => L.Equal(x.Value, y.Value),
            BinaryOp.Ne => L.NotEqual(x.Value, y.Value),
            BinaryOp.Lt => L.AndAlso(L.Not(x.Value), y.Value),
            BinaryOp.Le => L.OrElse(L.Not(x.Value), y.Value),
            BinaryOp.Min => L.AndAlso(x.Value, y.Value),
            BinaryOp.Max => L.OrElse(x.Value, y.Value),
            _ => throw new EvaluationException($"stage {stage}: {b.Kind} is not defined on bool"),
        };
        return new(value, Larger(x.Bound, y.Bound));
    }

    private Emitted IntBinary(Binary b)
    {
        var (x, y) = (Emit(b.A), Emit(b.B));
        if (b.Type == DType.Bool)
            return Comparison(b, x, y);
        L value = b.Kind switch
        {
            BinaryOp.Add => L.Add(x.Value, y.Value),
            BinaryOp.Sub => L.Subtract(x.Value, y.Value),
            BinaryOp.Mul => L.Multiply(x.Value, y.Value),
            BinaryOp.FloorDiv => Divide(nameof(FloorDivide), x.Value, y.Value),
            BinaryOp.Mod => Divide(nameof(FloorModulo), x.Value, y.Value),
            BinaryOp.Min => L.Call(typeof(Math), nameof(Math.Min), null, x.Value, y.Value),
            BinaryOp.Max => L.Call(typeof(Math), nameof(Math.Max), null, x.Value, y.Value),
            BinaryOp.BitAnd => L.And(x.Value, y.Value),
            BinaryOp.BitOr => L.Or(x.Value, y.Value),
            BinaryOp.BitXor => L.ExclusiveOr(x.Value, y.Value),
            BinaryOp.Shl => L.LeftShift(x.Value, L.Convert(y.Value, typeof(int))),
            BinaryOp.Shr => L.RightShift(x.Value, L.Convert(y.Value, typeof(int))),
            _ => throw new EvaluationException($"stage {stage}: {b.Kind} is not defined on {b.A.Type.Name()}"),
        };
        L? bound = null;
        if (x.Bound is not null || y.Bound is not null)
        {
            bound = b.Kind switch
            {
                BinaryOp.Add or BinaryOp.Sub => L.Add(x.Bound ?? Zero, y.Bound ?? Zero),
                BinaryOp.Min or BinaryOp.Max => Larger(x.Bound, y.Bound),
                _ => Unknowable(Larger(x.Bound, y.Bound)!),
            };
        }
        return new(Wrap(value, b.Type), bound);
    }

    private Emitted Comparison(Binary b, Emitted x, Emitted y)
    {
        L value = b.Kind switch
        {
            BinaryOp.Eq => L.Equal(x.Value, y.Value),
            BinaryOp.Ne => L.NotEqual(x.Value, y.Value),
            BinaryOp.Lt => L.LessThan(x.Value, y.Value),
            _ => L.LessThanOrEqual(x.Value, y.Value),
        };
        // x == x only asks for NaN; otherwise operands closer than their errors may compare either way.
        if ((x.Bound is null && y.Bound is null) || b.A == b.B)
            return new(value, null);
        return new(
            value,
            Call(nameof(Undecided), AsDouble(x.Value), x.Bound ?? Zero, AsDouble(y.Value), y.Bound ?? Zero)
        );
    }

    private L Divide(string method, L a, L b) => Call(method, a, b, L.Constant(stage));

    private static L Wrap(L value, DType type) =>
        type.IsInteger() && type != DType.Int64 ? L.Convert(L.Convert(value, type.Info().Clr), typeof(long)) : value;

    private static L? Larger(L? a, L? b) =>
        a is null ? b
        : b is null ? a
        : L.Call(typeof(Math), nameof(Math.Max), null, a, b);

    private static L AsDouble(L value) =>
        value.Type == typeof(double) ? value
        : value.Type == typeof(bool) ? L.Condition(value, L.Constant(1.0), Zero)
        : L.Convert(value, typeof(double));

    private static L Unknowable(L bound) => L.Condition(L.GreaterThan(bound, Zero), Infinity, Zero);

    private static readonly L Zero = L.Constant(0.0);
    private static readonly L Infinity = L.Constant(double.PositiveInfinity);

    private static L Call(string method, params L[] arguments) => L.Call(typeof(ExprCompiler), method, null, arguments);

    private static double Undecided(double a, double ea, double b, double eb) =>
        ea + eb == 0 || Math.Abs(a - b) > ea + eb ? 0 : 1;

    private static double Spread(double a, double ea, double b, double eb)
    {
        double apart = a.Equals(b) ? 0 : Math.Abs(a - b);
        return double.IsNaN(apart) ? double.PositiveInfinity : apart + Math.Max(ea, eb);
    }

    private static long FloorDivide(long a, long b, string stage) =>
        b == 0 ? throw new EvaluationException($"stage {stage}: {a} // 0") : Op.FloorDiv(a, b);

    private static long FloorModulo(long a, long b, string stage) =>
        b == 0 ? throw new EvaluationException($"stage {stage}: {a} % 0") : a - Op.FloorDiv(a, b) * b;
}

/// <summary>A buffer's contents and the locals of the compiled stage that hold them.</summary>
internal sealed record StoredArray(NDArray Data, ParameterExpression Elements, ParameterExpression? Bounds);
