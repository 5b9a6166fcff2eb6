using TorchSharp;
using Functional = TorchSharp.torch.nn.functional;

namespace Picograd.Compare.Cases;

/// <summary>What <c>compare speed --filter "norms "</c> times: softmax, norms and losses of many shapes, forward and with their gradients.</summary>
internal static class NormContests
{
    private static readonly long[][] Matrices =
    [
        [1, 50257],
        [8192, 8],
        [4096, 4096],
        [1000, 1000],
        [17, 100000],
        [64, 27],
        [4096, 768],
    ];

    // Batch, channels, elements.
    private static readonly long[][] Images =
    [
        [32, 64, 28, 28],
        [8, 256, 14, 14],
        [128, 16, 7, 7],
        [1, 3, 224, 224],
    ];

    public static IEnumerable<Contest> All()
    {
        foreach (long[] shape in Matrices)
        {
            long n = shape[1];
            long[] last = [n];
            foreach (
                var contest in Pair("softmax", [shape], t => t[0].Softmax(), t => t[0].softmax(-1))
                    .Concat(Pair("log_softmax", [shape], t => t[0].LogSoftmax(), t => t[0].log_softmax(-1)))
                    .Concat(
                        Pair(
                            "layer_norm",
                            [shape, last, last],
                            t => F.LayerNorm(t[0], last, t[1], t[2]),
                            t => Functional.layer_norm(t[0], last, t[1], t[2])
                        )
                    )
                    .Concat(Pair("rms_norm", [shape, last], t => F.RmsNorm(t[0], last, t[1], 1e-6), Rms))
                    .Concat(CrossEntropy(shape))
            )
                yield return contest;
        }
        foreach (
            var contest in Pair(
                    "softmax(1)",
                    [
                        [64, 100, 49],
                    ],
                    t => t[0].Softmax(1),
                    t => t[0].softmax(1)
                )
                .Concat(
                    Pair(
                        "softmax(0)",
                        [
                            [1000, 777],
                        ],
                        t => t[0].Softmax(0),
                        t => t[0].softmax(0)
                    )
                )
                .Concat(
                    Pair(
                        "log_softmax(1)",
                        [
                            [8, 21, 4096],
                        ],
                        t => t[0].LogSoftmax(1),
                        t => t[0].log_softmax(1)
                    )
                )
        )
            yield return contest;
        foreach (long[] shape in Images)
        {
            long[] channels = [shape[1]];
            long groups = shape[1] % 8 == 0 ? 8 : shape[1];
            foreach (
                var contest in Pair(
                        "batch_norm",
                        [shape, channels, channels],
                        t => F.BatchNorm(t[0], null, null, t[1], t[2], training: true),
                        t => Functional.batch_norm(t[0], null!, null!, t[1], t[2], training: true)
                    )
                    .Concat(
                        Pair(
                            "group_norm",
                            [shape, channels, channels],
                            t => F.GroupNorm(t[0], groups, t[1], t[2]),
                            t => Functional.group_norm(t[0], groups, t[1], t[2])
                        )
                    )
                    .Concat(
                        Pair(
                            "instance_norm",
                            [shape, channels, channels],
                            t => F.InstanceNorm(t[0], weight: t[1], bias: t[2]),
                            t => Functional.instance_norm(t[0], null!, null!, t[1], t[2])
                        )
                    )
            )
                yield return contest;
        }
        foreach (long[] shape in new long[][] { [1000], [256, 512], [1024, 1024], [4096, 1000] })
        foreach (
            var contest in Pair(
                "mse_loss",
                [shape, shape],
                t => F.MseLoss(t[0], t[1]),
                t => Functional.mse_loss(t[0], t[1])
            )
        )
            yield return contest;
    }

    // TorchSharp has no function of it but the module's.
    private static TorchTensor Rms(TorchTensor[] t) =>
        t[0] * torch.rsqrt(t[0].square().mean([-1], keepdim: true) + 1e-6) * t[1];

    private static IEnumerable<Contest> CrossEntropy(long[] shape)
    {
        string text = string.Join('x', shape);
        yield return Contest.Of(
            $"norms cross_entropy {text}",
            () =>
            {
                var (x, y) = (Tensor.Randn(shape).Keep(), Tensor.RandInt(0, shape[1], [shape[0]]).Keep());
                return () => F.CrossEntropy(x, y);
            },
            () =>
            {
                var (x, y) = (torch.randn(shape), torch.randint(0, shape[1], [shape[0]]));
                return () => Functional.cross_entropy(x, y);
            }
        );
        yield return Contest.Of(
            $"norms cross_entropy {text}, and backward",
            () =>
            {
                var x = Tensor.Randn(shape).Keep().RequiresGrad_();
                var y = Tensor.RandInt(0, shape[1], [shape[0]]).Keep();
                return () =>
                {
                    F.CrossEntropy(x, y).Backward();
                    x.Grad = null;
                    return Tensor.Zeros([]);
                };
            },
            () =>
            {
                var x = torch.randn(shape, requires_grad: true);
                var y = torch.randint(0, shape[1], [shape[0]]);
                return () =>
                {
                    Functional.cross_entropy(x, y).backward();
                    return Taken([x]);
                };
            }
        );
    }

    private static IEnumerable<Contest> Pair(
        string name,
        long[][] shapes,
        Func<Tensor[], Tensor> ours,
        Func<TorchTensor[], TorchTensor> theirs
    )
    {
        string text = $"norms {name} {string.Join('x', shapes[0])}";
        yield return Contest.Of(
            text,
            () =>
            {
                var inputs = Array.ConvertAll(shapes, s => Tensor.Randn(s).Keep());
                return () => ours(inputs);
            },
            () =>
            {
                var inputs = Array.ConvertAll(shapes, s => torch.randn(s));
                return () => theirs(inputs);
            }
        );
        yield return Contest.Of(
            $"{text}, and backward",
            () =>
            {
                var inputs = Array.ConvertAll(shapes, s => Tensor.Randn(s).Keep().RequiresGrad_());
                var grad = Tensor.Randn([.. ours(inputs).Shape]).Keep();
                return () =>
                {
                    ours(inputs).Backward(grad);
                    foreach (var x in inputs)
                        x.Grad = null;
                    return Tensor.Zeros([]);
                };
            },
            () =>
            {
                var inputs = Array.ConvertAll(shapes, s => torch.randn(s, requires_grad: true));
                var grad = torch.randn(theirs(inputs).shape);
                return () =>
                {
                    theirs(inputs).backward([grad]);
                    return Taken(inputs);
                };
            }
        );
    }

    // As ours: gradients are let go of, not cleared.
    private static TorchTensor Taken(TorchTensor[] inputs)
    {
        foreach (var x in inputs)
        {
            using var grad = x.grad;
            x.grad = null;
        }
        return torch.zeros([]);
    }
}
