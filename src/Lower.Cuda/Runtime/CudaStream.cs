using System.Diagnostics;
using Picograd.Lower.Cuda.Native;

namespace Picograd.Lower.Cuda.Runtime;

/// <summary>A queue of work of a device: what is on one stream runs in order, streams run beside one another.</summary>
public sealed unsafe class CudaStream : IDisposable
{
    // CU_STREAM_NON_BLOCKING: does not wait for the stream of libraries that name none.
    private const uint NonBlocking = 1;

    private nint _handle;

    /// <exception cref="CudaException">The driver refuses.</exception>
    public CudaStream(CudaDevice device)
    {
        Device = device;
        device.MakeCurrent();
        nint handle;
        device.Check(device.Driver.StreamCreate(&handle, NonBlocking), "cuStreamCreate");
        _handle = handle;
    }

    public CudaDevice Device { get; }

    /// <summary>What belongs to the graph that the stream records; null when it records none.</summary>
    internal GraphResources? Recording { get; set; }

    internal nint Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle == 0, this);
            return _handle;
        }
    }

    internal bool IsDisposed => _handle == 0;

    /// <summary>Waits until all work on the stream is done.</summary>
    /// <exception cref="CudaException">A kernel failed; names the one started last.</exception>
    public void Synchronize()
    {
        Device.MakeCurrent();
        long start = Stopwatch.GetTimestamp();
        int code = Device.Driver.StreamSynchronize(Handle);
        CudaDevice.WaitedSince(start);
        Device.Check(code, "cuStreamSynchronize");
    }

    /// <summary>Lets what is started here next wait for an event recorded elsewhere.</summary>
    public void Wait(CudaEvent recorded)
    {
        Device.MakeCurrent();
        Device.Check(Device.Driver.StreamWaitEvent(Handle, recorded.Handle, 0), "cuStreamWaitEvent");
    }

    /// <summary>Lets what is started here next wait for all that is on another stream now.</summary>
    public void Wait(CudaStream other)
    {
        using var now = new CudaEvent(Device, timing: false);
        now.Record(other);
        Wait(now);
    }

    /// <summary>Waits for its work and ends it. Later work of the device goes on.</summary>
    public void Dispose()
    {
        if (_handle == 0)
            return;
        if (!Device.IsLost)
            Synchronize();
        nint handle = _handle;
        _handle = 0;
        if (Device.IsLost)
            return;
        Device.Check(Device.Driver.StreamDestroy(handle), "cuStreamDestroy");
    }
}

/// <summary>A point in the work of a stream.</summary>
public sealed unsafe class CudaEvent : IDisposable
{
    private const uint DisableTiming = 2;

    private readonly CudaDevice _device;
    private nint _handle;

    /// <param name="device">Where.</param>
    /// <param name="timing">Whether <see cref="MillisecondsSince"/> will be asked.</param>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public CudaEvent(CudaDevice device, bool timing = true)
    {
        _device = device;
        device.MakeCurrent();
        nint handle;
        device.Check(device.Driver.EventCreate(&handle, timing ? 0 : DisableTiming), "cuEventCreate");
        _handle = handle;
    }

    internal nint Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle == 0, this);
            return _handle;
        }
    }

    /// <summary>Marks the present end of a stream.</summary>
    public void Record(CudaStream stream)
    {
        _device.MakeCurrent();
        _device.Check(_device.Driver.EventRecord(Handle, stream.Handle), "cuEventRecord");
    }

    /// <summary>Waits until the work before it is done.</summary>
    public void Synchronize()
    {
        _device.MakeCurrent();
        long start = Stopwatch.GetTimestamp();
        int code = _device.Driver.EventSynchronize(Handle);
        CudaDevice.WaitedSince(start);
        _device.Check(code, "cuEventSynchronize");
    }

    /// <summary>Time between two points that have both been reached.</summary>
    public double MillisecondsSince(CudaEvent start)
    {
        _device.MakeCurrent();
        float milliseconds;
        _device.Check(_device.Driver.EventElapsedTime(&milliseconds, start.Handle, Handle), "cuEventElapsedTime");
        return milliseconds;
    }

    public void Dispose()
    {
        nint handle = _handle;
        _handle = 0;
        // A lost device would answer with the error that has been told already.
        if (handle == 0 || _device.IsLost)
            return;
        _device.MakeCurrent();
        _device.Check(_device.Driver.EventDestroy(handle), "cuEventDestroy");
    }
}
