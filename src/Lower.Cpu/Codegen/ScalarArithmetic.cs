using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Functions;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>IL of scalar operators.</summary>
internal sealed class ScalarArithmetic(IlWriter il, Action<Node> push)
{
    public void Compute(Node node)
    {
        var type = node.Type.Element;
        switch (node.Op)
        {
            case NodeOp.Unary:
                Unary((UnaryOp)node.Data!, node.Inputs[0], type);
                break;
            case NodeOp.Function:
                Function((ScalarFunction)node.Data!, node.Inputs, type);
                break;
            case NodeOp.Binary:
                Binary((BinaryOp)node.Data!, node.Inputs[0], node.Inputs[1]);
                break;
            case NodeOp.Fma:
                push(node.Inputs[0]);
                push(node.Inputs[1]);
                push(node.Inputs[2]);
                Call(Math(type), "FusedMultiplyAdd", Clr(type), 3);
                break;
            case NodeOp.Select:
                Branch(node);
                break;
            case NodeOp.Cast:
                push(node.Inputs[0]);
                Cast(node.Inputs[0].Type.Element, type);
                break;
            case NodeOp.Bitcast:
                push(node.Inputs[0]);
                Bitcast(node.Inputs[0].Type.Element, type);
                break;
            default:
                throw new InvalidOperationException($"no scalar code for {node.Op}");
        }
    }

    private static Type Math(DType type) => type == DType.Float64 ? typeof(System.Math) : typeof(MathF);

    private static Type Clr(DType type) => CpuType.Of(type).Scalar;

    private void Call(Type owner, string name, Type argument, int arity) =>
        il.Call(owner.GetMethod(name, [.. Enumerable.Repeat(argument, arity)])!);

    private void Unary(UnaryOp kind, Node a, DType type)
    {
        push(a);
        switch (kind)
        {
            case UnaryOp.Neg:
                il.Emit(OpCodes.Neg);
                Wrap(type);
                break;
            case UnaryOp.Not:
                il.Int(0);
                il.Emit(OpCodes.Ceq);
                break;
            case UnaryOp.Abs when type.IsFloat():
                Call(Math(type), "Abs", Clr(type), 1);
                break;
            case UnaryOp.Abs when CpuType.Of(type).IsUnsigned:
                break;
            case UnaryOp.Abs:
                Call(typeof(IntegerArithmetic), "Abs", Clr(type), 1);
                Wrap(type);
                break;
            case UnaryOp.Sqrt:
                Call(Math(type), "Sqrt", Clr(type), 1);
                break;
            case UnaryOp.Floor:
                Call(Math(type), "Floor", Clr(type), 1);
                break;
            case UnaryOp.Ceil:
                Call(Math(type), "Ceiling", Clr(type), 1);
                break;
            case UnaryOp.Round:
                Call(Math(type), "Round", Clr(type), 1);
                break;
            default:
                throw new LoweringException(
                    "unsupported",
                    $"{kind} of {type.Name()} reached code generation unexpanded"
                );
        }
    }

    private void Function(ScalarFunction function, Node[] arguments, DType type)
    {
        foreach (var argument in arguments)
            push(argument);
        if (type == DType.Float32 && function.Kernel is not null)
            il.Call(function.KernelMethod(typeof(float)));
        else if (type == DType.Float64 && function.Reference is { Target: null } reference)
            il.Call(reference.Method);
        else
            throw new LoweringException(
                "unsupported",
                $"{function.Name} of {type.Name()} reached code generation unexpanded"
            );
    }

