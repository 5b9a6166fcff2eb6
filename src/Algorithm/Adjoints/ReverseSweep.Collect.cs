using System.Collections.Immutable;

namespace Picograd.Algorithms.Adjoints;

/// <summary>Contributions at the readers' points become sums at the places of what was read.</summary>
internal sealed partial class ReverseSweep
{
    // A gather may visit so many times the points of a scatter before the scatter is preferred.
    private const double MostWork = 16;

    /// <summary>A sum over axes: at places Kept (some of the buffer's dimensions) of Value, counted where Outside holds.</summary>
    private sealed record Sum(ImmutableArray<Axis> Kept, ImmutableArray<Axis> Over, Expr Value, Expr? Outside);

    // The gradient at places of a buffer as an expression; null for one that is 0 everywhere.
    private Expr? Collected(Buffer buffer, Axis[] places)
    {
        if (!_contributions.TryGetValue(buffer, out var list))
            return null;
        Expr? total = null;
        var sums = new List<Sum>();
        foreach (var one in list)
        {
            var inverse = IndexInversion.Of(one.Axes, one.Indices, places, _parameters, out bool never);
            if (never)
                continue;
            if (inverse is null || IsWasteful(one, places, inverse))
            {
                var scattered = ScatterSum(buffer, one);
                total = Plus(total, scattered.At(Vars(places)));
                continue;
            }
            var ranges = RangesOf(places.Concat(inverse.Open));
            Expr At(Expr e) => Algebra.Tidy(e.Substitute(inverse.Values), ranges);
            var guard = one.Guard is null ? null : At(one.Guard);
            if (guard is not null && guard.IsFalse())
                continue;
            var value = At(one.Value);
            var conditions = Conditions(inverse, guard);
            if (inverse.Open.Count == 0)
                total = Plus(total, Algebra.Where(conditions.Aggregate((Expr?)null, Algebra.And), value));
            else
                Merge(sums, SumOf(places, inverse, conditions, value));
        }
        foreach (var sum in sums)
        {
            string name = _names.Fresh(_names.Gradient(buffer) + "_sum");
            var stage = Reduce(name, sum.Kept, sum.Over, sum.Value, Reducer.Sum(sum.Value.Type));
            total = Plus(total, Algebra.Where(sum.Outside, stage.At(Vars(sum.Kept))));
        }
        return total;
    }

    private static Expr Plus(Expr? a, Expr b) => a is null ? b : Algebra.Add(a, b);

    // The reader's axes are within their extents; then what it asks; then what reads data, which it does only where it asked.
    private static List<Expr> Conditions(Inverse inverse, Expr? guard)
    {
        var own = inverse.Condition?.Conjuncts().ToLookup(c => c.Loads().Count > 0);
        return [.. own?[false] ?? [], .. guard?.Conjuncts() ?? [], .. own?[true] ?? []];
    }

    // What is wanted at one place of a dimension only (X[r, 0]) is summed up there only.
    private static Sum SumOf(Axis[] places, Inverse inverse, List<Expr> conditions, Expr value)
    {
        var kept = places.ToList();
        Expr? outside = null;
        foreach (var condition in conditions.ToList())
        {
            if (
                condition is not Binary { Kind: BinaryOp.Eq or BinaryOp.Lt }
                || inverse.Open.Any(a => condition.Uses(a.Var))
            )
                continue;
            var alone = kept.Find(p => condition.Uses(p.Var));
            if (
                alone is null
                || condition.FreeVars().Any(v => v != alone.Var && kept.Exists(p => p.Var == v))
                || value.Uses(alone.Var)
                || conditions.Any(c => c != condition && c.Uses(alone.Var))
            )
                continue;
            outside = Algebra.And(outside, condition);
            conditions.Remove(condition);
            kept.Remove(alone);
        }
        Expr? inside = conditions.Aggregate((Expr?)null, Algebra.And);
        return new([.. kept], [.. inverse.Open], Algebra.Where(inside, value), outside);
    }

    // Two sums over the same axes at the same places are one; products of matrices stay by themselves, as schedules know those.
    private static void Merge(List<Sum> sums, Sum sum)
    {
        for (int i = 0; i < sums.Count; i++)
        {
            var other = sums[i];
            if (
                other.Outside != sum.Outside
                || !other.Kept.SequenceEqual(sum.Kept)
                || !other.Over.Select(a => a.Extent).SequenceEqual(sum.Over.Select(a => a.Extent))
                || IsContraction(other)
                || IsContraction(sum)
            )
                continue;
            var same = sum.Over.Zip(other.Over).ToDictionary(p => p.First.Var, p => (Expr)p.Second.Var);
            sums[i] = other with { Value = Algebra.Add(other.Value, sum.Value.Substitute(same)) };
            return;
        }
        sums.Add(sum);
    }

    private static bool IsContraction(Sum sum) =>
        sum
            .Value.Loads()
            .Any(l => sum.Over.Any(a => l.Uses(a.Var)) && sum.Kept.Any(a => !a.Extent.IsConst(1) && !l.Uses(a.Var)));

    private static bool IsWasteful(Contribution one, Axis[] places, Inverse inverse)
    {
        double gather = Points(places) * Points(inverse.Open);
        double scatter = Points(places) + Points(one.Axes);
        return gather > MostWork * scatter;
    }

    // Symbolic extents count alike on both sides.
    private static double Points(IEnumerable<Axis> axes) =>
        axes.Aggregate(1.0, (n, a) => n * (a.Extent is IntImm e ? Math.Max(1, e.Value) : 64));

    private LoopRanges RangesOf(IEnumerable<Axis> axes)
    {
        var ranges = new LoopRanges(_parameters);
        foreach (var axis in axes)
            ranges.Enter(axis.Var, axis.Extent);
        return ranges;
    }

    // Where it is not known who reads a place: every reader adds to it. Readers that must not read add 0 at place 0.
    private Buffer ScatterSum(Buffer buffer, Contribution one)
    {
        var ranges = RangesOf(one.Axes);
        var indices = one.Indices;
        var value = Algebra.Where(one.Guard, one.Value);
        if (one.Guard is { } guard)
        {
            bool Inside(Expr index, int d) =>
                Simplifier.Proves(Op.And(Op.Le(0, index), Op.Lt(index, buffer.Shape[d])), ranges);
            indices = [.. indices.Select((x, d) => Inside(x, d) ? x : Op.Select(guard, x, 0))];
        }
        return Scatter(
            _names.Fresh(_names.Gradient(buffer) + "_put"),
            one.Axes,
            buffer.Shape,
            indices,
            value,
            Reducer.Sum(value.Type)
        );
    }

    private Buffer Scatter(
        string name,
        ImmutableArray<Axis> axes,
        ImmutableArray<Expr> shape,
        ImmutableArray<Expr> indices,
        Expr value,
        Reducer reducer,
        Buffer? initial = null
    )
    {
        var output = new Buffer(name, value.Type, shape);
        var repeats = reducer.IsLast ? AxisKind.Ordered : AxisKind.Reduce;
        var kinds = axes.Select(a =>
            a with
            {
                Kind = indices.Any(i => ReferenceEquals(i, a.Var)) ? AxisKind.Spatial : repeats,
            }
        );
        Stages.Add(
            new Stage(name, StageKind.Scatter, [.. kinds], [output], indices, [value], reducer) { Initial = initial }
        );
        return output;
    }
}
