using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

// Elements in another order and repeated.
public sealed partial class Tensor
{
    private static readonly Operator FlipOperator = new("flip", derives: true);

    private static readonly OperatorFamily<(bool Lower, long Diagonal)> Triangles = new(k => new Operator(
        k.Lower ? "tril" : "triu",
        FormattableString.Invariant($"diagonal={k.Diagonal}"),
        // Derived it would read nothing where all is 0.
        new Rule(k.Lower ? "tril" : "triu", Saves.Nothing, (n, g) => n.Send(0, g.Triangle(k.Lower, k.Diagonal)))
    ));

    // Data: dimension and distance.
    private static readonly Rule RollRule = new(
        "roll",
        Saves.Nothing,
        static (n, g) =>
        {
            var (dim, shift) = ((int, long))n.Data!;
            n.Send(0, g.RollOne(dim, -shift));
        }
    );

    /// <summary>
    /// A diagonal of two dimensions, as the last dimension of a view that lacks these two; above the main one offsets are positive.
    /// </summary>
    /// <exception cref="ArgumentException">Fewer than two dimensions, or one named twice.</exception>
    public Tensor Diagonal(long offset = 0, int dim1 = 0, int dim2 = 1)
    {
        var (a, b) = TwoDims("diagonal", dim1, dim2);
        var (rows, columns) = (Layout.Sizes[a], Layout.Sizes[b]);
        long length = offset >= 0 ? Math.Min(rows, columns - offset) : Math.Min(rows + offset, columns);
        length = Math.Max(0, length);
        long[] sizes = [.. Without(Layout.Sizes, a, b), length];
        // Of nothing the offset may be anything.
        long from =
            length == 0 ? 0
            : offset >= 0 ? offset * Layout.Strides[b]
            : -offset * Layout.Strides[a];
        long[] strides = [.. Without(Layout.Strides, a, b), Layout.Strides[a] + Layout.Strides[b]];
        Layout? dense = null;
        if (Records(this))
        {
            long[] plain = Layout.RowMajor(Layout.Sizes);
            long at =
                length == 0 ? 0
                : offset >= 0 ? offset * plain[b]
                : -offset * plain[a];
            dense = new Layout(sizes, [.. Without(plain, a, b), plain[a] + plain[b]], at);
        }
        return Region(new Layout(sizes, strides, Layout.Offset + from), dense);
    }

    /// <summary>Of a vector the matrix that has it on a diagonal and is 0 elsewhere, of a matrix a copy of its diagonal.</summary>
    /// <exception cref="ArgumentException">Neither a vector nor a matrix.</exception>
    public Tensor Diag(long diagonal = 0) =>
        Rank switch
        {
            1 => DiagEmbed(diagonal),
            2 => Diagonal(diagonal).Clone(),
            _ => throw new ArgumentException($"diag: needs a vector or a matrix, but the shape is {Layout}."),
        };

    /// <summary>The last dimension as a diagonal of two new ones, 0 elsewhere.</summary>
    public Tensor DiagEmbed(long offset = 0, int dim1 = -2, int dim2 = -1)
    {
        int rank = Rank + 1;
        if (Rank == 0)
            throw new ArgumentException("diag_embed: a scalar has no dimension to lie on a diagonal.");
        int a = dim1 < 0 ? dim1 + rank : dim1;
        int b = dim2 < 0 ? dim2 + rank : dim2;
        if (a < 0 || a >= rank || b < 0 || b >= rank || a == b)
            throw new ArgumentException(
                $"diag_embed: dim1 is {dim1} and dim2 {dim2}, but must be two different dimensions of the {rank} that the result has."
            );
        long side = Layout.Sizes[^1] + Math.Abs(offset);
        var sizes = new List<long>(Layout.Sizes[..^1]);
        sizes.Insert(Math.Min(a, b), side);
        sizes.Insert(Math.Max(a, b), side);
        long[] whole = [.. sizes];
        long[] strides = Layout.RowMajor(whole);
        var region = new Layout(
            Layout.Sizes,
            [.. Without(strides, a, b), strides[a] + strides[b]],
            NumElements == 0 ? 0
                : offset >= 0 ? offset * strides[b]
                : -offset * strides[a]
        );
        return IntoRegion(this, Layout.Contiguous(whole), region);
    }

