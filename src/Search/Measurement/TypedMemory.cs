using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;

namespace Picograd.Search.Measurement;

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
    public static double Read(DType type, nint memory, long offset) => type.Info().Read((void*)memory, offset);

    private static void Write(DType type, nint memory, long offset, NDArray array, long position)
    {
        var info = type.Info();
        if (info.Kind == DTypeKind.Float)
            info.Write((void*)memory, offset, array.At(position));
        else
            info.WriteBits((void*)memory, offset, array.IntegerAt(position));
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
