using System.Reflection.Emit;
using Picograd.Algorithms;
using Picograd.Schedules;

namespace Picograd.Lower.Cpu;

/// <summary>
/// Writes a region as IL. A value used more than once is computed once into a local, just before its first use; the rest
/// stays on the evaluation stack, which the JIT turns into trees.
/// </summary>
internal sealed class RegionEmitter(IlWriter il, VectorIsa isa)
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
                var type = effect.Inputs[1].Type;
                if (type.IsVector)
                {
                    Push(effect.Inputs[1]);
                    Push(effect.Inputs[0]);
                    il.Call(isa.Store(VectorIsa.Scalar(type.Element)));
                }
                else
                {
                    Push(effect.Inputs[0]);
                    Push(effect.Inputs[1]);
                    StoreScalar((DType)effect.Data!);
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
                var (element, lane) = ((RegisterElement, int))effect.Data!;
                il.Load(element.Local);
                il.Int(lane);
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
            : ScalarTypes.Clr(type.Element);

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
                    il.Float(HalfFloats.Round(node.Type.Element, constant));
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
                if (node.Type.IsVector)
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

    private void LoadScalar(DType stored)
    {
        if (stored is DType.Float16 or DType.BFloat16)
        {
            il.Emit(OpCodes.Ldind_U2);
            il.Call(HalfFloats.FromBits(stored));
            return;
        }
        il.Emit(
            stored switch
            {
                DType.Float32 => OpCodes.Ldind_R4,
                DType.Float64 => OpCodes.Ldind_R8,
                DType.Int64 => OpCodes.Ldind_I8,
                DType.Int32 => OpCodes.Ldind_I4,
                DType.UInt32 => OpCodes.Ldind_U4,
                DType.UInt8 or DType.Bool => OpCodes.Ldind_U1,
                _ => throw new LoweringException("unsupported", $"loads of {stored.Name()} on the CPU"),
            }
        );
    }

    private void StoreScalar(DType stored)
    {
        if (stored is DType.Float16 or DType.BFloat16)
        {
            il.Call(HalfFloats.ToBits(stored));
            il.Emit(OpCodes.Stind_I2);
            return;
        }
        il.Emit(
            stored switch
            {
                DType.Float32 => OpCodes.Stind_R4,
                DType.Float64 => OpCodes.Stind_R8,
                DType.Int64 => OpCodes.Stind_I8,
                DType.Int32 or DType.UInt32 => OpCodes.Stind_I4,
                DType.UInt8 or DType.Bool => OpCodes.Stind_I1,
                _ => throw new LoweringException("unsupported", $"stores of {stored.Name()} on the CPU"),
            }
        );
    }

    private void MaskedLoad(Node node)
    {
        var lane = VectorIsa.Scalar(node.Type.Element);
        var (load, _, takesMerge, _) = isa.Masked(lane);
        Push(node.Inputs[0]);
        PushMask(node.Inputs[1], lane);
        if (takesMerge)
            il.Call(isa.Zero(lane));
        il.Call(load);
    }

    private void MaskedStore(Effect effect)
    {
        var lane = VectorIsa.Scalar(effect.Inputs[1].Type.Element);
        var (_, store, _, _) = isa.Masked(lane);
        Push(effect.Inputs[0]);
        PushMask(effect.Inputs[2], lane);
        Push(effect.Inputs[1]);
        il.Call(store);
    }

    private void PushMask(Node mask, Type lane)
    {
        Push(mask);
        var from = VectorIsa.MaskLane(isa.Bits / 8 / mask.Type.Lanes);
        if (from != lane)
            il.Call(isa.As(from, lane));
    }

    private void StridedLoad(Node node)
    {
        var lane = VectorIsa.Scalar(node.Type.Element);
        var access = (StridedAccess)node.Data!;
        var address = il.Rent(typeof(nint));
        Push(node.Inputs[0]);
        il.Store(address);
        var stride = Transpose.Walk(il, access);
        for (int i = 0; i < node.Type.Lanes; i++)
        {
            if (i >= access.Count)
            {
                PushZero(node.Type.Element);
                continue;
            }
            il.Load(address);
            if (stride is null)
                il.AddOffset(i * access.Stride);
            LoadScalar(node.Type.Element);
            if (i + 1 < access.Count)
                Transpose.Advance(il, address, stride);
        }
        il.Call(isa.Create(lane, node.Type.Lanes));
        il.Return(address);
        if (stride is not null)
            il.Return(stride);
    }

    private void PushZero(DType type)
    {
        if (type == DType.Float32)
            il.Float(0);
        else if (type == DType.Float64)
            il.Double(0);
        else if (type == DType.Int64)
            il.Long(0);
        else
            il.Int(0);
    }

    private void StridedStore(Effect effect)
    {
        var (stride, count) = ((long, int))effect.Data!;
        var type = effect.Inputs[1].Type;
        var lane = VectorIsa.Scalar(type.Element);
        var address = il.Rent(typeof(nint));
        var value = il.Rent(ClrType(type));
        Push(effect.Inputs[0]);
        il.Store(address);
        Push(effect.Inputs[1]);
        il.Store(value);
        for (int i = 0; i < count; i++)
        {
            il.Load(address);
            il.AddOffset(i * stride);
            il.Load(value);
            il.Int(i);
            il.Call(isa.WithInt("GetElement", lane));
            StoreScalar(type.Element);
        }
        il.Return(address);
        il.Return(value);
    }
}
