using TorchSharp;
using static TorchSharp.torch;
using Functional = TorchSharp.torch.nn.functional;

namespace Picograd.Compare.Cases;

/// <summary>Elements in other places: pieces, turns, repetitions, padding, windows, scans.</summary>
internal static partial class RearrangingCases
{
    public static IEnumerable<Subject> All => [.. Pieces(), .. Turns(), .. Repeats(), .. Pads(), .. Scans()];

    private static string Text(IEnumerable<long> numbers) => string.Join(',', numbers);

    private static long[] Longs(int[] numbers) => Array.ConvertAll(numbers, i => (long)i);

    private static IEnumerable<Subject> Pieces()
    {
        yield return new(
            "Split(sizes)",
            d =>
            {
                var x = d.Any(d.Shape(1));
                int dim = d.Between(0, x.Shape.Length - 1);
                var sizes = new List<long>();
                for (long left = x.Shape[dim]; left > 0; left -= sizes[^1])
                    sizes.Add(d.Between(0, (int)left));
                if (d.Chance(0.1))
                    sizes.Add(d.Between(-1, 1));
                long[] all = [.. sizes];
                return new($"Split({Text(all)}; {dim})", [x], t => t[0].Split(all, dim), t => t[0].split(all, dim));
            }
        );
        yield return new(
            "Chunk",
            d =>
            {
                var x = d.Any(d.Shape(1));
                int dim = d.Dim(x.Shape.Length);
                int n = d.Between(d.Chance(0.1) ? -1 : 1, 6);
                return new($"Chunk({n}, {dim})", [x], t => t[0].Chunk(n, dim), t => t[0].chunk(n, dim));
            }
        );
        yield return new(
            "TensorSplit",
            d =>
            {
                var x = d.Any(d.Shape(1));
                int dim = d.Dim(x.Shape.Length);
                int n = d.Between(d.Chance(0.1) ? -1 : 1, 6);
                return new(
                    $"TensorSplit({n}, {dim})",
                    [x],
                    t => t[0].TensorSplit(n, dim),
                    t => t[0].tensor_split((long)n, dim)
                );
            }
        );
        yield return new(
            "TensorSplit(indices)",
            d =>
            {
                var x = d.Any(d.Shape(1));
                int dim = d.Dim(x.Shape.Length);
                long[] at = [.. Enumerable.Range(0, d.Between(1, 3)).Select(_ => (long)d.Between(-3, 6))];
                return new(
                    $"TensorSplit([{Text(at)}], {dim})",
                    [x],
                    t => t[0].TensorSplit(at, dim),
                    t => t[0].tensor_split(at, dim)
                );
            }
        );
        yield return new(
            "Unbind",
            d =>
            {
                var x = d.Any(d.Shape(d.Chance(0.1) ? 0 : 1));
                int dim = d.Dim(x.Shape.Length);
                return new($"Unbind({dim})", [x], t => t[0].Unbind(dim), t => t[0].unbind(dim));
            }
        );
        yield return new(
            "Unflatten",
            d =>
            {
                long[] parts = [.. Enumerable.Range(0, d.Between(1, 3)).Select(_ => d.Pick(1L, 2, 3, 3, 4))];
                long size = parts.Aggregate(1L, (a, b) => a * b) + (d.Chance(0.05) ? 1 : 0);
                var shape = d.Shape(0, 2);
                int at = d.Between(0, shape.Length);
                var x = d.Any([.. shape[..at], size, .. shape[at..]]);
                // TorchSharp counts from the front only.
                int dim = at;
                if (d.Chance(0.4))
                    parts[d.Between(0, parts.Length - 1)] = -1;
                return Trial.One(
                    $"Unflatten({dim}, {Text(parts)})",
                    x,
                    t => t.Unflatten(dim, parts),
                    t => t.unflatten(dim, parts)
                );
            }
        );
    }

