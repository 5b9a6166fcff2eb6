using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Interpret;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.MathFunctions;

public sealed class ExpandMathTests(ITestOutputHelper output)
{
    // A prime, so that the sample steps through all exponents and all patterns of low bits: 4.3 million floats.
    private const int Stride = 997;

    public static TheoryData<UnaryOp> Functions => [.. ExpandMath.MaxUlp.Keys.Order()];

    public static TheoryData<UnaryOp> Float64Functions => [.. ExpandMath.MaxUlpFloat64.Keys.Order()];

    [Theory]
    [MemberData(nameof(Functions))]
    public void ErrorIsAtMostTheStatedOne(UnaryOp kind)
    {
        CheckFloats(kind, Stride);
    }

    [SkippableTheory]
    [MemberData(nameof(Functions))]
    public void ErrorIsAtMostTheStatedOneForAllFloats(UnaryOp kind)
    {
        Skip.If(
            Environment.GetEnvironmentVariable("PICOGRAD_EXHAUSTIVE") != "1",
            "all 2^32 floats: set PICOGRAD_EXHAUSTIVE=1 (minutes a function)"
        );
        CheckFloats(kind, 1);
    }

    private void CheckFloats(UnaryOp kind, int stride)
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
            worst <= ExpandMath.MaxUlp[kind],
            $"{kind}({worstAt:R}) is {f(worstAt):R}: {worst:F3} ULP, stated {ExpandMath.MaxUlp[kind]}"
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
    [InlineData(UnaryOp.Exp, 0f, 1f)]
    [InlineData(UnaryOp.Exp, float.PositiveInfinity, float.PositiveInfinity)]
    [InlineData(UnaryOp.Exp, float.NegativeInfinity, 0f)]
    [InlineData(UnaryOp.Exp, 88.73f, float.PositiveInfinity)]
    [InlineData(UnaryOp.Exp, -104f, 0f)]
    [InlineData(UnaryOp.Log, 1f, 0f)]
    [InlineData(UnaryOp.Log, 0f, float.NegativeInfinity)]
    [InlineData(UnaryOp.Log, -1f, float.NaN)]
    [InlineData(UnaryOp.Log, float.NegativeInfinity, float.NaN)]
    [InlineData(UnaryOp.Log, float.PositiveInfinity, float.PositiveInfinity)]
    [InlineData(UnaryOp.Tanh, float.Epsilon, float.Epsilon)]
    [InlineData(UnaryOp.Tanh, float.PositiveInfinity, 1f)]
    [InlineData(UnaryOp.Tanh, float.NegativeInfinity, -1f)]
    [InlineData(UnaryOp.Sigmoid, float.PositiveInfinity, 1f)]
    [InlineData(UnaryOp.Sigmoid, float.NegativeInfinity, 0f)]
    [InlineData(UnaryOp.Erf, float.PositiveInfinity, 1f)]
    [InlineData(UnaryOp.Erf, float.NegativeInfinity, -1f)]
    [InlineData(UnaryOp.Sin, float.Epsilon, float.Epsilon)]
    [InlineData(UnaryOp.Sin, float.PositiveInfinity, float.NaN)]
    [InlineData(UnaryOp.Cos, 0f, 1f)]
    [InlineData(UnaryOp.Cos, float.NegativeInfinity, float.NaN)]
    [InlineData(UnaryOp.Rsqrt, 4f, 0.5f)]
    [InlineData(UnaryOp.Rsqrt, 0f, float.PositiveInfinity)]
    [InlineData(UnaryOp.Rsqrt, -1f, float.NaN)]
    [InlineData(UnaryOp.Rsqrt, float.PositiveInfinity, 0f)]
    [InlineData(UnaryOp.Reciprocal, float.NegativeInfinity, -0f)]
    public void SpecialValues(UnaryOp kind, float x, float expected)
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
        foreach (var odd in new[] { UnaryOp.Tanh, UnaryOp.Erf, UnaryOp.Sin })
            Assert.Equal(int.MinValue, BitConverter.SingleToInt32Bits(Compile(odd)(-0f)));
        foreach (var even in new[] { UnaryOp.Exp, UnaryOp.Cos })
            Assert.Equal(1f, Compile(even)(-0f));
        Assert.Equal(0.5f, Compile(UnaryOp.Sigmoid)(-0f));
        foreach (var pole in new[] { UnaryOp.Log, UnaryOp.Reciprocal, UnaryOp.Rsqrt })
            Assert.Equal(float.NegativeInfinity, Compile(pole)(-0f));
        double erf = CompileFloat64(UnaryOp.Erf)(-0.0);
        Assert.True(erf == 0 && double.IsNegative(erf));
    }

    [Theory]
    [MemberData(nameof(Functions))]
    public void NanGivesNan(UnaryOp kind)
    {
        var f = Compile(kind);
        foreach (uint bits in new[] { 0x7fc00000u, 0xffc00000u, 0x7f800001u, 0x7fffffffu, 0xffffffffu })
            Assert.True(float.IsNaN(f(BitConverter.UInt32BitsToSingle(bits))), $"{kind} of NaN {bits:x}");
    }

    [Theory]
    [InlineData(UnaryOp.Tanh)]
    [InlineData(UnaryOp.Erf)]
    public void OddToTheLastBitAndWithinOne(UnaryOp kind)
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
    [InlineData(UnaryOp.Sin)]
    [InlineData(UnaryOp.Cos)]
    public void StaysWithinOneForAllFiniteArguments(UnaryOp kind)
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
    public void Float64ErrorIsAtMostTheStatedOne(UnaryOp kind)
    {
        var f = CompileFloat64(kind);
        var random = new Random(7);
        double worst = 0;
        double worstAt = 0;
        for (int i = 0; i < 40_000; i++)
        {
            double reach = kind == UnaryOp.Erf ? 6.5 : 12;
            // Half of the points uniform, half near zero.
            double at = i % 2 == 0 ? random.NextDouble() * reach : Math.Pow(2, -20 * random.NextDouble());
            if (kind != UnaryOp.Rsqrt && i % 4 < 2)
                at = -at;
            decimal exact = Reference.InDecimal(kind, Reference.Exactly(at));
            double unit = Math.Pow(2, Math.ILogB((double)exact) - 52);
            double error = (double)Math.Abs(Reference.Exactly(f(at)) - exact) / unit;
            if (error > worst)
                (worst, worstAt) = (error, at);
        }
        output.WriteLine($"{kind}: {worst:F3} ULP at {worstAt:R}");
        Assert.True(worst <= ExpandMath.MaxUlpFloat64[kind], $"{kind}({worstAt:R}): {worst:F3} ULP");
    }

    [Theory]
    [InlineData(UnaryOp.Sigmoid, double.NegativeInfinity, 0)]
    [InlineData(UnaryOp.Sigmoid, -744.44, double.Epsilon)]
    [InlineData(UnaryOp.Sigmoid, double.PositiveInfinity, 1)]
    [InlineData(UnaryOp.Sigmoid, double.NaN, double.NaN)]
    [InlineData(UnaryOp.Erf, double.NegativeInfinity, -1)]
    [InlineData(UnaryOp.Erf, double.PositiveInfinity, 1)]
    [InlineData(UnaryOp.Erf, double.NaN, double.NaN)]
    public void Float64SpecialValues(UnaryOp kind, double x, double expected)
    {
        double actual = CompileFloat64(kind)(x);
        Assert.True(expected.Equals(actual), $"{kind}({x}) is {actual:R}");
    }

    [Theory]
    [InlineData(DType.Float64, UnaryOp.Exp)]
    [InlineData(DType.Float64, UnaryOp.Tanh)]
    [InlineData(DType.Float32, UnaryOp.Sqrt)]
    [InlineData(DType.Float16, UnaryOp.Exp)]
    public void LeavesOtherTypesAndFunctionsAlone(DType type, UnaryOp kind)
    {
        var e = Op.Call(kind, CompiledExpr.Placeholder(type));
        Assert.Same(e, ExpandMath.Expand(e));
        Assert.Null(ExpandMath.Expand(kind, CompiledExpr.Placeholder(type)));
    }

    // The counts stated in the documentation of each function: distinct operations other than bit casts, which are free.
    [Theory]
    [InlineData(DType.Float32, UnaryOp.Exp, 16)]
    [InlineData(DType.Float32, UnaryOp.Log, 30)]
    [InlineData(DType.Float32, UnaryOp.Tanh, 19)]
    [InlineData(DType.Float32, UnaryOp.Sigmoid, 17)]
    [InlineData(DType.Float32, UnaryOp.Erf, 24)]
    [InlineData(DType.Float32, UnaryOp.Sin, 21)]
    [InlineData(DType.Float32, UnaryOp.Cos, 23)]
    [InlineData(DType.Float64, UnaryOp.Sigmoid, 7)]
    [InlineData(DType.Float64, UnaryOp.Erf, 36)]
    public void OperationCounts(DType type, UnaryOp kind, int expected)
    {
        var e = ExpandMath.Expand(kind, CompiledExpr.Placeholder(type))!;
        var distinct = new HashSet<Expr>(e.Nodes(), ReferenceEqualityComparer.Instance);
        int operations = distinct.Count(n => n is not (FloatImm or IntImm or Load or Bitcast));
        output.WriteLine($"{kind}: {operations} operations, {e.Nodes().Count()} nodes as a tree, {e.Loads().Count()}");
        Assert.Equal(expected, operations);
        Assert.InRange(e.Nodes().Count(), 1, 900);
    }

    [Theory]
    [MemberData(nameof(Functions))]
    public void NoLoadIsConditional(UnaryOp kind)
    {
        var e = ExpandMath.Expand(kind, CompiledExpr.Placeholder(DType.Float32))!;
        // What sin and cos do far from zero is rare, and vectors test it for all lanes at once.
        foreach (var select in e.Nodes().OfType<Select>().Where(s => s.Else is not Cast { A: Unary }))
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
    public void TheInterpreterAgrees(UnaryOp kind)
    {
        double[] points = [0.001, 0.3, 1, 2.5, 7, 20, 88, 1e-42, 1e6, 13421773, 3e38];
        var i = new Axis("i", points.Length);
        var g = new AlgorithmBuilder("function");
        var a = g.Input("A", DType.Float32, points.Length);
        var nest = ContractFma.Run(ExpandMath.Run(InitialNest.Of(g.Build(g.Stage("C", [i], Op.Call(kind, a[i]))))));
        var inputs = new Dictionary<string, HostArray> { ["A"] = HostArray.Of(DType.Float32, [points.Length], points) };
        var results = Interpreter.Run(nest, inputs)[0].ToDoubles();
        Assert.All(
            points.Zip(results),
            p =>
                Assert.InRange(
                    Ulps((float)p.Second, Reference.InDouble(kind, (float)p.First)),
                    0,
                    ExpandMath.MaxUlp[kind]
                )
        );
    }

    private static Func<float, float> Compile(UnaryOp kind)
    {
        var x = CompiledExpr.Placeholder(DType.Float32);
        return CompiledExpr.Compile<float>(ExpandMath.Expand(Op.Call(kind, x)), x);
    }

    private static Func<double, double> CompileFloat64(UnaryOp kind)
    {
        var x = CompiledExpr.Placeholder(DType.Float64);
        return CompiledExpr.Compile<double>(ExpandMath.Expand(Op.Call(kind, x)), x);
    }
}
