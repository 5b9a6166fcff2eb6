using System.Collections.Immutable;

namespace Picograd.Algorithms.Adjoints;

/// <summary>Reductions.</summary>
internal sealed partial class ReverseSweep
{
    private void Reduce(Stage stage)
    {
        var reducer = stage.Reducer!;
        var type = stage.Values[0].Type;
        if (stage.Outputs.Length == 1 && reducer.IsSum)
            Pull(stage, stage.Values[0], Gradient(stage.Output)!.At(stage.Indices));
        else if (Is(reducer, Reducer.Max(type)) || Is(reducer, Reducer.Min(type)))
            Extreme(stage);
        else if (Is(reducer, Reducer.Prod(type)))
            Prod(stage);
        else if (Is(reducer, Reducer.ArgMax(type)) || Is(reducer, Reducer.ArgMin(type)))
            // The element at the place that was found.
            Pull(
                stage,
                stage.Values[0],
                Gradient(stage.Outputs[0])!.At(stage.Indices),
                guard: Op.Eq(stage.Values[1], stage.Outputs[1].At(stage.Indices))
            );
        else if (ShiftedSums(reducer))
            Shifted(stage);
        else
            Fold(stage);
    }

    private static bool Is(Reducer reducer, Reducer known) =>
        reducer.Result.AsSpan().SequenceEqual(known.Result.AsSpan())
        && reducer.Identity.AsSpan().SequenceEqual(known.Identity.AsSpan());

    // Equal extremes share the gradient; where one is NaN all elements get NaN: PyTorch's amax.
    private void Extreme(Stage stage)
    {
        var value = stage.Values[0];
        var extreme = stage.Output.At(stage.Indices);
        var hit = Op.Eq(value, extreme);
        var share = Share(stage, Gradient(stage.Output)!, extreme, Count(stage, hit));
        Pull(stage, value, share.At(stage.Indices), guard: Op.Or(hit, Op.Ne(extreme, extreme)));
    }

    // How many of those that are reduced a condition holds for.
    private Buffer Count(Stage stage, Expr condition)
    {
        var type = Pullback.TypeOf(stage.Output.Type);
        var one = Op.Select(condition, Op.Const(1, type), Op.Const(0, type));
        string name = _names.Fresh(_names.Gradient(stage.Output) + "_count");
        return Reduce(name, [.. stage.SpatialAxes], [.. stage.ReduceAxes], one, Reducer.Sum(type));
    }

    private Buffer Share(Stage stage, Buffer gradient, Expr extreme, Buffer count)
    {
        var g = gradient.At(stage.Indices);
        var each = Op.Select(
            Op.Ne(extreme, extreme),
            Op.Const(double.NaN, g.Type),
            Algebra.Div(g, count.At(stage.Indices))
        );
        return Map(_names.Fresh(gradient.Name + "_share"), [.. stage.SpatialAxes], each);
    }

    // The products of all other elements: of those before times those behind, so that zeros need no rules.
    private void Prod(Stage stage)
    {
        var value = stage.Values[0];
        Axis[] kept = [.. stage.SpatialAxes];
        Axis[] over = [.. stage.ReduceAxes];
        var count = over.Aggregate((Expr)1, (n, a) => n * a.Extent);
        var step = new Axis("t", count);
        var one = Op.Const(1, value.Type);
        string name = _names.Gradient(stage.Output);
        var reducer = Reducer.Prod(value.Type);
        Expr At(Expr place) => value.Substitute(Digits(over, place));
        var first = Op.Eq(step.Var, 0);
        Axis[] axes = [.. kept, step];
        var before = Scan(_names.Fresh(name + "_before"), axes, step, Op.Select(first, one, At(step.Var - 1)), reducer);
        var behind = Scan(
            _names.Fresh(name + "_behind"),
            axes,
            step,
            Op.Select(first, one, At(count - step.Var)),
            reducer
        );
        Expr own = over.Aggregate((Expr)0, (n, a) => n * a.Extent + a.Var);
        var others = Algebra.Mul(before.At([.. stage.Indices, own]), behind.At([.. stage.Indices, count - 1 - own]));
        Pull(stage, value, Algebra.Mul(Gradient(stage.Output)!.At(stage.Indices), others));
    }

