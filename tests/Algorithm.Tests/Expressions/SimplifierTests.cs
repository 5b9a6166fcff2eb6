using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests.Expressions;

public class SimplifierTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Simplified_equals_original_on_random_expressions(int seed)
    {
        var random = new RandomExpressions(seed);
        for (int i = 0; i < 2000; i++)
        {
            random.NewVariables();
            var e = i % 3 == 0 ? random.Predicate(4) : random.Index(5);
            var simple = Simplifier.Simplify(e, random.Ranges);
            var again = Simplifier.Simplify(simple, random.Ranges);
            var range = Interval.Of(e, random.Ranges);
            for (int t = 0; t < 12; t++)
            {
                var values = random.Values();
                long expected = RandomExpressions.Evaluate(e, values);
                string where =
                    $"seed {seed}, case {i}: {e} with {string.Join(", ", values.Select(v => $"{v.Key}={v.Value}"))}";
                Assert.True(
                    expected == RandomExpressions.Evaluate(simple, values),
                    $"{where} is {expected}, but simplified to {simple}"
                );
                Assert.True(
                    expected == RandomExpressions.Evaluate(again, values),
                    $"{where} is {expected}, but simplified twice to {again}"
                );
                Assert.True(
                    range.Min <= expected && expected <= range.Max,
                    $"{where} is {expected}, outside its interval {range.Min}..{range.Max}"
                );
            }
        }
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public void Linear_forms_keep_value_and_range_of_random_expressions(int seed)
    {
        var random = new RandomExpressions(seed);
        for (int i = 0; i < 2000; i++)
        {
            random.NewVariables();
            var (a, b) = (random.Index(4), random.Index(4));
            var (formA, formB) = (LinearForm.Of(a), LinearForm.Of(b));
            var range = formA.Range(random.Ranges);
            for (int t = 0; t < 6; t++)
            {
                var values = random.Values();
                long x = RandomExpressions.Evaluate(a, values);
                long y = RandomExpressions.Evaluate(b, values);
                Assert.Equal(x, RandomExpressions.Evaluate(formA.ToExpr(), values));
                Assert.Equal(x + y, RandomExpressions.Evaluate((formA + formB).ToExpr(), values));
                Assert.Equal(x - y, RandomExpressions.Evaluate((formA - formB).ToExpr(), values));
                Assert.InRange(x, range.Min, range.Max);
                var (variables, rest) = formA.Partition(atom => atom is Var);
                Assert.True(variables.IsAffine);
                Assert.Equal(
                    x,
                    RandomExpressions.Evaluate(variables.ToExpr(), values)
                        + RandomExpressions.Evaluate(rest.ToExpr(), values)
                );
            }
        }
    }

    [Fact]
    public void Interval_arithmetic_contains_every_pair_of_points()
    {
        for (long a = -7; a <= 7; a += 2)
        for (long b = a; b <= 8; b += 3)
        for (long c = -6; c <= 6; c += 3)
        for (long d = c; d <= 7; d += 2)
        {
            var (x, y) = (new Interval(a, b), new Interval(c, d));
            for (long p = a; p <= b; p++)
            for (long q = c; q <= d; q++)
            {
                Contains(x + y, p + q);
                Contains(x - y, p - q);
                Contains(x * y, p * q);
                if (q <= 0)
                    continue;
                Contains(x.FloorDiv(y), Op.FloorDiv(p, q));
                Contains(x.Mod(y), p - Op.FloorDiv(p, q) * q);
            }
        }
        static void Contains(Interval range, long value) => Assert.InRange(value, range.Min, range.Max);
    }

    [Fact]
    public void Unknown_ranges_stay_unknown()
    {
        var nothing = new Dictionary<Var, Interval>();
        var v = new Var("v");
        foreach (Expr e in new[] { v + 5, v - 5, v * 3, Op.FloorDiv(v, 2), Op.Neg(v), v * v })
            Assert.False(Interval.Of(e, nothing).IsBounded, e.ToString());
        Assert.Equal(new Interval(0, 6), Interval.Of(Op.Mod(v, 7), nothing));
        var positive = new Dictionary<Var, Interval> { [v] = new(1, Interval.Everything.Max) };
        Assert.True(Simplifier.Proves(Op.Lt(0, v), positive));
        Assert.False(Simplifier.Proves(Op.Lt(v, 1L << 59), positive));
    }

    [Fact]
    public void Narrow_integers_are_known_to_wrap()
    {
        var nothing = new Dictionary<Var, Interval>();
        var i = new Buffer("I", DType.Int32, []);
        var u = new Buffer("U", DType.UInt8, []);
        Expr sum = Op.Cast(DType.Int64, i[[]] + Op.Const(1, DType.Int32));
        Assert.Equal(new Interval(int.MinValue, int.MaxValue), Interval.Of(sum, nothing));
        Assert.Equal(new Interval(0, 255), Interval.Of(Op.Cast(DType.Int64, u[[]]), nothing));
        Assert.Equal(new Interval(0, 255), Interval.Of(u[[]] * Op.Const(3, DType.UInt8), nothing));
    }

    [Fact]
    public void Comparisons_of_data_are_not_turned_into_differences_that_may_overflow()
    {
        var a = new Buffer("A", DType.Int64, []);
        var b = new Buffer("B", DType.Int64, []);
        var nothing = new Dictionary<Var, Interval>();
        Expr less = Op.Lt(a[[]], b[[]]);
        Assert.Equal(less, Simplifier.Simplify(less, nothing));
        Expr extreme = Op.Lt(a[[]], new IntImm(long.MaxValue, DType.Int64));
        Assert.Equal(extreme, Simplifier.Simplify(extreme, nothing));
        Expr smallest = Op.Min(new IntImm(long.MaxValue, DType.Int64), a[[]]);
        Assert.Equal(smallest, Simplifier.Simplify(smallest, nothing));
    }

    [Theory]
    [InlineData("(i * 8 + j) // 8", "i")]
    [InlineData("(i * 8 + j) % 8", "j")]
    [InlineData("(i * 8 + j) // 16", "i // 2")]
    [InlineData("i * 4 + j < 404", "true")]
    [InlineData("8 * i < 17", "i < 3")]
    [InlineData("min(j, 7)", "j")]
    public void Known_forms(string original, string expected)
    {
        var (i, j) = (new Var("i"), new Var("j"));
        var ranges = new Dictionary<Var, Interval> { [i] = new(0, 99), [j] = new(0, 7) };
        Expr e = original switch
        {
            "(i * 8 + j) // 8" => Op.FloorDiv(i * 8 + j, 8),
            "(i * 8 + j) % 8" => Op.Mod(i * 8 + j, 8),
            "(i * 8 + j) // 16" => Op.FloorDiv(i * 8 + j, 16),
            "i * 4 + j < 404" => Op.Lt(i * 4 + j, 404),
            "8 * i < 17" => Op.Lt(8 * (Expr)i, 17),
            _ => Op.Min(j, 7),
        };
        Assert.Equal(expected, Simplifier.Simplify(e, ranges).ToString());
    }
}
