using System.Runtime.InteropServices;
using Picograd.Schedules.Backend;

namespace Picograd.Search.Measurement;

/// <summary>A copy of memory of any length, to compare with later.</summary>
internal sealed unsafe class ByteImage : IDisposable
{
    // Spans count in 32 bits.
    private const int Stretch = 1 << 30;

    private readonly long _length;
    private byte* _bytes;

    public ByteImage(nint from, long length)
    {
        _length = length;
        _bytes = (byte*)NativeMemory.Alloc((nuint)Math.Max(1, length));
        ParallelStretches.Copy((nint)_bytes, from, length);
    }

    /// <summary>A copy, in main memory, of memory of a target.</summary>
    public ByteImage(ITuningTarget target, nint from, long length)
    {
        _length = length;
        _bytes = (byte*)NativeMemory.Alloc((nuint)Math.Max(1, length));
        target.Read(from, (nint)_bytes, length);
    }

    ~ByteImage() => NativeMemory.Free(_bytes);

    /// <summary>Of the first byte of the copy.</summary>
    public nint Address => (nint)_bytes;

    /// <summary>Whether memory of this length holds the same bytes.</summary>
    public bool Equals(nint other)
    {
        for (long at = 0; at < _length; at += Stretch)
        {
            int count = (int)Math.Min(Stretch, _length - at);
            if (!new ReadOnlySpan<byte>(_bytes + at, count).SequenceEqual(new((byte*)other + at, count)))
                return false;
        }
        return true;
    }

    /// <summary>Whether every byte is the same one.</summary>
    public bool IsAll(byte value)
    {
        for (long at = 0; at < _length; at += Stretch)
        {
            if (new ReadOnlySpan<byte>(_bytes + at, (int)Math.Min(Stretch, _length - at)).ContainsAnyExcept(value))
                return false;
        }
        return true;
    }

    public void Dispose()
    {
        NativeMemory.Free(_bytes);
        _bytes = null;
        GC.SuppressFinalize(this);
    }
}
