using Xunit;

namespace Picograd.Tests;

/// <summary>Functions in place, conversions, and what else PyTorch's tensors have around autograd.</summary>
public class InPlaceFunctionTests
{
    private static readonly Tensor Other = Tensor.From([0.5, 1.5, -0.5, 2.0, 0.25, 1.0], [2, 3]);

    public static TheoryData<string, Func<Tensor, Tensor>, Func<Tensor, Tensor>> Pairs =>
        new()
        {
            { "abs", t => t.Abs(), t => t.Abs_() },
            { "sin", t => t.Sin(), t => t.Sin_() },
            { "log1p", t => t.Square().Log1p(), t => t.Square_().Log1p_() },
            { "clamp", t => t.Clamp(-0.5, 0.5), t => t.Clamp_(-0.5, 0.5) },
            { "clamp by tensors", t => t.Clamp(Other - 1, Other), t => t.Clamp_(Other - 1, Other) },
            { "gelu", t => t.Gelu(), t => t.Gelu_() },
            { "lerp", t => t.Lerp(Other, 0.3), t => t.Lerp_(Other, 0.3) },
            { "addcmul", t => t.Addcmul(Other, Other, 2), t => t.Addcmul_(Other, Other, 2) },
            { "addcdiv", t => t.Addcdiv(Other, Other + 3), t => t.Addcdiv_(Other, Other + 3) },
            { "pow", t => t.Pow(3), t => t.Pow_(3) },
            { "tril", t => t.Tril(), t => t.Tril_() },
            { "cumsum", t => t.Cumsum(1), t => t.Cumsum_(1) },
            { "add alpha", t => t.Add(Other, 3), t => t.Add_(Other, 3) },
            { "round", t => t.Round() + t, t => t.Clone().Round_().Add_(t) },
            { "remainder", t => t.Remainder(0.7), t => t.Remainder_(0.7) },
            { "reciprocal", t => (t * 2).Reciprocal(), t => t.Mul_(2).Reciprocal_() },
            { "xlogy", t => t.Xlogy(Other.Abs()), t => t.Xlogy_(Other.Abs()) },
            { "twice", t => t.Sin().Square().Cos(), t => t.Sin_().Square_().Cos_() },
            {
                "view",
                t => Tensor.Cat([t[..1].Sin(), t[1..]]),
                t =>
                {
                    t[0].Sin_();
                    return t;
                }
            },
        };

    [Theory]
    [MemberData(nameof(Pairs))]
    public void In_place_is_what_the_function_gives(
        string name,
        Func<Tensor, Tensor> function,
        Func<Tensor, Tensor> inPlace
    )
    {
        Assert.NotEmpty(name);
        var values = Tensor.Randn([2, 3], new Generator(3), DType.Float64);
        var (x, y) = (values.Clone(), values.Clone());
        int version = y.Version;
        var result = inPlace(y);
        Assert.True(result.Version > version || name == "round");
        var expected = function(x).ToDoubles();
        Assert.Equal(expected, result.ToDoubles());
        // With history: of what was changed and of what changed it.
        var (a, b) = (values.Clone().RequiresGrad_(), values.Clone().RequiresGrad_());
        (function(a * 1) * Other).Sum().Backward();
        var changed = b * 1;
        (inPlace(changed) * Other).Sum().Backward();
        double[] wanted = a.Grad!.ToDoubles();
        double[] found = b.Grad!.ToDoubles();
        for (int i = 0; i < wanted.Length; i++)
            Assert.Equal(wanted[i], found[i], 1e-12);
        Assert.Throws<InvalidOperationException>(() => inPlace(name == "round" ? b.Sin_() : b));
    }

    [Fact]
    public void What_in_place_refuses()
    {
        var whole = Tensor.From([1L, 4, 9]);
        Assert.Contains("f32", Assert.Throws<ArgumentException>(() => whole.Sin_()).Message);
        Assert.Equal([1, 0, 1], whole.Remainder_(2).ToDoubles());
        Assert.Equal(DType.Int64, whole.Eq_(1).DType);
        Assert.Throws<ArgumentException>(() => Tensor.Ones(3).Lerp_(Tensor.Ones(2, 3), 0.5));
        // A tensor that a function would return as it is stays the other's.
        var mine = Tensor.Zeros(3);
        var theirs = Tensor.Ones(3);
        mine.Copy_(theirs);
        mine.Add_(1);
        Assert.Equal([1, 1, 1], theirs.ToDoubles());
    }

