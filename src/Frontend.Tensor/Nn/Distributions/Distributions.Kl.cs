using Picograd.Algorithms;

namespace Picograd;

public static partial class Distributions
{
    /// <summary>
    /// Kullback and Leibler's divergence KL(p ‖ q) in nats: of two distributions of one kind, and of some pairs of two kinds.
    /// </summary>
    /// <exception cref="NotSupportedException">Of these two kinds it is not known in closed form here.</exception>
    public static Tensor KlDivergence(Distribution p, Distribution q)
    {
        ArgumentNullException.ThrowIfNull(p);
        ArgumentNullException.ThrowIfNull(q);
        return (p, q) switch
        {
            (Normal a, Normal b) => OfNormals(a.Loc, a.Scale, b.Loc, b.Scale),
            (LogNormal a, LogNormal b) => OfNormals(a.Loc, a.Scale, b.Loc, b.Scale),
            (HalfNormal a, HalfNormal b) => 0.5 * ((a.Scale / b.Scale).Square() - 1) - (a.Scale / b.Scale).Log(),
            (Bernoulli a, Bernoulli b) => OfBernoullis(a, b),
            (Binomial a, Binomial b) => OfBinomials(a, b),
            (Geometric a, Geometric b) => -a.Entropy()
                - (-b.Probs).Log1p() / a.Probs
                + (-b.Probs).Log1p()
                - b.Probs.Log(),
            (Poisson a, Poisson b) => a.Rate.Xlogy(a.Rate) - a.Rate.Xlogy(b.Rate) - (a.Rate - b.Rate),
            (OfClasses a, OfClasses b) when a.GetType() == b.GetType() => OfCategoricals(a, b),
            (Uniform a, Uniform b) => ((b.High - b.Low) / (a.High - a.Low))
                .Log()
                .MaskedFill((b.Low > a.Low) | (b.High < a.High), double.PositiveInfinity),
            (Uniform a, Normal b) => OfUniformAndNormal(a, b),
            (Exponential a, Exponential b) => b.Rate / a.Rate - (b.Rate / a.Rate).Log() - 1,
            (Exponential a, Gamma b) => OfExponentialAndGamma(a, b),
            (Gamma a, Exponential b) => -a.Entropy() - b.Rate.Log() + b.Rate * a.Concentration / a.Rate,
            (Gamma a, Gamma b) => OfGammas(a, b),
            (Laplace a, Laplace b) => OfLaplaces(a, b),
            (Laplace a, Normal b) => OfLaplaceAndNormal(a, b),
            (Normal a, Laplace b) => OfNormalAndLaplace(a, b),
            (Cauchy a, Cauchy b) => ((a.Scale + b.Scale).Square() + (a.Loc - b.Loc).Square()).Log()
                - (4 * a.Scale * b.Scale).Log(),
            (Gumbel a, Gumbel b) => OfGumbels(a, b),
            (Pareto a, Pareto b) => OfParetos(a, b),
            (Beta a, Beta b) => OfBetas(a, b),
            (Dirichlet a, Dirichlet b) => OfDirichlets(a, b),
            (MultivariateNormal a, MultivariateNormal b) => OfVectors(a, b),
            (Independent a, Independent b) when a.Count == b.Count => a.Summed(
                KlDivergence(a.BaseDistribution, b.BaseDistribution)
            ),
            _ => throw new NotSupportedException(
                $"kl_divergence: of {p.GetType().Name} from {q.GetType().Name} it is not known in closed form here."
            ),
        };
    }

    private static Tensor OfNormals(Tensor loc, Tensor scale, Tensor otherLoc, Tensor otherScale)
    {
        var ratio = (scale / otherScale).Square();
        return 0.5 * (ratio + ((loc - otherLoc) / otherScale).Square() - 1 - ratio.Log());
    }

    // What cannot be adds nothing, and what only the other cannot be everything.
    private static Tensor Term(Tensor term, Tensor p, Tensor q, double never) =>
        Tensor.Where(p.Eq(never), 0.0, Tensor.Where(q.Eq(never), double.PositiveInfinity, term));

    private static Tensor OfBernoullis(Bernoulli a, Bernoulli b)
    {
        var one = a.Probs * (F.Softplus(-b.Logits) - F.Softplus(-a.Logits));
        var zero = (1 - a.Probs) * (F.Softplus(b.Logits) - F.Softplus(a.Logits));
        return Term(one, a.Probs, b.Probs, 0) + Term(zero, a.Probs, b.Probs, 1);
    }

    private static Tensor OfCategoricals(OfClasses a, OfClasses b) =>
        Term(a.Probs * (a.Logits - b.Logits), a.Probs, b.Probs, 0).Sum(-1);

    private static Tensor OfBinomials(Binomial a, Binomial b)
    {
        if ((a.TotalCount < b.TotalCount).Any().Item() != 0)
            throw new NotSupportedException(
                "kl_divergence: of a Binomial from one of more tries it is not known here."
            );
        var kl = a.TotalCount * (a.Probs * (a.Logits - b.Logits) + (-a.Probs).Log1p() - (-b.Probs).Log1p());
        return kl.MaskedFill(a.TotalCount > b.TotalCount, double.PositiveInfinity);
    }

