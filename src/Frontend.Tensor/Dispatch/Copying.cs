using System.Text;
using Picograd.Algorithms;
using Picograd.Lower.Cpu;

namespace Picograd.Dispatch;

/// <summary>Runs the copies of the library: a strided tensor into new dense memory, and values into a strided view.</summary>
internal static unsafe class Copying
{
    // Signature [head, then size, stride of the source and stride of the target of each dimension].
    private static readonly Family StridedFamily = new(
        "copy",
        static (_, s) =>
        {
            var shape = new StringBuilder();
            var strides = new StringBuilder();
            var to = new StringBuilder();
            for (int i = 1; i < s.Length; i += 3)
            {
                shape.Append(i == 1 ? "" : "x").Append(s[i]);
                strides.Append(i == 1 ? "" : ",").Append(s[i + 1]);
                to.Append(i == 1 ? "" : ",").Append(s[i + 2]);
            }
            return $"copy shape={shape} strides={strides} to={to} dtype={Family.TypeOf(s).Name()}";
        }
    );

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
        var source = ReferenceEquals(view.Storage, values.Storage) ? Dense(values) : values;
        Span<long> signature = stackalloc long[1 + 3 * Broadcasting.MaxRank];
        signature[0] = StridedFamily.Head(view.DType);
        int count = Align(source.Layout, view.Layout, signature[1..]);
        WriteDims(view.Runtime, signature[..(1 + 3 * count)], source.Address, view.Address, view.ElementSize);
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

    private static void WriteDims(DeviceRuntime runtime, Span<long> signature, nint from, nint to, int elementSize)
    {
        int dims = (signature.Length - 1) / 3;
        if (dims <= Broadcasting.MaxDims)
        {
            nint* arguments = stackalloc nint[] { from, to };
            Span<long> plain = stackalloc long[1 + 2 * Broadcasting.MaxDims];
            bool dense = IsDense(signature, plain);
            Dispatcher.Run(
                runtime,
                dense ? CopyFamily : StridedFamily,
                dense ? plain[..(1 + 2 * dims)] : signature,
                arguments
            );
            return;
        }
        // More dimensions than an operator has: one copy for each index of the first.
        var (size, step, stride) = (signature[1], signature[2], signature[3]);
        Span<long> inner = stackalloc long[signature.Length - 3];
        inner[0] = signature[0];
        signature[4..].CopyTo(inner[1..]);
        for (long i = 0; i < size; i++)
            WriteDims(
                runtime,
                inner,
                from + (nint)(i * step * elementSize),
                to + (nint)(i * stride * elementSize),
                elementSize
            );
    }

    // Whether the target of a strided copy is dense; the signature without the target's strides.
    private static bool IsDense(ReadOnlySpan<long> signature, Span<long> plain)
    {
        plain[0] = CopyFamily.Head(Family.TypeOf(signature));
        long next = 1;
        for (int i = signature.Length - 3; i > 0; i -= 3)
        {
            if (signature[i + 2] != next)
                return false;
            next *= signature[i];
            int at = 1 + (i - 1) / 3 * 2;
            plain[at] = signature[i];
            plain[at + 1] = signature[i + 1];
        }
        return true;
    }

    // Size and both strides of each dimension, in the order in which the target lies in memory; neighbours that lie without
    // a gap in both are one.
    private static int Align(Layout from, Layout to, Span<long> words)
    {
        Span<int> order = stackalloc int[Broadcasting.MaxRank];
        int rank = 0;
        for (int d = 0; d < to.Rank; d++)
        {
            if (to.Sizes[d] == 1)
                continue;
            int at = rank++;
            for (; at > 0 && to.Strides[order[at - 1]] < to.Strides[d]; at--)
                order[at] = order[at - 1];
            order[at] = d;
        }
        int count = 0;
        foreach (int d in order[..rank])
        {
            var (size, step, stride) = (to.Sizes[d], from.Strides[d], to.Strides[d]);
            if (count > 0)
            {
                var last = words.Slice(3 * (count - 1), 3);
                if (last[1] == size * step && last[2] == size * stride)
                {
                    (last[0], last[1], last[2]) = (last[0] * size, step, stride);
                    continue;
                }
            }
            var next = words.Slice(3 * count++, 3);
            (next[0], next[1], next[2]) = (size, step, stride);
        }
        if (count == 0)
        {
            words[..3].Fill(1);
            count = 1;
        }
        return count;
    }

    // Neighbouring dimensions that lie without a gap are one; size and stride of each are written outermost first.
    private static int Collapse(Layout layout, Span<long> words)
    {
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
