using TorchSharp;
using static TorchSharp.torch;

namespace Picograd.Compare.Cases;

/// <summary>Index tensors, masks, and what picks by them.</summary>
internal static class IndexCases
{
    public static IEnumerable<Subject> All
    {
        get
        {
            yield return new(
                "IndexSelect",
                d =>
                {
                    var x = d.Any(d.Shape(1));
                    int dim = d.Dim(x.Shape.Length);
                    var index = d.Whole(
                        d.Chance(0.95) ? [d.Size()] : d.Shape(),
                        d.IndexType(),
                        Low(d),
                        Size(x, dim) - 1
                    );
                    return Trial.Two(
                        $"IndexSelect({dim})",
                        x,
                        index,
                        (t, i) => t.IndexSelect(dim, i),
                        (t, i) => t.index_select(dim, i)
                    ) with
                    {
                        Terms = 17,
                    };
                }
            );
            yield return new(
                "Gather",
                d =>
                {
                    var x = d.Any(d.Shape());
                    int rank = x.Shape.Length;
                    int dim = d.Dim(rank);
                    long[] shape = [.. x.Shape.Select(s => d.Chance(0.3) ? d.Between(0, (int)s) : s)];
                    var index = d.Whole(shape, d.Chance(0.9) ? DType.Int64 : d.IndexType(), Low(d), Size(x, dim) - 1);
                    return Trial.Two(
                        $"Gather({dim})",
                        x,
                        index,
                        (t, i) => t.Gather(dim, i),
                        (t, i) => t.gather(dim, i)
                    ) with
                    {
                        Terms = 17,
                    };
                }
            );
            yield return new(
                "[index]",
                d =>
                {
                    var (x, indices) = Picked(d);
                    return new Trial(
                        $"[{indices.Length} index tensors]",
                        [x, .. indices],
                        t => [t[0][[.. t[1..].Select(i => (TensorIndex)i)]]],
                        t => [t[0].index([.. t[1..].Select(torch.TensorIndex.Tensor)])]
                    )
                    {
                        Terms = 17,
                    };
                }
            );
            yield return new(
                "[.., index]",
                d =>
                {
                    var x = d.Any(d.Shape(2));
                    var index = d.Whole(d.Shape(0, 2), d.IndexType(), Low(d), x.Shape[1] - 1);
                    return Trial.Two(
                        "[.., index]",
                        x,
                        index,
                        (t, i) => t[.., i],
                        (t, i) => t.index(torch.TensorIndex.Colon, torch.TensorIndex.Tensor(i))
                    ) with
                    {
                        Terms = 17,
                    };
                }
            );
            yield return new(
                "IndexPut_",
                d =>
                {
                    var (x, indices) = Picked(d);
                    bool accumulate = x.Type != DType.Bool;
                    var value = d.Of(d.Chance(0.5) ? [] : d.Beside(Joint(x, indices)), x.Type);
                    return new Trial(
                        $"IndexPut_({indices.Length} index tensors, value, {accumulate})",
                        [x, value, .. indices],
                        t => [t[0].Clone().IndexPut_(t[2..], t[1], accumulate)],
                        t => [t[0].clone().index_put_(t[1], t[2..], accumulate)]
                    )
                    {
                        Terms = 34,
                    };
                }
            );
            yield return new(
                "[mask]",
                d =>
                {
                    var x = d.Any(d.Shape(1));
                    long[] shape = x.Shape[..d.Between(1, x.Shape.Length)];
                    if (d.Chance(0.05))
                        shape[0] += 1;
                    return Trial.Two(
                        "[mask]",
                        x,
                        d.Of(shape, DType.Bool),
                        (t, m) => t[m],
                        (t, m) => t.index(torch.TensorIndex.Tensor(m))
                    );
                }
            );
            yield return new(
                "MaskedSelect",
                d =>
                {
                    var shape = d.Shape();
                    return Trial.Two(
                        "MaskedSelect",
                        d.Any(shape),
                        d.Of(d.Beside(shape), DType.Bool),
                        (t, m) => t.MaskedSelect(m),
                        (t, m) => t.masked_select(m)
                    );
                }
            );
            yield return new(
                "NonZero",
                d => Trial.One("NonZero", d.Any(d.Shape()), t => t.NonZero(), t => t.nonzero())
            );
        }
    }

    /// <summary>Below 0 now and then, which only some functions take, and beyond the size.</summary>
    private static long Low(Draw d) => d.Chance(0.03) ? -1 : 0;

    private static long Size(Sample x, int dim)
    {
        int rank = x.Shape.Length;
        int at = dim < 0 ? dim + rank : dim;
        return at >= 0 && at < rank ? x.Shape[at] : 1;
    }

    private static (Sample, Sample[]) Picked(Draw d)
    {
        var x = d.Any(d.Shape(1));
        var shape = d.Shape(0, 2);
        var indices = Enumerable
            .Range(0, d.Between(1, Math.Min(3, x.Shape.Length)))
            .Select(i =>
                d.Whole(
                    d.Beside(shape),
                    d.IndexType(),
                    d.Chance(0.3) ? -x.Shape[i] : 0,
                    x.Shape[i] - (d.Chance(0.03) ? 0 : 1)
                )
            )
            .ToArray();
        return (x, indices);
    }

    /// <summary>What the indices pick, where they broadcast.</summary>
    private static long[] Joint(Sample x, Sample[] indices)
    {
        int rank = indices.Max(i => i.Shape.Length);
        var shape = new long[rank];
        Array.Fill(shape, 1);
        foreach (var index in indices)
            for (int i = 1; i <= index.Shape.Length; i++)
                if (index.Shape[^i] != 1)
                    shape[^i] = index.Shape[^i];
        return [.. shape, .. x.Shape[indices.Length..]];
    }
}
