using System.Globalization;
using System.Runtime.InteropServices;
using Picograd.Calls;

namespace Picograd.Onnx.Export;

/// <summary>What nodes a call becomes, by the text form of what was called (<c>matmul m=4 n=5 k=6 tb=1</c>).</summary>
internal static class ExportOperators
{
    /// <summary>A recorded call as text and values.</summary>
    private sealed class Recorded(ExportGraph graph, RecordedCall call)
    {
        private readonly Dictionary<string, string> _keys = call
            .Spec.Split(' ')
            .Skip(1)
            .Select(k => k.Split('=', 2))
            .ToDictionary(k => k[0], k => k[1]);

        public ExportGraph Graph => graph;

        public string Operator { get; } = call.Spec.Split(' ')[0];

        public int Inputs => call.Operator.Words.Inputs;

        public Tensor? Tensor(int place) => place < Inputs ? call.Operands[place] : null;

        public Tensor Output => call.Operands[Inputs]!;

        public int Outputs => call.Operands.Skip(Inputs).Count(o => o is not null);

        public bool Has(int place) =>
            place < Inputs && (call.Operands[place] is not null || call.Numbers[place] is not null);

        /// <summary>The value of an input, a tensor or a number.</summary>
        public string this[int place] =>
            call.Operands[place] is { } tensor
                ? graph.Read(tensor)
                : graph.Constant(Number(call.Numbers[place]!, Type(place)));

        /// <summary>An input of an operator of elements, in the shape of the result where it has as many.</summary>
        public string Each(int place)
        {
            long[] wanted = Output.Shape.ToArray();
            return
                Tensor(place) is { } tensor
                && tensor.NumElements == Output.NumElements
                && !tensor.Shape.ToArray().SequenceEqual(wanted)
                ? graph.Reshaped(this[place], wanted)
                : this[place];
        }

        public bool Has(string key) => _keys.ContainsKey(key);

        public long Long(string key, long otherwise = 0) =>
            _keys.TryGetValue(key, out string? text) ? long.Parse(text, CultureInfo.InvariantCulture) : otherwise;

        public double Double(string key) => double.Parse(_keys[key], CultureInfo.InvariantCulture);

        public long[] Longs(string key) =>
            [.. _keys[key].Split(',', 'x').Select(t => long.Parse(t, CultureInfo.InvariantCulture))];

        /// <summary>One number for all dimensions, or one for each.</summary>
        public long[] Each(string key, int dims, long otherwise)
        {
            if (!Has(key))
                return [.. Enumerable.Repeat(otherwise, dims)];
            long[] numbers = Longs(key);
            return numbers.Length == 1 ? [.. Enumerable.Repeat(numbers[0], dims)] : numbers;
        }

        // Numbers beside tensors are of their dtype; of a comparison the result is not.
        private DType Type(int place) =>
            call.Operands.Take(Inputs).FirstOrDefault(o => o is not null && o.DType != DType.Bool)?.DType
            ?? Output.DType;

        public static Tensor Number(byte[] bytes, DType type) =>
            type switch
            {
                // Beside tensors of two bytes numbers are float32, which kernels compute in.
                DType.Float16 or DType.BFloat16 when bytes.Length == sizeof(float) => Picograd
                    .Tensor.From(MemoryMarshal.Read<float>(bytes))
                    .To(type),
                DType.Float32 => Picograd.Tensor.From(MemoryMarshal.Read<float>(bytes)),
                DType.Float64 => Picograd.Tensor.From(MemoryMarshal.Read<double>(bytes)),
                DType.Float16 => Picograd.Tensor.From(MemoryMarshal.Read<Half>(bytes)),
                DType.BFloat16 => Picograd.Tensor.From(MemoryMarshal.Read<BFloat16>(bytes)),
                DType.Int64 => Picograd.Tensor.From(MemoryMarshal.Read<long>(bytes)),
                DType.Int32 => Picograd.Tensor.From(MemoryMarshal.Read<int>(bytes)),
                DType.Int16 => Picograd.Tensor.From(MemoryMarshal.Read<short>(bytes)),
                DType.Int8 => Picograd.Tensor.From((sbyte)bytes[0]),
                DType.UInt8 => Picograd.Tensor.From(bytes[0]),
                _ => Picograd.Tensor.From(bytes[0] != 0),
            };

