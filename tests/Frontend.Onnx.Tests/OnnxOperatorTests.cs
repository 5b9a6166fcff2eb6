using Google.Protobuf;
using Picograd.Onnx;
using Picograd.Onnx.Proto;
using Xunit;
using AttributeType = Picograd.Onnx.Proto.AttributeProto.Types.AttributeType;

namespace Picograd.Tests.Onnx;

/// <summary>Single nodes whose answers ONNX's node tests do not show.</summary>
public class OnnxOperatorTests
{
    private static AttributeProto Int(string name, long value) =>
        new()
        {
            Name = name,
            I = value,
            Type = AttributeType.Int,
        };

    private static AttributeProto Ints(string name, params long[] values)
    {
        var made = new AttributeProto { Name = name, Type = AttributeType.Ints };
        made.Ints.AddRange(values);
        return made;
    }

    private static NodeProto Node(string op, string[] inputs, string[] outputs, params AttributeProto[] attributes)
    {
        var node = new NodeProto { OpType = op };
        node.Input.AddRange(inputs);
        node.Output.AddRange(outputs);
        node.Attribute.AddRange(attributes);
        return node;
    }

    private static ModelProto Model(NodeProto node, int inputs, int outputs = 1)
    {
        var graph = new GraphProto { Name = "g" };
        graph.Node.Add(node);
        graph.Input.AddRange(
            node.Input.Where(n => n.Length > 0).Take(inputs).Select(n => new ValueInfoProto { Name = n })
        );
        graph.Output.AddRange(node.Output.Take(outputs).Select(n => new ValueInfoProto { Name = n }));
        var model = new ModelProto { IrVersion = 8, Graph = graph };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = 21 });
        return model;
    }

    private static Tensor[] Run(string op, Tensor[] inputs, AttributeProto[] attributes, int outputs = 1)
    {
        string[] names = [.. inputs.Select((_, i) => $"i{i}")];
        var node = Node(op, names, [.. Enumerable.Range(0, outputs).Select(i => $"o{i}")], attributes);
        return OnnxModel.Load(Model(node, inputs.Length, outputs).ToByteArray(), "memory.onnx").Run(inputs);
    }

    private static Tensor One(string op, Tensor[] inputs, params AttributeProto[] attributes) =>
        Run(op, inputs, attributes)[0];

    [Fact]
    public void Exclusive_sums_lose_nothing()
    {
        var x = Tensor.From(new[] { 1f, 1e30f, 2f });
        Assert.Equal([0, 1, 1e30f], One("CumSum", [x, Tensor.From(0L)], Int("exclusive", 1)).ToArray<float>());
        Assert.Equal(
            [1e30f, 2, 0],
            One("CumSum", [x, Tensor.From(0L)], Int("exclusive", 1), Int("reverse", 1)).ToArray<float>()
        );
        Assert.Equal([0, 3], One("CumSum", [Tensor.Zeros(0, 3), Tensor.From(0L)], Int("exclusive", 1)).Shape.ToArray());
    }

    [Fact]
    public void Windows_of_channels_of_even_size_reach_behind()
    {
        var x = Tensor.From([1f, 2f, 3f], [1, 3, 1]);
        var made = One(
            "LRN",
            [x],
            Int("size", 2),
            new AttributeProto
            {
                Name = "alpha",
                F = 2,
                Type = AttributeType.Float,
            },
            new AttributeProto
            {
                Name = "beta",
                F = 1,
                Type = AttributeType.Float,
            }
        );
        // Channel c and the one behind it: x / (1 + Σ squares).
        double[] wanted = [1 / 6.0, 2 / 14.0, 3 / 10.0];
        Assert.All(wanted.Zip(made.ToDoubles()), p => Assert.Equal(p.First, p.Second, 1e-6));
    }

    [Fact]
    public void Empty_tensors_keep_their_sizes()
    {
        Assert.Equal([0, 3], One("Flatten", [Tensor.Zeros(0, 3)]).Shape.ToArray());
        Assert.Equal([2, 0], One("Flatten", [Tensor.Zeros(2, 0, 5)]).Shape.ToArray());
        Assert.Throws<InvalidDataException>(() => One("Flatten", [Tensor.Zeros(2, 3)], Int("axis", 3)));
    }

    [Fact]
    public void Large_integers_are_told_apart()
    {
        long large = 1L << 60;
        Tensor[] made = Run("Unique", [Tensor.From(new[] { large + 1, large, large + 1 })], [], 4);
        Assert.Equal([large, large + 1], made[0].ToArray<long>());
        Assert.Equal([1L, 0, 1], made[2].ToArray<long>());
        Assert.Equal([1L, 2], made[3].ToArray<long>());
    }

    [Fact]
    public void Windows_that_stand_out_are_summed()
    {
        // Windows [1 2], [3]: the second has one element.
        var made = One(
            "LpPool",
            [Tensor.From([1f, 2f, 3f], [1, 1, 3])],
            Ints("kernel_shape", 2),
            Ints("strides", 2),
            Int("p", 1),
            Int("ceil_mode", 1)
        );
        Assert.Equal([3f, 3f], made.ToArray<float>());
    }

    [Fact]
    public void Tuples_of_indices_are_checked_each_by_itself()
    {
        var x = Tensor.Arange(6).Reshape(2, 3);
        Assert.Equal([4L], One("GatherND", [x, Tensor.From([-1L, 1], [1, 2])]).ToArray<long>());
        Assert.Throws<InvalidDataException>(() => One("GatherND", [x, Tensor.From([0L, 4], [1, 2])]));
        Assert.Throws<InvalidDataException>(() => One("GatherND", [x, Tensor.From([1L, -4], [1, 2])]));
        Assert.Throws<InvalidDataException>(() =>
            One("ScatterND", [x, Tensor.From([0L, 4], [1, 2]), Tensor.From(7L).Reshape(1)])
        );
        Assert.Throws<InvalidDataException>(() => One("GatherND", [x, Tensor.Zeros([1, 3], DType.Int64)]));
    }

    [Fact]
    public void Large_images_are_sampled_at_their_places()
    {
        // 5000 × 5000 elements, more than float32 counts; all are 0 but one near the end, at an odd place.
        var x = Tensor.Zeros([1, 1, 5000, 5000], DType.UInt8).To(DType.Float16);
        x[0, 0, 4998, 4997] = 1;
        double at(long place) => (2.0 * place + 1) / 5000 - 1;
        var grid = Tensor.From([(float)at(4997), (float)at(4998)], [1, 1, 1, 2]);
        var made = One(
            "GridSample",
            [x, grid],
            new AttributeProto
            {
                Name = "mode",
                S = ByteString.CopyFromUtf8("nearest"),
                Type = AttributeType.String,
            }
        );
        Assert.Equal(1, made.Item());
    }

    [Fact]
    public void What_was_ignored_is_computed_or_refused()
    {
        // Coupled gates: f = 1 − i, whatever the weights of f are.
        var (w, r) = (Tensor.Randn(1, 8, 3), Tensor.Randn(1, 8, 2));
        var x = Tensor.Randn(4, 2, 3);
        var made = One("LSTM", [x, w, r], Int("hidden_size", 2), Int("input_forget", 1));
        var (h, c) = (Tensor.Zeros(2, 2), Tensor.Zeros(2, 2));
        for (int t = 0; t < 4; t++)
        {
            Tensor[] gates = [.. (x[t].MatMul(w[0].T) + h.MatMul(r[0].T)).Chunk(4, -1)];
            var i = gates[0].Sigmoid();
            c = (1 - i) * c + i * gates[3].Tanh();
            h = gates[1].Sigmoid() * c.Tanh();
            Assert.True(made[t, 0].AllClose(h, 1e-4, 1e-5));
        }

        var scales = Tensor.Ones(2, 2);
        var blocks = Assert.Throws<InvalidDataException>(() =>
            One("QuantizeLinear", [Tensor.Ones(2, 4), scales], Int("block_size", 2))
        );
        Assert.Contains("scale for each block", blocks.Message);
        Assert.Equal(
            [-3],
            One("QuantizeLinear", [Tensor.From(-3f).Reshape(1), Tensor.From(1f)], Int("output_dtype", 3))
                .ToArray<sbyte>()
        );

        var node = Node("Elu", ["x"], ["y"], new AttributeProto { Name = "alpha", RefAttrName = "a" });
        var refused = Assert.Throws<InvalidDataException>(() =>
            OnnxModel.Load(Model(node, 1).ToByteArray(), "memory.onnx")
        );
        Assert.Contains("'alpha' from 'a'", refused.Message);
    }

    [Fact]
    public void What_is_missing_is_named()
    {
        foreach (
            string op in new[] { "Reshape", "Expand", "Tile", "Unsqueeze", "Slice", "Pad", "CumSum", "ReverseSequence" }
        )
            Assert.Contains("has no ", Assert.Throws<InvalidDataException>(() => One(op, [Tensor.Ones(2, 3)])).Message);
        var value = new AttributeProto { Name = "value", Type = AttributeType.Tensor };
        Assert.Contains(
            "no tensor",
            Assert
                .Throws<InvalidDataException>(() => One("ConstantOfShape", [Tensor.From(2L).Reshape(1)], value))
                .Message
        );
        var huge = new TensorProto
        {
            Name = "w",
            DataType = 1,
            RawData = ByteString.Empty,
        };
        huge.Dims.AddRange([0, 1L << 62, 4]);
        Assert.Contains("shape", Assert.Throws<InvalidDataException>(() => OnnxTensors.Read(huge, "m")).Message);
    }

    [Fact]
    public void Weights_of_any_names_are_kept()
    {
        var model = Model(Node("Relu", ["x"], ["y"]), 1);
        string[] names = ["a", "a.b", "a_b", "c.d", "c_d", "c..d", "c._d", "", "_", "."];
        foreach (string name in names)
            model.Graph.Initializer.Add(OnnxTensors.Write(name, Tensor.From(1f)));
        var loaded = OnnxModel.Load(model.ToByteArray(), "memory.onnx");
        Assert.Equal(names.Length, loaded.NamedParameters.Select(p => p.Name).Distinct().Count());
    }

    [Fact]
    public void Functions_that_call_themselves_are_refused()
    {
        var model = Model(Node("F", ["x"], ["y"]), 1);
        model.Graph.Node[0].Domain = "own";
        foreach (var (name, calls) in new[] { ("F", "G"), ("G", "F") })
        {
            var function = new FunctionProto { Name = name, Domain = "own" };
            function.Input.Add("a");
            function.Output.Add("b");
            function.Node.Add(Node(calls, ["a"], ["b"]));
            function.Node[0].Domain = "own";
            model.Functions.Add(function);
        }
        byte[] bytes = model.ToByteArray();
        Assert.Contains("calls itself", Assert.Throws<InvalidDataException>(() => OnnxModel.Load(bytes, "m")).Message);
        model.Functions[1].Node[0] = Node("Relu", ["a"], ["b"]);
        var loaded = OnnxModel.Load(model.ToByteArray(), "m");
        Assert.Equal([0f, 2f], loaded.Forward(Tensor.From(new[] { -1f, 2f })).ToArray<float>());
    }

    [Fact]
    public void Inner_graphs_have_their_own_tensors()
    {
        // Both branches and the graph around have a tensor w.
        GraphProto Branch(float value)
        {
            var made = new GraphProto { Name = "b" };
            made.Initializer.Add(OnnxTensors.Write("w", Tensor.From(value)));
            made.Node.Add(Node("Add", ["x", "w"], ["r"]));
            made.Output.Add(new ValueInfoProto { Name = "r" });
            return made;
        }

        var model = Model(
            Node(
                "If",
                ["c"],
                ["h"],
                new AttributeProto
                {
                    Name = "then_branch",
                    G = Branch(10),
                    Type = AttributeType.Graph,
                },
                new AttributeProto
                {
                    Name = "else_branch",
                    G = Branch(20),
                    Type = AttributeType.Graph,
                }
            ),
            1
        );
        model.Graph.Input.Add(new ValueInfoProto { Name = "x" });
        model.Graph.Input.Add(new ValueInfoProto { Name = "w" });
        model.Graph.Initializer.Add(OnnxTensors.Write("w", Tensor.From(1f)));
        model.Graph.Node.Add(Node("Mul", ["h", "w"], ["y"]));
        model.Graph.Output[0].Name = "y";
        var loaded = OnnxModel.Load(model.ToByteArray(), "memory.onnx");
        Assert.Equal(3, loaded.NamedParameters.Count());
        Assert.Equal(12, loaded.Run(Tensor.From(true), Tensor.From(2f))[0].Item());
        Assert.Equal(22, loaded.Run(Tensor.From(false), Tensor.From(2f))[0].Item());
    }
}
