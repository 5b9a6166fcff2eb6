using Picograd.Dispatch;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd;

/// <summary>
/// The memory behind one or more tensors: a pooled buffer, the number of tensors that share it, and a version that every
/// in-place change raises. When the last sharing tensor is disposed the memory goes back to the pool at once; when tensors
/// are merely dropped, the buffer's finalizer gives it back later.
/// </summary>
internal sealed class Storage
{
    private DeviceMemory _memory;

    // How many tensors share it, and bits that say whether it ever was more than one, whether kernels may keep copies of it, and whether
    // somebody else sees the memory.
    private const int Shared = 1 << 30;
    private const int Packed = 1 << 29;
    private const int Foreign = 1 << 28;
    private const int Flags = Shared | Packed | Foreign;
    private int _owners = 1;

    public Storage(DeviceMemory memory, DeviceRuntime runtime)
    {
        _memory = memory;
        Runtime = runtime;
        Calls.Executor.Listening?.Born(this);
    }

    /// <summary>The device that the memory is on.</summary>
    public DeviceRuntime Runtime { get; private set; }

    /// <summary>Raised by one at every in-place change; saved tensors remember the value they were saved at.</summary>
    public int Version;

    public static Storage Allocate(long bytes, DeviceRuntime runtime) => new(runtime.Rent(bytes), runtime);

    /// <summary>What it consists of.</summary>
    public DeviceMemory Memory => _memory;

    /// <summary>Memory that somebody else sees, too: it is written to, and never exchanged.</summary>
    public static Storage Of(DeviceMemory memory, DeviceRuntime runtime) =>
        new(memory, runtime) { _owners = 1 | Foreign };

    /// <summary>Whether its memory must stay.</summary>
    public bool IsForeign => (_owners & Foreign) != 0;

    /// <summary>Somebody else sees its memory from now on.</summary>
    public void Expose()
    {
        Interlocked.Or(ref _owners, Foreign);
        PackedOperands.Forget(this);
    }

    /// <summary>Bytes.</summary>
    public long Length => _memory.Length;

    public nint Address => _memory.Address;

    /// <summary>How many tensors share it and are not disposed.</summary>
    public int Owners => Volatile.Read(ref _owners) & ~Flags;

    public void AddOwner()
    {
        if ((_owners & Shared) == 0)
            Interlocked.Or(ref _owners, Shared);
        Interlocked.Increment(ref _owners);
    }

    /// <summary>Kernels may keep copies of what is there from now on, which go when this does.</summary>
    public void MayBePacked()
    {
        if ((_owners & Packed) == 0)
            Interlocked.Or(ref _owners, Packed);
    }

    /// <summary>One sharing tensor less; returns whether others are left.</summary>
    public bool Release()
    {
        int left = Interlocked.Decrement(ref _owners);
        if ((left & ~Flags) != 0)
            return true;
        if ((left & Packed) != 0)
            PackedOperands.Free(this);
        _memory.Dispose();
        return false;
    }

    /// <summary>As <see cref="Release"/>, by a tensor that was reachable ever since it was made.</summary>
    public bool Recycle()
    {
        if (_owners != 1)
            return Release();
        _owners = 0;
        Surrender().Recycle();
        return false;
    }

    /// <summary>Gives up its buffer to a new owner; the storage must not be used afterwards but to be released.</summary>
    public DeviceMemory Surrender()
    {
        var memory = _memory;
        _memory = Surrendered;
        return memory;
    }

    // Disposing it, which the release of an emptied storage does, is harmless.
    private static readonly DeviceMemory Surrendered = MakeSurrendered();

    private static DeviceMemory MakeSurrendered()
    {
        var memory = Lower.Cpu.Runtime.CpuBuffer.Rent(0);
        memory.Dispose();
        return memory;
    }

    /// <summary>
    /// Gives every sharing tensor new contents by swapping in memory of the same length and device. In-place operators write to fresh
    /// memory and then swap, because a schedule may read an element again after its result is stored (shifted tails).
    /// </summary>
    public void Swap(DeviceMemory contents)
    {
        Calls.Executor.Listening?.Swaps(this);
        var old = _memory;
        _memory = contents;
        Version++;
        old.Dispose();
    }

    /// <summary>As <see cref="Swap"/> with the memory of another storage, which gets this one's.</summary>
    public void Exchange(Storage other)
    {
        Calls.Executor.Listening?.Swaps(this);
        (_memory, other._memory) = (other._memory, _memory);
        Version++;
    }

    /// <summary>Gives its memory back and stays without, until <see cref="Rent"/>.</summary>
    public void Return() => Surrender().Recycle();

    /// <summary>New memory after <see cref="Return"/>.</summary>
    public void Rent(long bytes)
    {
        _memory = Runtime.Rent(bytes);
        Calls.Executor.Listening?.Born(this);
    }

    /// <summary>Gets other memory; the caller has what was there.</summary>
    public DeviceMemory Put(DeviceMemory contents)
    {
        var before = _memory;
        _memory = contents;
        Version++;
        return before;
    }

    /// <summary>Moves to another device: every sharing tensor is there afterwards.</summary>
    public void Move(DeviceMemory contents, DeviceRuntime runtime)
    {
        Runtime = runtime;
        Swap(contents);
    }
}
