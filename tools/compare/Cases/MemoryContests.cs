using Picograd.Algorithms;
using TorchSharp;
using Index = TorchSharp.torch.TensorIndex;

namespace Picograd.Compare.Cases;

/// <summary>
/// What <c>compare speed --filter "memory "</c> times: what memory bounds, over dtypes and sizes from ten elements to 64 million,
/// primes and odd ones among them.
/// </summary>
internal static class MemoryContests
{
    private static readonly long[] Small = [1000];
    private static readonly long[] Square = [1024, 1024];
    private static readonly long[] Odd = [1000, 777];
    private static readonly long[] Tall = [4096, 768];
    private static readonly long[] Deep = [64, 128, 512];
    private static readonly long[] Images = [32, 64, 28, 28];

    public static IEnumerable<Contest> All() =>
        [
            .. Reductions(),
            .. Positions(),
            .. Types(),
            .. Scans(),
            .. Layouts(),
            .. Strides(),
            .. Lookups(),
            .. Choices(),
            .. Broadcasts(),
            .. Filled(),
            .. Sizes(),
        ];

    private static IEnumerable<Contest> Reductions()
    {
        foreach (
            long[] shape in (long[][])
                [
                    [10],
                    Small,
                    [65537],
                    Square,
                    [4096, 4096],
                    [8, 1024, 1024, 8],
                ]
        )
        {
            yield return Of("Sum", shape, x => x.Sum(), x => x.sum());
            yield return Of("Amax", shape, x => x.Amax(), x => x.amax([]));
        }
        foreach (long[] shape in (long[][])[Square, Odd])
        {
            yield return Of("Mean", shape, x => x.Mean(), x => x.mean());
            yield return Of("Prod", shape, x => x.Prod(), x => x.prod());
            yield return Of("Var", shape, x => x.Var(), x => x.var());
            yield return Of("norm", shape, x => x.Square().Sum().Sqrt(), x => x.norm());
        }
        foreach (
            var (shape, dim) in ((long[], int)[])
                [
                    ([32, 10], 1),
                    ([1000, 777], 1),
                    ([1000, 777], 0),
                    ([4096, 768], 0),
                    ([4096, 768], 1),
                    ([100000, 17], 1),
                    ([100000, 17], 0),
                    ([17, 100000], 1),
                    ([17, 100000], 0),
                    ([64, 128, 512], 1),
                    ([64, 513, 31], 1),
                    ([64, 513, 31], 0),
                    ([64, 513, 31], 2),
                    ([1000003, 3], 1),
                    ([1000003, 3], 0),
                ]
        )
        {
            yield return Of($"Sum({dim})", shape, x => x.Sum(dim), x => x.sum(dim));
            yield return Of($"Amax({dim})", shape, x => x.Amax(dim), x => x.amax([dim]));
            yield return Of($"Prod({dim})", shape, x => x.Prod(dim), x => x.prod(dim));
            yield return Of($"Var({dim})", shape, x => x.Var(dim), x => x.var(dim));
        }
        foreach (
            int[] dims in (int[][])
                [
                    [0, 2, 3],
                    [0, 1],
                    [2, 3],
                    [1, 3],
                    [0, 2],
                ]
        )
        {
            long[] there = [.. dims.Select(d => (long)d)];
            string name = string.Join(", ", dims);
            yield return Of($"Mean({name})", Images, x => x.Mean(dims), x => x.mean(there));
            yield return Of($"Amax({name})", Images, x => x.Amax(dims), x => x.amax(there));
            yield return Of($"Var({name})", Images, x => x.Var(dims), x => x.var(there));
        }
    }

