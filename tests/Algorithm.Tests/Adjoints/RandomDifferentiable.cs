using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Functions;

namespace Picograd.Tests.Adjoints;

/// <summary>
/// Random algorithms over float64 that can be differentiated, with a point to do it at: maps, reductions (also of tuples and with
/// combiners of their own), scatters, gathers and scans; reads through views, windows with padding, and indices that are data; products
/// with zeros, ties, empty axes, axes of one element, and symbolic extents.
/// </summary>
internal sealed class RandomDifferentiable
{
    private readonly Random _random;
    private readonly bool _zeros;
    private readonly AlgorithmBuilder _g = new("random");
    private readonly List<Buffer> _floats = [];
    private readonly List<Buffer> _made = [];
    private readonly Dictionary<Buffer, NDArray> _inputs = [];
    private readonly Dictionary<string, long> _extents = [];
    private readonly List<Buffer> _indices = [];
    private Parameter? _parameter;
    private Axis[] _axes = [];
    private int _named;

    public RandomDifferentiable(int seed)
    {
        _random = new Random(seed);
        // Elements that are 0, for products; there several kinks may meet, where no difference says anything, so those have none.
        _zeros = One(3);
        if (One(5))
        {
            _parameter = _g.Parameter("N", 6, 1);
            _extents["N"] = _random.Next(1, 6);
        }
        for (int i = _random.Next(1, 4); i > 0; i--)
            AddInput([.. Enumerable.Range(0, _random.Next(4)).Select(_ => Extent())]);
        for (int i = _random.Next(1, 6); i > 0; i--)
            Stage();
        var outputs = _made.Where(_ => One(4)).ToList();
        if (!outputs.Contains(_made[^1]))
            outputs.Add(_made[^1]);
        Algorithm = _g.Build([.. outputs]);
    }

    public Algorithm Algorithm { get; }

    public IReadOnlyDictionary<Buffer, NDArray> Inputs => _inputs;

    public IReadOnlyDictionary<string, long> Extents => _extents;

    private bool One(int of) => _random.Next(of) == 0;

    private T Any<T>(IReadOnlyList<T> of) => of[_random.Next(of.Count)];

    private long Known(Expr extent) =>
        extent is IntImm known ? known.Value
        : extent == _parameter!.Var ? _extents["N"]
        : throw new InvalidOperationException($"{extent}");

    private Expr Extent() =>
        _parameter is { } p && One(3) ? p.Var
        : One(25) ? 0
        : One(5) ? 1
        : _random.Next(2, 5);

    private Axis[] SomeAxes(int most)
    {
        // Often those of a buffer, so that it is read as it lies.
        if (!One(3) && _floats.Count > 0 && Any(_floats) is { Rank: > 0 } like && like.Rank <= most)
            return [.. like.Shape.Select((e, d) => new Axis("ijkl"[d].ToString(), e))];
        return [.. Enumerable.Range(0, _random.Next(most + 1)).Select(d => new Axis("ijkl"[d].ToString(), Extent()))];
    }

    private Buffer AddInput(Expr[] shape)
    {
        var buffer = _g.Input($"X{_named++}", DType.Float64, shape);
        var array = new NDArray(DType.Float64, [.. shape.Select(Known)]);
        for (int i = 0; i < array.Length; i++)
            array.Doubles[i] = _zeros && One(3) ? 0 : (_random.NextDouble() * 3) - 1.5;
        _inputs[buffer] = array;
        _floats.Add(buffer);
        return buffer;
    }

    // Of numbers below a limit, for as many elements as some of the axes have.
    private Load IndexData(long limit)
    {
        var over = _axes.Where(_ => !One(3)).ToArray();
        var shape = over.Select(a => a.Extent).ToArray();
        var buffer = _g.Input($"I{_named++}", DType.Int64, shape);
        var array = new NDArray(DType.Int64, [.. shape.Select(Known)]);
        for (int i = 0; i < array.Length; i++)
            array.Longs[i] = _random.NextInt64(limit);
        _inputs[buffer] = array;
        _indices.Add(buffer);
        return buffer.At([.. over.Select(a => (Expr)a.Var)]);
    }

