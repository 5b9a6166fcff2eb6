using System.Numerics;
using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// Random operators on random dtypes, shapes and numbers, against arithmetic of any length for integers and of doubles for
/// floats: dtype, shape, every element, and which combinations are refused.
/// </summary>
public class RandomOperatorTests
{
    private const int Trials = 700;

    private static readonly DType[] Types =
    [
        DType.Bool,
        DType.UInt8,
        DType.Int32,
        DType.Int64,
        DType.Float32,
        DType.Float64,
        DType.Float16,
        DType.BFloat16,
    ];

    private static readonly (long[] A, long[] B)[] Shapes =
    [
        ([5], [5]),
        ([2, 3], [3]),
        ([2, 1], [1, 3]),
        ([2, 3], []),
        ([], [4]),
        ([], []),
        ([0], [0]),
    ];

    private static readonly string[] Operators =
    [
        "+",
        "-",
        "*",
        "/",
        "max",
        "min",
        "==",
        "<",
        ">=",
        "&",
        "|",
        "^",
        "<<",
        ">>",
        "**",
        "and",
        "xor",
        "where",
        "clamp",
        "fill",
    ];

    private static readonly Scalar[] Numbers =
    [
        0,
        1,
        -1,
        3,
        70,
        255,
        -255,
        256,
        -256,
        int.MaxValue,
        int.MinValue,
        1L << 31,
        (1L << 53) + 1,
        long.MaxValue,
        long.MinValue,
        0.5,
        -2.0,
        double.PositiveInfinity,
        double.NaN,
        1e40,
        true,
        false,
    ];

    [Fact]
    public void EqualsArithmeticByHand()
    {
        var random = new Random(5);
        int refused = 0;
        for (int trial = 0; trial < Trials; trial++)
        {
            string op = Operators[random.Next(Operators.Length)];
            var (shapeA, shapeB) = Shapes[random.Next(Shapes.Length)];
            var a = Draw(shapeA, Types[random.Next(Types.Length)], random);
            bool number =
                op is "clamp" or "fill" || op is not ("max" or "min" or "and" or "xor") && random.Next(2) == 0;
            var b = number ? null : Draw(shapeB, Types[random.Next(Types.Length)], random);
            var n = Numbers[random.Next(Numbers.Length)];
            string what =
                $"trial {trial}: {a.DType.Name()}{Layout.Text(a.Shape.ToArray())} {op} "
                + (b is null ? $"{n}" : $"{b.DType.Name()}{Layout.Text(b.Shape.ToArray())}");
            var expected = Expected(op, a, b, n);
            if (expected is null)
            {
                var refusal = Record.Exception(() => Run(op, a, b, n));
                Assert.True(refusal is ArgumentException, $"{what}: must be refused, but gives {refusal}");
                refused++;
                continue;
            }
            var got = Run(op, a, b, n);
            var (type, values) = expected.Value;
            Assert.True(type == got.DType, $"{what}: must be {type.Name()}, but is {got.DType.Name()}");
            Assert.Equal(Plain.Broadcast(a.Shape.ToArray(), b?.Shape.ToArray() ?? []), got.Shape.ToArray());
            double[] floats = got.ToDoubles();
            for (int i = 0; i < values.Length; i++)
            {
                bool same = type.IsFloat()
                    ? Near((double)values[i], floats[i], type)
                    : (BigInteger)values[i] == got.To(DType.Int64).ToArray<long>()[i];
                Assert.True(same, $"{what}: element {i} must be {values[i]}, but is {floats[i]}");
            }
        }
        Assert.InRange(refused, Trials / 10, Trials / 2);
    }

    private static Tensor Run(string op, Tensor a, Tensor? b, Scalar n) =>
        op switch
        {
            "+" => b is null ? a + n : a + b,
            "-" => b is null ? a - n : a - b,
            "*" => b is null ? a * n : a * b,
            "/" => b is null ? a / n : a / b,
            "max" => a.Maximum(b!),
            "min" => a.Minimum(b!),
            "==" => b is null ? a.Eq(n) : a.Eq(b),
            "<" => b is null ? a < n : a < b,
            ">=" => b is null ? a >= n : a >= b,
            "&" => b is null ? a & n : a & b,
            "|" => b is null ? a | n : a | b,
            "^" => b is null ? a ^ n : a ^ b,
            "<<" => b is null ? a << n : a << b,
            ">>" => b is null ? a >> n : a >> b,
            "**" => b is null ? a.Pow(n) : a.Pow(b),
            "and" => a.LogicalAnd(b!),
            "xor" => a.LogicalXor(b!),
            "where" => b is null ? Tensor.Where(a.Ne(0), a, n) : Tensor.Where(a.Ne(0), a, b),
            "clamp" => a.Clamp(min: n),
            _ => a.Clone().Fill_(n),
        };

