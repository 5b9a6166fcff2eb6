using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

public class ElementwiseTests
{
    private static readonly (
        string Name,
        Func<Tensor, Tensor, Tensor> Run,
        Func<double, double, double> Expect
    )[] Binary =
    [
        ("add", (a, b) => a + b, (a, b) => a + b),
        ("sub", (a, b) => a - b, (a, b) => a - b),
        ("mul", (a, b) => a * b, (a, b) => a * b),
        ("div", (a, b) => a / b, (a, b) => a / b),
        ("maximum", (a, b) => a.Maximum(b), Math.Max),
        ("minimum", (a, b) => a.Minimum(b), Math.Min),
        ("eq", (a, b) => a.Eq(b), (a, b) => a == b ? 1 : 0),
        ("ne", (a, b) => a.Ne(b), (a, b) => a != b ? 1 : 0),
        ("lt", (a, b) => a < b, (a, b) => a < b ? 1 : 0),
        ("le", (a, b) => a <= b, (a, b) => a <= b ? 1 : 0),
        ("gt", (a, b) => a > b, (a, b) => a > b ? 1 : 0),
        ("ge", (a, b) => a >= b, (a, b) => a >= b ? 1 : 0),
    ];

    private static readonly (
        string Name,
        Func<Tensor, Tensor> Run,
        Func<double, double> Expect,
        bool Positive
    )[] Unary =
    [
        ("neg", t => -t, x => -x, false),
        ("abs", t => t.Abs(), Math.Abs, false),
        ("relu", t => t.Relu(), x => Math.Max(x, 0), false),
        ("square", t => t.Square(), x => x * x, false),
        ("tanh", t => t.Tanh(), Math.Tanh, false),
        ("exp", t => t.Exp(), Math.Exp, false),
        ("log", t => t.Log(), Math.Log, true),
        ("sigmoid", t => t.Sigmoid(), x => 1 / (1 + Math.Exp(-x)), false),
        ("sqrt", t => t.Sqrt(), Math.Sqrt, true),
        ("rsqrt", t => t.Rsqrt(), x => 1 / Math.Sqrt(x), true),
        ("reciprocal", t => t.Reciprocal(), x => 1 / x, false),
        ("sin", t => t.Sin(), Math.Sin, false),
        ("cos", t => t.Cos(), Math.Cos, false),
        ("silu", t => t.Silu(), x => x / (1 + Math.Exp(-x)), false),
        ("floor", t => t.Floor(), Math.Floor, false),
        ("ceil", t => t.Ceil(), Math.Ceiling, false),
        ("round", t => t.Round(), x => Math.Round(x, MidpointRounding.ToEven), false),
    ];

    public static TheoryData<long[], long[]> Shapes =>
        new()
        {
            { [], [] },
            { [1], [1] },
            { [7], [7] },
            { [0], [0] },
            { [3, 0, 5], [3, 0, 5] },
            { [3, 5], [5] },
            { [3, 1], [1, 5] },
            { [13], [1] },
            { [2, 3, 5], [3, 1] },
            { [2, 3, 5], [] },
            { [], [0, 3] },
            { [1, 0], [4, 1] },
            { [2, 1, 3, 1, 2], [1, 3, 1, 5, 1] },
            { [2, 1, 3, 1, 2, 1, 3], [1, 2, 1, 3, 1, 2, 1] },
        };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void BinaryOperatorsBroadcast(long[] shapeA, long[] shapeB)
    {
        var a = Make.Values(shapeA, seed: 1);
        var b = Make.Values(shapeB, seed: 2);
        foreach (
            var (x, y) in new[] { (a, b), (Make.Ragged(a), b), (a, Make.Ragged(b)), (Make.Ragged(a), Make.Ragged(b)) }
        )
        {
            foreach (var (_, run, expect) in Binary)
                Expected(a, b, expect).Same(run(x, y));
        }
    }

    [Fact]
    public void ExpandedViewsAreOperandsLikeOthers()
    {
        var a = Make.Values([3, 1]).Expand(3, 4);
        var b = Make.Values([1, 4], seed: 2).Expand(3, 4);
        Expected(a, b, (x, y) => x + y).Same(a + b);
        Expected(a, a, (x, y) => x * y).Same(a * a);
        var c = Tensor.From(2f).Expand(2, 3);
        Expected(c, c, (x, y) => x - y).Same(c - c);
        Expected(a, a, (x, _) => Math.Tanh(x)).Same(a.Tanh());
    }

