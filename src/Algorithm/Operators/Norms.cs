using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Normalisations of the rows of X[rows, cols]. layernorm: (x − mean) / √(variance + ε), the variance from the deviations
/// (two passes, safe against cancellation); rmsnorm: x / √(mean of squares + ε). ε is 1e-5, as PyTorch's default. With affine
/// the result is scaled by a vector G[cols] (and, for layernorm, moved by B[cols]).
/// </summary>
internal static class Norms
{
    private const double Epsilon = 1e-5;

    private static readonly ImmutableArray<OperatorKey> Keys =
    [
        OperatorKey.Dimension("rows", "independent rows"),
        OperatorKey.Dimension("cols", "elements of a row"),
        OperatorKey.Flag("affine", "scale (and move) by a vector"),
        OperatorKey.Types(DTypes.Floats),
    ];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        new("layernorm", "deviations from the row's mean over their root mean square", Keys, Layernorm)
        {
            Example = "layernorm rows=5 cols=7",
            Operands = "X[rows.., cols], G[cols]?affine, B[cols]?affine -> Y[rows.., cols]",
        },
        new("rmsnorm", "elements over the row's root mean square", Keys, Rmsnorm)
        {
            Example = "rmsnorm rows=5 cols=7",
            Operands = "X[rows.., cols], G[cols]?affine -> Y[rows.., cols]",
        },
    ];

    private static Algorithm Layernorm(OperatorSpec spec)
    {
        var g = spec.Builder();
        var (r, c) = Axes(spec);
        var type = spec.Type();
        var compute = Elementwise.ComputeType(type);
        var x = g.Input("X", type, r.Extent, c.Extent);
        Expr count = Elementwise.Count(c.Extent, compute);
        var sum = g.Stage("S", [r], AlgorithmBuilder.Sum(c, Op.Cast(compute, x[r, c])));
        var mean = g.Stage("M", [r], sum[r] / count);
        Expr deviation = Op.Cast(compute, x[r, c]) - mean[r];
        var squares = g.Stage("Q", [r], AlgorithmBuilder.Sum(c, deviation * deviation));
        var scale = g.Stage("R", [r], Op.Rsqrt(squares[r] / count + Op.Const(Epsilon, compute)));
        Expr value = deviation * scale[r];
        if (spec.Flag("affine"))
        {
            var gain = g.Input("G", type, c.Extent);
            var bias = g.Input("B", type, c.Extent);
            value = value * Op.Cast(compute, gain[c]) + Op.Cast(compute, bias[c]);
        }
        return g.Build(g.Stage("Y", [r, c], Op.Cast(type, value)));
    }

    private static Algorithm Rmsnorm(OperatorSpec spec)
    {
        var g = spec.Builder();
        var (r, c) = Axes(spec);
        var type = spec.Type();
        var compute = Elementwise.ComputeType(type);
        var x = g.Input("X", type, r.Extent, c.Extent);
        Expr element = Op.Cast(compute, x[r, c]);
        Expr count = Elementwise.Count(c.Extent, compute);
        var squares = g.Stage("Q", [r], AlgorithmBuilder.Sum(c, element * element));
        var scale = g.Stage("R", [r], Op.Rsqrt(squares[r] / count + Op.Const(Epsilon, compute)));
        Expr value = element * scale[r];
        if (spec.Flag("affine"))
            value *= Op.Cast(compute, g.Input("G", type, c.Extent)[c]);
        return g.Build(g.Stage("Y", [r, c], Op.Cast(type, value)));
    }

    private static (Axis Row, Axis Column) Axes(OperatorSpec spec) =>
        (new Axis("r", spec.Extent("rows")), new Axis("c", spec.Extent("cols")));
}