    // The dtype and the elements, as BigInteger or double; null where it is to be refused.
    private static (DType Type, object[] Values)? Expected(string op, Tensor a, Tensor? b, Scalar n)
    {
        var typeB = b?.DType ?? n.Type;
        int strengthA = a.Rank == 0 ? 1 : 2;
        int strengthB =
            b is null ? 0
            : b.Rank == 0 ? 1
            : 2;
        var type = op == "fill" ? a.DType : Common(a.DType, strengthA, typeB, strengthB);
        bool bits = op is "&" or "|" or "^" or "<<" or ">>";
        bool compares = op is "==" or "<" or ">=" or "and" or "xor";
        if (bits && type.IsFloat() || op is "<<" or ">>" or "clamp" && type == DType.Bool)
            return null;
        if (op == "-" && (a.DType == DType.Bool || typeB == DType.Bool))
            return null;
        if (op == "**" && type == DType.Bool && b is not null)
            return null;
        if (op == "/" && !type.IsFloat())
            type = DType.Float32;
        if (b is null)
        {
            bool strict = compares || op == "clamp";
            if (!Fits(n, type, strict, op is "fill" or "clamp" || op == "where"))
                return null;
            if (op == "**" && !type.IsFloat() && n.AsLong < 0)
                return null;
        }
        object[] left = Elements(a, type);
        // Beside a half type a number of · / keeps the digits of a float32.
        var precise = op is "*" or "/" && type.Size() == 2 ? DType.Float32 : type;
        object[] right = b is null ? [Element(n, precise)] : Elements(b, type);
        long[] shape = Plain.Broadcast(a.Shape.ToArray(), b?.Shape.ToArray() ?? []);
        long count = shape.Aggregate(1L, (x, y) => x * y);
        object[] values = new object[count];
        for (int i = 0; i < count; i++)
        {
            long[] at = Plain.Index(shape, i);
            object x = left[Place(a.Shape.ToArray(), at)];
            object y = right[b is null ? 0 : Place(b.Shape.ToArray(), at)];
            bool nonzero = a.ToDoubles()[Place(a.Shape.ToArray(), at)] != 0;
            object value = op switch
            {
                "fill" => y,
                "where" => nonzero ? x : y,
                _ => type.IsFloat() ? Of(op, (double)x, (double)y) : Of(op, (BigInteger)x, (BigInteger)y, type),
            };
            values[i] =
                value is bool truth ? (BigInteger)(truth ? 1 : 0)
                : value is BigInteger whole ? Wrap(whole, type)
                : Round((double)value, type);
        }
        return (compares ? DType.Bool : type, values);
    }

    private static object Of(string op, double x, double y) =>
        op switch
        {
            "+" => x + y,
            "-" => x - y,
            "*" => x * y,
            "/" => x / y,
            "max" or "clamp" => Math.Max(x, y),
            "min" => Math.Min(x, y),
            "==" => x == y,
            "<" => x < y,
            ">=" => x >= y,
            "**" => Math.Pow(x, y),
            "and" => x != 0 && y != 0,
            "xor" => x != 0 != (y != 0),
            _ => throw new InvalidOperationException(op),
        };

    private static object Of(string op, BigInteger x, BigInteger y, DType type)
    {
        int width = type == DType.Bool ? 1 : 8 * type.Size();
        bool isBool = type == DType.Bool;
        bool outside = y < 0 || y >= width;
        return op switch
        {
            "+" => isBool ? x | y : x + y,
            "-" => x - y,
            "*" => x * y,
            "max" or "clamp" => BigInteger.Max(x, y),
            "min" => BigInteger.Min(x, y),
            "==" => x == y,
            "<" => x < y,
            ">=" => x >= y,
            "&" => x & y,
            "|" => x | y,
            "^" => x ^ y,
            "<<" => outside ? BigInteger.Zero : x << (int)y,
            ">>" => outside ? (x < 0 ? BigInteger.MinusOne : BigInteger.Zero) : x >> (int)y,
            "**" => y < 0
                ? (
                    x == 1 ? 1
                    : x == -1 ? (y.IsEven ? BigInteger.One : BigInteger.MinusOne)
                    : BigInteger.Zero
                )
                : BigInteger.ModPow(x, y, BigInteger.One << 64),
            "and" => !x.IsZero && !y.IsZero,
            "xor" => x.IsZero != y.IsZero,
            _ => throw new InvalidOperationException(op),
        };
    }

