using TorchSharp;
using Functional = TorchSharp.torch.nn.functional;

namespace Picograd.Compare.Cases;

/// <summary>What <c>compare speed --filter "rows "</c> times: attention, row operators, scans, layouts, losses.</summary>
internal static class RowContests
{
    public static IEnumerable<(string Name, Func<Func<Tensor>> Ours, Func<Func<TorchTensor>> Theirs)> All()
    {
        foreach (long d in new[] { 64L, 128 })
        {
            foreach (long t in new[] { 256L, 1024, 4096 })
            {
                foreach (bool causal in new[] { false, true })
                    yield return Attention(12, t, t, d, causal);
            }
        }
        yield return Attention(12, 1, 2048, 64, false);
        yield return Attention(12, 1, 2048, 128, false);
        foreach (long d in new[] { 64L, 128 })
        {
            foreach (long t in new[] { 256L, 1024, 4096 })
            {
                foreach (bool causal in new[] { false, true })
                    yield return Backward(12, t, d, causal);
            }
        }
        yield return Backward(1, 1024, 64, false);
        yield return Backward(12, 1000, 80, true);
        yield return Backward(12, 197, 64, false);
        yield return Of(
            "softmax 4096x1024",
            [
                [4096, 1024],
            ],
            t => t[0].Softmax(),
            t => t[0].softmax(-1)
        );
        yield return Of(
            "softmax 64x50257",
            [
                [64, 50257],
            ],
            t => t[0].Softmax(),
            t => t[0].softmax(-1)
        );
        yield return Of(
            "log_softmax 1000x1000",
            [
                [1000, 1000],
            ],
            t => t[0].LogSoftmax(),
            t => t[0].log_softmax(-1)
        );
        foreach (int axis in new[] { 0, 1 })
        {
            yield return Of(
                $"cumsum({axis}) 1000x1000",
                [
                    [1000, 1000],
                ],
                t => t[0].Cumsum(axis),
                t => t[0].cumsum(axis)
            );
            yield return Of(
                $"sum({axis}) 4096x4096",
                [
                    [4096, 4096],
                ],
                t => t[0].Sum(axis),
                t => t[0].sum(axis)
            );
            yield return Of(
                $"amax({axis}) 1000x777",
                [
                    [1000, 777],
                ],
                t => t[0].Amax(axis),
                t => t[0].amax([axis])
            );
            yield return Of(
                $"mean({axis}) 333x1000",
                [
                    [333, 1000],
                ],
                t => t[0].Mean(axis),
                t => t[0].mean([axis])
            );
        }
        foreach (var (rows, columns) in new[] { (1024L, 1024L), (4096, 4096), (1000, 777), (17, 100000), (100000, 17) })
            yield return Of(
                $"transpose {rows}x{columns}",
                [
                    [rows, columns],
                ],
                t => t[0].T.Contiguous(),
                t => t[0].t().contiguous()
            );
        foreach (long[] order in new long[][] { [0, 2, 1, 3], [0, 2, 3, 1], [3, 0, 1, 2], [2, 1, 0, 3] })
            yield return Of(
                $"permute {string.Join("", order)} 8x128x12x64",
                [
                    [8, 128, 12, 64],
                ],
                t => t[0].Permute([.. order.Select(o => (int)o)]).Contiguous(),
                t => t[0].permute(order).contiguous()
            );
        yield return (
            "rows masked_fill 1024x1024",
            () =>
            {
                var x = Tensor.Randn([1024, 1024]).Keep();
                var mask = (Tensor.Randn([1024, 1024]) > 0).Keep();
                return () => x.MaskedFill(mask, 0);
            },
            () =>
            {
                var (x, mask) = (torch.randn(1024, 1024), torch.randn(1024, 1024).gt(0));
                return () => x.masked_fill(mask, 0);
            }
        );
        yield return (
            "rows where 1024x1024",
            () =>
            {
                var (x, y) = (Tensor.Randn([1024, 1024]).Keep(), Tensor.Randn([1024, 1024]).Keep());
                var mask = (Tensor.Randn([1024, 1024]) > 0).Keep();
                return () => Tensor.Where(mask, x, y);
            },
            () =>
            {
                var (x, y, mask) = (torch.randn(1024, 1024), torch.randn(1024, 1024), torch.randn(1024, 1024).gt(0));
                return () => torch.where(mask, x, y);
            }
        );
        yield return Of(
            "x > 0 1024x1024",
            [
                [1024, 1024],
            ],
            t => t[0] > 0,
            t => t[0].gt(0)
        );
        yield return (
            "rows embedding 50257x768, 1024",
            () =>
            {
                var (table, at) = (Tensor.Randn([50257, 768]).Keep(), Tensor.RandInt(0, 50257, [1024]).Keep());
                return () => F.Embedding(table, at);
            },
            () =>
            {
                var (table, at) = (torch.randn(50257, 768), torch.randint(0, 50257, [1024]));
                return () => table.index_select(0, at);
            }
        );
        foreach (var (rows, classes) in new[] { (1024L, 1000L), (256, 50257) })
            yield return (
                $"rows cross_entropy {rows}x{classes}",
                () =>
                {
                    var (x, y) = (Tensor.Randn([rows, classes]).Keep(), Tensor.RandInt(0, classes, [rows]).Keep());
                    return () => F.CrossEntropy(x, y);
                },
                () =>
                {
                    var (x, y) = (torch.randn(rows, classes), torch.randint(0, classes, [rows]));
                    return () => Functional.cross_entropy(x, y);
                }
            );
        yield return Of(
            "mse_loss 1024x1024",
            [
                [1024, 1024],
                [1024, 1024],
            ],
            t => F.MseLoss(t[0], t[1]),
            t => Functional.mse_loss(t[0], t[1])
        );
    }

