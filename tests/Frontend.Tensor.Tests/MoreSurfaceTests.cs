using Xunit;

namespace Picograd.Tests;

/// <summary>Views by strides, statistics, pieces, numbers' digits, draws and shared memory: values by hand, gradients by differences.</summary>
public sealed class MoreSurfaceTests
{
    public MoreSurfaceTests() => Setup.UseCpu();

    private static Tensor Values(string shape, int seed = 3) =>
        Make.Values([.. shape.Split('x').Select(long.Parse)], DType.Float64, seed);

    private static void Equal(double[] expected, Tensor found, double tolerance = 1e-12)
    {
        double[] values = found.ToDoubles();
        Assert.Equal(expected.Length, values.Length);
        for (int i = 0; i < values.Length; i++)
            Assert.True(
                expected[i].Equals(values[i]) || Math.Abs(expected[i] - values[i]) <= tolerance,
                $"element {i} is {values[i]}, expected {expected[i]}"
            );
    }

    [Fact]
    public void Views_by_strides_have_a_history()
    {
        var x = Tensor.Arange(0.0, 12, 1, DType.Float64).Reshape(3, 4);
        var view = x.AsStrided([2, 3], [1, 2], 1);
        Equal([1, 3, 5, 2, 4, 6], view);
        view.Fill_(-1);
        Equal([0, -1, -1, -1, -1, -1, -1, 7, 8, 9, 10, 11], x);
        // Overlapping elements get the sum of their gradients.
        var leaf = Values("7").Detach().RequiresGrad_();
        (leaf.AsStrided([3, 3], [2, 1]) * Tensor.Arange(0.0, 9, 1, DType.Float64).Reshape(3, 3)).Sum().Backward();
        Equal([0, 1, 5, 4, 11, 7, 8], leaf.Grad!);
        // Of a transpose the gradient lies where that does.
        var square = Values("3x2").Detach().RequiresGrad_();
        square.T.AsStrided([2], [3], 1).Sum().Backward();
        Equal([0, 1, 0, 0, 1, 0], square.Grad!);
        Assert.Contains(
            "reach element 12",
            Assert.Throws<ArgumentException>(() => x.AsStrided([2, 3], [7, 2], 1)).Message
        );
    }

    [Fact]
    public void Pieces_and_scatters()
    {
        var x = Tensor.Arange(0.0, 6, 1, DType.Float64).Reshape(2, 3);
        Equal([0, 9, 2, 3, 8, 5], x.SelectScatter(Tensor.From([9.0, 8]), 1, 1));
        Equal([9, 1, 8, 7, 4, 6], x.SliceScatter(Tensor.From([9.0, 8, 7, 6], [2, 2]), 1, 0, null, 2));
        Equal([9, 1, 2, 3, 8, 5], x.DiagonalScatter(Tensor.From([9.0, 8])));
        Equal([0, 1, 2, 7, 8, 5], x.Put(Tensor.From([3L, -2]), Tensor.From([7.0, 8])));
        Equal([0, 1, 9, 3, 4, 5], x.T.Put(Tensor.From([4L]), Tensor.From([9.0])).T);
        Equal([0, 1, 2, 30, 44, 60], x.IndexReduce(0, Tensor.From([1L]), Tensor.From([10.0, 11, 12], [1, 3]), "prod"));
        Assert.Equal([2, 1], x.HSplit([2L]).Select(t => t.Size(1)));
        Assert.Equal(2, x.VSplit(2).Length);
        Equal([1, 0, 0, 0, 2, 3], Tensor.BlockDiag(Tensor.From(1.0), Tensor.From([2.0, 3])));
        Equal([0, 3, 1, 4], Tensor.ColumnStack(Tensor.From([0.0, 1]), Tensor.From([3.0, 4])));
        Assert.Equal([2, 5, 3], Tensor.BroadcastShapes([5, 1], [2, 1, 3]));
        Assert.Equal([2, 3], Tensor.BroadcastTensors(x, Tensor.From(1.0))[1].Shape.ToArray());
        Equal([0, 1, 1, 0, 0, 1], Tensor.TrilIndices(2, 2));
        Equal([0, 0, 1, 0, 1, 1], Tensor.TriuIndices(2, 2));
        Equal([0, 1, 0, 2, 1, 2], Tensor.Arange(3).Combinations());
        Equal([0, 0, 0, 1, 1, 1], Tensor.Arange(2).Combinations(withReplacement: true));
        Assert.Equal(0, Tensor.Arange(2).Combinations(3).NumElements);
        Equal([1, 3, 3, 5, 2, 0], Tensor.From([5.0, 1, 3, 3, 2, 0]).Take(Tensor.From([1L, 2, 3, 0, 4, 5])));
        var rows = Tensor.From([1.0, 1, 2, 2, 2, 2, 1, 1], [4, 2]).UniqueConsecutive(true, true, 0);
        Equal([1, 1, 2, 2, 1, 1], rows.Values);
        Equal([0, 1, 1, 2], rows.Inverse!);
        Equal([1, 2, 1], rows.Counts!);
        Equal(
            [1, 3],
            Tensor.SearchSorted(
                Tensor.From([3.0, 1, 2]),
                Tensor.From([1.5, 3.5]),
                sorter: Tensor.From([1L, 2, 0]),
                side: "right"
            )
        );
    }

