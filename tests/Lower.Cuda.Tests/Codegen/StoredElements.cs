using System.Runtime.InteropServices;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;

namespace Picograd.Tests.Codegen;

/// <summary>Elements of arrays as the bytes that kernels see.</summary>
internal static class StoredElements
{
    /// <summary>A buffer's bytes, where its strides put the elements.</summary>
    public static byte[] Bytes(NDArray array, Algorithms.Buffer? layout = null)
    {
        int size = array.Type.Size();
        byte[] bytes = new byte[Length(array.Shape, layout) * size];
        for (int i = 0; i < array.Length; i++)
            Write(array, i, bytes.AsSpan((int)Offset(array.Shape, layout, i) * size));
        return bytes;
    }

    public static NDArray Array(
        DType type,
        ReadOnlySpan<long> shape,
        ReadOnlySpan<byte> bytes,
        Algorithms.Buffer? layout = null
    )
    {
        var array = new NDArray(type, shape);
        for (int i = 0; i < array.Length; i++)
            Read(array, i, bytes[((int)Offset(array.Shape, layout, i) * type.Size())..]);
        return array;
    }

    /// <summary>Elements that a buffer spans.</summary>
    public static long Length(IReadOnlyList<long> shape, Algorithms.Buffer? layout)
    {
        long count = shape.Aggregate(1L, (n, e) => n * e);
        return count == 0 ? 0 : Offset(shape, layout, count - 1) + 1;
    }

    private static long Offset(IReadOnlyList<long> shape, Algorithms.Buffer? layout, long position)
    {
        if (layout is null || layout.Strides.IsDefault)
            return position;
        long offset = 0;
        for (int d = shape.Count - 1; d >= 0; d--)
        {
            offset += position % shape[d] * layout.Strides[d];
            position /= shape[d];
        }
        return offset;
    }

    private static void Write(NDArray a, int i, Span<byte> to)
    {
        switch (a.Type)
        {
            case DType.Float32:
                MemoryMarshal.Write(to, (float)a.Doubles[i]);
                break;
            case DType.Float64:
                MemoryMarshal.Write(to, a.Doubles[i]);
                break;
            case DType.Float16:
                MemoryMarshal.Write(to, (Half)a.Doubles[i]);
                break;
            case DType.BFloat16:
                MemoryMarshal.Write(to, (ushort)(BitConverter.SingleToInt32Bits((float)a.Doubles[i]) >> 16));
                break;
            case DType.Int32:
                MemoryMarshal.Write(to, (int)a.Longs[i]);
                break;
            case DType.UInt32:
                MemoryMarshal.Write(to, (uint)a.Longs[i]);
                break;
            case DType.Int64:
                MemoryMarshal.Write(to, a.Longs[i]);
                break;
            case DType.Int16:
                MemoryMarshal.Write(to, (short)a.Longs[i]);
                break;
            default:
                to[0] = (byte)a.Longs[i];
                break;
        }
    }

    private static void Read(NDArray a, int i, ReadOnlySpan<byte> from)
    {
        switch (a.Type)
        {
            case DType.Float32:
                a.Doubles[i] = MemoryMarshal.Read<float>(from);
                break;
            case DType.Float64:
                a.Doubles[i] = MemoryMarshal.Read<double>(from);
                break;
            case DType.Float16:
                a.Doubles[i] = (double)MemoryMarshal.Read<Half>(from);
                break;
            case DType.BFloat16:
                a.Doubles[i] = BitConverter.Int32BitsToSingle(MemoryMarshal.Read<ushort>(from) << 16);
                break;
            case DType.Int32:
                a.Longs[i] = MemoryMarshal.Read<int>(from);
                break;
            case DType.UInt32:
                a.Longs[i] = MemoryMarshal.Read<uint>(from);
                break;
            case DType.Int64:
                a.Longs[i] = MemoryMarshal.Read<long>(from);
                break;
            case DType.Int16:
                a.Longs[i] = MemoryMarshal.Read<short>(from);
                break;
            case DType.Int8:
                a.Longs[i] = (sbyte)from[0];
                break;
            default:
                a.Longs[i] = from[0];
                break;
        }
    }
}
