using System.Runtime.CompilerServices;

namespace Picograd.Calls;

/// <summary>
/// What index tensors pick from a strided view: some of its dimensions, through which one dense int64 tensor counts in
/// row-major order. Dimension <see cref="At"/> and the following ones of the result are those of the index tensor, in the place
/// of the indexed ones.
/// </summary>
/// <param name="Dims">The indexed dimensions, ascending.</param>
/// <param name="At">How many of the other dimensions lie in front of what is picked.</param>
/// <param name="Places">Row-major places within the indexed dimensions, in range; of the shape that is picked.</param>
internal sealed record IndexPart(int[] Dims, int At, Tensor Places)
{
    /// <summary>Whole rows of a table.</summary>
    public static readonly Operator Rows = new("embedding", derives: true);

    private static readonly Operator Index = new("index") { Title = "indexing" };
    private static readonly Operator Put = new("index_put") { Title = "indexing" };
    private static readonly Operator Add = new("index_put", "accumulate=1") { Title = "indexing" };

    /// <summary>Dimensions of what is picked out of a view.</summary>
    public int Rank(Layout view) => view.Rank - Dims.Length + Places.Rank;

    /// <summary>Shape of what is picked out of a shape.</summary>
    public long[] Picked(long[] sizes)
    {
        var rest = Rest(sizes.Length);
        return [.. rest[..At].Select(d => sizes[d]), .. Places.Layout.Sizes, .. rest[At..].Select(d => sizes[d])];
    }

    /// <summary>The part of a tensor in new dense memory, without record.</summary>
    [SkipLocalsInit]
    public Tensor Read(Tensor source)
    {
        var result = Tensor.Allocate(Picked(source.Layout.Sizes), source.DType, source.Runtime);
        if (result.NumElements == 0)
            return result;
        var dims = new IndexedDims(stackalloc long[3 * Layout.MaxRank]);
        var part = this;
        if (!dims.Take(source.Layout, this))
        {
            part = InOrder();
            source = Copying.Dense(source.Detach().Permute(Order(source.Rank)));
            dims.Take(source.Layout, part);
        }
        // The rows of a dense matrix have an operator of their own, which near shapes are tuned for.
        bool rows = dims.Count == 2 && dims is { First: 0, Indexed: 1 } && dims[1].Stride == 1;
        var call = new OpCall(rows && dims[0].Stride == dims[1].Size ? Rows : Index, stackalloc long[OpCall.MostWords]);
        call.Place(source);
        call.Place(Places);
        call.Place(result);
        if (call.Operator == Rows)
        {
            (call.Free[1], call.Free[2], call.Free[3]) = (dims[0].Size, dims[1].Size, Places.NumElements);
            call.Run(4);
        }
        else
            dims.Run(ref call, Places.NumElements);
        return result;
    }

    /// <summary>
    /// Assigns or adds dense values of the picked shape to the part of a view, in place; of places that are given twice the last
    /// one assigns. The view must not show an element twice. Values and places may lie in the memory that is written.
    /// </summary>
    [SkipLocalsInit]
    public void Write(Tensor view, Tensor values, bool accumulate)
    {
        if (values.NumElements == 0)
            return;
        // The kernel would read what it has written: other values, and places that nobody checked.
        if (ReferenceEquals(view.Storage, values.Storage))
            values = Copying.Dense(values);
        var places = ReferenceEquals(view.Storage, Places.Storage) ? Copying.Dense(Places) : Places;
        var dims = new IndexedDims(stackalloc long[3 * Layout.MaxRank]);
        if (!dims.Take(view.Layout, this))
        {
            var front = view.Detach().Permute(Order(view.Rank));
            var dense = Copying.Dense(front);
            (InOrder() with { Places = places }).Write(dense, values, accumulate);
            Copying.Into(front, dense);
            return;
        }
        var call = new OpCall(accumulate ? Add : Put, stackalloc long[OpCall.MostWords]);
        call.Place(view);
        call.Place(places);
        call.Place(values);
        call.Place(view);
        dims.Run(ref call, places.NumElements);
        view.Storage.Version++;
    }

    private int[] Rest(int rank) => [.. Enumerable.Range(0, rank).Except(Dims)];

    // The dimensions in the order of the result, the indexed ones where what is picked goes.
    private int[] Order(int rank)
    {
        var rest = Rest(rank);
        return [.. rest[..At], .. Dims, .. rest[At..]];
    }

    // The same part of the dimensions in their order in the result.
    private IndexPart InOrder() => this with { Dims = [.. Enumerable.Range(At, Dims.Length)] };

    // The dimensions of a view in the order of the result, those on either side of the indexed ones and these apart from others.
    private ref struct IndexedDims(Span<long> words)
    {
        private readonly Span<long> _words = words;
        private StridedDims _dims;

        public readonly int Count => _dims.Count;

        /// <summary>The first indexed dimension.</summary>
        public int First { get; private set; }

        /// <summary>Number of indexed dimensions.</summary>
        public int Indexed { get; private set; }

        public readonly (long Size, long Stride, long) this[int dim] => _dims[dim];

        /// <summary>Those of a view; false where they are more than an operator has.</summary>
        public bool Take(Layout view, IndexPart part)
        {
            _dims = new StridedDims(_words);
            var order = part.Order(view.Rank);
            int behind = part.At + part.Dims.Length;
            for (int i = 0; i <= order.Length; i++)
            {
                if (i == part.At)
                {
                    First = Count;
                    _dims.Split();
                }
                if (i == behind)
                {
                    // Only dimensions of size 1 are indexed: there must be one.
                    if (Count == First)
                        _dims.Append(1, 1);
                    Indexed = Count - First;
                    _dims.Split();
                }
                if (i < order.Length)
                    _dims.Add(view.Sizes[order[i]], view.Strides[order[i]]);
            }
            return Count <= Broadcasting.MaxDims;
        }

        public readonly void Run(ref OpCall call, long rows)
        {
            var words = call.Free;
            words[1] = rows;
            for (int d = 0; d < Count; d++)
                (words[2 + d], words[2 + Count + d], _) = this[d];
            for (int d = 0; d < Indexed; d++)
                words[2 + 2 * Count + d] = First + d;
            var lists = call.Operator.Words.Lists;
            call.Head |= ((long)Count << lists[0]) | ((long)Count << lists[1]) | ((long)Indexed << lists[2]);
            call.Run(2 + 2 * Count + Indexed);
        }
    }
}
