using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

public sealed partial class Tensor
{
    /// <summary>
    /// The same elements, in row-major order, in another shape; one size may be −1 and is then inferred. A view where
    /// that is possible, else a copy.
    /// </summary>
    /// <exception cref="ArgumentException">The number of elements differs; names both shapes.</exception>
    public Tensor Reshape(params ReadOnlySpan<long> shape) => ReshapeTo(ResolveShape(shape, "Reshape"));

    /// <summary>As <see cref="Reshape"/>, but never a copy.</summary>
    /// <exception cref="ArgumentException">The elements do not lie so that a view of this shape exists.</exception>
    public Tensor View(params ReadOnlySpan<long> shape)
    {
        long[] sizes = ResolveShape(shape, "View");
        var layout =
            Layout.TryView(sizes)
            ?? throw new ArgumentException(
                $"View: a tensor of shape {Layout} and strides {Layout.Text(Layout.Strides)} has no view of shape "
                    + $"{Layout.Text(sizes)}; use Reshape, which copies where it must."
            );
        return TakeView(layout, Derivatives.Reshape);
    }

    internal Tensor ReshapeTo(long[] sizes)
    {
        if (sizes.AsSpan().SequenceEqual(Layout.Sizes))
            return this;
        if (Layout.TryView(sizes) is { } view)
            return TakeView(view, Derivatives.Reshape);
        var copy = Copying.Dense(this, sizes);
        if (Records(this))
            copy.Record(Derivatives.Reshape, this);
        return copy;
    }

    /// <summary>One dimension out of those from <paramref name="from"/> to <paramref name="to"/>, both included.</summary>
    public Tensor Flatten(int from = 0, int to = -1)
    {
        int first = Layout.Dim(from, "Flatten");
        int last = Layout.Dim(to, "Flatten");
        if (first > last)
            throw new ArgumentException($"Flatten: from {from} lies behind to {to} in shape {Layout}.");
        if (Rank == 0)
            return Reshape(1);
        long[] sizes = [.. Layout.Sizes[..first], Layout.Product(first, last + 1), .. Layout.Sizes[(last + 1)..]];
        return ReshapeTo(sizes);
    }

    /// <summary>Dimensions in another order: dimension i of the result is dimension <c>order[i]</c> of this.</summary>
    public Tensor Permute(params ReadOnlySpan<int> order)
    {
        if (order.Length != Rank)
            throw new ArgumentException(
                $"Permute: {order.Length} dimensions given for a tensor of shape {Layout}, which has {Rank}."
            );
        int[] places = new int[Rank];
        long[] sizes = new long[Rank];
        long[] strides = new long[Rank];
        uint seen = 0;
        for (int d = 0; d < order.Length; d++)
        {
            int from = Layout.Dim(order[d], "Permute");
            if ((seen & (1u << from)) != 0)
                throw new ArgumentException($"Permute: dimension {from} is given twice.");
            seen |= 1u << from;
            places[d] = from;
            sizes[d] = Layout.Sizes[from];
            strides[d] = Layout.Strides[from];
        }
        return TakeView(new Layout(sizes, strides, Layout.Offset), Derivatives.Permute, places);
    }

    /// <summary>Two dimensions exchanged.</summary>
    public Tensor Transpose(int dim0, int dim1)
    {
        int a = Layout.Dim(dim0, "Transpose");
        int b = Layout.Dim(dim1, "Transpose");
        Span<int> order = stackalloc int[Rank];
        for (int d = 0; d < order.Length; d++)
            order[d] =
                d == a ? b
                : d == b ? a
                : d;
        return Permute(order);
    }

    /// <summary>The transpose of a matrix (or of a vector or scalar: itself).</summary>
    /// <exception cref="InvalidOperationException">More than two dimensions.</exception>
    public Tensor T =>
        Rank switch
        {
            < 2 => this,
            2 => Transpose(0, 1),
            _ => throw new InvalidOperationException(
                $"T: only a matrix has a transpose, but the shape is {Layout}; use Transpose or Permute."
            ),
        };

