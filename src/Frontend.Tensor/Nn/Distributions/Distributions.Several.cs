using Picograd.Algorithms;

namespace Picograd;

public static partial class Distributions
{
    /// <summary>Vectors of normal numbers that go together, by one of a covariance, its inverse, or a factor L with covariance L · Lᵀ.</summary>
    public sealed class MultivariateNormal : Distribution
    {
        private MultivariateNormal(Tensor[] p, bool? validateArgs)
            : base(p[0].Layout.Sizes[..^1], validateArgs, [p[0].Size(-1)])
        {
            (Loc, ScaleTril) = (p[0], p[1]);
            RequireNumbers("loc", Loc);
            Require("scaleTril", ScaleTril.Eq(ScaleTril.Tril()), "must be lower triangular");
            Require("scaleTril", ScaleTril.Diagonal(0, -2, -1) > 0, "must be above 0 on its diagonal");
        }

        /// <param name="loc">[…, d].</param>
        /// <param name="covarianceMatrix">[…, d, d], symmetric and positive definite.</param>
        /// <param name="precisionMatrix">Its inverse.</param>
        /// <param name="scaleTril">Lower triangular, above 0 on the diagonal.</param>
        /// <param name="validateArgs">Whether parameters and values are checked.</param>
        /// <exception cref="ArgumentException">Not one of three, shapes that do not fit, or no such matrix.</exception>
        public MultivariateNormal(
            Tensor loc,
            Tensor? covarianceMatrix = null,
            Tensor? precisionMatrix = null,
            Tensor? scaleTril = null,
            bool? validateArgs = null
        )
            : this(Both(loc, covarianceMatrix, precisionMatrix, scaleTril), validateArgs)
        {
            RequireSymmetric("covarianceMatrix", covarianceMatrix);
            RequireSymmetric("precisionMatrix", precisionMatrix);
        }

        public Tensor Loc { get; }

        public Tensor ScaleTril { get; }

        public Tensor CovarianceMatrix => ScaleTril.MatMul(ScaleTril.Transpose(-2, -1));

        public Tensor PrecisionMatrix => Linalg.Inv(CovarianceMatrix);

        public override Tensor Mean => Loc;

        public override Tensor Mode => Loc;

        public override Tensor Variance => ScaleTril.Square().Sum(-1);

        internal Tensor HalfLogDet => ScaleTril.Diagonal(0, -2, -1).Log().Sum(-1);

        public override Tensor Entropy() => HalfLogDet + 0.5 * Loc.Size(-1) * (1 + Math.Log(2 * Math.PI));

        private protected override Tensor? Within(Tensor value) => value.IsNan().LogicalNot().All(-1);

        private protected override string Support => "vectors of real numbers";

        private protected override Tensor LogDensity(Tensor value) =>
            -0.5 * (Loc.Size(-1) * Math.Log(2 * Math.PI) + Distance(value - Loc)) - HalfLogDet;

        private void RequireSymmetric(string name, Tensor? matrix)
        {
            if (matrix is null)
                return;
            var gap = (matrix - matrix.Transpose(-2, -1)).Abs();
            Require(name, gap <= 1e-6 + 1e-5 * matrix.Abs(), "must be symmetric");
        }

        /// <summary>The square of a vector's length, measured by the covariance.</summary>
        internal Tensor Distance(Tensor difference)
        {
            long[] batch =
                Calls.Broadcasting.Shape(difference.Layout.Sizes[..^1], ScaleTril.Layout.Sizes[..^2])
                ?? throw new ArgumentException(
                    $"MultivariateNormal: values of shape {difference.Shape} do not broadcast with a batch of shape {BatchShape}."
                );
            long d = Loc.Size(-1);
            return Linalg
                .SolveTriangular(
                    ScaleTril.Expand([.. batch, d, d]),
                    difference.Expand([.. batch, d]).Unsqueeze(-1),
                    upper: false
                )
                .Square()
                .Sum([-2, -1]);
        }

        private protected override Tensor Draw(long[] shape, Generator? generator)
        {
            var normal = Tensor.Randn(shape, generator, Loc.DType, Loc.Device);
            return Loc + ScaleTril.MatMul(normal.Unsqueeze(-1)).Squeeze(-1);
        }

        private static Tensor[] Both(Tensor loc, Tensor? covariance, Tensor? precision, Tensor? scale)
        {
            ArgumentNullException.ThrowIfNull(loc);
            Tensor[] given = [.. new[] { covariance, precision, scale }.OfType<Tensor>()];
            if (given.Length != 1)
                throw new ArgumentException(
                    $"MultivariateNormal: exactly one of covarianceMatrix, precisionMatrix and scaleTril must be given, but {given.Length} were."
                );
            var type = Promotion.Float(Promotion.Of(loc, given[0]));
            var matrix = given[0].To(type);
            if (loc.Rank < 1 || matrix.Rank < 2 || matrix.Size(-1) != loc.Size(-1) || matrix.Size(-2) != loc.Size(-1))
                throw new ArgumentException(
                    $"MultivariateNormal: loc of shape {loc.Shape} does not fit a matrix of shape {matrix.Shape}; they must be […, d] and […, d, d]."
                );
            long[] batch =
                Calls.Broadcasting.Shape(loc.Layout.Sizes[..^1], matrix.Layout.Sizes[..^2])
                ?? throw new ArgumentException(
                    $"MultivariateNormal: loc of shape {loc.Shape} and a matrix of shape {matrix.Shape} do not broadcast."
                );
            long d = loc.Size(-1);
            var factor =
                scale is not null ? matrix
                : covariance is not null ? Linalg.Cholesky(matrix)
                : Linalg.Cholesky(Linalg.Inv(matrix));
            return [loc.To(type).Expand([.. batch, d]), factor.Expand([.. batch, d, d])];
        }
    }

