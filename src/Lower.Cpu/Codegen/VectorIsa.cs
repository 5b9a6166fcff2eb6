using System.Reflection;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Picograd.Algorithms;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// Methods of one vector width: the cross-platform Vector128 / 256 / 512 operations, and masked memory accesses where
/// the machine has them. Look-ups are cached for the process.
/// </summary>
internal sealed class VectorIsa
{
    private static readonly VectorIsa[] Instances = [new(128), new(256), new(512)];

    private readonly Type _ops;
    private readonly Type _open;
    private readonly Dictionary<(string, Type, Type?), MethodInfo> _methods = [];

    private VectorIsa(int bits)
    {
        Bits = bits;
        (_ops, _open) = bits switch
        {
            128 => (typeof(Vector128), typeof(Vector128<>)),
            256 => (typeof(Vector256), typeof(Vector256<>)),
            512 => (typeof(Vector512), typeof(Vector512<>)),
            _ => (typeof(Vector512), typeof(Vector512<>)),
        };
    }

    public int Bits { get; }

    public static VectorIsa Of(int bits) =>
        bits switch
        {
            128 => Instances[0],
            256 => Instances[1],
            512 => Instances[2],
            _ => throw new ArgumentOutOfRangeException(nameof(bits), bits, "vector width must be 128, 256 or 512"),
        };

    /// <summary>The .NET type of scalars of a dtype as vectors hold them.</summary>
    public static Type Scalar(DType type) =>
        CpuType.Of(type).Lane ?? throw new ArgumentOutOfRangeException(nameof(type), type, "no vectors of this type");

    /// <summary>The lane type of masks over elements of a size.</summary>
    public static Type MaskLane(int size) =>
        size switch
        {
            1 => typeof(byte),
            2 => typeof(short),
            4 => typeof(int),
            _ => typeof(long),
        };

    /// <summary>The type of the lanes of a value: what masks are made of, too.</summary>
    public static Type LaneOf(ValueType type) =>
        type.Element == DType.Bool ? MaskLane(type.MaskBytes) : Scalar(type.Element);

    /// <summary>The methods for vectors of a value's type.</summary>
    public static VectorIsa Of(ValueType type) => Of(type.Bits);

    public Type Vector(Type lane) => _open.MakeGenericType(lane);

    /// <summary>
    /// A static method name&lt;T&gt;(Vector&lt;T&gt; × arity). Where there is an operator, that: the JIT expands it itself, while
    /// methods such as Vector512.Add are inlined, which it gives up beyond 512 locals (attention of 1000 × 1000: 6 times slower).
    /// </summary>
    public MethodInfo Op(string name, Type lane, int arity) =>
        Cached(
            name + arity,
            lane,
            null,
            () =>
                Operator(name, lane, Enumerable.Repeat(Vector(lane), arity))
                ?? Named(_ops, name)
                    .Where(m => m.GetParameters().Length == arity)
                    .Select(m => m.IsGenericMethodDefinition ? TryMake(m, lane) : m)
                    .First(m => m is not null && m.GetParameters().All(p => p.ParameterType == Vector(lane)))!
        );

    /// <summary>A static method name(Vector&lt;T&gt;, int), as of shifts and GetElement.</summary>
    public MethodInfo WithInt(string name, Type lane) =>
        Cached(
            name + "#",
            lane,
            null,
            () =>
                Operator(name, lane, [Vector(lane), typeof(int)])
                ?? Named(_ops, name)
                    .Where(m => m.GetParameters().Length >= 2)
                    .Select(m => m.IsGenericMethodDefinition ? TryMake(m, lane) : m)
                    .First(m =>
                        m is not null
                        && m.GetParameters()[0].ParameterType == Vector(lane)
                        && m.GetParameters()[1].ParameterType == typeof(int)
                    )!
        );

    private MethodInfo? Operator(string name, Type lane, IEnumerable<Type> parameters)
    {
        string? method = name switch
        {
            "Add" => "op_Addition",
            "Subtract" => "op_Subtraction",
            "Multiply" => "op_Multiply",
            "Divide" => "op_Division",
            "Negate" => "op_UnaryNegation",
            "OnesComplement" => "op_OnesComplement",
            "BitwiseAnd" => "op_BitwiseAnd",
            "BitwiseOr" => "op_BitwiseOr",
            "Xor" => "op_ExclusiveOr",
            "ShiftLeft" => "op_LeftShift",
            "ShiftRightArithmetic" => "op_RightShift",
            "ShiftRightLogical" => "op_UnsignedRightShift",
            _ => null,
        };
        return method is null ? null : Vector(lane).GetMethod(method, [.. parameters]);
    }

    public MethodInfo As(Type from, Type to) =>
        Cached(
            "As",
            from,
            to,
            () => Named(_ops, "As").First(m => m.GetGenericArguments().Length == 2).MakeGenericMethod(from, to)
        );

    /// <summary>Create(T) or Create(T, …, T) with one argument a lane.</summary>
    public MethodInfo Create(Type lane, int arguments) =>
        Cached(
            "Create" + arguments,
            lane,
            null,
            () =>
                Named(_ops, "Create")
                    .First(m =>
                        !m.IsGenericMethodDefinition
                        && m.GetParameters().Length == arguments
                        && m.GetParameters().All(p => p.ParameterType == lane)
                    )
        );

