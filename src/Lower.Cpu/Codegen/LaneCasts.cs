using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// Conversions of vectors lane by lane, for generated code. Lanes stay where they are, so that vectors of narrow types are shorter;
/// of vectors that are not full (<see cref="ValueType.IsPartial"/>) the first lanes count, and narrowing sets the others to zero.
/// </summary>
public static partial class LaneCasts
{
    // By the number of the first type, then of the last. Arrays: .NET has code for them before the program runs.
    private static readonly DType[]?[][] Routes = MakeRoutes();

    // By types and lanes: code asks for the same ones again and again, and each time all methods would be listed.
    private static readonly ConcurrentDictionary<string, MethodInfo> Methods = new();

    /// <summary>
    /// The types that a value goes through on its way to another, which is the last of them: each step is exact but one. Null where
    /// vectors have no such conversion that gives what scalar code does.
    /// </summary>
    internal static DType[]? Route(DType from, DType to) => Routes[(int)from][(int)to];

    private static DType[]?[][] MakeRoutes()
    {
        var routes = new DType[]?[DTypes.All.Length][];
        for (int i = 0; i < routes.Length; i++)
            routes[i] = new DType[]?[routes.Length];
        void Add(DType from, params DType[] route) => routes[(int)from][(int)route[^1]] = route;

        Add(DType.Int32, DType.UInt32);
        Add(DType.Int32, DType.Int64);
        Add(DType.Int32, DType.Float32);
        Add(DType.Int32, DType.Float64);
        Add(DType.UInt32, DType.Int32);
        Add(DType.UInt32, DType.Int64);
        Add(DType.UInt32, DType.Float32);
        Add(DType.UInt32, DType.Int64, DType.Float64);
        Add(DType.Int64, DType.Int32);
        Add(DType.Int64, DType.Int32, DType.UInt32);
        Add(DType.Int64, DType.Float64);
        Add(DType.Float32, DType.Int32);
        Add(DType.Float32, DType.Float64, DType.Int64, DType.Int32, DType.UInt32);
        Add(DType.Float32, DType.Float64, DType.Int64);
        Add(DType.Float32, DType.Float64);
        Add(DType.Float64, DType.Int32);
        Add(DType.Float64, DType.Int64, DType.Int32, DType.UInt32);
        Add(DType.Float64, DType.Int64);
        Add(DType.Float64, DType.Float32);
        // Integers of one and two bytes.
        foreach (var narrow in DTypes.All)
        {
            if (!narrow.Info().IsNarrow)
                continue;
            Add(narrow, DType.Int32);
            Add(narrow, DType.Int32, DType.UInt32);
            Add(narrow, DType.Int32, DType.Int64);
            Add(narrow, DType.Int32, DType.Float32);
            Add(narrow, DType.Int32, DType.Float64);
            Add(DType.Int32, narrow);
            Add(DType.UInt32, DType.Int32, narrow);
            Add(DType.Int64, DType.Int32, narrow);
            Add(DType.Float32, DType.Int32, narrow);
            Add(DType.Float64, DType.Int32, narrow);
            foreach (var other in DTypes.All)
            {
                if (other != narrow && other.Info().IsNarrow)
                    Add(narrow, DType.Int32, other);
            }
        }
        // By way of float64 it would be rounded twice.
        if (Avx512DQ.VL.IsSupported)
            Add(DType.Int64, DType.Float32);
        // The lanes of halves are floats.
        for (var half = (DType)0; (int)half < routes.Length; half++)
        {
            if (!half.IsStorage() || half.Compute() != DType.Float32)
                continue;
            for (var to = (DType)0; (int)to < routes.Length; to++)
            {
                if (to.IsStorage() || routes[(int)DType.Float32][(int)to] is not { } route)
                    continue;
                var longer = new DType[1 + route.Length];
                longer[0] = DType.Float32;
                Array.Copy(route, 0, longer, 1, route.Length);
                Add(half, longer);
            }
            Add(half, DType.Float32);
            Add(DType.Float32, half);
            foreach (var narrow in DTypes.All)
            {
                if (narrow.Info().IsNarrow)
                    Add(narrow, DType.Int32, DType.Float32, half);
            }
        }
        return routes;
    }

