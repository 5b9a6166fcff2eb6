using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Sums over long axes, powers, angles and conversions through the tensor library.</summary>
public class NumericsTests
{
    private const long Many = 1L << 25;

    [Fact]
    public void Ones_are_all_counted()
    {
        using var scope = Tensor.Scope();
        var ones = Tensor.Ones(Many);
        Assert.Equal(Many, ones.Cumsum(0).Narrow(0, Many - 1, 1).Item());
        Assert.Equal(Many, ones.Sum().Item());
        Assert.Equal(1, ones.Mean().Item());
        Assert.Equal(0, ones.Var().Item());
        Assert.Equal(Many, ones.Reshape(Many, 1).Sum(0).Item());
        Assert.Equal(Many, ones.Reshape(1, Many).MatMul(ones.Reshape(Many, 1)).Item());
    }

    [Fact]
    public void Long_sums_are_near_those_of_Float64()
    {
        using var scope = Tensor.Scope();
        var x = Tensor.Rand([1L << 20], new Generator(3));
        var exact = x.To(DType.Float64);
        Near(exact.Sum(), x.Sum());
        Near(exact.Var(), x.Var());
        Near(exact.Std(), x.Std());
        Near(exact.Softmax(0), x.Softmax(0));
        Near(exact.LogSoftmax(0), x.LogSoftmax(0));
        var table = x.Reshape(1L << 16, 16);
        Near(table.To(DType.Float64).Sum(0), table.Sum(0));
        Near(table.To(DType.Float64).Mean(0), table.Mean(0));
        Near(exact.Cumsum(0), x.Cumsum(0));
        // Gradient of a bias: a sum over all rows.
        var bias = Tensor.Zeros(16).RequiresGrad_();
        ((table + bias) * table).Sum().Backward();
        Near(table.To(DType.Float64).Sum(0), bias.Grad!);

        static void Near(Tensor exact, Tensor x)
        {
            var (expected, actual) = (exact.ToDoubles(), x.ToDoubles());
            for (int i = 0; i < expected.Length; i++)
                Assert.InRange(Math.Abs(actual[i] / expected[i] - 1), 0, 1e-6);
        }
    }

    [Fact]
    public void Powers()
    {
        Assert.Equal(1e10f, Pow(10, 10));
        Assert.Equal(1f, Pow(1, float.NaN));
        Assert.Equal(1f, Pow(float.NaN, 0));
        Assert.Equal(float.NegativeInfinity, Pow(-0f, -1));
        Assert.Equal(1f, Pow(1, float.PositiveInfinity));
        Assert.Equal(1f, Pow(-1, float.NegativeInfinity));
        Assert.Equal(-8f, Pow(-2, 3));
        var truth = Tensor.From([false, true]);
        Assert.Equal([0f, 1f], truth.Pow(Tensor.From([float.PositiveInfinity])).ToArray<float>());
        Assert.Equal([float.PositiveInfinity, 1f], truth.Pow(Tensor.From([float.NegativeInfinity])).ToArray<float>());
        Assert.Equal([0f, 1f], truth.Pow(float.PositiveInfinity).ToArray<float>());

        static float Pow(float a, float b) => Tensor.From([a]).Pow(Tensor.From([b])).ToArray<float>()[0];
    }

    [Fact]
    public void Zeros_keep_their_sign()
    {
        var zero = Tensor.From(-0.0);
        Assert.All(
            [
                zero.Pow(1),
                zero.Pow(3),
                zero.Cumsum(0),
                zero.Max(0).Values,
                zero.Min(0).Values,
                zero.Round(),
                zero.Clone(),
            ],
            x => Assert.True(double.IsNegative(x.Item()))
        );
        Assert.True(float.IsNegative(Tensor.From([-0f]).Pow(1).ToArray<float>()[0]));
        // The power 1 is a tensor of its own.
        var y = Tensor.From([1.0, 2]);
        y.Pow(1).Zero_();
        Assert.Equal([1, 2], y.ToDoubles());
    }

    [Fact]
    public void Angles_far_from_zero()
    {
        float[] angles = [13000000, 13421773, 33554432, 1e9f, 1e22f, 3.4028235e38f, -13421773, 0.5f, 1e5f, 100001];
        var x = Tensor.From(angles);
        var (sin, cos) = (x.Sin().ToArray<float>(), x.Cos().ToArray<float>());
        for (int i = 0; i < angles.Length; i++)
        {
            Assert.Equal(Math.Sin(angles[i]), sin[i], 1.5e-7);
            Assert.Equal(Math.Cos(angles[i]), cos[i], 1.5e-7);
        }
    }

    [Fact]
    public void Results_underflow_gradually()
    {
        Assert.Equal(-8.62698e-306, Tensor.From([-709.0]).Silu().Item(), 1e-310);
        Assert.Equal(-1.46321e-310, Tensor.From([-720.0]).Silu().Item(), 1e-315);
        Assert.Equal(2.03223e-313, Tensor.From([-720.0]).Sigmoid().Item(), 1e-317);
        Assert.Equal(-3.72008e-42, Tensor.From([-100f]).Silu().Item(), 3e-45);
    }
}
