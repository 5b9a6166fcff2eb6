using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.MathFunctions;

public sealed class ExpandMathTests(ITestOutputHelper output)
{
    // A prime, so that the sample steps through all exponents and all patterns of low bits: 4.3 million floats.
    private const int Stride = 997;

    public static TheoryData<string> Functions =>
        [.. ScalarFunctions.All.Where(f => f is { Arity: 1, Float32: not null }).Select(f => f.Name)];

    public static TheoryData<string> Float64Functions => ["sigmoid", "erf", "rsqrt", "reciprocal"];

    [Theory]
    [MemberData(nameof(Functions))]
    public void ErrorIsAtMostTheStatedOne(string kind)
    {
        CheckFloats(kind, Stride);
    }

    [SkippableTheory]
    [MemberData(nameof(Functions))]
    public void ErrorIsAtMostTheStatedOneForAllFloats(string kind)
    {
        Skip.If(
            Environment.GetEnvironmentVariable("PICOGRAD_EXHAUSTIVE") != "1",
            "all 2^32 floats: set PICOGRAD_EXHAUSTIVE=1 (minutes a function)"
        );
        CheckFloats(kind, 1);
    }

    private void CheckFloats(string kind, int stride)
    {
        var f = Compile(kind);
        double worst = 0;
        float worstAt = 0;
        long count = 0;
        for (long bits = 0; bits <= uint.MaxValue; bits += stride)
        {
            float x = BitConverter.UInt32BitsToSingle((uint)bits);
            count++;
            double error = Ulps(f(x), Reference.InDouble(kind, x));
            if (error > worst)
                (worst, worstAt) = (error, x);
        }
        output.WriteLine($"{kind}: {worst:F3} ULP at {worstAt:R}, of {count} floats");
        Assert.True(
            worst <= ScalarFunctions.Find(kind)!.MaxUlp,
            $"{kind}({worstAt:R}) is {f(worstAt):R}: {worst:F3} ULP, stated {ScalarFunctions.Find(kind)!.MaxUlp}"
        );
    }

    // In units of the last place of the exact value, as a float; infinite where one is NaN and the other is not.
    private static double Ulps(float actual, double exact)
    {
        if (double.IsNaN(exact) || float.IsNaN(actual))
            return double.IsNaN(exact) && float.IsNaN(actual) ? 0 : double.PositiveInfinity;
        if (actual.Equals((float)exact))
            return actual == 0 || float.IsInfinity(actual) ? 0 : Math.Abs(actual - exact) / UnitOf(exact);
        if (double.IsInfinity(exact))
            return double.PositiveInfinity;
        // Infinity counts as the float that would come after the largest one.
        double value = float.IsInfinity(actual) ? Math.CopySign(Math.Pow(2, 128), actual) : actual;
        return Math.Abs(value - exact) / UnitOf(exact);
    }

    private static double UnitOf(double exact) =>
        exact == 0 ? Math.Pow(2, -149) : Math.Pow(2, Math.Clamp(Math.ILogB(exact), -126, 127) - 23);

    [Theory]
    [InlineData("exp", 0f, 1f)]
    [InlineData("exp", float.PositiveInfinity, float.PositiveInfinity)]
    [InlineData("exp", float.NegativeInfinity, 0f)]
    [InlineData("exp", 88.73f, float.PositiveInfinity)]
    [InlineData("exp", -104f, 0f)]
    [InlineData("log", 1f, 0f)]
    [InlineData("log", 0f, float.NegativeInfinity)]
    [InlineData("log", -1f, float.NaN)]
    [InlineData("log", float.NegativeInfinity, float.NaN)]
    [InlineData("log", float.PositiveInfinity, float.PositiveInfinity)]
    [InlineData("tanh", float.Epsilon, float.Epsilon)]
    [InlineData("tanh", float.PositiveInfinity, 1f)]
    [InlineData("tanh", float.NegativeInfinity, -1f)]
    [InlineData("sigmoid", float.PositiveInfinity, 1f)]
    [InlineData("sigmoid", float.NegativeInfinity, 0f)]
    [InlineData("erf", float.PositiveInfinity, 1f)]
    [InlineData("erf", float.NegativeInfinity, -1f)]
    [InlineData("sin", float.Epsilon, float.Epsilon)]
    [InlineData("sin", float.PositiveInfinity, float.NaN)]
    [InlineData("cos", 0f, 1f)]
    [InlineData("cos", float.NegativeInfinity, float.NaN)]
    [InlineData("rsqrt", 4f, 0.5f)]
    [InlineData("rsqrt", 0f, float.PositiveInfinity)]
    [InlineData("rsqrt", -1f, float.NaN)]
    [InlineData("rsqrt", float.PositiveInfinity, 0f)]
    [InlineData("reciprocal", float.NegativeInfinity, -0f)]
    public void SpecialValues(string kind, float x, float expected)
    {
        float actual = Compile(kind)(x);
        if (float.IsNaN(expected))
            Assert.True(float.IsNaN(actual), $"{kind}({x}) is {actual:R}, expected NaN");
        else
            Assert.Equal(BitConverter.SingleToInt32Bits(expected), BitConverter.SingleToInt32Bits(actual));
    }

