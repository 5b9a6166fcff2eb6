using System.Collections.Immutable;
using Picograd.Algorithms.Functions;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Losses that compare elements X with targets T (and V): each as an operator of elements, <c>huber_loss_each</c>, and with the mean or sum
/// in the same pass, <c>huber_loss</c>.
/// </summary>
internal static class ElementLosses
{
    private static readonly ImmutableArray<ParametricFunction> All =
    [
        Of("l1_loss", "|x − t|", [], _ => L1),
        Of(
            "smooth_l1_loss",
            "(x − t)²/(2·beta) where |x − t| is below beta, else |x − t| − beta/2",
            [("beta", 1)],
            p => SmoothL1(p[0])
        ),
        Of(
            "huber_loss",
            "(x − t)²/2 where |x − t| is at most delta, else delta·(|x − t| − delta/2)",
            [("delta", 1)],
            p => Huber(p[0])
        ),
        Of("bce_loss", "−t·log x − (1 − t)·log(1 − x), logarithms cut at −100", [], _ => Bce) with
        {
            Domains = [InputDomain.Probability, InputDomain.Probability],
        },
        Of("bce_with_logits", "(1 − t)·x − log σ(x)", [], _ => BceWithLogits),
        Of("bce_with_logits_weighted", "(1 − t)·x − (1 + (v − 1)·t)·log σ(x)", [], _ => BceWithLogitsWeighted, 3),
        Of("kl_div", "t·(log t − x)", [], _ => KlDiv) with
        {
            Domains = [InputDomain.Any, InputDomain.Positive],
        },
        Of("kl_div_log", "eᵗ·(t − x)", [], _ => KlDivOfLogs),
        Of(
            "poisson_nll_loss",
            "eˣ − t·x, or x − t·log(x + eps) of what is no logarithm",
            [("log_input", 1), ("full", 0), ("eps", 1e-8)],
            Poisson
        ) with
        {
            Domains = [InputDomain.Probability, InputDomain.Probability],
        },
        Of(
            "gaussian_nll_loss",
            "(log v + (x − t)²/v)/2, v at least eps",
            [("full", 0), ("eps", 1e-6)],
            Gaussian,
            3
        ) with
        {
            Domains = [InputDomain.Any, InputDomain.Any, InputDomain.Positive],
        },
        Of("soft_margin_loss", "log(1 + e^(−t·x))", [], _ => SoftMargin),
        Of(
            "hinge_embedding_loss",
            "x where t is 1, max(margin − x, 0) where it is −1",
            [("margin", 1)],
            p => Hinge(p[0])
        ),
        Of("margin_ranking_loss", "max(margin − v·(x − t), 0)", [("margin", 0)], p => Ranking(p[0]), 3),
    ];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [.. All.SelectMany(f => new[] { f.Reduced(f.Name), f.Each(f.Name + "_each") })];

    private static ParametricFunction Of(
        string name,
        string doc,
        ImmutableArray<(string, double)> settings,
        Func<double[], ScalarFunction> function,
        int arity = 2
    ) => new(name, doc, settings, function) { Arity = arity };

    private static Expr C(double value, Expr like) => Op.Const(value, like.Type);

    private static ScalarFunction L1 =>
        ScalarFunction.Composed("l1_loss", (x, t) => Op.Abs(x - t)) with
        {
            Derivatives = [(x, _, g) => g * Op.Sign(x[0] - x[1]), (x, _, g) => -(g * Op.Sign(x[0] - x[1]))],
        };

    private static ScalarFunction SmoothL1(double beta)
    {
        if (beta == 0)
            return L1;
        Expr Slope(ImmutableArray<Expr> x, Expr g)
        {
            var z = x[0] - x[1];
            return Op.Select(Op.Le(z, C(-beta, g)), -g, Op.Select(Op.Le(C(beta, g), z), g, g * (z / C(beta, g))));
        }
        return ScalarFunction.Composed(
            "smooth_l1_loss",
            (x, t) =>
            {
                var z = Op.Abs(x - t);
                return Op.Select(Op.Lt(z, C(beta, z)), C(0.5, z) * z * z / C(beta, z), z - C(0.5 * beta, z));
            }
        ) with
        {
            Derivatives = [(x, _, g) => Slope(x, g), (x, _, g) => -Slope(x, g)],
        };
    }

