using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Inclusive running sums and products of X[rows, cols] along one axis, from its start or (reverse) from its end; each is
/// the other's derivative for sums.
/// </summary>
internal static class Scans
{
    public static ImmutableArray<OperatorDefinition> Definitions { get; } = [Define("cumsum"), Define("cumprod")];

    private static OperatorDefinition Define(string name) =>
        new(
            name,
            $"running {(name == "cumsum" ? "sum" : "product")} along an axis",
            [
                OperatorKey.Dimension("rows", "rows of X"),
                OperatorKey.Dimension("cols", "columns of X"),
                OperatorKey.Choice("axis", "axis that is run along", "1", "0"),
                OperatorKey.Flag("reverse", "run from the end"),
                OperatorKey.Types(DTypes.Numbers),
            ],
            Build
        )
        {
            Example = $"{name} rows=3 cols=7",
            Operands = "X[rows.., cols] -> Y[rows.., cols]",
        };

    private static Algorithm Build(OperatorSpec spec)
    {
        var type = spec.Type();
        var g = spec.Builder();
        var (i, j) = (new Axis("i", spec.Extent("rows")), new Axis("j", spec.Extent("cols")));
        var x = g.Input("X", type, i.Extent, j.Extent);
        var compute = type.Compute();
        var reducer = spec.Name == "cumsum" ? Reducer.Sum(compute) : Reducer.Prod(compute);
        var along = spec.Choice("axis") == "0" ? i : j;
        if (!spec.Flag("reverse"))
        {
            var straight = g.Scan(compute == type ? "Y" : "S", [i, j], along, Op.Cast(compute, x[i, j]), reducer);
            return g.Build(compute == type ? straight : g.Stage("Y", [i, j], Op.Cast(type, straight[i, j])));
        }
        // A scan runs in ascending order, so it reads the mirror image and is mirrored again.
        Expr Mirrored(Axis a) => a == along ? a.Extent - 1 - a.Var : a.Var;
        var run = g.Scan("S", [i, j], along, Op.Cast(compute, x[Mirrored(i), Mirrored(j)]), reducer);
        return g.Build(g.Stage("Y", [i, j], Op.Cast(type, run[Mirrored(i), Mirrored(j)])));
    }
}
