using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Gradients;

namespace Picograd;

/// <summary>
/// An array of numbers of any rank, with PyTorch's semantics: a strided view of shared storage, which records how it was
/// computed when gradients are wanted. Every operator runs a kernel of the operator library at once, through the best
/// schedule known (see <see cref="Dispatch.Dispatcher"/>). Equal is only the same object; use <see cref="Eq"/> for
/// elements. Not safe for concurrent changes; concurrent reads are.
/// </summary>
public sealed partial class Tensor : IDisposable
{
    private Storage? _storage;
    private Node? _node;
    private Tensor? _grad;
    private Flags _flags;

    // Of a view: the tensor whose history it follows, and the version of the memory that its own history is of.
    private Tensor? _base;
    private int _followed;

    [Flags]
    private enum Flags : byte
    {
        None = 0,
        RequiresGrad = 1,
        Kept = 2,
        IsView = 4,
        GradSeen = 8,

        /// <summary>Has a base, whose history it takes over when the memory was changed in place.</summary>
        Follows = 16,

        /// <summary>A view that was made while nothing was recorded.</summary>
        MadeInNoGrad = 32,

        /// <summary>A leaf's gradient that nothing else can have as its gradient.</summary>
        SumOfLeaf = 64,
    }

    internal Tensor(Storage storage, Layout layout, DType type, bool isView = false)
    {
        _storage = storage;
        Layout = layout;
        DType = type;
        if (isView)
            _flags = Flags.IsView;
        TensorScope.Current?.Add(this);
    }

    /// <summary>Type of the elements: Float32, Float64, Float16, BFloat16, Int8, Int16, Int32, Int64, UInt8 or Bool.</summary>
    public DType DType { get; private set; }

    internal Layout Layout { get; private set; }

    /// <summary>Where the elements lie.</summary>
    public Device Device => Runtime.Device;

    internal Dispatch.DeviceRuntime Runtime => Storage.Runtime;

    /// <summary>Size of each dimension; empty for a scalar.</summary>
    public Dimensions Shape => new(Layout.Sizes);

    /// <summary>Elements between neighbours along each dimension.</summary>
    public Dimensions Strides => new(Layout.Strides);

    /// <summary>Number of dimensions.</summary>
    public int Rank => Layout.Rank;

    /// <summary>Number of elements.</summary>
    public long NumElements => Layout.Count;

    /// <summary>Whether the elements lie in row-major order without gaps.</summary>
    public bool IsContiguous => Layout.IsContiguous;

    /// <summary>Whether it shares the memory of the tensor it was taken from.</summary>
    public bool IsView => (_flags & Flags.IsView) != 0;

    /// <summary>Whether its memory was given back, by <see cref="Dispose"/> or by the end of its scope.</summary>
    public bool IsDisposed => _storage is null;

    /// <summary>How often its memory was changed in place.</summary>
    public int Version => Storage.Version;

    internal bool IsKept => (_flags & Flags.Kept) != 0;

    internal Storage Storage
    {
        get
        {
            var storage = _storage;
            if (storage is null)
                ThrowDisposed();
            return storage!;
        }
    }

    /// <summary>Address of element [0, 0, …]; keep the tensor alive while it is used.</summary>
    internal nint Address =>
        Layout.Offset == 0 ? Storage.Address : Storage.Address + (nint)(Layout.Offset * ElementSize);

    internal int ElementSize => DType.Size();

    /// <summary>Size of one dimension; negative ones count from the end.</summary>
    public long Size(int dim) => Layout.Rank == 0 ? ThrowNoSize(dim) : Layout.Sizes[Layout.Dim(dim, "Size")];

    /// <summary>
    /// Frees what is made in a <c>using</c> block at its end; see <see cref="TensorScope"/>. Call it once a training step.
    /// </summary>
    public static TensorScope Scope() => TensorScope.Enter();

    /// <summary>Keeps it beyond the end of the scope it was made in. Returns itself.</summary>
    public Tensor Keep()
    {
        _flags |= Flags.Kept;
        return this;
    }

