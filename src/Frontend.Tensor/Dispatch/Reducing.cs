using System.Text;
using Picograd.Algorithms;

namespace Picograd.Dispatch;

/// <summary>Runs the reductions of the library over any dimensions, without recording.</summary>
internal static unsafe class Reducing
{
    /// <summary>
    /// Signature [head, one word a dimension: size · 2 + 1 where it is reduced], neighbours of one kind merged.
    /// </summary>
    public static Family Of(string name) =>
        new(
            name,
            static (f, s) =>
            {
                var dims = s[1..];
                string type = Family.TypeOf(s).Name();
                if (dims.Length == 2)
                    return $"{f.Name} rows={dims[0] >> 1} cols={dims[1] >> 1} axis={((dims[0] & 1) != 0 ? 0 : 1)} dtype={type}";
                var shape = new StringBuilder();
                var axes = new StringBuilder();
                for (int d = 0; d < dims.Length; d++)
                {
                    shape.Append(d == 0 ? "" : "x").Append(dims[d] >> 1);
                    if ((dims[d] & 1) != 0)
                        axes.Append(axes.Length == 0 ? "" : ",").Append(d);
                }
                return $"{f.Name} shape={shape} axes={axes} dtype={type}";
            }
        );

    /// <summary>
    /// The reduction of x over the dimensions whose bits are set in <paramref name="over"/>, in new memory of shape
    /// <paramref name="kept"/>. Neither may be empty: the caller fills what a reduction over nothing gives.
    /// </summary>
    public static Tensor Run(Family family, Tensor x, uint over, long[] kept, DType resultType)
    {
        var input = x.Contiguous();
        long* signature = stackalloc long[1 + Broadcasting.MaxRank];
        int count = Signature(family, input, over, signature);
        if (count > Broadcasting.MaxDims)
        {
            // Reduced dimensions last, then they are one dimension, and so are the others.
            input = Transposed(input, over).Contiguous();
            long inner = 1;
            for (int d = 0; d < x.Rank; d++)
                inner *= (over >> d & 1) != 0 ? x.Layout.Sizes[d] : 1;
            input = input.Reshape(input.NumElements / inner, inner);
            count = Signature(family, input, 2, signature);
        }
        var result = Tensor.Allocate(Layout.Contiguous(kept), resultType, input.Runtime);
        nint* arguments = stackalloc nint[] { input.Address, result.Address };
        Dispatcher.Run(input.Runtime, family, new(signature, count + 1), arguments);
        GC.KeepAlive(input);
        return result;
    }

    /// <summary>Extreme values along one dimension and their places; both have shape <paramref name="kept"/>.</summary>
    public static (Tensor Values, Tensor Indices) Extreme(Family family, Tensor x, int dim, long[] kept)
    {
        var input = x.Contiguous();
        long* signature = stackalloc long[1 + Broadcasting.MaxRank];
        int count = Signature(family, input, 1u << dim, signature);
        var values = Tensor.Allocate(Layout.Contiguous(kept), x.DType, input.Runtime);
        var indices = Tensor.Allocate(values.Layout, DType.Int64, input.Runtime);
        nint* arguments = stackalloc nint[] { input.Address, values.Address, indices.Address };
        Dispatcher.Run(input.Runtime, family, new(signature, count + 1), arguments);
        GC.KeepAlive(input);
        return (values, indices);
    }

    private static int Signature(Family family, Tensor x, uint over, long* signature)
    {
        var sizes = x.Layout.Sizes;
        signature[0] = family.Head(x.DType);
        int count = 0;
        for (int d = 0; d < sizes.Length; d++)
        {
            uint reduced = over >> d & 1;
            if (sizes[d] == 1)
                continue;
            if (count > 0 && (signature[count] & 1) == reduced)
                signature[count] = ((signature[count] >> 1) * sizes[d] << 1) | reduced;
            else
                signature[++count] = (sizes[d] << 1) | reduced;
        }
        // Only dimensions of size 1 are reduced (or there are none at all): a reduced one must be there for the library.
        bool any = false;
        for (int i = 1; i <= count; i++)
            any |= (signature[i] & 1) != 0;
        if (!any)
            signature[++count] = (1 << 1) | 1;
        return count;
    }

    private static Tensor Transposed(Tensor x, uint over)
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
