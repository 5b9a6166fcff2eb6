using System.Collections.Immutable;
using System.Linq.Expressions;
using L = System.Linq.Expressions.Expression;

namespace Picograd.Algorithms.Evaluation;

/// <summary>
/// Compiles one stage to a delegate over its arrays and runs it. Loops are the stage's axes in order, spatial outside
/// reduction; a float sum whose last spatial axis is the cheaper one to walk keeps its accumulators in the output.
/// </summary>
internal sealed partial class StageCompiler
{
    private readonly Stage _stage;
    private readonly bool _track;
    private readonly Func<Buffer, NDArray> _data;
    private readonly Func<Buffer, double[]?> _bounds;
    private readonly Dictionary<Buffer, StoredArray> _reads = [];
    private readonly List<(ParameterExpression Local, Array Array)> _arrays = [];
    private readonly Dictionary<Var, ParameterExpression> _vars = [];
    private readonly ExprCompiler _code;
    private readonly ImmutableArray<Axis> _axes;
    private readonly ImmutableArray<Expr> _values;
    private readonly ImmutableArray<Expr> _indices;

    private StageCompiler(
        Stage stage,
        bool track,
        IReadOnlyDictionary<Var, Expr> parameters,
        Func<Buffer, NDArray> data,
        Func<Buffer, double[]?> bounds
    )
    {
        _stage = stage;
        _track = track;
        _data = data;
        _bounds = bounds;
        _axes = [.. stage.Axes.Select(a => a with { Extent = a.Extent.Substitute(parameters) })];
        _values = [.. stage.Values.Select(v => v.Substitute(parameters))];
        _indices = [.. stage.Indices.Select(i => i.Substitute(parameters))];
        var ranges = new Dictionary<Var, Interval>();
        foreach (var axis in _axes)
        {
            _vars[axis.Var] = L.Variable(typeof(long), axis.Name);
            ranges[axis.Var] = new Interval(0, Math.Max(ExtentOf(axis) - 1, 0));
        }
        _code = new ExprCompiler(stage.Name, track, ranges, _vars, Read);
    }

    /// <summary>
    /// Computes the stage's outputs, whose arrays the caller made, and (if tracked) their bounds: null where exact.
    /// </summary>
    public static ImmutableArray<double[]?> Run(
        Stage stage,
        bool track,
        IReadOnlyDictionary<Var, Expr> parameters,
        Func<Buffer, NDArray> data,
        Func<Buffer, double[]?> bounds
    )
    {
        var compiler = new StageCompiler(stage, track, parameters, data, bounds);
        return stage.Kind switch
        {
            StageKind.Map => compiler.Map(),
            StageKind.Reduce => compiler.Reduce(),
            StageKind.Scan => compiler.Scan(),
            StageKind.Scatter => compiler.Scatter(),
            _ => throw new EvaluationException($"stage {stage.Name}: unknown kind {stage.Kind}"),
        };
    }

    private long ExtentOf(Axis axis) =>
        axis.Extent is IntImm extent
            ? extent.Value
            : throw new EvaluationException($"stage {_stage.Name}: extent {axis.Extent} of {axis.Name} has no value");

    private StoredArray Read(Buffer buffer)
    {
        if (_reads.TryGetValue(buffer, out var known))
            return known;
        var data = _data(buffer);
        var bounds = _bounds(buffer);
        return _reads[buffer] = new StoredArray(data, Argument(data.Held), bounds is null ? null : Argument(bounds));
    }

    private ParameterExpression Argument(Array array)
    {
        var local = L.Variable(array.GetType());
        _arrays.Add((local, array));
        return local;
    }

    private void Execute(L body)
    {
        var given = L.Parameter(typeof(Array[]));
        var prologue = _arrays.Select(
            (a, i) => (L)L.Assign(a.Local, L.Convert(L.ArrayIndex(given, L.Constant(i)), a.Array.GetType()))
        );
        var lambda = L.Lambda<Action<Array[]>>(
            L.Block(_arrays.Select(a => a.Local).Concat(_vars.Values), prologue.Append(body)),
            given
        );
        lambda.Compile()([.. _arrays.Select(a => a.Array)]);
    }

