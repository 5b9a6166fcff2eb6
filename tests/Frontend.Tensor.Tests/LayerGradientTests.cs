using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Activations, losses and recurrent layers: gradients against differences, in float64.</summary>
public sealed class LayerGradientTests : IDisposable
{
    private static readonly Tensor Signs = Tensor
        .From([1.0, -1, 1, -1, 1, 1, -1, 1, -1, 1, 1, -1, 1, -1, 1], [3, 5])
        .Keep();
    private static readonly Tensor Classes = Tensor.From<long>([4, 0, 2]).Keep();
    private static readonly Tensor Labels = Tensor
        .From<long>([4, 0, -1, 2, 1, 0, -1, -1, -1, -1, 1, 2, 3, 4, 0], [3, 5])
        .Keep();

    private static readonly GradientCase[] Table =
    [
        new("relu6", t => F.Relu6(t[0] * 4), "3x5"),
        new("leaky_relu", t => F.LeakyRelu(t[0], 0.3), "3x5"),
        new("prelu", t => F.Prelu(t[0], t[1]), "2x3x4 3"),
        new("elu", t => F.Elu(t[0], 0.7), "3x5"),
        new("selu of a transpose", t => F.Selu(t[0].T), "3x5"),
        new("celu", t => F.Celu(t[0], 0.7), "3x5"),
        new("gelu tanh", t => F.Gelu(t[0], "tanh"), "3x5"),
        new("mish", t => F.Mish(t[0]), "3x5"),
        new("softplus", t => F.Softplus(t[0], 2, 1), "3x5"),
        new("softsign", t => F.Softsign(t[0]), "3x5"),
        new("hardtanh", t => F.Hardtanh(t[0], -0.4, 0.6), "3x5"),
        new("hardsigmoid", t => F.Hardsigmoid(t[0] * 4), "3x5"),
        new("hardswish", t => F.Hardswish(t[0] * 4), "3x5"),
        new("hardshrink", t => F.Hardshrink(t[0]), "3x5"),
        new("softshrink", t => F.Softshrink(t[0]), "3x5"),
        new("tanhshrink", t => F.Tanhshrink(t[0]), "3x5"),
        new("threshold", t => F.Threshold(t[0], 0.1, 20), "3x5"),
        new("log_sigmoid", t => F.LogSigmoid(t[0]), "3x5"),
        new("glu", t => F.Glu(t[0], 0), "4x5"),
        new("softmin", t => F.Softmin(t[0], 0), "3x5"),
        new("elu in place", t => F.Elu(t[0] * 1, 0.7, inplace: true), "3x5"),
        new("l1", t => F.L1Loss(t[0], t[1]), "3x5 3x5"),
        new("smooth l1, sum", t => F.SmoothL1Loss(t[0], t[1], LossReduction.Sum, 0.4), "3x5 3x5"),
        new("huber, none", t => F.HuberLoss(t[0], t[1], LossReduction.None, 0.4), "3x5 3x5"),
        new("bce", t => F.BinaryCrossEntropy(t[0].Sigmoid(), t[1].Sigmoid()), "3x5 3x5"),
        new("bce with weights", t => F.BinaryCrossEntropy(t[0].Sigmoid(), t[1].Sigmoid(), t[2].Exp()), "3x5 3x5 5"),
        new(
            "bce with logits",
            t => F.BinaryCrossEntropyWithLogits(t[0], t[1].Sigmoid(), posWeight: t[2].Exp()),
            "3x5 3x5 5"
        ),
        new("kl", t => F.KlDiv(t[0], t[1].Sigmoid(), LossReduction.BatchMean), "3x5 3x5"),
        new("kl of logarithms", t => F.KlDiv(t[0], t[1], logTarget: true), "3x5 3x5"),
        new("poisson", t => F.PoissonNllLoss(t[0].Exp(), t[1].Exp() + 1, false, true), "3x5 3x5"),
        new("gaussian", t => F.GaussianNllLoss(t[0], t[1], t[2].Exp(), true), "3x5 3x5 3"),
        new("soft margin", t => F.SoftMarginLoss(t[0], Signs), "3x5"),
        new("hinge", t => F.HingeEmbeddingLoss(t[0], Signs, 0.4), "3x5"),
        new("ranking", t => F.MarginRankingLoss(t[0], t[1], Signs, 0.3), "3x5 3x5"),
        new("cosine", t => F.CosineEmbeddingLoss(t[0], t[1], Signs[.., 0], 0.1), "3x5 3x5"),
        new("triplet", t => F.TripletMarginLoss(t[0], t[1], t[2], swap: true), "3x5 3x5 3x5"),
        new("multi margin", t => F.MultiMarginLoss(t[0], Classes, 2), "3x5"),
        new("multi label margin", t => F.MultiLabelMarginLoss(t[0], Labels), "3x5"),
        new("multi label soft margin", t => F.MultiLabelSoftMarginLoss(t[0], t[1].Sigmoid()), "3x5 3x5"),
        new("nll", t => F.NllLoss(t[0], Classes), "3x5"),
        new(
            "ctc",
            t => F.CtcLoss(t[0].LogSoftmax(-1), Tensor.From<long>([1, 2, 2, 1], [2, 2]), [4, 3], [2, 1]),
            "4x2x3"
        ),
        new("normalize", t => F.Normalize(t[0], 3, 0), "3x5"),
        new("bilinear", t => F.Bilinear(t[0], t[1], t[2], t[3]), "2x3 2x4 5x3x4 5"),
        new("local response norm", t => F.LocalResponseNorm(t[0], 3, 0.5), "2x5x3x2"),
        new("channel shuffle", t => F.ChannelShuffle(t[0], 2), "2x4x3"),
    ];