    private static IEnumerable<Subject> Turns()
    {
        yield return new(
            "MoveDim",
            d =>
            {
                var x = d.Any(d.Shape());
                int rank = x.Shape.Length;
                int count = d.Between(0, rank);
                int[] from = [.. Enumerable.Range(0, rank).OrderBy(_ => d.Between(0, 99)).Take(count)];
                int[] to = [.. Enumerable.Range(0, rank).OrderBy(_ => d.Between(0, 99)).Take(count)];
                for (int i = 0; i < count; i++)
                    if (d.Chance(0.3))
                        from[i] -= rank;
                if (d.Chance(0.05) && count > 1)
                    to[1] = to[0];
                return Trial.One(
                    $"MoveDim({string.Join(',', from)}; {string.Join(',', to)})",
                    x,
                    t => t.MoveDim(from, to),
                    t => t.movedim(Longs(from), Longs(to))
                );
            }
        );
        yield return new(
            "Diagonal",
            d =>
            {
                var x = d.Any(d.Shape(d.Chance(0.05) ? 0 : 2));
                int rank = x.Shape.Length;
                var (a, b, offset) = (d.Dim(rank), d.Dim(rank), d.Between(-4, 4));
                return Trial.One(
                    $"Diagonal({offset}, {a}, {b})",
                    x,
                    t => t.Diagonal(offset, a, b),
                    t => t.diagonal(offset, a, b)
                );
            }
        );
        yield return new(
            "Diag",
            d =>
            {
                var x = d.Any(d.Shape(d.Chance(0.1) ? 0 : 1, d.Chance(0.1) ? 3 : 2));
                int offset = d.Between(-3, 3);
                return Trial.One($"Diag({offset})", x, t => t.Diag(offset), t => t.diag(offset));
            }
        );
        yield return new(
            "DiagEmbed",
            d =>
            {
                var x = d.Any(d.Shape(d.Chance(0.05) ? 0 : 1, 3));
                int rank = x.Shape.Length + 1;
                var (a, b, offset) = (d.Dim(rank), d.Dim(rank), d.Between(-3, 3));
                return Trial.One(
                    $"DiagEmbed({offset}, {a}, {b})",
                    x,
                    t => t.DiagEmbed(offset, a, b),
                    t => t.diag_embed(offset, a, b)
                );
            }
        );
        yield return new(
            "Tril",
            d =>
            {
                var x = d.Any(d.Shape(d.Chance(0.05) ? 0 : 2));
                int k = d.Between(-5, 5);
                return Trial.One($"Tril({k})", x, t => t.Tril(k), t => t.tril(k));
            }
        );
        yield return new(
            "Triu",
            d =>
            {
                var x = d.Any(d.Shape(d.Chance(0.05) ? 0 : 2));
                int k = d.Between(-5, 5);
                return Trial.One($"Triu({k})", x, t => t.Triu(k), t => t.triu(k));
            }
        );
        yield return new(
            "Flip",
            d =>
            {
                var x = d.Any(d.Shape());
                int[] dims = d.Dims(x.Shape.Length);
                return Trial.One($"Flip({string.Join(',', dims)})", x, t => t.Flip(dims), t => t.flip(Longs(dims)));
            }
        );
        yield return new(
            "Roll",
            d =>
            {
                var x = d.Any(d.Shape());
                int[] dims = d.Dims(x.Shape.Length);
                long[] shifts = [.. dims.Select(_ => (long)d.Between(-9, 9))];
                if (dims.Length == 0)
                    shifts = [d.Between(-9, 9)];
                return Trial.One(
                    $"Roll({Text(shifts)}; {string.Join(',', dims)})",
                    x,
                    t => t.Roll(shifts, dims),
                    t => dims.Length == 0 ? t.roll(shifts[0]) : t.roll(shifts, Longs(dims))
                );
            }
        );
        yield return new(
            "Rot90",
            d =>
            {
                var x = d.Any(d.Shape(d.Chance(0.05) ? 0 : 2));
                int rank = x.Shape.Length;
                var (a, b, k) = (d.Dim(rank), d.Dim(rank), d.Between(-5, 5));
                return Trial.One(
                    $"Rot90({k}, {a}, {b})",
                    x,
                    t => t.Rot90(k, a, b),
                    t => t.rot90(k, ((long)a, (long)b))
                );
            }
        );
    }