        public Tensor NumberAt(int place) => Number(call.Numbers[place]!, Output.DType);

        public bool IsNumber(int place) => call.Numbers[place] is not null;
    }

    // Functions of elements that ONNX has.
    private static readonly Dictionary<string, string> Functions = new()
    {
        ["relu"] = "Relu",
        ["tanh"] = "Tanh",
        ["sigmoid"] = "Sigmoid",
        ["exp"] = "Exp",
        ["log"] = "Log",
        ["sqrt"] = "Sqrt",
        ["abs"] = "Abs",
        ["neg"] = "Neg",
        ["floor"] = "Floor",
        ["ceil"] = "Ceil",
        ["round"] = "Round",
        ["sign"] = "Sign",
        ["sin"] = "Sin",
        ["cos"] = "Cos",
        ["tan"] = "Tan",
        ["asin"] = "Asin",
        ["acos"] = "Acos",
        ["atan"] = "Atan",
        ["sinh"] = "Sinh",
        ["cosh"] = "Cosh",
        ["erf"] = "Erf",
        ["reciprocal"] = "Reciprocal",
        ["hardswish"] = "HardSwish",
        ["logical_not"] = "Not",
        ["add"] = "Add",
        ["sub"] = "Sub",
        ["mul"] = "Mul",
        ["div"] = "Div",
        ["pow"] = "Pow",
        ["maximum"] = "Max",
        ["minimum"] = "Min",
        ["gt"] = "Greater",
        ["ge"] = "GreaterOrEqual",
        ["lt"] = "Less",
        ["le"] = "LessOrEqual",
        ["eq"] = "Equal",
        ["where"] = "Where",
        ["logical_and"] = "And",
        ["logical_or"] = "Or",
        ["logical_xor"] = "Xor",
    };

    private static readonly Dictionary<string, string> Reductions = new()
    {
        ["sum"] = "ReduceSum",
        ["mean"] = "ReduceMean",
        ["max"] = "ReduceMax",
        ["min"] = "ReduceMin",
        ["prod"] = "ReduceProd",
    };

    /// <summary>Adds the nodes of a call; false where it has none.</summary>
    public static bool Add(ExportGraph graph, RecordedCall recorded)
    {
        var call = new Recorded(graph, recorded);
        if (call.Outputs != 1 || Value(call) is not { } value)
            return false;
        graph.Write(call.Output, value);
        return true;
    }

