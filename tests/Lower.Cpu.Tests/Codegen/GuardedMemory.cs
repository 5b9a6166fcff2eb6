using System.Runtime.InteropServices;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;

namespace Picograd.Tests.Codegen;

/// <summary>
/// An argument in native memory between two guards. All bytes that nobody wrote are 0xFF: not a number in floats, so what
/// is read from beyond the ends or never written shows in the result.
/// </summary>
internal sealed unsafe class GuardedMemory : IDisposable
{
    private const int Guard = 4096;
    private const byte Untouched = 0xFF;

    private readonly Buffer _buffer;
    private readonly long[] _shape;
    private readonly long[] _strides;
    private readonly long _bytes;
    private readonly byte* _memory;

    public GuardedMemory(Buffer buffer, IReadOnlyDictionary<string, long>? parameters)
    {
        _buffer = buffer;
        var values = buffer
            .Shape.SelectMany(e => e.FreeVars())
            .Distinct()
            .ToDictionary(v => v, v => (Expr)parameters![v.Name]);
        _shape = [.. buffer.Shape.Select(e => ((IntImm)e.Substitute(values)).Value)];
        _strides = buffer.Strides.IsDefault ? RowMajor(_shape) : [.. buffer.Strides];
        long span = _shape.Any(e => e == 0) ? 0 : 1 + _shape.Select((e, d) => (e - 1) * _strides[d]).Sum();
        _bytes = span * buffer.Type.Size();
        _memory = (byte*)NativeMemory.AlignedAlloc((nuint)(_bytes + 2 * Guard), 64);
        new Span<byte>(_memory, checked((int)(_bytes + 2 * Guard))).Fill(Untouched);
    }

    /// <summary>Bytes without elements: a workspace.</summary>
    public static GuardedMemory Workspace(long bytes) => new(new Buffer("the workspace", DType.UInt8, [bytes]), null);

    /// <summary>The arrays as their buffers hold them: where a stride is 0, elements are one.</summary>
    public static Dictionary<Buffer, NDArray> AsStored(IReadOnlyDictionary<Buffer, NDArray> inputs)
    {
        var stored = new Dictionary<Buffer, NDArray>();
        foreach (var (buffer, elements) in inputs)
        {
            using var memory = new GuardedMemory(buffer, null);
            memory.Fill(elements);
            stored[buffer] = memory.Read();
        }
        return stored;
    }

    public nint Address => (nint)(_memory + Guard);

    public void Dispose() => NativeMemory.AlignedFree(_memory);

    public void Fill(NDArray elements)
    {
        for (int i = 0; i < elements.Length; i++)
            Set(_buffer.Type, _memory + Guard + OffsetOf(i), elements, i);
    }

    /// <summary>Whether a byte that belongs to no element was written.</summary>
    public bool GapsWritten()
    {
        var free = new bool[_bytes];
        Array.Fill(free, true);
        long count = _shape.Aggregate(1L, (n, e) => n * e);
        for (int i = 0; i < count; i++)
            free.AsSpan((int)OffsetOf(i), _buffer.Type.Size()).Clear();
        for (int i = 0; i < free.Length; i++)
        {
            if (free[i] && _memory[Guard + i] != Untouched)
                return true;
        }
        return false;
    }

    public NDArray Read()
    {
        var array = new NDArray(_buffer.Type, _shape);
        for (int i = 0; i < array.Length; i++)
        {
            byte* at = _memory + Guard + OffsetOf(i);
            if (_buffer.Type.IsFloat())
                array.Doubles[i] = Float(_buffer.Type, at);
            else
                array.Longs[i] = Integer(_buffer.Type, at);
        }
        return array;
    }

    /// <summary>A copy of the elements' bytes, to see whether they change.</summary>
    public byte[] Snapshot() => new Span<byte>((void*)Address, (int)_bytes).ToArray();

    /// <summary>Says where something wrote beyond the ends, or null.</summary>
    public string? Overrun()
    {
        int before = new Span<byte>(_memory, Guard).IndexOfAnyExcept(Untouched);
        if (before >= 0)
            return $"{_buffer.Name}: something was written {Guard - before} bytes before it";
        int after = new Span<byte>(_memory + Guard + _bytes, Guard).IndexOfAnyExcept(Untouched);
        return after >= 0 ? $"{_buffer.Name}: something was written {after} bytes behind it" : null;
    }

    private static void Set(DType type, byte* at, NDArray elements, int i)
    {
        switch (type)
        {
            case DType.Float64:
                *(double*)at = elements.Doubles[i];
                break;
            case DType.Float32:
                *(float*)at = (float)elements.Doubles[i];
                break;
            case DType.Float16:
                *(Half*)at = (Half)(float)elements.Doubles[i];
                break;
            case DType.BFloat16:
                *(ushort*)at = (ushort)(BitConverter.SingleToUInt32Bits((float)elements.Doubles[i]) >> 16);
                break;
            default:
                type.Info().WriteBits(at, 0, elements.Longs[i]);
                break;
        }
    }

    private static double Float(DType type, byte* at) =>
        type switch
        {
            DType.Float64 => *(double*)at,
            DType.Float32 => *(float*)at,
            DType.Float16 => (double)*(Half*)at,
            _ => BitConverter.UInt32BitsToSingle((uint)*(ushort*)at << 16),
        };

    private static long Integer(DType type, byte* at) =>
        type switch
        {
            DType.UInt32 => *(uint*)at,
            // A byte as it is, so that a bool that is neither 0 nor 1 shows.
            DType.Bool => *at,
            _ => type.Info().ReadBits(at, 0),
        };

    private long OffsetOf(long position)
    {
        long offset = 0;
        for (int d = _shape.Length - 1; d >= 0; d--)
        {
            offset += position % _shape[d] * _strides[d];
            position /= _shape[d];
        }
        return offset * _buffer.Type.Size();
    }

    private static long[] RowMajor(long[] shape)
    {
        var strides = new long[shape.Length];
        long step = 1;
        for (int d = shape.Length - 1; d >= 0; d--)
        {
            strides[d] = step;
            step *= shape[d];
        }
        return strides;
    }
}
