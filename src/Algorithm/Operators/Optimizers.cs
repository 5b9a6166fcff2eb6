using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Update steps. Every output element depends on input elements at its own index only, so an output may be stored over
/// the input that it replaces (P′ over P, V′ over V, …). Hyperparameters are inputs, so that changing one compiles
/// nothing.
/// </summary>
internal static class Optimizers
{
    private static readonly ImmutableArray<OperatorKey> Keys =
    [
        OperatorKey.Dimension("n", "parameters"),
        OperatorKey.Types(DType.Float32, DType.Float64),
    ];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        new("sgd", "P′ = P − lr·G; inputs P, G, lr[]", Keys, Sgd)
        {
            Example = "sgd n=13",
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
            Domain = (_, b) =>
                b.Name == "H" ? InputDomain.Probability
                : b.Name == "V" ? InputDomain.Positive
                : InputDomain.Any,
        },
    ];

    private static Algorithm Sgd(OperatorSpec spec)
    {
        var g = spec.Builder();
        var i = new Axis("i", spec.Extent("n"));
        var p = g.Input("P", spec.Type(), i.Extent);
        var grad = g.Input("G", spec.Type(), i.Extent);
        var lr = g.Input("lr", spec.Type());
        return g.Build(g.Stage("P.new", [i], p[i] - lr[[]] * grad[i]));
    }

    private static Algorithm SgdMomentum(OperatorSpec spec)
    {
        var g = spec.Builder();
        var i = new Axis("i", spec.Extent("n"));
        var p = g.Input("P", spec.Type(), i.Extent);
        var grad = g.Input("G", spec.Type(), i.Extent);
        var v = g.Input("V", spec.Type(), i.Extent);
        var h = g.Input("H", spec.Type(), 3);
        var velocity = g.Stage("V.new", [i], h[1] * v[i] + (grad[i] + h[2] * p[i]));
        var updated = g.Stage("P.new", [i], p[i] - h[0] * velocity[i]);
        return g.Build(updated, velocity);
    }

    private static Algorithm Adam(OperatorSpec spec)
    {
        var g = spec.Builder();
        var i = new Axis("i", spec.Extent("n"));
        var p = g.Input("P", spec.Type(), i.Extent);
        var grad = g.Input("G", spec.Type(), i.Extent);
        var m = g.Input("M", spec.Type(), i.Extent);
        var v = g.Input("V", spec.Type(), i.Extent);
        var h = g.Input("H", spec.Type(), 7);
        var (lr, beta1, beta2, epsilon, c1, c2, decay) = (h[0], h[1], h[2], h[3], h[4], h[5], h[6]);
        Expr slope = grad[i] + decay * p[i];
        var first = g.Stage("M.new", [i], beta1 * m[i] + (1 - beta1) * slope);
        var second = g.Stage("V.new", [i], beta2 * v[i] + (1 - beta2) * (slope * slope));
        Expr step = first[i] / c1 / (Op.Sqrt(second[i] / c2) + epsilon);
        var updated = g.Stage("P.new", [i], p[i] - lr * step);
        return g.Build(updated, first, second);
    }
}
