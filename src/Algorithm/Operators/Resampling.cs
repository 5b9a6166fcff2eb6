using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// A dimension sampled at other places: Y[r, j, i] = Σ over taps of W[j, t] · X[r, I[j, t], i]. What interpolates linearly has two taps,
/// cubic four.
/// </summary>
internal static class Resampling
{
    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        new(
            "resample",
            "weighted sums of elements of a dimension that indices name",
            [
                OperatorKey.Dimension("rows", "what lies in front of the dimension"),
                OperatorKey.Dimension("cols", "size of the dimension in X"),
                OperatorKey.Dimension("inner", "elements behind the dimension"),
                OperatorKey.Dimension("to", "size of the dimension in Y"),
                OperatorKey.Dimension("taps", "elements of a sum"),
                OperatorKey.Types(DType.Float32, DType.Float64),
            ],
            Build
        )
        {
            Example = "resample rows=2 cols=5 inner=3 to=7 taps=2",
            Operands = "X[rows.., cols, inner], I:i64[to, taps], W[to, taps] -> Y[rows.., to, inner]",
            Domain = (s, b) => b.Name == "I" ? InputDomain.Index(s.Dim("cols")) : InputDomain.Any,
        },
    ];

    private static Algorithm Build(OperatorSpec spec)
    {
        var g = spec.Builder();
        var (r, j, i, t) = (
            new Axis("r", spec.Dim("rows")),
            new Axis("j", spec.Dim("to")),
            new Axis("i", spec.Dim("inner")),
            new Axis("t", spec.Dim("taps"))
        );
        var x = g.Input("X", spec.Type(), r.Extent, spec.Dim("cols"), i.Extent);
        var index = g.Input("I", DType.Int64, j.Extent, t.Extent);
        var w = g.Input("W", spec.Type(), j.Extent, t.Extent);
        return g.Build(g.Stage("Y", [r, j, i], AlgorithmBuilder.Sum(t, w[j, t] * x[r, index[j, t], i])));
    }
}
