using System.Globalization;
using System.Reflection;
using System.Reflection.Emit;
using System.Text;
using System.Text.RegularExpressions;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// An ILGenerator that counts what makes RyuJIT give up optimising: beyond any of these it compiles with minimal
/// optimisation and the kernel runs several times slower (a 6×16 matmul kernel fell from 102 to 14 GFLOP/s). The numbers
/// are DEFAULT_MIN_OPTS_* of the JIT's sources.
/// </summary>
internal sealed partial class IlWriter(ILGenerator il)
{
    public const int MaxIlBytes = 60_000;
    public const int MaxInstructions = 20_000;
    public const int MaxBasicBlocks = 2_000;
    public const int MaxLocals = 2_000;
    public const int MaxLocalReferences = 8_000;

    private readonly Dictionary<Type, Stack<LocalBuilder>> _free = [];
    private readonly StringBuilder? _text = Recording;

    /// <summary>Where methods that this thread makes are written down too, one instruction a line; null for nowhere.</summary>
    [field: ThreadStatic]
    internal static StringBuilder? Recording { get; set; }

    public int Instructions { get; private set; }

    public int LocalReferences { get; private set; }

    public int Labels { get; private set; }

    public int Locals { get; private set; }

    public int IlBytes => il.ILOffset;

    public LocalBuilder NewLocal(Type type)
    {
        Locals++;
        _text?.Append($"local {Plain(type)}\n");
        return il.DeclareLocal(type);
    }

    /// <summary>A local for a value that dies soon; give it back with <see cref="Return"/>.</summary>
    public LocalBuilder Rent(Type type) =>
        _free.TryGetValue(type, out var stack) && stack.TryPop(out var local) ? local : NewLocal(type);

    public void Return(LocalBuilder local)
    {
        if (!_free.TryGetValue(local.LocalType, out var stack))
            _free[local.LocalType] = stack = [];
        stack.Push(local);
    }

    public Label NewLabel()
    {
        Labels++;
        return il.DefineLabel();
    }

    public void Mark(Label label)
    {
        _text?.Append(CultureInfo.InvariantCulture, $"{label.Id}:\n");
        il.MarkLabel(label);
    }

    public void Emit(OpCode op)
    {
        Instructions++;
        _text?.Append($"{op}\n");
        il.Emit(op);
    }

    public void Emit(OpCode op, Label label)
    {
        Instructions++;
        _text?.Append(CultureInfo.InvariantCulture, $"{op} {label.Id}\n");
        il.Emit(op, label);
    }

    public void Emit(OpCode op, Type type)
    {
        Instructions++;
        _text?.Append($"{op} {Plain(type)}\n");
        il.Emit(op, type);
    }

    /// <summary>A pointer to a static method.</summary>
    public void Pointer(MethodInfo method)
    {
        Instructions++;
        il.Emit(OpCodes.Ldftn, method);
    }

    public void Call(MethodInfo method)
    {
        Instructions++;
        _text?.Append($"call {Plain(method.DeclaringType)} {Plain(method)}\n");
        il.Emit(OpCodes.Call, method);
    }

    public void Load(LocalBuilder local)
    {
        Count();
        _text?.Append(CultureInfo.InvariantCulture, $"ldloc {local.LocalIndex}\n");
        il.Emit(OpCodes.Ldloc, local);
    }

    public void Store(LocalBuilder local)
    {
        Count();
        _text?.Append(CultureInfo.InvariantCulture, $"stloc {local.LocalIndex}\n");
        il.Emit(OpCodes.Stloc, local);
    }

    public void Argument(int index)
    {
        Instructions++;
        _text?.Append(CultureInfo.InvariantCulture, $"ldarg {index}\n");
        il.Emit(OpCodes.Ldarg, (short)index);
    }

    public void Int(int value)
    {
        Instructions++;
        _text?.Append(CultureInfo.InvariantCulture, $"ldc.i4 {value}\n");
        if (value is >= sbyte.MinValue and <= sbyte.MaxValue)
            il.Emit(OpCodes.Ldc_I4_S, (sbyte)value);
        else
            il.Emit(OpCodes.Ldc_I4, value);
    }

    public void Long(long value)
    {
        Instructions++;
        _text?.Append(CultureInfo.InvariantCulture, $"ldc.i8 {value}\n");
        il.Emit(OpCodes.Ldc_I8, value);
    }

    /// <summary>An address of this process, which is another in every process.</summary>
    public void Address(nint value)
    {
        Instructions++;
        _text?.Append("address\n");
        il.Emit(OpCodes.Ldc_I8, (long)value);
    }

    public void Float(float value)
    {
        Instructions++;
        _text?.Append(CultureInfo.InvariantCulture, $"ldc.r4 {BitConverter.SingleToInt32Bits(value):x8}\n");
        il.Emit(OpCodes.Ldc_R4, value);
    }

    public void Double(double value)
    {
        Instructions++;
        _text?.Append(CultureInfo.InvariantCulture, $"ldc.r8 {BitConverter.DoubleToInt64Bits(value):x16}\n");
        il.Emit(OpCodes.Ldc_R8, value);
    }

    /// <summary>Adds a constant to the native integer on the stack.</summary>
    public void AddOffset(long bytes)
    {
        if (bytes == 0)
            return;
        // An int32 adds to a native integer as it is.
        if (bytes is >= int.MinValue and <= int.MaxValue)
        {
            Int((int)bytes);
        }
        else
        {
            Long(bytes);
            Emit(OpCodes.Conv_I);
        }
        Emit(OpCodes.Add);
    }

    /// <summary>Throws where the method would not be optimised.</summary>
    public void CheckLimits()
    {
        Check("il-too-large", IlBytes, MaxIlBytes, "bytes of IL");
        Check("il-too-long", Instructions, MaxInstructions, "IL instructions");
        Check("too-many-blocks", Labels, MaxBasicBlocks, "basic blocks");
        Check("too-many-locals", Locals, MaxLocals, "locals");
        Check("too-many-local-references", LocalReferences, MaxLocalReferences, "references to locals");
    }

    // Without our namespaces: what is the same code stays the same text where a class moves.
    private static string Plain(MemberInfo? member) => Ours().Replace($"{member}", "");

    [GeneratedRegex(@"\bPicograd\.(\w+\.)*")]
    private static partial Regex Ours();

    private void Count()
    {
        Instructions++;
        LocalReferences++;
    }

    private static void Check(string reason, int value, int limit, string what)
    {
        if (value >= limit)
            throw new LoweringException(reason, $"the kernel has {value} {what}; the JIT stops optimising at {limit}");
    }
}
