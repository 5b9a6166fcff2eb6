using TorchSharp;
using static TorchSharp.torch;

namespace Picograd.Compare.Cases;

/// <summary>Views, joining, and brackets.</summary>
internal static class ViewCases
{
    public static IEnumerable<Subject> All => [.. Views(), .. Joining(), .. Brackets()];

    private static IEnumerable<Subject> Views()
    {
        yield return new(
            "Reshape",
            d =>
            {
                var x = d.Any(d.Shape());
                long[] shape = NewShape(d, x.Shape);
                return Trial.One($"Reshape({Join(shape)})", x, t => t.Reshape(shape), t => t.reshape(shape));
            }
        );
        yield return new(
            "View",
            d =>
            {
                var x = d.Any(d.Shape());
                long[] shape = NewShape(d, x.Shape);
                return Trial.One($"View({Join(shape)})", x, t => t.View(shape), t => t.view(shape));
            }
        );
        yield return new(
            "Flatten",
            d =>
            {
                var x = d.Any(d.Shape());
                int rank = x.Shape.Length;
                var (from, to) = (d.Dim(rank), d.Dim(rank));
                return Trial.One($"Flatten({from}, {to})", x, t => t.Flatten(from, to), t => t.flatten(from, to));
            }
        );
        yield return new(
            "Permute",
            d =>
            {
                var x = d.Any(d.Shape());
                int rank = x.Shape.Length;
                int[] order = [.. Enumerable.Range(0, rank).OrderBy(_ => d.Between(0, 99))];
                if (d.Chance(0.05) && rank > 0)
                    order[0] = d.Dim(rank);
                for (int i = 0; i < rank; i++)
                    if (d.Chance(0.2) && order[i] >= 0)
                        order[i] -= rank;
                return Trial.One(
                    $"Permute({string.Join(',', order)})",
                    x,
                    t => t.Permute(order),
                    t => t.permute(Array.ConvertAll(order, i => (long)i))
                );
            }
        );
        yield return new(
            "Transpose",
            d =>
            {
                var x = d.Any(d.Shape());
                var (a, b) = (d.Dim(x.Shape.Length), d.Dim(x.Shape.Length));
                return Trial.One($"Transpose({a}, {b})", x, t => t.Transpose(a, b), t => t.transpose(a, b));
            }
        );
        yield return new("Squeeze", d => Trial.One("Squeeze", d.Any(d.Shape()), t => t.Squeeze(), t => t.squeeze()));
        yield return new(
            "Squeeze(dim)",
            d =>
            {
                var x = d.Any(d.Shape());
                int dim = d.Dim(x.Shape.Length);
                return Trial.One($"Squeeze({dim})", x, t => t.Squeeze(dim), t => t.squeeze(dim));
            }
        );
        yield return new(
            "Unsqueeze",
            d =>
            {
                var x = d.Any(d.Shape());
                int dim = d.Dim(x.Shape.Length + 1);
                return Trial.One($"Unsqueeze({dim})", x, t => t.Unsqueeze(dim), t => t.unsqueeze(dim));
            }
        );
        yield return new(
            "Expand",
            d =>
            {
                var to = d.Shape();
                var x = d.Any(d.Beside(to));
                long[] sizes = [.. to.Select(s => d.Chance(0.1) ? -1 : s)];
                return Trial.One($"Expand({Join(sizes)})", x, t => t.Expand(sizes), t => t.expand(sizes));
            }
        );
        yield return new(
            "Narrow",
            d =>
            {
                var x = d.Any(d.Shape(1));
                int dim = d.Dim(x.Shape.Length);
                long size =
                    dim >= -x.Shape.Length && dim < x.Shape.Length ? x.Shape[dim < 0 ? dim + x.Shape.Length : dim] : 1;
                long start = d.Chance(0.1) ? -d.Between(0, 3) : d.Between(0, (int)size);
                long length = d.Chance(0.1)
                    ? d.Between(-1, 20)
                    : Math.Max(0, d.Between(0, (int)(size - Math.Max(start, 0))));
                return Trial.One(
                    $"Narrow({dim}, {start}, {length})",
                    x,
                    t => t.Narrow(dim, start, length),
                    t => t.narrow(dim, start, length)
                );
            }
        );
        yield return new(
            "Split",
            d =>
            {
                var x = d.Any(d.Shape(1));
                int dim = d.Dim(x.Shape.Length);
                long size = d.Between(d.Chance(0.1) ? -1 : 1, 6);
                return new($"Split({size}, {dim})", [x], t => t[0].Split(size, dim), t => t[0].split(size, dim));
            }
        );
    }

