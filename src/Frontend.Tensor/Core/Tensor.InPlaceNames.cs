namespace Picograd;

// In place under PyTorch's other names, and what few use.
public sealed partial class Tensor
{
    public Tensor Absolute_() => Abs_();

    public Tensor Negative_() => Neg_();

    public Tensor Arccos_() => Acos_();

    public Tensor Arccosh_() => Acosh_();

    public Tensor Arcsin_() => Asin_();

    public Tensor Arcsinh_() => Asinh_();

    public Tensor Arctan_() => Atan_();

    public Tensor Arctanh_() => Atanh_();

    public Tensor Arctan2_(Tensor other) => Atan2_(Given(other));

    public Tensor Fix_() => Trunc_();

    public Tensor Clip_(Scalar? min = null, Scalar? max = null) => Clamp_(min, max);

    public Tensor Clip_(Tensor? min, Tensor? max = null) => Clamp_(min, max);

    public Tensor Multiply_(Tensor other) => Mul_(Given(other));

    public Tensor Subtract_(Tensor other) => Sub_(Given(other));

    public Tensor Divide_(Tensor other) => Div_(Given(other));

    public Tensor TrueDivide_(Tensor other) => Div_(Given(other));

    public Tensor Greater_(Tensor other) => Gt_(Given(other));

    public Tensor GreaterEqual_(Tensor other) => Ge_(Given(other));

    public Tensor Less_(Tensor other) => Lt_(Given(other));

    public Tensor LessEqual_(Tensor other) => Le_(Given(other));

    public Tensor NotEqual_(Tensor other) => Ne_(Given(other));

    public Tensor Erfinv_() => Becomes("erfinv_", t => t.Erfinv());

    public Tensor Lgamma_() => Becomes("lgamma_", t => t.Lgamma());

    public Tensor Digamma_() => Becomes("digamma_", t => t.Digamma());

    public Tensor Polygamma_(long n) => Becomes("polygamma_", t => t.Polygamma(n));

    public Tensor Mvlgamma_(int p) => Becomes("mvlgamma_", t => t.Mvlgamma(p));

    public Tensor I0_() => Becomes("i0_", t => t.I0());

    public Tensor Igamma_(Tensor other) => Becomes("igamma_", t => t.Igamma(other), Given(other));

    public Tensor Igammac_(Tensor other) => Becomes("igammac_", t => t.Igammac(other), Given(other));

    public Tensor Round_(int decimals) => Becomes("round_", t => t.Round(decimals));

    public Tensor Sgn_() => Sign_();

    public Tensor Gcd_(Tensor other) => Becomes("gcd_", t => t.Gcd(other), Given(other));

    public Tensor Lcm_(Tensor other) => Becomes("lcm_", t => t.Lcm(other), Given(other));

    public Tensor Heaviside_(Tensor values) => Becomes("heaviside_", t => t.Heaviside(values), Given(values));

    public Tensor Ldexp_(Tensor other) => Becomes("ldexp_", t => t.Ldexp(other), Given(other));

    public Tensor Nextafter_(Tensor other) => Becomes("nextafter_", t => t.Nextafter(other), Given(other));

    public Tensor FloatPower_(Tensor exponent) => Becomes("float_power_", t => t.FloatPower(exponent), Given(exponent));

    public Tensor Renorm_(double p, int dim, double maxnorm) => Becomes("renorm_", t => t.Renorm(p, dim, maxnorm));

    public Tensor Addbmm_(Tensor batch1, Tensor batch2, double beta = 1, double alpha = 1) =>
        Becomes("addbmm_", t => t.Addbmm(batch1, batch2, beta, alpha), Given(batch1), Given(batch2));
}