    /// <summary>The conversion of so many lanes; for one step of a route, and for masks.</summary>
    internal static MethodInfo Method(Type from, Type to, int lanes) =>
        Methods.GetOrAdd($"{from.Name} {to.Name} {lanes}", _ => Find(from, to, lanes));

    private static MethodInfo Find(Type from, Type to, int lanes)
    {
        var argument = VectorIsa.Of(Math.Max(128, 8 * lanes * Size(from))).Vector(from);
        var result = VectorIsa.Of(Math.Max(128, 8 * lanes * Size(to))).Vector(to);
        string name = $"{Word(from)}To{Word(to)}";
        return typeof(LaneCasts)
                .GetMember(name + "*", MemberTypes.Method, BindingFlags.Public | BindingFlags.Static)
                .Cast<MethodInfo>()
                .FirstOrDefault(m => m.GetParameters()[0].ParameterType == argument && m.ReturnType == result)
            ?? throw new InvalidOperationException($"no {name} of {lanes} lanes");
    }

    private static string Word(Type lane) =>
        lane == typeof(byte) ? "Byte"
        : lane == typeof(sbyte) ? "SByte"
        : lane == typeof(short) ? "Short"
        : lane == typeof(int) ? "Int"
        : lane == typeof(uint) ? "UInt"
        : lane == typeof(long) ? "Long"
        : lane == typeof(float) ? "Float"
        : "Double";

    private static int Size(Type lane) =>
        lane == typeof(byte) || lane == typeof(sbyte) ? 1
        : lane == typeof(short) ? 2
        : lane == typeof(long) || lane == typeof(double) ? 8
        : 4;