    public LayerGradientTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();

    public static TheoryData<string> Names => [.. Table.Select(r => r.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Equals_differences(string name)
    {
        var row = Table.Single(r => r.Name == name);
        var inputs = row.Inputs();
        var output = row.Run(inputs);
        var weights = Make.Values(output.Shape.ToArray(), DType.Float64, 99);
        output.Backward(weights);
        double[][] gradients = [.. inputs.Select(x => x.Grad!.ToDoubles())];
        GradientCase.Compare(inputs, gradients, t => (row.Run(t) * weights).Sum().Item(), 1e-5);
    }

    [Theory]
    [InlineData("LSTM")]
    [InlineData("GRU")]
    [InlineData("RNN")]
    [InlineData("relu")]
    [InlineData("projected")]
    public void Recurrent_layers_have_the_gradients_of_differences(string kind)
    {
        var generator = new Generator(3);
        RecurrentNetwork net = kind switch
        {
            "LSTM" => new LSTM(2, 3, 2, bidirectional: true, generator: generator, dtype: DType.Float64),
            "GRU" => new GRU(2, 3, 2, bidirectional: true, generator: generator, dtype: DType.Float64),
            "projected" => new LSTM(2, 3, projSize: 2, generator: generator, dtype: DType.Float64),
            _ => new RNN(
                2,
                3,
                nonlinearity: kind == "relu" ? "relu" : "tanh",
                generator: generator,
                dtype: DType.Float64
            ),
        };
        var x = Tensor.Randn([5, 3, 2], generator, DType.Float64).RequiresGrad_();
        Tensor[] inputs = [x, .. net.Parameters];
        Tensor[] kept = [.. inputs.Select(t => t.Detach().Clone())];
        void Put(Tensor[] values)
        {
            for (int i = 1; i < values.Length; i++)
                inputs[i].Detach().Copy_(values[i].Detach());
        }
        Tensor Loss(Tensor given)
        {
            var packed = Rnn.PackPaddedSequence(given, [2, 5, 4], enforceSorted: false);
            switch (net)
            {
                case LSTM lstm:
                    var (a, (h, c)) = lstm.Forward(packed);
                    return a.Data.Square().Sum() + h.Exp().Sum() + c.Sin().Sum();
                case GRU gru:
                    var (b, g) = gru.Forward(packed);
                    return b.Data.Square().Sum() + g.Exp().Sum();
                default:
                    var (d, r) = ((RNN)net).Forward(packed);
                    return d.Data.Square().Sum() + r.Exp().Sum();
            }
        }
        Loss(x).Backward();
        double[][] gradients = [.. inputs.Select(p => p.Grad!.ToDoubles())];
        double Moved(Tensor[] t)
        {
            Put(t);
            double loss = Loss(t[0]).Item();
            Put(kept);
            return loss;
        }
        GradientCase.Compare(inputs, gradients, Moved, 1e-5);
    }

    [Fact]
    public void A_sequence_is_its_steps()
    {
        var generator = new Generator(5);
        var net = new LSTM(3, 4, generator: generator, dtype: DType.Float64);
        var cell = new LSTMCell(3, 4, dtype: DType.Float64);
        cell.LoadStateDict(
            net.StateDict().ToDictionary(p => p.Key.Replace("_l0", "", StringComparison.Ordinal), p => p.Value)
        );
        var x = Tensor.Randn([4, 2, 3], generator, DType.Float64);
        var (y, (h, c)) = net.Forward(x, null);
        (Tensor H, Tensor C)? state = null;
        for (int t = 0; t < 4; t++)
        {
            state = cell.Forward(x[t], state);
            Close(y[t], state.Value.H);
        }
        Close(h[0], state!.Value.H);
        Close(c[0], state.Value.C);
        y[3].Sum().Backward();
        state.Value.H.Sum().Backward();
        Close(net.GetParameter("weight_hh_l0").Grad!, cell.WeightHh.Grad!);
    }

    [Fact]
    public void Packed_sequences_are_those_one_by_one()
    {
        var generator = new Generator(6);
        var net = new GRU(3, 4, 2, bidirectional: true, generator: generator, dtype: DType.Float64);
        var x = Tensor.Randn([5, 3, 3], generator, DType.Float64);
        long[] lengths = [3, 5, 1];
        var (packed, h) = net.Forward(Rnn.PackPaddedSequence(x, lengths, enforceSorted: false));
        var (y, back) = Rnn.PadPackedSequence(packed);
        Assert.Equal(lengths, back.ToArray<long>());
        for (int b = 0; b < 3; b++)
        {
            var (own, last) = net.Forward(x[..(int)lengths[b], b], null);
            Close(y[..(int)lengths[b], b], own);
            Close(h[.., b], last);
            Assert.Equal(0, y[(int)lengths[b].., b].Abs().Sum().Item());
        }
    }

    private static void Close(Tensor a, Tensor b)
    {
        Assert.Equal(a.Shape.ToArray(), b.Shape.ToArray());
        Assert.True((a - b).Abs().Max().Item() < 1e-12);
    }
}
