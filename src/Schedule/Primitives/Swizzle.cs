using System.Collections.Immutable;
using System.Numerics;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>swizzle buffer chunk bits [row=dim]</c>: within each row, exchanges chunks of <c>chunk</c> elements by
/// exclusive-or of the chunk's number with the row's number modulo 2^bits, so that a column of chunks lies in different
/// banks: column c of row r goes to c ^ ((r % 2^bits) · chunk). Elements of a chunk stay neighbours.
/// <c>swizzle buffer 128b|64b|32b</c> leaves indices as they are and permutes the addresses of a buffer in shared memory
/// (<see cref="ByteSwizzle"/>), so that intrinsics and bulk copies see it alike.
/// </summary>
public sealed class Swizzle : Primitive
{
    public override string Name => "swizzle";

    public override string Usage =>
        "swizzle buffer chunk bits [row=dim], swizzle buffer 128b|64b|32b, or swizzle buffer bits=B base=M shift=S";

    public override string Requirements =>
        """
            The buffer is an intermediate of rank 2 or more, which no intrinsic uses yet. chunk is a power of two, bits
            is 1 to 5, and chunk · 2^bits divides the extent of the last dimension, a constant. row is another dimension
            than the last one; default the one before it. The forms with 128b, 64b, 32b (bits 3, 2, 1, base 4, shift 3)
            or with bits, base and shift (1 to 5, 2 to 7 and bits to 10) permute addresses in bytes, not indices: bits [base +
            shift, base + shift + bits) of an offset from the buffer's start are added, exclusive-or, to those from base
            on. Their buffer is in shared memory and has no strides of its own; intrinsics may use it already. With 128b, 64b or 32b
            rows that are longer than that lie in panels: that many bytes of all rows, then the next.
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
        KnownOptions(nest, step, "row", "bits", "base", "shift");
        if (step.Args.Length < 3)
            return (OfAddresses(nest, step), []);
        ArgCount(nest, step, 3, 3);
        KnownOptions(nest, step, "row");
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

    private LoopNest OfAddresses(LoopNest nest, Step step)
    {
        var buffer = nest.IntermediateNamed(Arg(nest, step, 0));
        ByteSwizzle swizzle;
        if (step.Args.Length == 2)
        {
            KnownOptions(nest, step);
            string row = step.Args[1];
            swizzle =
                row.EndsWith('b') && int.TryParse(row[..^1], out int bytes) && ByteSwizzle.OfRow(bytes) is { } known
                    ? known
                    : throw Refuse(nest, null, $"'{row}' is no swizzle", "128b, 64b, 32b; " + Usage);
        }
        else
        {
            KnownOptions(nest, step, "bits", "base", "shift");
            int bits = Option(nest, step, "bits", 1, 5);
            swizzle = new ByteSwizzle(bits, Option(nest, step, "base", 2, 7), Option(nest, step, "shift", bits, 10));
        }
        if (buffer.Scope != Scope.Shared)
            throw Refuse(
                nest,
                null,
                $"{buffer.Name} is in {buffer.Scope.Text()} memory, and addresses are permuted in shared memory only",
                $"set_scope {buffer.Name} shared first, or swizzle buffer chunk bits, which permutes indices"
            );
        if (!buffer.Strides.IsDefault)
            throw Refuse(
                nest,
                null,
                $"{buffer.Name} has strides of its own: its rows are padded already",
                "either storage_align or swizzle"
            );
        if (buffer.Swizzle is { } other)
            throw Refuse(nest, null, $"{buffer.Name} is swizzled already, by {other}", "one swizzle a buffer");
        if (1 << swizzle.Base < buffer.Type.Size())
            throw Refuse(
                nest,
                null,
                $"runs of 2^{swizzle.Base} bytes are shorter than an element of {buffer.Name}",
                "a larger base"
            );
        return nest.SwapIntermediate(
            buffer,
            new Buffer(buffer.Name, buffer.Type, buffer.Shape, buffer.Scope, default, swizzle)
        );
    }

    private int Option(LoopNest nest, Step step, string name, int min, int max) =>
        int.TryParse(step.Option(name), out int value) && value >= min && value <= max
            ? value
            : throw Refuse(
                nest,
                null,
                $"{name} is '{step.Option(name) ?? "not given"}'",
                $"{name}={min} to {name}={max}, or 128b, 64b, 32b"
            );
}
