using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Functions and names that few use. Values of special functions are from mpmath, with 40 digits.</summary>
public class MoreFunctionTests
{
    private static void Near(double expected, double found, double relative = 4e-14) =>
        Assert.True(Math.Abs(found - expected) <= relative * Math.Abs(expected), $"{found:R} instead of {expected:R}");

    private static Tensor Of(params double[] values) => Tensor.From(values);

    [Theory]
    [InlineData(0.5, 0.25, 0.52049987781304654, 0.47950012218695346)]
    [InlineData(3, 2.5, 0.45618688411667048, 0.54381311588332952)]
    [InlineData(10.5, 30, 0.99998722831173484, 1.2771688265162087e-5)]
    [InlineData(100, 80, 0.017108313035133114, 0.98289168696486689)]
    [InlineData(500, 520, 0.8153088509012564, 0.1846911490987436)]
    [InlineData(1e4, 1.01e4, 0.84134875044717962, 0.15865124955282038)]
    [InlineData(2.5, 1e-8, 3.0090110907617639e-21, 1.0)]
    [InlineData(39.073959, 40.8984, 0.63329724881515384, 0.36670275118484616)]
    public void Incomplete_gamma_functions(double a, double x, double lower, double upper)
    {
        Near(lower, Of(a).Igamma(Of(x)).Item());
        Near(upper, Of(a).Igammac(Of(x)).Item());
        Near(lower, Special.Gammainc(Of(a), Of(x)).Item());
        Near(upper, Special.Gammaincc(Of(a), Of(x)).Item());
    }

    [Fact]
    public void Incomplete_gamma_functions_at_their_limits()
    {
        double inf = double.PositiveInfinity;
        var (a, x) = (Of(0, 0, 2, inf, inf, 2, -1, 2), Of(0, 3, 0, 3, inf, inf, 1, -1));
        Assert.Equal([double.NaN, 1, 0, 0, double.NaN, 1, double.NaN, double.NaN], a.Igamma(x).ToDoubles());
        Assert.Equal([double.NaN, 0, 1, 1, double.NaN, 0, double.NaN, double.NaN], a.Igammac(x).ToDoubles());
        // Shapes broadcast, dtypes promote.
        var wide = Tensor.Ones(2, 1).Igamma(Tensor.From<long>([1, 2, 3]));
        Assert.Equal(DType.Float32, wide.DType);
        Assert.Equal([2, 3], wide.Shape);
        Assert.Equal([0, 3], Tensor.Ones(0, 3).Igamma(Tensor.Ones(3)).Shape);
        Assert.Equal([], Of(2)[0].Igamma(Of(3)[0]).Shape);
    }

    [Fact]
    public void Zeta_and_error_functions()
    {
        double[] zeta = Special.Zeta(Of(2, 1.5, 3.25, 4, 1, 0.5, 2), Of(1, 0.3, 7.5, -2.5, 2, 2, -3)).ToDoubles();
        double[] expected = [1.6449340668482264, 8.2377616714597234, 0.0055420853699168859, 32.457979369864604];
        for (int i = 0; i < expected.Length; i++)
            Near(expected[i], zeta[i]);
        Assert.Equal([double.PositiveInfinity, double.NaN, double.PositiveInfinity], zeta[4..]);
        var x = Of(-5, -1, 0.5, 3, 24.9, 25, 26, 40, 1000);
        double[] erfcx =
        [
            144009798674.66104,
            5.0089800807622835,
            0.61569034419292587,
            0.17900115118138995,
            0.022639987776049506,
            0.022549572432641359,
            0.021683584850562907,
            0.014100335983377814,
            0.00056418930145338765,
        ];
        double[] found = Special.Erfcx(x).ToDoubles();
        for (int i = 0; i < erfcx.Length; i++)
            Near(erfcx[i], found[i]);
        Assert.Equal([double.PositiveInfinity, 0], Special.Erfcx(Of(-1e3, double.PositiveInfinity)).ToDoubles());
        double[] logs =
        [
            -454.3212439563432,
            -58.404187061073243,
            -15.064998393988726,
            -1.8410216450092635,
            -0.36894641528865639,
            -0.0013508099647481938,
        ];
        found = Special.LogNdtr(Of(-30, -10.5, -5, -1, 0.5, 3)).ToDoubles();
        for (int i = 0; i < logs.Length; i++)
            Near(logs[i], found[i]);
    }

    [Fact]
    public void Special_functions_have_gradients()
    {
        var a = Of(0.7, 3, 12, 2);
        Assert.True(Autograd.GradCheck(t => a.Igamma(t), Of(0.3, 2.5, 15, 5).RequiresGrad_()));
        Assert.True(Autograd.GradCheck(t => a.Igammac(t), Of(0.3, 2.5, 15, 5).RequiresGrad_()));
        Assert.True(Autograd.GradCheck(t => Special.Zeta(2.5, t), Of(0.4, 1, 7).RequiresGrad_()));
        Assert.True(Autograd.GradCheck(Special.Erfcx, Of(-2, -0.3, 0.5, 3, 27).RequiresGrad_()));
        Assert.True(Autograd.GradCheck(Special.LogNdtr, Of(-20, -3, -0.3, 0.5, 3).RequiresGrad_()));
        Assert.True(Autograd.GradGradCheck(Special.LogNdtr, Of(-3, 0.5).RequiresGrad_()));
        var error = Assert.Throws<InvalidOperationException>(() =>
            Of(2).RequiresGrad_().Igamma(Of(3)).Sum().Backward()
        );
        Assert.Contains("igamma: the derivative by the first argument is not implemented", error.Message);
    }

