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
        new("softmax_grad", "dX from Y = softmax(X) and dY: Y · (dY − Σ Y·dY)", Keys, BuildGradient)
        {
            Example = "softmax_grad rows=5 cols=7",
            Operands = "Y[rows.., cols], dY[rows.., cols] -> dX[rows.., cols]",
            Domain = (_, b) => b.Name == "Y" ? InputDomain.Probability : InputDomain.Any,
        },
        new("log_softmax_grad", "dX from Y = log_softmax(X) and dY: dY − exp(Y) · Σ dY", Keys, BuildGradient)
        {
            Example = "log_softmax_grad rows=5 cols=7",
            Operands = "Y[rows.., cols], dY[rows.., cols] -> dX[rows.., cols]",
            Domain = (_, b) => b.Name == "Y" ? InputDomain.Negative : InputDomain.Any,
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

    private static Algorithm BuildGradient(OperatorSpec spec)
    {
        var g = spec.Builder();
        var (r, c) = (new Axis("r", spec.Extent("rows")), new Axis("c", spec.Extent("cols")));
        var type = spec.Type();
        var (outputs, gradients) = (g.Input("Y", type, r.Extent, c.Extent), g.Input("dY", type, r.Extent, c.Extent));
        Expr y = Op.Cast(type.Compute(), outputs[r, c]);
        Expr dy = Op.Cast(type.Compute(), gradients[r, c]);
        bool log = spec.Name == "log_softmax_grad";
        var dot = g.Stage("D", [r], AlgorithmBuilder.Sum(c, log ? dy : y * dy));
        Expr value = log ? dy - Op.Exp(y) * dot[r] : y * (dy - dot[r]);
        return g.Build(g.Stage("dX", [r, c], Op.Cast(type, value)));
    }
}