    private static IEnumerable<Subject> Repeats()
    {
        yield return new(
            "Repeat",
            d =>
            {
                var x = d.Any(d.Shape(0, 3));
                int count = x.Shape.Length + (d.Chance(0.3) ? d.Between(-1, 2) : 0);
                long[] by =
                [
                    .. Enumerable.Range(0, Math.Max(0, count)).Select(_ => (long)d.Between(d.Chance(0.03) ? -1 : 0, 3)),
                ];
                return Trial.One($"Repeat({Text(by)})", x, t => t.Repeat(by), t => t.repeat(by)) with { Terms = 81 };
            }
        );
        yield return new(
            "Tile",
            d =>
            {
                var x = d.Any(d.Shape(0, 3));
                long[] by = [.. Enumerable.Range(0, d.Between(0, 4)).Select(_ => (long)d.Between(0, 3))];
                return Trial.One($"Tile({Text(by)})", x, t => t.Tile(by), t => t.tile(by)) with { Terms = 81 };
            }
        );
        yield return new(
            "RepeatInterleave",
            d =>
            {
                var x = d.Any(d.Shape());
                int? dim = d.Chance(0.3) ? null : d.Dim(x.Shape.Length);
                long by = d.Between(d.Chance(0.05) ? -1 : 0, 4);
                return Trial.One(
                    $"RepeatInterleave({by}, {dim})",
                    x,
                    t => t.RepeatInterleave(by, dim),
                    t => t.repeat_interleave(by, dim)
                ) with
                {
                    Terms = 4,
                };
            }
        );
        yield return new(
            "RepeatInterleave(tensor)",
            d =>
            {
                var x = d.Any(d.Shape(1));
                int? dim = d.Chance(0.3) ? null : d.Between(0, x.Shape.Length - 1);
                long size = dim is { } at ? x.Shape[at] : x.Shape.Aggregate(1L, (a, b) => a * b);
                var by = d.Whole(
                    [
                        d.Chance(0.1) ? 1
                        : d.Chance(0.05) ? size + 1
                        : size,
                    ],
                    d.IndexType(),
                    d.Chance(0.05) ? -1 : 0,
                    4
                );
                return Trial.Two(
                    $"RepeatInterleave({dim})",
                    x,
                    by,
                    (t, n) => t.RepeatInterleave(n, dim),
                    (t, n) => t.repeat_interleave(n, dim)
                ) with
                {
                    Terms = 4,
                };
            }
        );
        yield return new(
            "Meshgrid",
            d =>
            {
                var type = d.AnyType();
                Sample[] x =
                [
                    .. Enumerable.Range(0, d.Between(1, 3)).Select(_ => d.Of(d.Chance(0.1) ? [] : [d.Size()], type)),
                ];
                string indexing = d.Pick("ij", "xy");
                return new(
                    $"Meshgrid({indexing})",
                    x,
                    t => Tensor.Meshgrid(t, indexing),
                    t => torch.meshgrid(t, indexing)
                )
                {
                    Terms = 300,
                };
            }
        );
        yield return new(
            "CartesianProd",
            d =>
            {
                var type = d.AnyType();
                Sample[] x = [.. Enumerable.Range(0, d.Between(1, 3)).Select(_ => d.Of([d.Between(0, 5)], type))];
                return new("CartesianProd", x, t => [Tensor.CartesianProd(t)], t => [torch.cartesian_prod(t)])
                {
                    Terms = 25,
                };
            }
        );
        yield return new(
            "Unfold(dim)",
            d =>
            {
                var x = d.Any(d.Shape());
                int dim = d.Dim(x.Shape.Length);
                int at = dim < 0 ? dim + x.Shape.Length : dim;
                long whole = at >= 0 && at < x.Shape.Length ? x.Shape[at] : 1;
                long size = d.Chance(0.05) ? d.Between(-1, 20) : d.Between(0, (int)whole);
                long step = d.Between(d.Chance(0.05) ? 0 : 1, 4);
                return Trial.One(
                    $"Unfold({dim}, {size}, {step})",
                    x,
                    t => t.Unfold(dim, size, step),
                    t => t.unfold(dim, size, step)
                ) with
                {
                    Terms = 17,
                };
            }
        );
        foreach (
            var (name, ours, theirs) in new (string, Func<Tensor[], Tensor>, Func<TorchTensor[], TorchTensor>)[]
            {
                ("HStack", t => Tensor.HStack(t), t => torch.hstack(t)),
                ("VStack", t => Tensor.VStack(t), t => torch.vstack(t)),
                ("DStack", t => Tensor.DStack(t), t => torch.dstack(t)),
            }
        )
            yield return new(
                name,
                d =>
                {
                    var shape = d.Shape(0, 3);
                    Sample[] x = [d.Any(shape), d.Any(d.Chance(0.1) ? d.Shape(0, 2) : shape)];
                    return new(name, x, t => [ours(t)], t => [theirs(t)]);
                }
            );
    }
}
