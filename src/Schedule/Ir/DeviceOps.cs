using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules.Ir;

/// <summary>
/// The table of hardware instructions without arithmetic, and how to make statements of them. A new one is an entry here, and its
/// text in the emitter's table (DeviceOpTexts); what passes and the cost model need is in the entry.
/// </summary>
public static class DeviceOps
{
    /// <summary>
    /// One asynchronous copy of neighbours along the last dimension (4, 8 or 16 bytes, aligned so on both sides) to operand 0, in
    /// shared memory, from operand 1, in global or heap memory. With a value, that many are read and the others become zero. What
    /// <see cref="Async"/> statements of the kind <see cref="AsyncKind.CopyAsync"/> become.
    /// </summary>
    public static readonly DeviceInstruction CopyAsync = new(
        "cp.async",
        op =>
            $"{At(op, 0)} <- {At(op, 1)}, {op.Operands[0].Elements} elements{(op.Values.IsEmpty ? "" : $", {op.Values[0]} of them valid")}"
    )
    {
        Operands = [OperandAccess.Write, OperandAccess.Read],
        Values = 1,
        Queue = DeviceQueue.Copies,
        Step = QueueStep.Begin,
        Meaning = CopyMeaning,
    };

    /// <summary>All asynchronous copies that a thread has begun and not yet committed become one group.</summary>
    public static readonly DeviceInstruction CommitCopies = new("cp.async.commit", _ => "commit")
    {
        Queue = DeviceQueue.Copies,
        Step = QueueStep.Commit,
    };

    /// <summary>A thread waits until at most Numbers[0] of its newest groups are still under way.</summary>
    public static readonly DeviceInstruction WaitCopies = new("cp.async.wait", op => $"wait {op.Numbers[0]}")
    {
        Numbers = 1,
        Queue = DeviceQueue.Copies,
        Step = QueueStep.Wait,
    };

    /// <summary>
    /// What a thread wrote to shared memory by ordinary stores and cp.async becomes visible to the asynchronous proxy, that is to
    /// warpgroup matrix instructions and bulk copies that begin after a following barrier (fence.proxy.async).
    /// </summary>
    public static readonly DeviceInstruction FenceProxy = new("fence.proxy.async", _ => "fence async proxy");

    /// <summary>Accumulators that the warpgroup wrote are ready for the next instructions.</summary>
    public static readonly DeviceInstruction FenceProducts = new("wgmma.fence", _ => "wgmma fence")
    {
        Executor = Executor.Warpgroup,
        Queue = DeviceQueue.Products,
        Step = QueueStep.Prepare,
    };

    /// <summary>The matrix products begun since the last commit become a group.</summary>
    public static readonly DeviceInstruction CommitProducts = new("wgmma.commit", _ => "wgmma commit")
    {
        Executor = Executor.Warpgroup,
        Queue = DeviceQueue.Products,
        Step = QueueStep.Commit,
    };

    /// <summary>
    /// At most Numbers[0] groups are still under way; the accumulators of the others may be used, their operands written.
    /// </summary>
    public static readonly DeviceInstruction WaitProducts = new("wgmma.wait", op => $"wgmma wait {op.Numbers[0]}")
    {
        Numbers = 1,
        Executor = Executor.Warpgroup,
        Queue = DeviceQueue.Products,
        Step = QueueStep.Wait,
    };

    // Barriers are elements of eight bytes (int64, shared). Phases are numbered from 0: a phase is complete when all its arrivals and
    // bytes have come, and the next begins. A wait for parity 1 on a new barrier returns at once.

    /// <summary>One thread, before any other use: the phases of a barrier take so many arrivals as the value says.</summary>
    public static readonly DeviceInstruction MakeBarrier = new(
        "mbarrier.init",
        op => $"init {At(op, 0)}, {op.Values[0]}"
    )
    {
        Operands = [OperandAccess.MakeBarrier],
        Values = 1,
        Executor = Executor.OneThread,
        Queue = DeviceQueue.Barriers,
        Step = QueueStep.Prepare,
    };

    /// <summary>After the last barrier was made, by the thread that made them; a barrier of the block follows.</summary>
    public static readonly DeviceInstruction FenceBarriers = new("mbarrier.fence_init", _ => "fence barriers")
    {
        Executor = Executor.OneThread,
        Queue = DeviceQueue.Barriers,
        Step = QueueStep.Prepare,
    };

    /// <summary>One arrival at a barrier.</summary>
    public static readonly DeviceInstruction Arrive = new("mbarrier.arrive", op => $"arrive {At(op, 0)}")
    {
        Operands = [OperandAccess.UseBarrier],
        Queue = DeviceQueue.Barriers,
        Step = QueueStep.Signal,
    };

    /// <summary>One arrival, and the phase also takes so many bytes of bulk copies as the value says.</summary>
    public static readonly DeviceInstruction Expect = new(
        "mbarrier.expect_tx",
        op => $"expect {At(op, 0)}, {op.Values[0]}"
    )
    {
        Operands = [OperandAccess.UseBarrier],
        Values = 1,
        Executor = Executor.OneThread,
        Queue = DeviceQueue.Barriers,
        Step = QueueStep.Signal,
    };

    /// <summary>Waits until the phase whose number has the parity of the value (0 or 1) is complete.</summary>
    public static readonly DeviceInstruction WaitBarrier = new(
        "mbarrier.wait",
        op => $"wait {At(op, 0)}, {op.Values[0]}"
    )
    {
        Operands = [OperandAccess.UseBarrier],
        Values = 1,
        Issues = 3,
        Queue = DeviceQueue.Barriers,
        Step = QueueStep.Wait,
    };