    private L Loops(IEnumerable<Axis> axes, L body)
    {
        foreach (var axis in axes.Reverse())
        {
            var counter = _vars[axis.Var];
            var exit = L.Label();
            body = L.Block(
                L.Assign(counter, L.Constant(0L)),
                L.Loop(
                    L.IfThenElse(
                        L.LessThan(counter, L.Constant(ExtentOf(axis))),
                        L.Block(body, L.Assign(counter, L.Add(counter, L.Constant(1L)))),
                        L.Break(exit)
                    ),
                    exit
                )
            );
        }
        return body;
    }

    private static L Stored(L value) =>
        value.Type == typeof(bool) ? L.Condition(value, L.Constant(1L), L.Constant(0L)) : value;

    private ParameterExpression Output(int i)
    {
        var data = _data(_stage.Outputs[i]);
        return Argument(data.Type.IsFloat() ? data.Doubles : data.Longs);
    }

    private double[] NewBounds(int i) => new double[_data(_stage.Outputs[i]).Length];

    private L PositionOf(int output) =>
        _code.Let(
            _code
                .Position(
                    _stage.Outputs[output],
                    _indices,
                    new StoredArray(_data(_stage.Outputs[output]), L.Variable(typeof(double[])), null)
                )
                .Position
        );

    private ImmutableArray<double[]?> Map()
    {
        var bounds = new double[]?[_values.Length];
        var body = _code.InBlock(() =>
        {
            for (int i = 0; i < _values.Length; i++)
            {
                var made = Narrowed(_code.Emit(_values[i]), _values[i].Type, _stage.Outputs[i].Type);
                var position = PositionOf(i);
                _code.Add(L.Assign(ExprCompiler.Element(Output(i), position), Stored(made.Value)));
                if (made.Bound is null)
                    continue;
                bounds[i] = NewBounds(i);
                _code.Add(L.Assign(ExprCompiler.Element(Argument(bounds[i]!), position), made.Bound));
            }
        });
        Execute(Loops(_axes, body));
        return [.. bounds];
    }

    /// <summary>Storing a float in a narrower type rounds once more.</summary>
    private Emitted Narrowed(Emitted made, DType from, DType to)
    {
        if (!_track || !to.IsFloat() || from.Size() <= to.Size())
            return made;
        return new(
            made.Value,
            L.Call(
                typeof(BoundRules),
                nameof(BoundRules.Round),
                null,
                made.Value,
                made.Bound ?? L.Constant(0.0),
                L.Constant(BoundRules.UnitRoundoff(to)),
                L.Constant(BoundRules.Largest(to)),
                L.Constant(BoundRules.Smallest(to))
            )
        );
    }

    private ImmutableArray<double[]?> Reduce()
    {
        var spatial = _axes.Where(a => a.Kind == AxisKind.Spatial).ToArray();
        var reduce = _axes.Where(a => a.Kind == AxisKind.Reduce).ToArray();
        double terms = reduce.Aggregate(1.0, (k, a) => k * ExtentOf(a));
        if (AccumulationOf() == Accumulation.Sum)
            terms = BoundRules.SumDepth(terms, _stage.Output.Type);
        if (
            AccumulationOf() == Accumulation.Sum
            && spatial.Length > 0
            && reduce.Length > 0
            && WalkBetterBy(spatial[^1], reduce[^1])
        )
            return ReduceInMemory([.. spatial[..^1], .. reduce, spatial[^1]], terms);

        var accumulators = new Accumulators(this, null);
        var outputs = _stage.Outputs.Select((_, i) => Output(i)).ToArray();
        var inner = _code.InBlock(() => accumulators.Combine(_values));
        var bounds = accumulators.HasBounds.Select((has, i) => has ? NewBounds(i) : null).ToImmutableArray();
        var boundArguments = bounds.Select(b => b is null ? null : Argument(b)).ToArray();
        var body = _code.InBlock(() =>
        {
            accumulators.Declare();
            _code.Add(Loops(reduce, inner));
            var position = PositionOf(0);
            for (int i = 0; i < outputs.Length; i++)
            {
                _code.Add(L.Assign(ExprCompiler.Element(outputs[i], position), Stored(accumulators.Value(i))));
                if (boundArguments[i] is { } array)
                    _code.Add(
                        L.Assign(ExprCompiler.Element(array, position), accumulators.Total(i, L.Constant(terms)))
                    );
            }
        });
        Execute(Loops(spatial, body));
        return bounds;
    }

