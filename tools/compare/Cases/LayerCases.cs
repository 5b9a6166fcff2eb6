using TorchSharp;
using Functional = TorchSharp.torch.nn.functional;
using Reduction = TorchSharp.torch.nn.Reduction;

namespace Picograd.Compare.Cases;

/// <summary>Activations and losses.</summary>
internal static partial class LayerCases
{
    public static IEnumerable<Subject> All =>
        new[] { Activations(), Losses(), Distances(), Networks() }
            .SelectMany(s => s)
            .Select(s => s with { Name = "nn." + s.Name });

    private static Subject One(
        string name,
        Func<Draw, (string Text, Func<Tensor, Tensor> Ours, Func<TorchTensor, TorchTensor> Theirs)> draw,
        bool floats = false
    ) =>
        new(
            name,
            d =>
            {
                var (text, ours, theirs) = draw(d);
                var shape = d.Shape();
                return Trial.One(
                    text.Length > 0 ? $"{name}, {text}" : name,
                    floats ? d.Float(shape) : d.Any(shape),
                    ours,
                    theirs
                ) with
                {
                    Terms = 4,
                };
            }
        );

    private static Subject One(string name, Func<Tensor, Tensor> ours, Func<TorchTensor, TorchTensor> theirs) =>
        One(name, _ => ("", ours, theirs));

