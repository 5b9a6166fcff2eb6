using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Dispatch;

namespace Picograd.Calls;

// Words from the layouts of operands, and shapes of results from words.
internal unsafe ref partial struct OpCall
{
    // The words behind the head.
    private void Encode()
    {
        if (_plan.Form == OperandForm.Broadcast)
        {
            EncodeBroadcast();
            return;
        }
        // A dimension a key.
        _plan.Initial.CopyTo(_words[1..]);
        _count = 1 + _plan.Initial.Length;
        var words = _words.Slice(1, _plan.Dims);
        long shared = 0;
        for (int i = 0; i < _next; i++)
        {
            if (_tensors[i] is not { } tensor)
                continue;
            _empty |= tensor.NumElements == 0;
            shared |= Encode(i, tensor, words);
        }
        // What is 0 is not seen to differ from what came after it.
        for (int i = 0; _empty && i < _next; i++)
        {
            if (_tensors[i] is { } tensor)
                Encode(i, tensor, words);
        }
        // Of a batch of one nothing is shared.
        if (shared != 0 && words[_plan.Batch] > 1)
            Head |= shared;
    }

    // Returns the bits that say that a batch shares the operand.
    private readonly long Encode(int operand, Tensor tensor, Span<long> words)
    {
        var plan = _plan.Operands[operand];
        if (plan.All >= 0)
        {
            Put(words, plan.All, tensor.NumElements, operand);
            return 0;
        }
        var sizes = tensor.Layout.Sizes;
        var dims = plan.Dims;
        if (dims.Length == 0)
            return 0;
        bool swapped = (_swapped >> operand & 1) != 0;
        int d = 0;
        int skipped = dims[0].Optional && sizes.Length < dims.Length ? 1 : 0;
        for (int i = skipped; i < dims.Length; i++)
        {
            ref readonly var dim = ref dims[i];
            int behind = dims.Length - 1 - i;
            long size = 1;
            if (dim.Many)
            {
                for (; d < sizes.Length - behind; d++)
                    size *= sizes[d];
            }
            else
            {
                int from = swapped && behind < 2 ? sizes.Length - 2 + behind : d;
                size = from < sizes.Length ? sizes[from] : 1;
                d++;
            }
            if (dim.Slot < 0)
            {
                if (size != dim.Constant && dim.Constant != OperandDim.Follows)
                    ThrowShape(operand, "a size", size, dim.Constant);
                continue;
            }
            // What is left out unless it differs: heads of keys are those of queries.
            if (dim.Default is >= 0 and var other && size == words[other])
                continue;
            Put(words, dim.Slot, size, operand);
        }
        return skipped != 0 ? plan.Shared : 0;
    }

    private readonly void Put(Span<long> words, int slot, long size, int operand)
    {
        if (words[slot] == 0)
            words[slot] = size;
        else if (words[slot] != size)
            ThrowShape(operand, _plan.DimensionAt(slot), size, words[slot]);
    }

    // [head, n], or [head, 0, the shape of each operand].
    private void EncodeBroadcast()
    {
        // Most operands lie alike, or one of two is a number.
        bool alike = !Apart;
        Layout? first = null;
        _shape = null;
        for (int i = 0; i < _next; i++)
        {
            if (_tensors[i] is not { } tensor)
                continue;
            var layout = tensor.Layout;
            alike &= layout.IsContiguous;
            _empty |= layout.Count == 0;
            if (first is null)
                (first, _shape) = (layout, layout.Sizes);
            else if (!layout.SameSizes(first))
            {
                alike = false;
                _shape = Broadcasting.Shape(_shape!, layout.Sizes) ?? ThrowBroadcast();
            }
        }
        long elements = first!.Count;
        _words[1] = 0;
        _count = 2;
        // Settings stand behind the number of elements.
        if (_plan.Dims > 1)
        {
            _plan.Initial.AsSpan(1).CopyTo(_words[2..]);
            _count = 1 + _plan.Dims;
        }
        if (alike && (_cellBytes == 0 || elements == 1))
            _words[1] = elements;
        else if (_cellBytes != 0 && first.IsContiguous)
        {
            Head |= (1L << _plan.Lists[0]) | (1L << _plan.Lists[1]);
            _words[_count++] = _tensors[0] is null ? 1L : elements;
            _words[_count++] = _tensors[0] is null ? elements : 1L;
        }
        else if (!_empty && !_shape.AsSpan().Contains(0))
            EncodeShapes();
    }

    // Of as few dimensions as possible.
    [SkipLocalsInit]
    private void EncodeShapes()
    {
        // By the keys that name shapes: of numbers a scalar's, of what no operand shows null.
        Layouts keyed = default;
        for (int i = 0; i < _next; i++)
        {
            if (_plan.Operands[i].Key is >= 0 and var key)
                keyed[key] ??= _tensors[i]?.Layout ?? Layout.Scalar;
        }
        var operands = ((ReadOnlySpan<Layout?>)keyed)[.._plan.Lists.Length];
        Span<long> dims = stackalloc long[Layout.MaxRank];
        int count = Broadcasting.Coalesce(_shape, operands, dims, out int repeated);
        if (count > Broadcasting.MaxDims || repeated >= 0)
        {
            WriteOut(count > Broadcasting.MaxDims ? -1 : _shape!.Length - repeated);
            EncodeBroadcast();
            return;
        }
        if (!Apart && count == 1 && (dims[0] & 7) == (1L << operands.Length) - 1)
        {
            _words[1] = dims[0] >> 3;
            return;
        }
        for (int key = 0; key < operands.Length; key++)
        {
            Head |= (long)count << _plan.Lists[key];
            for (int d = 0; d < count; d++)
                _words[_count++] = (dims[d] >> key & 1) != 0 ? dims[d] >> 3 : 1;
        }
    }

    // Operands in full that repeat in a dimension from the end (-1: all of them).
    private void WriteOut(int back)
    {
        for (int i = 0; i < _next; i++)
        {
            if (_tensors[i] is not { } tensor)
                continue;
            if (back < 0)
                _tensors[i] = Copying.DenseOf(tensor.Detach().Expand(_shape));
            else if (tensor.Rank >= back && tensor.Layout.Sizes[^back] != 1)
                _tensors[i] = Copying.Dense(tensor);
        }
    }

    private Tensor Allocate(OperandPlan plan, DType type)
    {
        if (_shape is not null)
        {
            for (int i = 0; i < _next; i++)
            {
                if (ReferenceEquals(_tensors[i]?.Layout.Sizes, _shape))
                    return _tensors[i]!.AllocateLike(type);
            }
            return Tensor.Allocate(_shape, type, _runtime!);
        }
        if (plan.Source >= 0)
            return _tensors[plan.Source]!.AllocateLike(type);
        var dims = plan.Dims;
        if (dims.Length == 0)
            return Tensor.Allocate(Layout.Scalar, type, _runtime!);
        long[] sizes = plan.HasMany ? ManySizes(dims) : new long[dims.Length - (IsLacking(dims[0]) ? 1 : 0)];
        for (int d = dims.Length - 1, at = sizes.Length - 1; !plan.HasMany && at >= 0; d--, at--)
            sizes[at] = Value(dims[d]);
        return Tensor.Allocate(new Layout(sizes, Layout.RowMajor(sizes), 0), type, _runtime!);
    }

    private readonly bool IsLacking(DimPlan dim) => dim.Optional && _words[1 + dim.Slot] == 0;

    private readonly long[] ManySizes(DimPlan[] dims)
    {
        int rank = 0;
        foreach (var dim in dims)
            rank += dim.Many ? SizesOf(dim).Length : 1;
        long[] sizes = new long[rank];
        int at = 0;
        foreach (var dim in dims)
        {
            if (dim.Many)
            {
                var many = SizesOf(dim);
                many.CopyTo(sizes.AsSpan(at));
                at += many.Length;
            }
            else
                sizes[at++] = Value(dim);
        }
        return sizes;
    }

    private readonly long Value(DimPlan dim) =>
        dim.Slot < 0 ? dim.Constant
        : _words[1 + dim.Slot] is 0 && dim.Default >= 0 ? _words[1 + dim.Default]
        : _words[1 + dim.Slot];

    // The dimensions that stand under one key together, of the first operand that has it.
    private readonly ReadOnlySpan<long> SizesOf(DimPlan dim)
    {
        for (int i = 0; i < _plan.Inputs; i++)
        {
            int at = _tensors[i] is null ? -1 : Array.IndexOf(_plan.Operands[i].Dims, dim);
            if (at >= 0)
                return _tensors[i]!.Layout.Sizes.AsSpan(at..^(_plan.Operands[i].Dims.Length - 1 - at));
        }
        throw new InvalidOperationException($"{Operator.Title}: the shape of its result is not known.");
    }

    [DoesNotReturn]
    private readonly void ThrowShape(int operand, string what, long size, long expected)
    {
        var (name, layout) = (_plan.Operands[operand].Shape.Name, _tensors[operand]!.Layout);
        bool isConstant = what == "a size";
        throw new ArgumentException(
            $"{Operator.Title}: {name} has the shape {layout}, in which {what} is {size}, but {(isConstant ? "it must be" : "elsewhere it is")} {expected}."
        );
    }

    [DoesNotReturn]
    private readonly long[] ThrowBroadcast()
    {
        var shapes = new List<string>();
        for (int i = 0; i < Math.Min(_next, _plan.Inputs); i++)
            shapes.Add($"{_tensors[i]!.Layout}");
        throw new ArgumentException(
            $"{Operator.Title}: the shapes {string.Join(", ", shapes.SkipLast(1))} and {shapes[^1]} do not broadcast; from the last dimension on, sizes must be equal or one of them 1."
        );
    }
}
