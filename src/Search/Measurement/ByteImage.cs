using System.Runtime.InteropServices;

namespace Picograd.Search;

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
        System.Buffer.MemoryCopy((void*)from, _bytes, length, length);
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

/// <summary>Copies of some arguments.</summary>
internal sealed class ArgumentImages(ArgumentMemory memory, int from, ByteImage[] images) : IDisposable
{
    /// <summary>The first argument whose bytes are other ones now; null for none.</summary>
    public int? FirstChanged()
    {
        for (int i = 0; i < images.Length; i++)
        {
            if (!images[i].Equals(memory.Contents(from + i)))
                return from + i;
        }
        return null;
    }

    public void Dispose()
    {
        foreach (var image in images)
            image.Dispose();
    }
}
