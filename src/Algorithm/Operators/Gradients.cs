using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// dX[i] = f′ · dY[i] for functions of one value. Some derivatives are written with the function's result Y, the others
/// with its argument X: the first input is called after which it is.
/// </summary>
internal static class Gradients
{
    private static readonly (
        string Function,
        bool OfResult,
        InputDomain Domain,
        Func<Expr, Expr, Expr> Gradient
    )[] Table =
    [
        ("tanh", true, InputDomain.Unit, (y, dy) => dy * (1 - y * y)),
        ("sigmoid", true, InputDomain.Probability, (y, dy) => dy * (y * (1 - y))),
        ("sqrt", true, InputDomain.Positive, (y, dy) => dy * (Op.Const(0.5, y.Type) / y)),
        // Where the slope is 0 nothing is multiplied, since dY may be infinite; at NaN dY passes, as in PyTorch.
        ("relu", true, InputDomain.Any, (y, dy) => Op.Select(Op.Le(y, Zero(y)), Zero(y), dy)),
        (
            "abs",
            false,
            InputDomain.NonZero,
            (x, dy) => Op.Select(Op.Lt(Zero(x), x), dy, Op.Select(Op.Lt(x, Zero(x)), -dy, Zero(x)))
        ),
        ("erf", false, InputDomain.Any, (x, dy) => dy * (Op.Const(1.1283791670955126, x.Type) * Op.Exp(-(x * x)))),
        ("silu", false, InputDomain.Any, (x, dy) => dy * SiluDerivative(x)),
        ("gelu", false, InputDomain.Any, (x, dy) => dy * GeluDerivative(x)),
    ];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        .. Table.Select(row => new OperatorDefinition(
            $"{row.Function}_grad",
            $"dX from {(row.OfResult ? $"Y = {row.Function}(X)" : "X")} and dY",
            [OperatorKey.Dimension("n", "elements"), OperatorKey.Types(DTypes.Floats)],
            spec => Build(spec, row.OfResult ? "Y" : "X", row.Gradient)
        )
        {
            Example = $"{row.Function}_grad n=13",
            Operands = $"{(row.OfResult ? "Y" : "X")}[n..], dY[n..] -> dX[n..]",
            Domain = (_, b) => b.Name == "dY" ? InputDomain.Any : row.Domain,
        }),
    ];

    private static Algorithm Build(OperatorSpec spec, string first, Func<Expr, Expr, Expr> gradient)
    {
        var g = spec.Builder();
        var i = new Axis("i", spec.Extent("n"));
        var type = spec.Type();
        var x = g.Input(first, type, i.Extent);
        var dy = g.Input("dY", type, i.Extent);
        var value = gradient(Op.Cast(type.Compute(), x[i]), Op.Cast(type.Compute(), dy[i]));
        return g.Build(g.Stage("dX", [i], Op.Cast(type, value)));
    }

    private static Expr Zero(Expr x) => Op.Const(0, x.Type);

    // (x·σ(x))′ = σ(x) · (1 + x · (1 − σ(x)))
    private static Expr SiluDerivative(Expr x) => Op.Sigmoid(x) * (1 + x * (1 - Op.Sigmoid(x)));

    // (x·Φ(x))′ = Φ(x) + x·φ(x)
    private static Expr GeluDerivative(Expr x) =>
        Op.Const(0.5, x.Type) * (1 + Op.Erf(x * Op.Const(0.70710678118654752, x.Type)))
        + x * (Op.Const(0.39894228040143268, x.Type) * Op.Exp(Op.Const(-0.5, x.Type) * x * x));
}
