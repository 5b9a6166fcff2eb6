using System.Collections.Immutable;

namespace Picograd.Algorithms.Compose;

/// <summary>
/// A buffer that holds a value: where its dimensions lie in the value's elements, counted row-major. All elements are there, each once.
/// </summary>
/// <param name="Buffer">Of constant extents.</param>
/// <param name="Strides">Of the value's elements, one a dimension.</param>
internal sealed record Content(Buffer Buffer, ImmutableArray<long> Strides)
{
    /// <summary>Row-major over its own dimensions.</summary>
    public static Content Dense(Buffer buffer) => new(buffer, ViewIndex.DenseStrides(ViewIndex.Dims(buffer)));
}

/// <summary>Index expressions for views.</summary>
internal static class ViewIndex
{
    public static ImmutableArray<long> Dims(Buffer buffer) =>
        [
            .. buffer.Shape.Select(e =>
                e is IntImm extent
                    ? extent.Value
                    : throw new JoinException(
                        $"{buffer.Name} has the symbolic extent {e}; groups are of constant extents"
                    )
            ),
        ];

    public static ImmutableArray<long> DenseStrides(ImmutableArray<long> dims)
    {
        long[] strides = new long[dims.Length];
        long stride = 1;
        for (int d = dims.Length - 1; d >= 0; d--)
        {
            strides[d] = stride;
            stride *= dims[d];
        }
        return [.. strides];
    }

    /// <summary>Whether dimensions of these strides go over <paramref name="count"/> elements from the first one, each once.</summary>
    public static bool Covers(ImmutableArray<long> dims, ImmutableArray<long> strides, long count)
    {
        long next = 1;
        foreach (int d in Enumerable.Range(0, dims.Length).Where(d => dims[d] > 1).OrderBy(d => strides[d]))
        {
            if (strides[d] != next)
                return false;
            next *= dims[d];
        }
        return next == count;
    }

    /// <summary>
    /// The indices in a buffer of an element of a view: sums of the view's indices where its dimensions fit into the buffer's, their
    /// quotients and remainders where it merges some, and else those of the element's number.
    /// </summary>
    /// <param name="content">What holds the value.</param>
    /// <param name="offset">Number of the view's first element.</param>
    /// <param name="dims">Extents of the view.</param>
    /// <param name="strides">Elements of the value between neighbours.</param>
    /// <param name="indices">In the view.</param>
    public static ImmutableArray<Expr> Of(
        Content content,
        long offset,
        ImmutableArray<long> dims,
        ImmutableArray<long> strides,
        ImmutableArray<Expr> indices
    )
    {
        var extents = Dims(content.Buffer);
        // Of nothing nothing is read.
        if (extents.Contains(0))
            return [.. extents.Select(_ => (Expr)0)];
        return Fitted(content, extents, offset, dims, strides, indices)
            ?? Numbered(content, extents, offset, dims, strides, indices);
    }

    private static ImmutableArray<Expr>? Fitted(
        Content content,
        ImmutableArray<long> extents,
        long offset,
        ImmutableArray<long> dims,
        ImmutableArray<long> strides,
        ImmutableArray<Expr> indices
    )
    {
        // From the dimension whose neighbours are neighbours in memory outwards.
        int[] order =
        [
            .. Enumerable.Range(0, extents.Length).Where(j => extents[j] > 1).OrderBy(j => content.Strides[j]),
        ];
        var sums = new Expr[extents.Length];
        long[] most = new long[extents.Length];
        Array.Fill(sums, 0);
        foreach (int j in order)
        {
            most[j] = offset / content.Strides[j] % extents[j];
            sums[j] = most[j];
        }
        for (int d = 0; d < dims.Length; d++)
        {
            if (dims[d] == 1 || strides[d] == 0)
                continue;
            if (strides[d] < 0)
                return null;
            var (index, size, stride) = (indices[d], dims[d], strides[d]);
            while (size > 1)
            {
                int at = Array.FindLastIndex(order, j => content.Strides[j] <= stride);
                if (at < 0 || stride % content.Strides[order[at]] != 0)
                    return null;
                int j = order[at];
                long step = stride / content.Strides[j];
                if (step >= extents[j])
                    return null;
                if (most[j] + (size - 1) * step < extents[j])
                {
                    sums[j] += index * step;
                    most[j] += (size - 1) * step;
                    break;
                }
                if (extents[j] % step != 0 || at == order.Length - 1)
                    return null;
                long whole = extents[j] / step;
                sums[j] += Op.Mod(index, whole) * step;
                most[j] += (whole - 1) * step;
                (index, size, stride) = (
                    Op.FloorDiv(index, whole),
                    (size + whole - 1) / whole,
                    content.Strides[order[at + 1]]
                );
            }
        }
        // A carry from one dimension into the next is none of a sum.
        return order.All(j => most[j] < extents[j]) ? [.. sums] : null;
    }