    private void Stage()
    {
        _axes = SomeAxes(4);
        string name = $"S{_named++}";
        switch (_random.Next(10))
        {
            case 0 or 1 or 2:
                Add(_g.Stage(name, _axes, Value(_random.Next(1, 5))));
                break;
            case 3 or 4 or 5:
                Reduce(name);
                break;
            case 6:
                Tuple(name);
                break;
            case 7:
                Scatter(name);
                break;
            default:
                Scan(name);
                break;
        }
    }

    private void Add(params IEnumerable<Buffer> made)
    {
        foreach (var buffer in made.Where(b => b.Type.IsFloat()))
        {
            _made.Add(buffer);
            _floats.Add(buffer);
        }
    }

    private Expr? Predicate() => One(3) ? Condition(1) : null;

    private void Reduce(string name)
    {
        int kept = _random.Next(_axes.Length + 1);
        Axis[] over = _axes[kept..];
        var value = Value(_random.Next(3));
        var where = Predicate();
        var reduction = _random.Next(8) switch
        {
            0 when !_zeros => AlgorithmBuilder.Max(over, value, where),
            1 when !_zeros => AlgorithmBuilder.Min(over, value, where),
            0 or 1 or 2 or 3 => AlgorithmBuilder.Prod(over, value, where),
            4 => new Reduction(Own(), [.. over], [value], where),
            _ => AlgorithmBuilder.Sum(over, value, where),
        };
        // Of nothing the extreme is infinite, which no difference bears.
        if (reduction.Reducer.Name is "max" or "min" && (where is not null || over.Any(a => Known(a.Extent) == 0)))
            reduction = AlgorithmBuilder.Sum(over, value, where);
        Add(_g.Stage(name, _axes[..kept], reduction));
    }

    // A combiner that has no name: (1 + a)(1 + b) − 1.
    private static Reducer Own() =>
        Reducer.Custom("own", [Op.Const(0, DType.Float64)], (a, b) => [a[0] + b[0] + a[0] * b[0]]);

