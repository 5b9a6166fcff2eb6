using Picograd.Algorithms;

namespace Picograd;

// Draws in place, each from one uniform number of 53 bits.
public sealed partial class Tensor
{
    // In (0, 1): no logarithm of it is infinite.
    private Tensor Between(Generator? generator) =>
        Rand(Shape, generator, DType.Float64, Device).Clamp(min: Math.ScaleB(1, -54));

    /// <summary>Exponential random numbers of a rate, in place. Returns itself.</summary>
    /// <exception cref="ArgumentException">Not floats, or a rate that is not above 0.</exception>
    public Tensor Exponential_(double lambd = 1, Generator? generator = null)
    {
        RequireFloat("exponential_");
        if (!(lambd > 0))
            throw new ArgumentException($"exponential_: lambd is {lambd}, but must be above 0.");
        using var off = NoGrad();
        return Copy_((Between(generator).Log() * (-1 / lambd)).To(DType));
    }

    /// <summary>Cauchy random numbers, in place. Returns itself.</summary>
    /// <exception cref="ArgumentException">Not floats, or a sigma that is not above 0.</exception>
    public Tensor Cauchy_(double median = 0, double sigma = 1, Generator? generator = null)
    {
        RequireFloat("cauchy_");
        if (!(sigma > 0))
            throw new ArgumentException($"cauchy_: sigma is {sigma}, but must be above 0.");
        using var off = NoGrad();
        return Copy_((((Between(generator) - 0.5) * Math.PI).Tan() * sigma + median).To(DType));
    }

    /// <summary>e to the power of normal random numbers, in place. Returns itself.</summary>
    /// <exception cref="ArgumentException">Not floats, or a deviation that is not above 0.</exception>
    public Tensor LogNormal_(double mean = 1, double std = 2, Generator? generator = null)
    {
        RequireFloat("log_normal_");
        if (!(std > 0))
            throw new ArgumentException($"log_normal_: std is {std}, but must be above 0.");
        using var off = NoGrad();
        return Copy_((Randn(Shape, generator, DType.Float64, Device) * std + mean).Exp().To(DType));
    }

    /// <summary>How often one tries until something of a probability happens, in place. Returns itself.</summary>
    /// <exception cref="ArgumentException">A probability that is not between 0 and 1.</exception>
    public Tensor Geometric_(double p, Generator? generator = null)
    {
        if (!(p > 0 && p < 1))
            throw new ArgumentException($"geometric_: p is {p}, but must be between 0 and 1.");
        using var off = NoGrad();
        return Copy_((Between(generator).Log() / double.LogP1(-p)).Ceil().Clamp(min: 1).To(DType));
    }

    /// <summary>Whole random numbers from low up to high, exclusive, in place. Returns itself.</summary>
    /// <exception cref="ArgumentException">high is not above low.</exception>
    public Tensor Random_(long low, long high, Generator? generator = null) =>
        Copy_(RandInt(low, high, Shape, generator, Device).To(DType));

    /// <summary>Whole random numbers below high, in place; unless given, all that the dtype holds. Returns itself.</summary>
    /// <inheritdoc cref="Random_(long, long, Generator?)"/>
    public Tensor Random_(long? high = null, Generator? generator = null) =>
        Random_(
            0,
            high
                ?? (
                    DType == DType.Bool ? 2
                    : DType.IsFloat() ? (1L << DType.Info().Significand) + 1
                    : DType == DType.Int64 ? long.MaxValue
                    : (long)DType.Info().Highest + 1
                ),
            generator
        );

    /// <summary>Random counts of what happens at rates by element; of this tensor's dtype.</summary>
    /// <exception cref="ArgumentException">Not floats, or a rate below 0.</exception>
    public Tensor Poisson(Generator? generator = null)
    {
        RequireFloat("poisson");
        return Counted(
            "poisson",
            null,
            generator,
            (rate, _) => (Math.Floor(rate), double.PositiveInfinity),
            (rate, _, k) => k * Math.Log(rate) - rate - LogFactorial(k),
            (rate, _, k) => rate / (k + 1)
        );
    }