    private static IEnumerable<Contest> Positions()
    {
        foreach (
            long[] shape in (long[][])
                [
                    [10],
                    Small,
                    Square,
                    Odd,
                ]
        )
        {
            yield return Of("ArgMax", shape, x => x.ArgMax(), x => x.argmax());
            yield return Of("ArgMin", shape, x => x.ArgMin(), x => x.argmin());
        }
        foreach (
            var (shape, dim) in ((long[], int)[])
                [
                    ([32, 10], 1),
                    ([256, 1000], 1),
                    (Tall, 1),
                    (Tall, 0),
                    (Odd, 1),
                    (Odd, 0),
                    (Deep, 1),
                    ([64, 513, 31], 1),
                    ([64, 513, 31], 0),
                    ([100000, 17], 1),
                ]
        )
        {
            yield return Of($"ArgMax({dim})", shape, x => x.ArgMax(dim), x => x.argmax(dim));
            yield return Of($"Max({dim}) with indices", shape, x => x.Max(dim).Values, x => x.max(dim).values);
            yield return Of($"Min({dim}) with indices", shape, x => x.Min(dim).Values, x => x.min(dim).values);
        }
    }

    private static IEnumerable<Contest> Types()
    {
        foreach (
            var (name, type, there) in ((string, DType, torch.ScalarType)[])
                [
                    ("f64", DType.Float64, torch.ScalarType.Float64),
                    ("bf16", DType.BFloat16, torch.ScalarType.BFloat16),
                    ("f16", DType.Float16, torch.ScalarType.Float16),
                    ("i32", DType.Int32, torch.ScalarType.Int32),
                    ("i64", DType.Int64, torch.ScalarType.Int64),
                    ("bool", DType.Bool, torch.ScalarType.Bool),
                    ("u8", DType.UInt8, torch.ScalarType.Byte),
                ]
        )
        {
            Contest One(string what, long[] shape, Func<Tensor, Tensor> ours, Func<TorchTensor, TorchTensor> theirs) =>
                Contest.Of(
                    $"memory {name} {what} {Text(shape)}",
                    () =>
                    {
                        var x = (Tensor.Rand(shape) * 50).To(type).Keep();
                        return () => ours(x);
                    },
                    () =>
                    {
                        var x = (torch.rand(shape) * 50).to_type(there);
                        return () => theirs(x);
                    }
                );
            bool isBool = type == DType.Bool;
            foreach (long[] shape in (long[][])[Square, Odd])
            {
                yield return One("Sum", shape, x => x.Sum(), x => x.sum());
                yield return One("Sum(0)", shape, x => x.Sum(0), x => x.sum(0));
                yield return One("Sum(1)", shape, x => x.Sum(1), x => x.sum(1));
                yield return One("Any", shape, x => x.Any(), x => x.any());
                yield return One("All(1)", shape, x => x.All(1), x => x.all(1));
                yield return One("All(0)", shape, x => x.All(0), x => x.all(0));
                yield return One("to f32", shape, x => x.To(DType.Float32), x => x.to_type(torch.ScalarType.Float32));
                yield return One(
                    "from f32",
                    shape,
                    x => x.To(DType.Float32).To(type),
                    x => x.to_type(torch.ScalarType.Float32).to_type(there)
                );
                yield return One("transpose", shape, x => x.T.Contiguous(), x => x.t().contiguous());
                if (isBool)
                {
                    yield return One("not", shape, x => x.LogicalNot(), x => x.logical_not());
                    continue;
                }
                yield return One("Amax(1)", shape, x => x.Amax(1), x => x.amax([1]));
                yield return One("Amax(0)", shape, x => x.Amax(0), x => x.amax([0]));
                yield return One("ArgMax(1)", shape, x => x.ArgMax(1), x => x.argmax(1));
                yield return One("Cumsum(1)", shape, x => x.Cumsum(1), x => x.cumsum(1));
                yield return One("a + a", shape, x => x + x, x => x + x);
                yield return One("a > 10", shape, x => x > 10, x => x.gt(10));
            }
        }
        yield return Of("f32 to f64", Square, x => x.To(DType.Float64), x => x.to_type(torch.ScalarType.Float64));
        yield return Of("f32 to bf16", Square, x => x.To(DType.BFloat16), x => x.to_type(torch.ScalarType.BFloat16));
        yield return Of("f32 to f16", Square, x => x.To(DType.Float16), x => x.to_type(torch.ScalarType.Float16));
        yield return Of("f32 to i32", Square, x => x.To(DType.Int32), x => x.to_type(torch.ScalarType.Int32));
        yield return Of("f32 to i64", Square, x => x.To(DType.Int64), x => x.to_type(torch.ScalarType.Int64));
        yield return Of("f32 to u8", Square, x => x.To(DType.UInt8), x => x.to_type(torch.ScalarType.Byte));
        yield return Of("f32 to bool", Square, x => x.To(DType.Bool), x => x.to_type(torch.ScalarType.Bool));
        yield return Of("f32 count of > 0", Square, x => (x > 0).Sum(), x => x.gt(0).sum());
    }

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

