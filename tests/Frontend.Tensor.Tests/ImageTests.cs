using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// Convolutions, pools and norms as functions and modules: values worked out by hand or by other operators, refusals, and a network that
/// learns. Beside libtorch they run in <c>tools/compare</c>, beside plain loops as operators.
/// </summary>
public class ImageTests
{
    [Fact]
    public void A_convolution_is_a_product_of_patches()
    {
        var random = new Generator(3);
        var x = Tensor.Randn([2, 3, 5, 7], random).RequiresGrad_();
        var w = Tensor.Randn([4, 3, 1, 1], random).RequiresGrad_();
        var y = F.Conv2d(x, w);
        var product = w.Reshape(4, 3).MatMul(x.Reshape(2, 3, 35)).Reshape(2, 4, 5, 7);
        Near(product, y);
        (y * y).Sum().Backward();
        var (dx, dw) = (x.Grad!, w.Grad!);
        (x.Grad, w.Grad) = (null, null);
        (product * product).Sum().Backward();
        Near(x.Grad!, dx);
        Near(w.Grad!, dw);
    }

    [Fact]
    public void Strides_and_paddings_of_each_dimension()
    {
        var x = Tensor.Arange(12).To(DType.Float32).Reshape(1, 1, 3, 4);
        var y = F.Conv2d(x, Tensor.Ones(1, 1, 2, 2), stride: (2, 1), padding: [0, 1]);
        Assert.Equal([1, 1, 1, 5], y.Shape);
        Assert.Equal([4f, 10, 14, 18, 10], y.ToArray<float>());
        Assert.Equal(
            [1, 1, 1, 5],
            F.Conv2d(x[0], Tensor.Ones(1, 1, 2, 2), stride: (2, 1), padding: (0, 1)).Unsqueeze(0).Shape
        );
    }

    [Fact]
    public void A_transposed_convolution_is_the_gradient_of_images()
    {
        var random = new Generator(5);
        var x = Tensor.Randn([2, 4, 9], random).RequiresGrad_();
        var w = Tensor.Randn([6, 2, 3], random);
        var y = F.Conv1d(x, w, stride: 2, padding: 1, groups: 2);
        var g = Tensor.Randn(y.Shape.AsSpan(), random);
        y.Backward(g);
        Near(x.Grad!, F.ConvTranspose1d(g, w, stride: 2, padding: 1, groups: 2));
    }

    [Fact]
    public void The_first_of_equal_maxima_gets_the_gradient_and_a_NaN_goes_on()
    {
        var x = Tensor.From<float>([3, 3, 1, 2, 2, float.NaN, 5, 5], [1, 1, 8]).RequiresGrad_();
        var (y, places) = F.MaxPool1dWithIndices(x, 2);
        Assert.Equal([3f, 2, float.NaN, 5], y.ToArray<float>());
        Assert.Equal([0L, 3, 5, 6], places.ToArray<long>());
        y.Backward(Tensor.From<float>([1, 2, 4, 8], [1, 1, 4]));
        Assert.Equal([1f, 0, 0, 2, 0, 4, 8, 0], x.Grad!.ToArray<float>());
    }

    [Fact]
    public void Second_derivatives_go_through_a_pool_of_maxima()
    {
        var x = Tensor.From<float>([1, 4, 3, 2], [1, 1, 4]).RequiresGrad_();
        var y = F.MaxPool1d(x, 2);
        (y * y * y).Sum().Backward(createGraph: true);
        var slope = x.Grad!;
        x.Grad = null;
        slope.Sum().Backward();
        Assert.Equal([0f, 24, 18, 0], x.Grad!.ToArray<float>());
    }

    [Fact]
    public void Running_statistics_move_in_training_and_are_taken_after_it()
    {
        var norm = new BatchNorm1d(2);
        var x = Tensor.From<float>([1, 10, 3, 30], [2, 2]);
        var y = norm.Forward(x);
        Assert.Equal([-1, -1, 1, 1], y.ToArray<float>().Select(v => Math.Round(v, 3)).Select(v => (int)v));
        Assert.Equal([0.2f, 2], norm.RunningMean!.ToArray<float>());
        Assert.Equal([1.1f, 20.9f], norm.RunningVar!.ToArray<float>());
        norm.Eval();
        Near((x - norm.RunningMean) / (norm.RunningVar + 1e-5).Sqrt(), norm.Forward(x));
        Assert.Equal(["weight", "bias", "running_mean", "running_var", "num_batches_tracked"], norm.StateDict().Keys);
    }