    /// <summary>
    /// Gives its memory back, once no other view of it is left. Using it afterwards throws ObjectDisposedException.
    /// Calling this is never necessary: unreachable tensors are collected, and the collector knows how large they are.
    /// </summary>
    public void Dispose() => Dispose(recycles: false);

    /// <summary>
    /// As <see cref="Dispose()"/>, for what has been reachable ever since it was made, as what a scope or the pass of gradients under
    /// way holds is: what it consists of serves again. A finalizer of it might be on its way otherwise.
    /// </summary>
    internal void Recycle() => Dispose(recycles: true);

    private void Dispose(bool recycles)
    {
        var storage = _storage;
        if (storage is null)
            return;
        _storage = null;
        // Views that are left may still ask for the history of their base.
        bool isShared = recycles ? storage.Recycle() : storage.Release();
        if (!isShared || _base is not null)
            _node = null;
        _base = null;
        _flags &= ~Flags.Follows;
    }

    /// <summary>
    /// Number of threads that kernels may use from now on; at first it is that of physical cores. Schedules tuned for another
    /// number serve where they cannot be slower than the default.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">Less than 1 or more than the machine has.</exception>
    public static void SetNumThreads(int threads) => Dispatch.Dispatcher.SetNumThreads(threads);

    /// <summary>Number of threads that kernels may use.</summary>
    public static int NumThreads => Dispatch.Dispatcher.NumThreads;

    /// <summary>As PyTorch prints it: rows of rounded values, then what is not the default; see <see cref="SetPrintOptions"/>.</summary>
    public override string ToString() => TensorPrinter.Print(this);

    /// <exception cref="ArgumentException">More bytes than any machine has; names the shape.</exception>
    internal static Tensor Allocate(Layout contiguous, DType type, Dispatch.DeviceRuntime runtime)
    {
        int size = type.Size();
        // No element has more than 8 bytes, so that most need no division.
        if (contiguous.Count > MaxBytes / 8 && contiguous.Count > MaxBytes / size)
            ThrowTooLarge(contiguous, type);
        return new(Storage.Allocate(contiguous.Count * size, runtime), contiguous, type);
    }

    internal static Tensor Allocate(ReadOnlySpan<long> sizes, DType type, Dispatch.DeviceRuntime runtime) =>
        Allocate(Layout.Contiguous(sizes), type, runtime);

    /// <summary>An empty contiguous tensor of this one's shape.</summary>
    internal Tensor AllocateLike(DType type) => AllocateLike(Layout, type, Runtime);

    /// <summary>An empty contiguous tensor of the shape that a layout has.</summary>
    internal static Tensor AllocateLike(Layout layout, DType type, Dispatch.DeviceRuntime runtime) =>
        layout.IsPlain ? Allocate(layout, type, runtime) : Allocate(Layout.Contiguous(layout.Sizes), type, runtime);

    /// <summary>Another tensor over the same storage, without history.</summary>
    internal Tensor Alias(Layout layout)
    {
        var storage = Storage;
        storage.AddOwner();
        return new Tensor(storage, layout, DType, isView: true);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void ThrowDisposed() =>
        throw new ObjectDisposedException(
            nameof(Tensor),
            $"This {DType.Name()} tensor of shape {Layout} was disposed, by Dispose or at the end of its Tensor.Scope; "
                + "call Keep() on what must outlive a scope."
        );

    /// <summary>An argument that may not be null.</summary>
    /// <exception cref="ArgumentNullException">It is; names the parameter.</exception>
    internal static Tensor Given(Tensor? tensor, [CallerArgumentExpression(nameof(tensor))] string? name = null) =>
        tensor ?? throw new ArgumentNullException(name);

    private const long MaxBytes = Lower.Cpu.Runtime.CpuBuffer.MaxLength;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void ThrowTooLarge(Layout layout, DType type) =>
        throw new ArgumentException(
            $"A tensor of shape {layout} and dtype {type.Name()} would take {(Int128)layout.Count * type.Size()} bytes; a tensor "
                + $"may have at most {MaxBytes}."
        );

    private static long ThrowNoSize(int dim) =>
        throw new ArgumentOutOfRangeException(nameof(dim), $"Size: dim is {dim}, but a scalar has no dimensions.");
}