    [Fact]
    public void Statistics()
    {
        var x = Tensor.From([0.0, 1, 2, 2, 1, 0], [2, 3]);
        Equal([1, -1, -1, 1], x.Cov());
        Equal([2.0 / 3, -2.0 / 3, -2.0 / 3, 2.0 / 3], x.Cov(0));
        Equal([1, -1, -1, 1], x.Corrcoef());
        // Weights of whole numbers are repetitions.
        var repeated = x.RepeatInterleave(Tensor.From([1L, 3, 2]), 1);
        Equal(repeated.Cov().ToDoubles(), x.Cov(fweights: Tensor.From([1L, 3, 2])));
        Equal([1, 1, -1, -1], x.Diff());
        Equal([2, 0, -2], x.Diff(dim: 0));
        Equal([-7, 1, 1], Tensor.From([0.0, 1, 2]).Diff(prepend: Tensor.From([7.0])));
        Equal([0, 0], Tensor.From([0.0, 1, 2, 3]).Diff(2));
        Equal([1, 3, 5.5, 7], Tensor.From([0.0, 1, 6, 12]).Gradient()[0] * Tensor.From([1.0, 1, 1, 7.0 / 6]));
        Equal([0, 2, 4, 6], Tensor.From([0.0, 1, 4, 9]).Gradient(edgeOrder: 2)[0]);
        Equal(
            [2, 4, 8, 10],
            Tensor.From([1.0, 4, 16, 36]).Gradient([Tensor.From([1.0, 2, 4, 6])], edgeOrder: 2)[0]
                * Tensor.From([1.0, 1, 1, 10.0 / 12])
        );
        Equal([4], Tensor.Trapezoid(Tensor.From([1.0, 2, 3]), 1.0));
        Equal([6.5], Tensor.Trapezoid(Tensor.From([1.0, 2, 3]), Tensor.From([0.0, 1, 3])));
        Equal([1.5, 4], Tensor.CumulativeTrapezoid(Tensor.From([1.0, 2, 3])));
        Equal([3, 4], Tensor.From([6.0, 8, 0, 1], [2, 2]).Renorm(2, 0, 5)[0], 1e-6);
        Assert.Equal([true, false, true], Tensor.IsIn(Tensor.From([1L, 2, 3]), Tensor.From([3L, 1])).ToArray<bool>());
        Assert.Equal([false, true], Tensor.IsIn(Tensor.From([1L, 2]), 1, invert: true).ToArray<bool>());
        var (hist, edges) = Tensor.From([0.0, 1, 1, 2, 5]).Histogram(2, (0, 2));
        Equal([1, 3], hist);
        Equal([0, 1, 2], edges);
        Equal([0.25, 0.75], Tensor.From([0.0, 1, 1, 2, 5]).Histogram(Tensor.From([0.0, 1, 2]), density: true).Hist);
        Equal(
            [1.5, double.NaN],
            Tensor.From([1.0, double.NaN, 2, double.NaN, double.NaN, double.NaN], [2, 3]).NanQuantile(0.5, 1)
        );
    }