    [Fact]
    public void Modules_print_and_name_their_parts_as_PyTorch_does()
    {
        var model = new Sequential(
            new Conv2d(3, 8, 3, stride: 2, padding: 1, bias: false),
            new MaxPool2d(2),
            new LayerNorm(4)
        );
        Assert.Equal(["0.weight", "2.weight", "2.bias"], model.StateDict().Keys);
        Assert.Equal(
            "Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)",
            model[0].ToString()
        );
        Assert.Equal("LayerNorm((4,), eps=1e-05, elementwise_affine=True)", model[2].ToString());
        Assert.Equal([8, 3, 3, 3], ((Conv2d)model[0]).Weight.Shape);
    }

    [Fact]
    public void Refusals_name_operand_dimension_and_both_sizes()
    {
        var x = Tensor.Ones(2, 3, 5, 6);
        Refused(
            "has 3 channels in dimension 1, but a weight of shape [4, 2, 3, 3] in 1 group takes 2",
            () => F.Conv2d(x, Tensor.Ones(4, 2, 3, 3))
        );
        Refused(
            "spans 7 elements in dimension 2, but the padded input of shape [2, 3, 5, 6] has 5 in dimension 2",
            () => F.Conv2d(x, Tensor.Ones(4, 3, 7, 3))
        );
        Refused(
            "the bias has the shape [3], but must be [4]",
            () => F.Conv2d(x, Tensor.Ones(4, 3, 3, 3), Tensor.Ones(3))
        );
        Refused("stride is 0", () => F.Conv2d(x, Tensor.Ones(4, 3, 3, 3), stride: 0));
        Refused("padding has 3 numbers", () => F.Conv2d(x, Tensor.Ones(4, 3, 3, 3), padding: (1, 1, 1)));
        Refused("the weight f64", () => F.Conv2d(x, Tensor.Ones([4, 3, 3, 3], DType.Float64)));
        Refused("padding is 2, but must be at most half of kernelSize, 3", () => F.MaxPool2d(x, 3, padding: 2));
        Refused("last sizes must be those of normalizedShape, [5]", () => F.LayerNorm(x, [5]));
        Refused("which must divide the 3 channels", () => F.GroupNorm(x, 2));
        Refused("runningMean has the shape [4], but must be [3]", () => F.BatchNorm(x, Tensor.Ones(4), Tensor.Ones(3)));
    }

    [Fact]
    public void Of_no_images_there_are_no_results_and_slopes_of_zero()
    {
        var w = Tensor.Ones(4, 3, 3, 3).RequiresGrad_();
        var y = F.MaxPool2d(F.Conv2d(Tensor.Empty([0, 3, 6, 6]), w), 2);
        Assert.Equal([0, 4, 2, 2], y.Shape);
        y.Sum().Backward();
        Assert.All(w.Grad!.ToArray<float>(), v => Assert.Equal(0, v));
    }

    [Fact]
    public void A_small_network_learns_where_a_spot_is()
    {
        var random = new Generator(7);
        float[] pixels = (Tensor.Randn([32, 1, 8, 8], random) * 0.1).ToArray<float>();
        var classes = Tensor.RandInt(0, 4, [32], random);
        long[] at = classes.ToArray<long>();
        for (int i = 0; i < at.Length; i++)
            pixels[64 * i + (at[i] / 2 * 4 + 1) * 8 + at[i] % 2 * 4 + 2] = 3;
        var images = Tensor.From<float>(pixels, [32, 1, 8, 8]);
        var model = new Sequential(
            new Conv2d(1, 4, 3, padding: 1, generator: random),
            new BatchNorm2d(4),
            new ReLU(),
            new MaxPool2d(2),
            new Conv2d(4, 8, 3, padding: 1, generator: random),
            new ReLU(),
            new AdaptiveAvgPool2d(2),
            new Flatten(),
            new Linear(32, 4, generator: random)
        );
        var optimizer = new Adam(model.Parameters, 0.02);
        double first = 0;
        double last = 0;
        for (int step = 0; step < 30; step++)
        {
            var loss = F.CrossEntropy(model.Forward(images), classes);
            model.ZeroGrad();
            loss.Backward();
            optimizer.Step();
            last = loss.Item();
            first = step == 0 ? last : first;
        }
        Assert.True(first > 1 && last < 0.3, $"{first} to {last}");
    }

    private static void Refused(string part, Func<Tensor> call) =>
        Assert.Contains(part, Assert.Throws<ArgumentException>(() => call()).Message);

    private static void Near(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.Shape.ToArray(), actual.Shape.ToArray());
        double[] a = expected.ToDoubles();
        double[] b = actual.ToDoubles();
        for (int i = 0; i < a.Length; i++)
            Assert.True(Math.Abs(a[i] - b[i]) <= 1e-4 * (1 + Math.Abs(a[i])), $"{i}: {a[i]} {b[i]}");
    }
}
