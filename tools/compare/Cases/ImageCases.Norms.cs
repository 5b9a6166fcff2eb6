using TorchSharp;
using static TorchSharp.torch;
using Functional = TorchSharp.torch.nn.functional;

namespace Picograd.Compare.Cases;

// Norms, running statistics and a network.
internal static partial class ImageCases
{
    private static IEnumerable<Subject> Norms()
    {
        yield return new(
            "LayerNorm",
            d =>
            {
                var type = d.FloatType();
                long[] last = [.. Enumerable.Range(0, d.Between(1, 2)).Select(_ => (long)d.Between(2, 7))];
                var (affine, bias) = (d.Chance(0.7), d.Chance(0.7));
                double eps = d.Pick(1e-5, 1e-3, 0.5);
                Sample[] inputs = [d.Of([.. d.Shape(0, 2), .. last], type, tame: true)];
                Sample[] vectors = affine ? [d.Of(last, type, tame: true)] : [];
                Sample[] more = bias ? [d.Of(last, type, tame: true)] : [];
                int at = affine ? 2 : 1;
                return new Trial(
                    $"LayerNorm({Text(last)}, eps {eps})",
                    [.. inputs, .. vectors, .. more],
                    t => [F.LayerNorm(t[0], last, affine ? t[1] : null, bias ? t[at] : null, eps)],
                    t => [Functional.layer_norm(t[0], last, affine ? t[1] : null, bias ? t[at] : null, eps)]
                )
                {
                    Terms = 256,
                    Degree = 2,
                };
            }
        );
        yield return new(
            "RmsNorm",
            d =>
            {
                var type = d.FloatType();
                long[] last = [.. Enumerable.Range(0, d.Between(1, 2)).Select(_ => (long)d.Between(1, 7))];
                bool affine = d.Chance(0.7);
                double eps = d.Pick(1e-5, 1e-3, 0.5);
                int[] dims = [.. last.Select((_, i) => -1 - i)];
                Sample x = d.Of([.. d.Shape(0, 2), .. last], type, tame: true);
                return new Trial(
                    $"RmsNorm({Text(last)}, eps {eps})",
                    affine ? [x, d.Of(last, type, tame: true)] : [x],
                    t => [F.RmsNorm(t[0], last, affine ? t[1] : null, eps)],
                    t =>
                    {
                        var scaled = t[0] * (t[0].square().mean([.. dims.Select(i => (long)i)], true) + eps).rsqrt();
                        return [affine ? scaled * t[1] : scaled];
                    }
                )
                {
                    Terms = 256,
                    Degree = 2,
                };
            }
        );
        yield return new(
            "GroupNorm",
            d =>
            {
                var type = d.FloatType();
                long groups = d.Between(1, 3);
                long c = groups * d.Between(1, 3) + (d.Chance(0.05) ? 1 : 0);
                bool affine = d.Chance(0.7);
                long[] more = [.. Enumerable.Range(0, d.Between(0, 3)).Select(_ => (long)d.Between(2, 5))];
                Sample x = d.Of([d.Chance(0.1) ? 0 : d.Between(2, 3), c, .. more], type, tame: true);
                return new Trial(
                    $"GroupNorm({groups})",
                    affine ? [x, d.Of([c], type, tame: true), d.Of([c], type, tame: true)] : [x],
                    t => [F.GroupNorm(t[0], groups, affine ? t[1] : null, affine ? t[2] : null)],
                    t => [Functional.group_norm(t[0], groups, affine ? t[1] : null, affine ? t[2] : null)]
                )
                {
                    Terms = 4096,
                    Degree = 2,
                };
            }
        );
        foreach (bool instance in new[] { false, true })
            yield return new(instance ? "InstanceNorm" : "BatchNorm", d => Running(d, instance));
    }