    [Fact]
    public void Digits_of_numbers()
    {
        Equal([6, 5, 0, 4], Tensor.From([12L, -5, 0, 4]).Gcd(Tensor.From([18L, 0, 0, -8])));
        Equal([36, 0, 8], Tensor.From([12L, -5, 4]).Lcm(Tensor.From([18L, 0, -8])));
        Equal([8, 0.5], Tensor.From([1.0, 2]).Ldexp(Tensor.From([3L, -2])));
        var x = Tensor.From([0.0, 3, -0.1, double.PositiveInfinity, Math.ScaleB(0.5, -990)]).RequiresGrad_();
        var (mantissa, exponent) = x.Frexp();
        Equal([0, 0.75, -0.8, double.PositiveInfinity, 0.5], mantissa);
        Assert.Equal([0, 2, -3, 0, -990], exponent.ToArray<int>());
        mantissa.Narrow(0, 1, 2).Sum().Backward();
        Equal([0, 0.25, 8, 0, 0], x.Grad!);
        Equal([Math.BitIncrement(1.0), -double.Epsilon], Tensor.From([1.0, 0]).Nextafter(Tensor.From([2.0, -1])));
        Assert.Equal(
            [false, true, false],
            Tensor.From([1, double.PositiveInfinity, double.NegativeInfinity]).IsPosInf().ToArray<bool>()
        );
    }

    [Fact]
    public void Draws_have_their_moments()
    {
        var generator = new Generator(5);
        const int N = 40_000;
        void Moments(Tensor drawn, double mean, double variance, double off = 0.03)
        {
            Assert.Equal(mean, drawn.Mean().Item(), off * Math.Max(1, Math.Abs(mean)));
            Assert.Equal(variance, drawn.Var().Item(), 3 * off * Math.Max(1, variance));
        }
        var x = Tensor.Zeros(N);
        Moments(x.Exponential_(2, generator), 0.5, 0.25);
        Moments(x.Geometric_(0.25, generator), 4, 12);
        Moments(x.LogNormal_(0, 0.5, generator).Log(), 0, 0.25);
        Moments(x.Random_(3, 8, generator), 5, 2);
        Assert.Equal(2.0, x.Cauchy_(2, 3, generator).Median().Item(), 0.1);
        foreach (double rate in new[] { 0.3, 4, 700, 1e6 })
            Moments(Tensor.Full([N], rate).Poisson(generator) * (1 / Math.Sqrt(rate)), Math.Sqrt(rate), 1, 0.02);
        Moments(Tensor.Binomial(Tensor.Full([N], 40.0f), Tensor.From(0.3f), generator), 12, 8.4);
        Equal([0, 7, 0], Tensor.Binomial(Tensor.From([0.0, 7, 7]), Tensor.From([0.5, 1, 0])));
        Equal([0], Tensor.Zeros(1).Poisson());
        var state = generator.GetState();
        var first = Tensor.Rand([5], generator);
        generator.SetState(state);
        Equal(first.ToDoubles(), Tensor.Rand([5], generator));
        Tensor.ManualSeed(17);
        Assert.Equal(17, Tensor.InitialSeed());
        Assert.Throws<ArgumentException>(() => generator.SetState(Tensor.Zeros(16)));
    }

