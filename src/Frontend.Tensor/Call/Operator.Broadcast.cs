using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Dispatch;

namespace Picograd.Calls;

// Calls of operators whose operands broadcast, without record: [head, n], or [head, 0, the shape of each operand], of as few
// dimensions as possible.
internal unsafe partial class Operator
{
    /// <summary>f(a, b), both of the dtype that f is computed in.</summary>
    [SkipLocalsInit]
    public Tensor Broadcast(Tensor a, Tensor b, DType resultType)
    {
        var runtime = DeviceRuntime.Align(Title, ref a, ref b);
        var (layoutA, layoutB) = (a.Layout, b.Layout);
        if (layoutA.IsContiguous && layoutB.IsContiguous && layoutA.SameSizes(layoutB))
        {
            var call = new OpCall(this, stackalloc long[OpCall.MostWords]);
            call.Place(a);
            call.Place(b);
            var result = a.AllocateLike(resultType);
            call.Place(result);
            call.Free[1] = layoutA.Count;
            call.Run(2);
            return result;
        }
        long[] sizes =
            Broadcasting.Shape(layoutA, layoutB)
            ?? throw new ArgumentException(
                $"{Title}: the shapes {layoutA} and {layoutB} do not broadcast; from the last dimension on, sizes "
                    + "must be equal or one of them 1."
            );
        return Broadcast(runtime, sizes, a, b, null, resultType);
    }

    /// <summary>f(a, b, c), the last two of one dtype, which the result has.</summary>
    public Tensor Broadcast(Tensor a, Tensor b, Tensor c)
    {
        var runtime = DeviceRuntime.Align(Title, ref a, ref b, ref c);
        long[]? pair = Broadcasting.Shape(b.Layout, c.Layout);
        long[]? sizes = pair is null ? null : Broadcasting.Shape(a.Layout, Layout.Contiguous(pair));
        if (sizes is null)
            throw new ArgumentException(
                $"{Title}: the shapes {a.Layout}, {b.Layout} and {c.Layout} do not broadcast; from the last dimension "
                    + "on, sizes must be equal or 1."
            );
        return Broadcast(runtime, sizes, a, b, c, b.DType);
    }

    /// <summary>f(x, number) or, turned around, f(number, x).</summary>
    [SkipLocalsInit]
    public Tensor Broadcast(Tensor x, Scalar number, bool numberFirst, DType resultType)
    {
        var input = x.Contiguous();
        long cell;
        // Beside a half type a number is as precise as what is computed.
        bool precise = !numberFirst && x.DType.IsStorage() && Words.Has("number");
        var type = precise ? x.DType.Compute() : x.DType;
        number.Store(type, &cell);
        var call = new OpCall(this, stackalloc long[OpCall.MostWords]);
        if (numberFirst)
            call.Cell(&cell, type.Size());
        call.Place(input);
        if (!numberFirst)
            call.Cell(&cell, type.Size());
        var result = input.AllocateLike(resultType);
        call.Place(result);
        long count = input.NumElements;
        if (count == 1 && !precise)
        {
            call.Free[1] = 1;
            call.Run(2);
            return result;
        }
        call.Head |= (1L << Words.Lists[0]) | (1L << Words.Lists[1]) | (precise ? Words.Bits("number", "b") : 0);
        call.Free[1] = 0;
        call.Free[numberFirst ? 3 : 2] = count;
        call.Free[numberFirst ? 2 : 3] = 1;
        call.Run(4);
        return result;
    }

    [SkipLocalsInit]
    private Tensor Broadcast(DeviceRuntime runtime, long[] sizes, Tensor a, Tensor b, Tensor? c, DType resultType)
    {
        if (sizes.Contains(0))
            return Tensor.Allocate(sizes, resultType, runtime);
        Span<long> dims = stackalloc long[Broadcasting.MaxRank];
        var lined = Broadcasting.Of(sizes, a.Layout, b.Layout, c?.Layout, dims);
        int count = lined.Count;
        if (lined.Ragged != 0 || count > Broadcasting.MaxDims)
            return Broadcast(
                runtime,
                sizes,
                Dense(a, (lined.Ragged & 1) != 0, count, sizes),
                Dense(b, (lined.Ragged & 2) != 0, count, sizes),
                c is null ? null : Dense(c, (lined.Ragged & 4) != 0, count, sizes),
                resultType
            );
        var result =
            ReferenceEquals(sizes, a.Layout.Sizes) ? a.AllocateLike(resultType)
            : ReferenceEquals(sizes, b.Layout.Sizes) ? b.AllocateLike(resultType)
            : Tensor.Allocate(sizes, resultType, runtime);
        var call = new OpCall(this, stackalloc long[OpCall.MostWords]);
        call.Place(a);
        call.Place(b);
        if (c is not null)
            call.Place(c);
        int operands = call.Operands;
        call.Place(result);
        var words = call.Free;
        if (count == 1 && (dims[0] & 7) == (1 << operands) - 1)
        {
            words[1] = dims[0] >> 3;
            call.Run(2);
            return result;
        }
        words[1] = 0;
        int at = 2;
        for (int operand = 0; operand < operands; operand++)
        {
            call.Head |= (long)count << Words.Lists[operand];
            for (int d = 0; d < count; d++)
                words[at++] = (dims[d] >> operand & 1) != 0 ? dims[d] >> 3 : 1;
        }
        call.Run(at);
        return result;
    }

    // An operand that a kernel can read: copied where it does not lie densely, and written out in full where shapes
    // alternate so often that no kernel has the dimensions for it.
    private static Tensor Dense(Tensor operand, bool ragged, int dims, long[] sizes) =>
        dims > Broadcasting.MaxDims ? operand.Expand(sizes).Contiguous()
        : ragged ? operand.Clone()
        : operand;
}
