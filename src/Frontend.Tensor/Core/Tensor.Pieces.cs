namespace Picograd;

// Tensors cut into pieces, put together from them, and dimensions moved.
public sealed partial class Tensor
{
    /// <summary>Pieces along a dimension of the sizes given, which sum up to it; views.</summary>
    /// <exception cref="ArgumentException">The sizes do not sum up to that of the dimension, or one is negative.</exception>
    public Tensor[] Split(ReadOnlySpan<long> sizes, int dim = 0)
    {
        int d = NeedsDim("split", dim);
        Int128 sum = 0;
        foreach (long size in sizes)
        {
            if (size < 0)
                throw new ArgumentException($"split: the sizes are {Layout.Text(sizes)}, but none may be negative.");
            sum += size;
        }
        if (sum != Layout.Sizes[d])
            throw new ArgumentException(
                $"split: the sizes {Layout.Text(sizes)} sum up to {sum}, but dimension {dim} of shape {Layout} has {Layout.Sizes[d]}."
            );
        var pieces = new Tensor[sizes.Length];
        long at = 0;
        for (int i = 0; i < pieces.Length; at += sizes[i], i++)
            pieces[i] = Narrow(d, at, sizes[i]);
        return pieces;
    }

    /// <summary>At most so many pieces along a dimension, all of one size but perhaps the last; views.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than one piece.</exception>
    public Tensor[] Chunk(int chunks, int dim = 0)
    {
        if (chunks < 1)
            throw new ArgumentOutOfRangeException(
                nameof(chunks),
                $"chunk: chunks is {chunks}, but must be at least 1."
            );
        int d = NeedsDim("chunk", dim);
        long size = (Layout.Sizes[d] + chunks - 1) / chunks;
        return size > 0 ? Split(size, d) : [.. Enumerable.Range(0, chunks).Select(_ => Narrow(d, 0, 0))];
    }

    /// <summary>So many pieces along a dimension, the first ones one longer where they are not all of one size; views.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than one piece.</exception>
    public Tensor[] TensorSplit(int sections, int dim = 0)
    {
        if (sections < 1)
            throw new ArgumentOutOfRangeException(
                nameof(sections),
                $"tensor_split: sections is {sections}, but must be at least 1."
            );
        int d = NeedsDim("tensor_split", dim);
        var (each, longer) = (Layout.Sizes[d] / sections, Layout.Sizes[d] % sections);
        long[] sizes = new long[sections];
        for (int i = 0; i < sections; i++)
            sizes[i] = each + (i < longer ? 1 : 0);
        return Split(sizes, d);
    }

    /// <summary>Pieces along a dimension that end where the next begins; positions are cut to the size, as in slices; views.</summary>
    public Tensor[] TensorSplit(ReadOnlySpan<long> indices, int dim = 0)
    {
        int d = NeedsDim("tensor_split", dim);
        long size = Layout.Sizes[d];
        var pieces = new Tensor[indices.Length + 1];
        long from = 0;
        for (int i = 0; i < pieces.Length; i++)
        {
            long end = i == indices.Length ? size : indices[i];
            end = Math.Clamp(end < 0 ? end + size : end, 0, size);
            pieces[i] = Narrow(d, from, Math.Max(0, end - from));
            from = end;
        }
        return pieces;
    }

    /// <summary>The slices along a dimension, which they lack; views.</summary>
    public Tensor[] Unbind(int dim = 0)
    {
        int d = NeedsDim("unbind", dim);
        var slices = new Tensor[Layout.Sizes[d]];
        for (int i = 0; i < slices.Length; i++)
            slices[i] = Select(d, i);
        return slices;
    }

    /// <summary>One slice of a dimension, which it lacks; negative indices count from the end. A view.</summary>
    /// <exception cref="IndexOutOfRangeException">There is no such slice.</exception>
    public Tensor Select(int dim, long index)
    {
        int d = NeedsDim("select", dim);
        long size = Layout.Sizes[d];
        if (index < -size || index >= size)
            throw new IndexOutOfRangeException(
                $"select: index {index} is out of range for dimension {dim} of shape {Layout}, which has size {size}."
            );
        var slice = Narrow(d, index < 0 ? index + size : index, 1);
        return slice.Squeeze(d);
    }

    /// <summary>A dimension as several, of which one size may be −1 and is then inferred.</summary>
    /// <exception cref="ArgumentException">The sizes do not make up that of the dimension.</exception>
    public Tensor Unflatten(int dim, params ReadOnlySpan<long> sizes)
    {
        int d = NeedsDim("unflatten", dim);
        if (sizes.IsEmpty)
            throw new ArgumentException("unflatten: there must be at least one size.");
        long known = 1;
        int open = -1;
        long[] parts = sizes.ToArray();
        for (int i = 0; i < parts.Length; i++)
        {
            if (parts[i] == -1 && open < 0)
                open = i;
            else if (parts[i] < 0)
                throw new ArgumentException($"unflatten: {Layout.Text(sizes)} are no sizes; one may be -1.");
            else
                known *= parts[i];
        }
        long whole = Layout.Sizes[d];
        if (open >= 0 && known != 0 && whole % known == 0)
            parts[open] = whole / known;
        else if (open >= 0 || known != whole)
            throw new ArgumentException(
                $"unflatten: dimension {dim} of shape {Layout} has size {whole}, which the sizes {Layout.Text(sizes)} do not make up."
            );
        return ReshapeTo([.. Layout.Sizes[..d], .. parts, .. Layout.Sizes[(d + 1)..]]);
    }

    /// <summary>A dimension at another place; the others keep their order. A view.</summary>
    public Tensor MoveDim(int source, int destination) => MoveDim([source], [destination]);