    /// <summary>Matrices with zeros above a diagonal; above the main one diagonals are positive.</summary>
    /// <exception cref="ArgumentException">Fewer than two dimensions.</exception>
    public Tensor Tril(long diagonal = 0) => Triangle(lower: true, diagonal);

    /// <summary>Matrices with zeros below a diagonal; above the main one diagonals are positive.</summary>
    /// <exception cref="ArgumentException">Fewer than two dimensions.</exception>
    public Tensor Triu(long diagonal = 0) => Triangle(lower: false, diagonal);

    private Tensor Triangle(bool lower, long diagonal)
    {
        if (Rank < 2)
            throw new ArgumentException($"{(lower ? "tril" : "triu")}: needs matrices, but the shape is {Layout}.");
        // Beyond the corners diagonals are all alike.
        diagonal = Math.Clamp(diagonal, -Layout.Sizes[^2], Layout.Sizes[^1]);
        return Triangles[(lower, diagonal)].Recorded(this);
    }

    /// <summary>The elements in reverse order along some dimensions; a copy.</summary>
    /// <exception cref="ArgumentException">A dimension is named twice.</exception>
    public Tensor Flip(params ReadOnlySpan<int> dims)
    {
        uint over = dims.IsEmpty ? 0 : Mask(dims, "flip");
        if (Rank == 0 || over == 0)
            return Clone();
        var result = this;
        // Neighbours that are mirrored together are one dimension.
        for (int d = 0; d < Rank; )
        {
            if ((over >> d & 1) == 0)
            {
                d++;
                continue;
            }
            int end = d;
            while (end < Rank && (over >> end & 1) != 0)
                end++;
            var three = result.ReshapeTo([.. Layout.Sizes[..d], Layout.Product(d, end), Layout.Product(end, Rank)]);
            result = FlipOperator.Recorded(three).ReshapeTo([.. Layout.Sizes]);
            d = end;
        }
        return result;
    }

    /// <summary>The columns in reverse order; a copy.</summary>
    public Tensor FlipLr() =>
        Rank < 2
            ? throw new ArgumentException($"fliplr: needs two dimensions or more, but the shape is {Layout}.")
            : Flip(1);

    /// <summary>The rows in reverse order; a copy.</summary>
    public Tensor FlipUd() =>
        Rank < 1 ? throw new ArgumentException("flipud: needs one dimension or more, but this is a scalar.") : Flip(0);

    /// <summary>
    /// Elements moved along dimensions by some places; what leaves at an end comes in at the other. Without dimensions all elements
    /// move as one row.
    /// </summary>
    /// <exception cref="ArgumentException">Not as many shifts as dimensions.</exception>
    public Tensor Roll(ReadOnlySpan<long> shifts, ReadOnlySpan<int> dims = default)
    {
        if (shifts.IsEmpty)
            throw new ArgumentException("roll: shifts must not be empty.");
        if (dims.IsEmpty && shifts.Length == 1)
            return Flatten().RollOne(0, shifts[0]).ReshapeTo([.. Layout.Sizes]);
        if (shifts.Length != dims.Length)
            throw new ArgumentException(
                $"roll: there are {shifts.Length} shifts for {dims.Length} dimensions; there must be as many."
            );
        var result = this;
        for (int i = 0; i < dims.Length; i++)
            result = result.RollOne(NeedsDim("roll", dims[i]), shifts[i]);
        return result;
    }

    /// <inheritdoc cref="Roll(ReadOnlySpan{long}, ReadOnlySpan{int})"/>
    public Tensor Roll(long shift, int? dim = null) => dim is { } d ? Roll([shift], [d]) : Roll([shift]);

    private Tensor RollOne(int dim, long shift)
    {
        long size = Layout.Sizes[dim];
        long by = size == 0 ? 0 : (shift % size + size) % size;
        if (by == 0)
            return Clone();
        Tensor result;
        using (NoGrad())
            result = Cat([Narrow(dim, size - by, by), Narrow(dim, 0, size - by)], dim);
        if (Records(this))
            result.Record(RollRule, this).Data = (dim, by);
        return result;
    }

