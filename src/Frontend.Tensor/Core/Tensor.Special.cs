using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

// Computed in float64 and rounded once; integers and bools give float32.
public sealed partial class Tensor
{
    private static class SpecialOperators
    {
        public static readonly CustomOperator LogGamma = CustomOperator.Elementwise(SpecialFunctions.LogGamma);
        public static readonly CustomOperator Digamma = CustomOperator.Elementwise(SpecialFunctions.Digamma);
        public static readonly CustomOperator ErfInv = CustomOperator.Elementwise(SpecialFunctions.ErfInv);
        public static readonly CustomOperator ErfCX = CustomOperator.Elementwise(SpecialFunctions.ErfCX);
        public static readonly CustomOperator LogNdtr = CustomOperator.Elementwise(SpecialFunctions.LogNdtr);
        public static readonly CustomOperator I0 = CustomOperator.Elementwise(SpecialFunctions.I0);
        public static readonly CustomOperator I0E = CustomOperator.Elementwise(SpecialFunctions.I0E);
        public static readonly CustomOperator I1 = CustomOperator.Elementwise(SpecialFunctions.I1);
        public static readonly CustomOperator I1E = CustomOperator.Elementwise(SpecialFunctions.I1E);
    }

    /// <summary>log |Γ(x)|; infinite at 0 and at negative whole numbers.</summary>
    public Tensor Lgamma() => SpecialOperators.LogGamma.Call(this);

    /// <summary>The derivative of log Γ(x); −∞ at 0, no number at negative whole numbers.</summary>
    public Tensor Digamma() => SpecialOperators.Digamma.Call(this);

    /// <summary>The y with erf y = x; infinite at ±1, no number beyond.</summary>
    public Tensor Erfinv() => SpecialOperators.ErfInv.Call(this);

    /// <summary>The modified Bessel function of the first kind of order 0.</summary>
    public Tensor I0() => SpecialOperators.I0.Call(this);

    /// <summary>e^x² · erfc x.</summary>
    internal Tensor ErfCX() => SpecialOperators.ErfCX.Call(this);

    /// <summary>The logarithm of the distribution function of the normal distribution.</summary>
    internal Tensor LogNdtr() => SpecialOperators.LogNdtr.Call(this);

    /// <summary>e^−|x| · I₀(x).</summary>
    internal Tensor I0E() => SpecialOperators.I0E.Call(this);

    /// <summary>The modified Bessel function of the first kind of order 1.</summary>
    internal Tensor I1() => SpecialOperators.I1.Call(this);

    /// <summary>e^−|x| · I₁(x).</summary>
    internal Tensor I1E() => SpecialOperators.I1E.Call(this);

    /// <summary>The n-th derivative of the digamma function, of positive numbers (and of those above −1000 that are not whole).</summary>
    /// <exception cref="ArgumentException">A negative n.</exception>
    public Tensor Polygamma(long n)
    {
        if (n < 0)
            throw new ArgumentException($"polygamma: n is {n}, but must be at least 0.");
        if (n == 0)
            return Digamma();
        // n! Σ 1 / (x + k)^(n + 1), of the first terms themselves, then by Euler's and Maclaurin's formula.
        var x = To(DType.Float64);
        long terms = 16;
        if (!Device.IsMeta && NumElements > 0)
        {
            using var off = NoGrad();
            double least = Where(x > -1000, x, Zeros([], DType.Float64, Device)).Amin().Item();
            terms += (long)Math.Ceiling(Math.Max(0, -least));
        }
        double power = n + 1;
        var sum = (x.Unsqueeze(-1) + Arange(terms, Device).To(DType.Float64)).Pow(-power).Sum([-1]);
        var w = x + terms;
        sum = sum + w.Pow(1 - power) / (power - 1) + w.Pow(-power) * 0.5;
        // Bernoulli's numbers over factorials.
        double[] bernoulli = [1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66, -691.0 / 2730, 7.0 / 6];
        double rising = power;
        double factorial = 2;
        for (int j = 1; j <= bernoulli.Length; j++)
        {
            sum = sum + w.Pow(1 - power - 2 * j) * (bernoulli[j - 1] / factorial * rising);
            rising *= (power + 2 * j - 1) * (power + 2 * j);
            factorial *= (2 * j + 1) * (2 * j + 2);
        }
        double scale = n % 2 == 0 ? -1 : 1;
        for (long i = 2; i <= n; i++)
            scale *= i;
        return (sum * scale).To(Promotion.Float(DType));
    }

    /// <summary>log Γₚ(x), the multivariate one.</summary>
    /// <exception cref="ArgumentException">p below 1.</exception>
    public Tensor Mvlgamma(int p)
    {
        if (p < 1)
            throw new ArgumentException($"mvlgamma: p is {p}, but must be at least 1.");
        var x = To(Promotion.Float(DType));
        var halves = Arange(p, Device).To(x.DType) * -0.5;
        return (x.Unsqueeze(-1) + halves).Lgamma().Sum([-1]) + p * (p - 1) * 0.25 * Math.Log(Math.PI);
    }
}
