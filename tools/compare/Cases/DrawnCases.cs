using TorchSharp;
using static TorchSharp.torch;
using TorchPadding = TorchSharp.Padding;

namespace Picograd.Compare.Cases;

/// <summary>Random numbers by their moments, and convolutions whose padding is not a number.</summary>
internal static class DrawnCases
{
    private const long Draws = 20_000;

    // Moments of so many draws differ by less than a hundredth, in the units of float32 that cases count in.
    private const double Loose = 1e6;

    public static IEnumerable<Subject> All =>
        [
            new("Bernoulli", d => Bernoulli(d, inPlace: false)),
            new("Bernoulli_", d => Bernoulli(d, inPlace: true)),
            new("Normal", Normal),
            new("RandPerm", Permutation),
            .. Enumerable.Range(1, 2).Select(rank => new Subject($"Conv{rank}d padding", d => Padded(d, rank))),
        ];

    private static Trial Bernoulli(Draw d, bool inPlace)
    {
        double p = d.Pick(0.25, 0.5, 0.75, 1);
        var type = d.Pick(DType.Float32, DType.Float64);
        return new Trial(
            $"Bernoulli({p}, {inPlace})",
            [new Sample([], type, Placement.Contiguous, new[] { p })],
            t =>
            {
                var drawn = inPlace ? Tensor.Empty([Draws], type).Bernoulli_(p) : t[0].Expand([Draws]).Bernoulli();
                return [drawn.Mean(), (drawn * drawn).Mean()];
            },
            t =>
            {
                var drawn = inPlace ? torch.empty(Draws, t[0].dtype).bernoulli_(p) : t[0].expand(Draws).bernoulli();
                return [drawn.mean(), (drawn * drawn).mean()];
            }
        )
        {
            Units = type == DType.Float64 ? Loose * (1L << 29) : Loose,
            Gradients = false,
        };
    }

    private static Trial Normal(Draw d)
    {
        var (mean, std) = (d.Pick(2.0, 3), d.Pick(0.5, 1.0));
        int form = d.Between(0, 2);
        return new Trial(
            $"Normal({mean}, {std}, {form})",
            [Number(mean), Number(std)],
            t =>
            {
                var drawn = form switch
                {
                    0 => Tensor.Normal(t[0].Expand([Draws]), t[1].Expand([Draws])),
                    1 => Tensor.Normal(mean, std, [Draws]),
                    _ => Tensor.Empty([Draws]).Normal_(mean, std),
                };
                var apart = drawn - mean;
                return [drawn.Mean(), (apart * apart).Mean() + 1, (apart * apart * apart * apart).Mean() + 10];
            },
            t =>
            {
                var drawn =
                    form == 0
                        ? torch.normal(t[0].expand(Draws), t[1].expand(Draws))
                        : torch.empty(Draws).normal_(mean, std);
                var apart = drawn - mean;
                return [drawn.mean(), (apart * apart).mean() + 1, (apart * apart * apart * apart).mean() + 10];
            }
        )
        {
            Units = Loose,
            Gradients = false,
        };
    }

    private static Sample Number(double value) => new([], DType.Float32, Placement.Contiguous, new[] { value });

    private static Trial Permutation(Draw d)
    {
        // TorchSharp does not ask whether libtorch has refused.
        long n = d.Between(0, 100);
        var (ours, theirs) = d.Pick(
            (DType.Int64, ScalarType.Int64),
            (DType.Int32, ScalarType.Int32),
            (DType.Float32, ScalarType.Float32),
            (DType.Int16, ScalarType.Int16)
        );
        // Each number once, and of many not in order.
        return new Trial(
            $"RandPerm({n}, {ours})",
            [],
            _ =>
            {
                var drawn = Tensor.RandPerm(n, dtype: ours);
                return [drawn.Sort().Values, drawn.Eq(Tensor.Arange(n).To(ours)).Sum() > 30];
            },
            _ =>
            {
                var drawn = torch.randperm(n, theirs);
                return [drawn.sort().Values, drawn.eq(torch.arange(n).to_type(theirs)).sum() > 30];
            }
        );
    }

    private static Trial Padded(Draw d, int rank)
    {
        var (mode, theirs) = d.Pick(
            ("zeros", PaddingModes.Zeros),
            ("reflect", PaddingModes.Reflect),
            ("replicate", PaddingModes.Replicate),
            ("circular", PaddingModes.Circular)
        );
        bool same = d.Chance(0.5);
        long kernel = d.Between(1, 4);
        long dilation = d.Between(1, 2);
        long padding = d.Between(0, 2);
        long stride = same ? 1 : d.Between(1, 2);
        long[] size = [.. Enumerable.Range(0, rank).Select(_ => (long)d.Between(7, 9))];
        long[] filters = [3, 2, .. Enumerable.Repeat(kernel, rank)];
        return new Trial(
            $"Conv{rank}d padding({(same ? "same" : padding)}, {mode}, {kernel}, {stride}, {dilation})",
            [
                d.Of([d.Between(1, 2), 2, .. size], DType.Float32, tame: true),
                d.Of(filters, DType.Float32, tame: true, Placement.Contiguous),
            ],
            t =>
            {
                PerDimension pad = same ? "same" : padding;
                using (Tensor.NoGrad())
                {
                    var weight = t[1].Detach();
                    if (rank == 1)
                    {
                        var one = new Conv1d(2, 3, kernel, stride, pad, dilation, bias: false, paddingMode: mode);
                        one.Weight.Copy_(weight);
                        return [one.Forward(t[0].Detach())];
                    }
                    var two = new Conv2d(2, 3, kernel, stride, pad, dilation, bias: false, paddingMode: mode);
                    two.Weight.Copy_(weight);
                    return [two.Forward(t[0].Detach())];
                }
            },
            t =>
            {
                using var none = torch.no_grad();
                var weight = new TorchSharp.Modules.Parameter(t[1].detach());
                if (rank == 1)
                {
                    var one = same
                        ? nn.Conv1d(2, 3, kernel, TorchPadding.Same, stride, dilation, theirs, 1, false)
                        : nn.Conv1d(2, 3, kernel, stride, padding, dilation, theirs, 1, false);
                    one.weight = weight;
                    return [one.call(t[0].detach())];
                }
                var two = same
                    ? nn.Conv2d(2, 3, kernel, TorchPadding.Same, stride, dilation, theirs, 1, false)
                    : nn.Conv2d(2, 3, kernel, stride, padding, dilation, theirs, 1, false);
                two.weight = weight;
                return [two.call(t[0].detach())];
            }
        )
        {
            Terms = 4 * kernel * kernel,
            Gradients = false,
        };
    }
}