    private static ImmutableArray<Expr> Numbered(
        Content content,
        ImmutableArray<long> extents,
        long offset,
        ImmutableArray<long> dims,
        ImmutableArray<long> strides,
        ImmutableArray<Expr> indices
    )
    {
        Expr number = offset;
        for (int d = 0; d < dims.Length; d++)
        {
            if (dims[d] != 1)
                number += indices[d] * strides[d];
        }
        long last = Enumerable
            .Range(0, extents.Length)
            .Where(j => extents[j] > 1)
            .Select(j => content.Strides[j])
            .DefaultIfEmpty(0)
            .Max();
        return
        [
            .. extents.Select(
                (e, j) =>
                    e == 1 ? 0
                    : content.Strides[j] == last ? Op.FloorDiv(number, last)
                    : Op.Mod(Op.FloorDiv(number, content.Strides[j]), e)
            ),
        ];
    }

    /// <summary>
    /// The other way round: whether an element of the whole is in a view, and its indices there. Null where dimensions of the view
    /// go over several of the whole.
    /// </summary>
    /// <param name="extents">Of the whole, row-major.</param>
    /// <param name="offset">Number of the view's first element.</param>
    /// <param name="dims">Extents of the view.</param>
    /// <param name="strides">Elements of the whole between neighbours.</param>
    /// <param name="place">Indices in the whole.</param>
    public static (Expr Within, ImmutableArray<Expr> Indices)? Inverse(
        ImmutableArray<long> extents,
        long offset,
        ImmutableArray<long> dims,
        ImmutableArray<long> strides,
        ImmutableArray<Expr> place
    )
    {
        var whole = DenseStrides(extents);
        var indices = new Expr[dims.Length];
        Array.Fill(indices, 0);
        var parts = new List<int>[extents.Length];
        for (int j = 0; j < parts.Length; j++)
            parts[j] = [];
        for (int d = 0; d < dims.Length; d++)
        {
            if (dims[d] == 1)
                continue;
            int j = Enumerable
                .Range(0, extents.Length)
                .FirstOrDefault(j => extents[j] > 1 && whole[j] <= strides[d], -1);
            if (j < 0 || strides[d] % whole[j] != 0)
                return null;
            parts[j].Add(d);
        }
        var within = Op.True;
        for (int j = 0; j < extents.Length; j++)
        {
            if (extents[j] == 1)
                continue;
            long from = offset / whole[j] % extents[j];
            long most = from;
            var rest = place[j] - from;
            within = Op.And(within, Op.Le(0, rest));
            foreach (int d in parts[j].OrderByDescending(d => strides[d]))
            {
                long step = strides[d] / whole[j];
                most += (dims[d] - 1) * step;
                within = Op.And(within, Op.Lt(rest, dims[d] * step));
                indices[d] = Op.FloorDiv(rest, step);
                rest = Op.Mod(rest, step);
            }
            if (most >= extents[j])
                return null;
            within = Op.And(within, Op.Eq(rest, 0));
        }
        return (within, [.. indices]);
    }

    /// <summary>Whether no two places of a view are one element.</summary>
    public static bool IsInjective(ImmutableArray<long> dims, ImmutableArray<long> strides)
    {
        long reach = 0;
        foreach (int d in Enumerable.Range(0, dims.Length).Where(d => dims[d] > 1).OrderBy(d => strides[d]))
        {
            if (strides[d] <= reach)
                return false;
            reach += (dims[d] - 1) * strides[d];
        }
        return true;
    }
}