    /// <summary>Turned by quarters in the plane of two dimensions, from the first towards the second; a copy.</summary>
    /// <exception cref="ArgumentException">Not two different dimensions.</exception>
    public Tensor Rot90(int k = 1, int dim0 = 0, int dim1 = 1)
    {
        var (a, b) = TwoDims("rot90", dim0, dim1);
        return ((k % 4 + 4) % 4) switch
        {
            1 => Flip(b).Transpose(a, b).Contiguous(),
            2 => Flip(a, b),
            3 => Flip(a).Transpose(a, b).Contiguous(),
            _ => Clone(),
        };
    }

    /// <summary>
    /// Copies side by side along each dimension, as many as are named from the last one; those more than the tensor has are new.
    /// </summary>
    /// <exception cref="ArgumentException">Fewer numbers than dimensions, or a negative one.</exception>
    public Tensor Repeat(params ReadOnlySpan<long> repeats)
    {
        if (repeats.Length < Rank)
            throw new ArgumentException(
                $"repeat: {repeats.Length} numbers are given for a tensor of shape {Layout}; there must be one for each dimension, or more."
            );
        int added = repeats.Length - Rank;
        var (inner, between, sizes) = (new List<long>(), new List<long>(), new long[repeats.Length]);
        for (int d = 0; d < repeats.Length; d++)
        {
            if (repeats[d] < 0)
                throw new ArgumentException(
                    $"repeat: the numbers are {Layout.Text(repeats)}, but none may be negative."
                );
            long size = d < added ? 1 : Layout.Sizes[d - added];
            sizes[d] = size * repeats[d];
            // Two dimensions only where elements lie beside copies.
            if (repeats[d] != 1 && size != 1)
            {
                between.Add(1);
                inner.Add(repeats[d]);
            }
            between.Add(size);
            inner.Add(size == 1 ? repeats[d] : size);
        }
        var whole = ReshapeTo([.. between]).Expand([.. inner]);
        // New memory in any case.
        return whole.Layout.IsContiguous ? whole.ReshapeTo(sizes).Clone() : whole.ReshapeTo(sizes);
    }

    /// <summary>As <see cref="Repeat"/>, where dimensions in front that are not named stay.</summary>
    public Tensor Tile(params ReadOnlySpan<long> dims)
    {
        long[] repeats = new long[Math.Max(Rank, dims.Length)];
        Array.Fill(repeats, 1);
        dims.CopyTo(repeats.AsSpan(repeats.Length - dims.Length));
        return Repeat(repeats);
    }

    /// <summary>Each element (of a dimension: each slice) several times, one behind the other.</summary>
    /// <param name="repeats">How often, at least 0.</param>
    /// <param name="dim">The dimension; none: of all elements in row-major order.</param>
    public Tensor RepeatInterleave(long repeats, int? dim = null)
    {
        if (repeats < 0)
            throw new ArgumentException($"repeat_interleave: repeats is {repeats}, but must be at least 0.");
        if (dim is null)
            return Flatten().RepeatInterleave(repeats, 0);
        int d = NeedsDim("repeat_interleave", dim.Value);
        var x = this;
        long[] sizes = [.. x.Layout.Sizes];
        sizes[d] *= repeats;
        var wide = x.Unsqueeze(d + 1).Expand([.. x.Layout.Sizes[..(d + 1)], repeats, .. x.Layout.Sizes[(d + 1)..]]);
        return wide.Layout.IsContiguous ? wide.ReshapeTo(sizes).Clone() : wide.ReshapeTo(sizes);
    }

