using System.Collections.Immutable;

namespace Picograd.Algorithms.Adjoints;

/// <summary>Scatters and scans.</summary>
internal sealed partial class ReverseSweep
{
    private void Scatter(Stage stage, bool isEmpty)
    {
        var (output, value, reducer) = (stage.Output, stage.Values[0], stage.Reducer!);
        var gradient = Gradient(output)!;
        if (isEmpty)
        {
            Initial(stage, gradient);
            return;
        }
        var g = gradient.At(stage.Indices);
        if (reducer.IsSum)
        {
            Pull(stage, value, g);
            Initial(stage, gradient);
        }
        else if (reducer.IsLast)
        {
            // All that were assigned to a place get its gradient, as in PyTorch, though only the last counts.
            Pull(stage, value, g);
            if (stage.Initial is not { } initial || !IsActive(initial))
                return;
            string name = _names.Fresh(gradient.Name + "_left");
            var zero = Algebra.Zero(gradient.Type);
            Initial(
                stage,
                Scatter(name, stage.Axes, gradient.Shape, stage.Indices, zero, Reducer.Last(zero.Type), gradient)
            );
        }
        else if (Is(reducer, Reducer.Max(value.Type)) || Is(reducer, Reducer.Min(value.Type)))
        {
            Expr Hit(Expr v, ImmutableArray<Expr> at) => Op.Eq(v, output.At(at));
            var count = Sums(
                stage,
                "_count",
                (v, at) => Counted(Hit(v, at), gradient.Type),
                Reducer.Sum(gradient.Type)
            );
            Pull(stage, value, Algebra.Div(g, count.At(stage.Indices)), guard: Hit(value, stage.Indices));
            Initial(
                stage,
                gradient,
                (x, at) =>
                    Algebra.Times(Hit(x, at), Algebra.Div(gradient.At(at), count.At(at)), Op.Const(1, gradient.Type))
            );
        }
        else if (Is(reducer, Reducer.Prod(value.Type)))
        {
            var (zero, one) = (Algebra.Zero(value.Type), Op.Const(1, value.Type));
            var zeros = Sums(stage, "_zeros", (v, _) => Counted(Op.Eq(v, zero), value.Type), Reducer.Sum(value.Type));
            var rest = Sums(stage, "_product", (v, _) => Op.Select(Op.Eq(v, zero), one, v), Reducer.Prod(value.Type));
            // The 0s themselves: of one all that remains depends, and of two the share of each on the other, which second derivatives see.
            var lost = Sums(stage, "_zero", (v, _) => Op.Select(Op.Eq(v, zero), v, zero), Reducer.Sum(value.Type));
            Expr Others(Expr v, ImmutableArray<Expr> at)
            {
                Expr Case(double count, Expr isZero, Expr isOther, Expr otherwise) =>
                    Op.Select(
                        Op.Eq(zeros.At(at), Op.Const(count, value.Type)),
                        Op.Select(Op.Eq(v, zero), isZero, isOther),
                        otherwise
                    );
                var (left, kept) = (lost.At(at), rest.At(at));
                var several = Case(2, (left - v) * kept, zero, zero);
                return Case(0, zero, output.At(at) / v, Case(1, kept, left * (kept / v), several));
            }
            Pull(stage, value, Algebra.Mul(g, Others(value, stage.Indices)));
            Initial(stage, gradient, (x, at) => [(null, Algebra.Mul(gradient.At(at), Others(x, at)))]);
        }
        else
        {
            throw new AdjointException(
                $"{_algorithm.Name}: stage {stage.Name} scatters by {reducer.Name}, whose derivative is not known"
            );
        }
    }

    private static Expr Counted(Expr condition, DType type) =>
        Op.Select(condition, Op.Const(1, type), Op.Const(0, type));

    // The same scatter of something else of its values, starting from that of its initial ones.
    private Buffer Sums(Stage stage, string name, Func<Expr, ImmutableArray<Expr>, Expr> of, Reducer reducer)
    {
        name = _names.Gradient(stage.Output) + name;
        Buffer? start = null;
        if (stage.Initial is { } initial)
        {
            var places = PlacesOf(initial);
            start = Map(_names.Fresh(name + "_start"), places, of(initial.At(Vars(places)), Vars(places)));
        }
        var value = of(stage.Values[0], stage.Indices);
        return Scatter(_names.Fresh(name), stage.Axes, stage.Output.Shape, stage.Indices, value, reducer, start);
    }

    private void Initial(Stage stage, Buffer gradient) =>
        Initial(stage, gradient, (_, at) => [(null, gradient.At(at))]);

    private void Initial(
        Stage stage,
        Buffer gradient,
        Func<Expr, ImmutableArray<Expr>, IEnumerable<(Expr? Guard, Expr Value)>> share
    )
    {
        if (stage.Initial is not { } initial || !IsActive(initial))
            return;
        var places = PlacesOf(gradient);
        foreach (var (guard, value) in share(initial.At(Vars(places)), Vars(places)))
            Contribute(initial, new([.. places], Vars(places), guard, value));
    }

