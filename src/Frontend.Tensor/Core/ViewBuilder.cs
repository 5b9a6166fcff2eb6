using Picograd.Calls;

namespace Picograd;

/// <summary>Puts a view together from an index, dimension by dimension of the tensor that is indexed.</summary>
/// <param name="from">Layout of the tensor.</param>
/// <param name="dense">Whether the same view of a dense tensor of its shape is wanted.</param>
/// <param name="room">
/// <see cref="Room"/> numbers for each dimension that the view may get, on the caller's stack: indexing is on the path of every
/// step, and with lists on the heap <c>x[3]</c> allocated 544 bytes where the view itself is 192.
/// </param>
internal ref struct ViewBuilder(Layout from, bool dense, Span<long> room)
{
    /// <summary>Numbers that are noted of a dimension.</summary>
    public const int Room = 3;

    private readonly long[]? _denseStrides = dense ? Layout.RowMajor(from.Sizes) : null;
    private readonly Span<long> _sizes = room[..(room.Length / Room)];
    private readonly Span<long> _strides = room.Slice(room.Length / Room, room.Length / Room);
    private readonly Span<long> _denseOnes = room[(2 * (room.Length / Room))..];
    private int _rank;
    private List<(int First, int Dims, Tensor Places)>? _picks;
    private long _offset = from.Offset;
    private long _denseOffset;

    /// <summary>The next dimension of the tensor.</summary>
    public int Dim { readonly get; private set; }

    /// <summary>Whether the view is the tensor, so far.</summary>
    public bool IsWhole { readonly get; private set; } = true;

    /// <summary>The view.</summary>
    public readonly Layout Layout => new(_sizes[.._rank].ToArray(), _strides[.._rank].ToArray(), _offset);

    /// <summary>The view of a dense tensor.</summary>
    public readonly Layout? Dense =>
        _denseStrides is null ? null : new(_sizes[.._rank].ToArray(), _denseOnes[.._rank].ToArray(), _denseOffset);

    /// <summary>A new dimension of size 1. Returns its place in the view.</summary>
    public int Insert()
    {
        IsWhole = false;
        return Append(1, 1, 1);
    }

    /// <summary>The next dimension whole. Returns its place in the view.</summary>
    public int Keep() => Take(0, from.Sizes[Dim], 1);

    /// <summary>Part of the next dimension.</summary>
    public void Cut(Slice slice)
    {
        long size = from.Sizes[Dim];
        var (first, count) = slice.In(size);
        IsWhole &= count == size;
        Take(first, count, slice.Step);
    }

    /// <summary>One element of the next dimension, which is then gone.</summary>
    /// <exception cref="IndexOutOfRangeException">There is no such element.</exception>
    public void At(TensorIndex index)
    {
        long size = from.Sizes[Dim];
        long at = index.At < 0 ? index.At + size : index.At;
        if (at < 0 || at >= size)
            throw new IndexOutOfRangeException(
                $"indexing: index {index} is out of range for dimension {Dim} of shape {from}."
            );
        IsWhole = false;
        Move(at);
        Dim++;
    }

    /// <summary>
    /// The next dimensions whole, as many as a mask has, which must be of their shape; a new one of size 1 for a mask of none.
    /// Returns the place of the first in the view.
    /// </summary>
    /// <exception cref="IndexOutOfRangeException">The mask has another shape.</exception>
    public int Mask(Tensor mask)
    {
        if (mask.Rank == 0)
            return Insert();
        if (!from.Sizes.AsSpan(Dim, mask.Rank).SequenceEqual(mask.Layout.Sizes))
            throw new IndexOutOfRangeException(
                $"indexing: a mask of shape {mask.Layout} does not fit dimension {Dim} and the next ones of shape {from}."
            );
        int first = Keep();
        for (int d = 1; d < mask.Rank; d++)
            Keep();
        return first;
    }

    /// <summary>Dimensions of the view are picked from, by dense int64 places that count through them in row-major order.</summary>
    public void Pick(int first, int dims, Tensor places) => (_picks ??= []).Add((first, dims, places));

    /// <summary>All that is picked; null for nothing.</summary>
    /// <exception cref="ArgumentException">The shapes of the index tensors do not broadcast.</exception>
    public readonly IndexPart? Part()
    {
        if (_picks is null)
            return null;
        var dims = new List<int>();
        Tensor? places = null;
        foreach (var (first, count, next) in _picks)
        {
            long extent = 1;
            for (int d = first; d < first + count; d++)
            {
                dims.Add(d);
                extent *= _sizes[d];
            }
            if (places is null)
            {
                places = next;
                continue;
            }
            if (Broadcasting.Shape(places.Layout, next.Layout) is null)
                throw new ArgumentException(
                    $"indexing: index tensors of the shapes {places.Layout} and {next.Layout} do not broadcast."
                );
            places = places * extent + next;
        }
        // Side by side, what is picked stays where they are; else it goes to the front.
        bool adjacent = dims[^1] - dims[0] == dims.Count - 1;
        return new([.. dims], adjacent ? dims[0] : 0, places!.Contiguous());
    }

    private int Take(long first, long count, long step)
    {
        if (count > 0)
            Move(first);
        if (count <= 1)
            step = 1;
        int at = Append(count, from.Strides[Dim] * step, _denseStrides is null ? 1 : _denseStrides[Dim] * step);
        Dim++;
        return at;
    }

    private int Append(long size, long stride, long denseStride)
    {
        _sizes[_rank] = size;
        _strides[_rank] = stride;
        _denseOnes[_rank] = denseStride;
        return _rank++;
    }

    private void Move(long by)
    {
        _offset += by * from.Strides[Dim];
        _denseOffset += _denseStrides is null ? 0 : by * _denseStrides[Dim];
    }
}
