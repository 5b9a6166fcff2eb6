using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Tests.Text;

/// <summary>
/// Random algorithms of everything that an algorithm may have; well-typed, though what they compute may read out of bounds: they are
/// there to be written and read.
/// </summary>
internal sealed class RandomAlgorithm(int seed)
{
    private static readonly DType[] Types = Enum.GetValues<DType>();
    private static readonly double[] Special =
    [
        0,
        -0.0,
        1,
        0.1,
        -2.5,
        1e-45,
        float.MaxValue,
        1e300,
        double.Epsilon,
        double.NaN,
        double.PositiveInfinity,
        double.NegativeInfinity,
        1.0 / 3,
        16777217,
        1e-5,
    ];
    private static readonly string[] Names =
    [
        "a",
        "X",
        "t0",
        "reduce",
        "Größe",
        "in",
        "over",
        "true",
        "NaN",
        "e1",
        "a.b",
        "_",
    ];

    private readonly Random _random = new(seed);
    private readonly AlgorithmBuilder _g = new(seed % 7 == 0 ? "two words" : "random");
    private readonly List<Parameter> _parameters = [];
    private readonly List<Buffer> _buffers = [];
    private readonly List<Buffer> _made = [];
    private readonly HashSet<Buffer> _replaced = [];
    private int _named;
    private Axis[] _axes = [];

    public Algorithm Build()
    {
        for (int i = _random.Next(3); i > 0; i--)
        {
            long min = _random.Next(3);
            _parameters.Add(_g.Parameter(Name("N"), min + _random.Next(1, 5000), min));
        }
        for (int i = _random.Next(1, 4); i > 0; i--)
            _buffers.Add(_g.Input(Input()));
        for (int i = _random.Next(1, 5); i > 0; i--)
            Stage();
        var outputs = _made.Where(b => _random.Next(3) == 0 || _replaced.Contains(b)).ToList();
        return _g.Build([.. outputs.DefaultIfEmpty(_made[^1])]);
    }

    private Buffer Input()
    {
        int rank = _random.Next(4);
        var shape = Enumerable.Range(0, rank).Select(_ => Extent()).ToImmutableArray();
        int layout = _random.Next(5);
        return new Buffer(
            Name("I"),
            Any(Types),
            shape,
            strides: layout == 0 ? [.. shape.Select(_ => (long)_random.Next(50))] : default,
            pitches: layout == 1 ? [.. shape.Select(_ => Extent())] : default
        );
    }

    private void Stage()
    {
        _axes = [.. Enumerable.Range(0, _random.Next(4)).Select(i => new Axis(AxisName(i), Extent()))];
        var type = Any(Types);
        int depth = _random.Next(40) == 0 ? 12 : _random.Next(5);
        string name = Name("S");
        switch (_random.Next(7))
        {
            case 0:
            case 1:
                Map(name, type, depth);
                break;
            case 2:
            case 3:
                Reduce(name, type, depth);
                break;
            case 4:
                Tuple(name, depth);
                break;
            case 5:
                Scatter(name, type, depth);
                break;
            default:
                Scan(name, type, depth);
                break;
        }
    }

    private void Map(string name, DType type, int depth)
    {
        var value = Value(type, depth);
        bool rounds = type.IsFloat() && _random.Next(4) == 0;
        int layout = _random.Next(6);
        Add(
            _g.Stage(
                name,
                _axes,
                value,
                rounds ? DType.BFloat16 : null,
                layout == 0 ? [.. _axes.Select(_ => (long)_random.Next(9))] : default,
                layout == 1 ? [.. _axes.Select(_ => Extent())] : default
            )
        );
    }

    private void Reduce(string name, DType type, int depth)
    {
        int kept = _random.Next(_axes.Length + 1);
        Expr? where = _random.Next(3) == 0 ? Value(DType.Bool, 2) : null;
        var reducer = OneOf(type);
        Add(_g.Stage(name, _axes[..kept], new Reduction(reducer, [.. _axes[kept..]], [Value(type, depth)], where)));
    }

