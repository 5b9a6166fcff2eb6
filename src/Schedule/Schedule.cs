using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Rules;

namespace Picograd.Schedules;

/// <summary>
/// Writes a schedule by hand; each method applies one primitive and records it in the trace.
/// <code>
/// var s = new Schedule(matmul);
/// var (mo, mi) = s.Split("C.m", 6, Tail.Peel);
/// </code>
/// </summary>
public sealed partial class Schedule(LoopNest nest)
{
    public Schedule(Algorithm algorithm)
        : this(InitialNest.Of(algorithm)) { }

    public LoopNest Nest { get; private set; } = nest;

    /// <summary>The first of the buffers that a block writes.</summary>
    public BufferRef Output(BlockRef block) => Nest.Block(block).Output;

    /// <summary>The loops around a block, outermost first.</summary>
    public List<LoopRef> LoopsAround(BlockRef block) => [.. Nest.LoopsAround(Nest.Block(block)).Refs()];

    /// <summary>The loops around a block that are around no other, outermost first.</summary>
    public List<LoopRef> OwnLoops(BlockRef block) => [.. Nest.OwnLoops(Nest.Block(block)).Refs()];

    /// <summary>Goes back to an earlier state of <see cref="Nest"/>, trace included.</summary>
    public void Reset(LoopNest earlier) => Nest = earlier;

    /// <summary>Applies any primitive by its step; returns the names of what it made.</summary>
    public IReadOnlyList<string> Apply(Step step)
    {
        Nest = PrimitiveRegistry.Get(step.Primitive).Apply(Nest, step);
        StepAuthors.Note(Nest);
        return Nest.Trace[^1].Results;
    }
}
