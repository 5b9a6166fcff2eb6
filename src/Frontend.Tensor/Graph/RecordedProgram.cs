using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Dispatch;

namespace Picograd.Graphs;

/// <summary>What the memory of a recorded program is, seen from its calls.</summary>
internal enum BlockKind
{
    /// <summary>Made by the program.</summary>
    Temporary,

    /// <summary>Made by the program and written by the host: the same bytes in every call.</summary>
    Constant,

    /// <summary>Of an argument.</summary>
    Argument,

    /// <summary>Of a tensor that was there before: a parameter, a buffer, the state of an optimizer.</summary>
    Captured,

    /// <summary>Of the gradient that a leaf had before.</summary>
    Gradient,
}

/// <summary>A piece of memory that calls of a recorded program read and write.</summary>
/// <param name="bytes">How large it is.</param>
/// <param name="runtime">The device that has it.</param>
internal sealed class Block(long bytes, DeviceRuntime runtime)
{
    /// <summary>In the order in which calls met them; −1 before.</summary>
    public int Number { get; set; } = -1;

    public long Bytes => bytes;

    public DeviceRuntime Runtime => runtime;

    public BlockKind Kind { get; set; }

    /// <summary>Of an argument: which.</summary>
    public int Argument { get; set; } = -1;

    /// <summary>What had it when the program began; null for what the program made.</summary>
    public Storage? Storage { get; set; }

    /// <summary>Whether somebody else saw its memory when the program began, so that it is never exchanged.</summary>
    public bool WasForeign { get; init; }

    /// <summary>Of a gradient: whose.</summary>
    public Leaf? Leaf { get; set; }

    /// <summary>Of a constant: what the host wrote.</summary>
    public byte[]? Contents { get; set; }

    /// <summary>How often calls have written to it so far.</summary>
    public int Version { get; set; }

    /// <summary>Whether it was there before the program.</summary>
    public bool IsOutside => Kind is BlockKind.Argument or BlockKind.Captured or BlockKind.Gradient;

    public override string ToString() =>
        Kind switch
        {
            BlockKind.Argument => $"argument {Argument}",
            BlockKind.Captured => $"captured {Number}",
            BlockKind.Gradient => $"gradient {Number}",
            BlockKind.Constant => $"constant {Number}",
            _ => $"%{Number}",
        };
}

/// <summary>An operand of a recorded call: a version of a block, seen through a layout, or a number.</summary>
/// <param name="Block">Where it lies; null for a number, and for one that is missing.</param>
/// <param name="Version">Of an input, which version is read; of an output, which one it makes.</param>
/// <param name="Offset">Bytes from the begin of the block to the first element; of an argument, from its first element.</param>
/// <param name="Layout">How it lies there, in elements, with the offset that its tensor had.</param>
/// <param name="Type">Of the elements.</param>
/// <param name="Number">The bytes of a number.</param>
internal readonly record struct Operand(
    Block? Block,
    int Version,
    long Offset,
    Layout? Layout,
    DType Type,
    byte[]? Number
)
{
    /// <summary>Whether writing it writes all of its block.</summary>
    public bool IsWhole =>
        Block is not null && Offset == 0 && Layout!.IsContiguous && Layout.Count * Type.Size() == Block.Bytes;
}

/// <summary>A part of a recorded program.</summary>
internal abstract record Step;

/// <summary>Numbers that a call draws from a generator.</summary>
/// <param name="Generator">Whose.</param>
/// <param name="Offset">Places after where the generator was when the program began.</param>
internal sealed record Draw(Generator Generator, long Offset);

/// <summary>A call.</summary>
/// <param name="Operator">What is called.</param>
/// <param name="Words">Its attributes.</param>
/// <param name="Operands">Inputs, then outputs; neither block nor number where one is missing.</param>
/// <param name="Runtime">Where it runs.</param>
/// <param name="Line">The line of the program that made it, where it is known.</param>
internal sealed record CallStep(Operator Operator, long[] Words, Operand[] Operands, DeviceRuntime Runtime, string Line)
    : Step
{
    /// <summary>What it draws; null for nothing.</summary>
    public Draw? Draw { get; init; }

    /// <summary>Whose numbers it has; null where they are the same in every call.</summary>
    public NumbersStep? Live { get; init; }

    public int Inputs => Operator.Words.Inputs;

    /// <summary>The instance, <c>tanh n=6400</c>.</summary>
    public string Spec => Operator.Words.Text(Words);

    public IEnumerable<Operand> Reads => Operands.Take(Inputs).Where(o => o.Block is not null);

    public IEnumerable<Operand> Writes => Operands.Skip(Inputs).Where(o => o.Block is not null);
}

/// <summary>Work of the host that makes numbers for the calls after it.</summary>
/// <param name="Numbers">The work.</param>
internal sealed record NumbersStep(ILiveNumbers Numbers) : Step
{
    public int Revision { get; } = Numbers.Revision;
}

