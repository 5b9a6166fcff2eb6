using System.Collections.Immutable;
using System.Linq.Expressions;
using L = System.Linq.Expressions.Expression;

namespace Picograd.Algorithms.Evaluation;

internal sealed partial class StageCompiler
{
    private enum Accumulation
    {
        /// <summary>Bounds follow the reducer's own expressions, in the order of evaluation.</summary>
        General,

        /// <summary>Float sum: bounded for every order of its terms.</summary>
        Sum,

        /// <summary>Float product: bounded for every order of its factors.</summary>
        Prod,
    }

    private Accumulation AccumulationOf()
    {
        var reducer = _stage.Reducer!;
        if (reducer.Arity != 1 || !_values[0].Type.IsFloat())
            return Accumulation.General;
        return reducer.Result[0] switch
        {
            Binary { Kind: BinaryOp.Add, A: ReducerArg, B: ReducerArg } => Accumulation.Sum,
            Binary { Kind: BinaryOp.Mul, A: ReducerArg, B: ReducerArg } => Accumulation.Prod,
            _ => Accumulation.General,
        };
    }

    /// <summary>
    /// The running state of a reducer: for each component its value, the sum of its terms' error bounds, and (sums and
    /// products of floats) the magnitude from which the reduction's own rounding follows. Held in locals, or, when a
    /// length is given, in arrays as long as the output.
    /// </summary>
    private sealed class Accumulators
    {
        private readonly StageCompiler _owner;
        private readonly Accumulation _kind;
        private readonly Reducer _reducer;
        private readonly ParameterExpression[] _values;
        private readonly ParameterExpression[] _bounds;
        private readonly ParameterExpression? _magnitude;

        // Of products: the largest that those of some factors may be.
        private readonly ParameterExpression? _peak;
        private readonly double[]? _boundArray;
        private readonly double[]? _magnitudeArray;
        private readonly double[]? _peakArray;
        private readonly long[]? _countArray;
        private readonly ParameterExpression? _count;

        public Accumulators(StageCompiler owner, int? length)
        {
            _owner = owner;
            _kind = owner.AccumulationOf();
            _reducer = owner._stage.Reducer!;
            bool magnitudes = owner._track && _kind != Accumulation.General;
            HasBounds = new bool[_reducer.Arity];
            if (length is null)
            {
                _values = [.. _reducer.Identity.Select(e => L.Variable(ExprCompiler.ClrType(e.Type)))];
                _bounds = [.. _reducer.Identity.Select(_ => L.Variable(typeof(double)))];
                _magnitude = magnitudes ? L.Variable(typeof(double)) : null;
                _peak = magnitudes && _kind == Accumulation.Prod ? L.Variable(typeof(double)) : null;
                return;
            }
            if (_reducer.Arity != 1)
                throw new EvaluationException($"stage {owner._stage.Name}: a tuple-valued reducer cannot scatter");
            _values = [owner.Output(0)];
            _boundArray = new double[length.Value];
            _bounds = [owner.Argument(_boundArray)];
            if (magnitudes)
            {
                _magnitudeArray = new double[length.Value];
                _magnitude = owner.Argument(_magnitudeArray);
                _countArray = new long[length.Value];
                _count = owner.Argument(_countArray);
            }
            if (magnitudes && _kind == Accumulation.Prod)
            {
                _peakArray = new double[length.Value];
                _peak = owner.Argument(_peakArray);
            }
            StartFrom(null, null);
        }

        public bool[] HasBounds { get; }

        public L Value(int i) => _values[i];

        /// <summary>Terms that went into an output element.</summary>
        public double Contributions(int position) => _countArray![position];

