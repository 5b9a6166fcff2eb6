using System.Reflection;
using System.Reflection.Emit;
using Picograd.Algorithms;

namespace Picograd.Lower.Cpu.Codegen;

// Loads and stores: of one element in the type it is stored in, of vectors, masked or with strides.
internal sealed partial class RegionEmitter
{
    private void LoadScalar(DType stored)
    {
        var type = CpuType.Of(stored);
        il.Emit(type.Load);
        if (type.Half is not null)
            il.Call(type.Convert(nameof(IHalf.FromBits)));
    }

    private void StoreScalar(DType stored)
    {
        var type = CpuType.Of(stored);
        if (type.Half is not null)
            il.Call(type.Convert(nameof(IHalf.ToBits)));
        il.Emit(type.Store);
    }

    // A value that is about to be stored as a half: what was rounded to it from a float is rounded by the store.
    private void PushToStore(Node value, DType stored)
    {
        bool rounded =
            value is { Op: NodeOp.Cast, Uses: 1, Local: null }
            && stored.IsStorage()
            && value.Type.Element == stored
            && value.Inputs[0].Type.Element == DType.Float32;
        if (!rounded)
        {
            Push(value);
            return;
        }
        Push(value.Inputs[0]);
        value.Uses--;
    }

    // Halves that go from memory to memory as they are: their bits, without conversion; as much as a vector's lanes are.
    private bool Moves(Node value, DType stored) =>
        value is { Op: NodeOp.Load, Uses: 1, Local: null } && stored.IsStorage() && value.Type.Element == stored;

    private void Move(Node address, Node load)
    {
        Push(address);
        Push(load.Inputs[0]);
        load.Uses--;
        var whole =
            !load.Type.IsVector ? typeof(ushort)
            : load.Type.Bits == 128 ? typeof(long)
            : VectorIsa.Of(load.Type.Bits / 2).Vector(typeof(ushort));
        il.Emit(OpCodes.Ldobj, whole);
        il.Emit(OpCodes.Stobj, whole);
    }

    private MethodInfo Bools(string name, Node mask) => BoolVectors.Method(name, mask.Type.Bits, mask.Type.MaskBytes);

    private void MaskedLoad(Node node)
    {
        if (node.Type.Element == DType.Bool)
        {
            Push(node.Inputs[0]);
            Push(node.Inputs[1]);
            il.Call(Bools("MaskLoad", node));
            return;
        }
        var lane = VectorIsa.Scalar(node.Type.Element);
        if (CpuType.Of(node.Type.Element) is { Half: not null } half)
        {
            Push(node.Inputs[0]);
            PushMask(node.Inputs[1], typeof(int));
            il.Call(half.Vectors("MaskLoad", node.Type.Bits));
            return;
        }
        var own = VectorIsa.Of(node.Type);
        if (node.Data is StridedAccess apart)
        {
            Push(node.Inputs[0]);
            PushMask(node.Inputs[1], typeof(int));
            il.Int((int)apart.Stride);
            il.Call(StridedVectors.MaskLoad(node.Type.Bits));
            if (lane != typeof(int))
                il.Call(own.As(typeof(int), lane));
            return;
        }
        var (load, _, takesMerge, _) = own.Masked(lane);
        Push(node.Inputs[0]);
        PushMask(node.Inputs[1], lane);
        if (takesMerge)
            il.Call(own.Zero(lane));
        il.Call(load);
    }

    private void MaskedStore(Effect effect)
    {
        var stored = (DType)effect.Data!;
        if (stored == DType.Bool)
        {
            Push(effect.Inputs[0]);
            Push(effect.Inputs[2]);
            Push(effect.Inputs[1]);
            il.Call(Bools("MaskStore", effect.Inputs[1]));
            return;
        }
        if (CpuType.Of(stored) is { Half: not null } half)
        {
            Push(effect.Inputs[0]);
            PushMask(effect.Inputs[2], typeof(int));
            PushToStore(effect.Inputs[1], stored);
            il.Call(half.Vectors("MaskStore", effect.Inputs[1].Type.Bits));
            return;
        }
        var lane = VectorIsa.Scalar(stored);
        var (_, store, _, _) = VectorIsa.Of(effect.Inputs[1].Type).Masked(lane);
        Push(effect.Inputs[0]);
        PushMask(effect.Inputs[2], lane);
        Push(effect.Inputs[1]);
        il.Call(store);
    }

    private void PushMask(Node mask, Type lane)
    {
        Push(mask);
        var from = VectorIsa.LaneOf(mask.Type);
        if (from != lane)
            il.Call(VectorIsa.Of(mask.Type).As(from, lane));
    }

    private void StridedLoad(Node node)
    {
        var type = CpuType.Of(node.Type.Element);
        // Halves are converted together.
        var lane = type.Half is null ? type.Lane! : typeof(int);
        var access = (StridedAccess)node.Data!;
        if (
            type.Half is null
            && access.Symbolic is null
            && access.Count == node.Type.Lanes
            && StridedVectors.Load(node.Type.Bits, type.LaneSize, access.Stride / type.LaneSize) is { } whole
        )
        {
            Push(node.Inputs[0]);
            il.Call(whole);
            if (lane != StridedVectors.Lane(type.LaneSize))
                il.Call(VectorIsa.Of(node.Type).As(StridedVectors.Lane(type.LaneSize), lane));
            return;
        }
        var address = il.Rent(typeof(nint));
        Push(node.Inputs[0]);
        il.Store(address);
        var stride = Transpose.Walk(il, access);
        int all = node.Type.Bits / 8 / node.Type.LaneBytes;
        for (int i = 0; i < all; i++)
        {
            if (i >= access.Count)
            {
                PushZero(type.Half is null ? type.Type : DType.Int32);
                continue;
            }
            il.Load(address);
            if (stride is null)
                il.AddOffset(i * access.Stride);
            il.Emit(type.Load);
            if (i + 1 < access.Count)
                Transpose.Advance(il, address, stride);
        }
        il.Call(VectorIsa.Of(node.Type).Create(lane, all));
        if (type.Half is not null)
            il.Call(type.Vectors("Widen", node.Type.Bits));
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
        var (stride, count, stored, _) = (StridedStore)effect.Data!;
        var type = CpuType.Of(stored);
        var lane = type.Half is null ? type.Lane! : typeof(int);
        var address = il.Rent(typeof(nint));
        var own = VectorIsa.Of(effect.Inputs[1].Type);
        var value = il.Rent(own.Vector(lane));
        Push(effect.Inputs[0]);
        il.Store(address);
        PushToStore(effect.Inputs[1], stored);
        if (type.Half is not null)
            il.Call(type.Vectors("Narrow", own.Bits));
        il.Store(value);
        for (int i = 0; i < count; i++)
        {
            il.Load(address);
            il.AddOffset(i * stride);
            il.Load(value);
            il.Int(i);
            il.Call(own.WithInt("GetElement", lane));
            il.Emit(type.Store);
        }
        il.Return(address);
        il.Return(value);
    }
}
