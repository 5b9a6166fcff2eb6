using Picograd.Calls;
using Xunit;

namespace Picograd.Tests;

/// <summary>Derivatives of functions, and functions of batches.</summary>
public class FuncTests
{
    private static Tensor Random(int seed, params long[] shape) =>
        Tensor.Randn(shape, new Generator(seed), DType.Float64);

    private static void Near(Tensor expected, Tensor found, double by = 1e-9)
    {
        Assert.Equal(expected.Shape, found.Shape);
        double[] e = expected.ToDoubles();
        double[] f = found.ToDoubles();
        for (int i = 0; i < e.Length; i++)
            Assert.Equal(e[i], f[i], by);
    }

    [Fact]
    public void Functional_derivatives_at_a_point()
    {
        var x = Random(1, 3);
        var jacobian = Autograd.Functional.Jacobian(t => t.Exp() * t.Sum(), x);
        var e = x.Exp();
        Near(Diag(e * x.Sum()) + e.Unsqueeze(1).Expand(3, 3), jacobian);
        var hessian = Autograd.Functional.Hessian(t => (t * t * t).Sum(), x);
        Near(Diag(x * 6), hessian);
        var v = Random(2, 3);
        Near(jacobian.MatMul(v), Autograd.Functional.Jvp(t => t.Exp() * t.Sum(), x, v).Jvp);
        Near(jacobian.T.MatMul(v), Autograd.Functional.Vjp(t => t.Exp() * t.Sum(), x, v).Vjp);
        Near(x * 6 * v, Autograd.Functional.Hvp(t => (t * t * t).Sum(), x, v).Hvp);
        Near(x * 6 * v, Autograd.Functional.Vhp(t => (t * t * t).Sum(), x, v).Vhp);
        var two = Autograd.Functional.Jacobian(i => [i[0] * i[1], i[0].Sum()], [x, v]);
        Near(Diag(v), two[0][0]);
        Near(Diag(x), two[0][1]);
        Near(Tensor.Zeros([3], DType.Float64), two[1][1]);
        Assert.Throws<InvalidOperationException>(() =>
            Autograd.Functional.Jacobian(i => [i[0].Sum()], [x, v], strict: true)
        );
        Assert.Throws<ArgumentException>(() => Autograd.Functional.Hessian(t => t * 2, x));
        Assert.Throws<ArgumentException>(() => Autograd.Functional.Jvp(t => t * 2, x));
        var blocks = Autograd.Functional.Hessian(i => (i[0] * i[0] * i[1]).Sum(), [x, v]);
        Near(Diag(v * 2), blocks[0][0]);
        Near(Diag(x * 2), blocks[0][1]);
        // Recorded, it can be differentiated.
        var leaf = x.Clone().RequiresGrad_();
        Autograd.Functional.Jacobian(t => t * t, leaf, createGraph: true).Sum().Backward();
        Near(Tensor.Full([3], 2, DType.Float64), leaf.Grad!);
        Assert.False(Autograd.Functional.Jacobian(t => t * t, leaf).RequiresGrad);
    }

    private static Tensor Diag(Tensor x) => Tensor.Eye(x.NumElements, dtype: x.DType) * x;

    [Fact]
    public void Functions_to_functions_compose()
    {
        var x = Tensor.From(2.0);
        Func<Tensor, Tensor> cube = t => t * t * t;
        Assert.Equal(12, Func.Grad(cube)(x).Item());
        Assert.Equal(12, Func.Grad(Func.Grad(cube))(x).Item());
        Assert.Equal(6, Func.Grad(Func.Grad(Func.Grad(cube)))(x).Item());
        Assert.False(Func.Grad(cube)(x).RequiresGrad);
        var (value, gradient) = Func.ValueAndGrad(cube)(x);
        Assert.Equal((8, 12), (value.Item(), gradient.Item()));
        Assert.Equal(5, Func.Grad((a, b) => a * b, 0)(x, Tensor.From(5.0)).Item());
        Assert.Equal(2, Func.Grad((a, b) => a * b, -1)(x, Tensor.From(5.0)).Item());
        // An outer variable within an inner derivative: d/da (d/db a²b) = 2a.
        Assert.Equal(4, Func.Grad(a => Func.Grad(b => a * a * b)(Tensor.From(3.0)))(x).Item());
        // A leaf of the program's own is followed.
        var w = Tensor.From(5.0).RequiresGrad_();
        Func.Grad(t => t * t * w)(x).Backward();
        Assert.Equal(4, w.Grad!.Item());
        using (Tensor.NoGrad())
            Assert.Equal(12, Func.Grad(cube)(x).Item());
        var (output, vjp) = Func.Vjp(t => t.Sin(), Random(3, 4));
        Near(vjp(Tensor.Ones([4], DType.Float64)), Random(3, 4).Cos());
        Near(output, Random(3, 4).Sin());
        Near(Random(3, 4).Cos() * 2, Func.Jvp(t => t.Sin(), Random(3, 4), Tensor.Full([4], 2, DType.Float64)).Tangent);
        Assert.Throws<ArgumentException>(() => Func.Grad(t => t * 2)(Random(1, 3)));
        Assert.Throws<ArgumentOutOfRangeException>(() => Func.Grad((a, b) => a * b, 2)(x, x));
    }

