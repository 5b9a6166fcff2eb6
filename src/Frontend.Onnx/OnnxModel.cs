using Google.Protobuf;
using Picograd.Onnx.Proto;

namespace Picograd.Onnx;

/// <summary>What a model takes or gives.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="DType">Type of the elements; null where the file does not say.</param>
/// <param name="Shape">Size of each dimension, −1 where it may be any; null where the file does not say.</param>
public sealed record OnnxValueInfo(string Name, DType? DType, IReadOnlyList<long>? Shape);

/// <summary>
/// A model of an ONNX file as a module: it runs operator by operator, its weights of floats are parameters under their names in the
/// file (dots make a tree), and gradients reach them and the inputs. Operators of the default domain, versions 7 to 21 (of older ones those that are
/// the same), and functions of
/// the file; what is not supported is refused when the file is read.
/// </summary>
public sealed class OnnxModel : Module
{
    [Unregistered]
    private readonly Graph _graph;

    [Unregistered]
    private readonly Dictionary<string, Tensor> _weights = [];

    private const long LastOpset = 21;

    // Before version 7 operands were repeated by an attribute.
    private const long FirstOfBroadcasting = 7;
    private static readonly HashSet<string> Broadcasting =
    [
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Pow",
        "And",
        "Or",
        "Xor",
        "Equal",
        "Greater",
        "Less",
        "Gemm",
        "PRelu",
        "Dropout",
        "BatchNormalization",
        "Cast",
        "Reshape",
        "Tile",
        "Pad",
        "Upsample",
    ];

    private OnnxModel(ModelProto proto, string path)
    {
        InvalidDataException Wrong(string what) => new($"{path} is no ONNX file that can be read: {what}.");

        if (proto.Graph is null)
            throw Wrong("it has no graph");
        var versions = new Dictionary<string, long>();
        foreach (var set in proto.OpsetImport)
            versions[Domain(set.Domain)] = set.Version;
        Opset = versions.GetValueOrDefault("", 1);
        if (Opset is < 1 or > LastOpset)
            throw Wrong($"its operators are of version {Opset}; read are 1 to {LastOpset}");
        long Version(string domain) => versions.GetValueOrDefault(Domain(domain), 1);
        // Inner graphs may have tensors of the names of those around, which were read before.
        Tensor Initializer(string name, TensorProto tensor)
        {
            string own = name;
            for (int i = 1; _weights.ContainsKey(own); i++)
                own = $"{name}_{i}";
            return _weights[own] = OnnxTensors.Read(tensor, path);
        }

        var functions = new Dictionary<(string, string), Graph>();
        foreach (var function in proto.Functions)
        {
            var own = function.OpsetImport.ToDictionary(s => Domain(s.Domain), s => s.Version);
            functions[(Domain(function.Domain), function.Name)] = new Graph(
                function,
                path,
                d => own.GetValueOrDefault(Domain(d), Version(d)),
                (_, t) => OnnxTensors.Read(t, path)
            );
        }
        _graph = new Graph(proto.Graph, path, Version, Initializer, 0);
        RefuseRecursion(path, functions);
        Resolve(path, functions);
        var named = _graph.Constants.Keys.ToHashSet();
        Inputs = [.. proto.Graph.Input.Where(i => !named.Contains(i.Name)).Select(Info)];
        Outputs = [.. proto.Graph.Output.Select(Info)];
        Keep();
    }

    /// <summary>The version of the operators that the file is written in.</summary>
    public long Opset { get; }

    /// <summary>What the model takes.</summary>
    public IReadOnlyList<OnnxValueInfo> Inputs { get; }

    /// <summary>What the model gives.</summary>
    public IReadOnlyList<OnnxValueInfo> Outputs { get; }

    /// <summary>The operators that are run, of the default domain.</summary>
    public static IEnumerable<string> Operators => OperatorTable.Names;

