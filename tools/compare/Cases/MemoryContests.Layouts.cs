using Picograd.Algorithms;
using TorchSharp;
using Index = TorchSharp.torch.TensorIndex;

namespace Picograd.Compare.Cases;

// Scans, layouts, strides and lookups.
internal static partial class MemoryContests
{
    private static IEnumerable<Contest> Scans()
    {
        foreach (
            var (shape, dim) in ((long[], int)[])
                [
                    ([10], 0),
                    (Small, 0),
                    ([1000003], 0),
                    ([2048, 2048], 1),
                    ([2048, 2048], 0),
                    (Odd, 1),
                    (Odd, 0),
                    ([64, 513, 31], 1),
                    ([100000, 17], 1),
                ]
        )
            yield return Of($"Cumsum({dim})", shape, x => x.Cumsum(dim), x => x.cumsum(dim));
    }

    private static IEnumerable<Contest> Layouts()
    {
        foreach (
            long[] shape in (long[][])
                [
                    [30, 20],
                    [257, 509],
                    [2048, 2048],
                    [3, 1000003],
                    [1000003, 3],
                    [8191, 1021],
                ]
        )
            yield return Of("transpose", shape, x => x.T.Contiguous(), x => x.t().contiguous());
        foreach (
            var (shape, order) in ((long[], int[])[])
                [
                    (Deep, [0, 2, 1]),
                    (Deep, [1, 0, 2]),
                    (Deep, [2, 0, 1]),
                    (Deep, [2, 1, 0]),
                    ([61, 127, 509], [0, 2, 1]),
                    ([61, 127, 509], [1, 0, 2]),
                    ([61, 127, 509], [2, 1, 0]),
                    (Images, [0, 2, 3, 1]),
                    ([32, 28, 28, 64], [0, 3, 1, 2]),
                    ([32, 224, 224, 3], [0, 3, 1, 2]),
                    ([32, 3, 224, 224], [0, 2, 3, 1]),
                    ([7, 11, 13, 17, 19], [4, 2, 0, 3, 1]),
                    ([7, 11, 13, 17, 19], [0, 3, 2, 1, 4]),
                    ([16, 8, 8, 16, 32], [0, 2, 3, 1, 4]),
                    ([4, 8, 8, 8, 8, 32], [0, 3, 1, 4, 2, 5]),
                    ([5, 7, 9, 8, 11, 13], [5, 4, 3, 2, 1, 0]),
                ]
        )
        {
            long[] there = [.. order.Select(d => (long)d)];
            yield return Of(
                $"permute {string.Concat(order)}",
                shape,
                x => x.Permute(order).Contiguous(),
                x => x.permute(there).contiguous()
            );
        }
        yield return Of(
            "expand",
            [1024, 1],
            x => x.Expand(1024, 1024).Contiguous(),
            x => x.expand(1024, 1024).contiguous()
        );
        yield return Of(
            "repeat",
            [1, 1024],
            x => x.Expand(1024, 1024).Contiguous(),
            x => x.expand(1024, 1024).contiguous()
        );
        yield return Of(
            "expand middle",
            [64, 1, 256],
            x => x.Expand(64, 64, 256).Contiguous(),
            x => x.expand(64, 64, 256).contiguous()
        );
        foreach (
            long[] shape in (long[][])
                [
                    [10],
                    [1024, 512],
                    [1000, 777],
                ]
        )
        {
            for (int dim = 0; dim < shape.Length; dim++)
            {
                int d = dim;
                yield return Of($"Cat({d})", shape, x => Tensor.Cat([x, x], d), x => torch.cat([x, x], d));
                yield return Of(
                    $"Cat({d}) of 5",
                    shape,
                    x => Tensor.Cat([x, x, x, x, x], d),
                    x => torch.cat([x, x, x, x, x], d)
                );
                yield return Of($"Stack({d})", shape, x => Tensor.Stack([x, x], d), x => torch.stack([x, x], d));
            }
            yield return Of("Stack(last)", shape, x => Tensor.Stack([x, x], -1), x => torch.stack([x, x], -1));
        }
        yield return Of("Clone", Square, x => x.Clone(), x => x.clone());
        yield return Of("Clone", [4096, 4096], x => x.Clone(), x => x.clone());
    }

