using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>Mean over all elements of (X − T)², in one pass over both. Half-precision types are computed in float32.</summary>
internal static class MseLoss
{
    private static readonly ImmutableArray<OperatorKey> Keys =
    [
        OperatorKey.Dimension("n", "elements of each operand"),
        OperatorKey.Types(DTypes.Floats),
    ];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        new("mse_loss", "mean squared difference of two tensors", Keys, Build)
        {
            Example = "mse_loss n=35",
            Operands = "X[n], T[n] -> L[]",
        },
    ];

    private static Algorithm Build(OperatorSpec spec)
    {
        var g = spec.Builder();
        var type = spec.Type();
        var compute = type.Compute();
        var i = new Axis("i", spec.Extent("n"));
        var x = g.Input("X", type, i.Extent);
        var t = g.Input("T", type, i.Extent);
        Expr difference = Op.Cast(compute, x[i]) - Op.Cast(compute, t[i]);
        var sum = g.Stage("S", [], AlgorithmBuilder.Sum(i, difference * difference));
        return g.Build(g.Stage("L", [], Op.Cast(type, sum[[]] / Elementwise.Count(i.Extent, compute))));
    }
}
