using System.Numerics;
using System.Runtime.CompilerServices;
using Picograd.Algorithms;

namespace Picograd.Calls;

// Calls of reductions, without record: [head, rows, columns] with the axis in the head, or [head, 0, 0, shape, axes], neighbouring
// dimensions of one kind being one.
internal partial class Operator
{
    /// <summary>
    /// The reduction of x over the dimensions whose bits are set in <paramref name="over"/>, in new memory of shape
    /// <paramref name="kept"/>. Neither may be empty: the caller fills what a reduction over nothing gives.
    /// </summary>
    public Tensor Reduce(Tensor x, uint over, long[] kept) => Reduce(x, over, kept, places: false).Values;

    /// <summary>Extreme values and their places along one dimension; both have shape <paramref name="kept"/>.</summary>
    public (Tensor Values, Tensor Places) Extreme(Tensor x, int dim, long[] kept)
    {
        var (values, places) = Reduce(x, 1u << dim, kept, places: true);
        return (values, places!);
    }

    [SkipLocalsInit]
    private (Tensor Values, Tensor? Places) Reduce(Tensor x, uint over, long[] kept, bool places)
    {
        var input = x.Contiguous();
        var dims = new StridedDims(stackalloc long[3 * (Layout.MaxRank + 1)]);
        bool first = Merge(input.Layout, over, ref dims);
        if (dims.Count > Broadcasting.MaxDims)
        {
            // Reduced dimensions last, then they are one dimension, and so are the others.
            input = ReducedLast(input, over).Contiguous();
            long inner = input.Layout.Product(x.Rank - BitOperations.PopCount(over), x.Rank);
            input = input.Reshape(input.NumElements / inner, inner);
            dims = new StridedDims(stackalloc long[3 * 2]);
            first = Merge(input.Layout, 2, ref dims);
        }
        var values = Tensor.Allocate(Layout.Contiguous(kept), x.DType, input.Runtime);
        var at = places ? Tensor.Allocate(values.Layout, DType.Int64, input.Runtime) : null;
        var call = new OpCall(this, stackalloc long[OpCall.MostWords]);
        call.Place(input);
        call.Place(values);
        if (at is not null)
            call.Place(at);
        var words = call.Free;
        int count = dims.Count;
        if (count == 2)
        {
            (words[1], words[2]) = (dims[0].Size, dims[1].Size);
            call.Head |= Words.AxisBits[first ? 0 : 1];
            call.Run(3);
            return (values, at);
        }
        words[1] = words[2] = 0;
        int next = 3;
        for (int d = 0; d < count; d++)
            words[next++] = dims[d].Size;
        for (int d = first ? 0 : 1; d < count; d += 2)
            words[next++] = d;
        call.Head |= ((long)count << Words.Lists[0]) | ((long)(next - 3 - count) << Words.Lists[1]);
        call.Run(next);
        return (values, at);
    }

    // Reduced dimensions and others in turns. Returns whether the first is a reduced one.
    private static bool Merge(Layout dense, uint over, ref StridedDims dims)
    {
        uint first = 0;
        uint before = 0;
        uint any = 0;
        for (int d = 0; d < dense.Rank; d++)
        {
            if (dense.Sizes[d] == 1)
                continue;
            uint reduced = over >> d & 1;
            any |= reduced;
            if (dims.Count == 0)
                first = reduced;
            else if (reduced != before)
                dims.Split();
            before = reduced;
            dims.Add(dense.Sizes[d], dense.Strides[d]);
        }
        // Only dimensions of size 1 are reduced (or there are none at all): a reduced one must be there for the library.
        if (any == 0)
            dims.Append(1, 1);
        return dims.Count == 1 || first != 0;
    }

    private static Tensor ReducedLast(Tensor x, uint over)
    {
        Span<int> order = stackalloc int[x.Rank];
        int at = 0;
        for (uint reduced = 0; reduced <= 1; reduced++)
        {
            for (int d = 0; d < x.Rank; d++)
            {
                if ((over >> d & 1) == reduced)
                    order[at++] = d;
            }
        }
        return x.Permute(order);
    }
}