    [Fact]
    public void Decimals()
    {
        Assert.Equal(
            [0.12, -0.88, 2.5],
            Of(0.125, -0.875, 2.5).Round(2).ToDoubles(),
            (a, b) => Math.Abs(a - b) < 1e-12
        );
        Assert.Equal([1200, 1800], Of(1234, 1750).Round(-2).ToDoubles());
        Assert.Equal([1200, 1800], Special.Round(Of(1234, 1750), -2).ToDoubles());
        Assert.Equal([1.5], Of(1.46).Round_(1).ToDoubles());
        Assert.Throws<ArgumentException>(() => Tensor.From<long>([1]).Round(1));
    }

    [Fact]
    public void Shapes_and_dtypes()
    {
        var x = Tensor.Arange(6).To(DType.Float32).Reshape(2, 3);
        Assert.Equal([3.0, 5, 7], x.SumToSize(1, 3).ToDoubles());
        Assert.Equal([3.0, 12], x.SumToSize(2, 1).ToDoubles());
        Assert.Equal([3.0, 5, 7], x.SumToSize(3).ToDoubles());
        Assert.Contains("not expandable", Assert.Throws<ArgumentException>(() => x.SumToSize(2)).Message);
        var at = Tensor.UnravelIndex(Tensor.From<long>([5, 0, -1]), 2, 3);
        Assert.Equal([1.0, 0, 1], at[0].ToDoubles());
        Assert.Equal([2.0, 0, 2], at[1].ToDoubles());
        Assert.Throws<ArgumentException>(() => Tensor.UnravelIndex(Tensor.From<long>([6]), 2, 3));
        Assert.Equal([1.0, 2, -1, -1], Tensor.From<long>([0, 3, 4]).NonzeroStatic(4).ToDoubles());
        Assert.Equal([1, 1], Tensor.From<long>([0, 3, 4]).NonzeroStatic(1).Shape);
        Assert.Equal([1, 4], Tensor.EmptyStrided([2, 3], [1, 4]).Strides);
        Assert.Equal([0, 3], Tensor.EmptyStrided([0, 3], [1, 4]).Shape);
        Assert.Equal([1.0, 1.5, 2], Tensor.Range(1, 2, 0.5).ToDoubles());
        Assert.Equal(DType.Float64, Tensor.ScalarTensor(3, DType.Float64).DType);
        Assert.Equal(DType.Float32, Tensor.ResultType(Tensor.From<long>([1]), 1.5));
        Assert.Equal(DType.Int64, Tensor.ResultType(Tensor.From<long>([1]), Tensor.From([1])));
        Assert.Equal(DType.Float16, Tensor.PromoteTypes(DType.Float16, DType.Int64));
        Assert.False(Tensor.CanCast(DType.Float32, DType.Int64));
        Assert.True(Tensor.CanCast(DType.Int64, DType.Int8));
        Assert.Equal((2, 2, 6L, 4, 24L), (x.Ndim, x.Ndimension(), x.Nelement(), x.Itemsize, x.Nbytes));
        Assert.Equal([3, 3], Tensor.From([1.0, 2]).Diagflat(1).Shape);
        Assert.Equal(5, Of(0, 0).Dist(Of(3, 4)).Item());
        Assert.Equal([7.0, 7], x[0, ..2].Fill(7).ToDoubles());
        Assert.Equal(
            [DType.Float64, DType.Int64],
            new[] { x.NewZeros([2], DType.Float64).DType, x.NewFull([1], 2, DType.Int64).DType }
        );
        Assert.Equal(DType.Float32, x.NewTensor([1.5]).DType);
        Assert.Equal([0.0, 9, 9], Of(0, 1, 2).IndexPut([Tensor.From<long>([1, 2])], Of(9)).ToDoubles());
    }

    [Fact]
    public void In_place_under_other_names()
    {
        Assert.Equal([1.0, 2], Of(-1, 2).Absolute_().ToDoubles());
        Assert.Equal([2.0, 4], Of(1, 2).Multiply_(2).ToDoubles());
        Assert.Equal([1.0, 0], Of(3, 1).Greater_(2).ToDoubles());
        Assert.Equal([4.0], Tensor.From<long>([12]).Gcd_(Tensor.From<long>([8])).ToDoubles());
        Near(Math.Log(2), Of(3).Lgamma_().Item());
        var leaf = Of(1).RequiresGrad_();
        Assert.Throws<InvalidOperationException>(() => leaf.Igamma_(Of(1)));
    }
}