    [Fact]
    public void MinusZero()
    {
        foreach (var odd in new[] { "tanh", "erf", "sin" })
            Assert.Equal(int.MinValue, BitConverter.SingleToInt32Bits(Compile(odd)(-0f)));
        foreach (var even in new[] { "exp", "cos" })
            Assert.Equal(1f, Compile(even)(-0f));
        Assert.Equal(0.5f, Compile("sigmoid")(-0f));
        foreach (var pole in new[] { "log", "reciprocal", "rsqrt" })
            Assert.Equal(float.NegativeInfinity, Compile(pole)(-0f));
        double erf = CompileFloat64("erf")(-0.0);
        Assert.True(erf == 0 && double.IsNegative(erf));
    }

    [Theory]
    [MemberData(nameof(Functions))]
    public void NanGivesNan(string kind)
    {
        var f = Compile(kind);
        foreach (uint bits in new[] { 0x7fc00000u, 0xffc00000u, 0x7f800001u, 0x7fffffffu, 0xffffffffu })
            Assert.True(float.IsNaN(f(BitConverter.UInt32BitsToSingle(bits))), $"{kind} of NaN {bits:x}");
    }

    [Theory]
    [InlineData("tanh")]
    [InlineData("erf")]
    public void OddToTheLastBitAndWithinOne(string kind)
    {
        var f = Compile(kind);
        for (long bits = 0; bits < 0x7f800000; bits += 3001)
        {
            float x = BitConverter.UInt32BitsToSingle((uint)bits);
            float y = f(x);
            Assert.Equal(BitConverter.SingleToInt32Bits(-y), BitConverter.SingleToInt32Bits(f(-x)));
            Assert.True(y is >= 0 and <= 1, $"{kind}({x:R}) is {y:R}");
        }
    }

    [Theory]
    [InlineData("sin")]
    [InlineData("cos")]
    public void StaysWithinOneForAllFiniteArguments(string kind)
    {
        var f = Compile(kind);
        for (long bits = 0; bits < uint.MaxValue; bits += 1999)
        {
            float x = BitConverter.UInt32BitsToSingle((uint)bits);
            if (float.IsFinite(x))
                Assert.True(f(x) is >= -1 and <= 1, $"{kind}({x:R}) is {f(x):R}");
        }
    }

    [Theory]
    [MemberData(nameof(Float64Functions))]
    public void Float64ErrorIsAtMostTheStatedOne(string kind)
    {
        var f = CompileFloat64(kind);
        var random = new Random(7);
        double worst = 0;
        double worstAt = 0;
        for (int i = 0; i < 40_000; i++)
        {
            double reach = kind == "erf" ? 6.5 : 12;
            // Half of the points uniform, half near zero.
            double at = i % 2 == 0 ? random.NextDouble() * reach : Math.Pow(2, -20 * random.NextDouble());
            if (kind != "rsqrt" && i % 4 < 2)
                at = -at;
            decimal exact = Reference.InDecimal(kind, Reference.Exactly(at));
            double unit = Math.Pow(2, Math.ILogB((double)exact) - 52);
            double error = (double)Math.Abs(Reference.Exactly(f(at)) - exact) / unit;
            if (error > worst)
                (worst, worstAt) = (error, at);
        }
        output.WriteLine($"{kind}: {worst:F3} ULP at {worstAt:R}");
        Assert.True(worst <= ScalarFunctions.Find(kind)!.MaxUlpFloat64, $"{kind}({worstAt:R}): {worst:F3} ULP");
    }

    [Theory]
    [InlineData("sigmoid", double.NegativeInfinity, 0)]
    [InlineData("sigmoid", -744.44, double.Epsilon)]
    [InlineData("sigmoid", double.PositiveInfinity, 1)]
    [InlineData("sigmoid", double.NaN, double.NaN)]
    [InlineData("erf", double.NegativeInfinity, -1)]
    [InlineData("erf", double.PositiveInfinity, 1)]
    [InlineData("erf", double.NaN, double.NaN)]
    public void Float64SpecialValues(string kind, double x, double expected)
    {
        double actual = CompileFloat64(kind)(x);
        Assert.True(expected.Equals(actual), $"{kind}({x}) is {actual:R}");
    }

