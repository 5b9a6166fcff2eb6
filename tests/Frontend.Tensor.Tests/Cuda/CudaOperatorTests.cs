using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests.Cuda;

/// <summary>Every operator of the front end on the GPU gives what it gives on the CPU, to rounding.</summary>
public sealed class CudaOperatorTests
{
    private static readonly Dictionary<string, Func<Device, Tensor>> Cases = new()
    {
        // Functions of one tensor.
        ["neg abs"] = d => (-X(d)).Abs(),
        ["exp"] = d => X(d).Exp(),
        ["log"] = d => P(d).Log(),
        ["sqrt rsqrt"] = d => P(d).Sqrt() + P(d).Rsqrt(),
        ["reciprocal"] = d => P(d).Reciprocal(),
        ["sin cos"] = d => X(d).Sin() * X(d).Cos(),
        ["erf"] = d => X(d).Erf(),
        ["tanh"] = d => X(d).Tanh(),
        ["sigmoid"] = d => X(d).Sigmoid(),
        ["relu"] = d => X(d).Relu(),
        ["gelu"] = d => X(d).Gelu(),
        ["silu"] = d => X(d).Silu(),
        ["square"] = d => X(d).Square(),
        ["floor ceil round"] = d => (X(d) * 3).Floor() + (X(d) * 5).Ceil() + (X(d) * 7).Round(),
        ["clamp"] = d => X(d).Clamp(-0.5, 0.25),
        ["softmax"] = d => X(d).Softmax(1),
        ["softmax of columns"] = d => X(d).Softmax(0),
        ["log_softmax"] = d => X(d).LogSoftmax(-1),
        ["cumsum"] = d => X(d).Cumsum(1),
        ["cumsum of columns"] = d => X(d).Cumsum(0),
        // Of two.
        ["arithmetic"] = d => (X(d) + P(d)) * X(d) - X(d) / P(d),
        ["broadcast"] = d => X(d) + P(d)[0] * X(d)[.., 1..2],
        ["numbers"] = d => 2.5 - X(d) * 3 + 1 / P(d),
        ["maximum minimum"] = d => X(d).Maximum(X(d).T.Contiguous().View(5, 7)) + X(d).Minimum(Tensor.From(0.25f)),
        ["pow"] = d => P(d).Pow(2.5) + P(d).Pow(X(d)),
        ["comparisons"] = d =>
            ((X(d) > 0) & (X(d) <= 0.5) | X(d).Eq(P(d))).To(DType.Float32) + X(d).Ne(P(d)).To(DType.Float32),
        ["not xor"] = d => (!(X(d) > 0) ^ (P(d) >= 0.5)).To(DType.Int32),
        ["where"] = d => Tensor.Where(X(d) > 0, X(d), P(d)),
        ["scalars of the cpu"] = d => X(d) * Tensor.From(3f) + Tensor.From(0.5f),
        // Other types.
        ["float64"] = d => (X(d).To(DType.Float64) * 2).Exp(),
        ["int64"] = d => I(d) * 3 - I(d) / 2,
        ["int32"] = d => I(d).To(DType.Int32).Maximum(I(d).To(DType.Int32) - 1),
        ["uint8"] = d => I(d).To(DType.UInt8) + 250,
        ["bits"] = d => (I(d) & 12) ^ (I(d) << 3 | ~I(d) >> 1),
        ["shifts by anything"] = d => (I(d).To(DType.Int32) << (I(d).To(DType.Int32) - 20)) >> 2,
        ["integer powers"] = d => I(d).Pow(I(d) - 30) + Tensor.Pow(3, I(d)),
        ["integer products"] = d =>
            (X(d) * 1e5).To(DType.Int64).MatMul((P(d) * 1e6).To(DType.Int64).T)
            + (X(d) * 99).To(DType.UInt8).MatMul((P(d) * 99).To(DType.UInt8).T),
        ["bool"] = d => I(d).To(DType.Bool),
        // Reductions.
        ["sum"] = d => X(d).Sum(),
        ["sum of rows"] = d => X(d).Sum(1),
        ["sum of columns"] = d => X(d).Sum(0, keepdim: true),
        ["mean var std"] = d => X(d).Mean(1) + X(d).Var([1]) + X(d).Std([1]),
        ["prod"] = d => X(d).Prod(),
        ["amax amin"] = d => X(d).Amax([1]) - X(d).Amin([1]),
        ["max along"] = d => X(d).Max(1).Values,
        ["max places"] = d => X(d).Max(0).Indices,
        ["argmax argmin"] = d => X(d).ArgMax(1) * 10 + X(d).ArgMin(1),
        ["any all"] = d => Tensor.Stack([(X(d) > 0).Any(), (X(d) > 0).All()]),
        ["empty sum"] = d => Tensor.Zeros([0, 3], DType.Float32, d).Sum(0),
        // Shapes and indices.
        ["transpose"] = d => X(d).T + 0,
        ["permute"] = d => X(d).Reshape(5, 7, 1).Permute(1, 2, 0).Contiguous(),
        ["set a column"] = d => Set(X(d), t => t[.., 1..3] = X(d)[.., 2..4]),
        ["set every second"] = d => Set(X(d), t => t[new Slice(1, null, 2), new Slice(step: 2)] = X(d)[0, 0]),
        ["set by indices"] = d => Set(X(d), t => t[Tensor.From([2L, 0, 2])] = X(d)[..3]),
        ["set columns by indices"] = d => Set(X(d), t => t[.., Tensor.From([2L, 0])] = X(d)[.., 1..3]),
        ["set by a mask"] = d => Set(X(d), t => t[X(d) > 0] = X(d)[X(d) > 0] * 2),
        ["add by indices"] = d => Set(X(d), t => t.IndexPut_([Tensor.From([1L, 1, 0])], X(d)[..3], accumulate: true)),
        ["pick columns"] = d => X(d)[.., Tensor.From([3L, 0, 3])],
        ["pick of a transpose"] = d => X(d).T[Tensor.From([3L, 0])],
        ["pick apart"] = d => X(d).Unsqueeze(1)[Tensor.From([1L, 0]), .., Tensor.From([2L, 2])],
        ["mask"] = d => X(d)[X(d) > 0],
        ["expand"] = d => X(d)[.., 2..3].Expand(5, 4).Contiguous(),
        ["cat"] = d => Tensor.Cat([X(d), P(d)], 1),
        ["stack"] = d => Tensor.Stack([X(d), P(d)], 1),
        ["slices"] = d => X(d)[1..4, 2..] + 1,
        ["odd offset"] = d => X(d).Flatten()[3..] * 2,
        ["index tensors"] = d => X(d)[Tensor.From([4L, 0L, 2L]).ToDevice(d)],
        ["gather"] = d => X(d).Gather(1, Tensor.From([6L, 1L, 0L, 3L, 2L], [5, 1]).ToDevice(d)),
        ["index_select"] = d => X(d).IndexSelect(1, Tensor.From([5L, 5L, 1L]).ToDevice(d)),
        ["set item"] = d =>
        {
            var t = X(d).Clone();
            t[1..3, 2] = Tensor.From([7f, 8f]);
            t[0] = Tensor.From(1.5f);
            return t;
        },
        ["in place"] = d =>
        {
            var t = X(d).Clone();
            t += 1;
            t *= P(d);
            t.Tanh_();
            t[2].Fill_(3);
            return t;
        },
        // Products.
        ["matmul"] = d => X(d).MatMul(P(d).T),
        ["matmul transposed"] = d => X(d).T.MatMul(P(d)),
        ["vectors"] = d => X(d).MatMul(P(d)[0]),
        ["batches"] = d => Tensor.Stack([X(d), P(d)]).MatMul(Tensor.Stack([P(d).T, X(d).T])),
        ["empty products"] = d => Tensor.Zeros([3, 0], DType.Float32, d).MatMul(Tensor.Zeros([0, 2], DType.Float32, d)),
        ["linear"] = d => F.Linear(X(d), P(d), P(d)[.., 0].Contiguous()),
        ["embedding"] = d => F.Embedding(X(d), Tensor.From([4L, 4L, 1L]).ToDevice(d)),
        ["cross_entropy"] = d => F.CrossEntropy(X(d), T(d)),
        ["cross_entropy each"] = d => F.CrossEntropy(X(d), T(d), LossReduction.None),
        ["cross_entropy ignoring"] = d =>
            F.CrossEntropy(X(d), T(d), ignoreIndex: 2, labelSmoothing: 0.1, weight: P(d)[0].Contiguous()),
        ["cross_entropy of pixels"] = d => F.CrossEntropy(X(d).T.Reshape(1, 7, 5), T(d).Reshape(1, 5)),
        ["cross_entropy of probabilities"] = d => F.CrossEntropy(X(d), P(d), LossReduction.Sum),
        ["attention, wide values"] = d =>
            F.ScaledDotProductAttention(
                X(d).Reshape(1, 1, 5, 7),
                P(d).Reshape(1, 1, 5, 7),
                X(d)[.., 0..3].Contiguous().Reshape(1, 1, 5, 3)
            ),
        ["mse"] = d => F.MseLoss(X(d), P(d)),
        ["one_hot"] = d => F.OneHot(T(d), 7),
        // Made there.
        ["full"] = d => Tensor.Full([3, 2], 1.25, DType.Float32, d) + Tensor.Ones([2], DType.Float32, d),
        ["arange"] = d => Tensor.Arange(3, 20, 4, device: d) + Tensor.Eye(5, device: d).To(DType.Int64)[0],
        ["uniform"] = d => Tensor.Rand([7, 5], new Generator(3), DType.Float32, d),
        ["normal"] = d => Tensor.Randn([7, 5], new Generator(3), DType.Float32, d),
        ["integers"] = d => Tensor.RandInt(-3, 12, [40], new Generator(5), d),
        ["like"] = d => Tensor.RandLike(X(d), new Generator(1)) + Tensor.ZerosLike(X(d)),
        ["draw in place"] = d => X(d).Clone().Uniform_(-1, 2, new Generator(4)),
        ["integers of all sizes"] = d => Tensor.RandInt(long.MinValue, long.MaxValue, [40], new Generator(5), d),
        ["uniform float64"] = d => Tensor.Rand([7, 5], new Generator(3), DType.Float64, d),
        ["normal float64"] = d => Tensor.Randn([7, 5], new Generator(3), DType.Float64, d),
        ["multinomial of many"] = d =>
            (Tensor.From(Enumerable.Range(0, 999).Select(i => i % 7 / 8f).ToArray()).ToDevice(d)).Multinomial(
                50,
                true,
                new Generator(8)
            ),
        ["multinomial"] = d => X(d).Softmax(1).Multinomial(3, replacement: true, new Generator(8)),
        ["multinomial distinct"] = d => X(d).Softmax(1).Multinomial(3, replacement: false, new Generator(8)),
        // Derivatives.
        ["gradient"] = d =>
        {
            var x = X(d).Clone().RequiresGrad_();
            var w = P(d).Clone().RequiresGrad_();
            F.CrossEntropy((x.MatMul(w.T).Tanh() * x[.., 0..5].Sigmoid()).LogSoftmax(1), C(d)).Backward();
            return Tensor.Cat([x.Grad!, w.Grad!], 0);
        },
        ["gradient of rows"] = d =>
        {
            var table = X(d).Clone().RequiresGrad_();
            F.Embedding(table, Tensor.From([1L, 1L, 3L]).ToDevice(d)).Softmax(1).Square().Sum().Backward();
            return table.Grad!;
        },
        ["gradient from the cpu"] = d =>
        {
            var x = X(Device.Cpu).Clone().RequiresGrad_();
            x.ToDevice(d).Exp().Sum().Backward();
            Assert.Equal(Device.Cpu, x.Grad!.Device);
            return x.Grad!;
        },
        ["gradient of scalars of the cpu"] = d =>
        {
            var s = Tensor.From(0.75f).RequiresGrad_();
            var y = (s * X(d) + X(d) / s).Clone();
            y.Mul_(s.Square());
            y = Tensor.Where(X(d) > 0, y, s * 3);
            y[X(d) > 0.5] = s * 2;
            y[1] = s;
            y.Sum().Backward();
            Assert.Equal(Device.Cpu, s.Grad!.Device);
            return s.Grad!.ToDevice(d);
        },
        ["gradient of what is copied from the cpu"] = d =>
        {
            var x = X(Device.Cpu).Clone().RequiresGrad_();
            var y = Tensor.Zeros([5, 7], DType.Float32, d);
            y.Copy_(x.Tanh());
            y[1..3] = x[..2].Square();
            y[Tensor.From([4L, 0])] = x[2..4].Exp();
            (y * y).Sum().Backward();
            Assert.Equal(Device.Cpu, x.Grad!.Device);
            return x.Grad!.ToDevice(d);
        },
        ["gradient of picks"] = d =>
        {
            var x = X(d).Clone().RequiresGrad_();
            var y = x * 2;
            y[.., 1..2] = x[.., 4..5].Square();
            y[Tensor.From([1L, 3])] = x[Tensor.From([0L, 2])] * 3;
            (y[.., Tensor.From([1L, 1, 6])].Sum() + y[new Slice(step: 2)].Square().Sum() + y[y > 0].Sum()).Backward();
            return x.Grad!;
        },
        // Optimizers.
        ["sgd"] = d => Trained(d, p => new SGD([p], 0.1)),
        ["momentum"] = d => Trained(d, p => new SGD([p], 0.1, momentum: 0.9, weightDecay: 0.01)),
        ["adam"] = d => Trained(d, p => new Adam([p], 0.1)),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void Gives_what_the_cpu_gives(string name)
    {
        var device = EmulatedGpu.Require();
        var expected = Cases[name](Device.Cpu);
        var got = Cases[name](device);
        if (name != "gradient from the cpu")
            Assert.Equal(device, got.Device);
        Assert.Equal(expected.DType, got.DType);
        Assert.Equal(expected.Shape.ToArray(), got.Shape.ToArray());
        double[] want = expected.ToDoubles();
        double[] have = got.ToDoubles();
        for (int i = 0; i < want.Length; i++)
        {
            double bound = expected.DType.IsFloat() ? 2e-5 * Math.Max(1, Math.Abs(want[i])) : 0;
            Assert.True(Math.Abs(want[i] - have[i]) <= bound, $"element {i}: the CPU has {want[i]}, the GPU {have[i]}");
        }
    }

    // Never zero, of both signs; 5×7.
    private static Tensor X(Device d) =>
        Tensor.From(Enumerable.Range(0, 35).Select(i => MathF.Sin(i * 1.7f + 0.3f)).ToArray(), [5, 7]).ToDevice(d);

    private static Tensor P(Device d) =>
        Tensor.From(Enumerable.Range(0, 35).Select(i => 0.2f + i * 37 % 35 / 40f).ToArray(), [5, 7]).ToDevice(d);

    private static Tensor I(Device d) =>
        Tensor.From(Enumerable.Range(1, 13).Select(i => (long)i * 5).ToArray()).ToDevice(d);

    private static Tensor T(Device d) => Tensor.From([6L, 0L, 3L, 2L, 2L]).ToDevice(d);

    private static Tensor C(Device d) => Tensor.From([4L, 0L, 3L, 2L, 2L]).ToDevice(d);

    private static Tensor Set(Tensor x, Action<Tensor> change)
    {
        var changed = x.Clone();
        change(changed);
        return changed;
    }

    private static Tensor Trained(Device d, Func<Tensor, Optimizer> optimizer)
    {
        var p = X(d).Clone().RequiresGrad_();
        var steps = optimizer(p);
        for (int i = 0; i < 3; i++)
        {
            steps.ZeroGrad();
            (p * p * P(d)).Sum().Backward();
            steps.Step();
        }
        return p.Detach();
    }
}
