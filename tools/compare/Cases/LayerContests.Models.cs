using Picograd.Algorithms;
using TorchSharp;
using Functional = TorchSharp.torch.nn.functional;

namespace Picograd.Compare.Cases;

// The layers of nanoGPT (384 wide, 6 heads, 4 sequences of 256) and of ResNet-18 (8 images), of which each is met somewhere in them.
internal static partial class LayerContests
{
    private static IEnumerable<Contest> OfNanoGpt()
    {
        const long Rows = 1024;
        foreach (
            var (what, inputs, outputs) in new[]
            {
                ("qkv", 384L, 1152L),
                ("projection", 384, 384),
                ("up", 384, 1536),
                ("down", 1536, 384),
                ("head", 384, 65),
            }
        )
        {
            yield return Layer(
                $"GPT Linear {what} {inputs}x{outputs}",
                [Rows, inputs],
                () => new Linear(inputs, outputs),
                () => torch.nn.Linear(inputs, outputs)
            );
        }
        yield return Layer("GPT LayerNorm 384", [Rows, 384], () => new LayerNorm(384), () => torch.nn.LayerNorm(384));
        yield return Function(
            "GPT Gelu",
            [
                [Rows, 1536],
            ],
            t => F.Gelu(t[0]),
            t => Functional.gelu(t[0])
        );
        yield return Function(
            "GPT residual",
            [
                [Rows, 384],
                [Rows, 384],
            ],
            t => t[0] + t[1],
            t => t[0] + t[1]
        );
        yield return Function(
            "GPT attention of qkv",
            [
                [4, 256, 1152],
            ],
            t => Heads(t[0]),
            t => Heads(t[0])
        );
        long[] tokens = Places((int)Rows, 65);
        yield return Function(
            "GPT Embedding 65x384",
            [
                [65, 384],
            ],
            () =>
            {
                var places = Tensor.From<long>(tokens).Keep();
                return t => F.Embedding(t[0], places);
            },
            () =>
            {
                var places = torch.tensor(tokens);
                return t => t[0].index_select(0, places);
            }
        );
        yield return Function(
            "GPT cross-entropy 1024x65",
            [
                [Rows, 65],
            ],
            () =>
            {
                var places = Tensor.From<long>(tokens).Keep();
                return t => F.CrossEntropy(t[0], places);
            },
            () =>
            {
                var places = torch.tensor(tokens);
                return t => Functional.cross_entropy(t[0], places);
            }
        );
    }

    private static Tensor Heads(Tensor qkv)
    {
        var parts = qkv.Split(384, 2);
        Tensor Head(int i) => parts[i].View(4, 256, 6, 64).Transpose(1, 2);
        var y = F.ScaledDotProductAttention(Head(0), Head(1), Head(2), isCausal: true);
        return y.Transpose(1, 2).Contiguous().View(4, 256, 384);
    }

    private static TorchTensor Heads(TorchTensor qkv)
    {
        var parts = qkv.split(384, 2);
        TorchTensor Head(int i) => parts[i].view(4, 256, 6, 64).transpose(1, 2);
        var y = Functional.scaled_dot_product_attention(Head(0), Head(1), Head(2), is_casual: true);
        return y.transpose(1, 2).contiguous().view(4, 256, 384);
    }

    private static IEnumerable<Contest> OfResNet()
    {
        yield return Conv(3, 64, 7, 2, 3, 224);
        long size = 56;
        for (long channels = 64; channels <= 512; channels *= 2, size /= 2)
        {
            if (channels > 64)
            {
                yield return Conv(channels / 2, channels, 3, 2, 1, size * 2);
                yield return Conv(channels / 2, channels, 1, 2, 0, size * 2);
            }
            yield return Conv(channels, channels, 3, 1, 1, size);
            long c = channels;
            yield return Layer(
                $"ResNet BatchNorm2d {c} {size}x{size}",
                [8, c, size, size],
                () => new BatchNorm2d(c),
                () => torch.nn.BatchNorm2d(c)
            );
        }
        yield return Function(
            "ResNet Relu 64 56x56",
            [
                [8, 64, 56, 56],
            ],
            t => F.Relu(t[0]),
            t => Functional.relu(t[0])
        );
        yield return Layer(
            "ResNet MaxPool2d 64 112x112",
            [8, 64, 112, 112],
            () => new MaxPool2d(3, 2, 1),
            () => torch.nn.MaxPool2d(3, 2, 1)
        );
        yield return Function(
            "ResNet mean of 512 7x7",
            [
                [8, 512, 7, 7],
            ],
            t => F.AdaptiveAvgPool2d(t[0], 1).Flatten(1),
            t => Functional.adaptive_avg_pool2d(t[0], 1).flatten(1)
        );
        yield return Layer(
            "ResNet Linear 512x1000",
            [8, 512],
            () => new Linear(512, 1000),
            () => torch.nn.Linear(512, 1000)
        );
    }

    private static Contest Conv(long inputs, long outputs, long kernel, long stride, long padding, long size) =>
        Layer(
            $"ResNet Conv2d {inputs}->{outputs} {kernel}x{kernel} s{stride} {size}x{size}",
            [8, inputs, size, size],
            () => new Conv2d(inputs, outputs, (int)kernel, (int)stride, (int)padding, bias: false),
            () => torch.nn.Conv2d(inputs, outputs, kernel, stride, padding, bias: false)
        );

    private static long[] Places(int count, long below)
    {
        var random = new Random(5);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextInt64(below))];
    }

    private static Contest Layer(
        string name,
        long[] shape,
        Func<Module> ours,
        Func<torch.nn.Module<TorchTensor, TorchTensor>> theirs
    ) =>
        Layer(
            name,
            shape,
            ours,
            () => theirs(),
            m => x => m.Forward(x),
            m => x => ((torch.nn.Module<TorchTensor, TorchTensor>)m).forward(x)
        );

    private static Contest Function(
        string name,
        long[][] shapes,
        Func<Tensor[], Tensor> ours,
        Func<TorchTensor[], TorchTensor> theirs
    ) => Function(name, shapes, () => ours, () => theirs);

    private static Contest Function(
        string name,
        long[][] shapes,
        Func<Func<Tensor[], Tensor>> ours,
        Func<Func<TorchTensor[], TorchTensor>> theirs
    ) =>
        new(
            $"layers {name}, forward and backward",
            () =>
            {
                Tensor[] inputs = [.. shapes.Select(s => Tensor.Randn(s).Keep().RequiresGrad_())];
                var run = ours();
                Tensor? ones = null;
                return () =>
                {
                    using var scope = Tensor.Scope();
                    var y = run(inputs);
                    ones ??= Tensor.OnesLike(y.Detach()).Keep();
                    y.Backward(ones);
                    foreach (var x in inputs)
                        x.ZeroGrad_();
                };
            },
            () =>
            {
                TorchTensor[] inputs = [.. shapes.Select(s => torch.randn(s, requires_grad: true))];
                var run = theirs();
                TorchTensor? ones = null;
                return () =>
                {
                    using var scope = torch.NewDisposeScope();
                    var y = run(inputs);
                    ones ??= torch.ones_like(y).DetachFromDisposeScope();
                    torch.autograd.grad([y], inputs, [ones]);
                };
            }
        );
}
