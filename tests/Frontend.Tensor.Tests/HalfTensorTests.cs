using Picograd.Tests.Cuda;
using Xunit;

namespace Picograd.Tests;

/// <summary>Tensors of 16-bit floats: elements, promotion, modules, optimizers, training; the same kernels on CUDA.</summary>
public sealed class HalfTensorTests : IDisposable
{
    public HalfTensorTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();

    [Fact]
    public void Elements_come_back_as_they_went()
    {
        Half[] halves = [(Half)1.5, Half.NaN, Half.Epsilon, Half.MaxValue, Half.NegativeInfinity, (Half)(-0.0)];
        var x = Tensor.From(halves);
        Assert.Equal(DType.Float16, x.DType);
        Assert.Equal(halves, x.ToArray<Half>());
        Assert.Equal(65504, x[3].Item());
        Assert.Equal((Half)1.5, x[0].Item<Half>());
        Assert.Equal((BFloat16)1.5f, x[0].Item<BFloat16>());
        Assert.Equal(1.5m, x[0].Item<decimal>());
        Assert.Equal(1, x[0].Item<long>());
        Assert.Throws<OverflowException>(() => x[3].Item<byte>());
        Assert.Throws<ArgumentException>(() => x[0].Item<DateTime>());
        BFloat16[] brains = [(BFloat16)1.5f, BFloat16.MaxValue, BFloat16.FromBits(1), BFloat16.NegativeInfinity];
        var y = Tensor.From(brains, [2, 2]);
        Assert.Equal(DType.BFloat16, y.DType);
        Assert.Equal(brains, y.ToArray<BFloat16>());
        Assert.Equal(
            [1.5, (float)BFloat16.FromBits(1), (float)BFloat16.MaxValue, double.NegativeInfinity],
            y.T.ToDoubles()
        );
        Assert.Equal(1.5f, y[0, 0].Item<float>());
        Assert.Equal(
            "tensor([0.1001, 2.0000], dtype=torch.bfloat16)",
            Tensor.From([0.1f, 2f]).To(DType.BFloat16).ToString()
        );
        var refusal = Assert.Throws<ArgumentException>(() => x.ToArray<BFloat16>());
        Assert.Contains("the tensor's dtype is f16, but BFloat16 was asked for", refusal.Message);
    }

    // As PyTorch 2.10 answers.
    /// <summary>As in PyTorch: a second operand of float32 keeps its digits in products and quotients, a first one, and that of a sum, is rounded.</summary>
    [Fact]
    public void A_number_of_one_element_is_as_precise_as_what_is_computed()
    {
        var x = Tensor.Arange(1, 2049).To(DType.Float16);
        var s = Tensor.Full([], 0.1, DType.Float32);
        var rounded = s.To(DType.Float16);
        Assert.Equal((x * 0.1).ToDoubles(), (x * s).ToDoubles());
        Assert.Equal((x / 0.1).ToDoubles(), (x / s).ToDoubles());
        Assert.Equal((x * 0.1).ToDoubles(), (x * s.To(DType.Float64)).ToDoubles());
        Assert.NotEqual((x * rounded).ToDoubles(), (x * s).ToDoubles());
        Assert.Equal((rounded * x).ToDoubles(), (s * x).ToDoubles());
        Assert.Equal((x + rounded).ToDoubles(), (x + s).ToDoubles());
        Assert.Equal(DType.Float16, (x * s).DType);
        Assert.Equal([0, 2], (Tensor.Zeros([0, 2], DType.Float16) * s).Shape.ToArray());

        var (w, g) = (x[..4].Clone().RequiresGrad_(), s.Clone().RequiresGrad_());
        (w * g).Sum().Backward();
        Assert.Equal(DType.Float32, g.Grad!.DType);
        Assert.Equal(10, g.Grad!.Item(), 0.02);
        Assert.All(w.Grad!.ToDoubles(), v => Assert.Equal(0.1, v, 1e-4));
    }

    [Fact]
    public void Results_have_PyTorchs_dtypes()
    {
        var (half, brain) = (Tensor.Ones([3], DType.Float16), Tensor.Ones([3], DType.BFloat16));
        Assert.Equal(DType.Float32, (half + brain).DType);
        Assert.Equal(DType.Float16, (half + Tensor.Arange(3)).DType);
        Assert.Equal(DType.Float16, (Tensor.Arange(3) * half[0]).DType);
        Assert.Equal(DType.Float16, (half * Tensor.Full([], 0.5)).DType);
        Assert.Equal(DType.Float32, (half * Tensor.Ones(3)).DType);
        Assert.Equal(DType.BFloat16, (2.5 * brain).DType);
        Assert.Equal(DType.Float32, Tensor.Cat([half, brain]).DType);
        Assert.Equal(DType.Float16, half.Sum().DType);
        Assert.Equal(DType.Bool, (half < brain).DType);
        Assert.Throws<ArgumentException>(() => half.MatMul(brain));
        Assert.Throws<ArgumentException>(() => Tensor.Full([2], 65510, DType.Float16));
        // A factor keeps the digits of a float32, a number that is added does not.
        var three = Tensor.Full([1], 3, DType.Float16);
        Assert.Equal(0.300048828125, (three * 0.1).Item());
        Assert.Equal((double)((Half)(-1.01) + (Half)1), (Tensor.Ones([1], DType.Float16) + -1.01).Item());
    }

