using System.Reflection.Emit;
using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Lower.Cpu.Runtime;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// Type of a value in generated code: a scalar (Lanes 1) or a vector. A Bool vector is a mask, of integers of MaskBytes with
/// all bits set or clear.
/// </summary>
internal readonly record struct ValueType(DType Element, int Lanes, int MaskBytes = 0)
{
    public bool IsVector => Lanes > 1;

    /// <summary>Bytes of a lane.</summary>
    public int LaneBytes => Element == DType.Bool ? MaskBytes : CpuType.Of(Element).LaneSize;

    /// <summary>Of the vector that holds it: narrow values beside wide ones fill less of one.</summary>
    public int Bits => Math.Max(128, 8 * Lanes * LaneBytes);

    /// <summary>Whether there is more of the vector than lanes; what is in there says nothing.</summary>
    public bool IsPartial => 8 * Lanes * LaneBytes < 128;

    public static ValueType Scalar(DType type) => new(type, 1);

    public static ValueType Mask(int lanes, int bytes) => new(DType.Bool, lanes, bytes);
}

internal enum NodeOp
{
    IntConst,

    /// <summary>The bits of a double, so that 0 and -0 are different values.</summary>
    FloatConst,

    /// <summary>Value of an integer local (loop variable, parameter).</summary>
    Variable,

    /// <summary>Byte address: pointer local + displacement [+ dynamic byte offset].</summary>
    Address,
    Load,
    MaskedLoad,

    /// <summary>Lane i from address + i·stride.</summary>
    StridedLoad,
    RegisterRead,
    ExtractLane,
    Splat,

    /// <summary>Lane numbers 0, 1, 2, ….</summary>
    Iota,

    /// <summary>Mask from a scalar bool.</summary>
    SplatMask,

    /// <summary>A mask for lanes of another size.</summary>
    MaskCast,

    /// <summary>Whether a mask has any lane on.</summary>
    AnyLane,
    Unary,
    Binary,

    /// <summary>A call of a <see cref="ScalarFunction"/>: its kernel of Float32, or its method of doubles.</summary>
    Function,
    Fma,
    Select,

    /// <summary>Scalar select with the operands not chosen left alone.</summary>
    LazySelect,
    Cast,
    Bitcast,

    /// <summary>Vector: a function of an angle near zero, and the argument, of which lanes may be far; see <see cref="FarAngles"/>.</summary>
    FarAngle,
}

/// <summary>One value of a straight-line region, shared by all its uses (hash-consed by <see cref="Region"/>).</summary>
internal sealed class Node(NodeOp op, ValueType type, Node[] inputs, object? data, int id, int depth)
{
    public NodeOp Op { get; } = op;

    public ValueType Type { get; } = type;

    public Node[] Inputs { get; } = inputs;

    /// <summary>Constant, operator kind, variable, <see cref="PointerRef"/> or <see cref="RegisterElement"/>.</summary>
    public object? Data { get; } = data;

    public int Id { get; } = id;

    /// <summary>1 for what is computed always, more by one in each operand that may be left alone.</summary>
    public int Depth { get; } = depth;

    /// <summary>Uses that have not been emitted yet.</summary>
    public int Uses { get; set; }

    public LocalBuilder? Local { get; set; }

    /// <summary>Cheaper to repeat than to keep.</summary>
    public bool IsTrivial =>
        Op is NodeOp.IntConst or NodeOp.FloatConst or NodeOp.Variable
        || (Op == NodeOp.Address && Inputs.Length == 0)
        || (Op is NodeOp.Splat && Inputs[0].Op is NodeOp.FloatConst or NodeOp.IntConst)
        || Op == NodeOp.Iota;
}

/// <summary>A pointer local and a constant displacement in bytes.</summary>
internal sealed record PointerRef(LocalBuilder Pointer, long Displacement);

/// <summary>A machine register that holds one element, or one vector of elements, of a promoted buffer.</summary>
internal sealed class RegisterElement(LocalBuilder local, ValueType type, bool blends)
{
    /// <summary>Whether a masked write must keep the other lanes.</summary>
    public bool Blends { get; } = blends;

    public LocalBuilder Local { get; } = local;

    public ValueType Type { get; } = type;

    /// <summary>Counts writes, so that reads before and after are different values.</summary>
    public int Epoch { get; set; }
}

internal enum EffectKind
{
    Store,
    MaskedStore,
    StridedStore,
    RegisterWrite,
    RegisterWriteLane,
    Prefetch,

    /// <summary>Computes inputs into locals, for stores that must all see the old state.</summary>
    Materialize,
}

/// <summary>A side effect of a region; effects keep their order.</summary>
internal sealed record Effect(EffectKind Kind, Node[] Inputs, object? Data = null);
