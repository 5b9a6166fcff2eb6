using Picograd.Algorithms;
using Picograd.Tests.Cuda;
using Xunit;

namespace Picograd.Tests;

/// <summary>What functions do within Autocast, by PyTorch's lists.</summary>
public class AutocastTests
{
    private const DType Low = DType.BFloat16;

    private static Tensor X(params ReadOnlySpan<long> shape) => Tensor.Randn(shape, new Generator(1)).RequiresGrad_();

    [Fact]
    public void Products_and_recurrent_networks_are_lowered()
    {
        var x = X(4, 3, 6);
        using (Tensor.Autocast(Low))
        {
            Assert.Equal(Low, x.MatMul(X(6, 2)).DType);
            Assert.Equal(Low, F.Linear(x, X(2, 6), X(2)).DType);
            Assert.Equal(Low, X(2, 2).Addmm(X(2, 3), X(3, 2)).DType);
            Assert.Equal(Low, X(4, 3, 3).Baddbmm(x, x.Transpose(1, 2)).DType);
            Assert.Equal(Low, Tensor.Einsum("bij,kj->bik", x, X(2, 6)).DType);
            Assert.Equal(Low, F.Conv1d(x, X(2, 3, 2), X(2)).DType);
            Assert.Equal(Low, F.Prelu(x, X(3)).DType);
            Assert.Equal(Low, F.Prelu(x.To(Low), X(1)).DType);
            Assert.Equal(Low, F.ScaledDotProductAttention(x, x, x).DType);
        }
    }

    public static TheoryData<string> Networks => ["RNN", "LSTM", "GRU", "projected", "cell"];

    [Theory]
    [MemberData(nameof(Networks))]
    public void Recurrent_networks_compute_in_16_bits_and_train(string kind)
    {
        var generator = new Generator(2);
        Module module = kind switch
        {
            "RNN" => new RNN(6, 4, 2, generator: generator),
            "LSTM" => new LSTM(6, 4, 2, bidirectional: true, generator: generator),
            "GRU" => new GRU(6, 4, generator: generator),
            "projected" => new LSTM(6, 4, projSize: 2, generator: generator),
            _ => new LSTMCell(6, 4, generator: generator),
        };
        var x = kind == "cell" ? X(3, 6) : X(5, 3, 6);
        var full = module.Call(x);
        foreach (var given in new[] { x, x.Detach().To(Low) })
        {
            Tensor low;
            using (Tensor.Autocast(Low))
                low = module.Call(given);
            Assert.Equal(Low, low.DType);
            Assert.All(low.ToDoubles().Zip(full.ToDoubles()), p => Assert.InRange(p.First - p.Second, -0.05, 0.05));
            module.ZeroGrad();
            low.Sum().Backward();
            Assert.All(module.Parameters, p => Assert.Equal(DType.Float32, p.Grad!.DType));
        }
    }

    [Fact]
    public void States_of_either_dtype_go_with_a_lowered_network()
    {
        var lstm = new LSTM(3, 4);
        var x = X(2, 1, 3);
        using (Tensor.Autocast(Low))
        {
            var (y, (h, c)) = lstm.Forward(x);
            Assert.Equal((Low, Low, Low), (y.DType, h.DType, c.DType));
            Assert.Equal(Low, lstm.Forward(x, (h, c)).Output.DType);
            Assert.Equal(Low, lstm.Forward(x, (h.To(DType.Float32), c)).Output.DType);
            var packed = Rnn.PackPaddedSequence(x, [2]);
            Assert.Equal(Low, lstm.Forward(packed).Output.Data.DType);
        }
        // Without it dtypes still have to agree.
        Assert.Throws<ArgumentException>(() => lstm.Forward(x.To(Low)));
    }

