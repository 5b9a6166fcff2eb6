using System.Globalization;
using Picograd.Algorithms;
using Picograd.Gradients;

namespace Picograd;

public static partial class Autograd
{
    /// <summary>
    /// Whether the gradients of a function agree with central differences, element by element:
    /// |analytical − numerical| ≤ atol + rtol · |numerical|. PyTorch's <c>gradcheck</c>.
    /// </summary>
    /// <param name="function">Called with the inputs; those of its outputs that require a gradient are looked at.</param>
    /// <param name="inputs">float64; those that require a gradient are varied, in place and back.</param>
    /// <param name="eps">By how much.</param>
    /// <param name="atol">Absolute tolerance.</param>
    /// <param name="rtol">Relative tolerance.</param>
    /// <param name="raiseException">Throw where they differ, naming the element, instead of giving false.</param>
    /// <param name="nondetTol">By how much two backward passes may differ.</param>
    /// <exception cref="ArgumentException">No input requires a gradient; one shows elements several times.</exception>
    /// <exception cref="GradCheckException">See <paramref name="raiseException"/>.</exception>
    public static bool GradCheck(
        Func<Tensor[], Tensor[]> function,
        Tensor[] inputs,
        double eps = 1e-6,
        double atol = 1e-5,
        double rtol = 1e-3,
        bool raiseException = true,
        double nondetTol = 0
    )
    {
        ArgumentNullException.ThrowIfNull(function);
        ArgumentNullException.ThrowIfNull(inputs);
        if (!Array.Exists(inputs, i => i.RequiresGrad))
            throw new ArgumentException(
                "GradCheck: gradcheck expects at least one input tensor to require gradient, but none of them does.",
                nameof(inputs)
            );
        for (int i = 0; i < inputs.Length; i++)
        {
            if (inputs[i].RequiresGrad && inputs[i].Layout.Once() != inputs[i].Layout)
                throw new ArgumentException(
                    $"GradCheck: the {i}th input has a dimension with stride 0; gradcheck only supports inputs that are "
                        + "non-overlapping, to be able to compute the numerical gradients correctly.",
                    nameof(inputs)
                );
        }
        try
        {
            using var mode = Tensor.EnableGrad();
            Differences.Check(function, inputs, eps, atol, rtol, nondetTol);
            return true;
        }
        catch (GradCheckException) when (!raiseException)
        {
            return false;
        }
    }

    /// <inheritdoc cref="GradCheck(Func{Tensor[], Tensor[]}, Tensor[], double, double, double, bool, double)"/>
    public static bool GradCheck(
        Func<Tensor[], Tensor> function,
        Tensor[] inputs,
        double eps = 1e-6,
        double atol = 1e-5,
        double rtol = 1e-3,
        bool raiseException = true,
        double nondetTol = 0
    ) => GradCheck(i => [function(i)], inputs, eps, atol, rtol, raiseException, nondetTol);

    /// <inheritdoc cref="GradCheck(Func{Tensor[], Tensor[]}, Tensor[], double, double, double, bool, double)"/>
    public static bool GradCheck(
        Func<Tensor, Tensor> function,
        Tensor input,
        double eps = 1e-6,
        double atol = 1e-5,
        double rtol = 1e-3,
        bool raiseException = true,
        double nondetTol = 0
    ) => GradCheck(i => [function(i[0])], [input], eps, atol, rtol, raiseException, nondetTol);

    /// <summary>
    /// Whether second derivatives agree with differences of the first: <see cref="GradCheck(Func{Tensor[], Tensor[]}, Tensor[], double, double, double, bool, double)"/>
    /// of the gradient, as a function of inputs and of gradients of the outputs.
    /// </summary>
    /// <param name="function">As there.</param>
    /// <param name="inputs">As there.</param>
    /// <param name="gradOutputs">Gradients of the outputs that require one; random ones where null.</param>
    /// <param name="eps">As there.</param>
    /// <param name="atol">As there.</param>
    /// <param name="rtol">As there.</param>
    /// <param name="raiseException">As there.</param>
    /// <param name="nondetTol">As there.</param>
    public static bool GradGradCheck(
        Func<Tensor[], Tensor[]> function,
        Tensor[] inputs,
        Tensor[]? gradOutputs = null,
        double eps = 1e-6,
        double atol = 1e-5,
        double rtol = 1e-3,
        bool raiseException = true,
        double nondetTol = 0
    )
    {
        ArgumentNullException.ThrowIfNull(function);
        ArgumentNullException.ThrowIfNull(inputs);
        using var mode = Tensor.EnableGrad();
        var outputs = Differences.OutputsOf(function, inputs);
        if (gradOutputs is null)
        {
            var random = new Generator(0);
            gradOutputs = [.. outputs.Select(o => Tensor.Randn(o.Shape, random, o.DType, o.Device).RequiresGrad_())];
        }
        int count = inputs.Length;
        return GradCheck(
            all =>
            {
                using var on = Tensor.EnableGrad();
                var own = all[..count];
                var wanted = own.Where(i => i.RequiresGrad).ToArray();
                var grads = Grad(
                    Differences.OutputsOf(function, own),
                    wanted,
                    all[count..],
                    createGraph: true,
                    allowUnused: true
                );
                return [.. grads.OfType<Tensor>()];
            },
            [.. inputs, .. gradOutputs],
            eps,
            atol,
            rtol,
            raiseException,
            nondetTol
        );
    }

    /// <inheritdoc cref="GradGradCheck(Func{Tensor[], Tensor[]}, Tensor[], Tensor[], double, double, double, bool, double)"/>
    public static bool GradGradCheck(
        Func<Tensor[], Tensor> function,
        Tensor[] inputs,
        double eps = 1e-6,
        double atol = 1e-5,
        double rtol = 1e-3,
        bool raiseException = true
    ) => GradGradCheck(i => [function(i)], inputs, null, eps, atol, rtol, raiseException);

    /// <inheritdoc cref="GradGradCheck(Func{Tensor[], Tensor[]}, Tensor[], Tensor[], double, double, double, bool, double)"/>
    public static bool GradGradCheck(
        Func<Tensor, Tensor> function,
        Tensor input,
        double eps = 1e-6,
        double atol = 1e-5,
        double rtol = 1e-3,
        bool raiseException = true
    ) => GradGradCheck(i => [function(i[0])], [input], null, eps, atol, rtol, raiseException);
}

/// <summary>Gradients and differences do not agree; the message names the element.</summary>
public sealed class GradCheckException : Exception
{
    internal GradCheckException(string message)
        : base(message) { }
}
