using Picograd.Algorithms.Functions;
using Picograd.Calls;

namespace Picograd;

public static partial class F
{
    /// <summary>log(1 + e^(beta·x))/beta; x itself where beta·x is above the threshold.</summary>
    public static Tensor Softplus(Tensor x, double beta = 1, double threshold = ScalarFunctions.SoftplusThreshold)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (!x.DType.IsFloat())
            throw new ArgumentException($"softplus: not defined for {x.DType.Name()}; convert it with To().");
        if (beta == 1 && threshold == ScalarFunctions.SoftplusThreshold)
            return Tensor.Apply(ScalarFunctions.Softplus, x);
        var scaled = x * beta;
        return Tensor.Where(scaled > threshold, x, scaled.Clamp(max: threshold).Exp().Log1p() / beta);
    }
}
