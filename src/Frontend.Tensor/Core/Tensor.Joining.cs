using Picograd.Autograd;
using Picograd.Dispatch;

namespace Picograd;

public sealed partial class Tensor
{
    /// <summary>Tensors one behind the other along a dimension; the other sizes must be equal.</summary>
    /// <exception cref="ArgumentException">No tensors; shapes that do not fit (both are named).</exception>
    public static Tensor Cat(ReadOnlySpan<Tensor> tensors, int dim = 0)
    {
        if (tensors.IsEmpty)
            throw new ArgumentException("cat: there must be at least one tensor.");
        var first = tensors[0];
        int d = first.Layout.Dim(dim, "cat");
        if (first.Rank == 0)
            throw new ArgumentException("cat: scalars have no dimension to lie along; use Stack.");
        var type = first.DType;
        long[] sizes = [.. first.Layout.Sizes];
        bool records = Records(first);
        foreach (var next in tensors[1..])
        {
            bool fits = next.Rank == first.Rank;
            for (int e = 0; fits && e < first.Rank; e++)
                fits = e == d || next.Layout.Sizes[e] == sizes[e];
            if (!fits)
                throw new ArgumentException(
                    $"cat: the shapes {first.Layout} and {next.Layout} differ in more than dimension {dim}."
                );
            DeviceRuntime.Common("cat", first, next);
            sizes[d] += next.Layout.Sizes[d];
            type = Promotion.Of(type, Promotion.Rank.Tensor, next.DType, Promotion.Rank.Tensor);
            records |= Records(next);
        }
        var result = Allocate(sizes, type, first.Runtime);
        var parts = new Tensor[tensors.Length];
        long at = 0;
        for (int i = 0; i < parts.Length; i++)
        {
            parts[i] = tensors[i].To(type);
            long size = parts[i].Layout.Sizes[d];
            using (var place = result.Narrow(d, at, size))
                Copying.Into(place, parts[i]);
            at += size;
        }
        if (records)
            result.SetNode(Node.OfMany(Derivatives.Cat, parts)).I = d;
        return result;
    }

    /// <summary>Tensors of one shape along a new dimension.</summary>
    public static Tensor Stack(ReadOnlySpan<Tensor> tensors, int dim = 0)
    {
        var layers = new Tensor[tensors.Length];
        for (int i = 0; i < layers.Length; i++)
        {
            if (!tensors[i].Layout.SameSizes(tensors[0].Layout))
                throw new ArgumentException(
                    $"stack: the shapes {tensors[0].Layout} and {tensors[i].Layout} differ; all must be equal."
                );
            layers[i] = tensors[i].Unsqueeze(dim);
        }
        if (layers.Length == 0)
            throw new ArgumentException("stack: there must be at least one tensor.");
        return Cat(layers, dim < 0 ? dim + layers[0].Rank : dim);
    }
}
