using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Xunit;

namespace Picograd.Tests;

/// <summary>Functions of the table as tensor functions: values, gradients, gradients of gradients, dtypes.</summary>
public sealed class FunctionTests
{
    private static readonly Dictionary<string, Func<Tensor, Tensor>> s_functions = new()
    {
        ["expm1"] = x => x.Expm1(),
        ["log1p"] = x => x.Log1p(),
        ["exp2"] = x => x.Exp2(),
        ["log2"] = x => x.Log2(),
        ["log10"] = x => x.Log10(),
        ["tan"] = x => x.Tan(),
        ["asin"] = x => x.Asin(),
        ["acos"] = x => x.Acos(),
        ["atan"] = x => x.Atan(),
        ["sinh"] = x => x.Sinh(),
        ["cosh"] = x => x.Cosh(),
        ["asinh"] = x => x.Asinh(),
        ["acosh"] = x => x.Acosh(),
        ["atanh"] = x => x.Atanh(),
        ["erfc"] = x => x.Erfc(),
        ["softplus"] = x => F.Softplus(x),
    };

    // Those that are about their argument near zero, of which halves and products of parts may lose the last bit.
    [Theory]
    [InlineData("expm1")]
    [InlineData("log1p")]
    [InlineData("tan")]
    [InlineData("asin")]
    [InlineData("atan")]
    [InlineData("sinh")]
    [InlineData("asinh")]
    [InlineData("atanh")]
    public void Denormal_numbers_are_their_own_values(string name)
    {
        Setup.UseCpu();
        try
        {
            float[] points =
            [
                .. Enumerable
                    .Range(1, 5000)
                    .Select(i => i < 3000 ? i : i * 1677)
                    .SelectMany(i => new[] { i * float.Epsilon, -i * float.Epsilon }),
                0,
                -0f,
                1.17549435e-38f,
                -1.17549435e-38f,
            ];
            Assert.Equal(points, s_functions[name](Tensor.From<float>(points)).ToArray<float>());
        }
        finally
        {
            Setup.UseEvaluator();
        }
    }

    public static TheoryData<string> Names => [.. s_functions.Keys];

    private static double[] Points(string name) =>
        name switch
        {
            "acosh" => [1.01, 1.5, 2, 7, 30],
            "log2" or "log10" => [0.01, 0.5, 1.5, 2, 30],
            "asin" or "acos" or "atanh" => [-0.9, -0.3, 0.01, 0.5, 0.7],
            _ => [-0.9, -0.2, 0.03, 0.6, 1.3],
        };

    [Theory]
    [MemberData(nameof(Names))]
    public void Values_and_two_gradients(string name)
    {
        var f = s_functions[name];
        double[] at = Points(name);
        var x = Tensor.From(at);
        x.RequiresGrad_();
        var y = f(x);
        if (ScalarFunctions.Find(name)!.Reference is Func<double, double> reference)
            Assert.All(
                at.Zip(y.ToArray<double>()),
                p => Assert.Equal(reference(p.First), p.Second, 1e-14 * Math.Max(1, Math.Abs(p.Second)))
            );
        var single = f(Tensor.From([.. at.Select(v => (float)v)])).ToArray<float>();
        Assert.All(
            y.ToArray<double>().Zip(single),
            p => Assert.Equal(p.First, p.Second, 2e-5 * Math.Max(1, Math.Abs(p.First)))
        );

        y.Sum().Backward(retainGraph: true, createGraph: true);
        var first = x.Grad!;
        x.Grad = null;
        first.Sum().Backward(retainGraph: true);
        var second = x.Grad!;
        x.Grad = null;
        y.Sum().Backward();
        // With and without the library's kernel.
        Assert.All(
            first.ToArray<double>().Zip(x.Grad!.ToArray<double>()),
            p => Assert.Equal(p.First, p.Second, 1e-12 * Math.Max(1, Math.Abs(p.First)))
        );
        const double Step = 1e-4;
        for (int i = 0; i < at.Length; i++)
        {
            double Value(double v) => f(Tensor.From([v])).ToArray<double>()[0];
            var (low, mid, high) = (Value(at[i] - Step), Value(at[i]), Value(at[i] + Step));
            double slope = first.ToArray<double>()[i];
            Assert.Equal((high - low) / (2 * Step), slope, 1e-3 * Math.Max(1, Math.Abs(slope)));
            double bend = second.ToArray<double>()[i];
            Assert.Equal((high - 2 * mid + low) / (Step * Step), bend, 1e-2 * Math.Max(1, Math.Abs(bend)));
        }
    }

    [Fact]
    public void Angles_with_gradients()
    {
        var y = Tensor.From([1.0, -2, 0, 0]);
        var x = Tensor.From([2.0, -1, -3, 0]);
        y.RequiresGrad_();
        x.RequiresGrad_();
        var angle = y.Atan2(x);
        Assert.Equal([Math.Atan2(1, 2), Math.Atan2(-2, -1), Math.PI, 0], angle.ToArray<double>());
        angle.Sum().Backward();
        Assert.Equal([0.4, -0.2, -1 / 3.0, 0], y.Grad!.ToArray<double>(), new Near());
        Assert.Equal([-0.2, 0.4, 0, 0], x.Grad!.ToArray<double>(), new Near());
    }

    [Fact]
    public void Kinds_of_numbers_and_whole_numbers()
    {
        var x = Tensor.From([float.NaN, float.PositiveInfinity, -2.5f, -0.5f, 3]);
        Assert.Equal([true, false, false, false, false], x.IsNan().To(DType.Int32).ToArray<int>().Select(v => v != 0));
        Assert.Equal([false, true, false, false, false], x.IsInf().To(DType.Int32).ToArray<int>().Select(v => v != 0));
        Assert.Equal([false, false, true, true, true], x.IsFinite().To(DType.Int32).ToArray<int>().Select(v => v != 0));
        Assert.Equal([0, 1, -1, -1, 1], x.Sign().ToArray<float>());
        Assert.Equal([float.NaN, float.PositiveInfinity, -2, -0f, 3], x.Trunc().ToArray<float>());
        var whole = Tensor.From([2, -3, 0]);
        Assert.Equal([1, -1, 0], whole.Sign().ToArray<int>());
        Assert.Equal([2, -3, 0], whole.Trunc().ToArray<int>());
        Assert.Equal([false, false, false], whole.IsNan().To(DType.Int32).ToArray<int>().Select(v => v != 0));
        Assert.Equal([true, true, true], whole.IsFinite().To(DType.Int32).ToArray<int>().Select(v => v != 0));
        Assert.Equal(DType.Float32, whole.Expm1().DType);
        Assert.Throws<ArgumentException>(() => F.Softplus(whole));
    }

    [Fact]
    public void Softplus_has_a_threshold()
    {
        var x = Tensor.From([-3.0, 0.5, 4, 30]);
        x.RequiresGrad_();
        var y = F.Softplus(x, beta: 2, threshold: 5);
        double Soft(double v) => 2 * v > 5 ? v : Math.Log(1 + Math.Exp(2 * v)) / 2;
        Assert.Equal(x.ToArray<double>().Select(Soft), y.ToArray<double>(), new Near());
        y.Sum().Backward();
        double Slope(double v) => 2 * v > 5 ? 1 : 1 / (1 + Math.Exp(-2 * v));
        Assert.Equal(x.ToArray<double>().Select(Slope), x.Grad!.ToArray<double>(), new Near());
    }

    private sealed class Near : IEqualityComparer<double>
    {
        public bool Equals(double a, double b) => Math.Abs(a - b) <= 1e-12;

        public int GetHashCode(double value) => 0;
    }
}
