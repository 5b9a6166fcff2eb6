using System.Reflection;
using System.Reflection.Emit;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// Writes a region as IL. A value used more than once is computed once into a local, just before its first use; the rest
/// stays on the evaluation stack, which the JIT turns into trees.
/// </summary>
internal sealed partial class RegionEmitter(IlWriter il, VectorIsa isa)
{
    private readonly List<Node> _stridedLoads = [];
    private readonly Dictionary<Node, Node[]> _blocks = [];

    // Sines and cosines whose angles are known to be near.
    private readonly HashSet<Node> _near = [];

    public void Emit(Region region)
    {
        Count(region);
        EmitEffects(region);
    }

    /// <summary>
    /// The region for angles that are near: it branches to <paramref name="far"/> before it stores anything where one is not.
    /// </summary>
    public void EmitNear(Region region, Label far)
    {
        Count(region);
        _near.UnionWith(region.Angles.Where(a => a.Uses > 0));
        var angles = _near.Select(a => a.Inputs[1]).ToList();
        foreach (var angle in angles)
            Prepare(angle);
        new VectorArithmetic(il, isa, Push).BranchIfFar(angles, far);
        EmitEffects(region);
    }

    private void Count(Region region)
    {
        foreach (var effect in region.Effects)
        {
            foreach (var input in effect.Inputs)
                CountUses(input);
        }
        if (_stridedLoads.Count > 1)
            FindBlocks();
    }

    private void EmitEffects(Region region)
    {
        foreach (var effect in region.Effects)
        {
            Emit(effect);
            il.CheckLimits();
        }
    }

    // Strided loads that together read a square block are computed together, at the first of them.
    private void FindBlocks()
    {
        var transpose = new Transpose(il, isa);
        var candidates = _stridedLoads.Where(n => transpose.IsAvailable(n.Type.Element));
        foreach (var block in Transpose.Groups(candidates, isa.Bits / 32))
        {
            foreach (var column in block)
                _blocks[column] = block;
        }
    }

    private void ComputeBlock(Node[] block)
    {
        var address = block[0].Inputs[0];
        foreach (var input in address.Inputs)
            Prepare(input);
        new Transpose(il, isa).Emit(block, () => Push(address));
        foreach (var column in block)
        {
            _blocks.Remove(column);
            // The other columns' addresses are not computed any more.
            if (column != block[0])
                Forget(column.Inputs[0]);
        }
    }

    private void Forget(Node node)
    {
        if (--node.Uses > 0)
            return;
        if (node.Local is not null)
        {
            il.Return(node.Local);
            node.Local = null;
        }
        else
        {
            foreach (var input in node.Inputs)
                Forget(input);
        }
    }

    /// <summary>Leaves one value on the stack; for conditions of branches.</summary>
    public void EmitValue(Node node)
    {
        CountUses(node);
        Prepare(node);
        Push(node);
    }

    private void CountUses(Node node)
    {
        if (node.Uses++ > 0)
            return;
        if (node.Op == NodeOp.StridedLoad)
            _stridedLoads.Add(node);
        foreach (var input in node.Inputs)
            CountUses(input);
    }

    private void Emit(Effect effect)
    {
        foreach (var input in effect.Inputs)
            Prepare(input);
        switch (effect.Kind)
        {
            case EffectKind.Materialize:
                foreach (var input in effect.Inputs)
                {
                    // Counted as a use to keep the local alive for the store; the store will count the other.
                    if (input.Local is null)
                        Keep(input);
                    Release(input);
                }
                break;
            case EffectKind.Store:
                var (address, value, stored) = (effect.Inputs[0], effect.Inputs[1], (DType)effect.Data!);
                if (Moves(value, stored))
                {
                    Move(address, value);
                }
                else if (value.Type.IsVector)
                {
                    var lane = CpuType.Of(stored);
                    Push(address);
                    PushToStore(value, stored);
                    if (stored == DType.Bool)
                        il.Call(Bools("Store", value));
                    else if (lane.Half is null)
                        il.Emit(OpCodes.Stobj, isa.Vector(lane.Lane!));
                    else
                        il.Call(lane.Vectors("Store", isa.Bits));
                }
                else
                {
                    Push(address);
                    PushToStore(value, stored);
                    StoreScalar(stored);
                }
                break;
            case EffectKind.MaskedStore:
                MaskedStore(effect);
                break;
            case EffectKind.StridedStore:
                StridedStore(effect);
                break;
            case EffectKind.RegisterWrite:
                Push(effect.Inputs[0]);
                il.Store(((RegisterElement)effect.Data!).Local);
                break;
            case EffectKind.RegisterWriteLane:
                var (element, at) = ((RegisterElement, int))effect.Data!;
                il.Load(element.Local);
                il.Int(at);
                Push(effect.Inputs[0]);
                il.Call(isa.WithInt("WithElement", VectorIsa.Scalar(element.Type.Element)));
                il.Store(element.Local);
                break;
            case EffectKind.Prefetch:
                Push(effect.Inputs[0]);
                il.Call(typeof(System.Runtime.Intrinsics.X86.Sse).GetMethod("Prefetch0")!);
                break;
            default:
                throw new InvalidOperationException($"no code for effect {effect.Kind}");
        }
    }

