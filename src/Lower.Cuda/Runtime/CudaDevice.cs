using System.Diagnostics;
using System.Runtime.CompilerServices;
using Picograd.Lower.Cuda.Emulator;
using Picograd.Lower.Cuda.Native;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;

namespace Picograd.Lower.Cuda.Runtime;

/// <summary>
/// An NVIDIA GPU opened by this process (its primary context, which is shared with other libraries of the process): memory,
/// copies, streams. Thread-safe. Work is asynchronous on <see cref="CurrentStream"/>; copies from and to main memory are
/// not.
/// </summary>
public sealed unsafe class CudaDevice
{
    private static readonly Lock Sync = new();
    private static readonly Dictionary<(Driver Driver, int Ordinal), CudaDevice> Opened = [];

    private static long s_waited;

    [ThreadStatic]
    private static nint s_current;

    [ThreadStatic]
    private static CudaStream? s_stream;

    private readonly nint _context;
    private CudaKernel? _lastStarted;

    private CudaDevice(CudaStack stack, int ordinal)
    {
        (Driver, Nvrtc) = stack.Require();
        IsEmulated = stack.IsEmulated;
        Ordinal = ordinal;
        Properties = CudaProperties.Read(Driver, Nvrtc, ordinal);
        nint context;
        int handle;
        Driver.Check(Driver.DeviceGet(&handle, ordinal), "cuDeviceGet");
        Driver.Check(Driver.DevicePrimaryCtxRetain(&context, handle), "cuDevicePrimaryCtxRetain", Properties.Name);
        _context = context;
        MakeCurrent();
        Memory = new CudaMemoryPool(this);
        Stream = new CudaStream(this);
    }

    /// <summary>Number of the GPU, from 0.</summary>
    public int Ordinal { get; }

    /// <summary>What it is.</summary>
    public CudaProperties Properties { get; }

    /// <summary>What schedules are made for.</summary>
    public GpuInfo Info => Properties.Gpu;

    /// <summary>Whether this is the emulator, whose times mean nothing.</summary>
    public bool IsEmulated { get; }

    /// <summary>A kernel failed so that this process can do nothing more on the device.</summary>
    public bool IsLost { get; private set; }

    /// <summary>The pool that buffers come from.</summary>
    public CudaMemoryPool Memory { get; }

    /// <summary>Where work goes unless a thread says otherwise.</summary>
    public CudaStream Stream { get; }

    internal Driver Driver { get; }

    internal Nvrtc Nvrtc { get; }

    /// <summary>The stream on which this thread starts work here.</summary>
    public CudaStream CurrentStream => s_stream is { } stream && stream.Device == this ? stream : Stream;

    /// <summary>GPUs of this machine; 0 where CUDA cannot be used.</summary>
    public static int Count => CudaLibraries.Current is { Missing: null, Driver: { } driver } ? driver.DeviceCount : 0;

    /// <summary>Opens a GPU of this machine (or the emulated one), once a process.</summary>
    /// <exception cref="CudaException">There is no such GPU, or a library is missing; says what and how to get it.</exception>
    public static CudaDevice Open(int ordinal = 0) => Open(CudaLibraries.Current, ordinal);

    /// <summary>As <see cref="Open(int)"/>, with given libraries.</summary>
    public static CudaDevice Open(CudaStack stack, int ordinal = 0)
    {
        var (driver, _) = stack.Require();
        if (ordinal < 0 || ordinal >= driver.DeviceCount)
        {
            throw new CudaException(
                $"open cuda:{ordinal}",
                $"there is no such GPU; this machine has {driver.DeviceCount}, numbered from 0"
            );
        }
        lock (Sync)
        {
            if (!Opened.TryGetValue((driver, ordinal), out var device))
                Opened[(driver, ordinal)] = device = new CudaDevice(stack, ordinal);
            return device;
        }
    }

    /// <summary>Memory of at least so many bytes, 256-byte aligned; contents undefined.</summary>
    /// <exception cref="CudaOutOfMemoryException">There is no such memory even after the pool was emptied.</exception>
    public CudaBuffer Rent(long bytes) => new(this, CurrentStream, bytes);

    /// <summary>Main memory → device memory; when it returns, the source may be reused.</summary>
    public void Write(nint to, void* from, long bytes)
    {
        if (bytes == 0)
            return;
        var stream = CurrentStream;
        MakeCurrent();
        Check(
            Driver.MemcpyHtoDAsync(to, from, (nuint)bytes, stream.Handle),
            "cuMemcpyHtoDAsync",
            $"{bytes} bytes to the device"
        );
        stream.Synchronize();
    }