    private void Binary(BinaryOp kind, Node a, Node b)
    {
        var type = a.Type.Element;
        bool unsigned = CpuType.Of(type).IsUnsigned;
        switch (kind)
        {
            case BinaryOp.FloorDiv or BinaryOp.Mod:
                FloorDivision(kind, a, b);
                return;
            case BinaryOp.Min or BinaryOp.Max:
                push(a);
                push(b);
                Call(type.IsFloat() ? Math(type) : typeof(System.Math), kind.ToString(), Clr(type), 2);
                return;
            case BinaryOp.Shl or BinaryOp.Shr:
                push(a);
                push(b);
                if (b.Type.Element == DType.Int64)
                    il.Emit(OpCodes.Conv_I4);
                il.Emit(
                    kind == BinaryOp.Shl ? OpCodes.Shl
                    : unsigned ? OpCodes.Shr_Un
                    : OpCodes.Shr
                );
                if (kind == BinaryOp.Shl)
                    Wrap(type);
                return;
            default:
                break;
        }
        push(a);
        push(b);
        switch (kind)
        {
            case BinaryOp.Add:
                il.Emit(OpCodes.Add);
                break;
            case BinaryOp.Sub:
                il.Emit(OpCodes.Sub);
                break;
            case BinaryOp.Mul:
                il.Emit(OpCodes.Mul);
                break;
            case BinaryOp.Div:
                il.Emit(OpCodes.Div);
                break;
            case BinaryOp.Eq:
                il.Emit(OpCodes.Ceq);
                break;
            case BinaryOp.Ne:
                il.Emit(OpCodes.Ceq);
                Negate();
                break;
            case BinaryOp.Lt:
                il.Emit(unsigned ? OpCodes.Clt_Un : OpCodes.Clt);
                break;
            case BinaryOp.Le:
                // a ≤ b is not (a > b); for floats the unordered compare makes NaN come out false.
                il.Emit(unsigned != type.IsFloat() ? OpCodes.Cgt_Un : OpCodes.Cgt);
                Negate();
                break;
            case BinaryOp.And or BinaryOp.BitAnd:
                il.Emit(OpCodes.And);
                break;
            case BinaryOp.Or or BinaryOp.BitOr:
                il.Emit(OpCodes.Or);
                break;
            case BinaryOp.BitXor:
                il.Emit(OpCodes.Xor);
                break;
            default:
                throw new InvalidOperationException($"no scalar code for {kind}");
        }
        if (kind is BinaryOp.Add or BinaryOp.Sub or BinaryOp.Mul)
            Wrap(type);
    }

    private void Wrap(DType type)
    {
        if (CpuType.Of(type).Wrap is { } wrap)
            il.Emit(wrap);
    }

    private void Negate()
    {
        il.Int(0);
        il.Emit(OpCodes.Ceq);
    }

    private void FloorDivision(BinaryOp kind, Node a, Node b)
    {
        var type = a.Type.Element;
        if (
            b.Op == NodeOp.IntConst
            && type != DType.UInt32
            && (long)b.Data! is > 0 and var divisor
            && long.IsPow2(divisor)
        )
        {
            push(a);
            if (type == DType.Int64 && kind == BinaryOp.Mod)
                il.Long(divisor - 1);
            else
                il.Int((int)(kind == BinaryOp.Mod ? divisor - 1 : long.Log2(divisor)));
            il.Emit(kind == BinaryOp.Mod ? OpCodes.And : OpCodes.Shr);
            b.Uses--;
            return;
        }
        push(a);
        push(b);
        if (CpuType.Of(type).IsUnsigned)
        {
            il.Emit(kind == BinaryOp.Mod ? OpCodes.Rem_Un : OpCodes.Div_Un);
            return;
        }
        il.Call(
            typeof(IntegerArithmetic).GetMethod(kind == BinaryOp.Mod ? "Mod" : "FloorDiv", [Clr(type), Clr(type)])!
        );
        if (kind == BinaryOp.FloorDiv)
            Wrap(type);
    }

    private void Branch(Node node)
    {
        // Both sides are cheap and cannot fault: still a branch, which the JIT turns into a conditional move.
        var otherwise = il.NewLabel();
        var end = il.NewLabel();
        push(node.Inputs[0]);
        il.Emit(OpCodes.Brfalse, otherwise);
        push(node.Inputs[1]);
        il.Emit(OpCodes.Br, end);
        il.Mark(otherwise);
        push(node.Inputs[2]);
        il.Mark(end);
    }