    [Fact]
    public void Shapes_in_place()
    {
        var x = Tensor.Arange(6).To(DType.Float64).Reshape(1, 2, 3).Clone().RequiresGrad_();
        var y = x * 2;
        Assert.Same(y, y.Squeeze_());
        Assert.Equal([2, 3], y.Shape);
        Assert.Equal([3, 2], y.T_().Shape);
        Assert.Equal([3, 1, 2], y.Unsqueeze_(1).Shape);
        Assert.Equal([2, 1, 3], y.Transpose_(0, 2).Shape);
        (y * Tensor.Arange(3).To(DType.Float64)).Sum().Backward();
        Assert.Equal([1, 2, 3], x.Grad!.Shape);
        Assert.Equal([0, 2, 4, 0, 2, 4], x.Grad.ToDoubles());
        Assert.Throws<InvalidOperationException>(() => x.Squeeze_());
        Assert.Throws<InvalidOperationException>(() => Tensor.Ones(2, 2, 2).T_());
        var z = (x * 3).Detach_();
        Assert.False(z.RequiresGrad);
        Assert.True(z.IsLeaf);
        Assert.Throws<InvalidOperationException>(() => (x * 3)[0].Detach_());
        var matrix = Tensor.Zeros(4, 2);
        Assert.Equal([7, 0, 0, 7, 0, 0, 0, 0], matrix.FillDiagonal_(7).ToDoubles());
        Assert.Equal([7, 0, 0, 7, 0, 0, 7, 0], matrix.FillDiagonal_(7, wrap: true).ToDoubles());
    }

    [Fact]
    public void Conversions_and_what_is_known_of_a_tensor()
    {
        var x = Tensor.From([1.5f, -2.5f, 0]);
        Assert.Equal(DType.Float64, x.Double().DType);
        Assert.Equal(DType.Float16, x.Half().DType);
        Assert.Equal(DType.BFloat16, x.BFloat16().DType);
        Assert.Equal([1, -2, 0], x.Long().ToArray<long>());
        Assert.Equal([1, -2, 0], x.Int().ToArray<int>());
        Assert.Equal([true, true, false], x.Bool().ToArray<bool>());
        Assert.Equal(DType.UInt8, x.Abs().Byte().DType);
        Assert.Same(x, x.Float());
        Assert.Same(x, x.To(Device.Cpu));
        Assert.Equal(DType.Float64, x.To(Tensor.From(1.0)).DType);
        Assert.NotSame(x, x.To(DType.Float32, copy: true));
        Assert.Equal(((Half)1.5, 4, 12L, 1), (x.Half()[0].Item<Half>(), x.ItemSize, x.NBytes, x.NDim));
        Assert.Equal((3L, 2L), (Tensor.Ones(2, 3).Stride(0), Tensor.Ones(2, 3).Size()[0]));
        var matrix = (float[,])Tensor.From([1f, 2, 3, 4, 5, 6], [2, 3]).T.ToMultiArray<float>();
        Assert.Equal((3, 2, 4f), (matrix.GetLength(0), matrix.GetLength(1), matrix[0, 1]));
    }

    [Fact]
    public void Data_and_gradients_of_parameters()
    {
        var w = Tensor.From([1.0, 2.0]).RequiresGrad_();
        w.Data.Sub_(Tensor.From([0.5, 0.5]));
        Assert.Equal([0.5, 1.5], w.ToDoubles());
        Assert.False(w.Data.RequiresGrad);
        w.Data = Tensor.From([7.0, 8.0, 9.0]);
        Assert.Equal([7, 8, 9], w.ToDoubles());
        Assert.True(w.RequiresGrad && w.IsLeaf);
        (w * w).Sum().Backward();
        Assert.Equal([14, 16, 18], w.Grad!.ToDoubles());
        w.ZeroGrad(setToNone: false);
        Assert.Equal([0, 0, 0], w.Grad!.ToDoubles());
        w.ZeroGrad();
        Assert.Null(w.Grad);
        Assert.Throws<ArgumentException>(() => w.Data = Tensor.From([1L]));
    }
}
