using Google.Protobuf;
using Picograd.Onnx;
using Picograd.Onnx.Export;
using Xunit;

namespace Picograd.Tests.Onnx;

/// <summary>What is exported is read back and gives the same.</summary>
public class OnnxExportTests
{
    private static OnnxModel Check(Func<Tensor[], Tensor[]> function, Tensor[] inputs, Module? module = null)
    {
        var proto = OnnxExport.Model(function, inputs, "memory.onnx", module?.StateDict() ?? []);
        if (Environment.GetEnvironmentVariable("PICOGRAD_ONNX_KEEP") is { Length: > 0 } folder)
            File.WriteAllBytes(Path.Combine(folder, $"{Guid.NewGuid():n}.onnx"), proto.ToByteArray());
        var model = OnnxModel.Load(proto.ToByteArray(), "memory.onnx");
        using var off = Tensor.NoGrad();
        // Other values than those that were recorded.
        Tensor[] others = [.. inputs.Select(i => i.DType.IsFloat() ? i * 0.7 + 0.1 : i.Flip(0))];
        Tensor[] wanted = function(others);
        Tensor[] made = model.Run(others);
        Assert.Equal(wanted.Length, made.Length);
        for (int i = 0; i < made.Length; i++)
        {
            Assert.Equal(wanted[i].Shape.ToString(), made[i].Shape.ToString());
            Assert.True(made[i].AllClose(wanted[i], 1e-4, 1e-5), $"{(made[i] - wanted[i]).Abs().Max().Item()}");
        }
        return model;
    }

    private static OnnxModel Check(Module module, Tensor input)
    {
        module.Eval();
        return Check(inputs => [module.Forward(inputs[0])], [input], module);
    }

    [Fact]
    public void A_convolutional_network()
    {
        var net = new Sequential(
            new Conv2d(3, 8, 3, padding: 1),
            new BatchNorm2d(8),
            new ReLU(),
            new MaxPool2d(2),
            new Conv2d(8, 6, 3, stride: 2, groups: 2, bias: false),
            new LeakyReLU(0.1),
            new AvgPool2d(2),
            new Flatten(),
            new Linear(6, 5),
            new LogSoftmax(-1)
        );
        var model = Check(net, Tensor.Randn(2, 3, 11, 10));
        Assert.Contains("8.weight", model.NamedParameters.Select(p => p.Name));
        Check(new ConvTranspose2d(3, 4, 2, stride: 2), Tensor.Randn(2, 3, 5, 4));
        Check(new AdaptiveAvgPool2d(1), Tensor.Randn(2, 3, 5, 4));
    }

    [Fact]
    public void A_transformer_block()
    {
        var (norm, q, k, v) = (new LayerNorm(8), new Linear(8, 8), new Linear(8, 8), new Linear(8, 8));
        var feed = new Sequential(new Linear(8, 16), new GELU(), new Linear(16, 8));
        Check(
            inputs =>
            {
                var x = norm.Forward(inputs[0]);
                Tensor Heads(Tensor t) => t.Reshape(2, 5, 2, 4).Transpose(1, 2);
                var seen = F.ScaledDotProductAttention(
                    Heads(q.Forward(x)),
                    Heads(k.Forward(x)),
                    Heads(v.Forward(x)),
                    isCausal: true
                );
                var mixed = inputs[0] + seen.Transpose(1, 2).Reshape(2, 5, 8);
                return [mixed + feed.Forward(mixed)];
            },
            [Tensor.Randn(2, 5, 8)]
        );
    }

