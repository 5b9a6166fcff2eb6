using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

public sealed partial class Tensor
{
    /// <summary>Numbers from start to end, both included, at equal distances; float32 unless a dtype is given.</summary>
    /// <exception cref="ArgumentException">A negative number of steps.</exception>
    public static Tensor Linspace(
        double start,
        double end,
        long steps,
        DType dtype = DType.Float32,
        Device? device = null
    ) => Spaced("linspace", start, end, steps, dtype, device, v => v);

    /// <summary>base to the powers from start to end, both included, at equal distances; float32 unless a dtype is given.</summary>
    /// <exception cref="ArgumentException">A negative number of steps.</exception>
    public static Tensor Logspace(
        double start,
        double end,
        long steps,
        double @base = 10,
        DType dtype = DType.Float32,
        Device? device = null
    ) => Spaced("logspace", start, end, steps, dtype, device, v => Math.Pow(@base, v));

    private static Tensor Spaced(
        string what,
        double start,
        double end,
        long steps,
        DType dtype,
        Device? device,
        Func<double, double> function
    )
    {
        RequireDType(dtype, what);
        if (steps < 0 || steps > Array.MaxLength)
            throw new ArgumentException($"{what}: steps is {steps}, but must be from 0 to {Array.MaxLength}.");
        // From the end that is nearer, so that both ends are exact.
        double[] values = new double[steps];
        double step = steps > 1 ? (end - start) / (steps - 1) : 0;
        for (long i = 0; i < steps; i++)
            values[i] = function(i < (steps + 1) / 2 ? start + step * i : end - step * (steps - 1 - i));
        return Held<double>(values, [steps]).To(dtype).ToDevice(device ?? DeviceScope.Current);
    }

    /// <summary>The whole numbers below n in random order, each order as likely as any other; int64 unless a dtype is given.</summary>
    /// <exception cref="ArgumentException">A negative n.</exception>
    public static Tensor RandPerm(long n, Generator? generator = null, DType dtype = DType.Int64, Device? device = null)
    {
        if (n < 0)
            throw new ArgumentException($"randperm: n is {n}, but must be at least 0.");
        // In the order of random numbers of 64 bits, of which no two are alike but once in 2⁶⁴ / n² times.
        var order = RandInt(long.MinValue, long.MaxValue, [n], generator, device).ArgSort();
        return order.To(dtype);
    }

    /// <summary>Integers from low up to high, exclusive, of a tensor's shape and dtype.</summary>
    public static Tensor RandIntLike(Tensor like, long low, long high, Generator? generator = null) =>
        RandInt(low, high, Given(like).Shape, generator, like.Device).To(like.DType);

    /// <summary>1 with the probability that an element is, else 0; of this tensor's dtype.</summary>
    /// <exception cref="ArgumentException">Not floats, or not from 0 to 1.</exception>
    public Tensor Bernoulli(Generator? generator = null)
    {
        RequireFloat("bernoulli");
        using var off = NoGrad();
        if (!Device.IsMeta && NumElements > 0 && ((this >= 0) & (this <= 1)).All().Item() == 0)
            throw new ArgumentException("bernoulli: probabilities must be from 0 to 1.");
        var type = DType == DType.Float64 ? DType.Float64 : DType.Float32;
        return (Rand(Shape, generator, type, Device) < To(type)).To(DType);
    }

    /// <summary>1 with a probability, else 0, in place. Returns itself.</summary>
    /// <exception cref="ArgumentException">Not from 0 to 1.</exception>
    public Tensor Bernoulli_(double p = 0.5, Generator? generator = null)
    {
        if (!(p >= 0 && p <= 1))
            throw new ArgumentException($"bernoulli_: p is {p}, but must be from 0 to 1.");
        return Copy_((Rand(Shape, generator, DType.Float32, Device) < p).To(DType));
    }

    /// <summary>Normal random numbers of means and deviations by element, which broadcast.</summary>
    /// <exception cref="ArgumentException">Not floats, shapes that do not broadcast, or a negative deviation.</exception>
    public static Tensor Normal(Tensor mean, Tensor std, Generator? generator = null)
    {
        ArgumentNullException.ThrowIfNull(mean);
        ArgumentNullException.ThrowIfNull(std);
        mean.RequireFloat("normal");
        std.RequireFloat("normal");
        using var off = NoGrad();
        if (!std.Device.IsMeta && std.NumElements > 0 && (std >= 0).All().Item() == 0)
            throw new ArgumentException("normal: deviations must be at least 0.");
        long[] shape =
            Broadcasting.Shape(mean.Layout, std.Layout)
            ?? throw new ArgumentException(
                $"normal: means of shape {mean.Layout} and deviations of shape {std.Layout} do not broadcast."
            );
        return Randn(shape, generator, mean.DType, mean.Device) * std + mean;
    }

    /// <summary>Normal random numbers of means by element and one deviation.</summary>
    /// <inheritdoc cref="Normal(Tensor, Tensor, Generator?)"/>
    public static Tensor Normal(Tensor mean, double std = 1, Generator? generator = null) =>
        Normal(mean, Full([], std, Given(mean).DType, mean.Device), generator);

    /// <summary>Normal random numbers of one mean and deviation.</summary>
    /// <inheritdoc cref="Normal(Tensor, Tensor, Generator?)"/>
    public static Tensor Normal(
        double mean,
        double std,
        ReadOnlySpan<long> size,
        Generator? generator = null,
        DType dtype = DType.Float32,
        Device? device = null
    ) => Empty(size, dtype, device).Normal_(mean, std, generator);
}
