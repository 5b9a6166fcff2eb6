using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>storage_align buffer dim factor offset</c>: leaves room after each slice of a dimension so that its stride is
/// offset modulo factor, in elements. Rows then start on a vector or cache line (offset 0), or walk over all banks or
/// cache sets (an odd offset) where a power of two would hit one.
/// </summary>
public sealed class StorageAlign : Primitive
{
    public override string Name => "storage_align";

    public override string Usage => "storage_align buffer dim factor offset";

    public override string Requirements =>
        """
            The buffer is an intermediate of rank 2 or more; dim counts from 0 and is not the last one, whose elements
            stay neighbours. 0 <= offset < factor. Extents after dim are constant. Several dimensions: inner ones first,
            and after transform_layout.
            """;

    public override PrimitiveExample Example =>
        new(
            "maps",
            "storage_align B 0 16 4",
            """
            buffer B: f32[8, 12] heap strides[20, 1]
            for B.i in 0..8:
              for B.j in 0..12:
                block B(i = B.i, j = B.j):
                  B[i, j] = A[i, j] * 2.0
            for C.i in 0..8:
              for C.j in 0..12:
                block C(i = C.i, j = C.j):
                  C[i, j] = B[i, j] + 1.0
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        ArgCount(nest, step, 4, 4);
        var buffer = nest.IntermediateNamed(Arg(nest, step, 0));
        if (buffer.Rank < 2)
            throw Refuse(
                nest,
                null,
                $"buffer {buffer.Name} has {buffer.Rank} dimension, and the last one stays dense",
                "buffers of two dimensions or more"
            );
        int dim = (int)IntArg(nest, step, 1, 0, buffer.Rank - 2);
        long factor = IntArg(nest, step, 2, 1, int.MaxValue);
        long offset = IntArg(nest, step, 3, 0, factor - 1);
        if (buffer.Swizzle is { } swizzle)
            throw Refuse(
                nest,
                null,
                $"{buffer.Name} is swizzled by {swizzle}, which wants its rows as they are",
                "either storage_align or swizzle"
            );
        if (buffer.Shape.Skip(1).FirstOrDefault(e => e is not IntImm) is { } symbolic)
            throw Refuse(
                nest,
                null,
                $"extent {symbolic} of {buffer.Name} is not constant, so its strides are not either",
                "buffers in which only the first extent is symbolic"
            );
        if (!buffer.Strides.IsDefault)
        {
            for (int d = 0; d < dim; d++)
            {
                if (buffer.Strides[d] != buffer.Strides[d + 1] * ((IntImm)buffer.Shape[d + 1]).Value)
                    throw Refuse(
                        nest,
                        null,
                        $"dimension {d} of {buffer.Name} is aligned already, and dimension {dim} lies within it",
                        "align inner dimensions first"
                    );
            }
        }
        var strides = AlignedStrides.With(buffer.Shape, buffer.Strides, dim, factor, offset);
        return (nest.SwapIntermediate(buffer, buffer.With(strides: strides)), []);
    }
}