    private void Tuple(string name, int depth)
    {
        int kept = _random.Next(_axes.Length + 1);
        if (_random.Next(2) == 0 && kept < _axes.Length)
        {
            var type = _random.Next(2) == 0 ? DType.Float32 : DType.Int32;
            var value = Value(type, depth);
            var along = _axes[^1];
            var arg =
                _random.Next(2) == 0 ? AlgorithmBuilder.ArgMax(along, value) : AlgorithmBuilder.ArgMin(along, value);
            foreach (var made in _g.TupleStage(name, _axes[..^1], arg))
                Add(made);
            return;
        }
        // Mean and sum of squares at once, or a running logarithm of a sum of exponentials.
        var pair = Reducer.Custom(
            _random.Next(2) == 0 ? "welford" : "sum",
            [new FloatImm(0, DType.Float32), new FloatImm(double.NegativeInfinity, DType.Float64)],
            (a, b) =>
                _random.Next(2) == 0
                    ? [a[0] + b[0] * 0.25f, Op.Max(a[1], b[1])]
                    : [Op.Fma(a[0], b[0], b[0]), Op.Select(Op.Lt(a[1], b[1]), b[1], a[1] + Op.Exp(b[1] - a[1]))]
        );
        var both = new Reduction(pair, [.. _axes[kept..]], [Value(DType.Float32, depth), Value(DType.Float64, depth)]);
        foreach (var made in _g.TupleStage(name, _axes[..kept], both))
            Add(made);
    }

    private void Scatter(string name, DType type, int depth)
    {
        var free = _buffers.Where(b => !_made.Contains(b) && !_replaced.Contains(b)).ToList();
        if (_random.Next(2) == 0 && free.Count > 0 && free.Count < _buffers.Count)
        {
            // In place: nothing else may read it, so only an input that nothing has read yet.
            var fresh = _g.Input(Input());
            var values = Value(fresh.Type, depth);
            var made = _g.Scatter(
                name,
                _axes,
                fresh.Shape.AsSpan(),
                [.. fresh.Shape.Select(_ => IndexExpr(2))],
                values,
                _random.Next(2) == 0 ? Reducer.Last(fresh.Type) : OneOf(fresh.Type),
                fresh,
                inPlace: true
            );
            _replaced.Add(made);
            _made.Add(made);
            return;
        }
        Expr[] shape = [.. Enumerable.Range(0, _random.Next(3)).Select(_ => Extent())];
        var initial = _random.Next(3) == 0 ? _buffers.Find(b => b.Type == type) : null;
        if (initial is not null)
            shape = [.. initial.Shape];
        Add(
            _g.Scatter(
                name,
                _axes,
                shape,
                [.. shape.Select(_ => IndexExpr(_random.Next(3)))],
                Value(type, depth),
                _random.Next(3) == 0 ? Reducer.Last(type) : OneOf(type),
                initial
            )
        );
    }

    private void Scan(string name, DType type, int depth)
    {
        if (_axes.Length == 0)
            _axes = [new Axis(AxisName(0), Extent())];
        Add(_g.Scan(name, _axes, Any(_axes), Value(type, depth), OneOf(type)));
    }

    private Reducer OneOf(DType type) =>
        _random.Next(8) switch
        {
            0 => Reducer.Max(type),
            1 => Reducer.Min(type),
            2 when type != DType.Bool => Reducer.Prod(type),
            3 when type != DType.Bool => Reducer.Custom(
                _random.Next(2) == 0 ? "my own" : "max",
                [Op.Const(1, type)],
                (a, b) => [a[0] * b[0] - (a[0] + b[0])]
            ),
            _ when type == DType.Bool => _random.Next(2) == 0 ? Reducer.Any() : Reducer.All(),
            _ => Reducer.Sum(type),
        };

    private void Add(Buffer made)
    {
        _made.Add(made);
        _buffers.Add(made);
    }