    [Theory]
    [InlineData(DType.Float32, "sqrt")]
    [InlineData(DType.Float16, "exp")]
    public void LeavesOtherTypesAndFunctionsAlone(DType type, string kind)
    {
        var function = ScalarFunctions.Find(kind)!;
        Expr[] x = [.. Enumerable.Range(0, function.Arity).Select(_ => CompiledExpr.Placeholder(type))];
        var e = Op.Call(function, x);
        Assert.Same(e, ExpandMath.Expand(e));
        Assert.Null(function.Expand([.. x]));
    }

    // The counts stated in the documentation of each function: distinct operations other than bit casts, which are free.
    [Theory]
    [InlineData(DType.Float32, "exp", 16)]
    [InlineData(DType.Float32, "log", 30)]
    [InlineData(DType.Float32, "tanh", 19)]
    [InlineData(DType.Float32, "sigmoid", 17)]
    [InlineData(DType.Float32, "erf", 24)]
    [InlineData(DType.Float32, "sin", 21)]
    [InlineData(DType.Float32, "cos", 23)]
    public void OperationCounts(DType type, string kind, int expected)
    {
        var e = ScalarFunctions.Find(kind)!.Expand(CompiledExpr.Placeholder(type))!;
        var distinct = new HashSet<Expr>(e.Nodes(), ReferenceEqualityComparer.Instance);
        int operations = distinct.Count(n => n is not (FloatImm or IntImm or Load or Bitcast));
        output.WriteLine($"{kind}: {operations} operations, {e.Nodes().Count()} nodes as a tree, {e.Loads().Count()}");
        Assert.Equal(expected, operations);
        Assert.InRange(e.Nodes().Count(), 1, 900);
    }

    [Theory]
    [MemberData(nameof(Functions))]
    public void NoLoadIsConditional(string kind)
    {
        var e = ScalarFunctions.Find(kind)!.Expand(CompiledExpr.Placeholder(DType.Float32))!;
        // What sin and cos do far from zero is rare, and vectors test it for all lanes at once.
        foreach (var select in e.Nodes().OfType<Select>().Where(s => s.Else is not Cast { A: Apply }))
            Assert.Empty(select.Then.Loads().Concat(select.Else.Loads()));
    }

    [Fact]
    public void NestedCallsStaySharedInsteadOfGrowing()
    {
        Expr x = CompiledExpr.Placeholder(DType.Float32);
        var e = x;
        for (int i = 0; i < 12; i++)
            e = Op.Tanh(e);
        var f = CompiledExpr.Compile<float>(ExpandMath.Expand(e), x);
        float expected = 0.5f;
        for (int i = 0; i < 12; i++)
            expected = MathF.Tanh(expected);
        Assert.Equal(expected, f(0.5f), 1e-6f);
    }

    [Fact]
    public void RunExpandsTheNestAndKeepsItWhereNothingIsToDo()
    {
        var i = new Axis("i", 8);
        var g = new AlgorithmBuilder("activation");
        var a = g.Input("A", DType.Float32, 8);
        var nest = InitialNest.Of(g.Build(g.Stage("C", [i], Op.Tanh(a[i]) + 1f)));
        var expanded = ExpandMath.Run(nest);
        Assert.DoesNotContain("tanh", expanded.ToString());
        Assert.Contains("/", expanded.ToString());
        Assert.Same(expanded, ExpandMath.Run(expanded));
    }

    [Theory]
    [MemberData(nameof(Functions))]
    public void TheInterpreterAgrees(string kind)
    {
        double[] points = [0.001, 0.3, 1, 2.5, 7, 20, 88, 1e-42, 1e6, 13421773, 3e38];
        var i = new Axis("i", points.Length);
        var g = new AlgorithmBuilder("function");
        var a = g.Input("A", DType.Float32, points.Length);
        var nest = ContractFma.Run(
            ExpandMath.Run(InitialNest.Of(g.Build(g.Stage("C", [i], Op.Call(ScalarFunctions.Find(kind)!, a[i])))))
        );
        var inputs = new Dictionary<string, HostArray> { ["A"] = HostArray.Of(DType.Float32, [points.Length], points) };
        var results = Interpreter.Run(nest, inputs)[0].ToDoubles();
        Assert.All(
            points.Zip(results),
            p =>
                Assert.InRange(
                    Ulps((float)p.Second, Reference.InDouble(kind, (float)p.First)),
                    0,
                    ScalarFunctions.Find(kind)!.MaxUlp
                )
        );
    }

    private static Func<float, float> Compile(string kind)
    {
        var x = CompiledExpr.Placeholder(DType.Float32);
        return CompiledExpr.Compile<float>(ExpandMath.Expand(Op.Call(ScalarFunctions.Find(kind)!, x)), x);
    }

    private static Func<double, double> CompileFloat64(string kind)
    {
        var x = CompiledExpr.Placeholder(DType.Float64);
        return CompiledExpr.Compile<double>(ExpandMath.Expand(Op.Call(ScalarFunctions.Find(kind)!, x)), x);
    }
}