        /// <summary>Sets the arrays to the reducer's identity, or to the contents of a buffer.</summary>
        public void StartFrom(NDArray? initial, Buffer? source)
        {
            var output = _owner._data(_owner._stage.Output);
            if (initial is not null)
            {
                // By element: the array may be a pattern.
                for (int i = 0; i < output.Length; i++)
                {
                    if (output.Type.IsFloat())
                        output.Doubles[i] = initial.At(i);
                    else
                        output.Longs[i] = initial.IntegerAt(i);
                }
                if (_owner._bounds(source!) is { } known)
                {
                    known.CopyTo(_boundArray!, 0);
                    HasBounds[0] = true;
                }
            }
            else if (_reducer.Identity[0] is FloatImm f)
                Array.Fill(output.Doubles, f.Value);
            else
                Array.Fill(output.Longs, ((IntImm)_reducer.Identity[0]).Value);
            if (_magnitudeArray is null)
                return;
            for (int i = 0; i < _magnitudeArray.Length; i++)
            {
                _magnitudeArray[i] = Math.Abs(output.Doubles[i]) + _boundArray![i];
                if (_peakArray is not null)
                    _peakArray[i] = Math.Max(1, _magnitudeArray[i]);
                _countArray![i] = initial is null ? 0 : 1;
            }
        }

        /// <summary>Declares the locals in the current block, at their start.</summary>
        public void Declare()
        {
            var code = _owner._code;
            for (int i = 0; i < _values.Length; i++)
            {
                code.Declare(_values[i]);
                code.Add(L.Assign(_values[i], code.Emit(_reducer.Identity[i]).Value));
                code.Declare(_bounds[i]);
                code.Add(L.Assign(_bounds[i], L.Constant(0.0)));
            }
            if (_magnitude is null)
                return;
            code.Declare(_magnitude);
            code.Add(L.Assign(_magnitude, L.Constant(_kind == Accumulation.Prod ? 1.0 : 0.0)));
            if (_peak is null)
                return;
            code.Declare(_peak);
            code.Add(L.Assign(_peak, L.Constant(1.0)));
        }

        /// <summary>Combines one more tuple into the locals.</summary>
        public void Combine(ImmutableArray<Expr> tuple)
        {
            var news = tuple.Select(_owner._code.Emit).ToImmutableArray();
            if (_kind != Accumulation.General)
            {
                Accumulate(_values[0], _bounds[0], _magnitude, _peak, news[0]);
                HasBounds[0] = _owner._track;
                return;
            }
            var results = Results(_values, _bounds, news);
            // Copies first: a component of the result may be another component of what is held.
            if (results.Length > 1)
                results = [.. results.Select(Copied)];
            for (int i = 0; i < results.Length; i++)
            {
                _owner._code.Add(L.Assign(_values[i], results[i].Value));
                if (results[i].Bound is { } bound)
                    _owner._code.Add(L.Assign(_bounds[i], bound));
            }
        }

        private Emitted Copied(Emitted e)
        {
            var code = _owner._code;
            var value = code.Local(e.Value.Type);
            code.Add(L.Assign(value, e.Value));
            if (e.Bound is null)
                return new(value, null);
            var bound = code.Local(typeof(double));
            code.Add(L.Assign(bound, e.Bound));
            return new(value, bound);
        }

        /// <summary>Combines a value into the arrays at a position.</summary>
        public void CombineInto(L position, Emitted value)
        {
            var code = _owner._code;
            var held = ExprCompiler.Element(_values[0], position);
            var heldBound = ExprCompiler.Element(_bounds[0], position);
            if (_kind != Accumulation.General)
            {
                Accumulate(
                    held,
                    heldBound,
                    _magnitude is null ? null : ExprCompiler.Element(_magnitude, position),
                    _peak is null ? null : ExprCompiler.Element(_peak, position),
                    value
                );
                if (_count is not null)
                    code.Add(L.PostIncrementAssign(ExprCompiler.Element(_count, position)));
                HasBounds[0] = _owner._track;
                return;
            }
            L current = code.Let(held);
            if (_reducer.Identity[0].Type == DType.Bool)
                current = code.Let(L.NotEqual(current, L.Constant(0L)));
            var result = Results([current], [code.Let(heldBound)], [value])[0];
            code.Add(L.Assign(held, Stored(result.Value)));
            if (result.Bound is not null)
                code.Add(L.Assign(heldBound, result.Bound));
        }