    /// <summary>Dimensions at other places; those that are not named keep their order. A view.</summary>
    /// <exception cref="ArgumentException">Not as many places as dimensions, or one is named twice.</exception>
    public Tensor MoveDim(ReadOnlySpan<int> source, ReadOnlySpan<int> destination)
    {
        if (source.Length != destination.Length)
            throw new ArgumentException(
                $"movedim: {source.Length} dimensions are moved to {destination.Length} places; there must be as many."
            );
        if (Rank == 0)
        {
            foreach (int d in source)
                Layout.Dim(d, "movedim");
            foreach (int d in destination)
                Layout.Dim(d, "movedim");
            return Permute([]);
        }
        int[] order = new int[Rank];
        Array.Fill(order, -1);
        bool[] taken = new bool[Rank];
        for (int i = 0; i < source.Length; i++)
        {
            var (from, to) = (Layout.Dim(source[i], "movedim"), Layout.Dim(destination[i], "movedim"));
            if (taken[from] || order[to] >= 0)
                throw new ArgumentException(
                    $"movedim: dimension {(taken[from] ? from : to)} is {(taken[from] ? "moved" : "a destination")} twice."
                );
            (order[to], taken[from]) = (from, true);
        }
        for (int d = 0, next = 0; d < Rank; d++)
        {
            if (order[d] >= 0)
                continue;
            while (taken[next])
                next++;
            order[d] = next++;
        }
        return Permute(order);
    }

    /// <summary>Tensors of as many dimensions as vectors are given, each of which varies along its own; views.</summary>
    /// <param name="tensors">Vectors, or scalars as vectors of one element.</param>
    /// <param name="indexing">"ij", or "xy", in which the first two dimensions are exchanged.</param>
    /// <exception cref="ArgumentException">No tensors, one that is no vector, different dtypes, or another indexing.</exception>
    public static Tensor[] Meshgrid(ReadOnlySpan<Tensor> tensors, string indexing = "ij")
    {
        if (tensors.IsEmpty)
            throw new ArgumentException("meshgrid: there must be at least one tensor.");
        if (indexing is not ("ij" or "xy"))
            throw new ArgumentException($"meshgrid: indexing is \"{indexing}\", but must be \"ij\" or \"xy\".");
        int count = tensors.Length;
        long[] sizes = new long[count];
        for (int i = 0; i < count; i++)
        {
            RequireNotNull(tensors[i], nameof(tensors), i);
            if (tensors[i].Rank > 1)
                throw new ArgumentException(
                    $"meshgrid: tensor {i} has the shape {tensors[i].Layout}, but must be a vector or a scalar."
                );
            if (tensors[i].DType != tensors[0].DType)
                throw new ArgumentException(
                    $"meshgrid: the dtypes {tensors[0].DType.Name()} and {tensors[i].DType.Name()} differ; convert one with To()."
                );
            sizes[i] = tensors[i].NumElements;
        }
        bool swapped = indexing == "xy" && count > 1;
        var grids = new Tensor[count];
        for (int i = 0; i < count; i++)
        {
            long[] along = new long[count];
            Array.Fill(along, 1);
            along[i] = sizes[i];
            grids[i] = tensors[i].ReshapeTo(along).Expand(sizes);
            if (swapped)
                grids[i] = grids[i].Transpose(0, 1);
        }
        return grids;
    }

    /// <summary>Every choice of one element from each vector, a row each; of one vector the vector itself.</summary>
    /// <exception cref="ArgumentException">No tensors, or one that is no vector.</exception>
    public static Tensor CartesianProd(params ReadOnlySpan<Tensor> tensors)
    {
        for (int i = 0; i < tensors.Length; i++)
        {
            RequireNotNull(tensors[i], nameof(tensors), i);
            if (tensors[i].Rank != 1)
                throw new ArgumentException(
                    $"cartesian_prod: tensor {i} has the shape {tensors[i].Layout}, but must be a vector."
                );
        }
        return tensors.Length == 1 ? tensors[0] : Stack([.. Meshgrid(tensors).Select(g => g.Flatten())], 1);
    }

    /// <summary>Tensors side by side: along the second dimension, vectors along their only one.</summary>
    public static Tensor HStack(params ReadOnlySpan<Tensor> tensors)
    {
        var wide = Each(tensors, "hstack", t => t.Rank == 0 ? t.ReshapeTo([1]) : t);
        return Cat(wide, wide[0].Rank == 1 ? 0 : 1);
    }

    /// <summary>Tensors one below the other: along the first dimension, vectors as rows.</summary>
    public static Tensor VStack(params ReadOnlySpan<Tensor> tensors) =>
        Cat(Each(tensors, "vstack", t => t.Rank < 2 ? t.ReshapeTo([1, t.NumElements]) : t), 0);

    /// <summary>Tensors one behind the other, along the third dimension.</summary>
    public static Tensor DStack(params ReadOnlySpan<Tensor> tensors) =>
        Cat(
            Each(
                tensors,
                "dstack",
                t =>
                    t.Rank < 2 ? t.ReshapeTo([1, t.NumElements, 1])
                    : t.Rank == 2 ? t.Unsqueeze(2)
                    : t
            ),
            2
        );

    private static Tensor[] Each(ReadOnlySpan<Tensor> tensors, string what, Func<Tensor, Tensor> change)
    {
        if (tensors.IsEmpty)
            throw new ArgumentException($"{what}: there must be at least one tensor.");
        var changed = new Tensor[tensors.Length];
        for (int i = 0; i < changed.Length; i++)
        {
            RequireNotNull(tensors[i], nameof(tensors), i);
            changed[i] = change(tensors[i]);
        }
        return changed;
    }
}
