using System.Collections.Immutable;
using System.Numerics;
using Picograd.Algorithms;

namespace Picograd.Schedules;

/// <summary>
/// <c>swizzle buffer chunk bits [row=dim]</c>: within each row, exchanges chunks of <c>chunk</c> elements by
/// exclusive-or of the chunk's number with the row's number modulo 2^bits, so that a column of chunks lies in different
/// banks: column c of row r goes to c ^ ((r % 2^bits) · chunk). Elements of a chunk stay neighbours.
/// </summary>
public sealed class Swizzle : Primitive
{
    public override string Name => "swizzle";

    public override string Usage => "swizzle buffer chunk bits [row=dim]";

    public override string Requirements =>
        """
            The buffer is an intermediate of rank 2 or more, which no intrinsic uses yet. chunk is a power of two, bits
            is 1 to 5, and chunk · 2^bits divides the extent of the last dimension, a constant. row is another dimension
            than the last one; default the one before it.
            """;

    public override PrimitiveExample Example =>
        new(
            "maps",
            "swizzle B 2 1",
            """
            buffer B: f32[8, 12] heap
            for B.i in 0..8:
              for B.j in 0..12:
                block B(i = B.i, j = B.j):
                  B[i, j // 4 * 4 + (j % 4 ^ i % 2 * 2)] = A[i, j] * 2.0
            for C.i in 0..8:
              for C.j in 0..12:
                block C(i = C.i, j = C.j):
                  C[i, j] = B[i, j // 4 * 4 + (j % 4 ^ i % 2 * 2)] + 1.0
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step, "row");
        ArgCount(nest, step, 3, 3);
        var buffer = nest.IntermediateNamed(Arg(nest, step, 0));
        long chunk = IntArg(nest, step, 1, 1, 1 << 20);
        int bits = (int)IntArg(nest, step, 2, 1, 5);
        if (buffer.Rank < 2)
            throw Refuse(
                nest,
                null,
                $"buffer {buffer.Name} has {buffer.Rank} dimension: there is no row to swizzle by",
                "buffers of two dimensions or more"
            );
        if (!BitOperations.IsPow2(chunk))
            throw Refuse(nest, null, $"chunk {chunk} is not a power of two", "1, 2, 4, 8, …");
        int row = buffer.Rank - 2;
        if (step.Option("row") is { } text && (!int.TryParse(text, out row) || row < 0 || row > buffer.Rank - 2))
            throw Refuse(nest, null, $"row={text} is not a dimension before the last", $"0 to {buffer.Rank - 2}");
        long group = chunk << bits;
        if (buffer.Shape[^1] is not IntImm { Value: var width } || width % group != 0)
            throw Refuse(
                nest,
                null,
                $"chunk · 2^bits = {group} does not divide {buffer.Shape[^1]}, the last extent of {buffer.Name}",
                "smaller chunks or fewer bits; transform_layout first to make the rows longer"
            );
        nest.CheckElementsCanMove(buffer, Name);

        // The exclusive-or is applied within the group of chunks that it permutes, so that interval arithmetic sees
        // which group an access is in.
        ImmutableArray<Expr> Place(ImmutableArray<Expr> index, Simplifier simplifier)
        {
            var column = index[^1];
            Expr within = Op.Mod(column, group) ^ (Op.Mod(index[row], 1L << bits) * chunk);
            return index.SetItem(index.Length - 1, simplifier.Visit(Op.FloorDiv(column, group) * group + within));
        }

        return (nest.MoveElements(buffer, buffer.With(), Place), []);
    }
}