        /// <summary>Error bound of a component once all terms are in.</summary>
        public L Total(int i, L terms)
        {
            if (_kind == Accumulation.General)
                return _bounds[i];
            var type = _owner._stage.Outputs[0].Type;
            var (u, largest) = (L.Constant(BoundRules.UnitRoundoff(type)), L.Constant(BoundRules.Largest(type)));
            return _kind == Accumulation.Sum
                ? L.Call(typeof(BoundRules), nameof(BoundRules.Sum), null, _bounds[0], _magnitude!, terms, u, largest)
                : L.Call(
                    typeof(BoundRules),
                    nameof(BoundRules.Prod),
                    null,
                    _values[0],
                    _magnitude!,
                    _peak!,
                    terms,
                    L.Constant(type)
                );
        }

        /// <summary>Bounds of the arrays once all terms are in; null where exact.</summary>
        public double[]? Finish(int i, Func<int, double> terms)
        {
            if (!HasBounds[i])
                return null;
            if (_kind == Accumulation.General)
                return _boundArray;
            var output = _owner._data(_owner._stage.Output);
            double u = BoundRules.UnitRoundoff(output.Type);
            double largest = BoundRules.Largest(output.Type);
            for (int p = 0; p < _boundArray!.Length; p++)
            {
                _boundArray[p] =
                    _kind == Accumulation.Sum
                        ? BoundRules.Sum(_boundArray[p], _magnitudeArray![p], terms(p), u, largest)
                        : BoundRules.Prod(
                            output.Doubles[p],
                            _magnitudeArray![p],
                            _peakArray![p],
                            terms(p),
                            output.Type
                        );
            }
            return _boundArray;
        }

        private void Accumulate(L held, L heldBound, L? magnitude, L? peak, Emitted value)
        {
            var code = _owner._code;
            L term = code.Let(value.Value);
            bool sum = _kind == Accumulation.Sum;
            code.Add(L.Assign(held, sum ? L.Add(held, term) : L.Multiply(held, term)));
            if (magnitude is null)
                return;
            L size = L.Call(typeof(Math), nameof(Math.Abs), null, term);
            if (value.Bound is not null)
            {
                L bound = code.Let(value.Bound);
                code.Add(L.Assign(heldBound, L.Add(heldBound, bound)));
                size = L.Add(size, bound);
            }
            size = code.Let(size);
            code.Add(L.Assign(magnitude, sum ? L.Add(magnitude, size) : L.Multiply(magnitude, size)));
            if (peak is null)
                return;
            L growth = L.Call(typeof(Math), nameof(Math.Max), null, L.Constant(1.0), size);
            code.Add(L.Assign(peak, L.Multiply(peak, growth)));
        }

        // Whether a component can be inexact is found by trying: its bound enters its own combination.
        private Emitted[] Results(L[] held, L[] heldBounds, ImmutableArray<Emitted> news)
        {
            var code = _owner._code;
            while (true)
            {
                code.Arguments.Clear();
                for (int i = 0; i < held.Length; i++)
                {
                    var type = _reducer.Identity[i].Type;
                    code.Arguments[new ReducerArg(false, i, type)] = new(held[i], HasBounds[i] ? heldBounds[i] : null);
                    code.Arguments[new ReducerArg(true, i, type)] = news[i];
                }
                bool grew = false;
                code.InBlock(() =>
                {
                    for (int i = 0; i < held.Length; i++)
                    {
                        if (!HasBounds[i] && code.Emit(_reducer.Result[i]).Bound is not null)
                            grew = HasBounds[i] = true;
                    }
                });
                if (!grew)
                    return [.. _reducer.Result.Select(code.Emit)];
            }
        }
    }
}
