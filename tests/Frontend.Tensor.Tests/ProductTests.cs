using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

public class ProductTests
{
    public static TheoryData<long[], long[]> Shapes =>
        new()
        {
            { [1, 1], [1, 1] },
            { [3, 5], [5, 7] },
            { [2, 13], [13, 1] },
            { [5], [5] },
            { [5], [5, 3] },
            { [3, 5], [5] },
            { [4, 3, 5], [5, 2] },
            { [4, 3, 5], [5] },
            { [5], [4, 5, 2] },
            { [3, 5], [4, 5, 2] },
            { [4, 3, 5], [4, 5, 2] },
            { [1, 3, 5], [4, 5, 2] },
            { [4, 3, 5], [1, 5, 2] },
            { [1, 3, 5], [1, 5, 2] },
            { [2, 1, 3, 5], [4, 5, 2] },
            { [2, 4, 3, 5], [2, 1, 5, 2] },
            { [0, 5], [5, 2] },
            { [3, 0], [0, 2] },
            { [0, 3, 5], [5, 2] },
            { [2, 3, 0], [2, 0, 4] },
        };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void OfEveryRank(long[] shapeA, long[] shapeB)
    {
        var a = Make.Values(shapeA, DType.Float64, 1);
        var b = Make.Values(shapeB, DType.Float64, 2);
        var expected = Expected(Plain.Of(a), Plain.Of(b));
        foreach (var x in new[] { a, Make.Ragged(a), Swapped(a) })
        {
            foreach (var y in new[] { b, Make.Ragged(b), Swapped(b) })
                expected.Same(x.MatMul(y), 1e-12);
        }
    }

    [Fact]
    public void TransposesOfDenseMatricesAreNotCopied()
    {
        var a = Make.Values([5, 3]).T;
        var b = Make.Values([7, 5]).T;
        Expected(Plain.Of(a), Plain.Of(b)).Same(a.MatMul(b));
        Assert.Contains("matmul m=3 n=7 k=5 ta=1 tb=1", string.Join('\n', KernelSpecs()));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void LinearIsTheProductWithTheTransposedWeight(bool bias)
    {
        var w = Make.Values([4, 3], DType.Float64, 1);
        var b = Make.Values([4], DType.Float64, 2);
        foreach (long[] shape in new long[][] { [3], [5, 3], [2, 5, 3], [0, 3] })
        {
            var x = Make.Values(shape, DType.Float64, 3);
            var product = Expected(Plain.Of(x), Plain.Of(w.T.Contiguous()));
            var expected = bias ? Plain.Of(product.Shape, i => product.At(i) + Plain.Of(b).At(i[^1])) : product;
            expected.Same(F.Linear(x, w, bias ? b : null), 1e-12);
            expected.Same(F.Linear(Make.Ragged(x), w.T.Contiguous().T, bias ? b : null), 1e-12);
        }
    }

    [Fact]
    public void CrossEntropyOfTargets()
    {
        var logits = Make.Values([5, 7], DType.Float64) * 3;
        var targets = Tensor.From([0L, 6, 3, 3, 1]);
        double[] each =
        [
            .. Enumerable
                .Range(0, 5)
                .Select(r =>
                {
                    var row = logits[r].ToDoubles();
                    return Math.Log(row.Sum(Math.Exp)) - row[targets[r].Item<int>()];
                }),
        ];
        new Plain([], [each.Average()]).Same(F.CrossEntropy(logits, targets), 1e-12);
        new Plain([], [each.Sum()]).Same(F.CrossEntropy(logits, targets.To(DType.Int32), LossReduction.Sum), 1e-12);
        new Plain([5], each).Same(F.CrossEntropy(Make.Ragged(logits), targets, LossReduction.None), 1e-12);
        new Plain([], [each[1]]).Same(F.CrossEntropy(logits[1], targets[1]), 1e-12);
    }

    [Fact]
    public void EmbeddingPicksRows()
    {
        var table = Make.Values([7, 3]);
        foreach (long[] shape in new long[][] { [], [4], [2, 3], [0], [2, 0] })
        {
            var indices = Make.Values(shape, DType.Int64, positive: true);
            var expected = Plain.Of(
                [.. shape, 3],
                i => Plain.Of(table).At((long)Plain.Of(indices).At(i.AsSpan(..^1)), i[^1])
            );
            expected.Same(F.Embedding(table, indices));
            expected.Same(F.Embedding(Make.Ragged(table), Make.Ragged(indices)));
        }
        Assert.Equal([0L, 1, 0], F.OneHot(Tensor.From([1L]), 3)[0].ToArray<long>());
    }

    private static IEnumerable<string> KernelSpecs() => [Dispatch.Dispatcher.Explain("matmul m=3 n=7 k=5 ta=1 tb=1")];

    private static Tensor Swapped(Tensor t) => t.Rank < 2 ? t : t.Transpose(-1, -2).Contiguous().Transpose(-1, -2);

    private static Plain Expected(Plain a, Plain b)
    {
        bool vectorA = a.Shape.Length == 1;
        bool vectorB = b.Shape.Length == 1;
        if (vectorA)
            a = a with { Shape = [1, a.Shape[0]] };
        if (vectorB)
            b = b with { Shape = [b.Shape[0], 1] };
        long[] batch = Plain.Broadcast(a.Shape[..^2], b.Shape[..^2]);
        long m = a.Shape[^2];
        long n = b.Shape[^1];
        var full = Plain.Of(
            [.. batch, m, n],
            i =>
            {
                double sum = 0;
                for (long k = 0; k < a.Shape[^1]; k++)
                    sum += a.At([.. i[..^2], i[^2], k]) * b.At([.. i[..^2], k, i[^1]]);
                return sum;
            }
        );
        long[] shape = [.. batch, .. vectorA ? [] : new[] { m }, .. vectorB ? [] : new[] { n }];
        return full with { Shape = shape };
    }
}
