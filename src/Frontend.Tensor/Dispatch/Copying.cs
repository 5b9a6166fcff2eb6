using System.Text;
using Picograd.Algorithms;
using Picograd.Lower.Cpu;

namespace Picograd.Dispatch;

/// <summary>Runs the copies of the library: a strided tensor into new dense memory, and values into a strided view.</summary>
internal static unsafe class Copying
{
    // Signature [head, then size and stride of each dimension].
    private static readonly Family CopyFamily = new(
        "copy",
        static (_, s) =>
        {
            var shape = new StringBuilder();
            var strides = new StringBuilder();
            for (int i = 1; i < s.Length; i += 2)
            {
                shape.Append(i == 1 ? "" : "x").Append(s[i]);
                strides.Append(i == 1 ? "" : ",").Append(s[i + 1]);
            }
            return $"copy shape={shape} strides={strides} dtype={Family.TypeOf(s).Name()}";
        }
    );

    /// <summary>A dense copy in new memory.</summary>
    public static Tensor Dense(Tensor source)
    {
        var result = Tensor.Allocate(Layout.Contiguous(source.Layout.Sizes), source.DType, source.Runtime);
        Copy(source, result);
        return result;
    }

    /// <summary>A tensor itself where it is dense, else a dense copy; without record.</summary>
    public static Tensor DenseOf(Tensor source) => source.IsContiguous ? source : Dense(source);

    /// <summary>The elements of a tensor, in row-major order, into a dense one on the same device.</summary>
    public static void Copy(Tensor source, Tensor to)
    {
        if (source.NumElements == 0)
            return;
        Span<long> words = stackalloc long[1 + 2 * Broadcasting.MaxRank];
        int count = Collapse(source.Layout, words[1..]);
        words[0] = CopyFamily.Head(source.DType);
        CopyDims(source.Runtime, words[..(1 + 2 * count)], source.Address, to.Address, source.ElementSize);
        GC.KeepAlive(source);
        GC.KeepAlive(to);
    }

    /// <summary>
    /// Values of the view's shape and dtype into the memory that a view shows. The view must not show an element twice.
    /// </summary>
    public static void Into(Tensor view, Tensor values)
    {
        if (view.NumElements == 0)
            return;
        if (!ReferenceEquals(view.Runtime, values.Runtime))
            values = values.ToDevice(view.Device);
        // A source that lies in the same memory may be overwritten while it is read.
        var source = ReferenceEquals(view.Storage, values.Storage) ? values.Clone() : values.Contiguous();
        Span<long> words = stackalloc long[2 * Broadcasting.MaxRank];
        int count = Collapse(view.Layout, words);
        Scatter(view.Runtime, words[..(2 * count)], source.Address, view.Address, view.DType);
        view.Storage.Version++;
        GC.KeepAlive(source);
        GC.KeepAlive(view);
    }

    /// <summary>
    /// Puts new contents, computed beside, in the place of a tensor's elements: swaps the memory where the tensor is all of
    /// it, copies into the view otherwise.
    /// </summary>
    public static void Replace(Tensor target, Tensor values)
    {
        if (
            OwnsAll(target)
            && OwnsAll(values)
            && values.Storage.Owners == 1
            && ReferenceEquals(target.Runtime, values.Runtime)
        )
        {
            target.Storage.Swap(values.Storage.Surrender());
            values.Dispose();
        }
        else
        {
            Into(target, values);
        }
    }

    /// <summary>Whether a tensor is dense and fills its storage, so that the storage's memory may be swapped.</summary>
    public static bool OwnsAll(Tensor t) =>
        t.IsContiguous && t.Layout.Offset == 0 && t.NumElements * t.ElementSize == t.Storage.Length;

    private static void CopyDims(DeviceRuntime runtime, Span<long> signature, nint from, nint to, int elementSize)
    {
        int dims = (signature.Length - 1) / 2;
        if (dims <= Broadcasting.MaxDims)
        {
            nint* arguments = stackalloc nint[] { from, to };
            Dispatcher.Run(runtime, CopyFamily, signature, arguments);
            return;
        }
        // More dimensions than an operator has: one copy for each index of the first.
        long size = signature[1];
        long stride = signature[2];
        Span<long> inner = stackalloc long[signature.Length - 2];
        inner[0] = signature[0];
        signature[3..].CopyTo(inner[1..]);
        long block = 1;
        for (int i = 1; i < inner.Length; i += 2)
            block *= inner[i];
        for (long i = 0; i < size; i++)
            CopyDims(
                runtime,
                inner,
                from + (nint)(i * stride * elementSize),
                to + (nint)(i * block * elementSize),
                elementSize
            );
    }

    // The library's copies write dense memory, so a strided target is written a dense run at a time.
    private static nint Scatter(DeviceRuntime runtime, ReadOnlySpan<long> dims, nint from, nint to, DType type)
    {
        int elementSize = type.Size();
        if (dims.Length == 0 || (dims.Length == 2 && dims[1] == 1))
        {
            long run = dims.Length == 0 ? 1 : dims[0];
            long* signature = stackalloc long[] { CopyFamily.Head(type), run, 1 };
            nint* arguments = stackalloc nint[] { from, to };
            Dispatcher.Run(runtime, CopyFamily, new(signature, 3), arguments);
            return from + (nint)(run * elementSize);
        }
        for (long i = 0; i < dims[0]; i++)
            from = Scatter(runtime, dims[2..], from, to + (nint)(i * dims[1] * elementSize), type);
        return from;
    }

    // Neighbouring dimensions that lie without a gap are one; size and stride of each are written outermost first.
    private static int Collapse(Layout layout, Span<long> words)
    {
        if (layout.Rank > Broadcasting.MaxRank)
            throw new ArgumentException(
                $"copy: tensors may have at most {Broadcasting.MaxRank} dimensions, but this one has {layout.Rank}."
            );
        int count = 0;
        for (int d = 0; d < layout.Rank; d++)
        {
            long size = layout.Sizes[d];
            long stride = layout.Strides[d];
            if (size == 1)
                continue;
            if (count > 0 && words[2 * count - 1] == size * stride)
            {
                words[2 * count - 2] *= size;
                words[2 * count - 1] = stride;
                continue;
            }
            words[2 * count] = size;
            words[2 * count + 1] = stride;
            count++;
        }
        if (count == 0)
        {
            words[0] = words[1] = 1;
            count = 1;
        }
        return count;
    }
}
