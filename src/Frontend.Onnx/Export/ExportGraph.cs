using Google.Protobuf;
using Picograd.Calls;
using Picograd.Onnx.Proto;
using AttributeType = Picograd.Onnx.Proto.AttributeProto.Types.AttributeType;

namespace Picograd.Onnx.Export;

/// <summary>
/// A graph while it is written. Calls know memory and how operands lie in it; values of ONNX are tensors without memory. So for each
/// piece of memory it is known which value it holds, and an operand is that value, reshaped, transposed or picked from.
/// </summary>
internal sealed class ExportGraph
{
    // What a piece of memory holds: a value of a shape that fills it from its start in row-major order.
    private sealed record Held(string Name, long[] Shape);

    private readonly GraphProto _graph = new() { Name = "picograd" };
    private readonly Dictionary<Storage, Held> _held = [];
    private readonly Dictionary<Storage, (string Name, Tensor Tensor)> _weights = [];
    private readonly HashSet<string> _names = [];

    // What the pass wrote, and what memory it made.
    private readonly HashSet<Storage> _written = [];
    private IReadOnlySet<Storage> _born = new HashSet<Storage>();
    private int _made;

    public void AddInput(string name, Tensor tensor)
    {
        _names.Add(name);
        _graph.Input.Add(Info(name, tensor));
        _held[tensor.Storage] = new(name, tensor.Shape.ToArray());
    }

    /// <summary>A tensor that keeps its name if it is used.</summary>
    public void AddWeight(string name, Tensor tensor) => _weights.TryAdd(tensor.Storage, (name, tensor));

    public void AddOutput(string name, Tensor tensor)
    {
        string value = Read(tensor);
        while (!_names.Add(name))
            name += "_";
        Node(name, "Identity", [value]);
        _graph.Output.Add(Info(name, tensor));
    }

    public GraphProto Finished() => _graph;

    /// <summary>The pass, before its calls are added.</summary>
    public void Ran(Recorder recorder)
    {
        _born = recorder.BornStorages;
        foreach (var output in recorder.Calls.SelectMany(c => c.Outputs))
            _written.Add(output.Storage);
    }

    /// <summary>A new name.</summary>
    public string Name(string prefix)
    {
        string name;
        do name = $"{prefix}_{_made++}";
        while (!_names.Add(name));
        return name;
    }

    /// <summary>A node of one output, whose name is given.</summary>
    public string Add(string op, string[] inputs, params (string Name, object Value)[] attributes) =>
        Node(Name(op.ToLowerInvariant()), op, inputs, attributes);

    private string Node(string output, string op, string[] inputs, params (string Name, object Value)[] attributes)
    {
        var node = new NodeProto { OpType = op, Name = $"{op}_{_graph.Node.Count}" };
        node.Input.AddRange(inputs);
        node.Output.Add(output);
        foreach (var (name, value) in attributes)
        {
            var attribute = new AttributeProto { Name = name };
            switch (value)
            {
                case long or int:
                    (attribute.Type, attribute.I) = (AttributeType.Int, Convert.ToInt64(value));
                    break;
                case double number:
                    (attribute.Type, attribute.F) = (AttributeType.Float, (float)number);
                    break;
                case long[] numbers:
                    attribute.Type = AttributeType.Ints;
                    attribute.Ints.AddRange(numbers);
                    break;
                default:
                    (attribute.Type, attribute.S) = (AttributeType.String, ByteString.CopyFromUtf8((string)value));
                    break;
            }
            node.Attribute.Add(attribute);
        }
        _graph.Node.Add(node);
        return output;
    }

    /// <summary>A tensor that the model brings along.</summary>
    public string Constant(Tensor tensor, string prefix = "constant")
    {
        string name = Name(prefix);
        _graph.Initializer.Add(OnnxTensors.Write(name, tensor));
        return name;
    }

    public string Longs(params long[] numbers) => Constant(Tensor.From(numbers), "shape");

    public string Reshaped(string value, params long[] shape) => Add("Reshape", [value, Longs(shape)]);