    private static ScalarFunction Huber(double delta)
    {
        Expr Slope(ImmutableArray<Expr> x, Expr g)
        {
            var z = x[0] - x[1];
            return Op.Select(
                Op.Le(z, C(-delta, g)),
                g * C(-delta, g),
                Op.Select(Op.Le(C(delta, g), z), g * C(delta, g), g * z)
            );
        }
        return ScalarFunction.Composed(
            "huber_loss",
            (x, t) =>
            {
                var z = Op.Abs(x - t);
                return Op.Select(Op.Le(z, C(delta, z)), C(0.5, z) * z * z, C(delta, z) * (z - C(0.5 * delta, z)));
            }
        ) with
        {
            Derivatives = [(x, _, g) => Slope(x, g), (x, _, g) => -Slope(x, g)],
        };
    }

    private static Expr CutLog(Expr log) => Op.Max(log, C(-100, log));

    private static ScalarFunction Bce =>
        ScalarFunction.Composed("bce_loss", (x, t) => (t - 1) * CutLog(Op.Log1p(-x)) - t * CutLog(Op.Log(x))) with
        {
            Derivatives =
            [
                (x, _, g) => g * (x[0] - x[1]) / Op.Max((1 - x[0]) * x[0], C(1e-12, g)),
                (x, _, g) => g * (CutLog(Op.Log1p(-x[0])) - CutLog(Op.Log(x[0]))),
            ],
        };

    private static Expr LogSigmoid(Expr x) => Op.Call(ScalarFunctions.LogSigmoid, x);

    private static ScalarFunction BceWithLogits =>
        ScalarFunction.Composed("bce_with_logits", (x, t) => (1 - t) * x - LogSigmoid(x)) with
        {
            Derivatives = [(x, _, g) => g * (Op.Sigmoid(x[0]) - x[1]), (x, _, g) => -(g * x[0])],
        };

    private static ScalarFunction BceWithLogitsWeighted =>
        ScalarFunction.Composed(
            "bce_with_logits_weighted",
            (x, t, v) => (1 - t) * x - (1 + (v - 1) * t) * LogSigmoid(x)
        ) with
        {
            Derivatives =
            [
                (x, _, g) => g * (1 - x[1] - (1 + (x[2] - 1) * x[1]) * Op.Sigmoid(-x[0])),
                (x, _, g) => -(g * (x[0] + (x[2] - 1) * LogSigmoid(x[0]))),
                (x, _, g) => -(g * (x[1] * LogSigmoid(x[0]))),
            ],
        };

    private static ScalarFunction KlDiv =>
        ScalarFunction.Composed("kl_div", (x, t) => Op.Call(ScalarFunctions.Xlogy, t, t) - t * x) with
        {
            Derivatives =
            [
                (x, _, g) => -(g * x[1]),
                (x, _, g) => g * (Op.Select(Op.Eq(x[1], C(0, g)), C(0, g), Op.Log(x[1])) + x[1] / x[1] - x[0]),
            ],
        };

    private static ScalarFunction KlDivOfLogs =>
        ScalarFunction.Composed("kl_div_log", (x, t) => Op.Exp(t) * (t - x)) with
        {
            Derivatives = [(x, _, g) => -(g * Op.Exp(x[1])), (x, _, g) => g * (Op.Exp(x[1]) * (x[1] - x[0] + 1))],
        };

