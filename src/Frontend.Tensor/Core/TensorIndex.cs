using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// One index between the brackets of <c>t[…]</c>: an integer (negative counts from the end) or <c>^1</c>, a range
/// <c>1..3</c>, the ellipsis <c>..</c>, null for a new dimension of size 1, or an integer tensor.
/// </summary>
/// <remarks>
/// The first <c>..</c> stands for as many whole dimensions as the other indices leave over (PyTorch's <c>...</c>); any
/// further <c>..</c> is one whole dimension. So <c>t[.., 0]</c> is about the last dimension. (C# does not tell <c>0..</c>
/// from <c>..</c>.) Ends of ranges beyond the size are cut, as in PyTorch; single indices beyond it throw.
/// </remarks>
public readonly struct TensorIndex
{
    internal enum Kind : byte
    {
        NewAxis,
        At,
        Slice,
        Whole,
        Gather,
    }

    private TensorIndex(Kind kind, Index at = default, Range slice = default, Tensor? tensor = null)
    {
        Type = kind;
        At = at;
        Slice = slice;
        Tensor = tensor;
    }

    /// <summary>A new dimension of size 1.</summary>
    public static TensorIndex NewAxis => default;

    /// <summary>All dimensions that the other indices leave over.</summary>
    public static TensorIndex Ellipsis => new(Kind.Whole);

    internal Kind Type { get; }

    internal Index At { get; }

    internal Range Slice { get; }

    internal Tensor? Tensor { get; }

    public static implicit operator TensorIndex(int at) =>
        new(Kind.At, at >= 0 ? new Index(at) : new Index(-at, fromEnd: true));

    public static implicit operator TensorIndex(Index at) => new(Kind.At, at);

    public static implicit operator TensorIndex(Range slice) =>
        slice.Equals(Range.All) ? new(Kind.Whole) : new(Kind.Slice, slice: slice);

    /// <summary>Picks elements by an int32, int64 or uint8 tensor; null is a new dimension.</summary>
    /// <exception cref="ArgumentException">The tensor is not of integers.</exception>
    public static implicit operator TensorIndex(Tensor? tensor)
    {
        if (tensor is null)
            return NewAxis;
        if (!tensor.DType.IsInteger())
            throw new ArgumentException(
                $"indexing: an index tensor must be int32, int64 or uint8, but this one is {tensor.DType.Name()}"
                    + (tensor.DType == DType.Bool ? "; select by condition with Tensor.Where." : ".")
            );
        return new(Kind.Gather, tensor: tensor);
    }

    public override string ToString() =>
        Type switch
        {
            Kind.NewAxis => "null",
            Kind.At => At.ToString(),
            Kind.Slice => Slice.ToString(),
            Kind.Whole => "..",
            _ => $"tensor{Tensor!.Layout}",
        };
}
