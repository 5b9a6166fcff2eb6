using TorchSharp;
using static TorchSharp.torch;

namespace Picograd.Compare;

/// <summary>How a tensor lies in memory, seen from its base, which is contiguous.</summary>
internal enum Placement
{
    Contiguous,

    /// <summary>The last two dimensions of the base swapped.</summary>
    Transposed,

    /// <summary>Every second element of the base's last dimension, from the second on.</summary>
    Stepped,

    /// <summary>The base has size 1 in the first dimension.</summary>
    Expanded,
}

/// <summary>One input: the same numbers for both libraries.</summary>
/// <param name="Shape">As the operator sees it.</param>
/// <param name="Values">Elements of the base in order: double for floats, else long.</param>
internal sealed record Sample(long[] Shape, DType Type, Placement Placement, Array Values)
{
    /// <summary>Shape of the base.</summary>
    private long[] Base =>
        Placement switch
        {
            Placement.Transposed => [.. Shape[..^2], Shape[^1], Shape[^2]],
            Placement.Stepped => [.. Shape[..^1], 2 * Shape[^1] + 1],
            Placement.Expanded => [1, .. Shape[1..]],
            _ => Shape,
        };

    /// <summary>Elements that a base of this shape and placement has.</summary>
    public static long CountOf(long[] shape, Placement placement) =>
        new Sample(shape, default, placement, Array.Empty<long>()).Base.Aggregate(1L, (n, d) => n * d);

    public Tensor Ours()
    {
        Tensor flat = Type switch
        {
            DType.Float32 => Tensor.From(Array.ConvertAll((double[])Values, v => (float)v)),
            DType.Float64 => Tensor.From((double[])Values),
            DType.Float16 => Tensor.From(Array.ConvertAll((double[])Values, v => (Half)v)),
            DType.BFloat16 => Tensor.From(Array.ConvertAll((double[])Values, v => (BFloat16)v)),
            DType.Int32 => Tensor.From(Array.ConvertAll((long[])Values, v => (int)v)),
            DType.Int64 => Tensor.From((long[])Values),
            DType.Int8 => Tensor.From(Array.ConvertAll((long[])Values, v => (sbyte)v)),
            DType.Int16 => Tensor.From(Array.ConvertAll((long[])Values, v => (short)v)),
            DType.UInt8 => Tensor.From(Array.ConvertAll((long[])Values, v => (byte)v)),
            DType.Bool => Tensor.From(Array.ConvertAll((long[])Values, v => v != 0)),
            _ => throw new NotSupportedException($"no samples of {Type}"),
        };
        return flat.Reshape(Base);
    }

    public TorchTensor Theirs()
    {
        TorchTensor flat = Type switch
        {
            DType.Float32 => torch.tensor(Array.ConvertAll((double[])Values, v => (float)v), dtype: ScalarType.Float32),
            DType.Float64 => torch.tensor((double[])Values, dtype: ScalarType.Float64),
            DType.Float16 => torch.tensor((double[])Values, dtype: ScalarType.Float64).to_type(ScalarType.Float16),
            DType.BFloat16 => torch.tensor((double[])Values, dtype: ScalarType.Float64).to_type(ScalarType.BFloat16),
            DType.Int32 => torch.tensor(Array.ConvertAll((long[])Values, v => (int)v), dtype: ScalarType.Int32),
            DType.Int64 => torch.tensor((long[])Values, dtype: ScalarType.Int64),
            DType.Int8 => torch.tensor(Array.ConvertAll((long[])Values, v => (sbyte)v), dtype: ScalarType.Int8),
            DType.Int16 => torch.tensor(Array.ConvertAll((long[])Values, v => (short)v), dtype: ScalarType.Int16),
            DType.UInt8 => torch.tensor(Array.ConvertAll((long[])Values, v => (byte)v), dtype: ScalarType.Byte),
            DType.Bool => torch.tensor(Array.ConvertAll((long[])Values, v => v != 0), dtype: ScalarType.Bool),
            _ => throw new NotSupportedException($"no samples of {Type}"),
        };
        return flat.reshape(Base);
    }

    /// <summary>The tensor that the operator sees, of its base.</summary>
    public Tensor Place(Tensor of) =>
        Placement switch
        {
            Placement.Transposed => of.Transpose(-1, -2),
            Placement.Stepped => of[Tensor.Ellipsis, new Slice(1, null, 2)],
            Placement.Expanded => of.Expand(Shape),
            _ => of,
        };

    /// <inheritdoc cref="Place(Tensor)"/>
    public TorchTensor Place(TorchTensor of) =>
        Placement switch
        {
            Placement.Transposed => of.transpose(-1, -2),
            Placement.Stepped => of[torch.TensorIndex.Ellipsis, torch.TensorIndex.Slice(1, null, 2)],
            Placement.Expanded => of.expand(Shape),
            _ => of,
        };

    public bool IsFloat => Type.IsFloat();

    public override string ToString()
    {
        string place = Placement == Placement.Contiguous ? "" : " " + Placement.ToString().ToLowerInvariant();
        string values = Values.Length > 8 ? "" : " = " + string.Join(' ', Values.Cast<object>().Select(Number.Text));
        return $"{Type.ToString().ToLowerInvariant()}[{string.Join(',', Shape)}]{place}{values}";
    }
}
