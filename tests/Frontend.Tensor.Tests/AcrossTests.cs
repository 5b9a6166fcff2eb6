using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Softmax and losses along dimensions that are not the last: the same as on rows that were copied to lie side by side.</summary>
public class AcrossTests
{
    public static TheoryData<long[], int> Shapes() =>
        new()
        {
            { [3, 5, 17], 1 },
            { [3, 5, 17], 0 },
            { [2, 3, 4, 9], 1 },
            { [2, 3, 4, 9], -2 },
            { [7, 13], 0 },
            { [4, 6, 3], 1 },
            { [4, 6, 1], 1 },
            { [1, 5, 1, 1], 1 },
            { [3, 1, 19], 1 },
            { [0, 5, 17], 1 },
            { [3, 5, 0], 1 },
        };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Softmax_and_its_gradient(long[] shape, int dim)
    {
        foreach (bool log in new[] { false, true })
        {
            var x = Tensor.Randn(shape, dtype: DType.Float64).RequiresGrad_();
            var w = Tensor.Randn(shape, dtype: DType.Float64);
            var y = log ? x.LogSoftmax(dim) : x.Softmax(dim);
            (y * w).Sum().Backward();
            var copied = x.Detach().RequiresGrad_();
            var rows = copied.Transpose(dim, -1).Contiguous();
            var z = (log ? rows.LogSoftmax() : rows.Softmax()).Transpose(dim, -1);
            (z * w).Sum().Backward();
            Assert.Equal(shape, y.Shape.ToArray());
            Close(z, y);
            Close(copied.Grad!, x.Grad!);
        }
    }

    [Theory]
    [InlineData(3, 5, 17, 1)]
    [InlineData(2, 7, 3, 11)]
    [InlineData(1, 2, 1, 9)]
    [InlineData(2, 3, 1, 2)]
    public void Cross_entropy_of_images(long n, long classes, long h, long w)
    {
        foreach (var reduction in new[] { LossReduction.Mean, LossReduction.Sum, LossReduction.None })
        {
            var x = Tensor.Randn([n, classes, h, w], dtype: DType.Float64).RequiresGrad_();
            var t = Tensor.RandInt(0, classes, [n, h, w]);
            F.CrossEntropy(x, t, reduction).Sum().Backward();
            var copied = x.Detach().RequiresGrad_();
            var rows = copied.Permute(0, 2, 3, 1).Reshape(n * h * w, classes);
            var loss = F.CrossEntropy(rows, t.Reshape(n * h * w), reduction);
            loss.Sum().Backward();
            Close(loss.Flatten(), F.CrossEntropy(x, t, reduction).Flatten());
            Close(copied.Grad!, x.Grad!);
        }
    }

    private static void Close(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.Shape.ToArray(), actual.Shape.ToArray());
        if (expected.NumElements > 0)
            Assert.True((expected.Detach() - actual.Detach()).Abs().Max().Item<double>() < 1e-12);
    }
}
