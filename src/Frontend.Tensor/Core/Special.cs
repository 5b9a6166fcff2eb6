using Picograd.Algorithms;

namespace Picograd;

/// <summary>torch.special: functions by the names that SciPy has for them. Integers and bools give float32.</summary>
public static class Special
{
    private static Tensor Of(Tensor input) => Tensor.Given(input);

    /// <inheritdoc cref="Tensor.Lgamma"/>
    public static Tensor Gammaln(Tensor input) => Of(input).Lgamma();

    /// <inheritdoc cref="Tensor.Digamma"/>
    public static Tensor Digamma(Tensor input) => Of(input).Digamma();

    /// <inheritdoc cref="Tensor.Digamma"/>
    public static Tensor Psi(Tensor input) => Of(input).Digamma();

    /// <inheritdoc cref="Tensor.Polygamma"/>
    public static Tensor Polygamma(long n, Tensor input) => Of(input).Polygamma(n);

    /// <inheritdoc cref="Tensor.Mvlgamma"/>
    public static Tensor Multigammaln(Tensor input, int p) => Of(input).Mvlgamma(p);

    /// <inheritdoc cref="Tensor.Erf"/>
    public static Tensor Erf(Tensor input) => Of(input).Erf();

    /// <inheritdoc cref="Tensor.Erfc"/>
    public static Tensor Erfc(Tensor input) => Of(input).Erfc();

    /// <inheritdoc cref="Tensor.Erfinv"/>
    public static Tensor Erfinv(Tensor input) => Of(input).Erfinv();

    /// <inheritdoc cref="Tensor.I0"/>
    public static Tensor I0(Tensor input) => Of(input).I0();

    /// <summary>e^−|x| · I₀(x).</summary>
    public static Tensor I0E(Tensor input) => Of(input).I0E();

    /// <summary>The modified Bessel function of the first kind of order 1.</summary>
    public static Tensor I1(Tensor input) => Of(input).I1();

    /// <summary>e^−|x| · I₁(x).</summary>
    public static Tensor I1E(Tensor input) => Of(input).I1E();

    /// <summary>1 / (1 + e⁻ˣ).</summary>
    public static Tensor Expit(Tensor input) => Of(input).Sigmoid();

    /// <inheritdoc cref="Tensor.Logit"/>
    public static Tensor Logit(Tensor input, double? eps = null) => Of(input).Logit(eps);

    /// <inheritdoc cref="Tensor.Exp2"/>
    public static Tensor Exp2(Tensor input) => Of(input).Exp2();

    /// <inheritdoc cref="Tensor.Expm1"/>
    public static Tensor Expm1(Tensor input) => Of(input).Expm1();

    /// <inheritdoc cref="Tensor.Log1p"/>
    public static Tensor Log1p(Tensor input) => Of(input).Log1p();

    /// <inheritdoc cref="Tensor.Sinc"/>
    public static Tensor Sinc(Tensor input) => Of(input).Sinc();

    /// <inheritdoc cref="Tensor.Xlogy"/>
    public static Tensor Xlogy(Tensor input, Tensor other) => Of(input).Xlogy(other);

    /// <summary>a · log(1 + b), 0 where a is 0 and b a number.</summary>
    public static Tensor Xlog1py(Tensor input, Tensor other)
    {
        ArgumentNullException.ThrowIfNull(other);
        var type = Promotion.Float(Promotion.Of(Of(input), other));
        other = other.To(type);
        var isZero = input.Eq(0) & other.IsNan().LogicalNot();
        return input.To(type) * Tensor.Where(isZero, Tensor.Zeros([], type, other.Device), other.Log1p());
    }

    /// <summary>−x · log x, 0 at 0, −∞ below.</summary>
    public static Tensor Entr(Tensor input)
    {
        var x = Of(input).To(Promotion.Float(input.DType));
        return Tensor.Where(x < 0, Tensor.Full([], double.NegativeInfinity, x.DType, x.Device), -x.Xlogy(x));
    }

    /// <summary>The distribution function of the normal distribution.</summary>
    public static Tensor Ndtr(Tensor input) =>
        (Of(input).To(Promotion.Float(input.DType)) * -Math.Sqrt(0.5)).Erfc() * 0.5;

    /// <summary>The logarithm of <see cref="Ndtr"/>, exact far below 0, too.</summary>
    public static Tensor LogNdtr(Tensor input) => Of(input).LogNdtr();

    /// <summary>e^x² · erfc x.</summary>
    public static Tensor Erfcx(Tensor input) => Of(input).ErfCX();

    /// <inheritdoc cref="Tensor.Igamma"/>
    public static Tensor Gammainc(Tensor input, Tensor other) => Of(input).Igamma(other);

    /// <inheritdoc cref="Tensor.Igammac"/>
    public static Tensor Gammaincc(Tensor input, Tensor other) => Of(input).Igammac(other);

    /// <summary>
    /// Hurwitz's zeta function Σ (k + other)^−input over k ≥ 0, of input above 1; Riemann's with 1. Its gradient is that by
    /// <paramref name="other"/>, as in PyTorch.
    /// </summary>
    public static Tensor Zeta(Tensor input, Tensor other) => Tensor.Zeta(Of(input), Of(other));

    /// <inheritdoc cref="Tensor.I0"/>
    public static Tensor ModifiedBesselI0(Tensor input) => Of(input).I0();

    /// <inheritdoc cref="I1"/>
    public static Tensor ModifiedBesselI1(Tensor input) => Of(input).I1();

    /// <summary>To so many decimals, halves to even ones.</summary>
    public static Tensor Round(Tensor input, int decimals = 0) => Of(input).Round(decimals);

    /// <summary>The inverse of <see cref="Ndtr"/>.</summary>
    public static Tensor Ndtri(Tensor input) =>
        ((Of(input).To(DType.Float64) * 2 - 1).Erfinv() * Math.Sqrt(2)).To(Promotion.Float(input.DType));

    /// <inheritdoc cref="Tensor.Softmax"/>
    public static Tensor Softmax(Tensor input, int dim, DType? dtype = null) => Of(input).Softmax(dim, dtype);

    /// <inheritdoc cref="Tensor.LogSoftmax"/>
    public static Tensor LogSoftmax(Tensor input, int dim, DType? dtype = null) => Of(input).LogSoftmax(dim, dtype);

    /// <inheritdoc cref="Tensor.LogSumExp(int, bool)"/>
    public static Tensor Logsumexp(Tensor input, int dim, bool keepdim = false) => Of(input).LogSumExp(dim, keepdim);
}