    /// <summary>
    /// One thread begins the copy of a box of operand 1, global or heap memory, to operand 0, in shared memory; its bytes arrive at
    /// operand 2, a barrier. The tile of operand 1 is the box, 1 to 256 elements along each dimension, that of operand 0 the same without ones,
    /// in the same order; elements outside of operand 1 become zero.
    /// </summary>
    public static readonly DeviceInstruction CopyBox = new(
        "cp.async.bulk.tensor",
        op => $"{At(op, 0)} <- box {string.Join("x", op.Operands[1].Tile)} of {At(op, 1)}, arrives at {At(op, 2)}"
    )
    {
        Operands = [OperandAccess.Write, OperandAccess.ReadBox, OperandAccess.UseBarrier],
        Issues = 10,
        Executor = Executor.OneThread,
        Queue = DeviceQueue.Barriers,
        Step = QueueStep.Begin,
        Meaning = BoxMeaning,
    };

    /// <summary>
    /// A warpgroup waits for others to have given registers back and takes more, Numbers[0] a thread: a multiple of 8 from 24 to 240.
    /// </summary>
    public static readonly DeviceInstruction RaiseRegisters = new(
        "setmaxnreg.inc",
        op => $"raise registers to {op.Numbers[0]}"
    )
    {
        Numbers = 1,
        Executor = Executor.Warpgroup,
        MovesRegisters = true,
    };

    /// <summary>A warpgroup gives registers back, down to Numbers[0] a thread.</summary>
    public static readonly DeviceInstruction LowerRegisters = new(
        "setmaxnreg.dec",
        op => $"lower registers to {op.Numbers[0]}"
    )
    {
        Numbers = 1,
        Executor = Executor.Warpgroup,
        MovesRegisters = true,
    };

    public static ImmutableArray<DeviceInstruction> All { get; } =
    [
        CopyAsync,
        CommitCopies,
        WaitCopies,
        FenceProxy,
        FenceProducts,
        CommitProducts,
        WaitProducts,
        MakeBarrier,
        FenceBarriers,
        Arrive,
        Expect,
        WaitBarrier,
        CopyBox,
        RaiseRegisters,
        LowerRegisters,
    ];

    /// <summary>A statement of an instruction that takes no operands: constants only.</summary>
    public static DeviceOp Of(this DeviceInstruction instruction, params ImmutableArray<int> numbers) =>
        new(instruction, [], [], numbers);

    /// <summary>A statement of an instruction on one barrier.</summary>
    public static DeviceOp On(
        this DeviceInstruction instruction,
        Buffer barriers,
        Expr index,
        params ImmutableArray<Expr> values
    ) => new(instruction, [new(barriers, index)], values, []);

    /// <summary>Whether a statement is this instruction.</summary>
    public static bool Is(this Stmt stmt, DeviceInstruction instruction) =>
        stmt is DeviceOp op && ReferenceEquals(op.Instruction, instruction);

    /// <summary>Copies Elements neighbours, of which the first Valid are read; null: all.</summary>
    public static DeviceOp Copy(
        Buffer to,
        ImmutableArray<Expr> place,
        Buffer from,
        ImmutableArray<Expr> source,
        int elements,
        Expr? valid = null
    ) =>
        new(
            CopyAsync,
            [new(to, place, Row(place.Length, elements)), new(from, source, Row(source.Length, elements))],
            valid is null ? [] : [valid],
            []
        );

    /// <summary>Begins the copy of a box of From to a tile of To.</summary>
    public static DeviceOp Copy(DeviceOperand to, DeviceOperand from, Buffer barriers, Expr barrier) =>
        new(CopyBox, [to, from, new(barriers, barrier)], [], []);

    private static ImmutableArray<long> Row(int rank, long elements) =>
        [.. Enumerable.Range(0, rank).Select(d => d == rank - 1 ? elements : 1)];

    private static string At(DeviceOp op, int operand) =>
        $"{op.Operands[operand].Buffer.Name}[{string.Join(", ", op.Operands[operand].Place)}]";

    private static For CopyMeaning(DeviceOp op)
    {
        var (to, from) = (op.Operands[0], op.Operands[1]);
        var at = new Var("element");
        ImmutableArray<Expr> Along(ImmutableArray<Expr> index) => index.SetItem(index.Length - 1, index[^1] + at);
        Expr value = from.Buffer.At(Along(from.Place));
        if (!op.Values.IsEmpty)
            value = new Select(Op.Lt(at, op.Values[0]), value, Op.Const(0, value.Type));
        return new For(at, to.Elements, LoopKind.Serial, new Store(to.Buffer, Along(to.Place), value));
    }

    // Dimensions of the box that have more than one element run along those of the tile that have, in order.
    private static Stmt BoxMeaning(DeviceOp op)
    {
        var (to, from) = (op.Operands[0], op.Operands[1]);
        var loops = from
            .Tile.Select((extent, d) => (Dim: d, Var: new Var($"box{d}"), Extent: extent))
            .Where(l => l.Extent > 1)
            .ToList();
        var (place, source) = (to.Place.ToArray(), from.Place.ToArray());
        int dim = 0;
        foreach (var loop in loops)
        {
            source[loop.Dim] += loop.Var;
            while (to.Tile[dim] == 1)
                dim++;
            place[dim++] += loop.Var;
        }
        var inside = source
            .Select((e, d) => Op.And(Op.Le(0, e), Op.Lt(e, from.Buffer.Shape[d])))
            .Aggregate(Op.True, Op.And);
        var value = new Select(inside, from.Buffer.At([.. source]), Op.Const(0, from.Buffer.Type));
        Stmt body = new Store(to.Buffer, [.. place], value);
        foreach (var loop in Enumerable.Reverse(loops))
            body = new For(loop.Var, loop.Extent, LoopKind.Serial, body);
        return body;
    }
}
