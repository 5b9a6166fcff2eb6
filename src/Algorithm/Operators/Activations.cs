using System.Collections.Immutable;
using Picograd.Algorithms.Functions;

namespace Picograd.Algorithms.Operators;

/// <summary>Activations with settings. Slopes at kinks, and what NaN gives, are PyTorch's.</summary>
internal static class Activations
{
    private static readonly ImmutableArray<ParametricFunction> All =
    [
        new("leaky_relu", "x above 0, else negative_slope·x", [("negative_slope", 0.01)], LeakyRelu),
        new("elu", "x above 0, else alpha·(eˣ − 1)", [("alpha", 1)], p => Elu("elu", p[0], 1)),
        new("celu", "x above 0, else alpha·(e^(x/alpha) − 1)", [("alpha", 1)], p => Elu("celu", p[0], 1 / p[0]))
        {
            Example = "alpha=0.5",
        },
        new(
            "softplus_of",
            "log(1 + e^(beta·x))/beta, x where beta·x is above the threshold",
            [("beta", 1), ("threshold", 20)],
            Softplus
        ),
        new("hardtanh", "x cut to [min, max]", [("min", -1), ("max", 1)], Hardtanh),
        new("hardshrink", "0 where |x| is at most lambda, else x", [("lambda", 0.5)], Hardshrink),
        new("softshrink", "x moved by lambda towards 0, up to 0", [("lambda", 0.5)], Softshrink),
        new("threshold", "x above the threshold, else the value", [("threshold", 0), ("value", 0)], Threshold),
    ];

    // X and random numbers from 0 to 1, of which those below p drop an element.
    private static readonly ImmutableArray<ParametricFunction> Random =
    [
        new("dropout", "0 where t is below p, else x/(1 − p)", [("p", 0.5)], p => Dropout(p[0]))
        {
            Arity = 2,
            Domains = [InputDomain.Any, InputDomain.Probability],
        },
        new("alpha_dropout", "a·x + b, x first −1.758 where t is below p", [("p", 0.5)], p => AlphaDropout(p[0]))
        {
            Arity = 2,
            Domains = [InputDomain.Any, InputDomain.Probability],
        },
    ];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [.. All.Concat(Random).Select(f => f.Each(f.Name))];

    private static Expr C(double value, Expr like) => Op.Const(value, like.Type);

    private static ScalarFunction LeakyRelu(double[] p) =>
        ScalarFunction.Composed("leaky_relu", x => Op.Select(Op.Lt(C(0, x), x), x, x * C(p[0], x))) with
        {
            Derivatives = [(x, _, g) => Op.Select(Op.Lt(C(0, g), x[0]), g, g * C(p[0], g))],
        };

    private static ScalarFunction Elu(string name, double alpha, double inner)
    {
        Expr Inner(Expr x) => inner == 1 ? Op.Min(x, C(0, x)) : Op.Min(x * C(inner, x), C(0, x));
        return ScalarFunction.Composed(
            name,
            x => Op.Select(Op.Lt(x, C(0, x)), C(alpha, x) * Op.Expm1(Inner(x)), x)
        ) with
        {
            Derivatives =
            [
                (x, _, g) => Op.Select(Op.Lt(C(0, g), x[0]), g, g * (C(alpha * inner, g) * Op.Exp(Inner(x[0])))),
            ],
        };
    }

    private static ScalarFunction Softplus(double[] p) =>
        ScalarFunction.Composed(
            "softplus_of",
            x =>
                Op.Select(
                    Op.Lt(C(p[1], x), x * C(p[0], x)),
                    x,
                    Op.Log1p(Op.Exp(Op.Min(x * C(p[0], x), C(p[1], x)))) / C(p[0], x)
                )
        ) with
        {
            Derivatives =
            [
                (x, _, g) => Op.Select(Op.Lt(C(p[1], g), x[0] * C(p[0], g)), g, g * Op.Sigmoid(x[0] * C(p[0], g))),
            ],
        };

    private static ScalarFunction Hardtanh(double[] p) =>
        ScalarFunction.Composed(
            "hardtanh",
            x => Op.Select(Op.Le(x, C(p[0], x)), C(p[0], x), Op.Select(Op.Le(C(p[1], x), x), C(p[1], x), x))
        ) with
        {
            Derivatives = [(x, _, g) => Op.Select(Op.Or(Op.Le(x[0], C(p[0], g)), Op.Le(C(p[1], g), x[0])), C(0, g), g)],
        };

    private static Expr Within(Expr x, double bound) => Op.And(Op.Le(C(-bound, x), x), Op.Le(x, C(bound, x)));

    private static Expr Beyond(Expr x, double bound) => Op.Or(Op.Lt(x, C(-bound, x)), Op.Lt(C(bound, x), x));

    private static ScalarFunction Hardshrink(double[] p) =>
        ScalarFunction.Composed("hardshrink", x => Op.Select(Within(x, p[0]), C(0, x), x)) with
        {
            Derivatives = [(x, _, g) => Op.Select(Beyond(x[0], p[0]), g, C(0, g))],
        };

    private static ScalarFunction Softshrink(double[] p) =>
        ScalarFunction.Composed(
            "softshrink",
            x => Op.Select(Within(x, p[0]), C(0, x), Op.Select(Op.Lt(C(0, x), x), x - C(p[0], x), x + C(p[0], x)))
        ) with
        {
            Derivatives = [(x, _, g) => Op.Select(Beyond(x[0], p[0]), g, C(0, g))],
        };

    private static ScalarFunction Dropout(double p)
    {
        double scale = p == 1 ? 0 : 1 / (1 - p);
        return ScalarFunction.Composed("dropout", (x, t) => Op.Select(Op.Lt(t, C(p, t)), C(0, x), x * C(scale, x))) with
        {
            Derivatives = [(x, _, g) => Op.Select(Op.Lt(x[1], C(p, g)), C(0, g), g * C(scale, g)), null],
        };
    }

    // Klambauer and others (2017): means of 0 and variances of 1 stay.
    private static ScalarFunction AlphaDropout(double p)
    {
        const double Alpha = 1.7580993408473766;
        double a = p == 1 ? 0 : 1 / Math.Sqrt((Alpha * Alpha * p + 1) * (1 - p));
        return ScalarFunction.Composed(
            "alpha_dropout",
            (x, t) => Op.Select(Op.Lt(t, C(p, t)), C(Alpha * a * (p - 1), x), x * C(a, x) + C(Alpha * a * p, x))
        ) with
        {
            Derivatives = [(x, _, g) => Op.Select(Op.Lt(x[1], C(p, g)), C(0, g), g * C(a, g)), null],
        };
    }

    private static ScalarFunction Threshold(double[] p) =>
        ScalarFunction.Composed("threshold", x => Op.Select(Op.Le(x, C(p[0], x)), C(p[1], x), x)) with
        {
            Derivatives = [(x, _, g) => Op.Select(Op.Le(x[0], C(p[0], g)), C(0, g), g)],
        };
}