    private void Scan(Stage stage)
    {
        var (output, value, reducer) = (stage.Output, stage.Values[0], stage.Reducer!);
        var gradient = Gradient(output)!;
        var along = stage.Axes.First(a => a.Kind == AxisKind.Ordered);
        ImmutableArray<Expr> At(Expr place) => [.. stage.Axes.Select(a => a.Var == along.Var ? place : (Expr)a.Var)];
        string name = gradient.Name;
        if (Is(reducer, Reducer.Max(value.Type)) || Is(reducer, Reducer.Min(value.Type)))
        {
            // Of equals the last, as PyTorch's cummax.
            var best = Op.Or(Op.Eq(value, output.At(stage.Indices)), Op.Ne(value, value));
            var place = Scan(
                _names.Fresh(name + "_place"),
                stage.Axes,
                along,
                Op.Select(best, along.Var, -1),
                Reducer.Max(DTypes.Index)
            );
            ImmutableArray<Expr> found = At(place.At(stage.Indices));
            ImmutableArray<Axis> free = [.. stage.Axes.Select(a => a with { Kind = AxisKind.Spatial })];
            var put = Scatter(
                _names.Fresh(name + "_put"),
                free,
                output.Shape,
                found,
                gradient.At(stage.Indices),
                Reducer.Sum(gradient.Type)
            );
            Pull(stage, value, put.At(stage.Indices));
            return;
        }
        if (reducer.Arity != 1)
            throw new AdjointException($"{_algorithm.Name}: stage {stage.Name} scans tuples");
        // What the accumulated value is before each step.
        Expr before = Op.Select(Op.Eq(along.Var, 0), reducer.Identity[0], output.At(At(along.Var - 1)));
        var accumulated = new ReducerArg(false, 0, value.Type);
        Expr Before(Expr e) => e.Map(n => n == accumulated ? before : null);
        var carry = Before(Carry(reducer).Map(n => n is ReducerArg { IsNew: true } ? value : null));
        Buffer total;
        if (carry.IsConst(0))
        {
            total = gradient;
        }
        else if (carry.IsConst(1))
        {
            // From the end.
            var mirror = along.Extent - 1 - along.Var;
            var run = Scan(
                _names.Fresh(name + "_run"),
                stage.Axes,
                along,
                gradient.At(At(mirror)),
                Reducer.Sum(gradient.Type)
            );
            Pull(stage, value, run.At(At(mirror)));
            return;
        }
        else
        {
            // Σ over all later places of the gradient there times what is passed on between: as many steps as pairs of places.
            var later = new Axis(along.Name + "_later", along.Extent);
            var swap = new Dictionary<Var, Expr> { [along.Var] = later.Var };
            Axis[] pairs = [.. stage.Axes.Select(a => a with { Kind = AxisKind.Spatial }), later];
            var passed = Scan(
                _names.Fresh(name + "_passed"),
                pairs,
                later,
                Op.Select(later.Var <= along.Var, Op.Const(1, value.Type), carry.Substitute(swap)),
                Reducer.Prod(value.Type)
            );
            var term = Algebra.Mul(gradient.At(At(later.Var)), passed.At(Vars(pairs)));
            total = Reduce(
                _names.Fresh(name + "_total"),
                pairs[..^1],
                [later],
                Algebra.Where(along.Var <= later.Var, term),
                Reducer.Sum(term.Type)
            );
        }
        var step = reducer.Result[0].Map(n => n is ReducerArg { IsNew: true } ? value : null);
        foreach (var part in Pullback.Of(step, total.At(stage.Indices), IsActive))
            Contribute(
                part.Load.Buffer,
                new(
                    [.. stage.Axes.Select(a => a with { Kind = AxisKind.Spatial })],
                    part.Load.Indices,
                    part.Guard is null ? null : Before(part.Guard),
                    Before(part.Value)
                )
            );
    }

    // The derivative of a combination by what was accumulated.
    private static Expr Carry(Reducer reducer)
    {
        var type = reducer.Identity[0].Type;
        var stand = new Buffer("accumulated", type, []);
        var lhs = new ReducerArg(false, 0, type);
        var parts = Pullback.Of(
            reducer.Result[0].Map(n => n == lhs ? stand[[]] : null),
            Op.Const(1, type),
            b => b == stand
        );
        Expr sum = Algebra.Zero(type);
        foreach (var part in parts)
            sum = Algebra.Add(sum, Algebra.Where(part.Guard, part.Value));
        return sum.Map(n => n is Load l && l.Buffer == stand ? lhs : null);
    }

    private Buffer Scan(string name, IReadOnlyList<Axis> axes, Axis along, Expr value, Reducer reducer)
    {
        var output = new Buffer(name, value.Type, [.. axes.Select(a => a.Extent)]);
        var kinds = axes.Select(a => a with { Kind = a.Var == along.Var ? AxisKind.Ordered : AxisKind.Spatial });
        Stages.Add(new Stage(name, StageKind.Scan, [.. kinds], [output], Vars(axes), [value], reducer));
        return output;
    }
}
