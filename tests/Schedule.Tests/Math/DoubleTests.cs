using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.MathFunctions;

/// <summary>
/// Functions of Float64 in arithmetic: against integer arithmetic with hundreds of digits where they are ordinary, and against the runtime's
/// functions at signed zeros, denormal numbers, neighbours of zeros, poles, bounds of domains and of where results overflow or
/// vanish, huge arguments, infinities and NaN.
/// </summary>
public sealed class DoubleTests(ITestOutputHelper output)
{
    // What the runtime's own functions are off by, which the hard points are compared with (HighPrecisionTests).
    private const double RuntimeUlps = 2;

    private static readonly Dictionary<string, (double Low, double High)> s_ordinary = new()
    {
        ["exp"] = (-120, 120),
        ["exp2"] = (-150, 150),
        ["expm1"] = (-45, 120),
        ["tanh"] = (-22, 22),
        ["sigmoid"] = (-100, 45),
        ["sinh"] = (-100, 100),
        ["cosh"] = (-100, 100),
        ["log"] = (0, 1e9),
        ["log1p"] = (-1, 1e9),
        ["log2"] = (0, 1e9),
        ["log10"] = (0, 1e9),
        ["asinh"] = (-1e6, 1e6),
        ["acosh"] = (1, 1e6),
        ["atanh"] = (-1, 1),
        ["sin"] = (-1e9, 1e9),
        ["cos"] = (-1e9, 1e9),
        ["tan"] = (-1e9, 1e9),
        ["asin"] = (-1, 1),
        ["acos"] = (-1, 1),
        ["atan"] = (-1e6, 1e6),
        ["erf"] = (-6.5, 6.5),
        ["erfc"] = (-6, 11),
        ["rsqrt"] = (0, 1e9),
        ["reciprocal"] = (-1e9, 1e9),
    };

    private static readonly double[] s_places =
    [
        0,
        0.25,
        0.41421356237309503,
        0.5,
        0.70710678118654752,
        0.9,
        1,
        1.41421356237309505,
        2,
        Math.PI / 4,
        Math.PI / 2,
        Math.PI,
        1.5 * Math.PI,
        1000 * Math.PI,
        1000.5 * Math.PI,
        355,
        710.5,
        1e5,
        1 << 30,
        // The doubles that are nearest to a multiple of pi/2: among those in the range, and of all.
        Math.ScaleB(6381956970095103, -24),
        Math.ScaleB(6381956970095103, 797),
        3.75,
        5.93,
        18.714973875118524,
        19.0615,
        20,
        26.5,
        27.226,
        27.3,
        36.7368,
        37.43,
        39.5,
        708.396,
        709.782712893384,
        710.4758600739439,
        711,
        744.4400719213812,
        745.1332191019412,
        746,
        1022,
        1023.9999999,
        1024,
        1074,
        1074.5,
        1075,
        1076,
        4503599627370496,
        9007199254740992,
        18014398509481984,
        1.2676506002282294e30,
        1e154,
        1e300,
        double.MaxValue,
        2.2250738585072014e-308,
        double.Epsilon,
        1e-310,
        1e-300,
        1e-160,
        5.551115123125783e-17,
        1.1102230246251565e-16,
        1e-8,
        3e-4,
    ];

    public static TheoryData<string> Functions =>
        [.. ScalarFunctions.All.Where(f => f is { Arity: 1, Float64: not null, Roundoffs: > 0 }).Select(f => f.Name)];

    [Theory]
    [MemberData(nameof(Functions))]
    public void Within_the_stated_error_where_ordinary(string name)
    {
        var f = Compile(name);
        var (low, high) = s_ordinary[name];
        var random = new Random(29);
        double worst = 0;
        double worstAt = 0;
        for (int i = 0; i < 1500; i++)
        {
            double at = (i % 5) switch
            {
                0 => low + random.NextDouble() * (high - low),
                1 => Math.Max(low, -3) + random.NextDouble() * (Math.Min(high, 3) - Math.Max(low, -3)),
                // By the power of ten, of both signs.
                2 => Math.Pow(10, random.NextDouble() * 20 - 11) * (i % 2 == 0 ? -1 : 1),
                // Near zero, and near 1, where some have a zero or end.
                3 => Math.Pow(2, -25 * random.NextDouble()) * (i % 2 == 0 ? -1 : 1),
                _ => 1 + Math.Pow(2, -30 * random.NextDouble()) * (i % 2 == 0 ? -1 : 1),
            };
            if (at <= low || at >= high)
                continue;
            var exact = BigReal.Of(name, at);
            if (exact.IsZero)
                continue;
            double error = BigReal.Ulps(f(at), exact);
            if (error > worst)
                (worst, worstAt) = (error, at);
        }
        double stated = ScalarFunctions.Find(name)!.MaxUlpFloat64;
        output.WriteLine($"{name}: {worst:F3} ULP at {worstAt:R}, stated {stated}");
        Assert.True(worst <= stated, $"{name}({worstAt:R}): {worst:F3} ULP, stated {stated}");
        Assert.True(worst > 0.3, $"{name}: {worst}: nothing was compared");
    }