    [Fact]
    public void Jacobians_and_Hessians_by_batches()
    {
        var x = Random(4, 2, 3);
        var w = Random(5, 3, 2);
        Func<Tensor, Tensor> f = t => t.MatMul(w).Tanh() * t.Sum();
        var expected = Autograd.Functional.Jacobian(f, x);
        Near(expected, Func.Jacrev(f)(x));
        Near(expected, Func.Jacfwd(f)(x));
        Func<Tensor, Tensor> g = t => (t.Sin() * t.Sum()).Sum();
        var hessian = Autograd.Functional.Hessian(g, x);
        Near(hessian, Func.Hessian(g)(x));
        Near(hessian, Func.Jacrev(Func.Jacrev(g))(x));
        Near(hessian, Func.Jacrev(Func.Jacfwd(g))(x));
        Near(Tensor.Zeros([0, 0], DType.Float64), Func.Jacrev(t => t * 2)(Tensor.Zeros([0], DType.Float64)));
    }

    public static TheoryData<string, Func<Tensor, Tensor>> PerSample =>
        new()
        {
            { "elements", x => (x * 2 + 1).Exp() / (x.Abs() + 0.5) },
            { "row", x => x - x[0] },
            { "softmax", x => x.Softmax(-1) },
            { "softmax down", x => x.Softmax(0) },
            { "sum", x => x.Sum() },
            { "sums", x => x.Sum(0) * x.Sum(1, keepdim: true) },
            { "mean and max", x => x.Mean(1) + x.Amax(1) },
            { "var", x => x.Var(0) },
            { "product", x => x.MatMul(x.T) },
            { "products", x => x.Unsqueeze(0).MatMul(x.T.Unsqueeze(0).Expand(2, 4, 3)) },
            { "vector", x => x.MatMul(x[0]) },
            { "shared", x => x.MatMul(Random(9, 4, 2)) },
            { "shared left", x => Random(9, 2, 3).MatMul(x) },
            { "views", x => x.T.Reshape(2, 6).Flip(0).Narrow(1, 1, 3) },
            { "cat", x => Tensor.Cat([x, Tensor.Ones([3, 1], DType.Float64), x * x], 1) },
            { "stack", x => Tensor.Stack([Tensor.Zeros([3, 4], DType.Float64), x]) },
            { "where", x => Tensor.Where(x > 0, x, 0) + x.Clamp(min: -1) },
            { "scan", x => x.Cumsum(0) + x.Cumsum(1) },
            { "gather", x => x.Gather(1, Tensor.From([0L, 2, 1, 3, 3, 0], [3, 2])) },
            { "pick", x => x[Tensor.From([2L, 0])] },
            {
                "in place",
                x =>
                {
                    var y = Tensor.Zeros([3, 4], DType.Float64);
                    y.Add_(x);
                    y[0] = x[1];
                    return y.Mul_(2);
                }
            },
            { "constant", x => Tensor.Ones([2], DType.Float64) },
            { "sort", x => x.Sort(1).Values },
            { "mask", x => x.MaskedFill(x > 0, 7) },
            { "item", x => x * x[0, 0].Item() },
            { "norm", x => F.LayerNorm(x, [4]) },
            { "cross entropy", x => F.CrossEntropy(x, Tensor.From([0L, 3, 1])) },
            { "mse", x => F.MseLoss(x, x * x) },
            { "int", x => (x * 3).To(DType.Int64) * 2 },
        };

