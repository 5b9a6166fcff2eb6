using TorchSharp;
using static TorchSharp.torch;
using Functional = TorchSharp.torch.nn.functional;

namespace Picograd.Compare.Cases;

/// <summary>Products, losses, attention, and layers.</summary>
internal static class ProductCases
{
    public static IEnumerable<Subject> All => [.. Products(), .. Losses(), .. Layers(), .. Creation()];

    private static IEnumerable<Subject> Products()
    {
        yield return new(
            "MatMul",
            d =>
            {
                long k = d.Size();
                // TorchSharp lets an error of matmul end the process, so only what is legal is asked.
                var type = d.AnyType();
                if (type == DType.Bool)
                    type = DType.Float32;
                long[] batch = d.Shape(0, 2);
                long[] a = d.Chance(0.2) ? [k] : [.. batch, d.Size(), k];
                long[] b =
                    d.Chance(0.2) ? [k]
                    : d.Chance(0.3) ? [k, d.Size()]
                    : [.. batch.Select(s => d.Chance(0.3) ? 1 : s), k, d.Size()];
                return Trial.Two(
                    "MatMul",
                    d.Of(a, type),
                    d.Of(b, type),
                    (x, y) => x.MatMul(y),
                    (x, y) => x.matmul(y)
                ) with
                {
                    Terms = Math.Max(2, k * 4),
                    Degree = 2,
                };
            }
        );
        yield return new(
            "Linear",
            d =>
            {
                var type = d.FloatType();
                long k = Math.Max(1, d.Size());
                long n = Math.Max(1, d.Size());
                bool bias = d.Chance(0.7);
                Sample[] inputs = [d.Of([.. d.Shape(0, 3), k], type), d.Of([n, k], type)];
                return new Trial(
                    "Linear",
                    bias ? [.. inputs, d.Of([n], type)] : inputs,
                    t => [F.Linear(t[0], t[1], bias ? t[2] : null)],
                    t => [Functional.linear(t[0], t[1], bias ? t[2] : null)]
                )
                {
                    Terms = 4 * k + 4,
                    Degree = 2,
                };
            }
        );
        yield return new("ScaledDotProductAttention", Attention);
    }

    // Of two to five dimensions, causal, with a mask that broadcasts, with a scale.
    private static Trial Attention(Draw d)
    {
        var type = d.FloatType();
        long[] leading = d.Chance(0.2) ? d.Shape(0, 3) : [d.Between(1, 3), d.Between(1, 3)];
        long t = Math.Max(1, d.Size());
        long s = Math.Max(1, d.Size());
        long width = Math.Max(1, d.Size());
        double? scale = d.Chance(0.3) ? d.Between(-3, 3) / 4.0 : null;
        string kind = d.Pick(["none", "causal", "added", "seen"]);
        var inputs = new List<Sample>
        {
            d.Of([.. leading, t, width], type, tame: true),
            d.Of([.. leading, s, width], type, tame: true),
            d.Of([.. leading, s, Math.Max(1, d.Size())], type, tame: true),
        };
        if (kind is "added" or "seen")
        {
            long[] all = [.. leading, t, s];
            long[] shape = [.. all[d.Pick([0, Math.Max(0, all.Length - 2)])..].Select(n => d.Chance(0.3) ? 1 : n)];
            inputs.Add(kind == "seen" ? d.Of(shape, DType.Bool) : d.Of(shape, type, tame: true));
        }
        return new Trial(
            $"ScaledDotProductAttention({kind}, scale {scale})",
            [.. inputs],
            x => [F.ScaledDotProductAttention(x[0], x[1], x[2], x.ElementAtOrDefault(3), 0, kind == "causal", scale)],
            x => [Attended(x, kind == "causal", scale)]
        )
        {
            Terms = 4 * (s + width),
        };
    }

    // TorchSharp has no scale; queries have it beforehand.
    private static TorchTensor Attended(TorchTensor[] x, bool causal, double? scale)
    {
        var q = scale is { } factor ? x[0] * (factor * Math.Sqrt(x[0].shape[^1])) : x[0];
        return Functional.scaled_dot_product_attention(q, x[1], x[2], x.ElementAtOrDefault(3)!, is_casual: causal);
    }

