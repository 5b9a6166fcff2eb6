using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// One index between the brackets of <c>t[…]</c>: an integer (negative counts from the end) or <c>^1</c>; a range
/// <c>1..3</c>, where <c>..</c> is one whole dimension; a <see cref="Picograd.Slice"/> with a step;
/// <see cref="Tensor.Ellipsis"/>; null for a new dimension of size 1; a tensor of integers, or one of bools as a mask.
/// </summary>
/// <remarks>Ends of ranges beyond the size are cut, as in PyTorch; single indices beyond it throw.</remarks>
public readonly struct TensorIndex
{
    internal enum Kind : byte
    {
        NewAxis,
        At,
        Slice,
        Ellipsis,

        /// <summary>Picks along one dimension by integers.</summary>
        Places,

        /// <summary>Picks where bools are true, along as many dimensions as they have.</summary>
        Mask,
    }

    private TensorIndex(Kind kind, long at = 0, Slice slice = default, Tensor? tensor = null)
    {
        Type = kind;
        At = at;
        Slice = slice;
        Tensor = tensor;
    }

    /// <summary>A new dimension of size 1, as null is.</summary>
    public static TensorIndex NewAxis => default;

    internal static TensorIndex Ellipsis => new(Kind.Ellipsis);

    internal Kind Type { get; }

    internal long At { get; }

    internal Slice Slice { get; }

    internal Tensor? Tensor { get; }

    /// <summary>How many dimensions it is about.</summary>
    internal int Dims =>
        Type switch
        {
            Kind.NewAxis or Kind.Ellipsis => 0,
            Kind.Mask => Tensor!.Rank,
            _ => 1,
        };

    public static implicit operator TensorIndex(int at) => new(Kind.At, at);

    public static implicit operator TensorIndex(long at) => new(Kind.At, at);

    // ^0 lies behind the last element of every dimension.
    public static implicit operator TensorIndex(Index at) =>
        new(
            Kind.At,
            !at.IsFromEnd ? at.Value
                : at.Value == 0 ? long.MaxValue
                : -at.Value
        );

    public static implicit operator TensorIndex(Range range) => new(Kind.Slice, slice: range);

    public static implicit operator TensorIndex(Slice slice) => new(Kind.Slice, slice: slice);

    /// <summary>
    /// Picks elements by an int32, int64 or uint8 tensor, or those at which a bool tensor is true; null is a new dimension.
    /// </summary>
    /// <exception cref="ArgumentException">The tensor is of floats.</exception>
    public static implicit operator TensorIndex(Tensor? tensor)
    {
        if (tensor is null)
            return NewAxis;
        if (tensor.DType == DType.Bool)
            return new(Kind.Mask, tensor: tensor);
        if (!tensor.DType.IsPlaces())
            throw new ArgumentException(
                $"indexing: an index tensor must be int32, int64 or uint8, or a bool mask, but this one is {tensor.DType.Name()}."
            );
        return new(Kind.Places, tensor: tensor);
    }

    public override string ToString() =>
        Type switch
        {
            Kind.NewAxis => "null",
            Kind.At => At == long.MaxValue ? "^0" : Layout.Text([At])[1..^1],
            Kind.Slice => Slice.ToString(),
            Kind.Ellipsis => "...",
            Kind.Mask => $"mask{Tensor!.Layout}",
            _ => $"tensor{Tensor!.Layout}",
        };
}