    [Theory]
    [MemberData(nameof(PerSample))]
    public void A_batch_is_what_its_samples_are(string name, Func<Tensor, Tensor> function)
    {
        Assert.NotEmpty(name);
        foreach (long samples in new long[] { 1, 5 })
        {
            var x = Random(7, samples, 3, 4);
            Near(Each(function, x), Func.Vmap(function)(x));
        }
        // The gradient of each sample, and of samples along another dimension.
        var y = Random(8, 3, 5, 4);
        Func<Tensor, Tensor> loss = t => (function(t).To(DType.Float64) * 1.5).Sum();
        if (function(y[.., 0]).DType == DType.Float64)
            Near(Each(Func.Grad(loss), y.MoveDim(1, 0)), Func.Vmap(Func.Grad(loss), 1)(y));
        Near(Each(function, y.MoveDim(1, 0)).MoveDim(0, -1), Func.Vmap(function, 1, -1)(y));
    }

    private static Tensor Each(Func<Tensor, Tensor> function, Tensor x) =>
        Tensor.Stack([.. Enumerable.Range(0, (int)x.Shape[0]).Select(i => function(x[i]))]);

    [Fact]
    public void Calls_are_made_for_all_samples_at_once()
    {
        var x = Random(1, 100, 6, 4);
        var w = Random(2, 4, 3);
        int Calls(Action act)
        {
            using var recorder = new Recorder();
            using (recorder.Enter())
                act();
            return recorder.Calls.Count;
        }
        Func<Tensor, Tensor> f = t => t.MatMul(w).Softmax(-1).Sum();
        Assert.InRange(Calls(() => Func.Vmap(f)(x)), 1, 8);
        Assert.InRange(Calls(() => Func.Vmap(Func.Grad(f))(x)), 1, 40);
        Assert.InRange(Calls(() => Func.Vmap(t => t.T.MatMul(t))(x)), 1, 8);
        // One batch within another.
        var y = Random(3, 10, 20, 4);
        Near(Each(t => Each(s => (s * s).Sum() * s, t), y), Func.Vmap(Func.Vmap(s => (s * s).Sum() * s))(y));
        Assert.InRange(Calls(() => Func.Vmap(Func.Vmap(s => (s * s).Sum() * s))(y)), 1, 8);
    }

    [Fact]
    public void Gradients_go_through_batches()
    {
        var x = Random(1, 4, 3).RequiresGrad_();
        var w = Random(2, 3).RequiresGrad_();
        Func.Vmap(t => (t * w).Exp().Sum())(x).Sum().Backward();
        var (xs, ws) = (x.Detach().RequiresGrad_(), w.Detach().RequiresGrad_());
        (xs * ws).Exp().Sum().Backward();
        Near(xs.Grad!, x.Grad!);
        Near(ws.Grad!, w.Grad!);
        // Each sample's gradient of shared parameters.
        var data = Random(3, 4, 3);
        var each = Func.Vmap((p, d) => Func.Grad((q, e) => (q * e).Exp().Sum())(p, d), [null, 0])(w.Detach(), data);
        Near((w.Detach() * data).Exp() * data, each);
        // A function of ones own within.
        Near(data.Exp(), Func.Vmap(t => new Doubled().Apply(t).Exp())(data / 2));
    }

    private sealed class Doubled : Function
    {
        public override Tensor Forward(FunctionContext context, params Tensor[] inputs) => inputs[0] * 2;

        public override Tensor?[] Backward(FunctionContext context, Tensor gradient) => [gradient * 2];
    }

    [Fact]
    public void What_Vmap_refuses()
    {
        var (x, y) = (Random(1, 4, 3), Random(2, 5, 3));
        var shared = Random(3, 3);
        string Message(Action act) => Assert.ThrowsAny<Exception>(act).Message;
        Assert.Contains("same size in the mapped dimension", Message(() => Func.Vmap((a, b) => a + b)(x, y)));
        Assert.Contains("in_dim", Message(() => Func.Vmap(t => t + 1, 2)(x)));
        Assert.Contains("at least one", Message(() => Func.Vmap((a, b) => a + b, [null, null])(x, x)));
        Assert.Contains("randomness", Message(() => Func.Vmap(t => t + Tensor.Rand(3).To(DType.Float64))(x)));
        Assert.Contains("inplace", Message(() => Func.Vmap(t => shared.Add_(t))(x)));
        Tensor.ManualSeed(1);
        var same = Func.Vmap(t => t * 0 + Tensor.Rand(3).To(DType.Float64), randomness: "same")(x);
        Near(same[0], same[3]);
        var different = Func.Vmap(t => t * 0 + Tensor.Rand(3).To(DType.Float64), randomness: "different")(x);
        Assert.NotEqual(different[0].ToDoubles(), different[3].ToDoubles());
        Assert.Equal([2, 0], Func.Vmap(t => t * 2, 1)(Tensor.Zeros([0, 2], DType.Float64)).Shape);
    }
}