    private static IEnumerable<Contest> Strides()
    {
        foreach (long step in (long[])[2, 3, 4, 5, 8])
        {
            yield return Of(
                $"every {step}. column",
                Square,
                x => x[.., new Slice(step: step)].Contiguous(),
                x => x[Index.Ellipsis, Index.Slice(null, null, step)].contiguous()
            );
            yield return Of(
                $"sum of two of every {step}. column",
                Square,
                x => x[.., new Slice(step: step)] + x[.., new Slice(start: 1, step: step)].Square().Narrow(1, 0, 1),
                x =>
                    x[Index.Ellipsis, Index.Slice(null, null, step)]
                    + x[Index.Ellipsis, Index.Slice(1, null, step)].square().narrow(1, 0, 1)
            );
            yield return Of(
                $"Sum(1) of every {step}. column",
                Square,
                x => x[.., new Slice(step: step)].Sum(1),
                x => x[Index.Ellipsis, Index.Slice(null, null, step)].sum(1)
            );
        }
        yield return Of(
            "columns 3 to 1000",
            Square,
            x => x.Narrow(1, 3, 997).Contiguous(),
            x => x.narrow(1, 3, 997).contiguous()
        );
        yield return Of(
            "every other row",
            Square,
            x => x[new Slice(step: 2)].Contiguous(),
            x => x[Index.Slice(null, null, 2)].contiguous()
        );
        yield return Of("Sum(0) of a transpose", Odd, x => x.T.Sum(0), x => x.t().sum(0));
        yield return Of("Exp of a transpose", Square, x => x.T.Exp(), x => x.t().exp());
    }

    private static IEnumerable<Contest> Lookups()
    {
        foreach (
            var (rows, width, count) in ((long, long, long)[])
                [(1000, 64, 256), (8192, 256, 4096), (50257, 768, 1024), (1000, 33, 5000)]
        )
        {
            yield return new(
                $"memory Embedding {count}x{width} by {rows}",
                () =>
                {
                    var (table, at) = (Tensor.Randn([rows, width]).Keep(), Tensor.RandInt(0, rows, [count]).Keep());
                    return Contest.Freed(() => F.Embedding(table, at));
                },
                () =>
                {
                    var (table, at) = (torch.randn(rows, width), torch.randint(0, rows, [count]));
                    return Contest.FreedThere(() => table.index_select(0, at));
                }
            );
            yield return new(
                $"memory Embedding {count}x{width} by {rows}, forward and backward",
                () =>
                {
                    var (table, at) = (
                        Tensor.Randn([rows, width]).Keep().RequiresGrad_(),
                        Tensor.RandInt(0, rows, [count]).Keep()
                    );
                    var ones = Tensor.Ones([count, width]).Keep();
                    return () =>
                    {
                        using var scope = Tensor.Scope();
                        F.Embedding(table, at).Backward(ones);
                        table.ZeroGrad_();
                    };
                },
                () =>
                {
                    var (table, at) = (
                        torch.randn([rows, width], requires_grad: true),
                        torch.randint(0, rows, [count])
                    );
                    var ones = torch.ones(count, width);
                    return Contest.FreedThere(() =>
                        torch.autograd.grad([table.index_select(0, at)], [table], [ones])[0]
                    );
                }
            );
            yield return new(
                $"memory IndexSelect(1) {count} of {width}x{rows}",
                () =>
                {
                    var (table, at) = (Tensor.Randn([width, rows]).Keep(), Tensor.RandInt(0, rows, [count]).Keep());
                    return Contest.Freed(() => table.IndexSelect(1, at));
                },
                () =>
                {
                    var (table, at) = (torch.randn(width, rows), torch.randint(0, rows, [count]));
                    return Contest.FreedThere(() => table.index_select(1, at));
                }
            );
        }
        foreach (int dim in (int[])[0, 1])
        {
            yield return new(
                $"memory Gather({dim}) 1024x1024",
                () =>
                {
                    var (x, at) = (Tensor.Randn(Square).Keep(), Tensor.RandInt(0, 1024, Square).Keep());
                    return Contest.Freed(() => x.Gather(dim, at));
                },
                () =>
                {
                    var (x, at) = (torch.randn(Square), torch.randint(0, 1024, Square));
                    return Contest.FreedThere(() => x.gather(dim, at));
                }
            );
            yield return new(
                $"memory Gather({dim}) 1024x1024, forward and backward",
                () =>
                {
                    var (x, at) = (Tensor.Randn(Square).Keep().RequiresGrad_(), Tensor.RandInt(0, 1024, Square).Keep());
                    var ones = Tensor.Ones(Square).Keep();
                    return () =>
                    {
                        using var scope = Tensor.Scope();
                        x.Gather(dim, at).Backward(ones);
                        x.ZeroGrad_();
                    };
                },
                () =>
                {
                    var (x, at) = (torch.randn(Square, requires_grad: true), torch.randint(0, 1024, Square));
                    var ones = torch.ones(Square);
                    return Contest.FreedThere(() => torch.autograd.grad([x.gather(dim, at)], [x], [ones])[0]);
                }
            );
        }
        yield return new(
            "memory IndexPut_, accumulating 4096 rows of 256 into 8192",
            () =>
            {
                var (x, at, y) = (
                    Tensor.Zeros([8192, 256]).Keep(),
                    Tensor.RandInt(0, 8192, [4096]).Keep(),
                    Tensor.Randn([4096, 256]).Keep()
                );
                return Contest.Freed(() => x.IndexPut_([at], y, accumulate: true));
            },
            () =>
            {
                var (x, at, y) = (torch.zeros(8192, 256), torch.randint(0, 8192, [4096]), torch.randn(4096, 256));
                return Contest.FreedThere(() => x.index_add_(0, at, y, 1));
            }
        );
    }
}
