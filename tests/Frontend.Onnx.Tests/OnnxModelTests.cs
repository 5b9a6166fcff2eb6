using Google.Protobuf;
using Picograd.Onnx;
using Picograd.Onnx.Proto;
using Xunit;
using AttributeType = Picograd.Onnx.Proto.AttributeProto.Types.AttributeType;

namespace Picograd.Tests.Onnx;

public class OnnxModelTests
{
    private static NodeProto Node(string op, string[] inputs, string[] outputs, params AttributeProto[] attributes)
    {
        var node = new NodeProto { OpType = op, Name = $"{op}_node" };
        node.Input.AddRange(inputs);
        node.Output.AddRange(outputs);
        node.Attribute.AddRange(attributes);
        return node;
    }

    private static AttributeProto Int(string name, long value) =>
        new()
        {
            Name = name,
            I = value,
            Type = AttributeType.Int,
        };

    private static ValueInfoProto Value(string name, params long[] shape)
    {
        var type = new TypeProto.Types.Tensor { ElemType = 1, Shape = new TensorShapeProto() };
        foreach (long size in shape)
            type.Shape.Dim.Add(
                size < 0 ? new() { DimParam = "n" } : new TensorShapeProto.Types.Dimension { DimValue = size }
            );
        return new()
        {
            Name = name,
            Type = new() { TensorType = type },
        };
    }

    private static byte[] Model(long opset, (string, Tensor)[] weights, NodeProto[] nodes, string domain = "")
    {
        var graph = new GraphProto { Name = "g" };
        graph.Input.Add(Value("x", -1, 3));
        graph.Output.Add(Value("y"));
        graph.Output[0].Type.TensorType.Shape = null;
        graph.Node.AddRange(nodes);
        graph.Initializer.AddRange(weights.Select(w => OnnxTensors.Write(w.Item1, w.Item2)));
        var model = new ModelProto { IrVersion = 8, Graph = graph };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = domain, Version = opset });
        return model.ToByteArray();
    }

    private static byte[] Linear(out Tensor weight, out Tensor bias)
    {
        var generator = new Generator(11);
        weight = Tensor.Randn([2, 3], generator);
        bias = Tensor.Randn([2], generator);
        return Model(
            17,
            [("fc.weight", weight), ("fc.bias", bias)],
            [Node("Gemm", ["x", "fc.weight", "fc.bias"], ["h"], Int("transB", 1)), Node("Relu", ["h"], ["y"])]
        );
    }

    [Fact]
    public void A_model_is_a_module_that_trains()
    {
        var model = OnnxModel.Load(Linear(out var weight, out var bias), "memory.onnx");
        Assert.Equal(["fc.weight", "fc.bias"], model.NamedParameters.Select(p => p.Name));
        Assert.Equal((17, "x", "y"), (model.Opset, model.Inputs[0].Name, model.Outputs[0].Name));
        Assert.Equal([-1, 3], model.Inputs[0].Shape!);
        var generator = new Generator(12);
        var x = Tensor.Randn([5, 3], generator);
        var wanted = F.Linear(x, weight.Detach(), bias.Detach()).Relu();
        Assert.True(model.Forward(x).AllClose(wanted));
        Assert.True(model.Run(new Dictionary<string, Tensor> { ["x"] = x })["y"].AllClose(wanted));

        // A target that it can reach: weights move, and the loss falls.
        var optimizer = new SGD(model.Parameters, lr: 0.1);
        var target = F.Linear(x, Tensor.Randn([2, 3], generator), Tensor.Randn([2], generator)).Relu();
        double first = 0;
        double last = 0;
        for (int i = 0; i < 50; i++)
        {
            optimizer.ZeroGrad();
            var loss = F.MseLoss(model.Forward(x), target);
            loss.Backward();
            optimizer.Step();
            last = loss.Item();
            first = i == 0 ? last : first;
        }
        Assert.True(last < 0.7 * first, $"{first} to {last}");

        var other = OnnxModel.Load(Linear(out _, out _), "memory.onnx");
        other.LoadStateDict(model.StateDict());
        Assert.Equal(model.Forward(x).ToDoubles(), other.Forward(x).ToDoubles());
    }

    [Fact]
    public void What_is_not_supported_is_listed()
    {
        byte[] bytes = Model(
            17,
            [],
            [Node("TfIdfVectorizer", ["x"], ["a"]), Node("Relu", ["a"], ["b"]), Node("MelWeightMatrix", ["b"], ["y"])]
        );
        var e = Assert.Throws<UnsupportedOperatorsException>(() => OnnxModel.Load(bytes, "memory.onnx"));
        Assert.Equal(["TfIdfVectorizer 'TfIdfVectorizer_node'", "MelWeightMatrix 'MelWeightMatrix_node'"], e.Nodes);
        Assert.Contains("memory.onnx", e.Message);
        Assert.Contains("read are 1 to 21", Wrong(Model(99, [], [])));
        Assert.Contains("nothing gives", Wrong(Model(17, [], [])));
        Assert.Contains("takes 'z'", Wrong(Model(17, [], [Node("Relu", ["z"], ["y"])])));

        static string Wrong(byte[] bytes) =>
            Assert
                .Throws<InvalidDataException>(() => OnnxModel.Load(bytes, "memory.onnx").Forward(Tensor.Ones(1, 3)))
                .Message;
    }

    [Fact]
    public void Wrong_inputs_are_refused()
    {
        var model = OnnxModel.Load(Linear(out _, out _), "memory.onnx");
        Assert.Contains("[any, 3]", Assert.Throws<ArgumentException>(() => model.Forward(Tensor.Ones(2, 4))).Message);
        Assert.Contains(
            "f64",
            Assert.Throws<ArgumentException>(() => model.Forward(Tensor.Ones([2, 3], DType.Float64))).Message
        );
        Assert.Contains(
            "2 inputs",
            Assert.Throws<ArgumentException>(() => model.Run(Tensor.Ones(1), Tensor.Ones(1))).Message
        );
    }

    [Fact]
    public void Mutations_are_read_or_refused()
    {
        byte[] good = Linear(out _, out _);
        var random = new Random(5);
        int count = int.TryParse(Environment.GetEnvironmentVariable("PICOGRAD_FUZZ"), out int given) ? given : 2_000;
        int refused = 0;
        var x = Tensor.Ones(2, 3);
        for (int i = 0; i < count; i++)
        {
            byte[] bytes = [.. good];
            for (int n = random.Next(1, 4); n > 0; n--)
                bytes[random.Next(bytes.Length)] = random.Next(3) == 0 ? (byte)255 : (byte)random.Next(256);
            if (random.Next(4) == 0)
                bytes = bytes[..random.Next(bytes.Length)];
            try
            {
                var model = OnnxModel.Load(bytes, "memory.onnx");
                try
                {
                    model.Run([.. model.Inputs.Select(_ => x)]);
                }
                catch (Exception e) when (e is ArgumentException or InvalidDataException or InvalidOperationException)
                {
                    // What loads may still not fit together.
                    Assert.NotEmpty(e.Message);
                }
            }
            catch (Exception e) when (e is InvalidDataException or UnsupportedOperatorsException)
            {
                Assert.Contains("memory.onnx", e.Message);
                refused++;
            }
        }
        Assert.InRange(refused, count / 20, count);
    }
}
