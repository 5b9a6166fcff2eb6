using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

public class AttentionTests
{
    [Theory]
    [InlineData(DType.Float64, 1e-12)]
    [InlineData(DType.Float32, 1e-5)]
    public void EqualsWhatItsPartsGive(DType type, double tolerance)
    {
        var q = Make.Values([2, 2, 5, 4], DType.Float64, 1).Tanh().To(type);
        var k = Make.Values([2, 2, 7, 4], DType.Float64, 2).Tanh().To(type);
        var v = Make.Values([2, 2, 7, 4], DType.Float64, 3).Tanh().To(type);
        var (a, b, c) = (q.To(DType.Float64), k.To(DType.Float64), v.To(DType.Float64));
        var weights = (a.MatMul(b.Transpose(-2, -1)) / 2).Softmax();
        Close(weights.MatMul(c), F.ScaledDotProductAttention(q, k, v), tolerance);
    }

    // As PyTorch: query i sees keys up to i, whatever their numbers.
    [Fact]
    public void CausalQueriesSeeTheKeysBeforeThem()
    {
        var q = Make.Values([1, 1, 4, 3], DType.Float64, 1);
        var k = Make.Values([1, 1, 4, 3], DType.Float64, 2);
        var v = Make.Values([1, 1, 4, 3], DType.Float64, 3);
        var all = F.ScaledDotProductAttention(q, k, v, isCausal: true);
        Close(v.Narrow(2, 0, 1), all.Narrow(2, 0, 1), 1e-12);
        var first = F.ScaledDotProductAttention(q.Narrow(2, 0, 3), k, v, isCausal: true);
        Close(all.Narrow(2, 0, 3), first, 1e-12);
        // The last of more queries than keys see all of these.
        var some = F.ScaledDotProductAttention(q, k.Narrow(2, 0, 2), v.Narrow(2, 0, 2), isCausal: true);
        Close(
            F.ScaledDotProductAttention(q, k.Narrow(2, 0, 2), v.Narrow(2, 0, 2)).Narrow(2, 1, 3),
            some.Narrow(2, 1, 3),
            1e-12
        );
        // The next query against the cache of all keys.
        var next = F.ScaledDotProductAttention(q.Narrow(2, 3, 1), k, v);
        Close(next, all.Narrow(2, 3, 1), 1e-12);
    }

    // Values and gradients of libtorch 2.10.
    [Theory]
    [InlineData(DType.Float32, 2e-5)]
    [InlineData(DType.Float64, 2e-5)]
    public void MasksAreLibtorchs(DType type, double tolerance)
    {
        Tensor Of(long first, long count, double divisor, double less, params long[] shape) =>
            (Tensor.Arange(first, first + count).To(DType.Float64) / divisor - less).Reshape(shape).To(type).Detach();
        var (q, k, v) = (Of(0, 6, 5, 0, 1, 1, 2, 3), Of(0, 12, 7, 0.5, 1, 1, 4, 3), Of(0, 8, 1, 0, 1, 1, 4, 2));
        double inf = double.PositiveInfinity;
        var seen = Tensor.From([1, 0, 1, 1, 0, 0, 0, 0], [2, 4]).To(DType.Bool);
        var bias = Tensor.From([0, 1, 2, 3, -inf, -inf, -inf, -inf], [2, 4]).To(type);
        Near([3.77531, 4.77531, 0, 0], F.ScaledDotProductAttention(q, k, v, seen), tolerance);
        Near([5.15295, 6.15295, 0, 0], F.ScaledDotProductAttention(q, k, v, bias), tolerance);
        Near([3.36886, 4.36886, 0, 0], F.ScaledDotProductAttention(q, k, v, bias[.., 3..4]), tolerance);
        Near([0, 1, 1.28849, 2.28849], F.ScaledDotProductAttention(q, k, v, isCausal: true), tolerance);
        foreach (var x in new[] { q, k, v, bias })
            x.RequiresGrad_();
        F.ScaledDotProductAttention(q, k, v, bias).Sum().Backward();
        Near([0.509631, 0.509631, 0.509631, 0, 0, 0], q.Grad!, tolerance);
        Near([-0.226741, -0.437484, -0.504458, 1.16868, 0, 0, 0, 0], bias.Grad!, tolerance);
        Near([0.0220011, 0.0220011, 0.069377, 0.069377, 0.218769, 0.218769, 0.689853, 0.689853], v.Grad!, tolerance);
        q.Grad = null;
        F.ScaledDotProductAttention(q, k, v, seen).Sum().Backward();
        Near([1.39635, 1.39635, 1.39635, 0, 0, 0], q.Grad!, tolerance);
    }

