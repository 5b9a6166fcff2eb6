using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Elements in other places, or left out: mirrored along a dimension, continued beyond its ends, triangles of matrices, windows of
/// images as columns.
/// </summary>
internal static class Moving
{
    private static readonly OperatorKey Rows = OperatorKey.Dimension("rows", "what lies in front of the dimension");
    private static readonly OperatorKey Cols = OperatorKey.Dimension("cols", "size of the dimension in X");
    private static readonly OperatorKey Inner = OperatorKey.Dimension("inner", "elements of X behind the dimension");

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        new(
            "flip",
            "Y[r, j, i] = X[r, cols − 1 − j, i]",
            [Rows, Cols, Inner, OperatorKey.Types(DTypes.OfTensors)],
            Flip
        )
        {
            Example = "flip rows=3 cols=5 inner=2",
            Operands = "X[rows.., cols, inner] -> Y[rows.., cols, inner]",
            Opens = (_, _) => true,
        },
        new(
            "pad",
            "X continued in front and behind along a dimension",
            [
                Rows,
                Cols,
                Inner,
                OperatorKey.Dimension("to", "size of the dimension in Y"),
                OperatorKey.Numbers("left", "how many are put in front", "0"),
                OperatorKey.Choice("mode", "what is put there", "reflect", "replicate", "circular"),
                OperatorKey.Types(DTypes.OfTensors),
            ],
            Pad
        )
        {
            Example = "pad rows=3 cols=5 inner=2 to=11 left=4",
            Operands = "X[rows.., cols, inner] -> Y[rows.., to, inner]",
            Check = s =>
                s.List("left").Length != 1 ? "left must be one number"
                : s.Dim("to") < s.Dim("cols") + s.List("left")[0] ? $"to={s.Dim("to")} must be at least cols and left"
                : s.Choice("mode") == "replicate" ? null
                : Most(s) is { } most
                && (s.List("left")[0] > most || s.Dim("to") - s.Dim("cols") - s.List("left")[0] > most)
                    ? $"at most {most} can be put on a side of {s.Dim("cols")}"
                : null,
        },
        Triangle("tril", "at and below"),
        Triangle("triu", "at and above"),
        new(
            "im2col",
            "Y[n, ky, kx, y, x] = X at element (ky, kx) of the window at (y, x), 0 outside",
            [
                OperatorKey.Dimension("n", "planes: images times channels"),
                OperatorKey.Dimension("h", "size in dimension h"),
                OperatorKey.Dimension("w", "size in dimension w"),
                OperatorKey.Dimension("kh", "size of the window in dimension h"),
                OperatorKey.Dimension("kw", "size of the window in dimension w"),
                OperatorKey.Numbers("stride", "step of the window, one for all dimensions or one each", "1"),
                OperatorKey.Numbers("pad", "zeros around, on each side", "0"),
                OperatorKey.Numbers("dil", "distance of the window's elements", "1"),
                OperatorKey.Types(DTypes.Floats),
            ],
            Im2Col
        )
        {
            Example = "im2col n=2 h=5 w=4 kh=3 kw=2 stride=2,1 pad=1",
            Operands = "X[n.., h, w] -> Y[n.., _, _, _, _]",
            Check = s => WindowOf(s).Problem("the window"),
        },
    ];

    private static long Most(OperatorSpec spec) =>
        spec.Choice("mode") == "reflect" ? spec.Dim("cols") - 1 : spec.Dim("cols");

    private static OperatorDefinition Triangle(string name, string where) =>
        new(
            name,
            $"elements {where} a diagonal of matrices, 0 elsewhere",
            [
                OperatorKey.Dimension("n", "matrices"),
                OperatorKey.Dimension("rows", "rows of a matrix"),
                OperatorKey.Dimension("cols", "columns of a matrix"),
                OperatorKey.Real("diagonal", "which: 0 from the first element, above it 1, 2, …", 0),
                OperatorKey.Types(DTypes.OfTensors),
            ],
            Triangle
        )
        {
            Example = $"{name} n=2 rows=3 cols=5 diagonal=1",
            Operands = "X[n.., rows, cols] -> Y[n.., rows, cols]",
            Opens = (_, key) => key != "diagonal",
        };

    private static Algorithm Flip(OperatorSpec spec)
    {
        var g = spec.Builder();
        var (r, j, i) = (
            new Axis("r", spec.Extent("rows")),
            new Axis("j", spec.Extent("cols")),
            new Axis("i", spec.Extent("inner"))
        );
        var x = g.Input("X", spec.Type(), r.Extent, j.Extent, i.Extent);
        return g.Build(g.Stage("Y", [r, j, i], x[r, j.Extent - 1 - j.Var, i]));
    }

    // Each side reads at places of its own, so that gradients know where they come from.
    private static Algorithm Pad(OperatorSpec spec)
    {
        var g = spec.Builder();
        long size = spec.Dim("cols");
        long left = spec.List("left")[0];
        long right = spec.Dim("to") - size - left;
        var (r, j, i) = (
            new Axis("r", spec.Dim("rows")),
            new Axis("j", spec.Dim("to")),
            new Axis("i", spec.Dim("inner"))
        );
        var x = g.Input("X", spec.Type(), r.Extent, size, i.Extent);
        var (front, behind) = spec.Choice("mode") switch
        {
            "reflect" => (left - j.Var, 2 * (size - 1) + left - j.Var),
            "replicate" => ((Expr)0, (Expr)(size - 1)),
            _ => (j.Var + (size - left), j.Var - (size + left)),
        };
        Expr value = x[r, j.Var - left, i];
        if (right > 0)
            value = Op.Select(Op.Lt(j, left + size), value, x[r, behind, i]);
        if (left > 0)
            value = Op.Select(Op.Lt(j, left), x[r, front, i], value);
        return g.Build(g.Stage("Y", [r, j, i], value));
    }

    private static Algorithm Triangle(OperatorSpec spec)
    {
        var g = spec.Builder();
        var type = spec.Type();
        var (n, r, c) = (
            new Axis("n", spec.Extent("n")),
            new Axis("r", spec.Extent("rows")),
            new Axis("c", spec.Extent("cols"))
        );
        var x = g.Input("X", type, n.Extent, r.Extent, c.Extent);
        Expr edge = r.Var + (long)spec.Real("diagonal");
        var kept = spec.Name == "tril" ? Op.Le(c, edge) : Op.Le(edge, c);
        return g.Build(g.Stage("Y", [n, r, c], Op.Select(kept, x[n, r, c], Op.Const(0, type))));
    }

    private static Window WindowOf(OperatorSpec spec) =>
        new(
            [spec.Dim("h"), spec.Dim("w")],
            [spec.Dim("kh"), spec.Dim("kw")],
            spec.List("stride", 2),
            spec.List("pad", 2),
            spec.List("dil", 2)
        );

    private static Algorithm Im2Col(OperatorSpec spec)
    {
        var g = new AlgorithmBuilder(spec.Name);
        var type = spec.Type();
        var window = WindowOf(spec);
        var n = new Axis("n", spec.Dim("n"));
        var x = g.Input("X", type, n.Extent, spec.Dim("h"), spec.Dim("w"));
        var (places, elements) = (window.PlaceAxes(), window.ElementAxes());
        var at = window.At(places, elements);
        Expr value = x[n, at[0], at[1]];
        if (window.Inside(at) is { } inside)
            value = Op.Select(inside, value, Op.Const(0, type));
        return g.Build(g.Stage("Y", [n, .. elements, .. places], value));
    }
}
