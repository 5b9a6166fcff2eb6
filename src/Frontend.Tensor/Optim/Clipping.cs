using System.Globalization;
using Picograd.Algorithms;

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
        var total =
            all.Length == 1
                ? first.Norm(normType)
                : Tensor
                    .Stack([.. all.Select(t => t.Norm(normType).To(Promotion.Of(all)).ToDevice(first.Device))])
                    .Norm(normType);
        if (errorIfNonfinite && !double.IsFinite(total.Item()))
            throw new InvalidOperationException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"ClipGradNorm_: the norm of order {normType} of {all.Length} gradients is {total.Item()}, so it cannot be clipped."
                )
            );
        return total;
    }

    private static void ClipGradsWithNorm_(Tensor[] grads, double maxNorm, Tensor total)
    {
        var factor = (maxNorm / (total + 1e-6)).Clamp(max: 1);
        foreach (var grad in grads)
            grad.Mul_(factor.To(grad.DType).ToDevice(grad.Device));
    }

    private static Tensor[] Of(IEnumerable<Tensor> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        return [.. parameters.Select(p => p.GradOrNull).OfType<Tensor>()];
    }
}