    private static IEnumerable<Subject> Joining()
    {
        yield return new(
            "Cat",
            d =>
            {
                var shape = d.Shape(1);
                int dim = d.Dim(shape.Length);
                // TorchSharp itself gives one tensor back, whatever the dimension.
                var parts = Enumerable.Range(0, d.Between(2, 4)).Select(_ => d.Any(Other(d, shape, dim))).ToArray();
                return new($"Cat({dim})", parts, t => [Tensor.Cat(t, dim)], t => [torch.cat(t, dim)]);
            }
        );
        yield return new(
            "Stack",
            d =>
            {
                var shape = d.Shape();
                int dim = d.Dim(shape.Length + 1);
                var parts = Enumerable
                    .Range(0, d.Between(2, 4))
                    .Select(_ => d.Any(d.Chance(0.04) ? d.Beside(shape) : shape))
                    .ToArray();
                return new($"Stack({dim})", parts, t => [Tensor.Stack(t, dim)], t => [torch.stack(t, dim)]);
            }
        );
    }

    private static IEnumerable<Subject> Brackets()
    {
        yield return new(
            "[…]",
            d =>
            {
                var x = d.Any(d.Shape(1));
                var indices = Basic(d, x.Shape);
                return Trial.One(
                    $"[{string.Join(", ", indices.Select(i => i.Text))}]",
                    x,
                    t => t[[.. indices.Select(i => i.Ours)]],
                    t => t.index([.. indices.Select(i => i.Theirs)])
                );
            }
        );
        yield return new(
            "[…] = value",
            d =>
            {
                var x = d.Any(d.Shape(1));
                var indices = Basic(d, x.Shape);
                var value = d.Any(d.Chance(0.5) ? [] : d.Beside(x.Shape));
                return Trial.Two(
                    $"[{string.Join(", ", indices.Select(i => i.Text))}] = value",
                    x,
                    value,
                    (t, v) =>
                    {
                        var copy = t.Clone();
                        copy[[.. indices.Select(i => i.Ours)]] = v;
                        return copy;
                    },
                    (t, v) =>
                    {
                        var copy = t.clone();
                        copy[[.. indices.Select(i => i.Theirs)]] = v;
                        return copy;
                    }
                );
            }
        );
    }

    private sealed record Index(string Text, TensorIndex Ours, torch.TensorIndex Theirs);

    private static Index[] Basic(Draw d, long[] shape)
    {
        var indices = new List<Index>();
        bool ellipsis = false;
        int dims = d.Between(1, shape.Length);
        for (int i = 0; i < dims; i++)
        {
            if (d.Chance(0.1))
                indices.Add(new("null", null, torch.TensorIndex.Null));
            if (!ellipsis && d.Chance(0.1))
            {
                ellipsis = true;
                indices.Add(new("…", Tensor.Ellipsis, torch.TensorIndex.Ellipsis));
                // The rest counts from the end.
                i += shape.Length - dims;
                dims = shape.Length;
                if (i >= dims)
                    break;
            }
            int size = (int)shape[i];
            if (d.Chance(0.3))
            {
                long at = d.Chance(0.05) ? d.Pick(size, -size - 1) : d.Between(-size, Math.Max(size - 1, 0));
                indices.Add(new($"{at}", at, torch.TensorIndex.Single(at)));
            }
            else if (d.Chance(0.2))
                indices.Add(new("..", .., torch.TensorIndex.Colon));
            else
            {
                long? start = d.Chance(0.3) ? null : d.Between(-size - 1, size + 1);
                long? stop = d.Chance(0.3) ? null : d.Between(-size - 1, size + 2);
                long step = d.Pick<long>(1, 1, 2, 3);
                indices.Add(
                    new(
                        $"{start}:{stop}:{step}",
                        new Slice(start, stop, step),
                        torch.TensorIndex.Slice(start, stop, step)
                    )
                );
            }
        }
        return [.. indices];
    }

    /// <summary>Like another shape but for one dimension; now and then for another one too.</summary>
    private static long[] Other(Draw d, long[] shape, int dim)
    {
        var other = shape.ToArray();
        int at = dim < 0 ? dim + shape.Length : dim;
        if (at >= 0 && at < other.Length)
            other[at] = d.Between(0, 4);
        if (d.Chance(0.04))
            other[d.Between(0, other.Length - 1)] += 1;
        return other;
    }

    /// <summary>A shape of as many elements, -1 in it now and then, wrong now and then.</summary>
    private static long[] NewShape(Draw d, long[] shape)
    {
        long count = shape.Aggregate(1L, (n, s) => n * s);
        var result = new List<long>();
        long left = count;
        foreach (long divisor in new long[] { 2, 3, 5, 7 })
            if (left > 0 && left % divisor == 0 && d.Chance(0.6))
            {
                result.Add(divisor);
                left /= divisor;
            }
        result.Insert(d.Between(0, result.Count), left);
        if (d.Chance(0.3))
            result.Insert(d.Between(0, result.Count), 1);
        if (d.Chance(0.25))
            result[d.Between(0, result.Count - 1)] = -1;
        if (d.Chance(0.05))
            result[0] += 1;
        return [.. result];
    }

    private static string Join(long[] of) => string.Join(',', of);
}
