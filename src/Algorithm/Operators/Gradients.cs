using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// dX[i] = f′ · dY[i] for functions of one value. Some derivatives are written with the function's result Y, the others
/// with its argument X: the first input is called after which it is.
/// </summary>
internal static class Gradients
{
    private static readonly (string Function, bool OfResult, InputDomain Domain, Func<Expr, Expr> Derivative)[] Table =
    [
        ("tanh", true, InputDomain.Unit, y => 1 - y * y),
        ("sigmoid", true, InputDomain.Probability, y => y * (1 - y)),
        ("sqrt", true, InputDomain.Positive, y => Op.Const(0.5, y.Type) / y),
        ("relu", true, InputDomain.Any, y => Step(y)),
        ("abs", false, InputDomain.NonZero, x => Step(x) - Step(-x)),
        ("erf", false, InputDomain.Any, x => Op.Const(1.1283791670955126, x.Type) * Op.Exp(-(x * x))),
        ("silu", false, InputDomain.Any, SiluDerivative),
        ("gelu", false, InputDomain.Any, GeluDerivative),
    ];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        .. Table.Select(row => new OperatorDefinition(
            $"{row.Function}_grad",
            $"dX from {(row.OfResult ? $"Y = {row.Function}(X)" : "X")} and dY",
            [OperatorKey.Dimension("n", "elements"), OperatorKey.Types(DType.Float32, DType.Float64)],
            spec => Build(spec, row.OfResult ? "Y" : "X", row.Derivative)
        )
        {
            Example = $"{row.Function}_grad n=13",
            Domain = (_, b) => b.Name == "dY" ? InputDomain.Any : row.Domain,
        }),
    ];

    private static Algorithm Build(OperatorSpec spec, string first, Func<Expr, Expr> derivative)
    {
        var g = new AlgorithmBuilder(spec.Name);
        var i = new Axis("i", spec.Dim("n"));
        var x = g.Input(first, spec.Type(), i.Extent);
        var dy = g.Input("dY", spec.Type(), i.Extent);
        return g.Build(g.Stage("dX", [i], dy[i] * derivative(x[i])));
    }

    private static Expr Step(Expr x) =>
        Op.Select(Op.Lt(Op.Const(0, x.Type), x), Op.Const(1, x.Type), Op.Const(0, x.Type));

    // (x·σ(x))′ = σ(x) · (1 + x · (1 − σ(x)))
    private static Expr SiluDerivative(Expr x) => Op.Sigmoid(x) * (1 + x * (1 - Op.Sigmoid(x)));

    // (x·Φ(x))′ = Φ(x) + x·φ(x)
    private static Expr GeluDerivative(Expr x) =>
        Op.Const(0.5, x.Type) * (1 + Op.Erf(x * Op.Const(0.70710678118654752, x.Type)))
        + x * (Op.Const(0.39894228040143268, x.Type) * Op.Exp(Op.Const(-0.5, x.Type) * x * x));
}