    [Fact]
    public void Memory_is_shared()
    {
        float[] array = [1, 2, 3, 4, 5, 6];
        var x = Tensor.FromMemory<float>(array, [2, 3]);
        array[4] = 50;
        Assert.Equal(50, x[1, 1].Item());
        // Whole changes in place are seen, too.
        x *= 2;
        x.Add_(1);
        Assert.Equal([3f, 5, 7, 9, 101, 13], array);
        x[0].Zero_();
        Assert.Equal(0f, array[2]);
        x.AsSpan<float>()[0] = 8;
        Assert.Equal(8f, array[0]);
        var y = x + 0;
        x.Dispose();
        Equal([8, 0, 0, 9, 101, 13], y);
        Assert.Throws<InvalidOperationException>(() => y.T.AsSpan<float>().Length);
        Assert.Throws<ArgumentException>(() => y.AsSpan<double>().Length);
        Assert.Throws<ArgumentException>(() => Tensor.FromMemory<float>(array, [7]));
    }

    [Fact]
    public void Special_functions()
    {
        static void Of(Func<Tensor, Tensor> function, params (double X, double Y)[] values)
        {
            double[] found = function(Tensor.From(values.Select(v => v.X).ToArray())).ToDoubles();
            double[] single = function(Tensor.From(values.Select(v => (float)v.X).ToArray())).ToDoubles();
            for (int i = 0; i < values.Length; i++)
            {
                double y = values[i].Y;
                if (!double.IsFinite(y))
                {
                    Assert.Equal(y, found[i]);
                    continue;
                }
                Assert.True(
                    Math.Abs(found[i] - y) <= 4e-15 * Math.Max(1, Math.Abs(y)),
                    $"{values[i].X}: {found[i]}, expected {y}"
                );
                if (values[i].X == (float)values[i].X)
                    Assert.True(
                        Math.Abs(single[i] - y) <= 1.2e-7 * Math.Max(1e-3, Math.Abs(y)),
                        $"float {values[i].X}: {single[i]}"
                    );
            }
        }
        // By 30 digits of mpmath's algorithms, rounded.
        Of(
            t => t.Lgamma(),
            (0.5, 0.5723649429247001),
            (1, 0),
            (2, 0),
            (3, Math.Log(2)),
            (-0.5, 1.2655121234846454),
            (101, 363.73937555556349),
            (0, double.PositiveInfinity),
            (-3, double.PositiveInfinity),
            (double.NegativeInfinity, double.PositiveInfinity)
        );
        Of(
            t => t.Digamma(),
            (1, -0.57721566490153286),
            (0.5, -1.9635100260214235),
            (10, 2.2517525890667211),
            (-0.5, 0.036489973978576520),
            (0, double.NegativeInfinity),
            (-2, double.NaN)
        );
        Of(t => t.Polygamma(1), (1, 1.6449340668482264), (0.5, 4.9348022005446793), (-0.5, 8.9348022005446793));
        Of(t => t.Polygamma(2), (1, -2.4041138063191886));
        Of(
            t => t.Erfinv(),
            (0.5, 0.47693627620446987),
            (-0.5, -0.47693627620446987),
            (0, 0),
            (1, double.PositiveInfinity),
            (-1, double.NegativeInfinity),
            (1.5, double.NaN),
            (0.9375, 1.3171503349861307)
        );
        Of(
            t => t.I0(),
            (0, 1),
            (1, 1.2660658777520084),
            (-2, 2.2795853023360673),
            (double.NegativeInfinity, double.PositiveInfinity)
        );
        Of(Special.I1, (0, 0), (1, 0.56515910399248503), (-1, -0.56515910399248503));
        Of(Special.I0E, (0, 1), (1, 0.46575960759364044), (double.PositiveInfinity, 0));
        Of(Special.Ndtr, (0, 0.5), (1, 0.84134474606854293));
        Of(Special.Ndtri, (0.5, 0), (0.84134474606854293, 1));
        Of(Special.Entr, (0, 0), (1, 0), (-1, double.NegativeInfinity));
        // Inverses of each other, where float64 has the digits.
        var x = Tensor.Linspace(-4, 4, 101, DType.Float64);
        Equal(x.ToDoubles(), x.Erf().Erfinv(), 2e-9);
        // At the seam of both series.
        var seam = Special.I0E(Tensor.From([20.0, Math.BitIncrement(20.0)])).ToDoubles();
        Assert.Equal(seam[0], seam[1], 1e-16);
    }