    [Theory]
    [InlineData(DType.Float16)]
    [InlineData(DType.BFloat16)]
    public void Each_operator_rounds_once(DType dtype)
    {
        long[] shape = [7, 13];
        var exact = Make.Values(shape, DType.Float64, 3).To(dtype).To(DType.Float64);
        var x = exact.To(dtype);
        var turned = exact.To(dtype).T.Contiguous().T;
        var weight = Make.Values([5, 13], DType.Float64, 4).To(dtype);
        var targets = Tensor.From([0L, 12, 3, 4, 5, 6, 7]);
        foreach (
            var (name, f) in new (string, Func<Tensor, Tensor>)[]
            {
                ("exp", t => t.Exp()),
                ("gelu", t => t.Gelu()),
                ("sum", t => t.Sum(0)),
                ("mean", t => t.Mean()),
                ("var", t => t.Var(1)),
                ("std", t => t.Std()),
                ("amax", t => t.Amax(1)),
                ("max along", t => t.Max(0).Values),
                ("softmax", t => t.Softmax(1)),
                ("log_softmax", t => t.LogSoftmax(0)),
                ("cumsum", t => t.Cumsum(1)),
                ("linear", t => F.Linear(t, weight.To(t.DType))),
                ("matmul", t => t.MatMul(weight.To(t.DType).T)),
                ("cross_entropy", t => F.CrossEntropy(t, targets)),
                ("cross_entropy sum", t => F.CrossEntropy(t, targets, LossReduction.Sum)),
                ("cross_entropy smooth", t => F.CrossEntropy(t, targets, labelSmoothing: 0.1)),
                ("mse", t => F.MseLoss(t, t * 0)),
                ("where", t => Tensor.Where(t > 0, t, -1)),
                ("clamp", t => t.Clamp(-0.5, 0.5)),
                ("cat", t => Tensor.Cat([t, t], 1)),
                ("index", t => t[Tensor.From([6L, 0, 0])]),
                ("broadcast", t => t + t[.., ..1]),
            }
        )
        {
            double[] expected = f(exact).ToDoubles();
            foreach (var given in new[] { x, turned })
            {
                var got = f(given);
                Assert.Equal(dtype, got.DType);
                double[] values = got.ToDoubles();
                for (int i = 0; i < expected.Length; i++)
                {
                    // Half a digit for the rounding, and a little for float32, in which the rest is computed.
                    double bound = Math.ScaleB(1.02 * Math.Abs(expected[i]), -dtype.Info().Significand) + 1e-6;
                    Assert.True(Math.Abs(values[i] - expected[i]) <= bound, $"{name} {i}: {values[i]}, {expected[i]}");
                }
            }
            var leaf = x.Clone().RequiresGrad_();
            f(leaf).Sum().Backward();
            Assert.Equal(dtype, leaf.Grad!.DType);
        }
    }

    [Theory]
    [InlineData(DType.Float16)]
    [InlineData(DType.BFloat16)]
    public void Empty_ones_are_empty_and_one_element_is_one(DType dtype)
    {
        var none = Tensor.Zeros([0, 3], dtype);
        Assert.Equal([0, 3], (none + none).Exp().Shape.ToArray());
        Assert.Equal(0, none.Sum().Item());
        Assert.Equal(dtype, none.Sum(0).DType);
        Assert.Equal([0, 2], F.Linear(none, Tensor.Ones([2, 3], dtype)).Shape.ToArray());
        var one = Tensor.Full([1], 0.5, dtype);
        Assert.Equal(0.5, one.Softmax(0).Item() * one.Cumsum(0).Item());
        var uniform = Tensor.Rand([4099], new Generator(1), dtype);
        Assert.True(uniform.Max().Item() < 1 && uniform.Min().Item() >= 0);
        Assert.InRange(uniform.To(DType.Float32).Mean().Item(), 0.48, 0.52);
        Assert.InRange(Tensor.Randn([4099], new Generator(1), dtype).To(DType.Float32).Std().Item(), 0.96, 1.04);
    }