    private static Trial Running(Draw d, bool instance)
    {
        var type = d.FloatType();
        long c = d.Between(1, 4);
        bool training = d.Chance(0.6);
        bool affine = d.Chance(0.7);
        bool running = !training || d.Chance(0.6);
        double momentum = d.Pick(0.1, 1, 0.37);
        long[] more = [.. Enumerable.Range(0, d.Between(instance ? 1 : 0, 3)).Select(_ => (long)d.Between(2, 5))];
        Sample x = d.Of([d.Between(2, 3), c, .. more], type, tame: true);
        // libtorch's gradient takes the gain for contiguous, and reads beyond it where it is repeated.
        Sample[] inputs = affine
            ? [x, d.Of([c], type, tame: true, Placement.Contiguous), d.Of([c], type, tame: true)]
            : [x];
        string text = instance ? "InstanceNorm" : "BatchNorm";
        return new Trial(
            $"{text}(training {training}, running {running}, momentum {momentum})",
            inputs,
            t =>
            {
                var mean = running ? Tensor.Full([c], 0.25, t[0].DType) : null;
                var variance = running ? Tensor.Full([c], 1.5, t[0].DType) : null;
                var (gain, bias) = affine ? (t[1], t[2]) : (null, null);
                var y = instance
                    ? F.InstanceNorm(t[0], mean, variance, gain, bias, training, momentum)
                    : F.BatchNorm(t[0], mean, variance, gain, bias, training, momentum);
                return running ? [y, mean!, variance!] : [y];
            },
            t =>
            {
                var mean = running ? torch.full([c], 0.25, dtype: t[0].dtype) : null;
                var variance = running ? torch.full([c], 1.5, dtype: t[0].dtype) : null;
                var (gain, bias) = affine ? (t[1], t[2]) : (null, null);
                var y = instance
                    ? Functional.instance_norm(t[0], mean, variance, gain, bias, training, momentum)
                    : Functional.batch_norm(t[0], mean, variance, gain, bias, training, momentum);
                return running ? [y, mean!, variance!] : [y];
            }
        )
        {
            Terms = 4096,
            Degree = 2,
        };
    }

    // Five steps of gradient descent from the same weights: the losses, and what became of the filters.
    private static Trial Network(Draw d)
    {
        var type = d.Pick(DType.Float32, DType.Float64);
        long channels = d.Between(1, 3);
        long filters = d.Between(2, 5);
        long size = 2 * d.Between(3, 6);
        long n = d.Between(2, 5);
        bool max = d.Chance(0.5);
        const long Classes = 3;
        Sample[] inputs =
        [
            d.Of([n, channels, size, size], type, tame: true),
            d.Whole([n], DType.Int64, 0, Classes - 1),
            d.Of([filters, channels, 3, 3], type, tame: true),
            d.Of([filters], type, tame: true),
            d.Of([filters], type, tame: true),
            d.Of([filters], type, tame: true),
            d.Of([Classes, filters * size * size / 4], type, tame: true),
        ];
        return new Trial(
            $"a network of images(max {max})",
            inputs,
            t =>
            {
                Tensor[] weights = [.. t[2..].Select(w => (w.Detach() * 0.25).RequiresGrad_())];
                var losses = new List<Tensor>();
                for (int step = 0; step < 5; step++)
                {
                    var y = F.Conv2d(t[0].Detach(), weights[0], weights[1], padding: 1);
                    y = F.BatchNorm(y, null, null, weights[2], weights[3], training: true).Relu();
                    y = max ? F.MaxPool2d(y, 2) : F.AvgPool2d(y, 2);
                    var loss = F.CrossEntropy(F.Linear(y.Flatten(1), weights[4]), t[1]);
                    loss.Backward();
                    losses.Add(loss.Detach());
                    using var off = Tensor.NoGrad();
                    foreach (var w in weights)
                    {
                        w.Copy_(w.Detach() - w.Grad! * 0.1);
                        w.Grad = null;
                    }
                }
                return [.. losses, weights[0].Detach()];
            },
            t =>
            {
                TorchTensor[] weights = [.. t[2..].Select(w => (w.detach() * 0.25).requires_grad_())];
                var losses = new List<TorchTensor>();
                for (int step = 0; step < 5; step++)
                {
                    var y = Functional.conv2d(t[0].detach(), weights[0], weights[1], padding: [1, 1]);
                    y = Functional.batch_norm(y, null, null, weights[2], weights[3], training: true).relu();
                    y = max ? Functional.max_pool2d(y, [2, 2]) : Functional.avg_pool2d(y, [2, 2]);
                    var loss = Functional.cross_entropy(Functional.linear(y.flatten(1), weights[4]), t[1]);
                    loss.backward();
                    losses.Add(loss.detach());
                    using var off = torch.no_grad();
                    foreach (var w in weights)
                    {
                        w.copy_(w.detach() - w.grad! * 0.1);
                        w.grad = null;
                    }
                }
                return [.. losses, weights[0].detach()];
            }
        )
        {
            Terms = 4096,
            Degree = 2,
            Gradients = false,
        };
    }
}
