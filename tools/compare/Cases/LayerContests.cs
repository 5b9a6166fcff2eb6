using TorchSharp;
using Functional = TorchSharp.torch.nn.functional;

namespace Picograd.Compare.Cases;

/// <summary>Layers forward and backward, their parameters' gradients with it, at the sizes of nanoGPT, ResNet-18 and an LSTM of 256; steps of optimizers.</summary>
internal static partial class LayerContests
{
    public static IEnumerable<Contest> All()
    {
        yield return Layer(
            "LSTM 256, 64 steps of 32",
            [64, 32, 256],
            () => new LSTM(256, 256),
            () => torch.nn.LSTM(256, 256),
            m => x => ((LSTM)m).Forward(x, null).Output,
            m => x => ((TorchSharp.Modules.LSTM)m).forward(x).Item1
        );
        yield return Layer(
            "LSTM 256, 64 steps of 1",
            [64, 1, 256],
            () => new LSTM(256, 256),
            () => torch.nn.LSTM(256, 256),
            m => x => ((LSTM)m).Forward(x, null).Output,
            m => x => ((TorchSharp.Modules.LSTM)m).forward(x).Item1
        );
        yield return Layer(
            "GRU 256, 64 steps of 32",
            [64, 32, 256],
            () => new GRU(256, 256),
            () => torch.nn.GRU(256, 256),
            m => x => ((GRU)m).Forward(x, null).Output,
            m => x => ((TorchSharp.Modules.GRU)m).forward(x).Item1
        );
        yield return Layer(
            "MultiheadAttention 384, 6 heads, 256 places of 4",
            [256, 4, 384],
            () => new MultiheadAttention(384, 6),
            () => torch.nn.MultiheadAttention(384, 6),
            m => x => m.Forward(x),
            m => x => ((TorchSharp.Modules.MultiheadAttention)m).forward(x, x, x, null!, false, null!).Item1
        );
        yield return Layer(
            "TransformerEncoderLayer 384, 6 heads, 256 places of 4",
            [256, 4, 384],
            () => new TransformerEncoderLayer(384, 6, 1536, 0, "gelu"),
            () => torch.nn.TransformerEncoderLayer(384, 6, 1536, 0, torch.nn.Activations.GELU),
            m => x => m.Forward(x),
            m => x => ((TorchSharp.Modules.TransformerEncoderLayer)m).forward(x)
        );
        foreach (
            var (name, ours, theirs) in ((string, Func<Tensor, Tensor>, Func<TorchTensor, TorchTensor>)[])
                [
                    (
                        "Gelu tanh",
                        x => F.Gelu(x, "tanh"),
                        x => Functional.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh)
                    ),
                    ("Silu", x => F.Silu(x), x => Functional.silu(x)),
                    ("Mish", x => F.Mish(x), x => Functional.mish(x)),
                    ("Elu", x => F.Elu(x), x => Functional.elu(x, 1)),
                    ("LeakyRelu", x => F.LeakyRelu(x), x => Functional.leaky_relu(x, 0.01)),
                    ("Hardswish", x => F.Hardswish(x), x => Functional.hardswish(x)),
                    ("LogSigmoid", x => F.LogSigmoid(x), x => Functional.logsigmoid(x)),
                    ("Glu", x => F.Glu(x), x => Functional.glu(x, -1)),
                    ("Dropout", x => F.Dropout(x, 0.2), x => Functional.dropout(x, 0.2)),
                    (
                        "BCE with logits",
                        x => F.BinaryCrossEntropyWithLogits(x, x.Detach().Sigmoid()),
                        x => Functional.binary_cross_entropy_with_logits(x, x.detach().sigmoid())
                    ),
                    ("Smooth L1", x => F.SmoothL1Loss(x, -x.Detach()), x => Functional.smooth_l1_loss(x, -x.detach())),
                    ("KL", x => F.KlDiv(x, x.Detach().Sigmoid()), x => Functional.kl_div(x, x.detach().sigmoid())),
                ]
        )
            yield return Function($"{name} 1024x1536", ours, theirs);
        foreach (
            var contest in (IEnumerable<Contest>)
                [.. OfNanoGpt(), .. OfResNet(), .. OfActivations(), .. OfLosses(), .. OfImages(), .. OfOptimizers()]
        )
            yield return contest;
    }

    private static Contest Function(string name, Func<Tensor, Tensor> ours, Func<TorchTensor, TorchTensor> theirs) =>
        new(
            $"layers {name}, forward and backward",
            () =>
            {
                var x = Tensor.Randn([1024, 1536]).Keep().RequiresGrad_();
                Tensor? ones = null;
                return () =>
                {
                    using var scope = Tensor.Scope();
                    var y = ours(x);
                    ones ??= Tensor.OnesLike(y.Detach()).Keep();
                    y.Backward(ones);
                    x.ZeroGrad_();
                };
            },
            () =>
            {
                var x = torch.randn([1024, 1536], requires_grad: true);
                TorchTensor? ones = null;
                return () =>
                {
                    using var scope = torch.NewDisposeScope();
                    var y = theirs(x);
                    ones ??= torch.ones_like(y).DetachFromDisposeScope();
                    torch.autograd.grad([y], [x], [ones]);
                };
            }
        );

    private static Contest Layer(
        string name,
        long[] shape,
        Func<Module> ours,
        Func<torch.nn.Module> theirs,
        Func<Module, Func<Tensor, Tensor>> run,
        Func<torch.nn.Module, Func<TorchTensor, TorchTensor>> runThere
    ) =>
        new(
            $"layers {name}, forward and backward",
            () =>
            {
                var module = ours();
                var x = Tensor.Randn(shape).Keep().RequiresGrad_();
                var forward = run(module);
                Tensor? ones = null;
                return () =>
                {
                    using var scope = Tensor.Scope();
                    var y = forward(x);
                    ones ??= Tensor.OnesLike(y.Detach()).Keep();
                    y.Backward(ones);
                    x.ZeroGrad_();
                    module.ZeroGrad();
                };
            },
            () =>
            {
                var module = theirs();
                var x = torch.randn(shape, requires_grad: true);
                var forward = runThere(module);
                TorchTensor[] inputs = [x, .. module.parameters()];
                TorchTensor? ones = null;
                return () =>
                {
                    using var scope = torch.NewDisposeScope();
                    var y = forward(x);
                    ones ??= torch.ones_like(y).DetachFromDisposeScope();
                    torch.autograd.grad([y], inputs, [ones]);
                };
            }
        );
}
