using Picograd.Calls;
using Picograd.Dispatch;
using Picograd.Gradients;

namespace Picograd;

public sealed partial class Tensor
{
    /// <summary>The elements on another device; this tensor itself where it is there. Gradients flow back.</summary>
    /// <exception cref="InvalidOperationException">This machine has no such device; says what is missing.</exception>
    public Tensor ToDevice(Device device)
    {
        if (device == Device)
            return this;
        var result = Moved(DeviceRuntime.Of(device));
        if (Records(this))
            result.Record(Derivatives.ToDevice, this).Data = Device;
        return result;
    }

    /// <summary>The elements on a GPU.</summary>
    public Tensor Cuda(int index = 0) => ToDevice(Device.Cuda(index));

    /// <summary>The elements in main memory.</summary>
    public Tensor Cpu() => ToDevice(Device.Cpu);

    /// <summary>
    /// Moves itself, and with it every tensor that shares its memory, to another device; its gradient too. It stays the
    /// same object, so optimizers and records that hold it go on. Returns itself.
    /// </summary>
    internal Tensor MoveTo(Device device)
    {
        if (device != Device)
        {
            var runtime = DeviceRuntime.Of(device);
            var memory = runtime.Rent(Storage.Length);
            Executor.Listening?.Refuses($"a tensor is moved to {device}; move it before");
            if (!device.IsMeta)
                Transfer(Runtime, Storage.Address, runtime, memory.Address, Storage.Length);
            Storage.Move(memory, runtime);
        }
        if (_grad is { } grad && grad.Device != device)
            _grad = grad.MoveTo(device);
        return this;
    }

    /// <summary>
    /// Gives a leaf and its gradient elements of another dtype, in new memory: views that were made of it keep the old one. What
    /// was recorded of it before cannot be gone back through.
    /// </summary>
    internal void ConvertTo(DType dtype)
    {
        if (dtype != DType)
        {
            Executor.Listening?.Refuses($"a tensor becomes {dtype.Name()}; convert it before");
            using var off = NoGrad();
            using var plain = Detach();
            var converted = Operator.Cast(plain, dtype).Keep();
            var old = Storage;
            converted.Storage.Version = old.Version + 1;
            converted.Storage.AddOwner();
            (_storage, Layout, DType) = (converted.Storage, converted.Layout, dtype);
            converted.Dispose();
            old.Release();
        }
        _grad?.ConvertTo(dtype);
    }

    /// <summary>Without record: dense in main memory, or itself where it is there (dense or not).</summary>
    internal Tensor OnCpu() => Device.IsCpu ? this : Moved(CpuRuntime.Instance);

    private Tensor Moved(DeviceRuntime to)
    {
        var source = Copying.DenseOf(this);
        var result = Allocate(Layout.Contiguous(source.Layout.Sizes), DType, to);
        Executor.Listening?.HostReads(source);
        Executor.Listening?.HostWrites(result);
        if (!to.Device.IsMeta)
            Transfer(source.Runtime, source.Address, to, result.Address, NumElements * ElementSize);
        GC.KeepAlive(source);
        return result;
    }

    private static void Transfer(DeviceRuntime source, nint from, DeviceRuntime target, nint to, long bytes)
    {
        if (bytes == 0)
            return;
        if (source.Device.IsCpu)
        {
            target.Write(to, from, bytes);
            return;
        }
        if (target.Device.IsCpu)
        {
            source.Read(from, to, bytes);
            return;
        }
        // From one GPU to another through main memory.
        using var between = CpuRuntime.Instance.Rent(bytes);
        source.Read(from, between.Address, bytes);
        target.Write(to, between.Address, bytes);
    }
}