    private static IEnumerable<Subject> Losses()
    {
        foreach (
            var (reduction, there) in new[]
            {
                (LossReduction.None, torch.nn.Reduction.None),
                (LossReduction.Mean, torch.nn.Reduction.Mean),
                (LossReduction.Sum, torch.nn.Reduction.Sum),
            }
        )
        {
            yield return new(
                $"CrossEntropy {reduction}",
                d =>
                {
                    var type = d.FloatType();
                    long classes = Math.Max(1, d.Size());
                    long[] outer = d.Chance(0.1) ? [] : [d.Size(), .. d.Chance(0.3) ? d.Shape(1, 2) : []];
                    long[] shape = outer.Length == 0 ? [classes] : [outer[0], classes, .. outer[1..]];
                    bool shares = d.Chance(0.2);
                    double smoothing = d.Chance(0.3) ? 0.1 : 0;
                    long ignored = d.Chance(0.3) ? 0 : -100;
                    bool weighted = d.Chance(0.3);
                    Sample[] inputs =
                    [
                        d.Of(shape, type, tame: d.Chance(0.8)),
                        shares
                            ? d.Of(shape, type, tame: true)
                            : d.Whole(outer, DType.Int64, 0, classes - (d.Chance(0.03) ? 0 : 1)),
                        .. weighted ? [d.Of([classes], type, tame: true)] : Array.Empty<Sample>(),
                    ];
                    return new Trial(
                        $"CrossEntropy(ignore {ignored}, smoothing {smoothing})",
                        inputs,
                        t =>
                            [
                                F.CrossEntropy(
                                    t[0],
                                    t[1].Detach(),
                                    reduction,
                                    ignored,
                                    smoothing,
                                    weighted ? t[2].Detach() : null
                                ),
                            ],
                        t =>
                            [
                                Functional.cross_entropy(
                                    t[0],
                                    t[1].detach(),
                                    weighted ? t[2].detach() : null,
                                    ignored,
                                    there,
                                    smoothing
                                ),
                            ]
                    )
                    {
                        Terms = 8 * (2 + shape.Aggregate(1L, (n, s) => n * s)),
                        Degree = 2,
                    };
                }
            );
            yield return new(
                $"MseLoss {reduction}",
                d =>
                {
                    var shape = d.Shape();
                    var type = d.FloatType();
                    return Trial.Two(
                        "MseLoss",
                        d.Of(shape, type),
                        d.Of(shape, d.Chance(0.9) ? type : d.FloatType()),
                        (x, y) => F.MseLoss(x, y, reduction),
                        (x, y) => Functional.mse_loss(x, y, there)
                    ) with
                    {
                        Terms = 2 + shape.Aggregate(1L, (n, s) => n * s),
                        Degree = 2,
                    };
                }
            );
        }
    }

    private static IEnumerable<Subject> Layers()
    {
        yield return new(
            "Embedding",
            d =>
            {
                long rows = Math.Max(1, d.Size());
                var table = d.Float([rows, d.Size()]);
                var places = d.Whole(d.Shape(0, 3), d.IndexType(), 0, rows - (d.Chance(0.03) ? 0 : 1));
                return Trial.Two(
                    "Embedding",
                    table,
                    places,
                    (t, i) => F.Embedding(t, i),
                    (t, i) => t.index(torch.TensorIndex.Tensor(i))
                ) with
                {
                    Terms = 64,
                };
            }
        );
        yield return new(
            "OneHot",
            d =>
            {
                long classes = Math.Max(1, d.Size());
                var of = d.Whole(d.Shape(0, 3), DType.Int64, 0, classes - (d.Chance(0.05) ? 0 : 1));
                return Trial.One(
                    $"OneHot({classes})",
                    of,
                    x => F.OneHot(x, classes),
                    x => Functional.one_hot(x, classes)
                );
            }
        );
    }

    private static IEnumerable<Subject> Creation()
    {
        yield return new(
            "Arange",
            d =>
            {
                var (start, end, step) = (d.Between(-9, 9), d.Between(-9, 20), d.Pick(1, 1, 2, 3, -1, -2, 0));
                return new(
                    $"Arange({start}, {end}, {step})",
                    [],
                    _ => [Tensor.Arange(start, end, step)],
                    _ => [torch.arange(start, end, step, dtype: ScalarType.Int64)]
                );
            }
        );
        yield return new(
            "Eye",
            d =>
            {
                var (rows, columns) = (d.Between(d.Chance(0.05) ? -1 : 0, 7), d.Between(0, 7));
                return new(
                    $"Eye({rows}, {columns})",
                    [],
                    _ => [Tensor.Eye(rows, columns)],
                    _ => [torch.eye(rows, columns, dtype: ScalarType.Float32)]
                );
            }
        );
        yield return new(
            "Full",
            d =>
            {
                var shape = d.Shape();
                var number = d.Number();
                var (type, there) = d.Pick<(DType, ScalarType)>(ElementwiseCases.Types);
                return new(
                    $"Full([{string.Join(',', shape)}], {number}, {type})",
                    [],
                    _ => [Tensor.Full(shape, number.Ours, type)],
                    _ => [torch.full(shape, number.Theirs, there)]
                );
            }
        );
        yield return new(
            "FullLike",
            d =>
            {
                var number = d.Number();
                return Trial.One(
                    $"FullLike({number})",
                    d.Any(d.Shape()),
                    x => Tensor.FullLike(x, number.Ours),
                    x => torch.full_like(x, number.Theirs)
                );
            }
        );
        yield return new(
            "RandLike",
            d =>
                Trial.One("RandLike", d.Any(d.Shape()), x => Tensor.RandLike(x), x => torch.rand_like(x)) with
                {
                    ShapesOnly = true,
                }
        );
    }
}