    public MethodInfo Load(Type lane) =>
        Cached("Load", lane, null, () => _ops.GetMethod("Load")!.MakeGenericMethod(lane));

    public MethodInfo Indices(Type lane) =>
        Cached("Indices", lane, null, () => Vector(lane).GetProperty("Indices")!.GetMethod!);

    public MethodInfo Zero(Type lane) => Cached("Zero", lane, null, () => Vector(lane).GetProperty("Zero")!.GetMethod!);

    public MethodInfo Convert(string name, Type from) =>
        Cached(
            name,
            from,
            null,
            () => Named(_ops, name).First(m => m.GetParameters() is [var p] && p.ParameterType == Vector(from))
        );

    /// <summary>
    /// Masked load and store (pointer, mask[, …]). TakesMerge: the load has a third operand for the lanes that are off.
    /// MaskIsLane: the mask has the element type, else the integer type of its size.
    /// </summary>
    public (MethodInfo Load, MethodInfo Store, bool TakesMerge, bool MaskIsLane) Masked(Type lane)
    {
        // Lanes of one and two bytes.
        bool bytes = lane == typeof(byte) || lane == typeof(sbyte) || lane == typeof(short) || lane == typeof(ushort);
        if (
            Bits == 512 ? Avx512F.IsSupported
            : bytes ? Avx512BW.VL.IsSupported
            : Avx512F.VL.IsSupported
        )
        {
            var owner = (bytes, Bits == 512) switch
            {
                (true, true) => typeof(Avx512BW),
                (true, false) => typeof(Avx512BW.VL),
                (false, true) => typeof(Avx512F),
                (false, false) => typeof(Avx512F.VL),
            };
            return (Find(owner, "MaskLoad", lane), Find(owner, "MaskStore", lane), true, true);
        }
        bool floating = lane == typeof(float) || lane == typeof(double);
        if (!bytes && (floating ? Avx.IsSupported : Avx2.IsSupported))
        {
            var owner = floating ? typeof(Avx) : typeof(Avx2);
            return (Find(owner, "MaskLoad", lane), Find(owner, "MaskStore", lane), false, true);
        }
        var emulation = typeof(MaskedMemory);
        return (
            emulation.GetMethod("Load" + Bits)!.MakeGenericMethod(lane),
            emulation.GetMethod("Store" + Bits)!.MakeGenericMethod(lane),
            false,
            true
        );
    }

    private MethodInfo Find(Type owner, string name, Type lane) =>
        Cached(
            owner.FullName + name,
            lane,
            null,
            () =>
                Named(owner, name)
                    .First(m =>
                        m.GetParameters()[0].ParameterType == lane.MakePointerType()
                        && m.GetParameters()[1].ParameterType == Vector(lane)
                    )
        );

    // Only these, not all of a type's: .NET makes an object for each method that it lists, and there are hundreds.
    private static IEnumerable<MethodInfo> Named(Type owner, string name) =>
        owner.GetMember(name, MemberTypes.Method, BindingFlags.Public | BindingFlags.Static).Cast<MethodInfo>();

    private MethodInfo? TryMake(MethodInfo definition, Type lane) =>
        definition.GetGenericArguments().Length == 1 ? definition.MakeGenericMethod(lane) : null;

    private MethodInfo Cached(string name, Type a, Type? b, Func<MethodInfo> find)
    {
        lock (_methods)
        {
            if (!_methods.TryGetValue((name, a, b), out var method))
                _methods[(name, a, b)] = method = find();
            return method;
        }
    }
}

/// <summary>Masked accesses lane by lane, for machines without the instructions. Lanes that are off are not touched.</summary>
public static unsafe class MaskedMemory
{
    public static Vector128<T> Load128<T>(T* source, Vector128<T> mask)
        where T : unmanaged
    {
        var bits = mask.AsByte();
        var result = Vector128<T>.Zero;
        for (int i = 0; i < Vector128<T>.Count; i++)
        {
            if (bits.GetElement(i * sizeof(T)) != 0)
                result = result.WithElement(i, source[i]);
        }
        return result;
    }

    public static void Store128<T>(T* target, Vector128<T> mask, Vector128<T> value)
        where T : unmanaged
    {
        var bits = mask.AsByte();
        for (int i = 0; i < Vector128<T>.Count; i++)
        {
            if (bits.GetElement(i * sizeof(T)) != 0)
                target[i] = value.GetElement(i);
        }
    }

    public static Vector256<T> Load256<T>(T* source, Vector256<T> mask)
        where T : unmanaged =>
        Vector256.Create(Load128(source, mask.GetLower()), Load128(source + Vector128<T>.Count, mask.GetUpper()));

    public static void Store256<T>(T* target, Vector256<T> mask, Vector256<T> value)
        where T : unmanaged
    {
        Store128(target, mask.GetLower(), value.GetLower());
        Store128(target + Vector128<T>.Count, mask.GetUpper(), value.GetUpper());
    }
}