    [Fact]
    public void Losses_are_computed_in_float32_whatever_their_operands_are()
    {
        var x = X(4, 5).To(Low);
        var target = Tensor.Rand([4, 5]);
        var classes = Tensor.From([0L, 1, 2, 3]);
        var signs = Tensor.From([1f, -1, 1, -1]);
        Func<Tensor>[] losses =
        [
            () => F.MseLoss(x, target),
            () => F.L1Loss(x, target),
            () => F.SmoothL1Loss(x, target),
            () => F.HuberLoss(x, target, weight: Tensor.Ones(4, 5)),
            () => F.CrossEntropy(x, classes, Tensor.Ones(5)),
            () => F.NllLoss(x.LogSoftmax(1), classes, Tensor.Ones(5)),
            () => F.BinaryCrossEntropy(x.Sigmoid(), target),
            () => F.BinaryCrossEntropyWithLogits(x, target, posWeight: Tensor.Ones(5)),
            () => F.KlDiv(x, target),
            () => F.KlDiv(x, target, LossReduction.BatchMean, logTarget: true),
            () => F.PoissonNllLoss(x, target),
            () => F.SoftMarginLoss(x, target),
            () => F.HingeEmbeddingLoss(x, target),
            () => F.MarginRankingLoss(x, x, target),
            () => F.CosineEmbeddingLoss(x, x, signs),
            () => F.TripletMarginLoss(x, x + 1, x - 1),
            () => F.MultiMarginLoss(x, classes, weight: Tensor.Ones(5)),
            () => F.MultiLabelMarginLoss(x, Tensor.Zeros([4, 5], DType.Int64)),
            () => F.CtcLoss(x.Unsqueeze(1).LogSoftmax(-1), Tensor.From([1L, 2], [1, 2]), [4], [2]),
        ];
        foreach (var loss in losses)
        {
            using var cast = Tensor.Autocast(Low);
            var value = loss();
            Assert.Equal(DType.Float32, value.DType);
            Assert.True(double.IsFinite(value.Item()));
        }
    }

    [SkippableFact]
    public void The_lists_of_cpus_and_gpus_differ()
    {
        Assert.Equal(AutocastPolicy.Kept, AutocastPolicies.Of("softmax", Device.Cpu));
        Assert.Equal(AutocastPolicy.Kept, AutocastPolicies.Of("exp", Device.Cpu));
        Assert.Equal(AutocastPolicy.Raised, AutocastPolicies.Of("prod", Device.Cpu));
        Assert.Equal(AutocastPolicy.Lowered, AutocastPolicies.Of("linear", Device.Cpu));
        foreach (
            string name in new[]
            {
                "softmax",
                "exp",
                "log",
                "pow",
                "sum",
                "layer_norm",
                "norm",
                "logsumexp",
                "mse_loss",
            }
        )
            Assert.Equal(AutocastPolicy.Raised, AutocastPolicies.Of(name, EmulatedGpu.Require()));
        var x = X(3, 3).To(Low);
        using (Tensor.Autocast(Low))
        {
            Assert.Equal((Low, Low, Low), (x.Softmax(-1).DType, x.Exp().DType, x.Sum().DType));
            Assert.Equal(DType.Float32, x.Prod().DType);
            Assert.Equal(DType.Float64, X(3).To(DType.Float64).Prod().DType);
        }
    }

    [SkippableFact]
    public void On_a_gpu_exponentials_norms_and_sums_are_raised()
    {
        var device = EmulatedGpu.Require();
        var x = X(4, 6).Detach().ToDevice(device).To(Low);
        using (Tensor.Autocast(Low))
        {
            Tensor[] raised =
            [
                x.Exp(),
                x.Abs().Log(),
                x.Pow(2),
                x.Pow(x),
                x.Softmax(-1),
                x.LogSoftmax(0),
                x.Sum(),
                x.Sum(1),
                x.Cumsum(1),
                x.Norm(),
                x.LogSumExp(1),
                x.Rsqrt(),
                F.Softplus(x),
                F.LayerNorm(x, [6]),
            ];
            Assert.All(raised, t => Assert.Equal(DType.Float32, t.DType));
            Assert.Equal((Low, Low), (x.Relu().DType, (x + 1).DType));
            Assert.Equal(Low, x.MatMul(x.T).DType);
        }
    }

    [Fact]
    public void Derivatives_are_computed_as_their_operands_are_even_within()
    {
        var x = X(3, 4);
        var w = X(5, 4);
        Tensor loss() => F.Linear(x, w).Exp().Sum();
        using (Tensor.Autocast(Low))
            loss().Backward();
        double[] within = w.Grad!.ToDoubles();
        w.ZeroGrad_();
        Tensor later;
        using (Tensor.Autocast(Low))
            later = loss();
        later.Backward();
        Assert.Equal(later.DType == Low ? within : [], w.Grad!.ToDoubles());
        Assert.Equal(DType.Float32, w.Grad!.DType);
    }
}
