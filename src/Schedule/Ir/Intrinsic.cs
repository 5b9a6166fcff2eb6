using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules.Ir;

/// <summary>
/// A hardware instruction as data. Its meaning is an ordinary nest over the operands' tiles: for every point of the
/// meaning's axes, the one output combines the value as the block says. Tensorize matches that block against the
/// program; the interpreter executes it; a back end has a template by <see cref="Name"/>, or runs <see cref="Expand"/>.
/// </summary>
/// <param name="Name">For instance cpu.fma.1x16 or mma.m16n8k8.tf32.</param>
/// <param name="Operands">
/// Tile buffers, the output first, with constant shapes and the scopes that the instruction wants: Global stands for
/// any memory (global, heap, stack), the others for themselves. Explicit strides: where one is 1, the buffer's
/// elements must be neighbours along that dimension; other values ask nothing.
/// </param>
/// <param name="Meaning">A block over its own axes (bindings are the axes themselves) on the operand buffers.</param>
public sealed record Intrinsic(string Name, ImmutableArray<Buffer> Operands, Block Meaning)
{
    /// <summary>
    /// How lanes hold each operand, or give its addresses; none for instructions of one thread, and null for an operand that
    /// all lanes name alike. An instruction with layouts is collective: a warp or warpgroup executes it together.
    /// </summary>
    public ImmutableArray<FragmentLayout?> OperandLayouts { get; init; } = [];

    /// <summary>Function of the back end's prelude that does it, given the operands in order; null for none.</summary>
    public string? DeviceFunction { get; init; }

    /// <summary>Lanes that execute it together: 1 (not collective), 32 (a warp) or 128 (a warpgroup).</summary>
    public int Lanes => OperandLayouts.Max(l => l?.Lanes) ?? 1;

    /// <summary>Layout of an operand; null where it has none.</summary>
    public FragmentLayout? LayoutOf(int operand) => OperandLayouts.IsEmpty ? null : OperandLayouts[operand];

    /// <summary>
    /// The plain nest that does what a call does: loops named prefix.axis, reduce axes outside, around one block
    /// named prefix. The last dimension of the output's tile is a vector loop, the others are unrolled, as register
    /// operands need.
    /// </summary>
    public static Stmt Expand(Call call, string prefix)
    {
        var meaning = call.Intrinsic.Meaning;
        var own = meaning.Axes.ToDictionary(a => a.Var, a => (Expr)new Var(a.Name));
        var loops = meaning.Axes.ToDictionary(a => a.Var, a => new Var($"{prefix}.{a.Name}"));
        Expr InProgram(Expr e) =>
            e.Map(node =>
                node is Load load
                    ? call.Operand(call.Intrinsic.Operands.IndexOf(load.Buffer), [.. load.Indices.Select(InProgram)])
                : node is Var v && own.TryGetValue(v, out var mine) ? mine
                : null
            );
        var target = call.Operand(0, [.. meaning.Indices.Select(InProgram)]);
        Stmt body = meaning with
        {
            Name = prefix,
            Axes = [.. meaning.Axes.Select(a => a with { Var = (Var)own[a.Var], Binding = loops[a.Var] })],
            Outputs = [target.Buffer],
            Indices = target.Indices,
            Values = [.. meaning.Values.Select(InProgram)],
        };
        var lanes = meaning.Indices.LastOrDefault();
        var inwards = meaning.Axes.OrderBy(a =>
            a.Var == lanes ? 2
            : a.Kind == AxisKind.Spatial ? 1
            : 0
        );
        foreach (var axis in inwards.Reverse())
            body = new For(loops[axis.Var], axis.Extent, axis.Var == lanes ? LoopKind.Vector : LoopKind.Unrolled, body);
        return body;
    }
}

/// <summary>
/// A use of an intrinsic: operand i is the tile of Buffers[i] whose first element is at Origins[i]; dimension d of the
/// tile runs along dimension Dims[i][d] of the buffer. Operand 0 is written (and read, where the meaning reduces
/// without init); the others are read.
/// </summary>
public sealed record Call(
    Intrinsic Intrinsic,
    ImmutableArray<Buffer> Buffers,
    ImmutableArray<ImmutableArray<Expr>> Origins,
    ImmutableArray<ImmutableArray<int>> Dims
) : Stmt
{
    /// <summary>
    /// Only in kernel form, below a loop over lanes. Each lane passes its own part of every operand that has a layout:
    /// register r of the lane is at Origins[i], r further along the dimension Dims[i][0]. The lanes together do what
    /// the meaning says, when all of them have come.
    /// </summary>
    public bool Distributed { get; init; }

    /// <summary>The element of operand i at an index within its tile.</summary>
    public Load Operand(int i, ImmutableArray<Expr> tileIndex)
    {
        var index = Origins[i].ToArray();
        for (int d = 0; d < tileIndex.Length; d++)
            index[Dims[i][d]] += tileIndex[d];
        return Buffers[i].At([.. index]);
    }

    /// <summary>
    /// Elements of operand i (of the lane's part, where distributed) along each dimension of its buffer, from its origin; 1
    /// where the tile has none.
    /// </summary>
    public ImmutableArray<long> Extents(int i)
    {
        var extents = Enumerable.Repeat(1L, Buffers[i].Rank).ToArray();
        if (Distributed && Intrinsic.LayoutOf(i) is { } layout)
        {
            extents[Dims[i][0]] = layout.Registers;
            return [.. extents];
        }
        for (int d = 0; d < Dims[i].Length; d++)
            extents[Dims[i][d]] = ((IntImm)Intrinsic.Operands[i].Shape[d]).Value;
        return [.. extents];
    }

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