/// <summary>A look at indices before calls read through them.</summary>
/// <param name="Operand">The indices.</param>
/// <param name="Scan">What is asked.</param>
/// <param name="Found">What the answer was, on which the program depends.</param>
/// <param name="Line">The line of the program.</param>
internal sealed record ScanStep(Operand Operand, IndexScan Scan, bool Found, string Line) : Step;

/// <summary>A look of the host at a bool, on which the program depends.</summary>
/// <param name="Operand">One element.</param>
/// <param name="Value">What it was.</param>
/// <param name="Line">The line of the program.</param>
internal sealed record ValueStep(Operand Operand, byte Value, string Line) : Step;

/// <summary>A leaf whose gradient the program asked for.</summary>
/// <param name="Argument">Which argument it is; −1 for none.</param>
/// <param name="Tensor">The leaf; of an argument, the one of the recorded call.</param>
internal sealed record Leaf(int Argument, Tensor Tensor)
{
    /// <summary>Whether what it had before is dropped without a look.</summary>
    public bool Drops { get; init; }

    /// <summary>Whether it required a gradient when the program began.</summary>
    public bool RequiresGrad { get; init; }

    /// <summary>What it had before.</summary>
    public Tensor? Before { get; init; }

    /// <summary>Of what dtype that is.</summary>
    public DType? BeforeType { get; } = Tensor.GradUntold?.DType;

    /// <summary>What it has at the end.</summary>
    public Tensor? After { get; set; }

    /// <summary>Where a new one at the end lies; null where it is the one before, or none.</summary>
    public Block? Made { get; set; }
}

/// <summary>A tensor from outside that calls read or write, as it was when the program began.</summary>
/// <param name="Tensor">Which, as long as somebody has it.</param>
/// <param name="Storage">Its memory.</param>
/// <param name="RequiresGrad">Whether it required a gradient; null where it was computed by recorded operators.</param>
internal sealed record Outsider(WeakReference<Tensor> Tensor, Storage Storage, bool? RequiresGrad);

/// <summary>A tensor that requires a gradient after the program and did not before, or the other way round.</summary>
/// <param name="Argument">Which argument it is; -1 for none.</param>
/// <param name="Tensor">The tensor; of an argument, the one of the recorded call.</param>
/// <param name="After">What is so after the program.</param>
internal sealed record Mark(int Argument, Tensor Tensor, bool After);

/// <summary>A tensor that the function returned.</summary>
/// <param name="Block">Where it lies; null where it is an argument itself, or of no elements.</param>
/// <param name="Argument">The argument that it is; −1 for another.</param>
/// <param name="Layout">How it lies there; in an argument, with the offset from its first element.</param>
/// <param name="Type">Of its elements.</param>
/// <param name="Runtime">The device that has it.</param>
/// <param name="RequiresGrad">Whether it is a leaf that wants a gradient.</param>
internal sealed record Result(
    Block? Block,
    int Argument,
    Layout Layout,
    DType Type,
    DeviceRuntime Runtime,
    bool RequiresGrad
);

/// <summary>A storage from before that has other memory at the end.</summary>
/// <param name="Before">What it had.</param>
/// <param name="After">What it has.</param>
internal readonly record struct Swapped(Block Before, Block After);

/// <summary>A function as it ran once: calls on blocks of memory in single assignment, what came before and what stays after.</summary>
internal sealed class RecordedProgram
{
    public required Step[] Steps { get; init; }

    /// <summary>In the order in which calls met them.</summary>
    public required IReadOnlyList<Block> Blocks { get; init; }

    public required Result[] Results { get; init; }

    public required Swapped[] Swaps { get; init; }

    public required Leaf[] Leaves { get; init; }

    /// <summary>How far each generator moves.</summary>
    public required Draw[] Moves { get; init; }

    /// <summary>Modules whose mode was asked for, with the mode.</summary>
    public required (Module Module, bool Training)[] Modes { get; init; }

    /// <summary>Tensors from outside that are operands themselves.</summary>
    public required Outsider[] Outsiders { get; init; }

    /// <summary>What has another mark afterwards.</summary>
    public required Mark[] Marks { get; init; }

    /// <summary>Storages of the arguments.</summary>
    public required Storage[] Arguments { get; init; }

    /// <summary>Memory of tensors from outside, other than arguments and gradients.</summary>
    public Block[] Captured => field ??= [.. Blocks.Where(b => b.Kind == BlockKind.Captured)];

    /// <summary>Memory of gradients that leaves had before.</summary>
    public Block[] Gradients => field ??= [.. Blocks.Where(b => b.Kind == BlockKind.Gradient)];

    /// <summary>Storages of what is captured.</summary>
    public HashSet<Storage> CapturedStorages => field ??= [.. Captured.Select(b => b.Storage!)];

    public IEnumerable<CallStep> Calls => Steps.OfType<CallStep>();
}
