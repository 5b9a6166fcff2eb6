using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Picograd.Lower.Cuda.Native;

namespace Picograd.Lower.Cuda.Runtime;

/// <summary>Machine code loaded on a device. What is dropped without Dispose (kernels that a cache forgets) its finalizer unloads.</summary>
public sealed unsafe class CudaModule : IDisposable
{
    private readonly CudaDevice _device;
    private readonly string _name;
    private nint _handle;

    /// <param name="device">Where.</param>
    /// <param name="cubin">As NVRTC made it for the device's architecture.</param>
    /// <param name="name">What errors call it.</param>
    /// <exception cref="CudaException">It is for another architecture, damaged, or newer than the driver.</exception>
    public CudaModule(CudaDevice device, ImmutableArray<byte> cubin, string name)
    {
        _device = device;
        _name = name;
        device.MakeCurrent();
        nint handle;
        fixed (byte* image = cubin.AsSpan())
        {
            int code = device.Driver.ModuleLoadData(&handle, image);
            // The pool may hold all that is free.
            if (code == DriverError.OutOfMemory && device.Memory.Trim() > 0)
                code = device.Driver.ModuleLoadData(&handle, image);
            device.Check(
                code,
                "cuModuleLoadData",
                $"{name}, {cubin.Length} bytes, on {device} ({device.Info.Architecture})"
            );
        }
        _handle = handle;
    }

    /// <summary>The handle of a kernel; good while the module is loaded.</summary>
    internal nint Function(string kernel)
    {
        ObjectDisposedException.ThrowIf(_handle == 0, this);
        _device.MakeCurrent();
        nint name = Marshal.StringToCoTaskMemUTF8(kernel);
        try
        {
            nint function;
            _device.Check(
                _device.Driver.ModuleGetFunction(&function, _handle, (byte*)name),
                "cuModuleGetFunction",
                $"kernel {kernel} of {_name}"
            );
            return function;
        }
        finally
        {
            Marshal.FreeCoTaskMem(name);
        }
    }

    /// <summary>The driver's handle; 0 once unloaded.</summary>
    internal nint Handle => _handle;

    /// <summary>Unloads it; the driver waits for kernels that run.</summary>
    public void Dispose()
    {
        GC.SuppressFinalize(this);
        nint handle = Interlocked.Exchange(ref _handle, 0);
        // A lost device would answer with the error that has been told already.
        if (handle == 0 || _device.IsLost)
            return;
        _device.MakeCurrent();
        _device.Check(_device.Driver.ModuleUnload(handle), "cuModuleUnload", _name);
    }

    /// <summary>Unloads a module that was never loaded whole, or that nobody can start kernels of any more.</summary>
    ~CudaModule()
    {
        nint handle = Interlocked.Exchange(ref _handle, 0);
        // An error of a kernel, which any call may answer with, is for whoever waits for that kernel: an exception here would
        // end the process.
        if (handle != 0 && !_device.IsLost && _device.TryMakeCurrent())
            _device.Driver.ModuleUnload(handle);
    }
}
