using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Softmax and its logarithm along the columns of X[rows, cols], safe against overflow: the row's maximum is taken off
/// first. A row of nothing but −∞ gives NaN, as in PyTorch.
/// </summary>
internal static class Softmax
{
    private static readonly ImmutableArray<OperatorKey> Keys =
    [
        OperatorKey.Dimension("rows", "independent rows"),
        OperatorKey.Dimension("cols", "elements that share a sum"),
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
    ];

    /// <summary>Stages with the maximum of each row and the sum of exp(x − maximum).</summary>
    public static (Buffer Max, Buffer Sum) Normalizers(AlgorithmBuilder g, Buffer x, Axis row, Expr columns)
    {
        var c = new Axis("c", columns);
        Expr element = Op.Cast(x.Type.Compute(), x[row, c]);
        var max = g.Stage("M", [row], AlgorithmBuilder.Max([c], element), detached: true);
        var sum = g.Stage("S", [row], AlgorithmBuilder.Sum(c, Op.Exp(element - max[row])));
        return (max, sum);
    }

    private static Algorithm Build(OperatorSpec spec)
    {
        var g = spec.Builder();
        var (r, c) = (new Axis("r", spec.Extent("rows")), new Axis("c", spec.Extent("cols")));
        var type = spec.Type();
        var x = g.Input("X", type, r.Extent, c.Extent);
        Expr element = Op.Cast(type.Compute(), x[r, c]);
        if (spec.Name == "softmax")
        {
            // The exponentials are a stage of their own, so that a schedule may keep a row of them or compute them twice.
            var top = g.Stage("M", [r], AlgorithmBuilder.Max([c], element), detached: true);
            var power = g.Stage("E", [r, c], Op.Exp(element - top[r]));
            var total = g.Stage("S", [r], AlgorithmBuilder.Sum(c, power[r, c]));
            var scale = g.Stage("R", [r], Op.Reciprocal(total[r]));
            return g.Build(g.Stage("Y", [r, c], Op.Cast(type, power[r, c] * scale[r])));
        }
        var (max, sum) = Normalizers(g, x, r, c.Extent);
        Expr value = element - max[r] - Op.Log(sum[r]);
        return g.Build(g.Stage("Y", [r, c], Op.Cast(type, value)));
    }
}
