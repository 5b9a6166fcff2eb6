using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Y = X with V[r, j] put at, or combined with, Y[r, I[r, j]]. Of equal indices the last assigns; extremes share their gradient among
/// equals, as PyTorch's scatter_reduce.
/// </summary>
internal static class Scattering
{
    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        new(
            "scatter",
            "X with V[r, j] at, or combined with, place I[r, j] of row r",
            [
                OperatorKey.Dimension("rows", "rows"),
                OperatorKey.Dimension("cols", "elements of a row of X"),
                OperatorKey.Dimension("n", "indices of a row"),
                OperatorKey.Choice("reduce", "how", "assign", "sum", "prod", "amax", "amin"),
                OperatorKey.Types(DTypes.OfTensors),
            ],
            Build
        )
        {
            Example = "scatter rows=3 cols=7 n=4 reduce=sum",
            Operands = "X[rows.., cols], I:i64[rows.., n], V[rows.., n] -> Y[rows.., cols]",
            Domain = (s, b) => b.Name == "I" ? InputDomain.Index(s.Dim("cols")) : InputDomain.Any,
            Check = s =>
                s.Choice("reduce") != "assign" && !DTypes.Numbers.Contains(s.Type())
                    ? $"{s.Type().Name()} cannot be combined"
                    : null,
        },
    ];

    private static Algorithm Build(OperatorSpec spec)
    {
        var g = spec.Builder();
        var type = spec.Type();
        string reduce = spec.Choice("reduce");
        var compute = reduce is "sum" or "prod" ? type.Compute() : type;
        var (r, j, c) = (
            new Axis("r", spec.Extent("rows")),
            new Axis("j", spec.Extent("n")),
            new Axis("c", spec.Extent("cols"))
        );
        var x = g.Input("X", type, r.Extent, c.Extent);
        var index = g.Input("I", DType.Int64, r.Extent, j.Extent);
        var v = g.Input("V", type, r.Extent, j.Extent);
        var reducer = reduce switch
        {
            "sum" => Reducer.Sum(compute),
            "prod" => Reducer.Prod(compute),
            "amax" => Reducer.Max(compute),
            "amin" => Reducer.Min(compute),
            _ => Reducer.Last(compute),
        };
        bool plain = compute == type;
        var initial = plain ? x : g.Stage("X.exact", [r, c], Op.Cast(compute, x[r, c]));
        var put = g.Scatter(
            plain ? "Y" : "Y.exact",
            [r, j],
            [r.Extent, c.Extent],
            [r.Var, index[r, j]],
            Op.Cast(compute, v[r, j]),
            reducer,
            initial
        );
        return g.Build(plain ? put : g.Stage("Y", [r, c], Op.Cast(type, put[r, c])));
    }
}
