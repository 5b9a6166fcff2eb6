using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Mean over the rows of −log softmax(X)[r, T[r]], in nats, for logits X[rows, classes], or X[rows, classes, inner], and int64 targets
/// T[rows], or T[rows, inner], in [0, classes) (the caller checks them).
/// </summary>
internal static class CrossEntropy
{
    private static readonly ImmutableArray<OperatorKey> Keys =
    [
        OperatorKey.Dimension("rows", "examples"),
        OperatorKey.Dimension("classes", "logits of an example"),
        OperatorKey.Types(DTypes.Floats),
    ];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        new("cross_entropy", "mean negative log-likelihood of the targets", Keys, Build)
        {
            Example = "cross_entropy rows=5 classes=7",
            Operands = "X[rows, classes], T:i64[rows] -> L[]",
            Domain = Domain,
        },
        new(
            "cross_entropy_across",
            "mean negative log-likelihood of targets whose logits lie apart",
            [Keys[0], Keys[1], OperatorKey.Dimension("inner", "targets of an example side by side"), Keys[2]],
            Build
        )
        {
            Example = "cross_entropy_across rows=3 classes=5 inner=7",
            Operands = "X[rows, classes, inner..], T:i64[rows, inner..] -> L[]",
            Domain = Domain,
        },
    ];

    private static InputDomain Domain(OperatorSpec spec, Buffer buffer) =>
        buffer.Name == "T" ? InputDomain.Index(spec.Dim("classes")) : InputDomain.Any;

    private static Algorithm Build(OperatorSpec spec)
    {
        var g = spec.Builder();
        var r = new Axis("r", spec.Extent("rows"));
        Axis[] rows = spec.Has("inner") ? [r, new Axis("i", spec.Extent("inner"))] : [r];
        ImmutableArray<Expr> own = [.. rows.Select(a => (Expr)a.Var)];
        ImmutableArray<Expr> sizes = [.. rows.Select(a => a.Extent)];
        var x = g.Input("X", spec.Type(), [sizes[0], spec.Extent("classes"), .. sizes.Skip(1)]);
        var t = g.Input("T", DType.Int64, [.. sizes]);
        var (max, sum) = Softmax.Normalizers(g, x, rows, spec.Extent("classes"));
        var compute = spec.Type().Compute();
        Expr hit = Op.Cast(compute, x.At([own[0], t.At(own), .. own.Skip(1)]));
        Expr count = Elementwise.Count(rows.Select(a => a.Extent).Aggregate((a, b) => a * b)!, compute);
        Expr loss = (max.At(own) - hit + Op.Log(sum.At(own))) / count;
        var total = g.Stage(compute == spec.Type() ? "L" : "P", [], AlgorithmBuilder.Sum(rows, loss));
        return g.Build(compute == spec.Type() ? total : g.Stage("L", [], Op.Cast(spec.Type(), total[[]])));
    }
}
