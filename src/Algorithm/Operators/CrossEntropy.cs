using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Mean over the rows of −log softmax(X)[r, T[r]], in nats, for logits X[rows, classes] and int64 targets T[rows] in
/// [0, classes) (the caller checks them).
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
    ];

    private static InputDomain Domain(OperatorSpec spec, Buffer buffer) =>
        buffer.Name == "T" ? InputDomain.Index(spec.Dim("classes")) : InputDomain.Any;

    private static Algorithm Build(OperatorSpec spec)
    {
        var g = spec.Builder();
        var r = new Axis("r", spec.Extent("rows"));
        var x = g.Input("X", spec.Type(), r.Extent, spec.Extent("classes"));
        var t = g.Input("T", DType.Int64, r.Extent);
        var (max, sum) = Softmax.Normalizers(g, x, r, spec.Extent("classes"));
        var compute = spec.Type().Compute();
        Expr hit = Op.Cast(compute, x[r, t[r]]);
        Expr loss = (max[r] - hit + Op.Log(sum[r])) / Elementwise.Count(r.Extent, compute);
        var total = g.Stage(compute == spec.Type() ? "L" : "P", [], AlgorithmBuilder.Sum(r, loss));
        return g.Build(compute == spec.Type() ? total : g.Stage("L", [], Op.Cast(spec.Type(), total[[]])));
    }
}