    // The gradient in one kernel against that of operators.
    [Theory]
    [InlineData("2x4x9x5 2x4x13x5 2x4x13x3", "", false, false)]
    [InlineData("2x4x9x5 2x2x13x5 2x2x13x5", "", true, true)]
    [InlineData("2x4x9x5 2x4x9x5 2x4x9x5", "", true, false)]
    [InlineData("2x4x9x5 2x1x13x5 2x1x13x5", "2x1x9x13", false, false)]
    [InlineData("3x2x70x5 3x2x40x5 3x2x40x5", "70x40", false, false)]
    [InlineData("2x3x7x5 7x5 2x3x7x4", "1x7", false, false)]
    [InlineData("7x5 8x5 8x5", "7x1", false, false)]
    [InlineData("2x2x3x4x5 2x2x3x6x5 2x2x3x6x5", "2x1x3x4x6", false, false)]
    public void GradientsInOneKernelAreThoseOfOperators(string shapes, string mask, bool causal, bool grouped)
    {
        foreach (bool bools in (bool[])[false, true])
        {
            long[][] sizes = [.. shapes.Split(' ').Select(s => s.Split('x').Select(long.Parse).ToArray())];
            Tensor? Mask(DType type)
            {
                if (mask.Length == 0)
                    return null;
                var values = Make.Values([.. mask.Split('x').Select(long.Parse)], DType.Float64, 7);
                return bools ? values > -0.5 : values.To(type);
            }
            Tensor[] Run(DType type, double scale)
            {
                var x = sizes
                    .Select((s, i) => Make.Values(s, DType.Float64, i + 1).To(type).Detach().RequiresGrad_())
                    .ToArray();
                var y = F.ScaledDotProductAttention(
                    x[0],
                    x[1],
                    x[2],
                    Mask(type),
                    isCausal: causal,
                    scale: scale,
                    enableGqa: grouped
                );
                y.Backward(Make.Values([.. y.Shape], DType.Float64, 9).To(type));
                return [y, .. x.Select(t => t.Grad!)];
            }
            foreach (var (expected, actual) in Run(DType.Float64, 0.3).Zip(Run(DType.Float32, 0.3)))
                Close(expected.To(DType.Float32), actual, 2e-4);
        }
    }

    [Fact]
    public void HalfPrecisionHasGradients()
    {
        foreach (var type in new[] { DType.BFloat16, DType.Float16 })
        {
            Tensor[] Run(bool wide)
            {
                var x = Enumerable
                    .Range(1, 3)
                    .Select(i => Make.Values([1, 2, 21, 8], DType.Float64, i).Tanh().To(type))
                    .Select(t => (wide ? t.To(DType.Float64) : t).Detach().RequiresGrad_())
                    .ToArray();
                F.ScaledDotProductAttention(x[0], x[1], x[2], isCausal: true).Sum().Backward();
                return [.. x.Select(t => t.Grad!)];
            }
            foreach (var (expected, actual) in Run(true).Zip(Run(false)))
                Close(expected, actual.To(DType.Float64), 0.06);
        }
    }

    [Fact]
    public void EmptyOperandsGiveZeros()
    {
        var q = Tensor.Ones([2, 1, 3, 4]);
        var none = Tensor.Zeros([2, 1, 0, 4]);
        Assert.All(F.ScaledDotProductAttention(q, none, none).ToDoubles(), x => Assert.Equal(0, x));
        Assert.Equal([2, 1, 0, 4], F.ScaledDotProductAttention(none, q, q).Shape.ToArray());
        q.RequiresGrad_();
        F.ScaledDotProductAttention(q, none, none).Sum().Backward();
        Assert.All(q.Grad!.ToDoubles(), x => Assert.Equal(0, x));
    }

    [Fact]
    public void ShapesAndDtypesThatDoNotFitAreNamed()
    {
        var q = Tensor.Zeros([1, 4, 3, 2]);
        string Refusal(Func<Tensor> run) => Assert.Throws<ArgumentException>(() => run()).Message;
        var k = Tensor.Zeros([1, 2, 3, 2]);
        Assert.Contains("with enableGqa", Refusal(() => F.ScaledDotProductAttention(q, k, k)));
        var odd = Tensor.Zeros([1, 3, 3, 2]);
        Assert.Contains("must be a multiple", Refusal(() => F.ScaledDotProductAttention(q, odd, odd, enableGqa: true)));
        Assert.Contains("[…, tk, d]", Refusal(() => F.ScaledDotProductAttention(q, q[.., .., .., ..1], q)));
        Assert.Contains("at least two dimensions", Refusal(() => F.ScaledDotProductAttention(q[0, 0, 0], q, q)));
        Assert.Contains("of one dtype", Refusal(() => F.ScaledDotProductAttention(q, q, q.To(DType.Float64))));
        var mask = Tensor.Zeros([3, 3]);
        Assert.Contains("without attnMask", Refusal(() => F.ScaledDotProductAttention(q, q, q, mask, isCausal: true)));
        Assert.Contains("bool, f32", Refusal(() => F.ScaledDotProductAttention(q, q, q, mask.To(DType.Int32))));
        Assert.Contains("broadcast", Refusal(() => F.ScaledDotProductAttention(q, q, q, Tensor.Zeros([3, 2]))));
        Assert.Contains(
            "broadcast",
            Refusal(() => F.ScaledDotProductAttention(q, q, q, Tensor.Zeros([1, 1, 1, 3, 3])))
        );
        Assert.Contains("must be from 0 to 1", Refusal(() => F.ScaledDotProductAttention(q, q, q, dropoutP: 1.5)));
        Assert.Contains("finite", Refusal(() => F.ScaledDotProductAttention(q, q, q, scale: double.NaN)));
    }

    private static void Near(double[] expected, Tensor actual, double tolerance)
    {
        double[] values = actual.ToDoubles();
        Assert.Equal(expected.Length, values.Length);
        foreach (var (x, y) in expected.Zip(values))
            Assert.Equal(x, y, tolerance);
    }

    private static void Close(Tensor expected, Tensor actual, double tolerance)
    {
        Assert.Equal(expected.Shape.ToArray(), actual.Shape.ToArray());
        foreach (var (x, y) in expected.ToDoubles().Zip(actual.ToDoubles()))
            Assert.Equal(x, y, tolerance);
    }
}
