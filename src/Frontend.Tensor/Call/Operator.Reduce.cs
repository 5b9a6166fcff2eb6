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
        Span<long> dims = stackalloc long[Layout.MaxRank + 1];
        int count = Merge(input.Layout.Sizes, over, dims);
        if (count > Broadcasting.MaxDims)
        {
            // Reduced dimensions last, then they are one dimension, and so are the others.
            input = ReducedLast(input, over).Contiguous();
            long inner = input.Layout.Product(x.Rank - BitOperations.PopCount(over), x.Rank);
            input = input.Reshape(input.NumElements / inner, inner);
            count = Merge(input.Layout.Sizes, 2, dims);
        }
        var values = Tensor.Allocate(Layout.Contiguous(kept), x.DType, input.Runtime);
        var at = places ? Tensor.Allocate(values.Layout, DType.Int64, input.Runtime) : null;
        var call = new OpCall(this, stackalloc long[OpCall.MostWords]);
        call.Place(input);
        call.Place(values);
        if (at is not null)
            call.Place(at);
        var words = call.Free;
        if (count == 2)
        {
            words[1] = dims[0] >> 1;
            words[2] = dims[1] >> 1;
            call.Head |= (dims[0] & 1) != 0 ? Words.AxisBits[0] : Words.AxisBits[1];
            call.Run(3);
            return (values, at);
        }
        words[1] = words[2] = 0;
        int next = 3;
        for (int d = 0; d < count; d++)
            words[next++] = dims[d] >> 1;
        for (int d = 0; d < count; d++)
        {
            if ((dims[d] & 1) != 0)
                words[next++] = d;
        }
        call.Head |= ((long)count << Words.Lists[0]) | ((long)(next - 3 - count) << Words.Lists[1]);
        call.Run(next);
        return (values, at);
    }

    // A number a dimension: size · 2 + 1 where it is reduced.
    private static int Merge(ReadOnlySpan<long> sizes, uint over, Span<long> dims)
    {
        int count = 0;
        long any = 0;
        for (int d = 0; d < sizes.Length; d++)
        {
            uint reduced = over >> d & 1;
            if (sizes[d] == 1)
                continue;
            any |= reduced;
            if (count > 0 && (dims[count - 1] & 1) == reduced)
                dims[count - 1] = ((dims[count - 1] >> 1) * sizes[d] << 1) | reduced;
            else
                dims[count++] = (sizes[d] << 1) | reduced;
        }
        // Only dimensions of size 1 are reduced (or there are none at all): a reduced one must be there for the library.
        if (any == 0)
            dims[count++] = (1 << 1) | 1;
        return count;
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