    private void Cast(DType from, DType to)
    {
        bool unsigned = CpuType.Of(from).IsUnsigned;
        switch (to)
        {
            case var _ when to.IsStorage() && from is DType.Float64 or DType.Int64 or DType.Int32 or DType.UInt32:
                if (from == DType.Int32)
                    il.Emit(OpCodes.Conv_I8);
                else if (from == DType.UInt32)
                    il.Emit(OpCodes.Conv_U8);
                // The float that rounds to a half as the value itself does.
                var odd = from == DType.Float64 ? typeof(double) : typeof(long);
                il.Call(typeof(FloatFunctions).GetMethod(nameof(FloatFunctions.ToOdd), [odd])!);
                RoundTo(to);
                break;
            case DType.Float32 when from == DType.Float64:
                il.Call(typeof(FloatConversions).GetMethod(nameof(FloatConversions.Narrow))!);
                break;
            case DType.Float64 when from.IsFloat() && from.Compute() == DType.Float32:
                il.Call(typeof(FloatConversions).GetMethod(nameof(FloatConversions.Widen))!);
                break;
            case var _ when to.Compute() == DType.Float32:
                if (unsigned)
                    il.Emit(OpCodes.Conv_R_Un);
                il.Emit(OpCodes.Conv_R4);
                if (to != DType.Float32)
                    RoundTo(to);
                break;
            case DType.Float64:
                il.Emit(unsigned ? OpCodes.Conv_R_Un : OpCodes.Conv_R8);
                if (unsigned)
                    il.Emit(OpCodes.Conv_R8);
                break;
            case DType.Int64:
                il.Emit(unsigned ? OpCodes.Conv_U8 : OpCodes.Conv_I8);
                break;
            case DType.Int32:
                il.Emit(OpCodes.Conv_I4);
                break;
            case DType.UInt32:
                il.Emit(from.IsFloat() ? OpCodes.Conv_I8 : OpCodes.Conv_U4);
                if (from.IsFloat())
                    il.Emit(OpCodes.Conv_U4);
                break;
            case var _ when CpuType.Of(to).Wrap is { } wrap:
                // By way of 32 bits, as in vectors.
                if (from.IsFloat())
                    il.Emit(OpCodes.Conv_I4);
                il.Emit(wrap);
                break;
            case DType.Bool:
                if (from == DType.Float64)
                    il.Double(0);
                else if (from.IsFloat())
                    il.Float(0);
                else if (from == DType.Int64)
                    il.Long(0);
                else
                    il.Int(0);
                il.Emit(OpCodes.Ceq);
                Negate();
                break;
            default:
                throw new LoweringException("unsupported", $"conversion to {to.Name()} on the CPU");
        }
    }

    private void RoundTo(DType half)
    {
        il.Call(CpuType.Of(half).Convert(nameof(IHalf.ToBits)));
        il.Call(CpuType.Of(half).Convert(nameof(IHalf.FromBits)));
    }

    private void Bitcast(DType from, DType to)
    {
        switch (from, to)
        {
            case (DType.Float32, DType.Int32):
                Call(typeof(BitConverter), "SingleToInt32Bits", typeof(float), 1);
                break;
            case (DType.Float32, DType.UInt32):
                Call(typeof(BitConverter), "SingleToUInt32Bits", typeof(float), 1);
                break;
            case (DType.Int32, DType.Float32):
                Call(typeof(BitConverter), "Int32BitsToSingle", typeof(int), 1);
                break;
            case (DType.UInt32, DType.Float32):
                Call(typeof(BitConverter), "UInt32BitsToSingle", typeof(uint), 1);
                break;
            case (DType.Float64, DType.Int64):
                Call(typeof(BitConverter), "DoubleToInt64Bits", typeof(double), 1);
                break;
            case (DType.Int64, DType.Float64):
                Call(typeof(BitConverter), "Int64BitsToDouble", typeof(long), 1);
                break;
            case (DType.Int32, DType.UInt32) or (DType.UInt32, DType.Int32):
                break;
            default:
                throw new LoweringException("unsupported", $"bitcast from {from.Name()} to {to.Name()}");
        }
    }
}

/// <summary>
/// For generated code: conversions of a whole register. The scalar instructions leave the rest of theirs as it was, so that
/// each waits for what had it before (running sums of 1000 x 1000, eight rows at a time: 2.1 ms).
/// </summary>
public static class FloatConversions
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Widen(float x) =>
        Sse2.IsSupported ? Sse2.ConvertToVector128Double(Vector128.CreateScalar(x)).ToScalar() : x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Narrow(double x) =>
        Sse2.IsSupported ? Sse2.ConvertToVector128Single(Vector128.CreateScalar(x)).ToScalar() : (float)x;
}

/// <summary>For generated code: division rounding towards minus infinity, and what must wrap and not fault.</summary>
public static class IntegerArithmetic
{
    public static long Abs(long a) => a < 0 ? unchecked(-a) : a;

    public static int Abs(int a) => a < 0 ? unchecked(-a) : a;

    public static long FloorDiv(long a, long b) => Op.FloorDiv(a, b);

    public static long Mod(long a, long b) => a - Op.FloorDiv(a, b) * b;

    public static int FloorDiv(int a, int b) => (int)Op.FloorDiv(a, b);

    public static int Mod(int a, int b) => (int)(a - Op.FloorDiv(a, b) * b);
}
