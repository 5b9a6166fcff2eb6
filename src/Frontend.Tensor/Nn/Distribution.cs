using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// A distribution of random numbers, or of a batch of them: parameters broadcast, and values are drawn for each. Log-probabilities, entropies
/// and what <see cref="RSample"/> draws have gradients with respect to the parameters.
/// </summary>
public abstract class Distribution
{
    private protected Distribution(ReadOnlySpan<long> batchShape) => BatchShape = new(batchShape.ToArray());

    /// <summary>Shape of the parameters.</summary>
    public Dimensions BatchShape { get; }

    /// <summary>What is drawn on average.</summary>
    public abstract Tensor Mean { get; }

    /// <summary>How far from it, squared.</summary>
    public abstract Tensor Variance { get; }

    /// <summary>How far from it.</summary>
    public Tensor Stddev => Variance.Sqrt();

    /// <summary>Random values without gradients, so many of the batch.</summary>
    /// <param name="sampleShape">Dimensions in front of the batch's; none for one draw.</param>
    /// <param name="generator">Draws; null for the default one.</param>
    public Tensor Sample(ReadOnlySpan<long> sampleShape = default, Generator? generator = null)
    {
        using var off = Tensor.NoGrad();
        return Draw([.. sampleShape, .. BatchShape.ToArray()], generator).Detach();
    }

    /// <summary>Random values as a function of the parameters, which get gradients.</summary>
    /// <exception cref="NotSupportedException">What is drawn is no smooth function of the parameters.</exception>
    /// <inheritdoc cref="Sample"/>
    public Tensor RSample(ReadOnlySpan<long> sampleShape = default, Generator? generator = null) =>
        HasRSample
            ? Draw([.. sampleShape, .. BatchShape.ToArray()], generator)
            : throw new NotSupportedException(
                $"{GetType().Name}: what is drawn has no gradients with respect to the parameters; use Sample."
            );

    /// <summary>Whether <see cref="RSample"/> is there.</summary>
    public virtual bool HasRSample => true;

    /// <summary>Logarithm of the density, or the probability, of values.</summary>
    public abstract Tensor LogProb(Tensor value);

    /// <summary>In nats.</summary>
    public abstract Tensor Entropy();

    private protected abstract Tensor Draw(long[] shape, Generator? generator);

    // Parameters of one dtype and shape.
    private protected static Tensor[] Together(string what, params ReadOnlySpan<Tensor> parameters)
    {
        foreach (var parameter in parameters)
            ArgumentNullException.ThrowIfNull(parameter, what);
        Tensor?[] all = parameters.ToArray();
        var type = Promotion.Float(Promotion.Of(all));
        long[] shape = [.. parameters[0].Layout.Sizes];
        foreach (var parameter in parameters)
            shape =
                Calls.Broadcasting.Shape(shape, parameter.Layout.Sizes)
                ?? throw new ArgumentException($"{what}: parameters of several shapes do not broadcast.");
        return [.. parameters.ToArray().Select(p => p.To(type).Expand(shape))];
    }

    private protected static Tensor Number(double value) => Tensor.Full([], value, DType.Float32);
}

/// <summary>Distributions by name (PyTorch's torch.distributions), and how far one is from another.</summary>
public static partial class Distributions
{
    /// <summary>
    /// Kullback and Leibler's divergence KL(p ‖ q) in nats, of two distributions of one kind (and of a uniform one from a normal one).
    /// </summary>
    /// <exception cref="NotSupportedException">Of these two kinds it is not known in closed form here.</exception>
    public static Tensor KlDivergence(Distribution p, Distribution q)
    {
        ArgumentNullException.ThrowIfNull(p);
        ArgumentNullException.ThrowIfNull(q);
        switch (p, q)
        {
            case (Normal a, Normal b):
            {
                var ratio = (a.Scale / b.Scale).Square();
                return 0.5 * (ratio + ((a.Loc - b.Loc) / b.Scale).Square() - 1 - ratio.Log());
            }
            case (Bernoulli a, Bernoulli b):
            {
                var one = a.Probs * (F.LogSigmoid(a.Logits) - F.LogSigmoid(b.Logits));
                var zero = (1 - a.Probs) * (F.LogSigmoid(-a.Logits) - F.LogSigmoid(-b.Logits));
                return one + zero;
            }
            case (Categorical a, Categorical b):
            {
                var terms = a.Probs * (a.Logits - b.Logits);
                var never = Tensor.Zeros([], terms.DType, terms.Device);
                return Tensor.Where(a.Probs.Eq(0), never, terms).Sum(-1);
            }
            case (Uniform a, Uniform b):
            {
                var result = ((b.High - b.Low) / (a.High - a.Low)).Log();
                return result.MaskedFill((b.Low > a.Low) | (b.High < a.High), double.PositiveInfinity);
            }
            case (Uniform a, Normal b):
            {
                var width = a.High - a.Low;
                var middle = (a.High + a.Low) / 2 - b.Loc;
                return (Math.Sqrt(2 * Math.PI) * b.Scale / width).Log()
                    + (width.Square() / 12 + middle.Square()) / (2 * b.Scale.Square());
            }
            case (Exponential a, Exponential b):
            {
                var ratio = b.Rate / a.Rate;
                return ratio - ratio.Log() - 1;
            }
            case (Laplace a, Laplace b):
            {
                var ratio = a.Scale / b.Scale;
                var distance = (a.Loc - b.Loc).Abs();
                return -ratio.Log() + distance / b.Scale + ratio * (-distance / a.Scale).Exp() - 1;
            }
            default:
                throw new NotSupportedException(
                    $"kl_divergence: of {p.GetType().Name} from {q.GetType().Name} it is not known in closed form here."
                );
        }
    }
}