    private static string? Value(Recorded call)
    {
        var graph = call.Graph;
        if (Functions.TryGetValue(call.Operator, out string? function))
            return graph.Add(function, [.. Enumerable.Range(0, call.Inputs).Select(call.Each)]);
        if (Reductions.TryGetValue(call.Operator, out string? reduction))
            return Reduced(call, reduction);
        switch (call.Operator)
        {
            case "copy":
                return call.Each(0);
            case "fill":
                return graph.Constant(Tensor.Full(call.Output.Shape, 1, call.Output.DType) * call.NumberAt(0));
            case "arange":
                var counted = Tensor.Arange(call.Long("n")).To(call.Output.DType);
                return graph.Constant(counted * call.NumberAt(1) + call.NumberAt(0));
            case "cast":
                return graph.Add("Cast", [call.Each(0)], ("to", (long)OnnxTensors.Of(call.Output.DType)));
            case "square":
                string x = call.Each(0);
                return graph.Add("Mul", [x, x]);
            case "rsqrt":
                return graph.Add("Reciprocal", [graph.Add("Sqrt", [call.Each(0)])]);
            case "ne":
                return graph.Add("Not", [graph.Add("Equal", [call.Each(0), call.Each(1)])]);
            case "clamp":
                return graph.Add("Min", [graph.Add("Max", [call.Each(0), call.Each(1)]), call.Each(2)]);
            case "leaky_relu":
                return graph.Add("LeakyRelu", [call.Each(0)], ("alpha", call.Double("negative_slope")));
            case "elu":
                return graph.Add("Elu", [call.Each(0)], ("alpha", call.Double("alpha")));
            case "silu":
                string gated = call.Each(0);
                return graph.Add("Mul", [gated, graph.Add("Sigmoid", [gated])]);
            case "gelu":
                string of = call.Each(0);
                return Gelu(call, of, graph.Add("Erf", [Scaled(call, of, Math.Sqrt(0.5))]));
            case "gelu_tanh":
                string inner = call.Each(0);
                string cube = graph.Add("Mul", [graph.Add("Mul", [inner, inner]), inner]);
                string sum = graph.Add("Add", [inner, Scaled(call, cube, 0.044715)]);
                return Gelu(call, inner, graph.Add("Tanh", [Scaled(call, sum, Math.Sqrt(2 / Math.PI))]));
            case "matmul":
                return Product(call);
            case "softmax":
                return Rows(call, rows => graph.Add("Softmax", [rows], ("axis", -1L)));
            case "log_softmax":
                return Rows(call, rows => graph.Add("LogSoftmax", [rows], ("axis", -1L)));
            case "layernorm":
                return LayerNorm(call);
            case "batchnorm_eval":
                return graph.Add(
                    "BatchNormalization",
                    [call[0], call[3], call[4], call[1], call[2]],
                    ("epsilon", call.Double("eps"))
                );
            case "conv1d" or "conv2d" or "conv3d":
                return Convolution(call, "Conv");
            case "conv_transpose1d" or "conv_transpose2d" or "conv_transpose3d":
                return Convolution(call, "ConvTranspose");
            case "max_pool2d" or "avg_pool2d":
                return Pool(call);
            case "adaptive_avg_pool2d" when call.Long("oh") == 1 && call.Long("ow") == 1:
                return graph.Add("ReduceMean", [call[0]], ("axes", new long[] { -2, -1 }), ("keepdims", 1L));
            case "embedding":
                return graph.Reshaped(
                    graph.Add("Gather", [call[0], call[1]], ("axis", 0L)),
                    call.Output.Shape.ToArray()
                );
            case "attention" when !call.Has(3) && !call.Has(4):
                return Attention(call);
            default:
                return null;
        }
    }

    private static string Number(Recorded call, double value) =>
        call.Graph.Constant(Tensor.Full([], value, call.Output.DType));

    private static string Scaled(Recorded call, string value, double by) =>
        call.Graph.Add("Mul", [value, Number(call, by)]);

    // x/2 · (1 + f)
    private static string Gelu(Recorded call, string x, string f) =>
        call.Graph.Add("Mul", [Scaled(call, x, 0.5), call.Graph.Add("Add", [f, Number(call, 1)])]);

    private static string Reduced(Recorded call, string op)
    {
        long[] shape = call.Has("shape") ? call.Longs("shape") : [call.Long("rows"), call.Long("cols")];
        long[] axes = call.Longs(call.Has("axes") ? "axes" : "axis");
        var graph = call.Graph;
        string from = graph.Reshaped(call[0], shape);
        string made =
            op == "ReduceSum"
                ? graph.Add(op, [from, graph.Longs(axes)], ("keepdims", 0L))
                : graph.Add(op, [from], ("axes", axes), ("keepdims", 0L));
        return graph.Reshaped(made, call.Output.Shape.ToArray());
    }

    private static string Rows(Recorded call, Func<string, string> function)
    {
        string rows = call.Graph.Reshaped(call[0], call.Long("rows"), call.Long("cols"));
        return call.Graph.Reshaped(function(rows), call.Output.Shape.ToArray());
    }

    private static string LayerNorm(Recorded call)
    {
        var graph = call.Graph;
        long cols = call.Long("cols");
        string weight = call.Has(1)
            ? graph.Reshaped(call[1], cols)
            : graph.Constant(Tensor.Ones([cols], call.Output.DType));
        string bias = call.Has(2)
            ? graph.Reshaped(call[2], cols)
            : graph.Constant(Tensor.Zeros([cols], call.Output.DType));
        return Rows(
            call,
            rows =>
                graph.Add("LayerNormalization", [rows, weight, bias], ("axis", -1L), ("epsilon", call.Double("eps")))
        );
    }