    [Fact]
    public void Functions_of_elements_views_and_reductions()
    {
        var x = Tensor.Rand(3, 4) + 0.5;
        var y = Tensor.Rand(4) + 0.5;
        foreach (
            var function in new Func<Tensor, Tensor, Tensor>[]
            {
                (a, b) => a + b,
                (a, b) => 2 - a / b * 3,
                (a, b) => (a.Exp() - b.Log()).Tanh().Sigmoid(),
                (a, b) => a.Silu() + F.Gelu(b) + a.Gelu("tanh") + F.Elu(b, 0.5),
                (a, b) => a.Square() + a.Rsqrt() + a.Clamp(0.7, 0.9),
                (a, b) => Tensor.Where(a > b, a, b * 2),
                (a, b) => a.T.MatMul(a),
                (a, b) => a.MatMul(b.Unsqueeze(1)),
                (a, b) => Tensor.Cat([a, a * b], 1),
                (a, b) => a[1..].Narrow(1, 1, 2) + 1,
                (a, b) => F.Pad(a, [1, 2], value: 3.0),
                (a, b) => a.Sum(0) + b.Mean() + a.Amax(0) + a.Sum([0, 1], true),
                (a, b) => a.Softmax(0) + a.Softmax(1),
                (a, b) => b.Expand(2, 3, 4) * a,
                (a, b) => a.Permute(1, 0).Reshape(2, 6) * 2,
                (a, b) => a.To(DType.Int64).To(DType.Float32) + a,
            }
        )
            Check(inputs => [function(inputs[0], inputs[1])], [x, y]);
        Check(
            inputs => [F.Embedding(Tensor.Arange(20).Reshape(5, 4).To(DType.Float32), inputs[0])],
            [Tensor.From(new long[] { 3, 0, 4 })]
        );
    }

    [Fact]
    public void Numbers_beside_halves()
    {
        foreach (var type in new[] { DType.Float16, DType.BFloat16 })
        {
            var proto = OnnxExport.Model(v => [v[0] * 0.5 + 1], [Tensor.Ones([3], type)], "m", []);
            var made = OnnxModel.Load(proto.ToByteArray(), "m").Run(Tensor.Full([3], 4, type))[0];
            Assert.Equal(type, made.DType);
            Assert.Equal([3, 3, 3], made.ToDoubles());
        }
    }

    [Fact]
    public void Masks_of_fewer_queries_than_keys_begin_at_the_first()
    {
        foreach (var (queries, keys) in new[] { (3, 5), (5, 3) })
            Check(
                v => [F.ScaledDotProductAttention(v[0], v[1], v[2], isCausal: true)],
                [Tensor.Randn(1, 2, queries, 4), Tensor.Randn(1, 2, keys, 4), Tensor.Randn(1, 2, keys, 4)]
            );
    }

    [Fact]
    public void Examples_that_are_views()
    {
        var x = Tensor.Randn(4, 6);
        Check(v => [v[0] + v[1]], [x[1], x[2]]);
        Check(v => [v[0] * 2 + v[1].T], [x.T.Narrow(0, 0, 4), x.Narrow(1, 1, 4)]);
        Check(v => [v[0] - v[1]], [x, x]);
    }

    [Fact]
    public void Weights_that_change_in_place_are_refused()
    {
        var weight = Tensor.Ones(3);
        var weights = new[] { KeyValuePair.Create("count", weight) };
        Tensor[] Adds(Tensor[] v)
        {
            weight.Add_(1);
            return [v[0] * weight];
        }
        Tensor[] Part(Tensor[] v)
        {
            weight[0].Copy_(v[0][0]);
            return [v[0] * weight];
        }
        foreach (var function in new Func<Tensor[], Tensor[]>[] { Adds, Part })
        {
            var e = Assert.Throws<NotSupportedException>(() =>
                OnnxExport.Model(function, [Tensor.Ones(3)], "m", weights)
            );
            Assert.Contains("the weight 'count'", e.Message);
        }
        // What the function made itself, and what it was given, may change.
        Check(
            v =>
            {
                var made = Tensor.Zeros(3);
                made.Add_(v[0]);
                made[1].Copy_(v[0][2]);
                return [made * 2];
            },
            [Tensor.Randn(3)]
        );
    }

    [Fact]
    public void What_has_no_nodes_is_listed_and_nothing_is_written()
    {
        string path = Path.Combine(Path.GetTempPath(), $"picograd-export-{Environment.ProcessId}.onnx");
        var e = Assert.Throws<UnsupportedOperatorsException>(() =>
            OnnxExport.Save(inputs => [inputs[0].Lgamma()], [Tensor.Rand(3)], path)
        );
        Assert.Contains("lgamma n=3", e.Nodes[0]);
        Assert.False(File.Exists(path));
        try
        {
            OnnxExport.Save(new Linear(3, 2), Tensor.Rand(4, 3), path);
            Assert.Equal(2, OnnxModel.Load(path).NamedParameters.Count());
        }
        finally
        {
            File.Delete(path);
        }
    }
}