    /// <summary>Without its dimensions of size 1, or without one of them (which stays if its size is not 1).</summary>
    public Tensor Squeeze(int? dim = null)
    {
        int only = dim is { } given ? Layout.Dim(given, "Squeeze") : -1;
        var sizes = new List<long>(Rank);
        var strides = new List<long>(Rank);
        for (int d = 0; d < Rank; d++)
        {
            if (Layout.Sizes[d] == 1 && (only < 0 || only == d))
                continue;
            sizes.Add(Layout.Sizes[d]);
            strides.Add(Layout.Strides[d]);
        }
        return TakeView(new Layout([.. sizes], [.. strides], Layout.Offset), Derivatives.Reshape);
    }

    /// <summary>With a new dimension of size 1 at a place.</summary>
    public Tensor Unsqueeze(int dim)
    {
        if (dim < -Rank - 1 || dim > Rank)
            throw new ArgumentOutOfRangeException(
                nameof(dim),
                $"Unsqueeze: dim is {dim}, but a tensor of shape {Layout} allows {-Rank - 1} to {Rank}."
            );
        int at = dim < 0 ? dim + Rank + 1 : dim;
        long stride = at < Rank ? Layout.Sizes[at] * Layout.Strides[at] : 1;
        long[] sizes = [.. Layout.Sizes[..at], 1, .. Layout.Sizes[at..]];
        long[] strides = [.. Layout.Strides[..at], stride, .. Layout.Strides[at..]];
        return TakeView(new Layout(sizes, strides, Layout.Offset), Derivatives.Reshape);
    }

    /// <summary>
    /// A view in which dimensions of size 1 (and new ones in front) repeat up to a shape; −1 keeps a size. Takes no memory.
    /// </summary>
    /// <exception cref="ArgumentException">A size other than 1 would have to change; names both shapes.</exception>
    public Tensor Expand(params ReadOnlySpan<long> shape)
    {
        int added = shape.Length - Rank;
        long[] sizes = shape.ToArray();
        long[] strides = new long[sizes.Length];
        bool fits = added >= 0;
        for (int d = 0; fits && d < sizes.Length; d++)
        {
            long own = d < added ? 1 : Layout.Sizes[d - added];
            if (sizes[d] == -1 && d >= added)
                sizes[d] = own;
            fits = sizes[d] >= 0 && (own == 1 || own == sizes[d]);
            if (d >= added && own == sizes[d])
                strides[d] = Layout.Strides[d - added];
        }
        if (!fits)
            throw new ArgumentException(
                $"Expand: shape {Layout} cannot be expanded to {Layout.Text(shape)}; only dimensions of size 1 repeat."
            );
        return TakeView(new Layout(sizes, strides, Layout.Offset), Derivatives.Expand);
    }

    internal Tensor ExpandTo(Layout shape) => Layout.SameSizes(shape) ? this : Expand(shape.Sizes);

    /// <summary>
    /// A view of <paramref name="length"/> elements of one dimension from <paramref name="start"/> on, which counts from the end
    /// when negative.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">They do not all lie in the dimension.</exception>
    public Tensor Narrow(int dim, long start, long length)
    {
        int d = Layout.Dim(dim, "Narrow");
        if (Rank == 0)
            throw new ArgumentException("Narrow: a scalar has no dimension to take a part of.");
        long whole = Layout.Sizes[d];
        if (start < -whole || start > whole)
            throw new ArgumentOutOfRangeException(
                nameof(start),
                $"Narrow: start is {start}, but dimension {dim} of shape {Layout} allows {-whole} to {whole}."
            );
        long first = start < 0 ? start + whole : start;
        if (length < 0 || length > whole - first)
            throw new ArgumentOutOfRangeException(
                nameof(length),
                $"Narrow: length is {length}, but from {start} on dimension {dim} of shape {Layout} allows 0 to {whole - first}."
            );
        long[] sizes = [.. Layout.Sizes];
        sizes[d] = length;
        return Region(
            new Layout(sizes, Layout.Strides, Layout.Offset + first * Layout.Strides[d]),
            Records(this) ? DenseRegion(sizes, d, first) : null
        );
    }

