using Picograd.Algorithms;
using TorchSharp;
using Index = TorchSharp.torch.TensorIndex;

namespace Picograd.Compare.Cases;

/// <summary>
/// What <c>compare speed --filter "memory "</c> times: what memory bounds, over dtypes and sizes from ten elements to 64 million,
/// primes and odd ones among them.
/// </summary>
internal static partial class MemoryContests
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