    private static bool Fits(Scalar n, DType type, bool strict, bool narrow)
    {
        if (type is DType.Float16 or DType.BFloat16)
            return !narrow || !double.IsFinite(n.AsDouble) || Math.Abs(n.AsDouble) <= type.Info().Highest;
        if (type == DType.Float32)
            return !narrow || !double.IsFinite(n.AsDouble) || Math.Abs(n.AsDouble) <= float.MaxValue;
        if (type is DType.Float64 or DType.Bool)
            return true;
        if (!double.IsFinite(n.AsDouble))
            return false;
        var value = n.Type.IsFloat() ? new BigInteger(n.AsDouble) : n.AsLong;
        return type switch
        {
            DType.UInt8 => value >= (strict ? 0 : -255) && value <= 255,
            DType.Int32 => value >= int.MinValue && value <= int.MaxValue,
            _ => value >= long.MinValue && value <= long.MaxValue,
        };
    }

    private static DType Common(DType a, int strengthA, DType b, int strengthB)
    {
        int Category(DType t) =>
            t.IsFloat() ? 2
            : t == DType.Bool ? 0
            : 1;
        if (a == b)
            return a;
        if (strengthA == strengthB)
            return Category(a) != Category(b) ? (Category(a) > Category(b) ? a : b)
                : a.Size() == b.Size() ? DType.Float32
                : a.Size() > b.Size() ? a
                : b;
        var (strong, weak) = strengthA > strengthB ? (a, b) : (b, a);
        return Category(weak) > Category(strong) ? weak : strong;
    }

    private static Tensor Draw(long[] shape, DType type, Random random)
    {
        long count = shape.Aggregate(1L, (x, y) => x * y);
        if (type.IsFloat())
        {
            double[] some = [0, 1, -1, 0.5, -2.5, 3, 100, double.NaN, double.PositiveInfinity, double.NegativeInfinity];
            double[] values = [.. Enumerable.Range(0, (int)count).Select(_ => some[random.Next(some.Length)])];
            return Tensor.From(values, shape).To(type);
        }
        long[] wholes = [0, 1, 2, 3, 7, 31, 64, -1, -2, 255, int.MinValue, int.MaxValue, long.MinValue, long.MaxValue];
        var drawn = Tensor.From(
            Enumerable.Range(0, (int)count).Select(_ => wholes[random.Next(wholes.Length)]).ToArray(),
            shape
        );
        return type == DType.Bool ? (drawn & 1).To(type) : drawn.To(type);
    }

    private static object[] Elements(Tensor t, DType type) =>
        t.DType.IsFloat()
            ? [.. t.ToDoubles().Select(v => (object)v)]
            :
            [
                .. t.To(DType.Int64)
                    .ToArray<long>()
                    .Select(v => type.IsFloat() ? (object)Round(v, type) : new BigInteger(v)),
            ];

    private static object Element(Scalar n, DType type) =>
        type.IsFloat() ? Round(n.Type.IsFloat() ? n.AsDouble : n.AsLong, type)
        : type == DType.Bool ? new BigInteger(n.AsDouble != 0 ? 1 : 0)
        : Wrap(n.AsLong, type);

    private static long Place(long[] shape, long[] index)
    {
        long at = 0;
        for (int d = 0; d < shape.Length; d++)
            at = at * shape[d] + (shape[d] == 1 ? 0 : index[d + index.Length - shape.Length]);
        return at;
    }

    private static BigInteger Wrap(BigInteger value, DType type)
    {
        if (type == DType.Bool)
            return value.IsZero ? 0 : 1;
        var modulus = BigInteger.One << (8 * type.Size());
        var rest = ((value % modulus) + modulus) % modulus;
        return type != DType.UInt8 && rest >= modulus / 2 ? rest - modulus : rest;
    }

    private static double Round(double value, DType type) =>
        type switch
        {
            DType.Float32 => (float)value,
            DType.Float16 => (double)(Half)value,
            DType.BFloat16 when double.IsFinite(value) && value != 0 => Digits(value, 8),
            _ => value,
        };

    // Rounded to binary digits of which the last is at least 2^-133, ties to even; beyond the floats of 32 bits infinite.
    private static double Digits(double value, int digits)
    {
        double unit = Math.ScaleB(1, Math.Max(Math.ILogB(value) - digits + 1, -133));
        double rounded = Math.Round(value / unit, MidpointRounding.ToEven) * unit;
        return Math.Abs(rounded) > float.MaxValue ? Math.CopySign(double.PositiveInfinity, value) : rounded;
    }

    private static bool Near(double expected, double got, DType type) =>
        expected.Equals(got)
        || expected == got
        || Math.Abs(expected - got)
            <= type switch
            {
                DType.Float32 => 1e-5,
                // Rounded once from float32: at most a digit from what is rounded at once.
                DType.Float16 => 1.0 / 1024,
                DType.BFloat16 => 1.0 / 128,
                _ => 1e-11,
            } * Math.Abs(expected)
            && double.IsFinite(expected);
}