    [Theory]
    [InlineData(DType.Float64)]
    [InlineData(DType.Int32)]
    [InlineData(DType.Int64)]
    [InlineData(DType.UInt8)]
    public void BinaryOperatorsOnEveryDType(DType type)
    {
        var a = Make.Values([3, 5], type, 1, positive: true);
        var b = Make.Values([5], type, 2, positive: true) + 1;
        b = b.To(type);
        foreach (var (name, run, expect) in Binary)
        {
            var expected = Expected(a, b, (x, y) => Wrap(expect(x, y), name == "div" ? DType.Float32 : type));
            var actual = run(a, b);
            expected.Same(actual, type == DType.Float64 ? 1e-12 : 1e-5);
            var resultType =
                expect(1, 1) is 0 or 1 && name is "eq" or "ne" or "lt" or "le" or "gt" or "ge" ? DType.Bool
                : name == "div" && !type.IsFloat() ? DType.Float32
                : type;
            Assert.Equal(resultType, actual.DType);
        }
    }

    [Fact]
    public void NumbersAreOperands()
    {
        var a = Make.Values([5, 3]);
        foreach (var x in new[] { a, Make.Ragged(a) })
        {
            Expected(a, a, (v, _) => v + 2).Same(x + 2);
            Expected(a, a, (v, _) => 2 - v).Same(2 - x);
            Expected(a, a, (v, _) => v - 2.5).Same(x - 2.5);
            Expected(a, a, (v, _) => v * -3).Same(-3 * x);
            Expected(a, a, (v, _) => v / 4).Same(x / 4);
            Expected(a, a, (v, _) => 4 / v).Same(4 / x);
            Expected(a, a, (v, _) => v > 0.5 ? 1 : 0).Same(x > 0.5);
            Expected(a, a, (v, _) => v <= 0 ? 1 : 0).Same(x <= 0);
        }
    }

    [Fact]
    public void UnaryOperators()
    {
        foreach (long[] shape in new long[][] { [], [1], [17], [3, 5, 7], [0, 2] })
        {
            foreach (var type in new[] { DType.Float32, DType.Float64 })
            {
                foreach (var (_, run, expect, positive) in Unary)
                {
                    var x = Make.Values(shape, type, 3, positive);
                    foreach (var t in new[] { x, Make.Ragged(x) })
                    {
                        var y = run(t);
                        Assert.Equal(type, y.DType);
                        Expected(x, x, (v, _) => expect(v)).Same(y, type == DType.Float64 ? 1e-12 : 1e-5);
                    }
                }
            }
        }
    }

    [Fact]
    public void ErfAndGelu()
    {
        // Values of the error function from Abramowitz and Stegun, table 7.1.
        var x = Tensor.From([0.0, 0.5, 1.0, 2.0, -1.0]);
        new Plain([5], [0, 0.5204998778, 0.8427007929, 0.9953222650, -0.8427007929]).Same(x.Erf(), 1e-9);
        var g = x * Math.Sqrt(2);
        var expected = x.Erf().ToDoubles().Zip(g.ToDoubles(), (e, v) => v * 0.5 * (1 + e)).ToArray();
        new Plain([5], expected).Same(g.Gelu(), 1e-9);
    }

    [Fact]
    public void IntegersBecomeFloatsWhereTheyMust()
    {
        var i = Tensor.Arange(1, 4);
        Assert.Equal(DType.Float32, i.Exp().DType);
        Assert.Equal(DType.Float32, (i / 2).DType);
        Assert.Equal(DType.Int64, (-i).DType);
        new Plain([3], [0.5, 1, 1.5]).Same(i / 2);
        new Plain([3], [Math.Tanh(1), Math.Tanh(2), Math.Tanh(3)]).Same(i.Tanh());
    }

