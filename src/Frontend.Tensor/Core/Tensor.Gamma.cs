using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

// Computed on the host, in float64 and rounded once; integers and bools give float32.
public sealed partial class Tensor
{
    /// <summary>
    /// The regularised lower incomplete gamma function P(a, x), a being this one. Its gradient is that by <paramref name="other"/>, x, as in
    /// PyTorch.
    /// </summary>
    public Tensor Igamma(Tensor other) => new IncompleteGammaFunction(lower: true).Apply(this, Given(other));

    /// <summary>The upper one, Q(a, x) = 1 − P(a, x).</summary>
    /// <inheritdoc cref="Igamma"/>
    public Tensor Igammac(Tensor other) => new IncompleteGammaFunction(lower: false).Apply(this, Given(other));

    /// <summary>Hurwitz's zeta function Σ (k + q)⁻ˣ. Its gradient is that by q, as in PyTorch.</summary>
    internal static Tensor Zeta(Tensor x, Tensor q) => new ZetaFunction().Apply(x, q);

    private static unsafe Tensor OnHost(string name, Tensor a, Tensor b, Func<double, double, double> function)
    {
        var type = Promotion.Float(Promotion.Of(a, b));
        _ = CommonDevice.Joined(name, a.Runtime, b.Runtime);
        var pair = BroadcastTensors(a, b);
        long[] sizes = [.. pair[0].Shape];
        var device = a.Rank > 0 ? a.Device : b.Device;
        if (device.IsMeta)
            return Empty(sizes, type, device);
        var x = Copying.DenseOf(pair[0].To(DType.Float64)).OnCpu();
        var y = Copying.DenseOf(pair[1].To(DType.Float64)).OnCpu();
        Executor.Listening?.HostReads(x);
        Executor.Listening?.HostReads(y);
        double[] values = new double[x.NumElements];
        for (long i = 0; i < values.Length; i++)
            values[i] = function(((double*)x.Address)[i], ((double*)y.Address)[i]);
        GC.KeepAlive(x);
        GC.KeepAlive(y);
        return Held<double>(values, sizes).To(type).ToDevice(device);
    }

    // Of a promoted dtype and a broadcast shape, as its input.
    private static Tensor AsInput(Tensor grad, Tensor input) => grad.SumTo(input.Layout).To(input.DType);

    private static InvalidOperationException NotImplemented(string what, string by) =>
        new($"{what}: the derivative by {by} is not implemented, as in PyTorch; detach it.");

    private sealed class IncompleteGammaFunction(bool lower) : Function
    {
        public override Tensor Forward(FunctionContext context, params Tensor[] inputs)
        {
            context.SaveForBackward(inputs);
            return lower
                ? OnHost("igamma", inputs[0], inputs[1], IncompleteGamma.Lower)
                : OnHost("igammac", inputs[0], inputs[1], IncompleteGamma.Upper);
        }

        public override Tensor?[] Backward(FunctionContext context, Tensor gradient)
        {
            if (context.NeedsInputGrad[0])
                throw NotImplemented(lower ? "igamma" : "igammac", "the first argument");
            var (a, x) = (context.SavedTensors[0].To(gradient.DType), context.SavedTensors[1]);
            var of = x.To(gradient.DType);
            var slope = ((a - 1) * of.Log() - of - a.Lgamma()).Exp();
            return [null, AsInput(gradient * (lower ? slope : -slope), x)];
        }
    }

    private sealed class ZetaFunction : Function
    {
        public override Tensor Forward(FunctionContext context, params Tensor[] inputs)
        {
            context.SaveForBackward(inputs);
            return OnHost("zeta", inputs[0], inputs[1], IncompleteGamma.Zeta);
        }

        public override Tensor?[] Backward(FunctionContext context, Tensor gradient)
        {
            if (context.NeedsInputGrad[0])
                throw NotImplemented("zeta", "the first argument");
            var (x, q) = (context.SavedTensors[0], context.SavedTensors[1]);
            return [null, AsInput(gradient * -x.To(gradient.DType) * Zeta(x + 1, q), q)];
        }
    }
}