    // ---- bytes to integers of four bytes: of 4 (or fewer), 8 and 16

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> ByteToInt4(Vector128<byte> a) =>
        Vector128.WidenLower(Vector128.WidenLower(a)).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ByteToInt8(Vector128<byte> a)
    {
        if (Avx2.IsSupported)
            return Avx2.ConvertToVector256Int32(a);
        var words = Vector128.WidenLower(a);
        return Vector256.Create(Vector128.WidenLower(words), Vector128.WidenUpper(words)).AsInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ByteToInt16(Vector128<byte> a) =>
        Avx512F.IsSupported
            ? Avx512F.ConvertToVector512Int32(a)
            : Vector512.Create(
                ByteToInt8(a),
                ByteToInt8(
                    Vector128.Shuffle(
                        a,
                        Vector128.Create((byte)8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15)
                    )
                )
            );

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> IntToByte4(Vector128<int> a)
    {
        var words = Vector128.Narrow(a.AsUInt32() & Vector128.Create(255u), default(Vector128<uint>));
        return Vector128.Narrow(words, default);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> IntToByte8(Vector256<int> a)
    {
        if (Avx512F.VL.IsSupported)
            return Avx512F.VL.ConvertToVector128Byte(a.AsUInt32());
        var low = a.AsUInt32() & Vector256.Create(255u);
        return Vector128.Narrow(Vector128.Narrow(low.GetLower(), low.GetUpper()), default);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> IntToByte16(Vector512<int> a) =>
        Avx512F.IsSupported
            ? Avx512F.ConvertToVector128Byte(a.AsUInt32())
            : Vector128
                .Create(IntToByte8(a.GetLower()).AsUInt64().ToScalar(), IntToByte8(a.GetUpper()).AsUInt64().ToScalar())
                .AsByte();

    // ---- integers of four and of eight bytes: of 2, 4 and 8

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<long> IntToLong2(Vector128<int> a) => Vector128.WidenLower(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<long> IntToLong4(Vector128<int> a) =>
        Avx2.IsSupported
            ? Avx2.ConvertToVector256Int64(a)
            : Vector256.Create(Vector128.WidenLower(a), Vector128.WidenUpper(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<long> IntToLong8(Vector256<int> a) =>
        Avx512F.IsSupported
            ? Avx512F.ConvertToVector512Int64(a)
            : Vector512.Create(IntToLong4(a.GetLower()), IntToLong4(a.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<long> UIntToLong2(Vector128<uint> a) => Vector128.WidenLower(a).AsInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<long> UIntToLong4(Vector128<uint> a) =>
        Avx2.IsSupported
            ? Avx2.ConvertToVector256Int64(a)
            : Vector256.Create(Vector128.WidenLower(a), Vector128.WidenUpper(a)).AsInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<long> UIntToLong8(Vector256<uint> a) =>
        Avx512F.IsSupported
            ? Avx512F.ConvertToVector512Int64(a)
            : Vector512.Create(UIntToLong4(a.GetLower()), UIntToLong4(a.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> LongToInt2(Vector128<long> a) =>
        Vector128.Shuffle(a.AsInt32(), Vector128.Create(0, 2, -1, -1));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> LongToInt4(Vector256<long> a) =>
        Avx512F.VL.IsSupported
            ? Avx512F.VL.ConvertToVector128Int32(a)
            : Vector256.Shuffle(a.AsInt32(), Vector256.Create(0, 2, 4, 6, 0, 2, 4, 6)).GetLower();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> LongToInt8(Vector512<long> a) =>
        Avx512F.IsSupported
            ? Avx512F.ConvertToVector256Int32(a)
            : Vector256.Create(LongToInt4(a.GetLower()), LongToInt4(a.GetUpper()));

    // ---- floats of four and of eight bytes

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> FloatToDouble2(Vector128<float> a) => Vector128.WidenLower(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> FloatToDouble4(Vector128<float> a) =>
        Avx.IsSupported
            ? Avx.ConvertToVector256Double(a)
            : Vector256.Create(Vector128.WidenLower(a), Vector128.WidenUpper(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> FloatToDouble8(Vector256<float> a) =>
        Avx512F.IsSupported
            ? Avx512F.ConvertToVector512Double(a)
            : Vector512.Create(FloatToDouble4(a.GetLower()), FloatToDouble4(a.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> DoubleToFloat2(Vector128<double> a) => Vector128.Narrow(a, default);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> DoubleToFloat4(Vector256<double> a) =>
        Avx.IsSupported ? Avx.ConvertToVector128Single(a) : Vector128.Narrow(a.GetLower(), a.GetUpper());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> DoubleToFloat8(Vector512<double> a) =>
        Avx512F.IsSupported
            ? Avx512F.ConvertToVector256Single(a)
            : Vector256.Create(DoubleToFloat4(a.GetLower()), DoubleToFloat4(a.GetUpper()));

    // ---- integers and floats

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> IntToDouble2(Vector128<int> a) =>
        Sse2.IsSupported ? Sse2.ConvertToVector128Double(a) : Vector128.ConvertToDouble(IntToLong2(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> IntToDouble4(Vector128<int> a) =>
        Avx.IsSupported ? Avx.ConvertToVector256Double(a) : Vector256.ConvertToDouble(IntToLong4(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> IntToDouble8(Vector256<int> a) =>
        Avx512F.IsSupported ? Avx512F.ConvertToVector512Double(a) : Vector512.ConvertToDouble(IntToLong8(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> DoubleToInt2(Vector128<double> a) =>
        Sse2.IsSupported
            ? Sse2.ConvertToVector128Int32WithTruncation(a)
            : LongToInt2(Vector128.ConvertToInt64Native(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> DoubleToInt4(Vector256<double> a) =>
        Avx.IsSupported ? Avx.ConvertToVector128Int32WithTruncation(a) : LongToInt4(Vector256.ConvertToInt64Native(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> DoubleToInt8(Vector512<double> a) =>
        Avx512F.IsSupported
            ? Avx512F.ConvertToVector256Int32WithTruncation(a)
            : LongToInt8(Vector512.ConvertToInt64Native(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LongToFloat2(Vector128<long> a) => Avx512DQ.VL.ConvertToVector128Single(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LongToFloat4(Vector256<long> a) => Avx512DQ.VL.ConvertToVector128Single(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LongToFloat8(Vector512<long> a) => Avx512DQ.ConvertToVector256Single(a);

    // ---- masks

    /// <summary>The same lanes on, in lanes of another size: from, to of 1, 2, 4 or 8 bytes.</summary>
    internal static MethodInfo Mask(int from, int to, int lanes)
    {
        var argument = VectorIsa.Of(ValueType.Mask(lanes, from)).Vector(VectorIsa.MaskLane(from));
        var result = VectorIsa.Of(ValueType.Mask(lanes, to)).Vector(VectorIsa.MaskLane(to));
        return typeof(LaneCasts)
            .GetMember($"Mask{from}To{to}*", MemberTypes.Method, BindingFlags.Public | BindingFlags.Static)
            .Cast<MethodInfo>()
            .First(m => m.GetParameters()[0].ParameterType == argument && m.ReturnType == result);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Mask1To4x4(Vector128<byte> a) =>
        Vector128.WidenLower(Vector128.WidenLower(a.AsSByte()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Mask1To4x8(Vector128<byte> a)
    {
        if (Avx2.IsSupported)
            return Avx2.ConvertToVector256Int32(a.AsSByte());
        var words = Vector128.WidenLower(a.AsSByte());
        return Vector256.Create(Vector128.WidenLower(words), Vector128.WidenUpper(words));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Mask1To4x16(Vector128<byte> a) => -(ByteToInt16(a) & Vector512<int>.One);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<long> Mask1To8x2(Vector128<byte> a) => Vector128.WidenLower(Mask1To4x4(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<long> Mask1To8x4(Vector128<byte> a) => IntToLong4(Mask1To4x4(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<long> Mask1To8x8(Vector128<byte> a) => IntToLong8(Mask1To4x8(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Mask4To1x4(Vector128<int> a) => IntToByte4(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Mask4To1x8(Vector256<int> a) => IntToByte8(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Mask4To1x16(Vector512<int> a) => IntToByte16(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<long> Mask4To8x2(Vector128<int> a) => IntToLong2(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<long> Mask4To8x4(Vector128<int> a) => IntToLong4(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<long> Mask4To8x8(Vector256<int> a) => IntToLong8(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Mask8To4x2(Vector128<long> a) => LongToInt2(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Mask8To4x4(Vector256<long> a) => LongToInt4(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Mask8To4x8(Vector512<long> a) => LongToInt8(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Mask8To1x2(Vector128<long> a) => IntToByte4(LongToInt2(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Mask8To1x4(Vector256<long> a) => IntToByte4(LongToInt4(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Mask8To1x8(Vector512<long> a) => IntToByte8(LongToInt8(a));
}

/// <summary>
/// Memory of values that do not fill a vector (<see cref="ValueType.IsPartial"/>), for generated code: the first bytes of a vector
/// and no more.
/// </summary>
public static unsafe class PartialVectors
{
    /// <summary>Load or Store of 2, 4 or 8 bytes.</summary>
    internal static MethodInfo Method(string name, int bytes) => typeof(PartialVectors).GetMethod(name + bytes)!;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load2(nint from) => Vector128.CreateScalar(*(ushort*)from).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load4(nint from) => Vector128.CreateScalar(*(uint*)from).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load8(nint from) => Vector128.CreateScalar(*(ulong*)from).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store2(nint to, Vector128<byte> value) => *(ushort*)to = value.AsUInt16().ToScalar();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store4(nint to, Vector128<byte> value) => *(uint*)to = value.AsUInt32().ToScalar();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store8(nint to, Vector128<byte> value) => *(ulong*)to = value.AsUInt64().ToScalar();
}
