using System.Diagnostics;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Dispatch;

/// <summary>A device as tensors use it: memory, copies, and the kernels chosen for it.</summary>
internal abstract class DeviceRuntime
{
    public abstract Device Device { get; }

    /// <summary>Whether calls are to compute anything.</summary>
    public bool Computes { get; protected init; } = true;

    /// <summary>Of tensors that stand for a batch of others: the device of those.</summary>
    public virtual DeviceRuntime? Inner => null;

    /// <summary>The kernels of this device, by its store, back end and rules.</summary>
    public abstract DispatchContext Context { get; }

    /// <summary>Kernels come from a store, a back end and rules of the caller's from now on.</summary>
    public abstract void Use(DispatchContext context);

    /// <summary>Memory with whatever is in it.</summary>
    public abstract DeviceMemory Rent(long bytes);

    /// <summary>Bytes of main memory to device memory; main memory may be reused afterwards.</summary>
    public abstract void Write(nint to, nint from, long bytes);

    /// <summary>Device memory to main memory, after everything started before has run.</summary>
    public abstract void Read(nint from, nint to, long bytes);

    /// <summary>Within the device, after what was started before.</summary>
    public abstract void Copy(nint from, nint to, long bytes);

    /// <summary>
    /// An address at which a kernel started next finds a few bytes that the caller has on its stack (numbers, settings of
    /// optimizers, states of generators).
    /// </summary>
    public abstract nint Cells(nint cells, int bytes);

    /// <summary>Before a call that is timed; gives what <see cref="EndCall"/> wants.</summary>
    public virtual long BeginCall() => Stopwatch.GetTimestamp();

    /// <summary>After it: what it took, in milliseconds.</summary>
    public virtual double EndCall(long began) => Stopwatch.GetElapsedTime(began).TotalMilliseconds;

    /// <summary>Of two runtimes of one device that whose tensors stand for a batch of the other's; null where neither does.</summary>
    public static DeviceRuntime? Joined(DeviceRuntime a, DeviceRuntime b)
    {
        for (var at = a; at is not null; at = at.Inner)
        {
            if (ReferenceEquals(at, b))
                return a;
        }
        for (var at = b; at is not null; at = at.Inner)
        {
            if (ReferenceEquals(at, a))
                return b;
        }
        return null;
    }

    /// <summary>The runtime of a device.</summary>
    /// <exception cref="InvalidOperationException">This machine has no such device; says what is missing.</exception>
    public static DeviceRuntime Of(Device device) =>
        device.IsCpu ? CpuRuntime.Instance
        : device.IsMeta ? MetaRuntime.Instance
        : Gpus.Of(device.Index);
}

/// <summary>Main memory and the processor.</summary>
internal sealed class CpuRuntime : DeviceRuntime
{
    public static readonly CpuRuntime Instance = new();

    public override Device Device => Device.Cpu;

    public override DispatchContext Context => Dispatcher.Current;

    public override void Use(DispatchContext context) => Dispatcher.Use(context);

    public override DeviceMemory Rent(long bytes) => Lower.Cpu.Runtime.CpuBuffer.Rent(bytes);

    public override unsafe void Write(nint to, nint from, long bytes) =>
        System.Buffer.MemoryCopy((void*)from, (void*)to, bytes, bytes);

    public override void Read(nint from, nint to, long bytes) => Write(to, from, bytes);

    public override void Copy(nint from, nint to, long bytes) => Write(to, from, bytes);

    public override nint Cells(nint cells, int bytes) => cells;
}