    [Fact]
    public void Powers()
    {
        var x = Tensor.From([-2.0, 0.5, 3.0]);
        foreach (double p in new[] { 0, 1, 2, 3, -1, 4, 5 })
            Expected(x, x, (v, _) => Math.Pow(v, p)).Same(x.Pow(p), 1e-9);
        var positive = x.Abs();
        foreach (double p in new[] { 0.5, -0.5, 1.7 })
            Expected(positive, x, (v, _) => Math.Pow(v, p)).Same(positive.Pow(p), 1e-9);
        var i = Tensor.From([-3L, 2, 7]);
        Assert.Equal(DType.Int64, i.Pow(5).DType);
        new Plain([3], [-243, 32, 16807]).Same(i.Pow(5));
        new Plain([2, 2], [1, 2, 9, 64]).Same(
            Tensor.From([1.0, 2, 3, 4], [2, 2]).Pow(Tensor.From([3.0, 1, 2, 3], [2, 2])),
            1e-9
        );
    }

    [Fact]
    public void LogicalOperators()
    {
        var a = Tensor.From([true, true, false, false]);
        var b = Tensor.From([true, false, true, false]);
        Assert.Equal([true, false, false, false], (a & b).ToArray<bool>());
        Assert.Equal([true, true, true, false], (a | b).ToArray<bool>());
        Assert.Equal([false, true, true, false], (a ^ b).ToArray<bool>());
        Assert.Equal([false, false, true, true], (!a).ToArray<bool>());
        Assert.Equal([true, true, true, false], (a + b).ToArray<bool>());
        Assert.Equal([true, false, false, false], (a * b).ToArray<bool>());
        Assert.Equal([false, true, true], Tensor.From([0, 5, -1]).LogicalAnd(Tensor.From([1, 2, 4])).ToArray<bool>());
        Assert.Equal([true, true, false], Tensor.From([0f, 5, 0]).LogicalOr(Tensor.From([1, 1, 0])).ToArray<bool>());
        Assert.Equal([true, false, false], Tensor.From([0f, 5, 0]).LogicalXor(Tensor.From([1, 1, 0])).ToArray<bool>());
        Assert.Equal([true, false], Tensor.From([0f, double.NaN]).LogicalNot().ToArray<bool>());
    }

    [Fact]
    public void WhereBroadcastsThreeOperands()
    {
        var c = Tensor.From([true, false, true]);
        var a = Make.Values([4, 3]);
        var b = Make.Values([4, 1], seed: 5);
        var expected = Plain.Of([4, 3], i => c.ToDoubles()[i[1]] != 0 ? Plain.Of(a).At(i) : Plain.Of(b).At(i));
        expected.Same(Tensor.Where(c, a, b));
        expected.Same(Tensor.Where(c, Make.Ragged(a), Make.Ragged(b)));
        expected.Same(Tensor.Where(Make.Ragged(c), a.T.Contiguous().T, b));
        Assert.Equal(DType.UInt8, Tensor.Where(c, Tensor.From((byte)3), Tensor.From((byte)4)).DType);
    }

    [Fact]
    public void ClampCutsAtBothEnds()
    {
        var x = Tensor.From([-3f, -0.5f, 0.5f, 3f]);
        new Plain([4], [-1, -0.5, 0.5, 1]).Same(x.Clamp(-1, 1));
        new Plain([4], [-3, -0.5, 0.5, 1]).Same(x.Clamp(max: 1));
    }

    [Fact]
    public void ConversionsKeepValues()
    {
        var x = Tensor.From([-2.7, 0, 3.2, 250]);
        new Plain([4], [-2, 0, 3, 250]).Same(x.To(DType.Int32));
        new Plain([4], [-2, 0, 3, 250]).Same(x.To(DType.Int64));
        new Plain([4], [1, 0, 1, 1]).Same(x.To(DType.Bool));
        new Plain([2], [3, 250]).Same(x[2..].To(DType.UInt8));
        Assert.Same(x, x.To(DType.Float64));
        new Plain([3], [1, 0, 1]).Same(Tensor.From([true, false, true]).To(DType.Float32));
    }

    private static Plain Expected(Tensor a, Tensor b, Func<double, double, double> f)
    {
        var (x, y) = (Plain.Of(a), Plain.Of(b));
        return Plain.Of(Plain.Broadcast(x.Shape, y.Shape), i => f(x.At(i), y.At(i)));
    }

    private static double Wrap(double value, DType type) => type == DType.UInt8 ? (byte)(long)value : value;
}