    /// <summary>The last dimensions of a batch as one value: log-probabilities add up over them.</summary>
    public sealed class Independent : Distribution
    {
        private readonly int _count;

        /// <exception cref="ArgumentException">More dimensions than the batch has.</exception>
        public Independent(Distribution baseDistribution, int reinterpretedBatchNdims, bool? validateArgs = null)
            : base(
                Batch(baseDistribution, reinterpretedBatchNdims)[..^reinterpretedBatchNdims],
                validateArgs,
                [
                    .. baseDistribution.BatchShape.ToArray()[^reinterpretedBatchNdims..],
                    .. baseDistribution.EventShape.ToArray(),
                ]
            ) => (BaseDistribution, _count) = (baseDistribution, reinterpretedBatchNdims);

        public Distribution BaseDistribution { get; }

        public override bool HasRSample => BaseDistribution.HasRSample;

        public override Tensor Mean => BaseDistribution.Mean;

        public override Tensor Mode => BaseDistribution.Mode;

        public override Tensor Variance => BaseDistribution.Variance;

        public override Tensor Entropy() => Summed(BaseDistribution.Entropy());

        internal Tensor Summed(Tensor t) =>
            _count == 0 ? t : t.Sum((int[])[.. Enumerable.Range(1, _count).Select(d => -d)]);

        internal int Count => _count;

        private protected override Tensor LogDensity(Tensor value) => Summed(BaseDistribution.LogProb(value));

        private protected override Tensor Draw(long[] shape, Generator? generator)
        {
            int inner = BaseDistribution.BatchShape.Length + BaseDistribution.EventShape.Length;
            var sample = shape.AsSpan(..^inner);
            return HasRSample
                ? BaseDistribution.RSample(sample, generator)
                : BaseDistribution.Sample(sample, generator);
        }

        private static long[] Batch(Distribution of, int count)
        {
            ArgumentNullException.ThrowIfNull(of, "baseDistribution");
            return count >= 0 && count <= of.BatchShape.Length
                ? of.BatchShape.ToArray()
                : throw new ArgumentException(
                    $"Independent: {count} dimensions are asked for, but the batch of shape {of.BatchShape} has {of.BatchShape.Length}."
                );
        }
    }

    /// <summary>One of several distributions, the last dimension of a batch, by probabilities.</summary>
    public sealed class MixtureSameFamily : Distribution
    {
        /// <exception cref="ArgumentException">Not as many probabilities as distributions.</exception>
        public MixtureSameFamily(
            Categorical mixtureDistribution,
            Distribution componentDistribution,
            bool? validateArgs = null
        )
            : base(
                Batch(mixtureDistribution, componentDistribution),
                validateArgs,
                componentDistribution.EventShape.ToArray()
            ) => (MixtureDistribution, ComponentDistribution) = (mixtureDistribution, componentDistribution);

        public Categorical MixtureDistribution { get; }

        public Distribution ComponentDistribution { get; }

        public override bool HasRSample => false;

        public override Tensor Mean => Weighted(ComponentDistribution.Mean);

        public override Tensor Variance =>
            Weighted(ComponentDistribution.Variance)
            + Weighted((ComponentDistribution.Mean - Mean.Unsqueeze(Place)).Square());

        public override Tensor Cdf(Tensor value) =>
            (ComponentDistribution.Cdf(Tensor.Given(value).Unsqueeze(-1)) * MixtureDistribution.Probs).Sum(-1);

        // Of the components among the dimensions, counted from the end.
        private int Place => -1 - EventShape.Length;

        private Tensor Weights
        {
            get
            {
                var weights = MixtureDistribution.Probs;
                for (int i = 0; i < EventShape.Length; i++)
                    weights = weights.Unsqueeze(-1);
                return weights;
            }
        }

        private Tensor Weighted(Tensor t) => (Weights * t).Sum(Place);

        private protected override Tensor LogDensity(Tensor value) =>
            (ComponentDistribution.LogProb(value.Unsqueeze(Place)) + MixtureDistribution.Logits).LogSumExp(-1);

        private protected override Tensor Draw(long[] shape, Generator? generator)
        {
            long[] sample = shape[..^(BatchShape.Length + EventShape.Length)];
            var places = MixtureDistribution.Sample(sample, generator).Unsqueeze(-1);
            var drawn = ComponentDistribution.Sample(sample, generator);
            for (int i = 0; i < EventShape.Length; i++)
                places = places.Unsqueeze(-1);
            long[] sizes = [.. drawn.Layout.Sizes];
            sizes[^(EventShape.Length + 1)] = 1;
            return drawn.Gather(Place, places.Expand(sizes)).Squeeze(Place);
        }

        private static long[] Batch(Categorical mixture, Distribution component)
        {
            ArgumentNullException.ThrowIfNull(mixture, "mixtureDistribution");
            ArgumentNullException.ThrowIfNull(component, "componentDistribution");
            long[] batch = component.BatchShape.ToArray();
            if (batch.Length == 0 || mixture.Probs.Size(-1) != batch[^1])
                throw new ArgumentException(
                    $"MixtureSameFamily: {mixture.Probs.Size(-1)} probabilities do not fit components of a batch of shape {component.BatchShape}, whose last dimension must be that."
                );
            var together = Calls.Broadcasting.Shape(mixture.BatchShape.ToArray(), batch[..^1]);
            if (together is null || !together.SequenceEqual(batch[..^1]))
                throw new ArgumentException(
                    $"MixtureSameFamily: probabilities of a batch of shape {mixture.BatchShape} do not fit components of a batch of shape {component.BatchShape}, which must be that and the number of components."
                );
            return batch[..^1];
        }
    }
}