    private static readonly Dictionary<string, (string Shapes, Func<Tensor[], Tensor> Run)> Differentiable = new()
    {
        ["as_strided"] = ("2x5", t => t[0].AsStrided([3, 4], [2, 1], 1)),
        ["select_scatter"] = ("2x3 2", t => t[0].SelectScatter(t[1], 1, -1)),
        ["slice_scatter"] = ("2x5 2x2", t => t[0].SliceScatter(t[1], 1, 1, 4, 2)),
        ["diagonal_scatter"] = ("3x3 2", t => t[0].DiagonalScatter(t[1], 1)),
        ["block_diag"] = ("2x1 3 1x2", t => Tensor.BlockDiag(t)),
        ["cov"] = ("3x5", t => t[0].Cov(aweights: Tensor.From([1.0, 2, 0.5, 1, 3]))),
        ["corrcoef"] = ("3x5", t => t[0].Corrcoef()),
        ["diff"] = ("2x5", t => t[0].Diff(2)),
        ["gradient"] = ("5x4", t => t[0].Gradient(0.5, [0], 2)[0]),
        ["trapezoid"] = ("2x5 2x5", t => Tensor.Trapezoid(t[0], t[1])),
        ["renorm"] = ("3x4", t => (t[0] * 3).Renorm(2, 0, 1)),
        ["nanquantile"] = ("3x5", t => t[0].NanQuantile(0.3, 1)),
        ["addbmm"] = ("2x3 4x2x5 4x5x3", t => t[0].Addbmm(t[1], t[2], 0.5, 2)),
        ["ldexp"] = ("3x2", t => t[0].Ldexp(Tensor.From([1L, -1]))),
        ["lgamma"] = ("7", t => t[0].Lgamma() + (t[0] * t[0] + 0.5).Lgamma()),
        ["digamma"] = ("7", t => (t[0] * t[0] + 0.3).Digamma()),
        ["polygamma"] = ("7", t => (t[0] * t[0] + 0.3).Polygamma(2)),
        ["erfinv"] = ("7", t => (t[0].Tanh() * 0.9).Erfinv()),
        ["bessel"] = ("7", t => t[0].I0() + Special.I1(t[0]) + Special.I0E(t[0] * 5) + Special.I1E(t[0])),
        ["entr"] = ("7", t => Special.Entr(t[0] * t[0]) + Special.Ndtr(t[0])),
        ["put"] = ("2x3 2", t => t[0].Put(Tensor.From([1L, 4]), t[1])),
    };

    public static TheoryData<string> Names => [.. Differentiable.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Gradients_are_those_of_differences(string name)
    {
        var (shapes, run) = Differentiable[name];
        var inputs = shapes.Split(' ').Select((s, i) => Values(s, 11 + i).Detach().RequiresGrad_()).ToArray();
        static Tensor Weighted(Tensor result) =>
            (
                result.Sin()
                * Tensor.From(
                    Enumerable.Range(0, (int)result.NumElements).Select(i => (i * 37 % 41 - 20.5) / 16).ToArray(),
                    result.Shape
                )
            ).Sum();
        Weighted(run(inputs)).Backward();
        using var off = Tensor.NoGrad();
        for (int i = 0; i < inputs.Length; i++)
        {
            double[] at = inputs[i].ToDoubles();
            for (int e = 0; e < at.Length; e++)
            {
                double Moved(double by)
                {
                    double[] values = [.. at];
                    values[e] += by;
                    var changed = inputs.ToArray();
                    changed[i] = Tensor.From(values, inputs[i].Shape);
                    return Weighted(run(changed)).Item();
                }
                double slope = (Moved(1e-6) - Moved(-1e-6)) / 2e-6;
                double found = inputs[i].Grad!.ToDoubles()[e];
                Assert.True(
                    Math.Abs(slope - found) <= 1e-6 * Math.Max(1, Math.Abs(slope)),
                    $"{name}: slope {e} of input {i} is {found}, by differences {slope}"
                );
            }
        }
    }
}
