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
        new VectorArithmetic(il, Push).BranchIfFar(angles, far);
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
        for (int i = 0; i < region.Effects.Count; i++)
        {
            if (Interleaved(region.Effects, i) is { } stores)
            {
                StoreInterleaved(stores);
                i += stores.Length - 1;
            }
            else
                Emit(region.Effects[i]);
            il.CheckLimits();
        }
    }

    // Strided stores that follow one another and together fill a stretch of memory, by their places.
    private static Effect[]? Interleaved(List<Effect> effects, int first)
    {
        if (effects[first] is not { Kind: EffectKind.StridedStore, Data: StridedStore store })
            return null;
        int size = store.Type.Size();
        long apart = store.Stride / size;
        if (
            store.Type.IsStorage()
            || first + apart > effects.Count
            || StridedVectors.Store(effects[first].Inputs[1].Type.Bits, size, apart) is null
        )
            return null;
        var all = effects.GetRange(first, (int)apart);
        if (
            !all.TrueForAll(e =>
                e.Kind == EffectKind.StridedStore
                && e.Data is StridedStore s
                && s == store
                && s.Alone
                && s.Count == e.Inputs[1].Type.Lanes
                && Place(e).Pointer == Place(all[0]).Pointer
                && e.Inputs[0].Inputs.SequenceEqual(all[0].Inputs[0].Inputs)
            )
        )
            return null;
        var ordered = all.OrderBy(e => Place(e).Displacement).ToArray();
        long start = Place(ordered[0]).Displacement;
        return ordered.Index().All(e => Place(e.Item).Displacement == start + e.Index * size) ? ordered : null;
    }

    private static PointerRef Place(Effect store) => (PointerRef)store.Inputs[0].Data!;

    private void StoreInterleaved(Effect[] stores)
    {
        foreach (var store in stores)
        {
            foreach (var input in store.Inputs)
                Prepare(input);
        }
        var type = stores[0].Inputs[1].Type;
        var (own, whole) = (VectorIsa.LaneOf(type), StridedVectors.Lane(type.LaneBytes));
        Push(stores[0].Inputs[0]);
        foreach (var store in stores)
        {
            Push(store.Inputs[1]);
            if (own != whole)
                il.Call(VectorIsa.Of(type).As(own, whole));
            if (store != stores[0])
                Forget(store.Inputs[0]);
        }
        il.Call(StridedVectors.Store(type.Bits, type.LaneBytes, stores.Length)!);
    }

    // Strided loads that together read a square block are computed together, at the first of them.
    private void FindBlocks()
    {
        var transpose = new Transpose(il, isa);
        var candidates = _stridedLoads.Where(n =>
            transpose.IsAvailable(n.Type.Element) && n.Type.Lanes == isa.Bits / 32
        );
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
                    else if (lane.Half is not null)
                        il.Call(lane.Vectors("Store", value.Type.Bits));
                    else if (value.Type.IsPartial)
                        StorePartial(value.Type);
                    else
                        il.Emit(OpCodes.Stobj, VectorIsa.Of(value.Type).Vector(lane.Lane!));
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
                if (element.Type.Element == DType.Bool)
                    ToMaskLane(element.Type.MaskBytes);
                il.Call(VectorIsa.Of(element.Type).WithInt("WithElement", VectorIsa.LaneOf(element.Type)));
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
        type.IsVector ? VectorIsa.Of(type).Vector(VectorIsa.LaneOf(type)) : CpuType.Of(type.Element).Scalar;

    private void StorePartial(ValueType type)
    {
        if (VectorIsa.LaneOf(type) != typeof(byte))
            il.Call(VectorIsa.Of(type).As(VectorIsa.LaneOf(type), typeof(byte)));
        il.Call(PartialVectors.Method("Store", type.Lanes * type.LaneBytes));
    }

    private void LoadPartial(ValueType type)
    {
        il.Call(PartialVectors.Method("Load", type.Lanes * type.LaneBytes));
        if (VectorIsa.LaneOf(type) != typeof(byte))
            il.Call(VectorIsa.Of(type).As(typeof(byte), VectorIsa.LaneOf(type)));
    }

    // All bits from a bool.
    private void ToMaskLane(int bytes)
    {
        il.Emit(OpCodes.Neg);
        if (bytes == 8)
            il.Emit(OpCodes.Conv_I8);
        else if (bytes == 1)
            il.Emit(OpCodes.Conv_U1);
    }

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
                    il.Call(half.Vectors("Load", node.Type.Bits));
                else if (node.Type.IsPartial && node.Type.IsVector)
                    LoadPartial(node.Type);
                else if (node.Type.IsVector)
                    il.Emit(OpCodes.Ldobj, ClrType(node.Type));
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
                var from = node.Inputs[0].Type;
                Push(node.Inputs[0]);
                il.Int((int)node.Data!);
                il.Call(VectorIsa.Of(from).WithInt("GetElement", VectorIsa.LaneOf(from)));
                if (from.Element == DType.Bool)
                {
                    il.Emit(OpCodes.Conv_I4);
                    il.Int(1);
                    il.Emit(OpCodes.And);
                }
                break;
            case NodeOp.Splat:
                Push(node.Inputs[0]);
                if (CpuType.Of(node.Type.Element).Wrap is { } wrap)
                    il.Emit(wrap);
                il.Call(VectorIsa.Of(node.Type).Create(VectorIsa.LaneOf(node.Type), 1));
                break;
            case NodeOp.Iota:
                il.Call(VectorIsa.Of(node.Type).Indices(VectorIsa.LaneOf(node.Type)));
                break;
            case NodeOp.SplatMask:
                Push(node.Inputs[0]);
                ToMaskLane(node.Type.MaskBytes);
                il.Call(VectorIsa.Of(node.Type).Create(VectorIsa.LaneOf(node.Type), 1));
                break;
            case NodeOp.MaskCast:
                Push(node.Inputs[0]);
                il.Call(LaneCasts.Mask(node.Inputs[0].Type.MaskBytes, node.Type.MaskBytes, node.Type.Lanes));
                break;
            case NodeOp.AnyLane:
                var lane = VectorIsa.LaneOf(node.Inputs[0].Type);
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
                    new VectorArithmetic(il, Push).Compute(node);
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
