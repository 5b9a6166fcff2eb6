using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Functions;
using Picograd.Algorithms.Operators;
using Xunit;

namespace Picograd.Tests.Functions;

/// <summary>The table's derivatives against differences of the evaluator, and at the places where a rule decides.</summary>
public sealed class DerivativeTests
{
    public static TheoryData<string> Differentiable =>
        [
            .. ScalarFunctions
                .All.Where(f => f.Derivatives.IsDefault || f.Derivatives.Any(d => d is not null))
                .Select(f => f.Name),
        ];

    [Theory]
    [MemberData(nameof(Differentiable))]
    public void Slopes_are_those_of_differences(string name)
    {
        var function = ScalarFunctions.Find(name)!;
        var random = new Random(11);
        for (int trial = 0; trial < 40; trial++)
        {
            double[] at = [.. function.Domains.Select(d => Draw(random, d))];
            // Bounds in order; arguments apart, since the rule decides where they are equal.
            if (name == "clamp")
                at = [at[0], -Math.Abs(at[1]) - 0.1, Math.Abs(at[2]) + 0.1];
            if (name == "pow")
                at[0] = Math.Abs(at[0]);
            double g = random.NextDouble() * 2 - 1;
            for (int i = 0; i < at.Length; i++)
            {
                double slope = Gradient(function, at, i, g);
                double step = 1e-6 * Math.Max(1e-3, Math.Abs(at[i]));
                var (low, high) = ((double[])at.Clone(), (double[])at.Clone());
                low[i] -= step;
                high[i] += step;
                double difference = g * (Value(function, high) - Value(function, low)) / (high[i] - low[i]);
                Assert.True(
                    Math.Abs(slope - difference) <= 1e-6 * Math.Max(1, Math.Abs(slope)) + 1e-6,
                    $"{name} at {string.Join(", ", at)}, argument {i}: {slope}, differences give {difference}"
                );
            }
        }
    }

    [Theory]
    [InlineData("relu", 0, 0)]
    [InlineData("relu", -0.0, 0)]
    [InlineData("relu", double.NaN, double.PositiveInfinity)]
    [InlineData("relu", -1, 0)]
    [InlineData("abs", 0, 0)]
    [InlineData("abs", double.NaN, 0)]
    [InlineData("abs", -2, double.NegativeInfinity)]
    public void A_zero_slope_stops_an_infinite_gradient(string name, double x, double expected) =>
        Assert.Equal(expected, Gradient(ScalarFunctions.Find(name)!, [x], 0, double.PositiveInfinity));

    [Theory]
    [InlineData("maximum", 1, 1, 0.5, 0.5)]
    [InlineData("maximum", 1, 2, 0, 1)]
    [InlineData("maximum", 1, double.NaN, 1, 1)]
    [InlineData("minimum", 1, 1, 0.5, 0.5)]
    [InlineData("minimum", 1, 2, 1, 0)]
    [InlineData("pow", 0, 0, 0, 0)]
    [InlineData("pow", 0, 2, 0, 0)]
    [InlineData("pow", 3, 0, 0, 1.0986122886681098)]
    public void Ties_and_special_points(string name, double a, double b, double first, double second)
    {
        var function = ScalarFunctions.Find(name)!;
        Assert.Equal(first, Gradient(function, [a, b], 0, 1), 1e-15);
        Assert.Equal(second, Gradient(function, [a, b], 1, 1), 1e-15);
    }

    [Theory]
    [InlineData(-2, 0, 1, 0)]
    [InlineData(-1, 1, 0, 0)]
    [InlineData(0.5, 1, 0, 0)]
    [InlineData(2, 1, 0, 0)]
    [InlineData(3, 0, 0, 1)]
    public void Clamp_gives_an_element_on_a_bound_its_own(double x, double own, double low, double high)
    {
        double[] at = [x, -1, 2];
        Assert.Equal(own, Gradient(ScalarFunctions.Clamp, at, 0, 1));
        Assert.Equal(low, Gradient(ScalarFunctions.Clamp, at, 1, 1));
        Assert.Equal(high, Gradient(ScalarFunctions.Clamp, at, 2, 1));
    }

    [Fact]
    public void A_composed_function_without_a_derivative_has_that_of_its_parts()
    {
        var cube = ScalarFunction.Composed("cubed_and_more", x => x * x * x + Op.Sin(x) * x);
        Assert.Equal(3 * 4 + Math.Cos(2) * 2 + Math.Sin(2), Gradient(cube, [2], 0, 1), 1e-14);
    }

    [Fact]
    public void Other_nodes_have_rules_too()
    {
        var (a, b, c) = (Leaf("a"), Leaf("b"), Leaf("c"));
        var g = Leaf("g");
        Expr fma = Op.Fma(a, b, c);
        Assert.Equal(g * b, DerivativeRules.Of(fma, fma, 0, g));
        Assert.Equal(g, DerivativeRules.Of(fma, fma, 2, g));
        var select = Op.Select(Op.Lt(a, b), a, b);
        Assert.Null(DerivativeRules.Of(select, select, 0, g));
        Assert.Equal(Op.Select(Op.Lt(a, b), g, Op.Const(0, DType.Float64)), DerivativeRules.Of(select, select, 1, g));
        var cast = Op.Cast(DType.Float32, a);
        Assert.Equal(DType.Float64, DerivativeRules.Of(cast, cast, 0, Op.Const(1, DType.Float32))!.Type);
        Assert.Throws<ArgumentException>(() => DerivativeRules.Of(fma, fma, 3, g));
    }

    private static Expr Leaf(string name) => new Picograd.Algorithms.Buffer(name, DType.Float64, [1])[0];

    internal static double Value(ScalarFunction function, double[] at) =>
        Evaluate(at, (x, _) => Op.Call(function, x), 0);

    internal static double Gradient(ScalarFunction function, double[] at, int argument, double gradient) =>
        Evaluate(
            at,
            (x, g) =>
                DerivativeRules.Of(function, [.. x], Op.Call(function, x), argument, g) ?? Op.Const(0, DType.Float64),
            gradient
        );

    private static double Evaluate(double[] at, Func<Expr[], Expr, Expr> value, double gradient)
    {
        var builder = new AlgorithmBuilder("value");
        var i = new Axis("i", 1);
        var inputs = new Dictionary<Picograd.Algorithms.Buffer, NDArray>();
        Expr Input(string name, double v)
        {
            var buffer = builder.Input(name, DType.Float64, 1);
            inputs[buffer] = NDArray.Of(DType.Float64, [1], [v]);
            return buffer[i];
        }
        Expr[] x = [.. at.Select((v, k) => Input($"X{k}", v))];
        var y = builder.Stage("Y", [i], value(x, Input("G", gradient)));
        return Evaluator.Run(builder.Build(y), inputs)[y].Doubles[0];
    }

    internal static double Draw(Random random, InputDomain domain)
    {
        double size = random.NextDouble() * 2 + 0.05;
        double sign = random.Next(2) == 0 ? 1 : -1;
        return domain.Kind switch
        {
            DomainKind.Positive => size,
            DomainKind.Negative => -size,
            DomainKind.AboveOne => 1.01 + size,
            DomainKind.AboveMinusOne => size - 0.98,
            DomainKind.Unit => sign * random.NextDouble() * 0.98,
            DomainKind.Probability => 0.01 + random.NextDouble() * 0.98,
            _ => sign * size,
        };
    }
}
