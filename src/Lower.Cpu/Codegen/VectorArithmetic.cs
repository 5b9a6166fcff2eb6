using System.Reflection.Emit;
using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Lower.Cpu.Runtime;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>Calls of vector operators. Masks are integer vectors with all bits of a lane set or clear.</summary>
internal sealed class VectorArithmetic(IlWriter il, Action<Node> push)
{
    public void Compute(Node node)
    {
        var type = node.Type.Element;
        var isa = VectorIsa.Of(node.Type);
        switch (node.Op)
        {
            case NodeOp.Unary:
                push(node.Inputs[0]);
                Unary((UnaryOp)node.Data!, node);
                break;
            case NodeOp.Function:
                foreach (var argument in node.Inputs)
                    push(argument);
                il.Call(((ScalarFunction)node.Data!).KernelMethod(isa.Vector(Lane(node))));
                break;
            case NodeOp.Binary:
                Binary(node, (BinaryOp)node.Data!);
                break;
            case NodeOp.Fma:
                push(node.Inputs[0]);
                push(node.Inputs[1]);
                push(node.Inputs[2]);
                il.Call(isa.Op("FusedMultiplyAdd", Lane(node), 3));
                break;
            case NodeOp.Select:
                var lane = Lane(node);
                push(node.Inputs[0]);
                var maskLane = Lane(node.Inputs[0]);
                if (maskLane != lane)
                    il.Call(isa.As(maskLane, lane));
                push(node.Inputs[1]);
                push(node.Inputs[2]);
                il.Call(isa.Op("ConditionalSelect", lane, 3));
                break;
            case NodeOp.Cast:
                push(node.Inputs[0]);
                Cast(node, node.Inputs[0].Type.Element, type);
                break;
            case NodeOp.FarAngle:
                FarAngle(node);
                break;
            case NodeOp.Bitcast:
                push(node.Inputs[0]);
                il.Call(isa.As(Lane(node.Inputs[0]), Lane(node)));
                break;
            default:
                throw new InvalidOperationException($"no vector code for {node.Op}");
        }
    }

    /// <summary>Branches where a lane of an angle is beyond the range, or NaN. The evaluation stack must be empty.</summary>
    public void BranchIfFar(IReadOnlyList<Node> angles, Label far)
    {
        // Groups of one type, in the order of their first; by loops, since .NET has no code for groups by a struct.
        for (int i = 0; i < angles.Count; i++)
        {
            var type = angles[i].Type;
            bool seen = false;
            for (int j = 0; j < i && !seen; j++)
                seen = angles[j].Type == type;
            if (seen)
                continue;
            Node[] group = [.. angles.Where(a => a.Type == type)];
            BranchIfFar(group, VectorIsa.Of(type), Lane(group[0]) == typeof(double), far);
        }
    }

    // Bits without the sign, as integers, order as the magnitudes do, with NaN above infinity. The units for products,
    // which the functions keep busy, take no part: a sum of squares is half as many instructions, but slower.
    private void BranchIfFar(Node[] angles, VectorIsa isa, bool wide, Label far)
    {
        var bits = wide ? typeof(long) : typeof(int);
        for (int i = 0; i < angles.Length; i++)
        {
            push(angles[i]);
            il.Call(isa.As(Lane(angles[i]), bits));
            Bits(long.MaxValue, int.MaxValue);
            il.Call(isa.Op("BitwiseAnd", bits, 2));
            if (i > 0)
                il.Call(isa.Op("Max", bits, 2));
        }
        Bits(
            BitConverter.DoubleToInt64Bits(ScalarFunctions.AngleRangeFloat64),
            BitConverter.SingleToInt32Bits((float)ScalarFunctions.AngleRange)
        );
        il.Call(isa.Op("GreaterThanAny", bits, 2));
        il.Emit(OpCodes.Brtrue, far);

        void Bits(long ofDouble, int ofFloat)
        {
            if (wide)
                il.Long(ofDouble);
            else
                il.Int(ofFloat);
            il.Call(isa.Create(bits, 1));
        }
    }

