using Picograd.Schedules.Backend;

namespace Picograd.Lower.Cuda.Runtime;

/// <summary>
/// A piece of a device's memory from its pool. <see cref="Dispose"/> gives it back and may be called while kernels that use
/// it are still running; a buffer that is dropped is given back by its finalizer.
/// </summary>
public sealed class CudaBuffer : DeviceMemory
{
    private CudaBlock _block;
    private int _disposed;

    internal CudaBuffer(CudaDevice device, CudaStream stream, long bytes)
    {
        if (bytes is < 0 or > 1L << 46)
        {
            // The finalizer runs for an object that was never finished as well.
            GC.SuppressFinalize(this);
            throw new ArgumentOutOfRangeException(
                nameof(bytes),
                $"bytes is {bytes}, but a buffer has between 0 and {1L << 46} bytes."
            );
        }
        Device = device;
        Length = bytes;
        try
        {
            _block = device.Memory.Rent(bytes, stream);
        }
        catch
        {
            GC.SuppressFinalize(this);
            throw;
        }
    }

    /// <summary>Gives memory back that nobody disposed.</summary>
    ~CudaBuffer() => Release();

    public CudaDevice Device { get; }

    public override long Length { get; }

    public override nint Address =>
        Volatile.Read(ref _disposed) == 0
            ? _block.Address
            : throw new ObjectDisposedException(
                nameof(CudaBuffer),
                "The buffer was given back; its memory may have a new owner."
            );

    public override void Dispose()
    {
        GC.SuppressFinalize(this);
        Release();
    }

    private void Release()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
            Device.Memory.Return(_block);
    }
}