    /// <summary>Each element (of a dimension: each slice) as often as a vector of whole numbers says.</summary>
    /// <param name="repeats">A number for each element, or one for all: int64 or int32, at least 0.</param>
    /// <param name="dim">The dimension; none: of all elements in row-major order.</param>
    /// <param name="outputSize">What the repeats sum up to, where the caller knows it.</param>
    /// <exception cref="ArgumentException">Not a vector of as many whole numbers as the dimension has, or a sum that is not the one given.</exception>
    public Tensor RepeatInterleave(Tensor repeats, int? dim = null, long? outputSize = null)
    {
        ArgumentNullException.ThrowIfNull(repeats);
        if (dim is null && Rank != 1)
            return Flatten().RepeatInterleave(repeats, 0, outputSize);
        int d = NeedsDim("repeat_interleave", dim ?? 0);
        if (repeats.DType is not (DType.Int32 or DType.Int64))
            throw new ArgumentException(
                $"repeat_interleave: repeats must be int64 or int32, but they are {repeats.DType.Name()}."
            );
        long size = Layout.Sizes[d];
        if (repeats.Rank > 1 || (repeats.NumElements != 1 && repeats.NumElements != size))
            throw new ArgumentException(
                $"repeat_interleave: repeats has the shape {repeats.Layout}, but must be one number or a vector of the {size} elements of dimension {dim ?? 0} of shape {Layout}."
            );
        long[] counts = repeats.To(DType.Int64).Reshape(-1).ToArray<long>();
        if (counts.Length == 1 && size != 1)
            counts = [.. Enumerable.Repeat(counts[0], checked((int)size))];
        Int128 total = 0;
        foreach (long count in counts)
        {
            if (count < 0)
                throw new ArgumentException(
                    $"repeat_interleave: a number of repeats is {count}, but none may be negative."
                );
            total += count;
        }
        if (outputSize is { } expected && total != expected)
            throw new ArgumentException(
                $"repeat_interleave: the repeats sum up to {total}, but outputSize is {expected}."
            );
        long[] places = new long[checked((int)total)];
        for (int i = 0, at = 0; i < counts.Length; i++)
        {
            places.AsSpan(at, (int)counts[i]).Fill(i);
            at += (int)counts[i];
        }
        return IndexSelect(d, Held<long>(places, [places.Length]).ToDevice(Device));
    }

    /// <summary>
    /// Slices of a dimension that windows show, as a new last dimension: window i holds elements i · step up to i · step + size. A copy;
    /// PyTorch gives a view.
    /// </summary>
    /// <exception cref="ArgumentException">A window larger than the dimension, or a step below 1.</exception>
    public Tensor Unfold(int dimension, long size, long step)
    {
        int d = NeedsDim("unfold", dimension, scalars: true);
        var x = Rank == 0 ? ReshapeTo([1]) : this;
        long whole = x.Layout.Sizes[d];
        if (size < 0 || size > whole)
            throw new ArgumentException(
                $"unfold: size is {size}, but must be from 0 to {whole}, which dimension {dimension} of shape {Layout} has."
            );
        if (step < 1)
            throw new ArgumentException($"unfold: step is {step}, but must be at least 1.");
        long count = (whole - size) / step + 1;
        long[] places = new long[checked((int)(count * size))];
        for (int i = 0; i < places.Length; i++)
            places[i] = i / size * step + i % size;
        var picked = x.IndexSelect(d, Held<long>(places, [places.Length]).ToDevice(Device));
        var windows = picked.ReshapeTo([.. x.Layout.Sizes[..d], count, size, .. x.Layout.Sizes[(d + 1)..]]);
        var moved = windows.MoveDim(d + 1, -1);
        return Rank == 0 ? moved.Select(0, 0) : moved.Contiguous();
    }

    // A dimension that is there; of scalars none is, unless they count as vectors of one element.
    private int NeedsDim(string what, int dim, bool scalars = false)
    {
        int d = Layout.Dim(dim, what);
        return Rank > 0 || scalars ? d : throw new ArgumentException($"{what}: a scalar has no dimensions.");
    }

    private (int First, int Second) TwoDims(string what, int dim1, int dim2)
    {
        if (Rank < 2)
            throw new ArgumentException($"{what}: needs two dimensions or more, but the shape is {Layout}.");
        var (a, b) = (Layout.Dim(dim1, what), Layout.Dim(dim2, what));
        return a != b ? (a, b) : throw new ArgumentException($"{what}: dimension {dim1} is given twice.");
    }

    private static IEnumerable<long> Without(long[] numbers, int a, int b) => numbers.Where((_, d) => d != a && d != b);
}