    // One comparison and a branch where all lanes are near; for code that is not the body of a loop of one stretch
    // (FunctionEmitter.EmitNearAndFar).
    private void FarAngle(Node node)
    {
        var lane = Lane(node);
        var isa = VectorIsa.Of(node.Type);
        var (near, angle) = (il.NewLocal(isa.Vector(lane)), il.NewLocal(isa.Vector(lane)));
        push(node.Inputs[0]);
        il.Store(near);
        push(node.Inputs[1]);
        il.Store(angle);
        var end = il.NewLabel();
        il.Load(angle);
        il.Call(isa.Op("Abs", lane, 1));
        if (lane == typeof(double))
            il.Double(ScalarFunctions.AngleRangeFloat64);
        else
            il.Float((float)ScalarFunctions.AngleRange);
        il.Call(isa.Create(lane, 1));
        il.Call(isa.Op("LessThanOrEqualAll", lane, 2));
        il.Emit(OpCodes.Brtrue, end);
        il.Load(near);
        il.Load(angle);
        il.Pointer(((ScalarFunction)node.Data!).Reference!.Method);
        il.Call(FarAngles.Method(isa.Vector(lane)));
        il.Store(near);
        il.Mark(end);
        il.Load(near);
    }

    private static Type Lane(Node node) => VectorIsa.LaneOf(node.Type);

    private void Unary(UnaryOp kind, Node node)
    {
        string name = kind switch
        {
            UnaryOp.Neg => "Negate",
            UnaryOp.Not => "OnesComplement",
            UnaryOp.Abs => "Abs",
            UnaryOp.Sqrt => "Sqrt",
            UnaryOp.Floor => "Floor",
            UnaryOp.Ceil => "Ceiling",
            UnaryOp.Round => "Round",
            _ => throw new LoweringException("unsupported", $"vector {kind} reached code generation unexpanded"),
        };
        il.Call(VectorIsa.Of(node.Type).Op(name, Lane(node), 1));
    }

    private void Binary(Node node, BinaryOp kind)
    {
        var (a, b) = (node.Inputs[0], node.Inputs[1]);
        var lane = Lane(a);
        var isa = VectorIsa.Of(a.Type);
        if (kind is BinaryOp.Shl or BinaryOp.Shr)
        {
            push(a);
            push(b);
            bool unsigned = lane == typeof(uint);
            string shift =
                kind == BinaryOp.Shl ? "ShiftLeft"
                : unsigned ? "ShiftRightLogical"
                : "ShiftRightArithmetic";
            il.Call(isa.WithInt(shift, lane));
            return;
        }
        push(a);
        push(b);
        string name = kind switch
        {
            BinaryOp.Add => "Add",
            BinaryOp.Sub => "Subtract",
            BinaryOp.Mul => "Multiply",
            BinaryOp.Div => "Divide",
            BinaryOp.Min => "Min",
            BinaryOp.Max => "Max",
            BinaryOp.Eq or BinaryOp.Ne => "Equals",
            BinaryOp.Lt => "LessThan",
            BinaryOp.Le => "LessThanOrEqual",
            BinaryOp.And or BinaryOp.BitAnd => "BitwiseAnd",
            BinaryOp.Or or BinaryOp.BitOr => "BitwiseOr",
            BinaryOp.BitXor => "Xor",
            _ => throw new LoweringException("unsupported", $"vector {kind}"),
        };
        il.Call(isa.Op(name, lane, 2));
        if (kind is BinaryOp.Eq or BinaryOp.Ne or BinaryOp.Lt or BinaryOp.Le)
        {
            var mask = Lane(node);
            if (lane != mask)
                il.Call(isa.As(lane, mask));
            if (kind == BinaryOp.Ne)
                il.Call(isa.Op("OnesComplement", mask, 1));
        }
    }

    private void Cast(Node node, DType from, DType to)
    {
        var isa = VectorIsa.Of(node.Inputs[0].Type);
        var (fromLane, toLane) = (Lane(node.Inputs[0]), Lane(node));
        switch (from, to)
        {
            // The lanes of halves are floats.
            case (_, DType.Float32) when from.IsStorage():
                break;
            case (DType.Float32, _) when to.IsStorage():
                il.Call(CpuType.Of(to).Vectors("Narrow", isa.Bits));
                il.Call(CpuType.Of(to).Vectors("Widen", isa.Bits));
                break;
            case (DType.Int32 or DType.UInt32, DType.Float32):
                il.Call(isa.Convert("ConvertToSingle", fromLane));
                break;
            case (DType.Float32, DType.Int32):
                il.Call(isa.Convert("ConvertToInt32Native", fromLane));
                break;
            case (DType.Int64, DType.Float64):
                il.Call(isa.Convert("ConvertToDouble", fromLane));
                break;
            case (DType.Float64, DType.Int64):
                il.Call(isa.Convert("ConvertToInt64Native", fromLane));
                break;
            case (DType.Int32, DType.UInt32) or (DType.UInt32, DType.Int32):
                il.Call(isa.As(fromLane, toLane));
                break;
            default:
                il.Call(LaneCasts.Method(fromLane, toLane, node.Type.Lanes));
                break;
        }
    }
}