    private static ScalarFunction Poisson(double[] p)
    {
        var (log, full, eps) = (p[0] != 0, p[1] != 0, p[2]);
        return ScalarFunction.Composed(
            "poisson_nll_loss",
            (x, t) =>
            {
                var loss = log ? Op.Exp(x) - t * x : x - t * Op.Log(x + C(eps, x));
                if (!full)
                    return loss;
                // Stirling's approximation of log t!.
                var most = t * Op.Log(t) - t + C(0.5, t) * Op.Log(C(2 * Math.PI, t) * t);
                return loss + Op.Select(Op.Le(t, C(1, t)), C(0, t), most);
            }
        ) with
        {
            Derivatives =
            [
                (x, _, g) => g * (log ? Op.Exp(x[0]) - x[1] : 1 - x[1] / (x[0] + C(eps, g))),
                (x, _, g) =>
                {
                    var slope = -(log ? x[0] : Op.Log(x[0] + C(eps, g)));
                    if (full)
                        slope = slope + Op.Select(Op.Le(x[1], C(1, g)), C(0, g), Op.Log(x[1]) + C(0.5, g) / x[1]);
                    return g * slope;
                },
            ],
        };
    }

    // The variance is cut without a slope of its own.
    private static ScalarFunction Gaussian(double[] p)
    {
        Expr Cut(Expr v) => Op.Max(v, C(p[1], v));
        double more = p[0] != 0 ? 0.5 * Math.Log(2 * Math.PI) : 0;
        return ScalarFunction.Composed(
            "gaussian_nll_loss",
            (x, t, v) => C(0.5, x) * (Op.Log(Cut(v)) + (x - t) * (x - t) / Cut(v)) + C(more, x)
        ) with
        {
            Derivatives =
            [
                (x, _, g) => g * ((x[0] - x[1]) / Cut(x[2])),
                (x, _, g) => -(g * ((x[0] - x[1]) / Cut(x[2]))),
                (x, _, g) =>
                {
                    var v = Cut(x[2]);
                    return g * (C(0.5, g) * (1 - (x[0] - x[1]) * (x[0] - x[1]) / v) / v);
                },
            ],
        };
    }

    private static ScalarFunction SoftMargin =>
        ScalarFunction.Composed("soft_margin_loss", (x, t) => Op.Log1p(Op.Exp(-(t * x)))) with
        {
            Derivatives =
            [
                (x, _, g) => -(g * (x[1] * Op.Sigmoid(-(x[1] * x[0])))),
                (x, _, g) => -(g * (x[0] * Op.Sigmoid(-(x[1] * x[0])))),
            ],
        };

    private static ScalarFunction Hinge(double margin) =>
        ScalarFunction.Composed(
            "hinge_embedding_loss",
            (x, t) =>
                Op.Select(Op.Eq(t, C(1, t)), C(0, x), Op.Max(C(margin, x) - x, C(0, x)))
                + Op.Select(Op.Eq(t, C(-1, t)), C(0, x), x)
        ) with
        {
            Derivatives =
            [
                (x, _, g) =>
                    Op.Select(Op.Eq(x[1], C(1, g)), C(0, g), Op.Select(Op.Le(x[0], C(margin, g)), -g, C(0, g)))
                    + Op.Select(Op.Eq(x[1], C(-1, g)), C(0, g), g),
                null,
            ],
        };

    private static ScalarFunction Ranking(double margin)
    {
        Expr Part(ImmutableArray<Expr> x, Expr g, Expr value) =>
            Op.Select(Op.Lt(C(margin, g) - x[2] * (x[0] - x[1]), C(0, g)), C(0, g), value);
        return ScalarFunction.Composed(
            "margin_ranking_loss",
            (x, t, v) => Op.Max(C(margin, x) - v * (x - t), C(0, x))
        ) with
        {
            Derivatives =
            [
                (x, _, g) => Part(x, g, -(g * x[2])),
                (x, _, g) => Part(x, g, g * x[2]),
                (x, _, g) => Part(x, g, -(g * (x[0] - x[1]))),
            ],
        };
    }
}
