using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Update steps. Every output element depends on input elements at its own index only, so an output may be stored over
/// the input that it replaces (P′ over P, V′ over V, …). Hyperparameters are inputs, so that changing one compiles
/// nothing; of the half types they are float32, and so is what a step computes, each output being rounded once.
/// </summary>
internal static class Optimizers
{
    private static readonly ImmutableArray<OperatorKey> Keys =
    [
        OperatorKey.Dimension("n", "parameters"),
        OperatorKey.Types(DTypes.Floats),
    ];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        new("sgd", "P′ = P − lr·G; inputs P, G, lr[]", Keys, Sgd)
        {
            Example = "sgd n=13",
            Operands = "P[n..], G[n..], lr:compute[] -> P.new[n..]",
            Domain = (_, b) => b.Name == "lr" ? InputDomain.Probability : InputDomain.Any,
        },
        new(
            "sgd_momentum",
            "V′ = μ·V + (G + wd·P), P′ = P − lr·V′; inputs P, G, V, H = [lr, μ, wd]; outputs P′, V′",
            Keys,
            SgdMomentum
        )
        {
            Example = "sgd_momentum n=13",
            Operands = "P[n..], G[n..], V[n..], H:compute[3] -> P.new[n..], V.new[n..]",
            Domain = (_, b) => b.Name == "H" ? InputDomain.Probability : InputDomain.Any,
        },
        new(
            "adam",
            "Adam (Kingma and Ba 2015) with bias corrections c = 1 − βᵗ and L2 term wd; inputs P, G, M, V, "
                + "H = [lr, β1, β2, ε, c1, c2, wd]; outputs P′, M′, V′",
            Keys,
            Adam
        )
        {
            Example = "adam n=13",
            Operands = "P[n..], G[n..], M[n..], V[n..], H:compute[7] -> P.new[n..], M.new[n..], V.new[n..]",
            Domain = (_, b) =>
                b.Name == "H" ? InputDomain.Probability
                : b.Name == "V" ? InputDomain.Positive
                : InputDomain.Any,
        },
    ];

    private static Algorithm Sgd(OperatorSpec spec)
    {
        var (g, i) = (spec.Builder(), new Axis("i", spec.Extent("n")));
        var (p, grad) = (Element(spec, g, i, "P"), Element(spec, g, i, "G"));
        var lr = g.Input("lr", spec.Type().Compute());
        return g.Build(g.Stage("P.new", [i], Op.Cast(spec.Type(), p - lr[[]] * grad)));
    }

    private static Algorithm SgdMomentum(OperatorSpec spec)
    {
        var (g, i) = (spec.Builder(), new Axis("i", spec.Extent("n")));
        var (p, grad, v) = (Element(spec, g, i, "P"), Element(spec, g, i, "G"), Element(spec, g, i, "V"));
        var h = g.Input("H", spec.Type().Compute(), 3);
        var (velocity, moved) = State(spec, g, i, "V.new", h[1] * v + (grad + h[2] * p));
        var updated = g.Stage("P.new", [i], Op.Cast(spec.Type(), p - h[0] * moved));
        return g.Build(updated, velocity);
    }

    private static Algorithm Adam(OperatorSpec spec)
    {
        var (g, i) = (spec.Builder(), new Axis("i", spec.Extent("n")));
        var (p, grad) = (Element(spec, g, i, "P"), Element(spec, g, i, "G"));
        var (m, v) = (Element(spec, g, i, "M"), Element(spec, g, i, "V"));
        var h = g.Input("H", spec.Type().Compute(), 7);
        var (lr, beta1, beta2, epsilon, c1, c2, decay) = (h[0], h[1], h[2], h[3], h[4], h[5], h[6]);
        Expr slope = grad + decay * p;
        var (first, mean) = State(spec, g, i, "M.new", beta1 * m + (1 - beta1) * slope);
        var (second, square) = State(spec, g, i, "V.new", beta2 * v + (1 - beta2) * (slope * slope));
        Expr step = mean / c1 / (Op.Sqrt(square / c2) + epsilon);
        var updated = g.Stage("P.new", [i], Op.Cast(spec.Type(), p - lr * step));
        return g.Build(updated, first, second);
    }

    private static Expr Element(OperatorSpec spec, AlgorithmBuilder g, Axis i, string name) =>
        Op.Cast(spec.Type().Compute(), g.Input(name, spec.Type(), i.Extent)[i]);

    // What is kept for the next step, and its value in this one, which is not rounded to a half type.
    private static (Buffer Kept, Expr Value) State(
        OperatorSpec spec,
        AlgorithmBuilder g,
        Axis i,
        string name,
        Expr value
    )
    {
        if (!spec.Type().IsStorage())
        {
            var kept = g.Stage(name, [i], value);
            return (kept, kept[i]);
        }
        var exact = g.Stage($"{name}.exact", [i], value);
        return (g.Stage(name, [i], Op.Cast(spec.Type(), exact[i])), exact[i]);
    }
}
