using System.Runtime.InteropServices;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;

namespace Picograd.Lower.Cpu.Runtime;

/// <summary>
/// A piece of native memory from a process-wide pool: 64-byte aligned, page aligned from 4 KiB on, and 2 MiB aligned (so that
/// it can lie in large pages) from 2 MiB on. Its contents are whatever the last owner left; <see cref="Clear"/> zeroes them.
/// </summary>
/// <remarks>
/// <see cref="Dispose"/> gives the memory back to the pool and may be called more than once. A buffer that is dropped
/// without it is given back by its finalizer; since memory taken from the system is reported to the garbage collector,
/// a program that never disposes still stays bounded. Thread-safe but for one rule: a buffer must not be used while or
/// after it is disposed.
/// </remarks>
public sealed unsafe class CpuBuffer : DeviceMemory
{
    /// <summary>The largest buffer that can be asked for, in bytes (2^46 − 1; more than any current machine holds).</summary>
    public const long MaxLength = (1L << 46) - 1;

    private nint _pointer;
    private long _length;
    private int _class;

    private CpuBuffer() { }

    /// <summary>Gives memory back that nobody disposed.</summary>
    ~CpuBuffer()
    {
        // Taken, not read: the finalizer of an owner may still call Dispose, and a block returned twice would be given to
        // two owners.
        nint pointer = Interlocked.Exchange(ref _pointer, 0);
        if (pointer != 0)
        {
            CpuMemory.Return((byte*)pointer, _class);
        }
    }

    /// <summary>Gets memory of at least <paramref name="bytes"/> bytes; contents undefined.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative, or above <see cref="MaxLength"/>.</exception>
    /// <exception cref="OutOfMemoryException">The system has no such memory even after the pool was emptied.</exception>
    public static CpuBuffer Rent(long bytes)
    {
        if ((ulong)bytes > MaxLength)
        {
            throw new ArgumentOutOfRangeException(
                nameof(bytes),
                $"bytes is {bytes}, but a buffer has between 0 and {MaxLength} bytes."
            );
        }
        int sizeClass = CpuMemory.ClassOf(bytes);
        byte* pointer = CpuMemory.Rent(sizeClass, out CpuBuffer? spare);
        CpuBuffer buffer = spare ?? new CpuBuffer();
        buffer._pointer = (nint)pointer;
        buffer._length = bytes;
        buffer._class = sizeClass;
        return buffer;
    }

    /// <summary>As <see cref="Rent"/>, with every byte zero.</summary>
    public static CpuBuffer RentCleared(long bytes)
    {
        CpuBuffer buffer = Rent(bytes);
        buffer.Clear();
        return buffer;
    }

    /// <summary>Bytes asked for.</summary>
    public override long Length => _length;

    /// <summary>Bytes that may be touched: <see cref="Length"/> rounded up to the pool's size class.</summary>
    public long Capacity => CpuMemory.BytesOf(_class);

    /// <summary>True once <see cref="Dispose"/> was called.</summary>
    public bool IsDisposed => _pointer == 0;

    /// <summary>The first byte. The buffer must be kept reachable (<see cref="GC.KeepAlive"/>) while this is used.</summary>
    /// <exception cref="ObjectDisposedException">The buffer was disposed.</exception>
    public byte* Pointer
    {
        get
        {
            nint pointer = _pointer;
            if (pointer == 0)
            {
                ThrowDisposed();
            }
            return (byte*)pointer;
        }
    }

    /// <summary><see cref="Pointer"/> as an integer.</summary>
    public override nint Address => (nint)Pointer;

    /// <summary>The buffer as elements of <typeparamref name="T"/>; a remainder too small for one is left out.</summary>
    /// <exception cref="InvalidOperationException">More elements than a span can count.</exception>
    public Span<T> AsSpan<T>()
        where T : unmanaged
    {
        long count = Length / sizeof(T);
        if (count > int.MaxValue)
        {
            throw new InvalidOperationException(
                $"A buffer of {Length} bytes has {count} elements of {typeof(T).Name}, but a span holds {int.MaxValue}."
            );
        }
        return new Span<T>(Pointer, (int)count);
    }

    /// <summary>Zeroes the <see cref="Length"/> bytes.</summary>
    public void Clear()
    {
        NativeMemory.Clear(Pointer, (nuint)Length);
        GC.KeepAlive(this);
    }

    /// <summary>Gives the memory back to the pool. Idempotent, also when several threads call it at once.</summary>
    public override void Dispose()
    {
        nint pointer = Interlocked.Exchange(ref _pointer, 0);
        if (pointer != 0)
        {
            GC.SuppressFinalize(this);
            CpuMemory.Return((byte*)pointer, _class);
        }
    }

    /// <summary>
    /// Gives the memory back with the object, whose finalizer stays armed: making and finding finalizable objects takes 35 ns each.
    /// </summary>
    public override void Recycle()
    {
        nint pointer = _pointer;
        if (pointer == 0)
            return;
        _pointer = 0;
        CpuMemory.Return((byte*)pointer, _class, this);
    }

    private static void ThrowDisposed() =>
        throw new ObjectDisposedException(
            nameof(CpuBuffer),
            "The CPU buffer was disposed; its memory may have a new owner."
        );
}
