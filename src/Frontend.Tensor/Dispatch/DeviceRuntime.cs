using System.Diagnostics;
using Picograd.Calls;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Dispatch;

/// <summary>A device as tensors use it: memory, copies, and the kernels chosen for it.</summary>
internal abstract class DeviceRuntime
{
    public abstract Device Device { get; }

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

    /// <summary>A call at once: finds its kernel by its words and starts it.</summary>
    public virtual unsafe void Run(scoped ref OpCall call)
    {
        var context = Context;
        var kernel = context.Table.Find(call.Words) ?? context.Miss(call.Operator, call.Words);
        kernel.Run(call.Addresses());
        call.KeepAlive();
    }

    /// <summary>Before a call that is timed; gives what <see cref="EndCall"/> wants.</summary>
    public virtual long BeginCall() => Stopwatch.GetTimestamp();

    /// <summary>After it: what it took, in milliseconds.</summary>
    public virtual double EndCall(long began) => Stopwatch.GetElapsedTime(began).TotalMilliseconds;

    /// <summary>The runtime of a device.</summary>
    /// <exception cref="InvalidOperationException">This machine has no such device; says what is missing.</exception>
    public static DeviceRuntime Of(Device device) =>
        device.IsCpu ? CpuRuntime.Instance
        : device.IsMeta ? MetaRuntime.Instance
        : Gpus.Of(device.Index);

    /// <summary>The one device of all operands.</summary>
    /// <exception cref="ArgumentException">They are on two devices; names the operator and both.</exception>
    public static DeviceRuntime Common(string what, Tensor a, Tensor b)
    {
        var runtime = a.Runtime;
        return ReferenceEquals(runtime, b.Runtime) ? runtime : throw Mixed(what, runtime.Device, b.Device);
    }

    /// <summary>
    /// The one device of operands that broadcast; scalars of the CPU go along with tensors of a GPU, as in PyTorch.
    /// </summary>
    /// <exception cref="ArgumentException">They are on two devices.</exception>
    public static DeviceRuntime Align(string what, ref Tensor a, ref Tensor b)
    {
        var runtime = a.Runtime;
        if (ReferenceEquals(runtime, b.Runtime))
            return runtime;
        if (a.Rank == 0 && a.Device.IsCpu)
        {
            a = a.ToDevice(b.Device);
            return b.Runtime;
        }
        if (b.Rank == 0 && b.Device.IsCpu)
        {
            b = b.ToDevice(a.Device);
            return runtime;
        }
        throw Mixed(what, a.Device, b.Device);
    }

    /// <inheritdoc cref="Align(string, ref Tensor, ref Tensor)"/>
    public static DeviceRuntime Align(string what, ref Tensor a, ref Tensor b, ref Tensor c)
    {
        Align(what, ref b, ref c);
        Align(what, ref a, ref b);
        return Align(what, ref a, ref c);
    }

    internal static ArgumentException Mixed(string what, Device a, Device b) =>
        new($"{what}: the tensors are on two devices, {a} and {b}; move one of them with ToDevice().");
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