    // The values of axes at a place counted row-major.
    private static Dictionary<Var, Expr> Digits(Axis[] axes, Expr place)
    {
        var digits = new Dictionary<Var, Expr>();
        for (int d = axes.Length - 1; d >= 0; d--)
        {
            digits[axes[d].Var] = d == 0 ? place : Op.Mod(place, axes[d].Extent);
            place = d == 0 ? place : Op.FloorDiv(place, axes[d].Extent);
        }
        return digits;
    }

    /// <summary>
    /// Whether a reducer keeps (m, s₁, s₂, …) with m = max(m, m′) and sᵢ = sᵢ·exp(m − max) + sᵢ′·exp(m′ − max): a running softmax
    /// normaliser. Then m = max vₘ and sᵢ = Σ vᵢ·exp(vₘ − m).
    /// </summary>
    private static bool ShiftedSums(Reducer reducer)
    {
        var type = reducer.Identity[0].Type;
        if (reducer.Arity < 2 || !type.IsFloat() || reducer.Identity.Any(e => e.Type != type))
            return false;
        Expr Arg(bool isNew, int i) => new ReducerArg(isNew, i, type);
        var max = reducer.Result[0];
        if (max != Op.Max(Arg(false, 0), Arg(true, 0)) && max != Op.Max(Arg(true, 0), Arg(false, 0)))
            return false;
        for (int i = 1; i < reducer.Arity; i++)
        {
            var terms = Products.Terms(reducer.Result[i]);
            bool Has(bool isNew) =>
                terms.Exists(t =>
                    t is { Coefficient: 1, Divisors.Count: 0, Factors.Count: 2 }
                    && t.Factors.Contains(Arg(isNew, i))
                    && t.Factors.Contains(Op.Exp(Arg(isNew, 0) - max))
                );
            if (terms.Count != 2 || !Has(false) || !Has(true))
                return false;
        }
        return true;
    }

    private void Shifted(Stage stage)
    {
        var max = stage.Outputs[0].At(stage.Indices);
        for (int i = 1; i < stage.Outputs.Length; i++)
        {
            if (Gradient(stage.Outputs[i]) is { } gradient)
                Pull(stage, stage.Values[i] * Op.Exp(stage.Values[0] - max), gradient.At(stage.Indices));
        }
        if (Gradient(stage.Outputs[0]) is not null)
            Extreme(stage with { Outputs = [stage.Outputs[0]], Values = [stage.Values[0]] });
    }

    // Any other combiner, which is associative and commutative: the result is each element's combination with that of all others,
    // which is computed for each, in a number of steps that grows with the square.
    private void Fold(Stage stage)
    {
        var reducer = stage.Reducer!;
        Axis[] over = [.. stage.ReduceAxes];
        Axis[] twins = [.. over.Select(a => new Axis(a.Name + "_other", a.Extent, AxisKind.Reduce))];
        Axis[] axes = [.. stage.SpatialAxes, .. over.Select(a => a with { Kind = AxisKind.Spatial })];
        var swapped = over.Zip(twins).ToDictionary(p => p.First.Var, p => (Expr)p.Second.Var);
        Expr differs = over.Zip(twins).Aggregate(Op.False, (any, p) => Op.Or(any, Op.Ne(p.First.Var, p.Second.Var)));
        string name = _names.Fresh(_names.Gradient(stage.Outputs[0]) + "_others");
        ImmutableArray<Buffer> others =
        [
            .. stage.Values.Select((v, i) => new Buffer($"{name}.{i}", v.Type, [.. axes.Select(a => a.Extent)])),
        ];
        if (others.Length == 1)
            others = [others[0].With(name: name)];
        Stages.Add(
            new Stage(
                name,
                StageKind.Reduce,
                [.. axes, .. twins],
                others,
                Vars(axes),
                [.. stage.Values.Select((v, i) => Op.Select(differs, v.Substitute(swapped), reducer.Identity[i]))],
                reducer
            )
        );
        var whole = reducer.Combine([.. others.Select(o => (Expr)o.At(Vars(axes)))], stage.Values);
        for (int i = 0; i < stage.Outputs.Length; i++)
        {
            if (Gradient(stage.Outputs[i]) is { } gradient)
                Pull(stage, whole[i], gradient.At(stage.Indices));
        }
    }
}
