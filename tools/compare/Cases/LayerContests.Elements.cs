using Picograd.Algorithms;
using TorchSharp;
using Functional = TorchSharp.torch.nn.functional;

namespace Picograd.Compare.Cases;

// Other activations, losses, norms, pools and pads, forward and backward.
internal static partial class LayerContests
{
    private static IEnumerable<Contest> OfActivations() =>
        (
            ((string, Func<Tensor, Tensor>, Func<TorchTensor, TorchTensor>)[])
                [
                    ("Relu6", x => F.Relu6(x), x => Functional.relu6(x)),
                    ("Sigmoid", x => x.Sigmoid(), x => x.sigmoid()),
                    ("Tanh", x => x.Tanh(), x => x.tanh()),
                    ("Softplus", x => F.Softplus(x), x => Functional.softplus(x, 1, 20)),
                    ("Hardtanh", x => F.Hardtanh(x), x => Functional.hardtanh(x, -1, 1)),
                    ("Hardsigmoid", x => F.Hardsigmoid(x), x => Functional.hardsigmoid(x)),
                    ("Selu", x => F.Selu(x), x => Functional.selu(x)),
                    ("Celu", x => F.Celu(x), x => Functional.celu(x, 1)),
                    ("Softsign", x => F.Softsign(x), x => Functional.softsign(x)),
                    ("Tanhshrink", x => F.Tanhshrink(x), x => Functional.tanhshrink(x)),
                    ("Softshrink", x => F.Softshrink(x), x => Functional.softshrink(x)),
                    ("Hardshrink", x => F.Hardshrink(x), x => Functional.hardshrink(x)),
                    ("Threshold", x => F.Threshold(x, 0.1, 20), x => Functional.threshold(x, 0.1, 20)),
                    ("Softmax", x => x.Softmax(), x => x.softmax(-1)),
                    ("LogSoftmax", x => x.LogSoftmax(), x => x.log_softmax(-1)),
                    ("Clamp", x => x.Clamp(-1, 1), x => x.clamp(-1, 1)),
                    ("Abs", x => x.Abs(), x => x.abs()),
                    ("chunks", x => Product(x.Chunk(3, 1)), x => Product(x.chunk(3, 1))),
                    ("columns 3 to 1000", x => x[.., 3..1000].Exp(), x => x.narrow(1, 3, 997).exp()),
                ]
        ).Select(c => Function($"{c.Item1} 1024x1536", c.Item2, c.Item3));

    private static Tensor Product(Tensor[] parts) => parts[0] * parts[1] + parts[2];

    private static TorchTensor Product(TorchTensor[] parts) => parts[0] * parts[1] + parts[2];