    private static IEnumerable<Subject> Activations()
    {
        yield return One("Relu6", x => F.Relu6(x), x => Functional.relu6(x));
        yield return One("Selu", x => F.Selu(x), x => Functional.selu(x));
        yield return One(
            "Gelu tanh",
            _ => ("", x => F.Gelu(x, "tanh"), x => Functional.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh)),
            floats: true
        );
        yield return One("Mish", x => F.Mish(x), x => Functional.mish(x));
        yield return One("Hardsigmoid", x => F.Hardsigmoid(x), x => Functional.hardsigmoid(x));
        yield return One("Hardswish", x => F.Hardswish(x), x => Functional.hardswish(x));
        yield return One("Softsign", _ => ("", x => F.Softsign(x), x => Functional.softsign(x)), floats: true);
        yield return One("LogSigmoid", x => F.LogSigmoid(x), x => Functional.logsigmoid(x));
        yield return One("Tanhshrink", _ => ("", x => F.Tanhshrink(x), x => Functional.tanhshrink(x)), floats: true);
        yield return One(
            "LeakyRelu",
            d =>
            {
                double slope = d.Pick(0.01, 0.3, 1, -0.5);
                return ($"{slope}", x => F.LeakyRelu(x, slope), x => Functional.leaky_relu(x, slope));
            }
        );
        yield return One(
            "Elu",
            d =>
            {
                double alpha = d.Pick(1, 0.3, 2.5);
                return ($"{alpha}", x => F.Elu(x, alpha), x => Functional.elu(x, alpha));
            }
        );
        yield return One(
            "Celu",
            d =>
            {
                double alpha = d.Pick(1, 0.3, 2.5);
                return ($"{alpha}", x => F.Celu(x, alpha), x => Functional.celu(x, alpha));
            }
        );
        yield return One(
            "Softplus of",
            d =>
            {
                var (beta, threshold) = (d.Pick(0.5, 2, 1), d.Pick<double>(20, 3, 1));
                return (
                    $"{beta}, {threshold}",
                    x => F.Softplus(x, beta, threshold),
                    x => Functional.softplus(x, beta, threshold)
                );
            }
        );
        yield return One(
            "Hardtanh",
            d =>
            {
                var (low, high) = (d.Pick(-1.0, -2, 0), d.Pick(1.0, 2, 0.5));
                return (
                    $"{low}, {high}",
                    x => F.Hardtanh(x, low, high),
                    x => torch.where(x <= low, low, torch.where(x >= high, high, x)).to_type(x.dtype)
                );
            },
            floats: true
        );
        yield return One(
            "Hardshrink",
            d =>
            {
                double lambda = d.Pick(0.5, 1, 0);
                return ($"{lambda}", x => F.Hardshrink(x, lambda), x => Functional.hardshrink(x, lambda));
            }
        );
        yield return One(
            "Softshrink",
            d =>
            {
                double lambda = d.Pick(0.5, 1, 0);
                return ($"{lambda}", x => F.Softshrink(x, lambda), x => Functional.softshrink(x, lambda));
            }
        );
        yield return One(
            "Threshold",
            d =>
            {
                var (threshold, value) = (d.Pick(0.0, 1, -0.5), d.Pick(0.0, 20, -3));
                return (
                    $"{threshold}, {value}",
                    x => F.Threshold(x, threshold, value),
                    x => Functional.threshold(x, threshold, value)
                );
            },
            floats: true
        );
        yield return One(
            "Softmin",
            d =>
            {
                int dim = d.Between(-1, 0);
                return ($"{dim}", x => F.Softmin(x, dim), x => Functional.softmin(x, dim));
            },
            floats: true
        );
        yield return new(
            "Glu",
            d =>
            {
                var shape = d.Shape(0, 3);
                int dim = d.Dim(shape.Length);
                int at = shape.Length == 0 ? 0 : ((dim % shape.Length) + shape.Length) % shape.Length;
                if (shape.Length > 0 && d.Chance(0.9))
                    shape[at] *= 2;
                return Trial.One($"Glu({dim})", d.Float(shape), x => F.Glu(x, dim), x => Functional.glu(x, dim)) with
                {
                    Terms = 4,
                };
            }
        );
        yield return new(
            "Prelu",
            d =>
            {
                var shape = d.Shape(0, 4);
                long channels = shape.Length > 1 ? shape[1] : 1;
                var type = d.FloatType();
                long count =
                    d.Chance(0.5) ? 1
                    : d.Chance(0.1) ? channels + 1
                    : channels;
                return Trial.Two(
                    "Prelu",
                    d.Of(shape, type),
                    d.Of([count], type, placed: Placement.Contiguous),
                    F.Prelu,
                    Functional.prelu
                ) with
                {
                    Terms = 4096,
                };
            }
        );
    }

    private static (LossReduction Ours, Reduction Theirs, string Text) How(Draw d) =>
        d.Pick(
            (LossReduction.Mean, Reduction.Mean, "mean"),
            (LossReduction.Sum, Reduction.Sum, "sum"),
            (LossReduction.None, Reduction.None, "none")
        );

    // A loss of two tensors of one shape; kind: what targets are.
    private static Subject Pair(
        string name,
        Func<
            Draw,
            (
                string,
                Func<Tensor, Tensor, LossReduction, Tensor>,
                Func<TorchTensor, TorchTensor, Reduction, TorchTensor>
            )
        > draw,
        string targets = "any",
        bool beside = false
    ) =>
        new(
            name,
            d =>
            {
                var (ours, theirs, text) = How(d);
                var (settings, left, right) = draw(d);
                var shape = d.Shape();
                var type = d.FloatType();
                var other = beside ? d.Beside(shape) : shape;
                bool unit = targets == "unit";
                Sample x = d.Of(shape, type, tame: true);
                Sample t = targets == "signs" ? Signs(d, other, type) : d.Of(other, type, tame: true);
                return new Trial(
                    $"{name}({settings} {text})",
                    [x, t],
                    s => [left(unit ? Ours(s[0]) : s[0], unit || targets == "positive" ? Ours(s[1]) : s[1], ours)],
                    s =>
                        [right(unit ? Theirs(s[0]) : s[0], unit || targets == "positive" ? Theirs(s[1]) : s[1], theirs)]
                )
                {
                    Terms = 4096,
                    Degree = 2,
                };
            }
        );

    private static Tensor Ours(Tensor t) => t.Sigmoid();

    private static TorchTensor Theirs(TorchTensor t) => t.sigmoid();

    private static Sample Signs(Draw d, long[] shape, DType type)
    {
        var sample = d.Of(shape, type, tame: true);
        double[] values = [.. ((double[])sample.Values).Select(v => v < 0 ? -1.0 : 1.0)];
        return sample with { Values = values };
    }

    private static IEnumerable<Subject> Losses()
    {
        yield return Pair("L1Loss", _ => ("", F.L1Loss, (x, t, r) => Functional.l1_loss(x, t, r)));
        yield return Pair(
            "SmoothL1Loss",
            d =>
            {
                double beta = d.Pick(1, 0.3, 0);
                return (
                    $"{beta}",
                    (x, t, r) => F.SmoothL1Loss(x, t, r, beta),
                    (x, t, r) => Functional.smooth_l1_loss(x, t, r, beta)
                );
            }
        );
        yield return Pair(
            "HuberLoss",
            d =>
            {
                double delta = d.Pick(1, 0.3, 2);
                return (
                    $"{delta}",
                    (x, t, r) => F.HuberLoss(x, t, r, delta),
                    (x, t, r) => Functional.huber_loss(x, t, delta, r)
                );
            }
        );
        yield return Pair(
            "BinaryCrossEntropy",
            _ =>
                (
                    "",
                    (x, t, r) => F.BinaryCrossEntropy(x, t, null, r),
                    (x, t, r) => Functional.binary_cross_entropy(x, t, null, r)
                ),
            "unit"
        );
        yield return Pair(
            "BinaryCrossEntropyWithLogits",
            d =>
            {
                double weight = d.Pick(0.0, 2.5);
                return (
                    $"{weight}",
                    (x, t, r) =>
                        F.BinaryCrossEntropyWithLogits(
                            x,
                            t,
                            null,
                            r,
                            weight == 0 ? null : Tensor.Full([], weight, x.DType)
                        ),
                    (x, t, r) =>
                        Functional.binary_cross_entropy_with_logits(
                            x,
                            t,
                            null,
                            r,
                            weight == 0 ? null : torch.full([], weight, x.dtype)
                        )
                );
            },
            "positive"
        );
        yield return Pair(
            "KlDiv",
            d =>
            {
                bool log = d.Chance(0.5);
                return (
                    $"log {log}",
                    (x, t, r) => F.KlDiv(x, log ? t : t.Sigmoid(), r, log),
                    (x, t, r) => Functional.kl_div(x, log ? t : t.sigmoid(), log, r)
                );
            }
        );
        yield return Pair(
            "PoissonNllLoss",
            d =>
            {
                var (log, full) = (d.Chance(0.5), d.Chance(0.5));
                return (
                    $"log {log}, full {full}",
                    (x, t, r) => F.PoissonNllLoss(log ? x : x.Sigmoid(), t.Sigmoid() * 3, log, full, 1e-8, r),
                    (x, t, r) => PoissonThere(log ? x : x.sigmoid(), t.sigmoid() * 3, log, full, r)
                );
            }
        );
        yield return Pair(
            "SoftMarginLoss",
            _ =>
                (
                    "",
                    (x, t, r) => F.SoftMarginLoss(x, t.Detach(), r),
                    (x, t, r) => Functional.soft_margin_loss(x, t.detach(), r)
                ),
            "signs"
        );
        yield return Pair(
            "HingeEmbeddingLoss",
            d =>
            {
                double margin = d.Pick(1, 0.2);
                return (
                    $"{margin}",
                    (x, t, r) => F.HingeEmbeddingLoss(x, t.Detach(), margin, r),
                    (x, t, r) => Functional.hinge_embedding_loss(x, t.detach(), margin, r)
                );
            },
            "signs"
        );
        yield return Pair(
            "GaussianNllLoss",
            d =>
            {
                bool full = d.Chance(0.5);
                return (
                    $"full {full}",
                    (x, t, r) => F.GaussianNllLoss(x, t, (x + t).Sigmoid(), full, 1e-6, r),
                    (x, t, r) =>
                    {
                        // TorchSharp's own is not PyTorch's.
                        var v = (x + t).sigmoid();
                        var each = 0.5 * (v.log() + (x - t).square() / v) + (full ? 0.5 * Math.Log(2 * Math.PI) : 0);
                        return r == Reduction.Sum ? each.sum()
                            : r == Reduction.Mean ? each.mean()
                            : each;
                    }
                );
            }
        );
        yield return Pair(
            "MarginRankingLoss",
            d =>
            {
                double margin = d.Pick(0, 0.5);
                return (
                    $"{margin}",
                    (x, t, r) => F.MarginRankingLoss(x, t, (x - t).Detach().Sign(), margin, r),
                    (x, t, r) => Functional.margin_ranking_loss(x, t, (x - t).detach().sign(), margin, r)
                );
            }
        );
        yield return Classes("NllLoss", 1);
        yield return Classes("MultiMarginLoss", 2);
        yield return new(
            "MultiLabelMarginLoss",
            d =>
            {
                var (ours, theirs, text) = How(d);
                var (n, c) = (d.Between(1, 4), d.Between(1, 5));
                long[] shape = d.Chance(0.3) ? [c] : [n, c];
                return new Trial(
                    $"MultiLabelMarginLoss({text})",
                    [
                        d.Of(shape, d.Pick(DType.Float32, DType.Float64), tame: true),
                        d.Whole(shape, DType.Int64, -1, c - 1),
                    ],
                    t => [F.MultiLabelMarginLoss(t[0], t[1], ours)],
                    t => [Functional.multi_label_margin_loss(t[0], t[1], theirs)]
                )
                {
                    Terms = 256,
                };
            }
        );
        yield return Pair(
            "MultiLabelSoftMarginLoss",
            _ =>
                (
                    "",
                    (x, t, r) => F.MultiLabelSoftMarginLoss(x, t, null, r),
                    (x, t, r) => Functional.multilabel_soft_margin_loss(x, t, null, r)
                ),
            "positive"
        );
        yield return new("CtcLoss", Ctc);
    }

    private static Subject Classes(string name, int kind) =>
        new(
            name,
            d =>
            {
                var (ours, theirs, text) = How(d);
                long c = d.Between(1, 6);
                bool single = kind == 2 && d.Chance(0.2);
                long[] more = single || kind == 2 ? [] : [.. d.Shape(0, 2).Select(s => Math.Max(s, 1))];
                long n = d.Between(1, 5);
                long[] shape = single ? [c] : [n, c, .. more];
                long[] targets = single ? [] : [n, .. more];
                bool weighted = d.Chance(0.5);
                var type = kind == 2 ? d.Pick(DType.Float32, DType.Float64) : d.FloatType();
                // The gradient of nll_loss wants what is contiguous.
                Sample x = d.Of(shape, type, tame: true, kind == 1 ? Placement.Contiguous : null);
                Sample t = d.Whole(targets, DType.Int64, 0, c - 1);
                Sample w = d.Of([c], type, tame: true, Placement.Contiguous);
                var (p, margin) = (d.Between(1, 2), d.Pick(1, 0.5));
                return new Trial(
                    $"{name}({text}, {p}, {margin})",
                    weighted ? [x, t, w] : [x, t],
                    s =>
                    {
                        var weight = weighted ? s[2].Detach() : null;
                        return kind == 1
                            ? [F.NllLoss(s[0], s[1], weight, reduction: ours)]
                            : [F.MultiMarginLoss(s[0], s[1], p, margin, weight, ours)];
                    },
                    s =>
                    {
                        var weight = weighted ? s[2].detach() : null;
                        return kind == 1
                            ? [Functional.nll_loss(s[0], s[1], weight, theirs)]
                            : [Functional.multi_margin_loss(s[0], s[1], p, margin, weight, theirs)];
                    }
                )
                {
                    Terms = 4096,
                    Degree = 2,
                    Gradients = !weighted,
                };
            }
        );

    // TorchSharp's own gives no eps on.
    private static TorchTensor PoissonThere(TorchTensor x, TorchTensor t, bool log, bool full, Reduction r)
    {
        if (log)
            return Functional.poisson_nll_loss(x, t, true, full, 1e-8f, r);
        var each = x - t * (x + 1e-8).log();
        if (full)
            each += torch.where(t > 1, t * t.log() - t + 0.5 * (2 * Math.PI * t).log(), torch.zeros_like(t));
        return r == Reduction.Sum ? each.sum()
            : r == Reduction.Mean ? each.mean()
            : each;
    }
}