    [Theory]
    [MemberData(nameof(Functions))]
    public void Within_the_stated_error_where_hard(string name)
    {
        var function = ScalarFunctions.Find(name)!;
        var f = Compile(name);
        var reference = (Func<double, double>)function.Reference!;
        double worst = 0;
        double worstAt = 0;
        foreach (double at in Points())
        {
            double exact = reference(at);
            double actual = f(at);
            double error = Ulps(actual, exact);
            if (!(error <= worst))
                (worst, worstAt) = (error, at);
            // The sign of zero as that of the function of doubles.
            if (exact == 0 && actual == 0)
                Assert.True(
                    double.IsNegative(exact) == double.IsNegative(actual),
                    $"{name}({at:R}) is {actual:R}, not {exact:R}"
                );
        }
        output.WriteLine($"{name}: {worst:F3} ULP at {worstAt:R}");
        Assert.True(
            worst <= function.MaxUlpFloat64 + RuntimeUlps,
            $"{name}({worstAt:R}) is {f(worstAt):R}, not {reference(worstAt):R}: {worst:F3} ULP, stated {function.MaxUlpFloat64}"
        );
    }

    [Fact]
    public void Angles_of_points()
    {
        var y = CompiledExpr.Placeholder(DType.Float64);
        double[] values =
        [
            0.0,
            -0.0,
            1,
            -1,
            2,
            -3,
            double.Epsilon,
            -double.Epsilon,
            1e-310,
            1e-300,
            1.5,
            double.MaxValue,
            -double.MaxValue,
            double.PositiveInfinity,
            double.NegativeInfinity,
            double.NaN,
        ];
        var random = new Random(4);
        double[] drawn = [.. Enumerable.Range(0, 150).Select(_ => Draw(random)), .. values];
        double worst = 0;
        foreach (double b in drawn)
        {
            var at = Op.Call(ScalarFunctions.Atan2, y, Op.Const(b, DType.Float64));
            var f = CompiledExpr.Compile<double>(ExpandMath.Expand(at), y);
            foreach (double a in drawn)
            {
                double exact = Math.Atan2(a, b);
                double actual = f(a);
                worst = Math.Max(worst, Ulps(actual, exact));
                Assert.True(
                    Ulps(actual, exact) <= ScalarFunctions.Atan2.MaxUlpFloat64 + 1
                        && (exact != 0 || double.IsNegative(exact) == double.IsNegative(actual)),
                    $"atan2({a:R}, {b:R}) is {actual:R}, not {exact:R}: {Ulps(actual, exact)}"
                );
            }
        }
        output.WriteLine($"{worst} ULP");
    }

    [Theory]
    [MemberData(nameof(Functions))]
    public void No_load_is_conditional(string name)
    {
        var e = ScalarFunctions.Find(name)!.Expand(CompiledExpr.Placeholder(DType.Float64))!;
        var seen = new HashSet<Expr>(ReferenceEqualityComparer.Instance);
        Visit(e);

        void Visit(Expr node)
        {
            if (!seen.Add(node))
                return;
            if (node is Select select && ScalarFunctions.FarAngle(select) is null)
                Assert.DoesNotContain(select.Then.Loads().Concat(select.Else.Loads()), _ => true);
            foreach (var child in node.Children())
                Visit(child);
        }
    }

    private static double Draw(Random random) =>
        (random.NextDouble() * 2 - 1)
        * Math.Pow(2, random.Next(2) == 0 ? random.Next(-3, 3) : random.Next(-1074, 1023));

    private static IEnumerable<double> Points()
    {
        foreach (double s in new[] { double.PositiveInfinity, double.NegativeInfinity, double.NaN, 0.0, -0.0 })
            yield return s;
        foreach (double place in s_places)
        {
            long bits = BitConverter.DoubleToInt64Bits(place);
            for (long d = -30; d <= 30; d++)
            {
                // Neighbours, and numbers a little farther away.
                long step = d * (Math.Abs(d) > 10 ? 1L << (int)Math.Abs(d) : 1);
                if (bits + step is < 0 or > 0x7ff0000000000000)
                    continue;
                double at = BitConverter.Int64BitsToDouble(bits + step);
                yield return at;
                yield return -at;
            }
        }
    }

    private static double Ulps(double actual, double exact)
    {
        if (double.IsNaN(exact) || double.IsNaN(actual))
            return double.IsNaN(exact) && double.IsNaN(actual) ? 0 : double.PositiveInfinity;
        if (actual.Equals(exact))
            return 0;
        int exponent = exact == 0 ? -1022 : Math.Clamp(Math.ILogB(exact), -1022, 1023);
        // Denormal numbers lose nothing, and the others do not overflow; infinity counts as the number after the largest one.
        return exponent < 0
            ? Math.Abs(Math.ScaleB(actual, 100) - Math.ScaleB(exact, 100)) / Math.ScaleB(1, exponent + 48)
            : Math.Abs(Half(actual) - Half(exact)) / Math.ScaleB(1, exponent - 53);

        static double Half(double x) => double.IsInfinity(x) ? Math.CopySign(Math.ScaleB(1, 1023), x) : x / 2;
    }

    private static Func<double, double> Compile(string name)
    {
        var x = CompiledExpr.Placeholder(DType.Float64);
        return CompiledExpr.Compile<double>(ExpandMath.Expand(Op.Call(ScalarFunctions.Find(name)!, x)), x);
    }
}