    private static string Product(Recorded call)
    {
        var graph = call.Graph;
        var (m, n, k) = (call.Long("m"), call.Long("n"), call.Long("k"));
        string product = graph.Add("MatMul", [Side(0, m, k, "ta"), Side(1, k, n, "tb")]);
        if (call.Has(2))
            product = graph.Add("Add", [product, call[2]]);
        return graph.Reshaped(product, call.Output.Shape.ToArray());

        // A factor that is kept transposed is either seen so already, or as it lies.
        string Side(int place, long rows, long columns, string flag)
        {
            var tensor = call.Tensor(place)!;
            string value = call[place];
            bool isSeen = tensor.Rank >= 2 && tensor.Size(-2) == rows && tensor.Size(-1) == columns;
            bool lies = rows != columns || tensor.Layout.Strides[^1] == 1;
            if (call.Long(flag) == 0 || (isSeen && (rows != columns || !lies)))
                return value;
            long[] order =
            [
                .. Enumerable.Range(0, tensor.Rank - 2).Select(d => (long)d),
                tensor.Rank - 1,
                tensor.Rank - 2,
            ];
            return graph.Add("Transpose", [value], ("perm", order));
        }
    }

    private static string Convolution(Recorded call, string op)
    {
        int dims = call.Operator[^2] - '0';
        long[] pads = call.Each("pad", dims, 0);
        string[] inputs = call.Has(2) ? [call[0], call[1], call[2]] : [call[0], call[1]];
        var attributes = new List<(string, object)>
        {
            ("strides", call.Each("stride", dims, 1)),
            ("pads", (long[])[.. pads, .. pads]),
            ("dilations", call.Each("dil", dims, 1)),
            ("group", call.Long("groups", 1)),
        };
        if (op == "ConvTranspose")
            attributes.Add(("output_padding", call.Each("opad", dims, 0)));
        return call.Graph.Add(op, inputs, [.. attributes]);
    }

    private static string? Pool(Recorded call)
    {
        var graph = call.Graph;
        long[] pads = call.Each("pad", 2, 0);
        long[] dilations = call.Each("dil", 2, 1);
        string from = graph.Reshaped(call[0], call.Long("n"), 1, call.Long("h"), call.Long("w"));
        var attributes = new List<(string, object)>
        {
            ("kernel_shape", new[] { call.Long("kh"), call.Long("kw") }),
            ("strides", call.Each("stride", 2, 1)),
            ("pads", (long[])[.. pads, .. pads]),
        };
        if (call.Has("ceil") || call.Has("divisor"))
            return null;
        if (call.Operator == "max_pool2d")
            attributes.Add(("dilations", dilations));
        else
            attributes.Add(("count_include_pad", 1 - call.Long("inside")));
        string made = graph.Add(call.Operator == "max_pool2d" ? "MaxPool" : "AveragePool", [from], [.. attributes]);
        return graph.Reshaped(made, call.Output.Shape.ToArray());
    }

    private static string? Attention(Recorded call)
    {
        var graph = call.Graph;
        var (queries, keys) = (call.Long("tq"), call.Long("tk"));
        if (call.Has("hk") || call.Has("stats"))
            return null;
        double scale = call.Has("scale") ? call.Double("scale") : 1 / Math.Sqrt(call.Long("d"));
        string transposed = graph.Add("Transpose", [call[1]], ("perm", new long[] { 0, 1, 3, 2 }));
        string scores = Scaled(call, graph.Add("MatMul", [call[0], transposed]), scale);
        if (call.Long("causal") != 0)
        {
            // Aligned at the last query and key, or at the first ones.
            long diagonal = 1 + (call.Long("first") != 0 ? 0 : keys - queries);
            var hidden = Tensor.Ones([queries, keys], DType.Bool).Triu(diagonal);
            var mask = Tensor.Where(hidden, double.NegativeInfinity, Tensor.Zeros([queries, keys], call.Output.DType));
            scores = graph.Add("Add", [scores, graph.Constant(mask.To(call.Output.DType))]);
        }
        return graph.Add("MatMul", [graph.Add("Softmax", [scores], ("axis", -1L)), call[2]]);
    }
}