    private Expr Value(DType type, int depth)
    {
        if (depth == 0 || _random.Next(9) == 0)
            return Leaf(type);
        Expr Same() => Value(type, depth - 1);
        if (_random.Next(7) == 0)
            return Op.Cast(type, Value(Any(Types), depth - 1));
        if (_random.Next(9) == 0 && type is DType.Float32 or DType.UInt32)
            return Op.Bitcast(type, Value(type == DType.Float32 ? DType.Int32 : DType.Float32, depth - 1));
        if (_random.Next(7) == 0)
            return Op.Select(Value(DType.Bool, depth - 1), Same(), Same());
        if (type == DType.Bool)
        {
            var of = Any(Types);
            var (x, y) = (Value(of, depth - 1), Value(of, depth - 1));
            return _random.Next(7) switch
            {
                0 => Op.And(Same(), Same()),
                1 => Op.Or(Same(), Same()),
                2 => Op.Not(Same()),
                3 when of != DType.Bool => x < y,
                4 when of != DType.Bool => x <= y,
                5 => Op.Ne(x, y),
                _ => Op.Eq(x, y),
            };
        }
        if (type.IsFloat())
        {
            return _random.Next(9) switch
            {
                0 => Same() / Same(),
                1 => Op.Call(Any(Functions), Same()),
                2 => Op.Fma(Same(), Same(), Same()),
                3 => Op.Pow(Same(), Same()),
                4 => -Same(),
                5 => Op.Max(Same(), Same()),
                6 => Same() - Same(),
                7 => Squared(Same()),
                _ => Same() * Same(),
            };
        }
        return _random.Next(10) switch
        {
            0 => Op.FloorDiv(Same(), Op.Const(_random.Next(1, 9), type)),
            1 => Op.Mod(Same(), Op.Const(_random.Next(1, 9), type)),
            2 => Same() & Same(),
            3 => Same() | Same(),
            4 => Same() ^ Same(),
            5 => Same() << Op.Const(_random.Next(8), type),
            6 => Same() >> Op.Const(_random.Next(8), type),
            7 => Op.Min(Same(), Same()),
            8 => Op.Neg(Same()),
            _ => Same() + Same(),
        };

        static Expr Squared(Expr x) => x * x;
    }

    private static readonly UnaryOp[] Functions =
    [
        .. Enum.GetValues<UnaryOp>()
            .Where(k => k is not (UnaryOp.Neg or UnaryOp.Not))
            .Where(k => Op.Call(k, new FloatImm(1, DType.Float32)).Type == DType.Float32),
    ];

    private Expr Leaf(DType type)
    {
        var fitting = _buffers.Where(b => b.Type == type).ToList();
        if (fitting.Count > 0 && _random.Next(3) > 0)
        {
            var buffer = Any([.. fitting]);
            return buffer.At([.. buffer.Shape.Select(_ => IndexExpr(_random.Next(3)))]);
        }
        if (type.IsFloat())
            return new FloatImm(Any(Special), type);
        if (type == DType.Int64 && _axes.Length > 0 && _random.Next(2) == 0)
            return Any(_axes).Var;
        return type switch
        {
            DType.Bool => _random.Next(2) == 0 ? Op.True : Op.False,
            DType.Int64 => new IntImm(Any([0, -1, 7, long.MinValue, long.MaxValue]), type),
            DType.Int32 => new IntImm(Any([0, -1, 7, (long)int.MinValue, int.MaxValue]), type),
            DType.UInt32 => new IntImm(Any([0, 7, (long)uint.MaxValue]), type),
            _ => new IntImm(_random.Next(type == DType.Int8 ? 128 : 256), type),
        };
    }

    private Expr IndexExpr(int depth)
    {
        if (depth == 0)
            return _axes.Length > 0 && _random.Next(3) > 0 ? Any(_axes).Var : _random.Next(3);
        var gathered = _buffers.Find(b => b.Type == DType.Int64);
        return _random.Next(6) switch
        {
            0 when gathered is not null => gathered.At([.. gathered.Shape.Select(_ => IndexExpr(0))]),
            1 => Op.FloorDiv(IndexExpr(depth - 1), 3),
            2 => Op.Mod(IndexExpr(depth - 1), 4),
            3 when _parameters.Count > 0 => _parameters[0] - IndexExpr(depth - 1),
            4 => IndexExpr(depth - 1) * 2 + 1,
            _ => IndexExpr(depth - 1) + IndexExpr(0),
        };
    }

    private Expr Extent()
    {
        if (_parameters.Count == 0 || _random.Next(2) == 0)
            return _random.Next(20) == 0 ? 0 : _random.Next(1, 300);
        Expr p = Any([.. _parameters]).Var;
        return _random.Next(4) switch
        {
            0 => p * 2,
            1 => Op.FloorDiv(p + 3, 4),
            2 => p + 5,
            _ => p,
        };
    }

    private string Name(string letter) => $"{letter}{_named++}{(_random.Next(9) == 0 ? "." + Any(Letters) : "")}";

    private static readonly string[] Letters = ["x", "0", "ä", "_"];

    private string AxisName(int i) =>
        _random.Next(5) == 0 ? $"{Any(Names)}{(i > 0 ? $"{i}" : "")}" : "ijk"[i].ToString();

    private T Any<T>(T[] of) => of[_random.Next(of.Length)];
}
