using Picograd.Schedules.Backend;

namespace Picograd.Dispatch;

/// <summary>
/// Tensors without elements (<see cref="Device.Meta"/>): calls infer shapes and dtypes as everywhere and then do nothing.
/// </summary>
internal sealed class MetaRuntime : DeviceRuntime
{
    public static readonly MetaRuntime Instance = new();

    private MetaRuntime() => Computes = false;

    public override Device Device => Device.Meta;

    public override DispatchContext Context =>
        throw new InvalidOperationException("meta has no kernels: operators on it infer shapes and compute nothing.");

    public override void Use(DispatchContext context) => _ = Context;

    public override DeviceMemory Rent(long bytes) => new Nothing(bytes);

    public override void Write(nint to, nint from, long bytes) => throw NoElements();

    public override void Read(nint from, nint to, long bytes) => throw NoElements();

    public override void Copy(nint from, nint to, long bytes) => throw NoElements();

    public override nint Cells(nint cells, int bytes) => cells;

    private static InvalidOperationException NoElements() =>
        new(
            "A tensor on meta has a shape and a dtype, but no elements that could be read, copied or looked at; make it on another "
                + "device."
        );

    private sealed class Nothing(long bytes) : DeviceMemory
    {
        public override nint Address => throw NoElements();

        public override long Length => bytes;

        public override void Dispose() { }
    }
}
