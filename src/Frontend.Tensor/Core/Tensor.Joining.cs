using Picograd.Calls;
using Picograd.Dispatch;
using Picograd.Gradients;

namespace Picograd;

public sealed partial class Tensor
{
    /// <summary>Tensors one behind the other along a dimension; the other sizes must be equal.</summary>
    /// <exception cref="ArgumentException">No tensors; shapes that do not fit (both are named).</exception>
    public static Tensor Cat(ReadOnlySpan<Tensor> tensors, int dim = 0)
    {
        if (tensors.IsEmpty)
            throw new ArgumentException("cat: there must be at least one tensor.");
        for (int i = 0; i < tensors.Length; i++)
            RequireNotNull(tensors[i], nameof(tensors), i);
        // A vector of nothing goes with every shape.
        var first = tensors[0];
        foreach (var next in tensors)
        {
            if (!IsNothing(next))
            {
                first = next;
                break;
            }
        }
        int d = first.Layout.Dim(dim, "cat");
        if (first.Rank == 0)
            throw new ArgumentException("cat: scalars have no dimension to lie along; use Stack.");
        var type = tensors[0].DType;
        long[] sizes = [.. first.Layout.Sizes];
        sizes[d] = 0;
        bool records = false;
        var parts = new List<Tensor>(tensors.Length);
        foreach (var next in tensors)
        {
            CommonDevice.Of("cat", first, next);
            type = Promotion.Of(type, Promotion.Rank.Tensor, next.DType, Promotion.Rank.Tensor);
            records |= Records(next);
            if (IsNothing(next))
                continue;
            bool fits = next.Rank == first.Rank;
            for (int e = 0; fits && e < first.Rank; e++)
                fits = e == d || next.Layout.Sizes[e] == sizes[e];
            if (!fits)
                throw new ArgumentException(
                    $"cat: the shapes {first.Layout} and {next.Layout} differ in more than dimension {dim}."
                );
            if (next.Layout.Sizes[d] > long.MaxValue - sizes[d])
                throw new ArgumentException($"cat: the sizes of dimension {dim} sum up to more than can be counted.");
            sizes[d] += next.Layout.Sizes[d];
            parts.Add(next);
        }
        var result = Allocate(sizes, type, first.Runtime);
        long at = 0;
        for (int i = 0; i < parts.Count; i++)
        {
            var part = parts[i] = parts[i].To(type);
            var layout = new Layout(part.Layout.Sizes, result.Layout.Strides, at * result.Layout.Strides[d]);
            using (var place = result.Alias(layout))
                Copying.Into(place, part);
            at += part.Layout.Sizes[d];
        }
        if (records)
        {
            // Vectors of nothing get a gradient of nothing.
            foreach (var next in tensors)
                if (IsNothing(next))
                    parts.Add(next.To(type));
            result.SetNode(Node.OfMany(Derivatives.Cat, [.. parts])).I = d;
        }
        return result;
    }

    /// <summary>Tensors of one shape along a new dimension.</summary>
    public static Tensor Stack(ReadOnlySpan<Tensor> tensors, int dim = 0)
    {
        if (tensors.IsEmpty)
            throw new ArgumentException("stack: there must be at least one tensor.");
        var layers = new Tensor[tensors.Length];
        for (int i = 0; i < layers.Length; i++)
        {
            RequireNotNull(tensors[i], nameof(tensors), i);
            if (!tensors[i].Layout.SameSizes(tensors[0].Layout))
                throw new ArgumentException(
                    $"stack: the shapes {tensors[0].Layout} and {tensors[i].Layout} differ; all must be equal."
                );
            layers[i] = tensors[i].Unsqueeze(dim);
        }
        return Cat(layers, dim < 0 ? dim + layers[0].Rank : dim);
    }

    private static bool IsNothing(Tensor t) => t.Rank == 1 && t.NumElements == 0;

    private static void RequireNotNull(Tensor? tensor, string name, int place)
    {
        if (tensor is null)
            throw new ArgumentNullException(name, $"{name}[{place}] is null.");
    }
}
