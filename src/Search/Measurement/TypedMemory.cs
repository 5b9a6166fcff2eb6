using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;

namespace Picograd.Search;

/// <summary>Elements of tensors in raw memory.</summary>
internal static unsafe class TypedMemory
{
    /// <summary>Bytes that a buffer of constant extents spans.</summary>
    public static long Bytes(Buffer buffer) =>
        (buffer.ConstantSize() ?? throw new TuneException($"{buffer} has symbolic extents, which tuning cannot run"))
        * buffer.Type.Size();

    /// <summary>Writes an array in the buffer's layout.</summary>
    public static void Write(Buffer buffer, NDArray array, nint memory)
    {
        if (array.IsPattern)
        {
            PatternMemory.Write(buffer, array, memory);
            return;
        }
        if (buffer.Type == DType.Float32 && buffer.Strides.IsDefault)
        {
            // Most inputs, and some have millions of elements.
            var values = array.Doubles;
            var to = (float*)memory;
            for (int i = 0; i < values.Length; i++)
                to[i] = (float)values[i];
            return;
        }
        var offsets = new Offsets(buffer);
        for (long i = 0; i < array.Count; i++)
            Write(buffer.Type, memory, offsets.Of(i), array, i);
    }

    /// <summary>The element at an offset in elements, as a double.</summary>
    public static double Read(DType type, nint memory, long offset) =>
        type switch
        {
            DType.Float32 => ((float*)memory)[offset],
            DType.Float64 => ((double*)memory)[offset],
            DType.Float16 => (double)((Half*)memory)[offset],
            DType.BFloat16 => BitConverter.Int32BitsToSingle(((ushort*)memory)[offset] << 16),
            DType.Int32 => ((int*)memory)[offset],
            DType.Int64 => ((long*)memory)[offset],
            DType.UInt32 => ((uint*)memory)[offset],
            DType.UInt8 or DType.Bool => ((byte*)memory)[offset],
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "unknown dtype"),
        };

    private static void Write(DType type, nint memory, long offset, NDArray array, long position)
    {
        switch (type)
        {
            case DType.Float32:
                ((float*)memory)[offset] = (float)array.At(position);
                break;
            case DType.Float64:
                ((double*)memory)[offset] = array.At(position);
                break;
            case DType.Float16:
                ((Half*)memory)[offset] = (Half)array.At(position);
                break;
            case DType.BFloat16:
                // Inputs are exactly representable, so cutting the bits off rounds nothing.
                ((ushort*)memory)[offset] = (ushort)(BitConverter.SingleToInt32Bits((float)array.At(position)) >> 16);
                break;
            case DType.Int32:
                ((int*)memory)[offset] = (int)array.IntegerAt(position);
                break;
            case DType.Int64:
                ((long*)memory)[offset] = array.IntegerAt(position);
                break;
            case DType.UInt32:
                ((uint*)memory)[offset] = (uint)array.IntegerAt(position);
                break;
            case DType.UInt8 or DType.Bool:
                ((byte*)memory)[offset] = (byte)array.IntegerAt(position);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "unknown dtype");
        }
    }

    /// <summary>Where the element at a row-major position lies, in elements from the base.</summary>
    public sealed class Offsets
    {
        private readonly long[] _extents;
        private readonly long[]? _strides;

        public Offsets(Buffer buffer)
        {
            _extents = [.. buffer.Shape.Select(e => ((IntImm)e).Value)];
            _strides = buffer.Strides.IsDefault ? null : [.. buffer.Strides];
        }

        public long Of(long position)
        {
            if (_strides is null)
                return position;
            long offset = 0;
            for (int d = _extents.Length - 1; d >= 0; d--)
            {
                offset += position % _extents[d] * _strides[d];
                position /= _extents[d];
            }
            return offset;
        }

        /// <summary>The row-major position of the element at an offset; null where there is none.</summary>
        public long? PositionAt(long offset) =>
            _strides is null
                ? offset
                : Find(offset, [.. Enumerable.Range(0, _extents.Length).OrderByDescending(d => _strides[d])], 0);

        // Of dimensions by descending stride: what the others can reach decides how often the first is in the offset.
        private long? Find(long rest, int[] order, int first)
        {
            if (first == order.Length)
                return rest == 0 ? 0 : null;
            int d = order[first];
            long reach = order.Skip(first + 1).Sum(o => (_extents[o] - 1) * _strides![o]);
            long after = _extents.Skip(d + 1).Aggregate(1L, (n, e) => n * e);
            if (_strides![d] == 0)
                return Find(rest, order, first + 1);
            long most = Math.Min(_extents[d] - 1, rest / _strides[d]);
            for (long index = most; index >= 0 && rest - index * _strides[d] <= reach; index--)
            {
                if (Find(rest - index * _strides[d], order, first + 1) is { } found)
                    return index * after + found;
            }
            return null;
        }
    }
}
