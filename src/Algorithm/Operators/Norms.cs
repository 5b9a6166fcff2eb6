using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Normalisations. layernorm: (x − mean) / √(variance + eps) of the rows of X[rows, cols], the variance from the deviations
/// (two passes, safe against cancellation); rmsnorm: x / √(mean of squares + eps). groupnorm is layernorm of all that belongs to
/// one example and group, batchnorm of all that belongs to one channel; it gives means and variances, too, and batchnorm_eval takes
/// them. eps is 1e-5 by default, as PyTorch's. With affine the result is scaled by a vector G and, but for rmsnorm, moved by B.
/// </summary>
internal static class Norms
{
    private static readonly OperatorKey Epsilon = OperatorKey.Real("eps", "added to what the root is taken of", 1e-5);

    private static readonly ImmutableArray<OperatorKey> Keys =
    [
        OperatorKey.Dimension("rows", "independent rows"),
        OperatorKey.Dimension("cols", "elements of a row"),
        OperatorKey.Flag("affine", "scale (and move) by a vector"),
        Epsilon,
        OperatorKey.Types(DTypes.Floats),
    ];

    private static readonly ImmutableArray<OperatorKey> Channels =
    [
        OperatorKey.Dimension("n", "examples"),
        OperatorKey.Dimension("c", "channels"),
        OperatorKey.Dimension("s", "elements of a channel of an example"),
        Epsilon,
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
        new(
            "groupnorm",
            "deviations from the mean of a group of channels over their root mean square",
            [
                OperatorKey.Dimension("n", "examples"),
                OperatorKey.Dimension("groups", "groups of channels"),
                OperatorKey.Dimension("c", "channels of a group"),
                OperatorKey.Dimension("s", "elements of a channel of an example"),
                OperatorKey.Flag("affine", "scale and move each channel"),
                Epsilon,
                OperatorKey.Types(DTypes.Floats),
            ],
            Groupnorm
        )
        {
            Example = "groupnorm n=2 groups=3 c=2 s=5",
            Operands = "X[n, groups, c, s], G[groups, c]?affine, B[groups, c]?affine -> Y[n, groups, c, s]",
        },
        new("batchnorm", "deviations from a channel's mean over their root mean square", Channels, Batchnorm)
        {
            Example = "batchnorm n=3 c=2 s=5",
            Operands = "X[n, c, s..], G[c], B[c] -> Y[n, c, s..], M:compute[c], V:compute[c]",
        },
        new("batchnorm_eval", "deviations from given means over the roots of given variances", Channels, BatchnormEval)
        {
            Example = "batchnorm_eval n=3 c=2 s=5",
            Operands = "X[n, c, s..], M[c], V[c], G[c], B[c] -> Y[n, c, s..]",
            Domain = (_, buffer) => buffer.Name == "V" ? InputDomain.Positive : InputDomain.Any,
        },
    ];

    private static Algorithm Groupnorm(OperatorSpec spec)
    {
        var g = spec.Builder();
        var (n, k, c, s) = (
            new Axis("n", spec.Extent("n")),
            new Axis("g", spec.Extent("groups")),
            new Axis("c", spec.Extent("c")),
            new Axis("s", spec.Extent("s"))
        );
        var type = spec.Type();
        var compute = type.Compute();
        var x = g.Input("X", type, n.Extent, k.Extent, c.Extent, s.Extent);
        Expr count = Elementwise.Count(c.Extent * s.Extent, compute);
        var sum = g.Stage("S", [n, k], AlgorithmBuilder.Sum([c, s], Op.Cast(compute, x[n, k, c, s])));
        var mean = g.Stage("M", [n, k], sum[n, k] / count);
        Expr deviation = Op.Cast(compute, x[n, k, c, s]) - mean[n, k];
        var squares = g.Stage("Q", [n, k], AlgorithmBuilder.Sum([c, s], deviation * deviation));
        var scale = g.Stage("R", [n, k], Op.Rsqrt(squares[n, k] / count + Op.Const(spec.Real("eps"), compute)));
        Expr value = deviation * scale[n, k];
        if (spec.Flag("affine"))
        {
            var gain = g.Input("G", type, k.Extent, c.Extent);
            var bias = g.Input("B", type, k.Extent, c.Extent);
            value = value * Op.Cast(compute, gain[k, c]) + Op.Cast(compute, bias[k, c]);
        }
        return g.Build(g.Stage("Y", [n, k, c, s], Op.Cast(type, value)));
    }

    private static Algorithm Batchnorm(OperatorSpec spec)
    {
        var g = spec.Builder();
        var (n, c, s) = ChannelAxes(spec);
        var type = spec.Type();
        var compute = type.Compute();
        var x = g.Input("X", type, n.Extent, c.Extent, s.Extent);
        var gain = g.Input("G", type, c.Extent);
        var bias = g.Input("B", type, c.Extent);
        Expr count = Elementwise.Count(n.Extent * s.Extent, compute);
        var sum = g.Stage("S", [c], AlgorithmBuilder.Sum([n, s], Op.Cast(compute, x[n, c, s])));
        var mean = g.Stage("M", [c], sum[c] / count);
        Expr deviation = Op.Cast(compute, x[n, c, s]) - mean[c];
        var squares = g.Stage("Q", [c], AlgorithmBuilder.Sum([n, s], deviation * deviation));
        var variance = g.Stage("V", [c], squares[c] / count);
        var scale = g.Stage("R", [c], Op.Rsqrt(variance[c] + Op.Const(spec.Real("eps"), compute)));
        Expr value = deviation * scale[c] * Op.Cast(compute, gain[c]) + Op.Cast(compute, bias[c]);
        return g.Build(g.Stage("Y", [n, c, s], Op.Cast(type, value)), mean, variance);
    }

    private static Algorithm BatchnormEval(OperatorSpec spec)
    {
        var g = spec.Builder();
        var (n, c, s) = ChannelAxes(spec);
        var type = spec.Type();
        var compute = type.Compute();
        var x = g.Input("X", type, n.Extent, c.Extent, s.Extent);
        Expr Of(string name) => Op.Cast(compute, g.Input(name, type, c.Extent)[c]);
        var (mean, variance, gain, bias) = (Of("M"), Of("V"), Of("G"), Of("B"));
        Expr scale = Op.Rsqrt(variance + Op.Const(spec.Real("eps"), compute));
        Expr value = (Op.Cast(compute, x[n, c, s]) - mean) * scale * gain + bias;
        return g.Build(g.Stage("Y", [n, c, s], Op.Cast(type, value)));
    }

    private static (Axis Example, Axis Channel, Axis Element) ChannelAxes(OperatorSpec spec) =>
        (new Axis("n", spec.Extent("n")), new Axis("c", spec.Extent("c")), new Axis("s", spec.Extent("s")));

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
        var scale = g.Stage("R", [r], Op.Rsqrt(squares[r] / count + Op.Const(spec.Real("eps"), compute)));
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
        var scale = g.Stage("R", [r], Op.Rsqrt(squares[r] / count + Op.Const(spec.Real("eps"), compute)));
        Expr value = element * scale[r];
        if (spec.Flag("affine"))
            value *= Op.Cast(compute, g.Input("G", type, c.Extent)[c]);
        return g.Build(g.Stage("Y", [r, c], Op.Cast(type, value)));
    }

    private static (Axis Row, Axis Column) Axes(OperatorSpec spec) =>
        (new Axis("r", spec.Extent("rows")), new Axis("c", spec.Extent("cols")));
}