    /// <summary>Random counts of successes in as many tries, of a probability each; both broadcast.</summary>
    /// <exception cref="ArgumentException">Dtypes that differ, a negative count, or no probability.</exception>
    public static Tensor Binomial(Tensor count, Tensor prob, Generator? generator = null)
    {
        ArgumentNullException.ThrowIfNull(count);
        ArgumentNullException.ThrowIfNull(prob);
        count.RequireFloat("binomial");
        if (count.DType != prob.DType)
            throw new ArgumentException(
                $"binomial: the dtypes {count.DType.Name()} and {prob.DType.Name()} differ; convert one with To()."
            );
        long[] shape = count.SameShape("binomial", prob);
        return count
            .Expand(shape)
            .Counted(
                "binomial",
                prob.Expand(shape),
                generator,
                (n, p) => (Math.Min(n, Math.Floor((n + 1) * p)), n),
                (n, p, k) =>
                    LogFactorial(n)
                    - LogFactorial(k)
                    - LogFactorial(n - k)
                    + (k == 0 ? 0 : k * Math.Log(p))
                    + (n == k ? 0 : (n - k) * double.LogP1(-p)),
                (n, p, k) => (n - k) / (k + 1) * (p / (1 - p))
            );
    }

    // Numbers in the order of their distance from the likeliest, until their probabilities reach a uniform one.
    private Tensor Counted(
        string what,
        Tensor? second,
        Generator? generator,
        Func<double, double, (double Likeliest, double Most)> range,
        Func<double, double, double, double> logarithm,
        Func<double, double, double, double> ratio
    )
    {
        using var off = NoGrad();
        var uniform = Rand(Shape, generator, DType.Float64, Device);
        if (Device.IsMeta)
            return Empty(Shape, DType, Device);
        double[] u = uniform.ToDoubles();
        double[] a = ToDoubles();
        double[]? b = second?.ToDoubles();
        for (int i = 0; i < u.Length; i++)
        {
            var (x, y) = (a[i], b?[i] ?? 0);
            if (!(x >= 0 && double.IsFinite(x) && y >= 0 && y <= 1))
                throw new ArgumentException(
                    $"{what}: element {i} is {x}{(b is null ? "" : $" with the probability {y}")}; rates and counts must be at least 0 and finite, probabilities from 0 to 1."
                );
            var (likeliest, most) = range(x, y);
            double p = x == 0 ? 1 : Math.Exp(logarithm(x, y, likeliest));
            var (up, down, left) = (likeliest, likeliest, u[i] - p);
            var (pUp, pDown) = (p, p);
            double found = likeliest;
            while (left >= 0)
            {
                bool moved = false;
                if (up < most && pUp > 0)
                {
                    pUp *= ratio(x, y, up++);
                    (left, found, moved) = (left - pUp, up, true);
                    if (left < 0)
                        break;
                }
                if (down > 0 && pDown > 0)
                {
                    pDown /= ratio(x, y, --down);
                    (left, found, moved) = (left - pDown, down, true);
                }
                // What rounding left of 1.
                if (!moved || (pUp < 1e-300 && pDown < 1e-300))
                {
                    found = likeliest;
                    break;
                }
            }
            u[i] = found;
        }
        return From(u, Shape).To(DType).ToDevice(Device);
    }

    // Stirling's series from 16 on.
    private static double LogFactorial(double n)
    {
        double x = n + 1;
        double shift = 0;
        for (; x < 16; x++)
            shift += Math.Log(x);
        double r = 1 / x;
        double s = r * r;
        return (x - 0.5) * Math.Log(x)
            - x
            + 0.91893853320467274178
            + r * (1.0 / 12 - s * (1.0 / 360 - s * (1.0 / 1260 - s / 1680)))
            - shift;
    }
}