    private static IEnumerable<Contest> Choices()
    {
        foreach (long[] shape in (long[][])[Small, Square, Odd])
        {
            yield return Two("a < b", shape, shape, (a, b) => a < b, (a, b) => a.lt(b));
            yield return Two("Maximum", shape, shape, (a, b) => a.Maximum(b), (a, b) => torch.maximum(a, b));
            yield return Of("Clamp", shape, x => x.Clamp(-1, 1), x => x.clamp(-1, 1));
            yield return Of("IsNan", shape, x => x.IsNan(), x => torch.isnan(x));
            yield return Contest.Of(
                $"memory MaskedFill {Text(shape)}",
                () =>
                {
                    var (x, mask) = (Tensor.Randn(shape).Keep(), (Tensor.Randn(shape) > 0).Keep());
                    return () => x.MaskedFill(mask, 0);
                },
                () =>
                {
                    var (x, mask) = (torch.randn(shape), torch.randn(shape).gt(0));
                    return () => x.masked_fill(mask, 0);
                }
            );
            yield return Contest.Of(
                $"memory Where {Text(shape)}",
                () =>
                {
                    var (x, y, mask) = (
                        Tensor.Randn(shape).Keep(),
                        Tensor.Randn(shape).Keep(),
                        (Tensor.Randn(shape) > 0).Keep()
                    );
                    return () => Tensor.Where(mask, x, y);
                },
                () =>
                {
                    var (x, y, mask) = (torch.randn(shape), torch.randn(shape), torch.randn(shape).gt(0));
                    return () => torch.where(mask, x, y);
                }
            );
        }
    }

    private static IEnumerable<Contest> Broadcasts()
    {
        foreach (
            var (a, b) in ((long[], long[])[])
                [
                    ([1024, 1024], [1024]),
                    ([1024, 1024], [1024, 1]),
                    ([1000, 777], [777]),
                    ([1000, 777], [1000, 1]),
                    ([1000, 777], []),
                    ([64, 128, 512], [128, 1]),
                    ([64, 128, 512], [64, 1, 512]),
                    ([64, 128, 512], [64, 1, 1]),
                    ([32, 64, 28, 28], [64, 1, 1]),
                    ([32, 1, 28, 28], [64, 1, 1]),
                    ([100000, 17], [17]),
                    ([100000, 17], [100000, 1]),
                    ([1000003, 3], [3]),
                    ([1000003, 3], [1000003, 1]),
                    ([7, 11, 13, 17, 19], [11, 1, 17, 1]),
                ]
        )
            yield return Two($"a + b[{Text(b)}]", a, b, (x, y) => x + y, (x, y) => x + y);
        foreach (
            var (a, b) in ((long[], long[])[])
                [([1024, 1024], [1024]), ([1024, 1024], [1024, 1]), ([32, 64, 28, 28], [64, 1, 1])]
        )
            yield return new(
                $"memory a * b[{Text(b)}] {Text(a)}, forward and backward",
                () =>
                {
                    var (x, y) = (Tensor.Randn(a).Keep().RequiresGrad_(), Tensor.Randn(b).Keep().RequiresGrad_());
                    var ones = Tensor.Ones(a).Keep();
                    return () =>
                    {
                        using var scope = Tensor.Scope();
                        (x * y).Backward(ones);
                        x.ZeroGrad_();
                        y.ZeroGrad_();
                    };
                },
                () =>
                {
                    var (x, y) = (torch.randn(a, requires_grad: true), torch.randn(b, requires_grad: true));
                    var ones = torch.ones(a);
                    return Contest.FreedThere(() => torch.autograd.grad([x * y], [x, y], [ones])[0]);
                }
            );
    }

