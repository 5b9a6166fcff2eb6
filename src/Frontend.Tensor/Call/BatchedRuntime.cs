using Picograd.Dispatch;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Calls;

/// <summary>
/// The device of tensors that look like one sample and stand for a batch: what they rent is memory for all samples, one behind the
/// other. So views, copies and changes in place of a sample are those of all; only calls of operators know (<see cref="Batch"/>).
/// </summary>
internal sealed class BatchedRuntime : DeviceRuntime
{
    public BatchedRuntime(DeviceRuntime inner, long samples)
    {
        (Inner, Samples) = (inner, samples);
        Computes = inner.Computes;
    }

    public override DeviceRuntime Inner { get; }

    public long Samples { get; }

    public override Device Device => Inner.Device;

    public override DispatchContext Context => Inner.Context;

    public override void Use(DispatchContext context) => Inner.Use(context);

    public override DeviceMemory Rent(long bytes) =>
        new BatchedMemory(Storage.Allocate(checked(bytes * Samples), Inner), bytes);

    public override void Write(nint to, nint from, long bytes) => throw new BatchedReadException();

    public override void Read(nint from, nint to, long bytes) => throw new BatchedReadException();

    public override void Copy(nint from, nint to, long bytes) => throw new BatchedReadException();

    public override nint Cells(nint cells, int bytes) => Inner.Cells(cells, bytes);

    /// <summary>A sample that stands for a dense tensor whose first dimension counts samples.</summary>
    public Tensor SampleOf(Tensor all)
    {
        all.Storage.AddOwner();
        long bytes = all.Layout.Product(1, all.Rank) * all.ElementSize;
        var storage = new Storage(new BatchedMemory(all.Storage, bytes), this);
        return new Tensor(storage, Layout.Contiguous(all.Layout.Sizes.AsSpan(1)), all.DType);
    }
}

/// <summary>Memory of all samples, that has the length of one.</summary>
internal sealed class BatchedMemory(Storage all, long bytes) : DeviceMemory
{
    private Storage? _all = all;

    public Storage All => _all ?? throw new ObjectDisposedException(nameof(BatchedMemory));

    public override nint Address => throw new BatchedReadException();

    public override long Length => bytes;

    public override void Dispose() => Interlocked.Exchange(ref _all, null)?.Release();
}

/// <summary>A function looks at elements of a sample that stands for a batch.</summary>
internal sealed class BatchedReadException()
    : InvalidOperationException(
        "Vmap: elements of a tensor that stands for all samples were looked at, which have one value a sample."
    );
