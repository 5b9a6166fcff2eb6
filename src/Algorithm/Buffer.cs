using System.Collections.Immutable;

namespace Picograd.Algorithms;

/// <summary>Where a buffer lives. Algorithms only have <see cref="Global"/> buffers; schedules set the rest.</summary>
public enum Scope
{
    /// <summary>Memory given by the caller: inputs and outputs of the algorithm.</summary>
    Global,

    /// <summary>Workspace memory of the kernel (device memory on a GPU).</summary>
    Heap,

    /// <summary>Small memory private to a worker.</summary>
    Stack,

    /// <summary>Machine registers: every index is a constant after unrolling, but for one vector axis.</summary>
    Register,

    /// <summary>Memory shared by the threads of a GPU block.</summary>
    Shared,

    /// <summary>Tensor-core fragment, distributed over a warp or warpgroup.</summary>
    Fragment,
}

/// <summary>
/// A multi-dimensional array by name: shape [d0, d1, …] in elements, row-major unless <see cref="Strides"/> says
/// otherwise. Identity is the object.
/// </summary>
public sealed class Buffer
{
    public Buffer(
        string name,
        DType type,
        ImmutableArray<Expr> shape,
        Scope scope = Scope.Global,
        ImmutableArray<long> strides = default,
        ByteSwizzle? swizzle = null,
        ImmutableArray<Expr> pitches = default
    )
    {
        if (!strides.IsDefault && strides.Length != shape.Length)
            throw new ArgumentException($"buffer {name}: {strides.Length} strides given for {shape.Length} dimensions");
        if (!pitches.IsDefault && (pitches.Length != shape.Length || !strides.IsDefault))
            throw new ArgumentException(
                $"buffer {name}: a pitch for each of {shape.Length} dimensions, and no strides"
            );
        Pitches = pitches;
        Name = name;
        Type = type;
        Shape = shape;
        Scope = scope;
        Strides = strides;
        Swizzle = swizzle;
    }

    public string Name { get; }

    public DType Type { get; }

    /// <summary>Extent of each dimension; constant or symbolic.</summary>
    public ImmutableArray<Expr> Shape { get; }

    public Scope Scope { get; }

    /// <summary>Elements between neighbours along each dimension; default means row-major contiguous. 0 broadcasts.</summary>
    public ImmutableArray<long> Strides { get; }

    /// <summary>
    /// Strides that are symbolic: those of a class of shapes, whose elements lie where the caller's tensor has them. Default
    /// elsewhere; with them <see cref="Strides"/> are default.
    /// </summary>
    public ImmutableArray<Expr> Pitches { get; }

    /// <summary>How addresses are permuted (shared memory of a GPU); indices and offsets know nothing of it.</summary>
    public ByteSwizzle? Swizzle { get; }

    public int Rank => Shape.Length;

    /// <summary>
    /// Elements of a panel, where the buffer lies in panels: its swizzle is that of rows of 128, 64 or 32 bytes, its own rows are
    /// multiples of that, and the first so many columns of all rows lie together, then the next. Null where rows lie whole.
    /// </summary>
    public int? Panel =>
        Swizzle is { RowBytes: > 0 and var bytes }
        && Rank >= 2
        && Strides.IsDefault
        && Shape[^1] is IntImm row
        && row.Value * Type.Size() > bytes
        && row.Value * Type.Size() % bytes == 0
            ? bytes / Type.Size()
            : null;

    public Load this[params Expr[] indices] => At([.. indices]);

    public Load At(ImmutableArray<Expr> indices)
    {
        if (indices.Length != Rank)
            throw new ArgumentException($"buffer {Name} has {Rank} dimensions and was indexed with {indices.Length}");
        return new Load(this, indices);
    }

    public Buffer With(
        string? name = null,
        Scope? scope = null,
        ImmutableArray<Expr>? shape = null,
        ImmutableArray<long>? strides = null,
        ByteSwizzle? swizzle = null
    ) =>
        new(
            name ?? Name,
            Type,
            shape ?? Shape,
            scope ?? Scope,
            strides ?? Strides,
            swizzle ?? Swizzle,
            strides is null ? Pitches : default
        );

    /// <summary>Offset in elements of an index: by strides, by panels or row-major; before swizzling.</summary>
    public Expr Offset(ImmutableArray<Expr> indices)
    {
        Expr offset = 0;
        if (Panel is { } width)
        {
            for (int d = 0; d < Rank - 2; d++)
                offset = offset * Shape[d] + indices[d];
            Expr panel = offset * Op.FloorDiv(Shape[^1], width) + Op.FloorDiv(indices[^1], width);
            return (panel * Shape[^2] + indices[^2]) * width + Op.Mod(indices[^1], width);
        }
        if (!Pitches.IsDefault)
        {
            for (int d = 0; d < Rank; d++)
                offset += indices[d] * Pitches[d];
            return offset;
        }
        if (!Strides.IsDefault)
        {
            for (int d = 0; d < Rank; d++)
                offset += indices[d] * Strides[d];
            return offset;
        }
        for (int d = 0; d < Rank; d++)
            offset = offset * Shape[d] + indices[d];
        return offset;
    }

    /// <summary>Constant number of elements spanned, or null where an extent is symbolic.</summary>
    public long? ConstantSize()
    {
        if (!Pitches.IsDefault)
            return null;
        long size = 1;
        for (int d = 0; d < Rank; d++)
        {
            if (Shape[d] is not IntImm extent)
                return null;
            size = Strides.IsDefault ? size * extent.Value : size + (extent.Value - 1) * Strides[d];
        }
        return size;
    }

    public override string ToString() => $"{Name}: {Type.Name()}[{string.Join(", ", Shape)}]";
}