    /// <summary>Pieces along a dimension, each <paramref name="size"/> long but perhaps the last; views.</summary>
    public Tensor[] Split(long size, int dim = 0)
    {
        if (size < 1)
            throw new ArgumentOutOfRangeException(nameof(size), $"Split: size is {size}, but must be at least 1.");
        int d = Layout.Dim(dim, "Split");
        long whole = Size(d);
        long count = Math.Max(1, whole / size + (whole % size == 0 ? 0 : 1));
        if (count > Array.MaxLength)
            throw new ArgumentOutOfRangeException(
                nameof(size),
                $"Split: size is {size}, but dimension {dim} of shape {Layout} would be {count} pieces; there may be {Array.MaxLength}."
            );
        var pieces = new Tensor[count];
        for (int i = 0; i < pieces.Length; i++)
            pieces[i] = Narrow(d, i * size, Math.Min(size, whole - i * size));
        return pieces;
    }

    /// <summary>Itself if its elements lie in row-major order without gaps, else a copy of which that holds.</summary>
    public Tensor Contiguous() => Layout.IsContiguous ? this : Clone();

    /// <summary>
    /// A view of some of the elements; its gradient is zero elsewhere. <paramref name="dense"/> is the same region of a
    /// dense tensor of this shape, needed where the view is recorded.
    /// </summary>
    internal Tensor Region(Layout layout, Layout? dense) => TakeView(layout, Derivatives.Region, dense);

    /// <summary>Zeros, or another value, of a shape with a tensor in the place of a region.</summary>
    internal static Tensor IntoRegion(Tensor values, Layout shape, Layout dense, Scalar? elsewhere = null)
    {
        var result = Full(shape.Sizes, elsewhere ?? 0, values.DType, values.Device);
        using (var region = result.Alias(dense))
            Copying.Into(region, values);
        if (Records(values))
            result.Record(Derivatives.Overwrite, result, values).Data = new Part(dense);
        return result;
    }

    /// <summary>A copy with a region overwritten.</summary>
    internal Tensor WithRegion(Layout dense, Tensor values)
    {
        var result = Copying.Dense(this);
        using (var region = result.Alias(dense))
            Copying.Into(region, values);
        if (Records(this, values))
            result.Record(Derivatives.Overwrite, this, values).Data = new Part(dense);
        return result;
    }

    /// <summary>A region given as that of a dense tensor.</summary>
    internal Tensor RegionOf(Layout dense)
    {
        var all = Contiguous();
        return all.Region(new Layout(dense.Sizes, dense.Strides, all.Layout.Offset + dense.Offset), dense);
    }

    private Layout DenseRegion(long[] sizes, int dim, long start)
    {
        long[] strides = Layout.RowMajor(Layout.Sizes);
        return new Layout(sizes, strides, start * strides[dim]);
    }

    private long[] ResolveShape(ReadOnlySpan<long> shape, string what)
    {
        long[] sizes = shape.ToArray();
        int open = -1;
        for (int d = 0; d < sizes.Length; d++)
        {
            if (sizes[d] == -1 && open < 0)
                sizes[open = d] = 1;
            else if (sizes[d] < 0)
                throw new ArgumentException($"{what}: {Layout.Text(shape)} is not a shape; one size may be -1.");
        }
        long known = Layout.CountOf(sizes);
        if (open >= 0 && known > 0 && NumElements % known == 0)
            known *= sizes[open] = NumElements / known;
        else if (open >= 0)
            known = -1;
        if (known != NumElements)
            throw new ArgumentException(
                $"{what}: a tensor of shape {Layout} has {NumElements} elements and cannot take the shape {Layout.Text(shape)}."
            );
        return sizes;
    }
}
