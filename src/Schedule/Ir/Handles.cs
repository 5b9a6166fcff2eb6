using Picograd.Algorithms;

namespace Picograd.Schedules.Ir;

/// <summary>
/// A loop of a program that a schedule is written for. A reference by name: primitives rewrite the nest, and the loop of the name stays
/// the same one. Primitives give and take them; a stage gives those of the nest to start from (<see cref="Handles"/>).
/// </summary>
/// <param name="Name">As the trace has it.</param>
public sealed record LoopRef(string Name)
{
    public static implicit operator LoopRef(For loop) => new(loop.Name);

    /// <summary>For schedules written by hand; rules get their loops of stages and primitives, which a test sees to.</summary>
    public static implicit operator LoopRef(string name) => new(name);

    public override string ToString() => Name;
}

/// <summary>A block of a program (what a stage computes, a copy, part of a reduction …), by name as <see cref="LoopRef"/>.</summary>
/// <param name="Name">As the trace has it.</param>
public sealed record BlockRef(string Name)
{
    public static implicit operator BlockRef(Block block) => new(block.Name);

    /// <summary>The block of the nest to start from that computes a stage.</summary>
    public static implicit operator BlockRef(Stage stage) => new(stage.Name);

    /// <inheritdoc cref="LoopRef.op_Implicit(string)"/>
    public static implicit operator BlockRef(string name) => new(name);

    public override string ToString() => Name;
}

/// <summary>A buffer of a program (an argument, an intermediate or a copy of one), by name as <see cref="LoopRef"/>.</summary>
/// <param name="Name">As the trace has it.</param>
public sealed record BufferRef(string Name)
{
    public static implicit operator BufferRef(Buffer buffer) => new(buffer.Name);

    /// <inheritdoc cref="LoopRef.op_Implicit(string)"/>
    public static implicit operator BufferRef(string name) => new(name);

    public override string ToString() => Name;
}

/// <summary>What rules get their handles from.</summary>
public static class Handles
{
    /// <summary>The loop over an axis in the nest to start from.</summary>
    public static LoopRef Loop(this Stage stage, Axis axis) => new(InitialNest.LoopName(stage.Name, axis));

    /// <summary>The loop over an axis around a stage's block in the nest to start from.</summary>
    public static IEnumerable<LoopRef> Loops(this Stage stage, IEnumerable<Axis> axes) =>
        axes.Select(axis => stage.Loop(axis));

    /// <summary>The block that gives a scatter's destination its first values, in the nest to start from.</summary>
    public static BlockRef Init(this Stage stage) => new(InitialNest.InitName(stage));

    /// <summary>The loops as handles, in their order.</summary>
    public static IEnumerable<LoopRef> Refs(this IEnumerable<For> loops) => loops.Select(l => l.Ref);

    /// <summary>The blocks as handles, in their order.</summary>
    public static IEnumerable<BlockRef> Refs(this IEnumerable<Block> blocks) => blocks.Select(b => b.Ref);
}