    private static IEnumerable<Contest> OfLosses()
    {
        foreach (
            var (name, ours, theirs) in ((
                string,
                Func<Tensor, Tensor, Tensor>,
                Func<TorchTensor, TorchTensor, TorchTensor>
            )[])
                [
                    ("MSE", (x, y) => F.MseLoss(x, y), (x, y) => Functional.mse_loss(x, y)),
                    ("L1", (x, y) => F.L1Loss(x, y), (x, y) => Functional.l1_loss(x, y)),
                    ("Huber", (x, y) => F.HuberLoss(x, y), (x, y) => Functional.huber_loss(x, y)),
                    (
                        "BCE",
                        (x, y) => F.BinaryCrossEntropy(x.Sigmoid(), y),
                        (x, y) => Functional.binary_cross_entropy(x.sigmoid(), y)
                    ),
                    (
                        "BCE with logits of targets",
                        (x, y) => F.BinaryCrossEntropyWithLogits(x, y),
                        (x, y) => Functional.binary_cross_entropy_with_logits(x, y)
                    ),
                    ("KL of targets", (x, y) => F.KlDiv(x, y), (x, y) => Functional.kl_div(x, y)),
                    ("Poisson NLL", (x, y) => F.PoissonNllLoss(x, y), (x, y) => Functional.poisson_nll_loss(x, y)),
                    ("soft margin", (x, y) => F.SoftMarginLoss(x, y), (x, y) => Functional.soft_margin_loss(x, y)),
                ]
        )
        {
            yield return Function(
                $"{name} 256x1000",
                [
                    [256, 1000],
                ],
                () =>
                {
                    var y = Tensor.Rand([256, 1000]).Keep();
                    return t => ours(t[0], y);
                },
                () =>
                {
                    var y = torch.rand(256, 1000);
                    return t => theirs(t[0], y);
                }
            );
        }
        long[] targets = Places(256, 1000);
        yield return Function(
            "NLL 256x1000",
            [
                [256, 1000],
            ],
            () =>
            {
                var places = Tensor.From<long>(targets).Keep();
                return t => F.NllLoss(t[0], places);
            },
            () =>
            {
                var places = torch.tensor(targets);
                return t => Functional.nll_loss(t[0], places);
            }
        );
        yield return Function(
            "cross-entropy with weights 256x1000",
            [
                [256, 1000],
            ],
            () =>
            {
                var (places, weight) = (Tensor.From<long>(targets).Keep(), Tensor.Rand([1000]).Keep());
                return t => F.CrossEntropy(t[0], places, weight: weight);
            },
            () =>
            {
                var (places, weight) = (torch.tensor(targets), torch.rand(1000));
                return t => Functional.cross_entropy(t[0], places, weight);
            }
        );
        yield return Function(
            "cross-entropy of probabilities 256x1000",
            [
                [256, 1000],
            ],
            () =>
            {
                var y = Tensor.Rand([256, 1000]).Softmax().Keep();
                return t => F.CrossEntropy(t[0], y);
            },
            () =>
            {
                var y = torch.rand(256, 1000).softmax(-1);
                return t => Functional.cross_entropy(t[0], y);
            }
        );
        long[] pixels = Places(8 * 64 * 64, 21);
        yield return Function(
            "cross-entropy of images 8x21x64x64",
            [
                [8, 21, 64, 64],
            ],
            () =>
            {
                var places = Tensor.From<long>(pixels, [8, 64, 64]).Keep();
                return t => F.CrossEntropy(t[0], places);
            },
            () =>
            {
                var places = torch.tensor(pixels).view(8, 64, 64);
                return t => Functional.cross_entropy(t[0], places);
            }
        );
    }

    private static IEnumerable<Contest> OfImages()
    {
        long[] images = [8, 64, 56, 56];
        yield return Layer(
            "GroupNorm 8 of 64 56x56",
            images,
            () => new GroupNorm(8, 64),
            () => torch.nn.GroupNorm(8, 64)
        );
        yield return Layer(
            "InstanceNorm2d 64 56x56",
            images,
            () => new InstanceNorm2d(64),
            () => torch.nn.InstanceNorm2d(64)
        );
        yield return Layer("AvgPool2d 2 64 56x56", images, () => new AvgPool2d(2), () => torch.nn.AvgPool2d(2));
        yield return Layer("MaxPool2d 2 64 56x56", images, () => new MaxPool2d(2), () => torch.nn.MaxPool2d(2));
        yield return Layer(
            "Conv2d depthwise 64 3x3 56x56",
            images,
            () => new Conv2d(64, 64, 3, 1, 1, groups: 64),
            () => torch.nn.Conv2d(64, 64, 3, 1, 1, groups: 64)
        );
        yield return Layer(
            "Conv2d depthwise 64 3x3 s2 56x56",
            images,
            () => new Conv2d(64, 64, 3, 2, 1, groups: 64),
            () => torch.nn.Conv2d(64, 64, 3, 2, 1, groups: 64)
        );
        yield return Layer(
            "ConvTranspose2d 64->32 2x2 s2 28x28",
            [8, 64, 28, 28],
            () => new ConvTranspose2d(64, 32, 2, 2),
            () => torch.nn.ConvTranspose2d(64, 32, 2, 2)
        );
        yield return Layer(
            "Conv1d 64->64 3 of 512",
            [8, 64, 512],
            () => new Conv1d(64, 64, 3, 1, 1),
            () => torch.nn.Conv1d(64, 64, 3, 1, 1)
        );
        yield return Function(
            "upsample nearest 64 56x56",
            [images],
            t => F.Interpolate(t[0], scaleFactor: [2, 2], mode: "nearest"),
            t => Functional.interpolate(t[0], scale_factor: [2, 2], mode: torch.InterpolationMode.Nearest)
        );
        yield return Function(
            "pad 64 56x56",
            [images],
            t => F.Pad(t[0], [1, 1, 1, 1]),
            t => Functional.pad(t[0], [1, 1, 1, 1])
        );
    }
}