    /// <summary>Reads a model.</summary>
    /// <exception cref="InvalidDataException">No ONNX file, or a damaged one; says what is wrong.</exception>
    /// <exception cref="UnsupportedOperatorsException">It has nodes of operators that are not supported; lists all of them.</exception>
    public static OnnxModel Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Load(File.ReadAllBytes(path), path);
    }

    /// <summary>Reads a model from memory.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="path">What it is called in messages; external data are looked for beside it.</param>
    /// <inheritdoc cref="Load(string)" path="/exception"/>
    public static OnnxModel Load(byte[] bytes, string path)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        ArgumentNullException.ThrowIfNull(path);
        ModelProto proto;
        try
        {
            proto = ModelProto.Parser.ParseFrom(bytes);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new InvalidDataException($"{path} is no ONNX file that can be read: {e.Message}", e);
        }
        return new OnnxModel(proto, path);
    }

    /// <summary>Runs a model of one input; gives its first output.</summary>
    public override Tensor Forward(Tensor x) => Run([x])[0];

    /// <summary>Runs the model with its inputs in the order of <see cref="Inputs"/>; gives its outputs in theirs.</summary>
    /// <exception cref="ArgumentException">Another number of inputs, or other dtypes or shapes than the file says.</exception>
    public Tensor[] Run(params ReadOnlySpan<Tensor> inputs)
    {
        if (inputs.Length != Inputs.Count)
            throw new ArgumentException(
                $"{inputs.Length} inputs were given, but the model takes {Inputs.Count}: {string.Join(", ", Inputs.Select(i => i.Name))}.",
                nameof(inputs)
            );
        var named = new Dictionary<string, Tensor>();
        for (int i = 0; i < inputs.Length; i++)
            named[Inputs[i].Name] = inputs[i];
        return [.. Run(named).Values];
    }

    /// <summary>Runs the model with inputs by name; gives its outputs by name.</summary>
    /// <inheritdoc cref="Run(ReadOnlySpan{Tensor})" path="/exception"/>
    public OrderedDictionary<string, Tensor> Run(IReadOnlyDictionary<string, Tensor> inputs)
    {
        object?[] outputs = RunValues(inputs.ToDictionary(e => e.Key, e => (object?)e.Value));
        var made = new OrderedDictionary<string, Tensor>();
        for (int i = 0; i < outputs.Length; i++)
        {
            made[Outputs[i].Name] =
                outputs[i] as Tensor
                ?? throw new InvalidOperationException($"{_graph.Path}: the output '{Outputs[i].Name}' is no tensor.");
        }
        return made;
    }

    internal object?[] RunValues(Dictionary<string, object?> inputs)
    {
        foreach (var input in Inputs)
        {
            if (!inputs.TryGetValue(input.Name, out object? value))
                throw new ArgumentException($"The input '{input.Name}' is missing.", nameof(inputs));
            if (value is Tensor tensor)
                Check(input, tensor);
        }
        object?[] given =
        [
            .. _graph.Inputs.Select(n =>
                inputs.TryGetValue(n, out object? value) ? value : _graph.Constants.GetValueOrDefault(n)
            ),
        ];
        return _graph.Run(given, null, Generator.Default, Training);
    }

    private static void Check(OnnxValueInfo input, Tensor tensor)
    {
        bool fits =
            (input.DType is null || input.DType == tensor.DType)
            && (
                input.Shape is null
                || input.Shape.Count == tensor.Rank
                    && input.Shape.Select((s, d) => s < 0 || s == tensor.Shape[d]).All(same => same)
            );
        if (!fits)
            throw new ArgumentException(
                $"The input '{input.Name}' is {tensor.DType.Name()} of shape {tensor.Shape}, but the model takes {input.DType?.Name() ?? "any dtype"} of shape [{string.Join(", ", input.Shape?.Select(s => s < 0 ? "any" : $"{s}") ?? ["any"])}].",
                nameof(input)
            );
    }

    private const int MostCalls = 16;

    // A function that calls itself, over others or not, never ends.
    private static void RefuseRecursion(string path, Dictionary<(string, string), Graph> functions)
    {
        var depths = new Dictionary<(string, string), int>();
        foreach (var key in functions.Keys)
            Depth(key, 0);

        int Depth((string Domain, string Name) key, int above)
        {
            if (depths.TryGetValue(key, out int known))
                return known;
            if (above > MostCalls)
                throw Deep(key);
            int depth = 0;
            foreach (var node in functions[key].AllNodes)
            {
                if (functions.ContainsKey((node.Domain, node.Operator)))
                    depth = Math.Max(depth, 1 + Depth((node.Domain, node.Operator), above + 1));
            }
            return depth <= MostCalls ? depths[key] = depth : throw Deep(key);
        }

        InvalidDataException Deep((string Domain, string Name) key) =>
            new(
                $"{path} is no ONNX file that can be read: its function '{key.Name}' calls itself, or functions call each other more than {MostCalls} deep."
            );
    }

    private void Resolve(string path, Dictionary<(string, string), Graph> functions)
    {
        var wanting = new List<string>();
        foreach (var node in _graph.AllNodes.Concat(functions.Values.SelectMany(f => f.AllNodes)))
        {
            if (functions.TryGetValue((node.Domain, node.Operator), out var function))
                node.Operation = call =>
                    function.Run(
                        [.. Enumerable.Range(0, function.Inputs.Length).Select(call.Value)],
                        null,
                        call.Scope.Generator,
                        call.Scope.Training
                    );
            else if (
                node.Domain.Length == 0
                && (node.Opset >= FirstOfBroadcasting || !Broadcasting.Contains(node.Operator))
            )
                node.Operation = OperatorTable.Find(node.Operator);
            if (node.Operation is null)
                wanting.Add(node.Domain.Length == 0 ? node.ToString() : $"{node.Domain}.{node}");
        }
        if (wanting.Count > 0)
            throw new UnsupportedOperatorsException(path, wanting);
    }

    // Weights of floats are trained; the others are shapes and places.
    private void Keep()
    {
        var leaves = _weights.Keys.ToHashSet();
        var paths = _weights.ToDictionary(w => w.Key, w => w.Key.Split('.'));
        bool IsPlain(string[] parts) =>
            parts.Any(p => p.Length == 0)
            || Enumerable.Range(1, parts.Length - 1).Any(i => leaves.Contains(string.Join('.', parts[..i])));
        var taken = paths.Values.Where(p => !IsPlain(p)).Select(p => p[0]).ToHashSet();
        foreach (var (name, tensor) in _weights)
        {
            string[] parts = paths[name];
            if (IsPlain(parts))
            {
                string plain = name.Length == 0 ? "_" : name.Replace('.', '_');
                while (!taken.Add(plain))
                    plain += "_";
                parts = [plain];
            }
            Part.Add(this, parts, tensor);
        }
    }

    private static string Domain(string domain) => domain == "ai.onnx" ? "" : domain;

    private static OnnxValueInfo Info(ValueInfoProto proto)
    {
        var tensor = proto.Type?.TensorType;
        var type = tensor is null ? null : OnnxTensors.TypeOf(tensor.ElemType);
        long[]? shape = tensor?.Shape?.Dim.Select(d => d.HasDimValue ? d.DimValue : -1).ToArray();
        return new OnnxValueInfo(proto.Name, type, shape);
    }

    // A branch of the tree of names.
    private sealed class Part : Module
    {
        [Unregistered]
        private readonly Dictionary<string, Part> _parts = [];

        public static void Add(OnnxModel model, string[] path, Tensor tensor)
        {
            if (path.Length == 1)
            {
                if (tensor.DType.IsFloat())
                    model.Register(path[0], tensor);
                else
                    model.RegisterBuffer(path[0], tensor);
                return;
            }
            if (!model._parts.TryGetValue(path[0], out var part))
                model._parts[path[0]] = part = model.Register(path[0], new Part());
            foreach (string step in path[1..^1])
            {
                if (!part._parts.TryGetValue(step, out var next))
                    part._parts[step] = next = part.Register(step, new Part());
                part = next;
            }
            if (tensor.DType.IsFloat())
                part.Register(path[^1], tensor);
            else
                part.RegisterBuffer(path[^1], tensor);
        }
    }

    [Unregistered]
    private readonly Dictionary<string, Part> _parts = [];
}
