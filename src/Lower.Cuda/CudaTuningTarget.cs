using System.Collections.Concurrent;
using Picograd.Lower.Cuda.Machine;
using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Runtime;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda;

/// <summary>Tuning on a GPU.</summary>
public sealed unsafe class CudaTuningTarget : ITuningTarget
{
    private readonly CudaDevice _device;
    private readonly ConcurrentDictionary<nint, CudaBuffer> _memory = [];
    private readonly Lazy<TargetCeilings> _ceilings;
    private readonly Lazy<CudaProbeKernels> _probes;

    /// <param name="device">The GPU.</param>
    /// <param name="cache">Of cubins; one of the process's own where null.</param>
    public CudaTuningTarget(CudaDevice device, ICubinCache? cache = null)
    {
        _device = device;
        Backend = new CudaBackend(device, cache, prune: true);
        _probes = new Lazy<CudaProbeKernels>(() => new CudaProbeKernels(device));
        _ceilings = new Lazy<TargetCeilings>(() =>
            device.IsEmulated ? DataSheet(device.Info) : _probes.Value.Ceilings()
        );
    }

    public CudaBackend Backend { get; }

    IBackend ITuningTarget.Backend => Backend;

    public string Device => $"cuda:{_device.Ordinal}";

    public bool IsHostMemory => false;

    public TargetCeilings Ceilings => _ceilings.Value;

    /// <exception cref="CudaOutOfMemoryException">Names the bytes asked for and free.</exception>
    public nint Allocate(long bytes)
    {
        var buffer = _device.Rent(bytes);
        _memory[buffer.Address] = buffer;
        return buffer.Address;
    }

    public void Free(nint memory, long bytes)
    {
        if (_memory.TryRemove(memory, out var buffer))
            buffer.Dispose();
    }

    public void Write(nint to, nint from, long bytes) => _device.Write(to, (void*)from, bytes);

    public void Read(nint from, nint to, long bytes) => _device.Read((void*)to, from, bytes);

    public void Copy(nint to, nint from, long bytes) => _device.Copy(to, from, bytes);

    public void Fill(nint to, byte value, long bytes) => _device.Fill(to, value, bytes);

    public IKernelTimer CreateTimer() => new CudaKernelTimer(_device, microseconds => _probes.Value.Hold(microseconds));

    public double SentinelMilliseconds() => _probes.Value.Sentinel();

    /// <summary>
    /// What a GPU of these properties could do: the emulator's own speed is no ceiling, since the processor's clock and caches
    /// make small kernels look faster than large ones.
    /// </summary>
    private static TargetCeilings DataSheet(GpuInfo gpu)
    {
        const int MultiplyAddsAClock = 128;
        return new TargetCeilings(
            2.0 * gpu.Multiprocessors * MultiplyAddsAClock * gpu.ClockGhz,
            [("memory", long.MaxValue, gpu.MemoryGbps)],
            gpu.MemoryGbps
        );
    }
}