    private static (string, Func<Func<Tensor>>, Func<Func<TorchTensor>>) Attention(
        long heads,
        long queries,
        long keys,
        long d,
        bool causal
    ) =>
        Of(
            $"attention {heads}x{queries}x{keys}x{d}{(causal ? ", causal" : "")}",
            [
                [1, heads, queries, d],
                [1, heads, keys, d],
                [1, heads, keys, d],
            ],
            t => F.ScaledDotProductAttention(t[0], t[1], t[2], isCausal: causal),
            t => Functional.scaled_dot_product_attention(t[0], t[1], t[2], is_casual: causal)
        );

    // Forward and backward of attention, the gradients of all three inputs.
    private static (string, Func<Func<Tensor>>, Func<Func<TorchTensor>>) Backward(
        long heads,
        long t,
        long d,
        bool causal
    )
    {
        long[] shape = [1, heads, t, d];
        return (
            $"rows attention {heads}x{t}x{t}x{d}{(causal ? ", causal" : "")}, forward and backward",
            () =>
            {
                var x = Enumerable.Range(0, 3).Select(_ => Tensor.Randn(shape).Keep().RequiresGrad_()).ToArray();
                var g = Tensor.Randn(shape).Keep();
                return () =>
                {
                    var y = F.ScaledDotProductAttention(x[0], x[1], x[2], isCausal: causal);
                    y.Backward(g);
                    foreach (var one in x)
                        one.Grad = null;
                    return Tensor.Zeros([]);
                };
            },
            () =>
            {
                var x = Enumerable.Range(0, 3).Select(_ => torch.randn(shape, requires_grad: true)).ToArray();
                var g = torch.randn(shape);
                return () =>
                {
                    using var y = Functional.scaled_dot_product_attention(x[0], x[1], x[2], is_casual: causal);
                    y.backward([g]);
                    foreach (var one in x)
                        one.grad!.zero_();
                    return torch.zeros([]);
                };
            }
        );
    }

    private static (string, Func<Func<Tensor>>, Func<Func<TorchTensor>>) Of(
        string name,
        long[][] shapes,
        Func<Tensor[], Tensor> ours,
        Func<TorchTensor[], TorchTensor> theirs
    ) =>
        (
            $"rows {name}",
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
}
