using System.Collections.Immutable;
using Picograd.Algorithms.Evaluation;

namespace Picograd;

/// <summary>
/// Element and expression types. Index arithmetic is <see cref="Int64"/>; predicates are <see cref="Bool"/>.
/// Float16 and BFloat16 are storage types: expressions convert them to Float32 on load and round on store.
/// What is known of each stands in its row of <see cref="DTypeInfo"/>, in the order of these.
/// </summary>
public enum DType
{
    Float32,
    Float64,
    Float16,
    BFloat16,
    Int32,
    Int64,
    UInt32,
    UInt8,
    Bool,
    Int8,
    Int16,
}

/// <summary>Kinds of dtypes, in the order in which a result takes the higher of its operands' kinds.</summary>
public enum DTypeKind
{
    Bool,
    Integer,
    Float,
}

/// <summary>
/// What is known of a dtype: the row that a new one is, with its member of <see cref="DType"/>. Nothing else of the compiler lists dtypes, but for one table a back end that
/// says how elements are loaded and stored (CpuTypes, CudaTypes).
/// </summary>
/// <param name="Type">The dtype that the row is of.</param>
/// <param name="Name">As printed and parsed, in the text forms of operators and in databases.</param>
/// <param name="Kind">Bool, integer or float.</param>
/// <param name="Bytes">Of one stored element.</param>
/// <param name="Rank">
/// Of two dtypes of one kind the one of higher rank is the result's; of two different ones of the same rank the lowest above both.
/// </param>
/// <param name="Clr">.NET's type of a stored element, in arrays and spans.</param>
public sealed record DTypeInfo(DType Type, string Name, DTypeKind Kind, int Bytes, int Rank, Type Clr)
{
    private static readonly ImmutableArray<DTypeInfo> Table = [.. Rows()];

    private static readonly Dictionary<string, DTypeInfo> Words = Table
        .SelectMany(row => row.Aliases.Add(row.Name))
        .ToDictionary(word => word, word => Table.First(row => row.Name == word || row.Aliases.Contains(word)));

    /// <summary>Other words for it: as PyTorch, NumPy and C# have it, in small letters.</summary>
    public ImmutableArray<string> Aliases { get; init; } = [];

    /// <summary>The type that expressions are computed in; elements are converted after loads and before stores.</summary>
    public DType Compute { get; init; } = Type;

    /// <summary>Of a float: binary digits of a normal number, with the first one.</summary>
    public int Significand { get; init; }

    /// <summary>Of a float: the exponent of the least normal number, 2 to which it is.</summary>
    public int LeastExponent { get; init; }

    /// <summary>Least finite value; of integers as near as a float64 comes.</summary>
    public double Lowest { get; init; }

    /// <summary>Largest finite value; of integers as near as a float64 comes.</summary>
    public double Highest { get; init; }

    /// <summary>Whether tensors have elements of it.</summary>
    public bool OfTensors { get; init; } = true;

    /// <summary>Of an integer: whether it may be negative.</summary>
    public bool Signed => Lowest < 0;

    /// <summary>Of an integer: whether it is smaller than what processors compute in, so that results are cut to its bytes.</summary>
    public bool IsNarrow => Kind == DTypeKind.Integer && Bytes < 4;

    /// <summary>Of an integer: the value of the lowest bits of a number, as many as an element has.</summary>
    public Func<long, long> Wrap { get; init; } = value => value;

    /// <summary>The nearest value that an element has, ties to even; integers are cut towards zero, and wrap.</summary>
    public Func<double, double> Round { get; init; } = value => value;

    /// <summary>The bits of an element of that value, rounded.</summary>
    public required Func<double, long> ToBits { get; init; }

    /// <summary>The value of an element's bits; those above its bytes count for nothing.</summary>
    public required Func<long, double> FromBits { get; init; }

    /// <summary>All rows, in the order of <see cref="DType"/>.</summary>
    public static ImmutableArray<DTypeInfo> All => Table;

    /// <summary>The row of a dtype.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such dtype.</exception>
    public static DTypeInfo Of(DType type) => (uint)type < (uint)Table.Length ? Table[(int)type] : throw Unknown(type);

    private static ArgumentOutOfRangeException Unknown(DType type) => new(nameof(type), type, "unknown dtype");

    /// <summary>The dtype whose elements a .NET type has; null where tensors have no such elements.</summary>
    public static DType? Of(Type clr)
    {
        foreach (var row in Table)
        {
            if (row.Clr == clr && row.OfTensors)
                return row.Type;
        }
        return null;
    }

    /// <summary>The dtype that a word stands for, in any case; null for another word.</summary>
    public static DType? Parse(string word) => Words.GetValueOrDefault(word.ToLowerInvariant())?.Type;

    /// <summary>The dtype that both of two fit, as PyTorch has it: of the higher kind, and within a kind of the higher rank.</summary>
    public static DType Join(DType a, DType b)
    {
        var (x, y) = (Of(a), Of(b));
        if (x.Kind != y.Kind)
            return x.Kind > y.Kind ? a : b;
        if (x.Rank != y.Rank || a == b)
            return x.Rank > y.Rank ? a : b;
        return Table.Where(row => row.Kind == x.Kind && row.Rank > x.Rank).MinBy(row => row.Rank)!.Type;
    }

    /// <summary>The dtypes of which a condition holds, in the order in which keys name them: float32 first.</summary>
    public static ImmutableArray<DType> Where(Func<DTypeInfo, bool> condition)
    {
        var types = new List<DType>();
        foreach (var row in Table)
        {
            if (condition(row))
                types.Add(row.Type);
        }
        return [.. types];
    }

