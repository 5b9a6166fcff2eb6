using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Softmax and its logarithm along the columns of X[rows, cols], or across X[rows, cols, inner], safe against overflow: the maximum is
/// taken off first. Nothing but −∞ gives NaN, as in PyTorch.
/// </summary>
internal static class Softmax
{
    private static readonly ImmutableArray<OperatorKey> Keys =
    [
        OperatorKey.Dimension("rows", "independent rows"),
        OperatorKey.Dimension("cols", "elements that share a sum"),
        OperatorKey.Types(DTypes.Floats),
    ];

    private static readonly ImmutableArray<OperatorKey> KeysAcross =
    [
        OperatorKey.Dimension("rows", "independent matrices"),
        OperatorKey.Dimension("cols", "elements that share a sum"),
        OperatorKey.Dimension("inner", "independent elements side by side"),
        OperatorKey.Types(DTypes.Floats),
    ];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        new("softmax", "exp(X) over its sum along each row", Keys, Build)
        {
            Example = "softmax rows=5 cols=7",
            Operands = "X[rows.., cols] -> Y[rows.., cols]",
        },
        new("log_softmax", "logarithm of softmax", Keys, Build)
        {
            Example = "log_softmax rows=5 cols=7",
            Operands = "X[rows.., cols] -> Y[rows.., cols]",
        },
        new("softmax_across", "exp(X) over its sum along a dimension that is not the last", KeysAcross, Build)
        {
            Example = "softmax_across rows=3 cols=5 inner=7",
            Operands = "X[rows, cols, inner..] -> Y[rows, cols, inner..]",
        },
        new("log_softmax_across", "logarithm of softmax along a dimension that is not the last", KeysAcross, Build)
        {
            Example = "log_softmax_across rows=3 cols=5 inner=7",
            Operands = "X[rows, cols, inner..] -> Y[rows, cols, inner..]",
        },
    ];

    /// <summary>Stages with the maximum of each row and the sum of exp(x − maximum).</summary>
    /// <param name="g">The algorithm.</param>
    /// <param name="x">[rows, columns, …].</param>
    /// <param name="rows">The axes of x but for the columns.</param>
    /// <param name="columns">How many columns there are.</param>
    public static (Buffer Max, Buffer Sum) Normalizers(AlgorithmBuilder g, Buffer x, Axis[] rows, Expr columns)
    {
        var c = new Axis("c", columns);
        var own = Vars(rows);
        Expr element = Op.Cast(x.Type.Compute(), x.At(Place(rows, c)));
        var max = g.Stage("M", rows, AlgorithmBuilder.Max([c], element), detached: true);
        var sum = g.Stage("S", rows, AlgorithmBuilder.Sum(c, Op.Exp(element - max.At(own))));
        return (max, sum);
    }

    private static Algorithm Build(OperatorSpec spec)
    {
        var g = spec.Builder();
        var (r, c) = (new Axis("r", spec.Extent("rows")), new Axis("c", spec.Extent("cols")));
        Axis[] rows = spec.Has("inner") ? [r, new Axis("i", spec.Extent("inner"))] : [r];
        Axis[] all = [r, c, .. rows.Skip(1)];
        var (own, place) = (Vars(rows), Place(rows, c));
        var type = spec.Type();
        var x = g.Input("X", type, [.. all.Select(a => a.Extent)]);
        Expr element = Op.Cast(type.Compute(), x.At(place));
        if (spec.Name.StartsWith("softmax", StringComparison.Ordinal))
        {
            // The exponentials are a stage of their own, so that a schedule may keep a row of them or compute them twice.
            var top = g.Stage("M", rows, AlgorithmBuilder.Max([c], element), detached: true);
            var power = g.Stage("E", all, Op.Exp(element - top.At(own)));
            var total = g.Stage("S", rows, AlgorithmBuilder.Sum(c, power.At(place)));
            var scale = g.Stage("R", rows, Op.Reciprocal(total.At(own)));
            return g.Build(g.Stage("Y", all, Op.Cast(type, power.At(place) * scale.At(own))));
        }
        var (max, sum) = Normalizers(g, x, rows, c.Extent);
        Expr value = element - max.At(own) - Op.Log(sum.At(own));
        return g.Build(g.Stage("Y", all, Op.Cast(type, value)));
    }

    private static ImmutableArray<Expr> Vars(Axis[] axes) => [.. axes.Select(a => (Expr)a.Var)];

    private static ImmutableArray<Expr> Place(Axis[] rows, Axis column) =>
        [rows[0].Var, column.Var, .. rows.Skip(1).Select(a => (Expr)a.Var)];
}
