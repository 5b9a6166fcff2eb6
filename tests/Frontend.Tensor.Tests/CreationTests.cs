using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

public class CreationTests
{
    [Fact]
    public void ValuesAndShapes()
    {
        new Plain([2, 0], []).Same(Tensor.Zeros(2, 0));
        new Plain([3], [1, 1, 1]).Same(Tensor.Ones([3], DType.UInt8));
        new Plain([], [7]).Same(Tensor.Full([], 7));
        new Plain([2], [2.5, 2.5]).Same(Tensor.Full([2], 2.5));
        new Plain([4], [0, 1, 2, 3]).Same(Tensor.Arange(4));
        new Plain([3], [5, 3, 1]).Same(Tensor.Arange(5, 0, -2));
        new Plain([3], [0, 0.4, 0.8]).Same(Tensor.Arange(0.0, 1.0, 0.4));
        new Plain([3], [2, 3, 4]).Same(Tensor.Arange(2, 5, dtype: DType.Int32));
        new Plain([0], []).Same(Tensor.Arange(3, 3));
        new Plain([2, 3], [1, 0, 0, 0, 1, 0]).Same(Tensor.Eye(2, 3));
        new Plain([2, 2], [1, 2, 3, 4]).Same(
            Tensor.From(
                new double[,]
                {
                    { 1, 2 },
                    { 3, 4 },
                }
            )
        );
        new Plain([], [1]).Same(Tensor.From(true));
        Assert.Equal(DType.Int64, Tensor.Full([1], 3).DType);
        Assert.Equal(DType.Float32, Tensor.Full([1], 3.0).DType);
        Assert.Equal(DType.Bool, Tensor.Full([1], true).DType);
    }

    [Fact]
    public void LikeOthers()
    {
        var t = Tensor.Ones([2, 3], DType.Float64).T;
        foreach (
            var like in new[]
            {
                Tensor.ZerosLike(t),
                Tensor.OnesLike(t),
                Tensor.FullLike(t, 3),
                Tensor.EmptyLike(t),
                Tensor.RandLike(t),
                Tensor.RandnLike(t),
            }
        )
        {
            Assert.Equal([3, 2], like.Shape.ToArray());
            Assert.Equal(DType.Float64, like.DType);
            Assert.True(like.IsContiguous);
        }
        Assert.Equal(DType.Int32, Tensor.ZerosLike(t, DType.Int32).DType);
    }

    [Fact]
    public void ElementsComeBack()
    {
        var t = Tensor.From([1.5f, -2f, 3f], [1, 3]);
        Assert.Equal([1.5f, -2f, 3f], t.ToArray<float>());
        Assert.Equal([1.5, -2, 3], t.T.ToDoubles());
        Assert.Equal(-2, t[0, 1].Item());
        Assert.Equal(-2, t[0, 1].Item<int>());
        Assert.Equal(long.MaxValue, Tensor.From(long.MaxValue).Item<long>());
        Assert.Equal([true, false], Tensor.From([true, false]).ToArray<bool>());
        Assert.Equal([(byte)200], Tensor.From([(byte)200]).ToArray<byte>());
    }

    [Fact]
    public void RandomNumbersRepeatAndFollowOn()
    {
        var a = new Generator(7);
        var first = Tensor.Rand([5], a);
        var second = Tensor.Rand([5], a);
        Assert.Equal(10, a.Position);
        var both = Tensor.Rand([10], new Generator(7));
        Assert.Equal(both.ToArray<float>(), Tensor.Cat([first, second]).ToArray<float>());
        Assert.NotEqual(both.ToArray<float>(), Tensor.Rand([10], new Generator(8)).ToArray<float>());
        Tensor.ManualSeed(7);
        Assert.Equal(both.ToArray<float>(), Tensor.Rand(10).ToArray<float>());
        a.Position = 5;
        Assert.Equal(second.ToArray<float>(), Tensor.Rand([5], a).ToArray<float>());
    }

