using System.Globalization;
using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Calls;
using Picograd.Dispatch;

namespace Picograd;

/// <summary>What is done to the gradients of parameters before a step (PyTorch's nn.utils).</summary>
public static class Clipping
{
    /// <summary>
    /// Scales all gradients by one factor, so that their norm, as that of one vector, is at most <paramref name="maxNorm"/>. Nothing waits
    /// for a result on the way, unless an error is wanted.
    /// </summary>
    /// <param name="parameters">Those without a gradient are left out.</param>
    /// <param name="maxNorm">Largest norm.</param>
    /// <param name="normType">p of the norm; infinity for the largest element.</param>
    /// <param name="errorIfNonfinite">Whether a norm that is infinite or NaN is an error; else gradients become that.</param>
    /// <returns>The norm before.</returns>
    /// <exception cref="InvalidOperationException">A norm that is not finite, where that is to be an error; nothing is scaled.</exception>
    public static Tensor ClipGradNorm_(
        IEnumerable<Tensor> parameters,
        double maxNorm,
        double normType = 2,
        bool errorIfNonfinite = false
    )
    {
        Tensor[] grads = Of(parameters);
        using var off = Tensor.NoGrad();
        var total = GetTotalNorm(grads, normType, errorIfNonfinite);
        ClipGradsWithNorm_(grads, maxNorm, total);
        return total;
    }

    /// <inheritdoc cref="ClipGradNorm_(IEnumerable{Tensor}, double, double, bool)"/>
    public static Tensor ClipGradNorm_(
        Tensor parameter,
        double maxNorm,
        double normType = 2,
        bool errorIfNonfinite = false
    ) => ClipGradNorm_([parameter], maxNorm, normType, errorIfNonfinite);

    /// <summary>Limits each element of the gradients to ± <paramref name="clipValue"/>.</summary>
    public static void ClipGradValue_(IEnumerable<Tensor> parameters, double clipValue)
    {
        using var off = Tensor.NoGrad();
        foreach (var grad in Of(parameters))
            grad.Copy_(grad.Clamp(-clipValue, clipValue));
    }

    /// <inheritdoc cref="ClipGradValue_(IEnumerable{Tensor}, double)"/>
    public static void ClipGradValue_(Tensor parameter, double clipValue) => ClipGradValue_([parameter], clipValue);

    /// <summary>The norm of several tensors as one vector.</summary>
    /// <exception cref="InvalidOperationException">It is not finite, where that is to be an error.</exception>
    public static Tensor GetTotalNorm(IEnumerable<Tensor> tensors, double normType = 2, bool errorIfNonfinite = false)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        Tensor[] all = [.. tensors.Where(t => t.NumElements > 0)];
        if (all.Length == 0)
            return Tensor.Zeros([]);
        var first = all[0];
        var total = all.Length == 1 ? first.Norm(normType) : Norms(all, normType).Norm(normType);
        if (errorIfNonfinite && !double.IsFinite(total.Item()))
            throw new InvalidOperationException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"ClipGradNorm_: the norm of order {normType} of {all.Length} gradients is {total.Item()}, so it cannot be clipped."
                )
            );
        return total;
    }

    // A norm each, as a vector. On a processor they are there at once, and 150 of them are put together in less time than joined.
    private static Tensor Norms(Tensor[] all, double normType)
    {
        var norms = Array.ConvertAll(all, t => t.Norm(normType));
        var type = Promotion.Of(norms);
        bool here = Array.TrueForAll(norms, IsHere) && !Array.Exists(norms, n => Tensor.Records(n));
        if (here && type is DType.Float32 or DType.Float64)
        {
            double[] values = Array.ConvertAll(norms, n => n.Item());
            return Tensor.From<double>(values).To(type);
        }
        return Tensor.Stack([.. norms.Select(n => n.To(type).ToDevice(norms[0].Device))]);
    }

    private static bool IsHere(Tensor t) => ReferenceEquals(t.Runtime, CpuRuntime.Instance) && Executor.Current is null;

    private static void ClipGradsWithNorm_(Tensor[] grads, double maxNorm, Tensor total)
    {
        var factor = (maxNorm / (total + 1e-6)).Clamp(max: 1);
        bool here = IsHere(factor);
        // A product with 1 changes nothing.
        if (here && factor.Item() == 1)
            return;
        ElementFunction product = ScalarFunctions.Mul;
        var calls = new InPlaceCalls();
        foreach (var grad in grads)
        {
            bool later =
                here
                && IsHere(grad)
                && grad is { NumElements: > 0, IsContiguous: true, DType: DType.Float32 or DType.Float64 }
                && product.TryReplaceLater(calls, grad, factor.Item());
            if (!later)
                grad.Mul_(factor.To(grad.DType).ToDevice(grad.Device));
        }
        calls.Run();
    }

    private static Tensor[] Of(IEnumerable<Tensor> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        return [.. parameters.Select(p => p.GradOrNull).OfType<Tensor>()];
    }
}
