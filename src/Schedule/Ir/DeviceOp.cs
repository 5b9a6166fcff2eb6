using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Ir;

/// <summary>Which threads execute an instruction.</summary>
public enum Executor
{
    /// <summary>Each thread that comes, for itself.</summary>
    Thread,

    /// <summary>One thread of the block, so it lies under a condition that picks one.</summary>
    OneThread,

    /// <summary>All 128 threads of a warpgroup together.</summary>
    Warpgroup,
}

/// <summary>What runs on its own behind the threads, and by what they wait for it.</summary>
public enum DeviceQueue
{
    /// <summary>Nothing does: the instruction is done when the next statement begins.</summary>
    None,

    /// <summary>Copies of a thread (cp.async): it commits them as groups and waits for its oldest groups.</summary>
    Copies,

    /// <summary>Matrix products of a warpgroup (wgmma), in groups too.</summary>
    Products,

    /// <summary>Copies that arrive at barriers in shared memory (bulk copies); any thread waits for a barrier's phase.</summary>
    Barriers,
}

/// <summary>What an instruction does to its queue.</summary>
public enum QueueStep
{
    None,

    /// <summary>Makes ready: what was done before is seen by what is begun behind it.</summary>
    Prepare,

    /// <summary>Begins work: what it writes may be used only after a Wait.</summary>
    Begin,

    /// <summary>What was begun since the last Commit becomes a group.</summary>
    Commit,

    /// <summary>An arrival that waiting threads count.</summary>
    Signal,

    /// <summary>Threads stop until work is done.</summary>
    Wait,
}

/// <summary>What an instruction does to the elements of an operand.</summary>
public enum OperandAccess
{
    Read,
    Write,

    /// <summary>
    /// Reads through a tensor map, which the kernel gets as a parameter: the tile is a box of the buffer, and elements
    /// outside of the buffer are zero.
    /// </summary>
    ReadBox,

    /// <summary>Makes barriers: nobody may use them before.</summary>
    MakeBarrier,

    /// <summary>Uses a barrier, which does not need another order: arrivals and waits may come at any time.</summary>
    UseBarrier,
}

/// <summary>
/// What a hardware instruction without arithmetic does, declared: all that passes, the verifier, the hash, the access analysis,
/// the interpreter and the cost model ask about it. <see cref="DeviceOps"/> is the table of all; the CUDA emitter has one text
/// for each. Instructions with arithmetic are <see cref="Intrinsic"/>s.
/// </summary>
/// <param name="Name">For instance cp.async.</param>
/// <param name="Print">A line for people.</param>
public sealed class DeviceInstruction(string Name, Func<DeviceOp, string> Print)
{
    public string Name { get; } = Name;

    public Func<DeviceOp, string> Print { get; } = Print;

    public Executor Executor { get; init; } = Executor.Thread;

    public DeviceQueue Queue { get; init; }

    public QueueStep Step { get; init; }

    /// <summary>One for each operand, in order.</summary>
    public ImmutableArray<OperandAccess> Operands { get; init; } = [];

    /// <summary>How many further values it takes, at most; those left out have a default.</summary>
    public int Values { get; init; }

    /// <summary>How many constants it takes.</summary>
    public int Numbers { get; init; }

    /// <summary>Instructions that a warp issues for it.</summary>
    public int Issues { get; init; } = 1;

    /// <summary>Whether it hands registers from warp to warp, so that a multiprocessor has one block of the kernel.</summary>
    public bool MovesRegisters { get; init; }

    /// <summary>
    /// What is in memory when it is done, as a nest; null where it only orders others. (For barriers in shared memory there is none:
    /// the interpreter runs threads in lockstep.)
    /// </summary>
    public Func<DeviceOp, Stmt>? Meaning { get; init; }

    public override string ToString() => Name;
}

/// <summary>The elements Place … Place + Tile − 1 of a buffer.</summary>
public sealed record DeviceOperand(Buffer Buffer, ImmutableArray<Expr> Place, ImmutableArray<long> Tile)
{
    /// <summary>One element.</summary>
    public DeviceOperand(Buffer buffer, Expr index)
        : this(buffer, [index], [1]) { }

    public long Elements => Tile.Aggregate(1L, (n, t) => n * t);
}

/// <summary>Only in kernel form, but for commits and waits of copies: one hardware instruction, see <see cref="DeviceOps"/>.</summary>
public sealed record DeviceOp(
    DeviceInstruction Instruction,
    ImmutableArray<DeviceOperand> Operands,
    ImmutableArray<Expr> Values,
    ImmutableArray<int> Numbers
) : Stmt
{
    public DeviceQueue Queue => Instruction.Queue;

    public QueueStep Step => Instruction.Step;

    /// <summary>The operands with what is done to each.</summary>
    public IEnumerable<(DeviceOperand Operand, OperandAccess Access)> Accesses =>
        Operands.Zip(Instruction.Operands, (o, a) => (o, a));

    /// <summary>Whether it begins work that may write the buffer.</summary>
    public bool Begins(DeviceQueue queue) => Queue == queue && Step == QueueStep.Begin;

    /// <summary>Whether it parts groups of a queue or waits for them.</summary>
    public bool Orders(DeviceQueue queue) => Queue == queue && Step is QueueStep.Commit or QueueStep.Wait;

    public bool Writes(Buffer buffer) =>
        Accesses.Any(a => a.Access == OperandAccess.Write && a.Operand.Buffer == buffer);

    /// <summary>Expressions at its surface: places, then values.</summary>
    public IEnumerable<Expr> Exprs => Operands.SelectMany(o => o.Place).Concat(Values);

    public DeviceOp MapExprs(Func<Expr, Expr> map) =>
        Operands.IsEmpty && Values.IsEmpty
            ? this
            : this with
            {
                Operands = [.. Operands.Select(o => o with { Place = [.. o.Place.Select(map)] })],
                Values = [.. Values.Select(map)],
            };

    public DeviceOp ReplaceBuffer(Buffer old, Buffer replacement) =>
        this with
        {
            Operands = [.. Operands.Select(o => o.Buffer == old ? o with { Buffer = replacement } : o)],
        };
}