    /// <summary>
    /// A few bytes of main memory → device memory, in the order of the stream and without waiting: the driver has taken the
    /// bytes when it returns (it does so for up to 64 KiB of memory that is not pinned).
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">More than 64 KiB.</exception>
    /// <exception cref="InvalidOperationException">A graph is being recorded.</exception>
    public void Stage(nint to, void* from, int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, 64 << 10);
        if (CurrentStream.Recording is not null)
            throw new InvalidOperationException(
                "bytes of main memory cannot be recorded in a graph: a replay would read them where they were, not as they were"
            );
        MakeCurrent();
        Check(
            Driver.MemcpyHtoDAsync(to, from, (nuint)bytes, CurrentStream.Handle),
            "cuMemcpyHtoDAsync",
            $"{bytes} bytes to the device"
        );
    }

    /// <inheritdoc cref="Write(nint, void*, long)"/>
    public void Write<T>(nint to, ReadOnlySpan<T> from)
        where T : unmanaged
    {
        fixed (T* first = from)
            Write(to, first, (long)from.Length * sizeof(T));
    }

    /// <summary>Device memory → main memory, after everything started before on the stream; there when it returns.</summary>
    public void Read(void* to, nint from, long bytes)
    {
        if (bytes == 0)
            return;
        var stream = CurrentStream;
        MakeCurrent();
        Check(
            Driver.MemcpyDtoHAsync(to, from, (nuint)bytes, stream.Handle),
            "cuMemcpyDtoHAsync",
            $"{bytes} bytes from the device"
        );
        stream.Synchronize();
    }

    /// <inheritdoc cref="Read(void*, nint, long)"/>
    public void Read<T>(Span<T> to, nint from)
        where T : unmanaged
    {
        fixed (T* first = to)
            Read(first, from, (long)to.Length * sizeof(T));
    }

    /// <summary>Device memory → device memory, in the order of the stream.</summary>
    public void Copy(nint to, nint from, long bytes)
    {
        if (bytes == 0)
            return;
        MakeCurrent();
        Check(
            Driver.MemcpyDtoDAsync(to, from, (nuint)bytes, CurrentStream.Handle),
            "cuMemcpyDtoDAsync",
            $"{bytes} bytes"
        );
    }

    /// <summary>Sets bytes, in the order of the stream.</summary>
    public void Fill(nint to, byte value, long bytes)
    {
        if (bytes == 0)
            return;
        MakeCurrent();
        Check(Driver.MemsetD8Async(to, value, (nuint)bytes, CurrentStream.Handle), "cuMemsetD8Async", $"{bytes} bytes");
    }

    /// <summary>How long this process has waited for devices so far: what they did for it, where it waits for all that it starts.</summary>
    public static TimeSpan TimeWaited => Stopwatch.GetElapsedTime(0, Interlocked.Read(ref s_waited));

    /// <summary>Waits for all work of all streams.</summary>
    /// <exception cref="CudaException">A kernel failed; names the one started last.</exception>
    public void Synchronize()
    {
        MakeCurrent();
        long start = Stopwatch.GetTimestamp();
        int code = Driver.CtxSynchronize();
        WaitedSince(start);
        Check(code, "cuCtxSynchronize");
    }

    internal static void WaitedSince(long start) => Interlocked.Add(ref s_waited, Stopwatch.GetTimestamp() - start);

    /// <summary>Makes this thread start its work on a stream until the result is disposed of.</summary>
    public IDisposable Use(CudaStream stream)
    {
        if (stream.Device != this)
            throw new ArgumentException($"the stream belongs to {stream.Device}, not to {this}", nameof(stream));
        var before = s_stream;
        s_stream = stream;
        return new Restore(before);
    }

    public override string ToString() => $"cuda:{Ordinal} ({Properties.Name})";

    /// <summary>Calls of the driver go to the context that is current in the thread.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void MakeCurrent()
    {
        if (s_current != _context)
            Enter();
    }

    /// <summary>Throws where a call failed. What a kernel does wrong comes out at some later call, so it is named there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Check(int code, string call, string? context = null)
    {
        if (code != DriverError.None)
            Fail(code, call, context);
    }

    /// <summary>After the emulator forgot an error, which no GPU does.</summary>
    internal void Recover()
    {
        CudaEmulator.Recover();
        IsLost = false;
    }

    /// <summary>Notes a kernel about to be started; returns the one started before it.</summary>
    internal CudaKernel? Started(CudaKernel kernel) => Interlocked.Exchange(ref _lastStarted, kernel);

    /// <summary>A launch found the device lost, by what was started before it.</summary>
    /// <exception cref="CudaException">Always; names the kernel.</exception>
    internal void Lost(int code, string call, CudaKernel? culprit)
    {
        _lastStarted = culprit;
        Fail(code, call, null);
    }

    /// <summary>As <see cref="MakeCurrent"/>, for finalizers: false where the driver refuses.</summary>
    internal bool TryMakeCurrent()
    {
        if (s_current != _context && Driver.CtxSetCurrent(_context) != DriverError.None)
            return false;
        s_current = _context;
        return true;
    }

    private void Enter()
    {
        Driver.Check(Driver.CtxSetCurrent(_context), "cuCtxSetCurrent", Properties.Name);
        s_current = _context;
    }

    private void Fail(int code, string call, string? context)
    {
        if (CudaException.Loses(code))
            IsLost = true;
        // Below 700 calls fail for their own arguments; from there on for what ran on the device.
        if (code >= 700 && _lastStarted is { } kernel)
        {
            string suspect = $"the kernel started last is {kernel.Describe()}";
            context = string.IsNullOrEmpty(context) ? suspect : $"{context}; {suspect}";
        }
        Driver.Check(code, call, context);
    }

    private sealed class Restore(CudaStream? stream) : IDisposable
    {
        public void Dispose() => s_stream = stream;
    }
}