    private static Tensor OfUniformAndNormal(Uniform a, Normal b)
    {
        var width = a.High - a.Low;
        var middle = (a.High + a.Low) / 2 - b.Loc;
        return (Math.Sqrt(2 * Math.PI) * b.Scale / width).Log()
            + (width.Square() / 12 + middle.Square()) / (2 * b.Scale.Square());
    }

    private static Tensor OfExponentialAndGamma(Exponential a, Gamma b)
    {
        var ratio = b.Rate / a.Rate;
        return -b.Concentration * ratio.Log()
            + ratio
            + b.Concentration.Lgamma()
            + b.Concentration * Gumbel.Euler
            - (1 + Gumbel.Euler);
    }

    private static Tensor OfGammas(Gamma a, Gamma b) =>
        b.Concentration * (a.Rate / b.Rate).Log()
        + b.Concentration.Lgamma()
        - a.Concentration.Lgamma()
        + (a.Concentration - b.Concentration) * a.Concentration.Digamma()
        + (b.Rate - a.Rate) * (a.Concentration / a.Rate);

    private static Tensor OfLaplaces(Laplace a, Laplace b)
    {
        var ratio = a.Scale / b.Scale;
        var distance = (a.Loc - b.Loc).Abs();
        return -ratio.Log() + distance / b.Scale + ratio * (-distance / a.Scale).Exp() - 1;
    }

    private static Tensor OfLaplaceAndNormal(Laplace a, Normal b)
    {
        var variance = b.Scale.Square();
        var ratio = a.Scale.Square() / variance;
        return 0.5 * Math.Log(Math.PI)
            - 0.5 * (2 * ratio).Log()
            + ratio
            + 0.5 * (a.Loc - b.Loc).Square() / variance
            - 1;
    }

    private static Tensor OfNormalAndLaplace(Normal a, Laplace b)
    {
        var standard = (a.Loc - b.Loc) / a.Scale;
        var near = Math.Sqrt(2 / Math.PI) * a.Scale * (-0.5 * standard.Square()).Exp();
        var far = a.Scale * standard * (Math.Sqrt(0.5) * standard).Erf();
        return (2 * b.Scale).Log() + (near + far) / b.Scale - a.Entropy();
    }

    private static Tensor OfGumbels(Gumbel a, Gumbel b)
    {
        var ratio = a.Scale / b.Scale;
        var (own, other) = (b.Loc / b.Scale, a.Loc / b.Scale);
        return -ratio.Log()
            - own
            + other
            + ratio * Gumbel.Euler
            + (own + (1 + ratio).Lgamma() - other).Exp()
            - (1 + Gumbel.Euler);
    }

    private static Tensor OfParetos(Pareto a, Pareto b)
    {
        var ratio = b.Alpha / a.Alpha;
        var kl = b.Alpha * (a.Scale / b.Scale).Log() - ratio.Log() + ratio - 1;
        return kl.MaskedFill(a.Scale < b.Scale, double.PositiveInfinity);
    }

    private static Tensor OfBetas(Beta a, Beta b) =>
        b.LogBeta
        - a.LogBeta
        + (a.Concentration1 - b.Concentration1) * a.Concentration1.Digamma()
        + (a.Concentration0 - b.Concentration0) * a.Concentration0.Digamma()
        + (b.Total - a.Total) * a.Total.Digamma();

    private static Tensor OfDirichlets(Dirichlet a, Dirichlet b)
    {
        var total = a.Concentration.Sum(-1, keepdim: true);
        var first = total.Squeeze(-1).Lgamma() - b.Concentration.Sum(-1).Lgamma();
        var second = (a.Concentration.Lgamma() - b.Concentration.Lgamma()).Sum(-1);
        var third = (a.Concentration - b.Concentration) * (a.Concentration.Digamma() - total.Digamma());
        return first - second + third.Sum(-1);
    }

    private static Tensor OfVectors(MultivariateNormal a, MultivariateNormal b)
    {
        if (a.EventShape != b.EventShape)
            throw new ArgumentException(
                $"kl_divergence: vectors of {a.EventShape} and {b.EventShape} numbers are not of one space."
            );
        long d = a.EventShape[0];
        long[] batch =
            Calls.Broadcasting.Shape(a.BatchShape.ToArray(), b.BatchShape.ToArray())
            ?? throw new ArgumentException(
                $"kl_divergence: batches of shapes {a.BatchShape} and {b.BatchShape} do not broadcast."
            );
        var solved = Linalg.SolveTriangular(
            b.ScaleTril.Expand([.. batch, d, d]),
            a.ScaleTril.Expand([.. batch, d, d]),
            upper: false
        );
        return b.HalfLogDet - a.HalfLogDet + 0.5 * (solved.Square().Sum([-2, -1]) + b.Distance(b.Loc - a.Loc) - d);
    }
}