    private void Tuple(string name)
    {
        if (_axes.Length == 0 || _axes.Any(a => Known(a.Extent) == 0))
            _axes = [new Axis("i", 3)];
        int kept = _random.Next(_axes.Length);
        Expr Part() => Value(_random.Next(3));
        switch (_zeros ? 1 : _random.Next(4))
        {
            case 0:
            {
                kept = _axes.Length - 1;
                var value = Part();
                var found = One(2)
                    ? AlgorithmBuilder.ArgMax(_axes[^1], value)
                    : AlgorithmBuilder.ArgMin(_axes[^1], value);
                Add(_g.TupleStage(name, _axes[..kept], found));
                break;
            }
            case 1:
            {
                // A product of complex numbers.
                var complex = Reducer.Custom(
                    "complex",
                    [Op.Const(1, DType.Float64), Op.Const(0, DType.Float64)],
                    (a, b) => [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
                );
                Add(_g.TupleStage(name, _axes[..kept], new(complex, [.. _axes[kept..]], [Part(), Part()])));
                break;
            }
            default:
            {
                // A running softmax's: the maximum and sums of exponentials below it.
                var zero = Op.Const(0, DType.Float64);
                int sums = _random.Next(1, 3);
                var shifted = Reducer.Custom(
                    "shifted",
                    [Op.Const(double.NegativeInfinity, DType.Float64), .. Enumerable.Repeat(zero, sums)],
                    (a, b) =>
                    {
                        var top = Op.Max(a[0], b[0]);
                        return
                        [
                            top,
                            .. Enumerable
                                .Range(1, sums)
                                .Select(i => a[i] * Op.Exp(a[0] - top) + b[i] * Op.Exp(b[0] - top)),
                        ];
                    }
                );
                Expr[] values = [.. Enumerable.Range(0, sums + 1).Select(_ => Part())];
                Add(_g.TupleStage(name, _axes[..kept], new(shifted, [.. _axes[kept..]], [.. values])));
                break;
            }
        }
    }

    private void Scatter(string name)
    {
        var value = Value(_random.Next(3));
        var starts = _floats.Where(b => b.Rank > 0 && b.Shape.All(e => e is IntImm { Value: > 0 })).ToList();
        var initial = starts.Count > 0 && One(2) ? Any(starts) : null;
        Expr[] shape = initial is null
            ? [.. Enumerable.Range(0, _random.Next(3)).Select(_ => (Expr)_random.Next(1, 4))]
            : [.. initial.Shape];
        int kind = _zeros ? Any([0, 3, 4]) : _random.Next(8);
        if (kind == 0)
        {
            // Each place is assigned once: of several the last counts, but all get its gradient, as in PyTorch.
            _axes = [.. _axes.Where(a => a.Extent is IntImm)];
            var at = _axes.Select(a => 1 + _random.Next(2) * a.Var + a.Var).ToArray();
            shape = [.. _axes.Select(a => (Expr)(((IntImm)a.Extent).Value * 2 + 1))];
            initial = null;
            value = Value(1);
            if (One(2))
            {
                initial = _g.Stage($"S{_named++}", [.. shape.Select((e, d) => new Axis($"p{d}", e))], Constant());
                var from = AddInput(shape);
                Axis[] all = [.. shape.Select((e, d) => new Axis($"p{d}", e))];
                initial = _g.Stage(
                    $"S{_named++}",
                    all,
                    Op.Tanh(from.At([.. all.Select(a => (Expr)a.Var)])) + initial.At([.. all.Select(a => (Expr)a.Var)])
                );
            }
            Add(_g.Scatter(name, _axes, shape, at, value, Reducer.Last(DType.Float64), initial));
            return;
        }
        Expr[] places = [.. shape.Select(e => Index(e, null).Index)];
        var reducer = kind switch
        {
            1 => Reducer.Max(DType.Float64),
            2 => Reducer.Min(DType.Float64),
            3 => Reducer.Prod(DType.Float64),
            _ => Reducer.Sum(DType.Float64),
        };
        // A place that nothing is written to would be infinite.
        if (kind is 1 or 2 && initial is null)
            reducer = Reducer.Sum(DType.Float64);
        Add(_g.Scatter(name, _axes, shape, places, value, reducer, initial));
    }

    private void Scan(string name)
    {
        if (_axes.Length == 0)
            _axes = [new Axis("i", Extent())];
        var reducer = _random.Next(6) switch
        {
            0 when !_zeros => Reducer.Max(DType.Float64),
            1 when !_zeros => Reducer.Min(DType.Float64),
            0 or 1 or 2 => Reducer.Prod(DType.Float64),
            3 => Own(),
            _ => Reducer.Sum(DType.Float64),
        };
        Add(_g.Scan(name, _axes, Any(_axes), Value(_random.Next(3)), reducer));
    }

    private static readonly Func<Expr, Expr>[] Functions =
    [
        Op.Tanh,
        Op.Sin,
        Op.Cos,
        Op.Sigmoid,
        Op.Erf,
        Op.Atan,
        Op.Softplus,
        x => Op.Exp(Op.Sin(x)),
        x => Op.Log(x * x + 1),
        x => Op.Sqrt(x * x + 1),
        x => Op.Reciprocal(x * x + 1),
        x => Op.Rsqrt(x * x + 1),
        x => -x,
        x => Op.Call(ScalarFunctions.Find("gelu")!, x),
        x => Op.Call(ScalarFunctions.Find("silu")!, x),
        x => Op.Cast(DType.Float64, Op.Cast(DType.Float32, x)),
    ];

    private static readonly Func<Expr, Expr>[] Kinked =
    [
        x => Op.Log1p(Op.Abs(x)),
        Op.Abs,
        x => Op.Call(ScalarFunctions.Find("relu")!, x),
        Op.Floor,
        Op.Sign,
        x => Op.Max(x, Op.Const(0.25, DType.Float64)),
        x => Op.Min(x, Op.Const(0, DType.Float64)),
    ];

    private Expr Value(int depth)
    {
        if (depth == 0)
            return Read();
        Expr Same() => Value(One(3) ? 0 : depth - 1);
        switch (_random.Next(14))
        {
            case 0 or 1:
                return Same() + Same();
            case 2:
                return Same() - Same();
            case 3 or 4:
                return Same() * Same();
            case 5:
            {
                var (a, b) = (Same(), Same());
                return a / (b * b + Op.Const(0.5, DType.Float64));
            }
            case 6 when !_zeros:
                return One(2) ? Op.Max(Same(), Same()) : Op.Min(Same(), Same());
            case 7:
                return Op.Select(Condition(depth - 1), Same(), Same());
            case 8:
                return Op.Fma(Same(), Same(), Same());
            case 9:
                // At the power 0 PyTorch's second derivative is 0, and so is ours.
                return Op.Pow(Op.Exp(Op.Sin(Same())), Op.Tanh(Same()) + Op.Const(1.25, DType.Float64));
            case 10:
            {
                // Read twice.
                var shared = Same();
                return shared * Op.Tanh(shared);
            }
            default:
                return Any(_zeros || One(2) ? Functions : Kinked)(Same());
        }
    }

    private Expr Condition(int depth)
    {
        if (_axes.Length > 0 && !One(3))
        {
            var (a, b) = (Any(_axes).Var, Any(_axes).Var);
            return _random.Next(4) switch
            {
                0 => Op.Lt(a, b),
                1 => Op.Le(a + _random.Next(-2, 3), b),
                2 => Op.Eq(Op.Mod(a, 2), _random.Next(2)),
                _ => Op.And(Op.Le(_random.Next(2), a), Op.Lt(a, _random.Next(2, 4))),
            };
        }
        return _zeros
            ? Op.Le(1, _random.Next(3))
            : Op.Lt(Value(Math.Max(0, depth - 1)), One(2) ? Constant() : Value(0));
    }

    private Expr Constant() =>
        Op.Const(One(4) ? _random.Next(-1, 2) : Math.Round((_random.NextDouble() * 2) - 1, 2), DType.Float64);

    // An element of a buffer, through some view of it.
    private Expr Read()
    {
        if (One(9))
            return Constant();
        var buffer = Any(_floats);
        Expr? guard = null;
        var indices = new Expr[buffer.Rank];
        for (int d = 0; d < indices.Length; d++)
        {
            var (index, inside) = Index(buffer.Shape[d], d < _axes.Length ? _axes[d] : null);
            indices[d] = index;
            guard =
                inside is null ? guard
                : guard is null ? inside
                : Op.And(guard, inside);
        }
        // Nothing can be read of an empty buffer but within its own, empty axes.
        if (
            buffer
                .Shape.Zip(indices)
                .Any(p =>
                    Known(p.First) == 0 && !(p.Second is Var v && _axes.Any(a => a.Var == v && Known(a.Extent) == 0))
                )
        )
            return Constant();
        var load = buffer.At([.. indices]);
        return guard is null ? load : Op.Select(guard, load, One(2) ? Op.Const(0, DType.Float64) : Constant());
    }

    /// <summary>An index that is within an extent, or is where a condition holds.</summary>
    private (Expr Index, Expr? Inside) Index(Expr extent, Axis? likely)
    {
        if (likely is not null && likely.Extent == extent && !One(3))
            return One(5) && !extent.IsConst(0) ? (extent - 1 - likely.Var, null) : (likely.Var, null);
        if (extent is not IntImm { Value: var n } || n == 0)
        {
            var same = _axes.Where(a => a.Extent == extent).ToList();
            return (same.Count > 0 ? Any(same).Var : 0, null);
        }
        if (One(4))
            return (IndexData(n), null);
        var index = Arithmetic();
        var ranges = new Dictionary<Var, Interval>();
        foreach (var axis in _axes)
            ranges[axis.Var] = new Interval(0, Math.Max(0, (axis.Extent is IntImm e ? e.Value : 6) - 1));
        var range = Interval.Of(index, ranges);
        if (range.Min >= 0 && range.Max < n)
            return (index, null);
        return _random.Next(3) switch
        {
            0 => (Op.Mod(index, n), null),
            1 when One(2) => (Op.Max(0, Op.Min(index, n - 1)), null),
            _ when likely is null => (Op.Mod(index, n), null),
            _ => (index, Op.And(Op.Le(0, index), Op.Lt(index, n))),
        };
    }

    private Expr Arithmetic()
    {
        if (_axes.Length == 0)
            return _random.Next(3);
        Expr a = Any(_axes).Var;
        Expr b = Any(_axes).Var;
        return _random.Next(9) switch
        {
            0 => a,
            1 => a + _random.Next(-1, 2),
            2 => a * 2 + b - 1,
            3 => a + b,
            4 => Op.FloorDiv(a, 2),
            5 => Op.FloorDiv(a * 3 + b, 2),
            6 => Op.Mod(a * 3 + b, 4),
            7 => a - b,
            _ => _random.Next(3),
        };
    }
}
