using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Scans along the rows of X[rows, cols] beside sums and products: the largest or smallest element so far and its place (of equals the
/// last; a NaN stays), as PyTorch's cummax and cummin, and the logarithm of the sum of exponentials so far.
/// </summary>
internal static class RunningExtremes
{
    private static readonly OperatorKey Rows = OperatorKey.Dimension("rows", "rows of X");
    private static readonly OperatorKey Cols = OperatorKey.Dimension("cols", "columns of X");

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        Extreme("cummax", "largest"),
        Extreme("cummin", "smallest"),
        new(
            "logcumsumexp",
            "log Σ exp of the elements so far",
            [Rows, Cols, OperatorKey.Types(DTypes.Floats)],
            LogCumSumExp
        )
        {
            Example = "logcumsumexp rows=3 cols=7",
            Operands = "X[rows.., cols] -> Y[rows.., cols]",
            Opens = (_, _) => true,
        },
    ];

    private static OperatorDefinition Extreme(string name, string which) =>
        new(name, $"{which} element so far and its place", [Rows, Cols, OperatorKey.Types(DTypes.Numbers)], Extreme)
        {
            Example = $"{name} rows=3 cols=7",
            Operands = "X[rows.., cols] -> Y[rows.., cols], I:i64[rows.., cols]",
            ResultDomain = (s, b) => b.Name == "I" ? InputDomain.Index(s.Dim("cols")) : InputDomain.Any,
            Opens = (_, _) => true,
        };

    private static Algorithm Extreme(OperatorSpec spec)
    {
        var type = spec.Type();
        var compute = type.Compute();
        var g = spec.Builder();
        var (i, j) = (new Axis("i", spec.Extent("rows")), new Axis("j", spec.Extent("cols")));
        var x = g.Input("X", type, i.Extent, j.Extent);
        Expr element = Op.Cast(compute, x[i, j]);
        var reducer = spec.Name == "cummax" ? Reducer.Max(compute) : Reducer.Min(compute);
        var most = g.Scan("M", [i, j], j, element, reducer);
        Expr here = Op.Eq(element, most[i, j]);
        if (compute.IsFloat())
            here = Op.Or(here, Op.Ne(element, element));
        var place = g.Scan(
            "I",
            [i, j],
            j,
            Op.Select(here, Op.Cast(DType.Int64, j.Var), Op.Const(0, DType.Int64)),
            Reducer.Max(DType.Int64)
        );
        return g.Build(g.Stage("Y", [i, j], x[i, place[i, j]]), place);
    }

    private static Algorithm LogCumSumExp(OperatorSpec spec)
    {
        var type = spec.Type();
        var compute = type.Compute();
        var g = spec.Builder();
        var (i, j) = (new Axis("i", spec.Extent("rows")), new Axis("j", spec.Extent("cols")));
        var x = g.Input("X", type, i.Extent, j.Extent);
        var lowest = Op.Const(double.NegativeInfinity, compute);
        var reducer = Reducer.Custom("logaddexp", [lowest], (a, b) => [LogAddExp(a[0], b[0])]);
        var run = g.Scan(compute == type ? "Y" : "S", [i, j], j, Op.Cast(compute, x[i, j]), reducer);
        return g.Build(compute == type ? run : g.Stage("Y", [i, j], Op.Cast(type, run[i, j])));
    }

    // Equal infinities are their own sum.
    private static Expr LogAddExp(Expr a, Expr b)
    {
        var (most, least) = (Op.Max(a, b), Op.Min(a, b));
        return Op.Select(Op.And(Op.Eq(a, b), Op.IsInf(a)), a, most + Op.Log1p(Op.Exp(least - most)));
    }
}