    private ImmutableArray<double[]?> Scan()
    {
        var along = _axes.Single(a => a.Kind == AxisKind.Ordered);
        var accumulators = new Accumulators(this, null);
        var output = Output(0);
        double[]? bounds = null;
        var inner = _code.InBlock(() =>
        {
            accumulators.Combine(_values);
            var position = PositionOf(0);
            _code.Add(L.Assign(ExprCompiler.Element(output, position), Stored(accumulators.Value(0))));
            if (!accumulators.HasBounds[0])
                return;
            bounds = NewBounds(0);
            L terms = L.Add(L.Convert(_vars[along.Var], typeof(double)), L.Constant(1.0));
            if (AccumulationOf() == Accumulation.Sum)
            {
                var type = L.Constant(_stage.Output.Type);
                terms = L.Call(typeof(BoundRules), nameof(BoundRules.SumDepth), null, terms, type);
            }
            _code.Add(L.Assign(ExprCompiler.Element(Argument(bounds), position), accumulators.Total(0, terms)));
        });
        var body = _code.InBlock(() =>
        {
            accumulators.Declare();
            _code.Add(Loops([along], inner));
        });
        Execute(Loops(_axes.Where(a => a.Kind != AxisKind.Ordered), body));
        return [bounds];
    }

    /// <summary>Output elements as accumulators, spatial axis innermost: for float sums over rows.</summary>
    private ImmutableArray<double[]?> ReduceInMemory(IEnumerable<Axis> order, double terms)
    {
        var accumulators = new Accumulators(this, _data(_stage.Output).Length);
        var body = _code.InBlock(() =>
        {
            var value = _code.Emit(_values[0]);
            var position = PositionOf(0);
            accumulators.CombineInto(position, value);
        });
        Execute(Loops(order, body));
        return [accumulators.Finish(0, _ => terms)];
    }

    private ImmutableArray<double[]?> Scatter()
    {
        var output = _data(_stage.Output);
        var accumulators = new Accumulators(this, output.Length);
        accumulators.StartFrom(_stage.Initial is { } initial ? _data(initial) : null, _stage.Initial);
        var body = _code.InBlock(() =>
        {
            var position = PositionOf(0);
            accumulators.CombineInto(position, _code.Emit(_values[0]));
        });
        Execute(Loops(_axes, body));
        return [accumulators.Finish(0, accumulators.Contributions)];
    }

    // Whether neighbours along a lie closer in the arrays read than neighbours along b.
    private bool WalkBetterBy(Axis a, Axis b) => Stride(a) < Stride(b);

    private long Stride(Axis axis)
    {
        long total = 0;
        foreach (var load in _values.SelectMany(v => v.Loads()))
        {
            long step = 1;
            var shape = _data(load.Buffer).Shape;
            for (int d = load.Indices.Length - 1; d >= 0; d--)
            {
                total += Math.Min(64, Math.Abs(LinearForm.Of(load.Indices[d]).CoefficientOf(axis.Var) * step));
                step *= shape[d];
            }
        }
        return total;
    }
}
