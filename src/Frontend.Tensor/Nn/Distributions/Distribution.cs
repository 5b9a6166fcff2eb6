using System.Globalization;
using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// A distribution of random numbers, or of a batch of them: parameters broadcast, and values are drawn for each. Log-probabilities, entropies
/// and what <see cref="RSample"/> draws have gradients with respect to the parameters.
/// </summary>
public abstract class Distribution
{
    private static bool s_validates = true;

    private readonly bool _validates;

    private protected Distribution(
        ReadOnlySpan<long> batchShape,
        bool? validateArgs,
        ReadOnlySpan<long> eventShape = default
    )
    {
        (BatchShape, EventShape) = (new(batchShape.ToArray()), new(eventShape.ToArray()));
        _validates = validateArgs ?? Volatile.Read(ref s_validates);
    }

    /// <summary>Shape of the parameters.</summary>
    public Dimensions BatchShape { get; }

    /// <summary>Shape of one value; empty where that is a number.</summary>
    public Dimensions EventShape { get; }

    /// <summary>Whether distributions that do not say so themselves check parameters and values, as they do at first.</summary>
    public static void SetDefaultValidateArgs(bool value) => Volatile.Write(ref s_validates, value);

    /// <summary>What is drawn on average; NaN or infinite where there is no such thing.</summary>
    public abstract Tensor Mean { get; }

    /// <summary>How far from it, squared.</summary>
    public abstract Tensor Variance { get; }

    /// <summary>How far from it.</summary>
    public Tensor Stddev => Variance.Sqrt();

    /// <summary>The likeliest value.</summary>
    /// <exception cref="NotSupportedException">It is not known in closed form here.</exception>
    public virtual Tensor Mode => throw Unknown("mode");

    /// <summary>Random values without gradients, so many of the batch.</summary>
    /// <param name="sampleShape">Dimensions in front of the batch's; none for one draw.</param>
    /// <param name="generator">Draws; null for the default one.</param>
    public Tensor Sample(ReadOnlySpan<long> sampleShape = default, Generator? generator = null)
    {
        using var off = Tensor.NoGrad();
        return Draw(Extended(sampleShape), generator).Detach();
    }

    /// <summary>Random values as a function of the parameters, which get gradients.</summary>
    /// <exception cref="NotSupportedException">What is drawn is no smooth function of the parameters.</exception>
    /// <inheritdoc cref="Sample"/>
    public Tensor RSample(ReadOnlySpan<long> sampleShape = default, Generator? generator = null) =>
        HasRSample
            ? Draw(Extended(sampleShape), generator)
            : throw new NotSupportedException(
                $"{GetType().Name}: what is drawn has no gradients with respect to the parameters; use Sample."
            );

    /// <summary>Whether <see cref="RSample"/> is there.</summary>
    public virtual bool HasRSample => true;

    /// <summary>Logarithm of the density, or the probability, of values.</summary>
    /// <exception cref="ArgumentException">A value that cannot be, where values are checked; else it is computed by the formula.</exception>
    public Tensor LogProb(Tensor value)
    {
        CheckValue("LogProb", Tensor.Given(value));
        return LogDensity(value);
    }

    /// <summary>In nats.</summary>
    /// <exception cref="NotSupportedException">It is not known in closed form here.</exception>
    public virtual Tensor Entropy() => throw Unknown("entropy");

    /// <summary>e to the entropy.</summary>
    public Tensor Perplexity() => Entropy().Exp();

    /// <summary>How likely a number is at most the value.</summary>
    /// <exception cref="NotSupportedException">It is not known in closed form here.</exception>
    public virtual Tensor Cdf(Tensor value) => throw Unknown("distribution function");

    /// <summary>The number that is not exceeded with a probability.</summary>
    /// <exception cref="NotSupportedException">It is not known in closed form here.</exception>
    public virtual Tensor Icdf(Tensor value) => throw Unknown("inverse of the distribution function");

    public override string ToString() => $"{GetType().Name}(batch {BatchShape}, event {EventShape})";

    private protected abstract Tensor LogDensity(Tensor value);

    // Of a shape that has those of the batch and of one value at its end.
    private protected abstract Tensor Draw(long[] shape, Generator? generator);

    /// <summary>Which values can be, each a bool for a number; null for all numbers.</summary>
    private protected virtual Tensor? Within(Tensor value) => null;

    /// <summary>In words.</summary>
    private protected virtual string Support => "the real numbers";

    private protected long[] Extended(ReadOnlySpan<long> sampleShape) =>
        [.. sampleShape, .. BatchShape.ToArray(), .. EventShape.ToArray()];

    private protected void CheckValue(string method, Tensor value)
    {
        if (!_validates || value.Device.IsMeta || value.NumElements == 0)
            return;
        using var off = Tensor.NoGrad();
        using var scope = Tensor.Scope();
        var isIn = Within(value.Detach()) ?? (value.DType.IsFloat() ? !value.Detach().IsNan() : null);
        if (isIn is null || isIn.All().Item() != 0)
            return;
        double wrong = value.Rank == isIn.Rank ? value.Detach().ExpandAs(isIn)[!isIn].ToDoubles()[0] : double.NaN;
        throw new ArgumentException(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{GetType().Name}.{method}: a value{(double.IsNaN(wrong) ? "" : $", {wrong},")} is outside the support, {Support}; values of shape {value.Shape} were given."
            ),
            nameof(value)
        );
    }

    private NotSupportedException Unknown(string what) =>
        new($"{GetType().Name}: the {what} is not known in closed form here.");

    // A condition of a parameter.
    private protected void Require(string parameter, Tensor holds, string what = "must be above 0 everywhere")
    {
        if (_validates && !holds.Device.IsMeta && holds.NumElements > 0 && holds.All().Item() == 0)
            throw new ArgumentException($"{GetType().Name}: {parameter} {what}.");
    }

    private protected void RequireNumbers(string parameter, Tensor t) => Require(parameter, t.Eq(t), "must not be NaN");

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
                ?? throw new ArgumentException(
                    $"{what}: parameters of shapes {string.Join(" and ", all.Select(p => p!.Shape))} do not broadcast."
                );
        return [.. parameters.ToArray().Select(p => p.To(type).Expand(shape))];
    }

    private protected static Tensor Number(double value) => Tensor.Full([], value, DType.Float32);

    // Probabilities away from 0 and 1, as PyTorch cuts them.
    private protected static Tensor Cut(Tensor probs)
    {
        double eps = Math.ScaleB(1, 1 - probs.DType.Info().Significand);
        return probs.Clamp(eps, 1 - eps);
    }

    // The least positive number of all digits.
    internal static double LeastNormal(DType type) =>
        type switch
        {
            DType.Float64 => Math.ScaleB(1, -1022),
            DType.Float16 => Math.ScaleB(1, -14),
            _ => Math.ScaleB(1, -126),
        };

    private protected static Tensor NotZero(Tensor drawn) => drawn.Clamp(min: LeastNormal(drawn.DType));

    private protected static Tensor Whole(Tensor value) =>
        value.DType.IsFloat() ? value.Eq(value.Floor()) : value.Eq(value);
}
