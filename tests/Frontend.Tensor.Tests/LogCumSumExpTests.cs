using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Gradients of running logarithms of sums, whose rule is written by hand: the first and the second, against differences.</summary>
public class LogCumSumExpTests
{
    private static Tensor Slope(Tensor x, Tensor weight)
    {
        var leaf = x.Detach().Clone().RequiresGrad_();
        (leaf.LogCumSumExp(-1) * weight).Sum().Backward();
        return leaf.Grad!.Detach();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(13)]
    public void Second_derivatives_are_those_of_differences(int n)
    {
        double[] values = [.. Enumerable.Range(0, 2 * n).Select(i => Math.Sin(3 * i + 1) * 2)];
        // Of both signs, one row of each kind, and zeros.
        double[] weights = [.. Enumerable.Range(0, 2 * n).Select(i => i < n ? (i * 5 % 7) - 3.0 : i * 5 % 7)];
        double[] along = [.. Enumerable.Range(0, 2 * n).Select(i => Math.Cos(2 * i))];
        var (weight, direction) = (Tensor.From(weights, [2, n]), Tensor.From(along, [2, n]));

        var x = Tensor.From(values, [2, n]).RequiresGrad_();
        (x.LogCumSumExp(-1) * weight).Sum().Backward(createGraph: true);
        var first = x.Grad!;
        x.Grad = null;
        (first * direction).Sum().Backward();
        double[] second = x.Grad!.ToDoubles();

        const double Step = 1e-5;
        for (int i = 0; i < 2 * n; i++)
        {
            double At(double by)
            {
                double[] moved = [.. values];
                moved[i] += by;
                return (Slope(Tensor.From(moved, [2, n]), weight) * direction).Sum().Item();
            }
            double difference = (At(Step) - At(-Step)) / (2 * Step);
            Assert.InRange(second[i], difference - 1e-6, difference + 1e-6);
        }
    }
}