    [Fact]
    public void A_module_is_converted_in_place_with_its_gradients()
    {
        var model = new Sequential(new Linear(3, 4, generator: new Generator(1)), new Tanh(), new Linear(4, 1));
        var weight = model.Parameters.First();
        var before = weight.ToDoubles();
        var state = model.StateDict();
        model.Forward(Tensor.Ones(2, 3)).Sum().Backward();
        Assert.Same(model, model.BFloat16());
        Assert.Same(weight, model.Parameters.First());
        Assert.All(model.Parameters, p => Assert.True(p.DType == DType.BFloat16 && p.Grad!.DType == DType.BFloat16));
        Assert.All(model.Parameters, p => Assert.True(p.IsLeaf && p.RequiresGrad));
        Assert.Equal([.. before.Select(v => (double)(BFloat16)v)], weight.ToDoubles());
        // What was taken before keeps its dtype and values, and fits again.
        Assert.Equal(DType.Float32, state["0.weight"].DType);
        Assert.Equal(before, state["0.weight"].ToDoubles());
        model.Double().LoadStateDict(state);
        Assert.Equal(before, weight.ToDoubles());
        Assert.Equal(DType.Float16, model.Half().Forward(Tensor.Ones([2, 3], DType.Float16)).DType);
        var refusal = Assert.Throws<ArgumentException>(() => model.To(DType.Int64));
        Assert.Contains("i64 was given; it must be one of f32, f64, f16, bf16", refusal.Message);
    }

    [Fact]
    public void What_was_recorded_before_a_conversion_is_not_gone_back_through()
    {
        var layer = new Linear(3, 2);
        var loss = layer.Forward(Tensor.Ones([2, 3]).RequiresGrad_()).Sum();
        layer.Half();
        Assert.Throws<InvalidOperationException>(() => loss.Backward());
    }

    [Theory]
    [InlineData(DType.BFloat16, true)]
    [InlineData(DType.BFloat16, false)]
    [InlineData(DType.Float16, true)]
    public void A_small_model_learns(DType dtype, bool adam)
    {
        var generator = new Generator(7);
        var model = new Sequential(
            new Linear(2, 16, generator: generator),
            new Tanh(),
            new Linear(16, 2, generator: generator)
        );
        model.To(dtype);
        var x = Tensor.Randn([64, 2], generator, DType.Float32);
        var targets = ((x[.., 0] * x[.., 1]) > 0).To(DType.Int64);
        x = x.To(dtype);
        Optimizer optimizer = adam
            ? new Adam(model.Parameters, lr: 0.03)
            : new SGD(model.Parameters, lr: 0.3, momentum: 0.9);
        double first = 0;
        double last = 0;
        for (int step = 0; step < 150; step++)
        {
            using var scope = Tensor.Scope();
            var loss = F.CrossEntropy(model.Forward(x), targets);
            optimizer.ZeroGrad();
            loss.Backward();
            optimizer.Step();
            last = loss.Item();
            first = step == 0 ? last : first;
        }
        Assert.All(model.Parameters, p => Assert.Equal(dtype, p.DType));
        Assert.True(first > 0.5 && last < 0.2, $"the loss went from {first} to {last}");
    }

    [SkippableTheory]
    [InlineData(DType.Float16)]
    [InlineData(DType.BFloat16)]
    public void Cuda_gives_what_the_processor_gives(DType dtype)
    {
        var device = EmulatedGpu.Require();
        var x = Make.Values([5, 7], DType.Float64, 3).To(dtype);
        var weight = Make.Values([3, 7], DType.Float64, 4).To(dtype);
        var targets = Tensor.From([0L, 2, 1, 1, 0]);
        Tensor[] Run(Device on)
        {
            var (a, w, t) = (
                x.Clone().ToDevice(on).RequiresGrad_(),
                weight.Clone().ToDevice(on).RequiresGrad_(),
                targets.ToDevice(on)
            );
            var y = F.Linear(a.Gelu() * 0.7 + a, w);
            var loss = F.CrossEntropy(y, t);
            loss.Backward();
            return
            [
                y,
                loss,
                a.Grad!,
                w.Grad!,
                a.Detach().T.Softmax(1),
                a.Detach().Cumsum(1),
                a.Detach().To(DType.Float32),
            ];
        }
        foreach (var (here, there) in Run(Device.Cpu).Zip(Run(device)))
        {
            Assert.Equal(here.DType, there.DType);
            Assert.Equal(device, there.Device);
            foreach (var (a, b) in here.ToDoubles().Zip(there.ToDoubles()))
                Assert.True(
                    Math.Abs(a - b) <= Math.ScaleB(4 * Math.Max(Math.Abs(a), 0.25), -dtype.Info().Significand),
                    $"{a}, {b}"
                );
        }
    }
}
