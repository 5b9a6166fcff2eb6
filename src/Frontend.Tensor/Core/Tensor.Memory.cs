using System.Buffers;
using Picograd.Algorithms;
using Picograd.Dispatch;
using Picograd.Schedules.Backend;

namespace Picograd;

public sealed unsafe partial class Tensor
{
    /// <summary>
    /// A tensor of memory that is not copied: it stays pinned until the tensor and its views are disposed or collected, and changes on
    /// either side are seen on the other.
    /// </summary>
    /// <typeparam name="TValue">float, double, Half, BFloat16, int, long, byte or bool.</typeparam>
    /// <param name="memory">Elements in row-major order, of an array, or of a memory manager.</param>
    /// <param name="shape">Of as many elements; one dimension unless given.</param>
    /// <exception cref="ArgumentException">Another number of elements, or an element type that tensors do not have.</exception>
    public static Tensor FromMemory<TValue>(Memory<TValue> memory, ReadOnlySpan<long> shape = default)
        where TValue : unmanaged
    {
        var type = TypeOf<TValue>();
        var layout = shape.Length == 0 ? Layout.Contiguous([memory.Length]) : CheckedShape(shape, "FromMemory");
        if (layout.Count != memory.Length)
            throw new ArgumentException(
                $"FromMemory: {memory.Length} values were given for the shape {layout}, which has {layout.Count} elements."
            );
        var pinned = new PinnedMemory(memory.Pin(), (long)memory.Length * sizeof(TValue));
        var shared = new Tensor(Storage.Of(pinned, CpuRuntime.Instance), layout, type);
        Calls.Executor.Listening?.HostWrites(shared);
        return shared;
    }

    /// <summary>
    /// The elements of a contiguous tensor of the CPU where they lie, for TensorPrimitives and the like. Only while the tensor is reachable;
    /// what is written is not recorded.
    /// </summary>
    /// <exception cref="ArgumentException">Another element type.</exception>
    /// <exception cref="InvalidOperationException">Not contiguous, on another device, or too many elements for a span.</exception>
    public Span<TValue> AsSpan<TValue>()
        where TValue : unmanaged
    {
        if (TypeOf<TValue>() != DType)
            throw new ArgumentException(
                $"AsSpan: the tensor's dtype is {DType.Name()}, but {typeof(TValue).Name} was asked for; convert it with To()."
            );
        if (!Device.IsCpu || !IsContiguous)
            throw new InvalidOperationException(
                $"AsSpan: the tensor of shape {Layout} {(Device.IsCpu ? "is not contiguous; take Contiguous()" : $"is on {Device}; take Cpu()")} first."
            );
        TellOfExposure();
        Storage.Expose();
        return new Span<TValue>((void*)Address, checked((int)ArrayLength("AsSpan")));
    }

    /// <summary>The address of the first element, of a tensor of the CPU; see <see cref="AsSpan"/>.</summary>
    public nint DataPtr()
    {
        TellOfExposure();
        if (Device.IsCpu)
            Storage.Expose();
        return Address;
    }

    // Who has the address reads and writes whatever and whenever.
    private void TellOfExposure()
    {
        if (Calls.Executor.Listening is not { } listener)
            return;
        listener.HostReads(this);
        listener.HostWrites(this);
    }

    /// <summary>Where in its memory the first element lies, in elements.</summary>
    public long StorageOffset() => Layout.Offset;

    // Gives a pin back.
    private sealed class PinnedMemory(MemoryHandle handle, long length) : DeviceMemory
    {
        private MemoryHandle _handle = handle;
        private bool _isGone;

        ~PinnedMemory() => _handle.Dispose();

        public override nint Address =>
            _isGone ? throw new ObjectDisposedException(nameof(Tensor)) : (nint)_handle.Pointer;

        public override long Length => length;

        public override void Dispose()
        {
            if (_isGone)
                return;
            _isGone = true;
            _handle.Dispose();
            GC.SuppressFinalize(this);
        }
    }
}
