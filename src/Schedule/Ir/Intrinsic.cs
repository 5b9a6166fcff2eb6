using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules;

/// <summary>
/// A hardware instruction as data. Its meaning is an ordinary nest over the operands' tiles: for every point of
/// <see cref="Axes"/>, Outputs combine Values as the block says. Tensorize matches that block against the program; the
/// interpreter executes it; a back end has a template by <see cref="Name"/>.
/// </summary>
/// <param name="Name">For instance cpu.dot4 or mma.m16n8k8.tf32.</param>
/// <param name="Operands">Tile buffers, outputs first, with constant shapes and the scopes that the instruction wants.</param>
/// <param name="Meaning">A block over its own axes (bindings are the axes themselves) on the operand buffers.</param>
public sealed record Intrinsic(string Name, ImmutableArray<Buffer> Operands, Block Meaning);

/// <summary>
/// A use of an intrinsic: operand i is the tile of Buffers[i] whose first element is at Origins[i]; dimension d of the
/// tile runs along dimension Dims[i][d] of the buffer.
/// </summary>
public sealed record Call(
    Intrinsic Intrinsic,
    ImmutableArray<Buffer> Buffers,
    ImmutableArray<ImmutableArray<Expr>> Origins,
    ImmutableArray<ImmutableArray<int>> Dims
) : Stmt
{
    public Call MapOperands(Func<Expr, Expr> map) =>
        this with
        {
            Origins = [.. Origins.Select(o => o.Select(map).ToImmutableArray())],
        };

    public Call ReplaceBuffer(Buffer old, Buffer replacement) =>
        this with
        {
            Buffers = [.. Buffers.Select(b => b == old ? replacement : b)],
        };
}