    [Fact]
    public void RandomNumbersHaveTheirDistribution()
    {
        var g = new Generator(1);
        const int N = 20_000;
        // Five standard errors on either side.
        double[] uniform = Tensor.Rand([N], g).ToDoubles();
        Assert.All(uniform, u => Assert.InRange(u, 0, 0.99999999));
        Assert.InRange(uniform.Average(), 0.5 - 5 * 0.2887 / Math.Sqrt(N), 0.5 + 5 * 0.2887 / Math.Sqrt(N));
        double[] normal = Tensor.Randn([N], g, DType.Float64).ToDoubles();
        Assert.InRange(normal.Average(), -5 / Math.Sqrt(N), 5 / Math.Sqrt(N));
        Assert.InRange(normal.Average(x => x * x), 1 - 5 * Math.Sqrt(2.0 / N), 1 + 5 * Math.Sqrt(2.0 / N));
        long[] dice = Tensor.RandInt(1, 7, [N], g).ToArray<long>();
        foreach (var face in dice.GroupBy(d => d))
        {
            Assert.InRange(face.Key, 1, 6);
            Assert.InRange(face.Count(), N / 6.0 - 5 * Math.Sqrt(N * 5 / 36.0), N / 6.0 + 5 * Math.Sqrt(N * 5 / 36.0));
        }
    }

    [Fact]
    public void MultinomialDrawsByWeight()
    {
        var weights = Tensor.From([1f, 0, 3, 4, 2, 0, 0, 1, 0, 0, 0, 0], [2, 6]);
        long[] drawn = weights.Multinomial(4000, replacement: true, new Generator(3)).ToArray<long>();
        double[] expected = [0.1, 0, 0.3, 0.4, 0.2, 0];
        for (int c = 0; c < 6; c++)
        {
            int count = drawn[..4000].Count(d => d == c);
            double p = expected[c];
            Assert.InRange(
                count,
                4000 * p - 5 * Math.Sqrt(4000 * p * (1 - p)),
                4000 * p + 5 * Math.Sqrt(4000 * p * (1 - p))
            );
        }
        Assert.All(drawn[4000..], d => Assert.Equal(1, d));
        var distinct = Tensor.From([1f, 2, 3, 4, 5]).Multinomial(5, generator: new Generator(1));
        Assert.Equal([5], distinct.Shape.ToArray());
        Assert.Equal([0, 1, 2, 3, 4], distinct.ToArray<long>().Order());
    }

    [Fact]
    public void TextIsPyTorchs()
    {
        Assert.Equal(
            "tensor([[ 1.0000, -2.5000],\n        [ 0.3333, 10.0000]])",
            Tensor.From([1f, -2.5f, 1 / 3f, 10], [2, 2]).ToString()
        );
        Assert.Equal("tensor(5)", Tensor.From(5L).ToString());
        Assert.Equal("tensor([ True, False])", Tensor.From([true, false]).ToString());
        Assert.Equal("tensor([], size=(0, 3), dtype=torch.float64)", Tensor.Zeros([0, 3], DType.Float64).ToString());
        Assert.Equal("tensor([1.0000e-06, 1.0000e+06,        nan])", Tensor.From([1e-6f, 1e6f, float.NaN]).ToString());
        Assert.Equal("tensor([   0,    1,    2,  ..., 1997, 1998, 1999])", Tensor.Arange(2000).ToString());
        Assert.Equal("tensor([[[0, 1]]])", Tensor.Arange(2).Reshape(1, 1, 2).ToString());
        var leaf = Tensor.Zeros(1).RequiresGrad_();
        Assert.Equal("tensor([0.], requires_grad=True)", leaf.ToString());
        Assert.Equal("tensor([0.], grad_fn=<TanhBackward0>)", leaf.Tanh().ToString());
        leaf.Dispose();
        Assert.Equal("Tensor[1] f32 disposed", leaf.ToString());
    }
}