    /// <summary>Computes the shared values below a node into locals, operands first.</summary>
    private void Prepare(Node node)
    {
        if (_blocks.TryGetValue(node, out var block))
            ComputeBlock(block);
        if (node.Local is not null || node.IsTrivial)
            return;
        if (node.Op == NodeOp.LazySelect)
        {
            Prepare(node.Inputs[0]);
            var seen = new HashSet<Node>();
            PrepareOutside(node.Inputs[1], node.Depth, seen);
            PrepareOutside(node.Inputs[2], node.Depth, seen);
        }
        else if (_near.Contains(node))
        {
            Prepare(node.Inputs[0]);
        }
        else
        {
            foreach (var input in node.Inputs)
                Prepare(input);
        }
        if (node.Uses > 1)
            Keep(node);
    }

    // What an operand that may be left alone shares with the code around it is computed before the branch.
    private void PrepareOutside(Node node, int depth, HashSet<Node> seen)
    {
        if (node.Depth <= depth)
            Prepare(node);
        else if (seen.Add(node))
        {
            foreach (var input in node.Inputs)
                PrepareOutside(input, depth, seen);
        }
    }

    private void Keep(Node node)
    {
        Compute(node);
        node.Local = il.Rent(ClrType(node.Type));
        il.Store(node.Local);
    }

    private void Push(Node node)
    {
        if (node.Local is not null)
        {
            il.Load(node.Local);
            Release(node);
            return;
        }
        Compute(node);
        node.Uses--;
    }

    private void Release(Node node)
    {
        if (--node.Uses == 0 && node.Local is not null)
        {
            il.Return(node.Local);
            node.Local = null;
        }
    }

    private Type ClrType(ValueType type) =>
        type.IsVector
            ? isa.Vector(
                type.Element == DType.Bool
                    ? VectorIsa.MaskLane(isa.Bits / 8 / type.Lanes)
                    : VectorIsa.Scalar(type.Element)
            )
            : CpuType.Of(type.Element).Scalar;

    private void Compute(Node node)
    {
        switch (node.Op)
        {
            case NodeOp.IntConst:
                if (node.Type.Element == DType.Int64)
                    il.Long((long)node.Data!);
                else
                    il.Int((int)(long)node.Data!);
                break;
            case NodeOp.FloatConst:
                double constant = BitConverter.Int64BitsToDouble((long)node.Data!);
                if (node.Type.Element == DType.Float64)
                    il.Double(constant);
                else
                    il.Float(CpuType.Round(node.Type.Element, constant));
                break;
            case NodeOp.Variable:
                il.Load((LocalBuilder)node.Data!);
                break;
            case NodeOp.Address:
                var pointer = (PointerRef)node.Data!;
                il.Load(pointer.Pointer);
                il.AddOffset(pointer.Displacement);
                if (node.Inputs.Length > 0)
                {
                    Push(node.Inputs[0]);
                    il.Emit(OpCodes.Conv_I);
                    il.Emit(OpCodes.Add);
                }
                break;
            case NodeOp.Load:
                Push(node.Inputs[0]);
                if (node.Type.IsVector && node.Type.Element == DType.Bool)
                    il.Call(Bools("Load", node));
                else if (node.Type.IsVector && CpuType.Of(node.Type.Element) is { Half: not null } half)
                    il.Call(half.Vectors("Load", isa.Bits));
                else if (node.Type.IsVector)
                    il.Emit(OpCodes.Ldobj, isa.Vector(VectorIsa.Scalar(node.Type.Element)));
                else
                    LoadScalar((DType)node.Data!);
                break;
            case NodeOp.MaskedLoad:
                MaskedLoad(node);
                break;
            case NodeOp.StridedLoad:
                StridedLoad(node);
                break;
            case NodeOp.RegisterRead:
                il.Load(((RegisterElement)node.Data!).Local);
                break;
            case NodeOp.ExtractLane:
                Push(node.Inputs[0]);
                il.Int((int)node.Data!);
                il.Call(isa.WithInt("GetElement", VectorIsa.Scalar(node.Type.Element)));
                break;
            case NodeOp.Splat:
                Push(node.Inputs[0]);
                il.Call(isa.Create(VectorIsa.Scalar(node.Type.Element), 1));
                break;
            case NodeOp.Iota:
                il.Call(isa.Indices(VectorIsa.Scalar(node.Type.Element)));
                break;
            case NodeOp.SplatMask:
                Push(node.Inputs[0]);
                il.Emit(OpCodes.Neg);
                var maskLane = VectorIsa.MaskLane(isa.Bits / 8 / node.Type.Lanes);
                if (maskLane == typeof(long))
                    il.Emit(OpCodes.Conv_I8);
                il.Call(isa.Create(maskLane, 1));
                break;
            case NodeOp.AnyLane:
                var lane = VectorIsa.MaskLane(isa.Bits / 8 / node.Inputs[0].Type.Lanes);
                Push(node.Inputs[0]);
                il.Call(isa.Zero(lane));
                il.Call(isa.Op("EqualsAll", lane, 2));
                il.Int(0);
                il.Emit(OpCodes.Ceq);
                break;
            case NodeOp.LazySelect:
                LazySelect(node);
                break;
            case NodeOp.FarAngle when _near.Contains(node):
                Push(node.Inputs[0]);
                break;
            default:
                if (node.Type.IsVector)
                    new VectorArithmetic(il, isa, Push).Compute(node);
                else
                    new ScalarArithmetic(il, Push).Compute(node);
                break;
        }
    }

    private void LazySelect(Node node)
    {
        var otherwise = il.NewLabel();
        var end = il.NewLabel();
        Push(node.Inputs[0]);
        il.Emit(OpCodes.Brfalse, otherwise);
        Prepare(node.Inputs[1]);
        Push(node.Inputs[1]);
        il.Emit(OpCodes.Br, end);
        il.Mark(otherwise);
        Prepare(node.Inputs[2]);
        Push(node.Inputs[2]);
        il.Mark(end);
    }
}
