using Picograd.Lower.Cpu;

namespace Picograd;

/// <summary>
/// The memory behind one or more tensors: a pooled buffer, the number of tensors that share it, and a version that every
/// in-place change raises. When the last sharing tensor is disposed the memory goes back to the pool at once; when tensors
/// are merely dropped, the buffer's finalizer gives it back later.
/// </summary>
internal sealed class Storage
{
    private CpuBuffer _buffer;
    private int _owners = 1;

    private Storage(CpuBuffer buffer) => _buffer = buffer;

    /// <summary>Raised by one at every in-place change; saved tensors remember the value they were saved at.</summary>
    public int Version;

    public static Storage Allocate(long bytes) => new(CpuBuffer.Rent(bytes));

    public CpuBuffer Buffer => _buffer;

    public nint Address => _buffer.Address;

    /// <summary>How many tensors share it and are not disposed.</summary>
    public int Owners => Volatile.Read(ref _owners);

    public void AddOwner() => Interlocked.Increment(ref _owners);

    public void Release()
    {
        if (Interlocked.Decrement(ref _owners) == 0)
            _buffer.Dispose();
    }

    /// <summary>Gives up its buffer to a new owner; the storage must not be used afterwards but to be released.</summary>
    public CpuBuffer Surrender()
    {
        var buffer = _buffer;
        _buffer = Surrendered;
        return buffer;
    }

    // Disposing it, which the release of an emptied storage does, is harmless.
    private static readonly CpuBuffer Surrendered = MakeSurrendered();

    private static CpuBuffer MakeSurrendered()
    {
        var buffer = CpuBuffer.Rent(0);
        buffer.Dispose();
        return buffer;
    }

    /// <summary>
    /// Gives every sharing tensor new contents by swapping in a buffer of the same length. In-place operators write to fresh
    /// memory and then swap, because a schedule may read an element again after its result is stored (shifted tails).
    /// </summary>
    public void Swap(CpuBuffer contents)
    {
        var old = _buffer;
        _buffer = contents;
        Version++;
        old.Dispose();
    }
}