    /// <summary>The value of an element of memory; integers beyond 2^53 as near as a float64 comes.</summary>
    public unsafe double Read(void* memory, long at) =>
        Type switch
        {
            DType.Float32 => ((float*)memory)[at],
            DType.Float64 => ((double*)memory)[at],
            _ => FromBits(ReadBits(memory, at)),
        };

    /// <summary>The bits of an element of memory, of signed integers the value.</summary>
    public unsafe long ReadBits(void* memory, long at) =>
        Bytes switch
        {
            1 => Wrap(((byte*)memory)[at]),
            2 => Wrap(((ushort*)memory)[at]),
            4 => ((int*)memory)[at],
            _ => ((long*)memory)[at],
        };

    /// <summary>Stores a value, rounded, as an element of memory.</summary>
    public unsafe void Write(void* memory, long at, double value) => WriteBits(memory, at, ToBits(value));

    /// <summary>Stores bits as an element of memory; those above its bytes are dropped.</summary>
    public unsafe void WriteBits(void* memory, long at, long bits)
    {
        switch (Bytes)
        {
            case 1:
                ((byte*)memory)[at] = (byte)bits;
                break;
            case 2:
                ((ushort*)memory)[at] = (ushort)bits;
                break;
            case 4:
                ((int*)memory)[at] = (int)bits;
                break;
            default:
                ((long*)memory)[at] = bits;
                break;
        }
    }

    public override string ToString() => Name;

    private static IEnumerable<DTypeInfo> Rows() =>
        [
            new(DType.Float32, "f32", DTypeKind.Float, 4, 2, typeof(float))
            {
                Aliases = ["float32", "float", "single", "fp32"],
                Significand = 24,
                LeastExponent = -126,
                Lowest = float.MinValue,
                Highest = float.MaxValue,
                Round = value => (float)value,
                ToBits = value => BitConverter.SingleToInt32Bits((float)value),
                FromBits = bits => BitConverter.Int32BitsToSingle((int)bits),
            },
            new(DType.Float64, "f64", DTypeKind.Float, 8, 3, typeof(double))
            {
                Aliases = ["float64", "double", "fp64"],
                Significand = 53,
                LeastExponent = -1022,
                Lowest = double.MinValue,
                Highest = double.MaxValue,
                ToBits = BitConverter.DoubleToInt64Bits,
                FromBits = BitConverter.Int64BitsToDouble,
            },
            new(DType.Float16, "f16", DTypeKind.Float, 2, 1, typeof(Half))
            {
                Aliases = ["float16", "half", "fp16"],
                Compute = DType.Float32,
                Significand = 11,
                LeastExponent = -14,
                Lowest = -65504,
                Highest = 65504,
                Round = value => (double)(Half)FloatFunctions.ToOdd(value),
                ToBits = value => BitConverter.HalfToInt16Bits((Half)FloatFunctions.ToOdd(value)),
                FromBits = bits => (double)BitConverter.Int16BitsToHalf((short)bits),
            },
            new(DType.BFloat16, "bf16", DTypeKind.Float, 2, 1, typeof(BFloat16))
            {
                Aliases = ["bfloat16", "bfloat"],
                Compute = DType.Float32,
                Significand = 8,
                LeastExponent = -126,
                Lowest = (float)BFloat16.MinValue,
                Highest = (float)BFloat16.MaxValue,
                Round = value => (float)(BFloat16)value,
                ToBits = value => ((BFloat16)value).Bits,
                FromBits = bits => (float)BFloat16.FromBits((ushort)bits),
            },
            Integer(DType.Int32, "i32", 4, 3, typeof(int), int.MinValue, int.MaxValue, value => (int)value) with
            {
                Aliases = ["int32", "int"],
            },
            Integer(DType.Int64, "i64", 8, 5, typeof(long), long.MinValue, long.MaxValue, value => value) with
            {
                Aliases = ["int64", "long"],
            },
            Integer(DType.UInt32, "u32", 4, 4, typeof(uint), 0, uint.MaxValue, value => (uint)value) with
            {
                Aliases = ["uint32", "uint"],
                OfTensors = false,
            },
            Integer(DType.UInt8, "u8", 1, 1, typeof(byte), 0, byte.MaxValue, value => (byte)value) with
            {
                Aliases = ["uint8", "byte"],
            },
            Integer(DType.Bool, "bool", 1, 0, typeof(bool), 0, 1, value => value & 0xFF) with
            {
                Kind = DTypeKind.Bool,
                Aliases = ["boolean"],
                Round = value => value != 0 ? 1 : 0,
                ToBits = value => value != 0 ? 1 : 0,
                Wrap = value => value != 0 ? 1 : 0,
            },
            Integer(DType.Int8, "i8", 1, 1, typeof(sbyte), sbyte.MinValue, sbyte.MaxValue, value => (sbyte)value) with
            {
                Aliases = ["int8", "sbyte", "char"],
            },
            Integer(DType.Int16, "i16", 2, 2, typeof(short), short.MinValue, short.MaxValue, value => (short)value) with
            {
                Aliases = ["int16", "short"],
            },
        ];

    private static DTypeInfo Integer(
        DType type,
        string name,
        int bytes,
        int rank,
        Type clr,
        double lowest,
        double highest,
        Func<long, long> wrap
    ) =>
        new(type, name, DTypeKind.Integer, bytes, rank, clr)
        {
            Lowest = lowest,
            Highest = highest,
            Round = value => wrap((long)value),
            ToBits = value => wrap((long)value),
            FromBits = bits => wrap(bits),
            Wrap = wrap,
        };
}
