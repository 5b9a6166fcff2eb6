using Picograd.Dispatch;

namespace Picograd.Calls;

/// <summary>The device that the operands of a call are on together.</summary>
internal static class CommonDevice
{
    /// <summary>The one device of all operands.</summary>
    /// <exception cref="ArgumentException">They are on two devices; names the operator and both.</exception>
    public static DeviceRuntime Of(string what, Tensor a, Tensor b)
    {
        var runtime = a.Runtime;
        return ReferenceEquals(runtime, b.Runtime) ? runtime : Joined(what, runtime, b.Runtime);
    }

    /// <summary>The one of two runtimes that operands on both are on together: that of samples beside what these share.</summary>
    /// <exception cref="ArgumentException">They are two devices.</exception>
    public static DeviceRuntime Joined(string what, DeviceRuntime a, DeviceRuntime b) =>
        DeviceRuntime.Joined(a, b) ?? throw Mixed(what, a.Device, b.Device);

    /// <summary>
    /// The one device of operands that broadcast; scalars of the CPU go along with tensors of a GPU, as in PyTorch.
    /// </summary>
    /// <exception cref="ArgumentException">They are on two devices.</exception>
    public static DeviceRuntime Align(string what, ref Tensor a, ref Tensor b)
    {
        var runtime = a.Runtime;
        if (ReferenceEquals(runtime, b.Runtime))
            return runtime;
        if (runtime.Device == b.Device)
            return Joined(what, runtime, b.Runtime);
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

    public static ArgumentException Mixed(string what, Device a, Device b) =>
        new($"{what}: the tensors are on two devices, {a} and {b}; move one of them with ToDevice().");
}