    private static IEnumerable<Contest> Filled()
    {
        foreach (
            long[] shape in (long[][])
                [
                    [10],
                    Small,
                    Square,
                    [4096, 4096],
                ]
        )
        {
            yield return Contest.Of(
                $"memory Zeros {Text(shape)}",
                () => () => Tensor.Zeros(shape),
                () => () => torch.zeros(shape)
            );
            yield return Contest.Of(
                $"memory Full {Text(shape)}",
                () => () => Tensor.Full(shape, 1.5),
                () => () => torch.full(shape, 1.5)
            );
            long count = shape.Aggregate(1L, (n, d) => n * d);
            yield return Contest.Of(
                $"memory Arange {count}",
                () => () => Tensor.Arange(count),
                () => () => torch.arange(count)
            );
            yield return Contest.Of(
                $"memory Arange f32 {count}",
                () => () => Tensor.Arange(0, count, dtype: DType.Float32),
                () => () => torch.arange(0, count, dtype: torch.ScalarType.Float32)
            );
        }
        yield return Contest.Of("memory Eye 1024", () => () => Tensor.Eye(1024), () => () => torch.eye(1024));
        yield return Contest.Of(
            "memory OneHot 1024x1000",
            () =>
            {
                var at = Tensor.RandInt(0, 1000, [1024]).Keep();
                return () => F.OneHot(at, 1000);
            },
            () =>
            {
                var at = torch.randint(0, 1000, [1024]);
                return () => torch.nn.functional.one_hot(at, 1000);
            }
        );
    }

    private static IEnumerable<Contest> Sizes()
    {
        foreach (
            long[] shape in (long[][])
                [
                    [10],
                    [1009],
                    [65537],
                    [2039, 2053],
                    [8, 1024, 1024, 8],
                ]
        )
        {
            yield return Two("a + b", shape, shape, (a, b) => a + b, (a, b) => a + b);
            yield return Of("Relu", shape, x => x.Relu(), x => x.relu());
            yield return Of("Add_", shape, x => x.Add_(1), x => x.add_(1));
            yield return Of("Copy", shape, x => x.Clone(), x => x.clone());
        }
    }

    private static string Text(long[] shape) => shape.Length == 0 ? "scalar" : string.Join('x', shape);

    private static Contest Of(
        string name,
        long[] shape,
        Func<Tensor, Tensor> ours,
        Func<TorchTensor, TorchTensor> theirs
    ) =>
        Contest.Of(
            $"memory {name} {Text(shape)}",
            () =>
            {
                var x = Tensor.Randn(shape).Keep();
                return () => ours(x);
            },
            () =>
            {
                var x = torch.randn(shape);
                return () => theirs(x);
            }
        );

    private static Contest Two(
        string name,
        long[] a,
        long[] b,
        Func<Tensor, Tensor, Tensor> ours,
        Func<TorchTensor, TorchTensor, TorchTensor> theirs
    ) =>
        Contest.Of(
            $"memory {name} {Text(a)}",
            () =>
            {
                var (x, y) = (Tensor.Randn(a).Keep(), Tensor.Randn(b).Keep());
                return () => ours(x, y);
            },
            () =>
            {
                var (x, y) = (torch.randn(a), torch.randn(b));
                return () => theirs(x, y);
            }
        );
}