    /// <summary>The value of an operand.</summary>
    public string Read(Tensor operand)
    {
        var held = HeldBy(operand.Storage, operand);
        long[] sizes = operand.Layout.Sizes;
        if (operand.Layout.IsPlain && held.Shape.AsSpan().SequenceEqual(sizes))
            return held.Name;
        long all = Layout.CountOf(held.Shape);
        // Dimensions that repeat are expanded, the others in the order of their strides.
        int[] kept = [.. Enumerable.Range(0, sizes.Length).Where(d => operand.Layout.Strides[d] != 0 || sizes[d] == 1)];
        int[] order = [.. kept.OrderByDescending(d => operand.Layout.Strides[d]).ThenByDescending(d => sizes[d])];
        long[] ordered = [.. order.Select(d => sizes[d])];
        long[] orderedStrides = [.. order.Select(d => operand.Layout.Strides[d])];
        string made;
        if (
            operand.Layout.Offset == 0
            && Layout.CountOf(ordered) == all
            && new Layout(ordered, orderedStrides, 0).IsContiguous
        )
        {
            made = held.Shape.AsSpan().SequenceEqual(ordered) ? held.Name : Reshaped(held.Name, ordered);
            long[] places = [.. kept.Select(d => (long)Array.IndexOf(order, d))];
            if (!places.SequenceEqual(Enumerable.Range(0, places.Length).Select(i => (long)i)))
                made = Add("Transpose", [made], ("perm", places));
        }
        else
        {
            var part = new Layout(
                [.. kept.Select(d => sizes[d])],
                [.. kept.Select(d => operand.Layout.Strides[d])],
                operand.Layout.Offset
            );
            made = Add("Gather", [Reshaped(held.Name, -1), Constant(Places(part), "places")], ("axis", 0));
        }
        if (kept.Length == sizes.Length)
            return made;
        long[] once = [.. sizes.Select((s, d) => kept.Contains(d) ? s : 1)];
        return Add("Expand", [Reshaped(made, once), Longs(sizes)]);
    }

    /// <summary>A value becomes what an output has.</summary>
    public void Write(Tensor output, string value)
    {
        long all = output.Storage.Length / output.DType.Size();
        if (output.Layout.IsPlain && output.NumElements == all)
        {
            _held[output.Storage] = new(value, output.Shape.ToArray());
            return;
        }
        // A part: the rest stays, or is nothing yet.
        if (!_held.ContainsKey(output.Storage) && !_born.Contains(output.Storage))
            throw Changed(output);
        string before = _held.TryGetValue(output.Storage, out var held)
            ? Reshaped(held.Name, -1)
            : Constant(Tensor.Zeros([all], output.DType), "empty");
        string places = Constant(Places(output.Layout).Reshape(-1), "places");
        _held[output.Storage] = new(Add("ScatterElements", [before, places, Reshaped(value, -1)], ("axis", 0)), [all]);
    }

    private Held HeldBy(Storage storage, Tensor operand)
    {
        if (_held.TryGetValue(storage, out var held))
            return held;
        // It holds what the pass left there, not what this call read.
        if (_written.Contains(storage))
            throw Changed(operand);
        long all = storage.Length / operand.DType.Size();
        var whole = operand.Detach().Alias(Layout.Contiguous([all]));
        if (
            !_weights.TryGetValue(storage, out var weight)
            || !weight.Tensor.Layout.IsPlain
            || weight.Tensor.NumElements != all
        )
            return _held[storage] = new(Constant(whole), [all]);
        string name = weight.Name;
        while (!_names.Add(name))
            name += "_";
        _graph.Initializer.Add(OnnxTensors.Write(name, weight.Tensor));
        return _held[storage] = new(name, weight.Tensor.Shape.ToArray());
    }

    private NotSupportedException Changed(Tensor tensor)
    {
        string what = _weights.TryGetValue(tensor.Storage, out var weight)
            ? $"the weight '{weight.Name}'"
            : $"a tensor of shape {tensor.Shape} whose value before is not known";
        return new(
            $"OnnxExport: the function changes {what} in place, which a model of ONNX can't; export with module.Eval(), or give it as an input."
        );
    }

    private static Tensor Places(Layout layout)
    {
        var places = Tensor.Full([.. layout.Sizes.Select(_ => 1L)], layout.Offset, DType.Int64);
        for (int d = 0; d < layout.Rank; d++)
        {
            long[] along = [.. layout.Sizes.Select((s, k) => k == d ? s : 1)];
            places = places + (Tensor.Arange(layout.Sizes[d]) * layout.Strides[d]).Reshape(along);
        }
        return places;
    }

    private static ValueInfoProto Info(string name, Tensor tensor)
    {
        var shape = new TensorShapeProto();
        shape.Dim.AddRange(tensor.Shape.ToArray().Select(s => new TensorShapeProto.Types.Dimension { DimValue = s }));
        return new ValueInfoProto
        {
            Name = name,
            Type = new TypeProto
            {
                TensorType = new TypeProto.Types.Tensor { ElemType = (int)OnnxTensors.Of(tensor.DType), Shape = shape },
            },
        };
    }
}
