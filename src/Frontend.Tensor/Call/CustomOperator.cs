using System.Collections.Concurrent;
using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Adjoints;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Algorithms.Text;
using Picograd.Autograd;
using Picograd.Calls;
using Picograd.Dispatch;

namespace Picograd;

/// <summary>
/// An operator of one's own: an algorithm in C# that is called with tensors, dispatched, tuned and kept in the database like the
/// library's, on every device, and differentiated as often as wanted.
/// <code>
/// static readonly CustomOperator Distances = CustomOperator.Define("distances", "X[n, d], Y[m, d] -> D[n, m]", (g, x, y) =>
/// {
///     var (i, j, k) = (new Axis("i", x.Shape[0]), new Axis("j", y.Shape[0]), new Axis("k", x.Shape[1]));
///     var difference = x[i, k] - y[j, k];
///     return g.Stage("D", [i, j], AlgorithmBuilder.Sum(k, difference * difference));
/// });
/// Tensor d = Distances.Call(a, b);
/// </code>
/// </summary>
/// <remarks>
/// The function is called once for each kind of instance, with inputs whose extents may be symbolic, so that one kernel serves many
/// shapes: it must not look at sizes as numbers. Operators live as long as the program; keep them in static fields.
/// </remarks>
public sealed class CustomOperator
{
    private readonly CustomDefinition _definition;
    private readonly Operator _operator;
    private readonly CustomOperator? _gradient;
    private readonly ConcurrentDictionary<(uint Wanted, int Output), GradientPlan> _plans = new();
    private readonly Rule _rule;
    private readonly bool _elementwise;

    private CustomOperator(CustomDefinition definition, CustomOperator? gradient, bool elementwise)
    {
        _definition = definition;
        _gradient = gradient;
        _elementwise = elementwise;
        if (gradient is not null)
            CheckGradient(gradient);
        if (!OperatorLibrary.TryAdd(definition.Definition))
            throw new ArgumentException(
                $"an operator is called {Name} already; define each once, in a static field, under a name of its own"
            );
        _operator = new Operator(Name);
        _rule = new Rule(Name, Saves.Nothing, Backward);
    }

    /// <summary>As it was defined.</summary>
    public string Name => _definition.Definition.Name;

    /// <summary>Its operands in terms of dimensions, <c>X[n, d], Y[m, d] -> D[n, m]</c>.</summary>
    public string Signature => _definition.Definition.Operands!;

    /// <summary>An operator of one input and one output.</summary>
    /// <inheritdoc cref="Define(string, string, CustomAlgorithm, IReadOnlyDictionary{string, InputDomain}?, CustomOperator?)"/>
    public static CustomOperator Define(
        string name,
        string signature,
        Func<AlgorithmBuilder, Algorithms.Buffer, Algorithms.Buffer> build,
        IReadOnlyDictionary<string, InputDomain>? domains = null,
        CustomOperator? gradient = null
    )
    {
        ArgumentNullException.ThrowIfNull(build);
        return Define(name, signature, (g, x) => [build(g, One(name, x, 1)[0])], domains, gradient);
    }

    /// <summary>An operator of two inputs and one output.</summary>
    /// <inheritdoc cref="Define(string, string, CustomAlgorithm, IReadOnlyDictionary{string, InputDomain}?, CustomOperator?)"/>
    public static CustomOperator Define(
        string name,
        string signature,
        Func<AlgorithmBuilder, Algorithms.Buffer, Algorithms.Buffer, Algorithms.Buffer> build,
        IReadOnlyDictionary<string, InputDomain>? domains = null,
        CustomOperator? gradient = null
    )
    {
        ArgumentNullException.ThrowIfNull(build);
        return Define(name, signature, (g, x) => [build(g, One(name, x, 2)[0], x[1])], domains, gradient);
    }

    /// <summary>An operator of three inputs and one output.</summary>
    /// <inheritdoc cref="Define(string, string, CustomAlgorithm, IReadOnlyDictionary{string, InputDomain}?, CustomOperator?)"/>
    public static CustomOperator Define(
        string name,
        string signature,
        Func<AlgorithmBuilder, Algorithms.Buffer, Algorithms.Buffer, Algorithms.Buffer, Algorithms.Buffer> build,
        IReadOnlyDictionary<string, InputDomain>? domains = null,
        CustomOperator? gradient = null
    )
    {
        ArgumentNullException.ThrowIfNull(build);
        return Define(name, signature, (g, x) => [build(g, One(name, x, 3)[0], x[1], x[2])], domains, gradient);
    }

    /// <summary>An operator of any inputs and outputs, eight together at most.</summary>
    /// <param name="name">A letter, then letters, digits and '_'; no other operator may have it.</param>
    /// <param name="signature">
    /// Inputs and outputs with their dimensions by name, <c>X[n, d], I:i64[m] -> Y[m, d]</c>: what has one name has one size. An
    /// operand without a dtype is of the dtype of the call, float32, float64, float16 or bfloat16; <c>n..</c> stands for any
    /// number of neighbouring dimensions, which the function sees as one.
    /// </param>
    /// <param name="build">
    /// Writes the stages and returns the outputs. 16-bit inputs are seen as float32, and results rounded.
    /// </param>
    /// <param name="domains">What inputs hold, by name, for the data of tuning and checks: indices below a bound, positive numbers.</param>
    /// <param name="gradient">
    /// Computes the gradients of inputs by hand: its inputs are called as those of this operator, as its outputs, or as its outputs
    /// with a d in front (their gradients), its outputs as inputs with a d in front. Null to derive them.
    /// </param>
    /// <exception cref="ArgumentException">
    /// The name is taken, the signature cannot be read, or the function does not keep to it: says what is wrong.
    /// </exception>
    public static CustomOperator Define(
        string name,
        string signature,
        CustomAlgorithm build,
        IReadOnlyDictionary<string, InputDomain>? domains = null,
        CustomOperator? gradient = null
    )
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(signature);
        ArgumentNullException.ThrowIfNull(build);
        return Made(CustomDefinition.Of(name, signature, build, domains), gradient, false);
    }

    /// <summary>A function of elements, <c>(a, b) => a * Op.Sigmoid(b)</c>; shapes broadcast and dtypes promote as everywhere.</summary>
    /// <inheritdoc cref="Define(string, string, CustomAlgorithm, IReadOnlyDictionary{string, InputDomain}?, CustomOperator?)"/>
    public static CustomOperator Elementwise(string name, Func<Expr, Expr> function, CustomOperator? gradient = null)
    {
        ArgumentNullException.ThrowIfNull(function);
        return Elementwise(name, 1, x => function(x[0]), gradient);
    }

    /// <inheritdoc cref="Elementwise(string, Func{Expr, Expr}, CustomOperator?)"/>
    public static CustomOperator Elementwise(
        string name,
        Func<Expr, Expr, Expr> function,
        CustomOperator? gradient = null
    )
    {
        ArgumentNullException.ThrowIfNull(function);
        return Elementwise(name, 2, x => function(x[0], x[1]), gradient);
    }

    /// <inheritdoc cref="Elementwise(string, Func{Expr, Expr}, CustomOperator?)"/>
    public static CustomOperator Elementwise(
        string name,
        Func<Expr, Expr, Expr, Expr> function,
        CustomOperator? gradient = null
    )
    {
        ArgumentNullException.ThrowIfNull(function);
        return Elementwise(name, 3, x => function(x[0], x[1], x[2]), gradient);
    }

    private static CustomOperator Elementwise(
        string name,
        int inputs,
        Func<Expr[], Expr> function,
        CustomOperator? gradient
    )
    {
        ArgumentNullException.ThrowIfNull(name);
        string operands = string.Join(", ", Enumerable.Range(0, inputs).Select(i => $"{(char)('A' + i)}[n..]"));
        return Made(
            CustomDefinition.Of(
                name,
                operands + " -> Y[n..]",
                (g, x) =>
                {
                    var i = new Axis("i", x[0].Shape[0]);
                    return [g.Stage("Y", [i], function([.. x.Select(b => (Expr)b[i])]))];
                },
                null
            ),
            gradient,
            true
        );
    }

    /// <summary>Its only output, in new memory.</summary>
    /// <exception cref="ArgumentException">
    /// Inputs are too many or too few, of dtypes or sizes that do not fit, or on two devices; or it has several outputs.
    /// </exception>
    public Tensor Call(params ReadOnlySpan<Tensor> inputs) =>
        _definition.Signature.Outputs.Length == 1
            ? CallAll(inputs)[0]
            : throw new ArgumentException($"{Name}: it has several outputs; use CallAll.");

    /// <summary>All outputs, in new memory.</summary>
    /// <inheritdoc cref="Call"/>
    public Tensor[] CallAll(params ReadOnlySpan<Tensor> inputs)
    {
        Tensor[] given = [.. inputs];
        CheckCount(given);
        if (_elementwise)
            Align(given);
        Check(given);
        return Run(given, [.. _definition.Signature.Outputs.Select(o => ShapeOf(o, given))]);
    }

    // Outputs may have dimensions that inputs do not have: gradients of what is not read.
    private Tensor[] Run(Tensor[] inputs, long[][] shapes)
    {
        var runtime = inputs[0].Runtime;
        foreach (var input in inputs)
            runtime = DeviceRuntime.Common(Name, inputs[0], input);
        var type = TypeOf(inputs);
        var results = new Tensor[shapes.Length];
        for (int i = 0; i < results.Length; i++)
            results[i] = Tensor.Allocate(
                shapes[i],
                DTypes.Parse(_definition.Signature.Outputs[i].Type) ?? type,
                runtime
            );
        if (inputs.Concat(results).All(t => t.NumElements > 0))
            Run(inputs, results);
        else
            OfNothing(inputs, results);
        Record(inputs, results);
        return results;
    }

    /// <summary>
    /// The text of what is computed for tensors like these, which <c>tune op --algorithm FILE</c> reads; the winner serves this program.
    /// </summary>
    public string TextFor(params ReadOnlySpan<Tensor> inputs)
    {
        Tensor[] given = [.. inputs];
        CheckCount(given);
        if (_elementwise)
            Align(given);
        Check(given);
        return AlgorithmText.Print(_definition.Build(Sizes(given), TypeOf(given)));
    }

    public override string ToString() => $"{Name}: {Signature}";

    private static CustomOperator Made(CustomDefinition definition, CustomOperator? gradient, bool elementwise)
    {
        // What is wrong with the function shows on any instance; now is better than at the first call.
        definition.Example();
        return new CustomOperator(definition, gradient, elementwise);
    }

    private static ImmutableArray<Algorithms.Buffer> One(
        string name,
        ImmutableArray<Algorithms.Buffer> inputs,
        int count
    ) =>
        inputs.Length == count
            ? inputs
            : throw new ArgumentException(
                $"{name}: its function takes {count} inputs, but the signature has {inputs.Length}"
            );

    private void CheckCount(ReadOnlySpan<Tensor> inputs)
    {
        var operands = _definition.Signature.Inputs;
        if (inputs.Length != operands.Length)
            throw new ArgumentException(
                $"{Name}: {inputs.Length} inputs were given, but it has {operands.Length}: {Signature}."
            );
        for (int i = 0; i < inputs.Length; i++)
        {
            if (inputs[i] is null)
                throw new ArgumentNullException(nameof(inputs), $"{Name}: input {operands[i].Name} is null.");
        }
    }

    // Operands of functions of elements: of one float dtype and shape.
    private void Align(Tensor[] inputs)
    {
        var type = inputs[0].DType;
        var layout = inputs[0].Layout;
        foreach (var input in inputs.AsSpan(1))
        {
            type = Promotion.Of(type, Promotion.Rank.Tensor, input.DType, Promotion.Rank.Tensor);
            layout = Layout.Contiguous(
                Broadcasting.Shape(layout, input.Layout)
                    ?? throw new ArgumentException(
                        $"{Name}: the shapes {string.Join(", ", inputs.Select(t => t.Layout.ToString()))} do not broadcast; "
                            + "from the last dimension on, sizes must be equal or 1."
                    )
            );
        }
        if (!type.IsFloat())
            type = DType.Float32;
        for (int i = 0; i < inputs.Length; i++)
        {
            inputs[i] = inputs[i].To(type);
            if (!inputs[i].Layout.SameSizes(layout))
                inputs[i] = inputs[i].Expand(layout.Sizes);
        }
    }

    private void Check(Tensor[] inputs)
    {
        var operands = _definition.Signature.Inputs;
        DType? common = null;
        for (int i = 0; i < inputs.Length; i++)
        {
            var (operand, input) = (operands[i], inputs[i]);
            var wanted = DTypes.Parse(operand.Type) ?? (common ??= input.DType);
            if (input.DType != wanted || (DTypes.Parse(operand.Type) is null && !wanted.IsFloat()))
                throw new ArgumentException(
                    $"{Name}: {operand.Name} is {input.DType.Name()}, but must be {(DTypes.Parse(operand.Type) is null && !wanted.IsFloat() ? "a float" : wanted.Name())}; convert it with To()."
                );
            bool many = operand.Dims.Any(d => d.Many);
            if (many ? input.Rank < operand.Dims.Length - 1 : input.Rank != operand.Dims.Length)
                throw new ArgumentException(
                    $"{Name}: {operand.Name} has the shape {input.Layout}, but must have {(many ? $"{operand.Dims.Length - 1} dimensions or more" : $"{operand.Dims.Length} dimensions")}: {Signature}."
                );
        }
        // Names each dimension that has two sizes.
        Sizes(inputs);
    }

    // Of inputs, or of these and outputs.
    private Dictionary<string, long> Sizes(Tensor[] inputs)
    {
        var sizes = new Dictionary<string, long>();
        OperandShape[] operands = [.. _definition.Signature.Inputs, .. _definition.Signature.Outputs];
        for (int i = 0; i < inputs.Length; i++)
        {
            var dims = operands[i].Dims;
            int d = 0;
            for (int k = 0; k < dims.Length; k++)
            {
                long size = 1;
                int end = dims[k].Many ? inputs[i].Rank - (dims.Length - 1 - k) : d + 1;
                for (; d < end; d++)
                    size *= inputs[i].Layout.Sizes[d];
                bool isConstant = dims[k].Key.Length == 0;
                long known = isConstant ? dims[k].Constant : sizes.GetValueOrDefault(dims[k].Key, size);
                if (known != size)
                    throw new ArgumentException(
                        $"{Name}: {operands[i].Name} has the shape {inputs[i].Layout}, in which {(isConstant ? "a size" : dims[k].Key)} is {size}, but {(isConstant ? "it must be" : "elsewhere it is")} {known}: {Signature}."
                    );
                if (!isConstant)
                    sizes[dims[k].Key] = size;
            }
        }
        return sizes;
    }

    private DType TypeOf(Tensor[] inputs)
    {
        var operands = _definition.Signature.Inputs;
        for (int i = 0; i < inputs.Length; i++)
        {
            if (DTypes.Parse(operands[i].Type) is null)
                return inputs[i].DType;
        }
        return DType.Float32;
    }

    private void Run(Tensor[] inputs, Tensor[] results)
    {
        var call = new OpCall(_operator, stackalloc long[OpCall.MostWords]);
        foreach (var input in inputs)
            call.In(input);
        foreach (var result in results)
            call.Place(result);
        call.RunInto();
    }

    // No instance has a size of 0, and what is to be computed is sums of nothing and the like.
    private void OfNothing(Tensor[] inputs, Tensor[] results)
    {
        if (inputs[0].Device.IsMeta || results.All(r => r.NumElements == 0))
            return;
        var algorithm = _definition.Build(Sizes([.. inputs, .. results]), TypeOf(inputs));
        var given = new Dictionary<Algorithms.Buffer, NDArray>();
        for (int i = 0; i < inputs.Length; i++)
        {
            var buffer = algorithm.Inputs[i];
            given[buffer] = NDArray.Of(
                buffer.Type,
                [.. buffer.Shape.Select(e => ((IntImm)e).Value)],
                inputs[i].Detach().To(DType.Float64).ToArray<double>()
            );
        }
        var values = Evaluator.Run(algorithm, given);
        for (int i = 0; i < results.Length; i++)
        {
            var value = Tensor.From<double>([.. values[algorithm.Outputs[i]].Doubles], results[i].Layout.Sizes);
            Copying.Into(results[i], value.To(results[i].DType).ToDevice(results[i].Device));
        }
    }

    // Neighbouring dimensions under one name are those of the first input that has them.
    private long[] ShapeOf(OperandShape output, Tensor[] inputs)
    {
        var sizes = Sizes(inputs);
        return
        [
            .. output.Dims.SelectMany(dim =>
                dim.Key.Length == 0 ? [dim.Constant]
                : dim.Many ? Many(dim, inputs)
                : [sizes[dim.Key]]
            ),
        ];
    }

    private long[] Many(OperandDim dim, Tensor[] inputs)
    {
        var operands = _definition.Signature.Inputs;
        for (int i = 0; i < inputs.Length; i++)
        {
            int at = operands[i].Dims.IndexOf(dim);
            if (at >= 0)
                return inputs[i].Layout.Sizes[at..^(operands[i].Dims.Length - 1 - at)];
        }
        throw new InvalidOperationException($"{Name}: no input has the dimensions {dim.Key}.");
    }

    private void Record(Tensor[] inputs, Tensor[] results)
    {
        uint wanted = 0;
        for (int i = 0; i < inputs.Length; i++)
            wanted |= inputs[i].DType.IsFloat() && Tensor.Records(inputs[i]) ? 1u << i : 0;
        if (wanted == 0)
            return;
        for (int i = 0; i < results.Length; i++)
        {
            if (!results[i].DType.IsFloat())
                continue;
            var plan = _plans.GetOrAdd((wanted, i), static (key, self) => self.Plan(key.Wanted, key.Output), this);
            results[i].SetNode(Node.OfMany(_rule, inputs, new SavedTensors(plan, inputs, results)));
        }
    }

    private static void Backward(Node n, Tensor grad)
    {
        var saved = (SavedTensors)n.Data!;
        var plan = saved.Plan;
        var operands = saved.Operands(n.Name, grad);
        plan.Gradient.Check(operands);
        var grads = plan.Gradient.Run(operands, [.. plan.Sends.Select(s => n.Shape(s).Sizes)]);
        for (int i = 0; i < grads.Length; i++)
            n.Send(plan.Sends[i], grads[i]);
    }

    private GradientPlan Plan(uint wanted, int output)
    {
        if (_gradient is { } hand)
            return new(
                hand,
                [.. hand._definition.Signature.Inputs.Select(i => Read(i.Name))],
                [.. hand._definition.Signature.Outputs.Select(o => Place(_definition.Signature.Inputs, o.Name, "d"))],
                output
            );
        ImmutableArray<int> places =
        [
            .. Enumerable.Range(0, _definition.Signature.Inputs.Length).Where(i => (wanted >> i & 1) != 0),
        ];
        var derived = _definition.Derive(places, output);
        return new(new CustomOperator(derived, null, false), derived.Reads, places, output);
    }

    // What a name in the signature of a gradient by hand means.
    private (DerivedRole Role, int At) Read(string name)
    {
        var (inputs, outputs) = (_definition.Signature.Inputs, _definition.Signature.Outputs);
        return Place(inputs, name, "") is >= 0 and var input ? (DerivedRole.Input, input)
            : Place(outputs, name, "") is >= 0 and var output ? (DerivedRole.Output, output)
            : (DerivedRole.Gradient, Place(outputs, name, "d"));
    }

    private static int Place(ImmutableArray<OperandShape> operands, string name, string prefix)
    {
        for (int i = 0; i < operands.Length; i++)
        {
            if (prefix + operands[i].Name == name)
                return i;
        }
        return -1;
    }

    private void CheckGradient(CustomOperator hand)
    {
        var signature = _definition.Signature;
        foreach (var input in hand._definition.Signature.Inputs)
        {
            if (Read(input.Name).At < 0)
                throw new ArgumentException(
                    $"{Name}: the gradient {hand.Name} reads {input.Name}, which is no operand of {Signature} and no gradient of an output (a d in front of its name)"
                );
        }
        foreach (var output in hand._definition.Signature.Outputs)
        {
            if (Place(signature.Inputs, output.Name, "d") < 0)
                throw new ArgumentException(
                    $"{Name}: the gradient {hand.Name} computes {output.Name}, which is no gradient of an input of {Signature} (a d in front of its name)"
                );
        }
    }

    /// <summary>How the gradients of inputs come from that of an output.</summary>
    /// <param name="Gradient">Computes them.</param>
    /// <param name="Reads">Its inputs, in terms of this operator.</param>
    /// <param name="Sends">The inputs of this operator that its outputs are gradients of.</param>
    /// <param name="Output">The output whose gradient is given.</param>
    private sealed record GradientPlan(
        CustomOperator Gradient,
        ImmutableArray<(DerivedRole Role, int At)> Reads,
        ImmutableArray<int> Sends,
        int Output
    );

    /// <summary>What a gradient reads, as it was at the call.</summary>
    private sealed class SavedTensors
    {
        private readonly Tensor?[] _tensors;
        private readonly long[] _versions;

        public SavedTensors(GradientPlan plan, Tensor[] inputs, Tensor[] results)
        {
            Plan = plan;
            // In the place of a gradient that is not given is the output, for its shape.
            _tensors =
            [
                .. plan.Reads.Select(r =>
                    r.Role == DerivedRole.Input ? inputs[r.At]
                    : r == (DerivedRole.Gradient, plan.Output) ? null
                    : results[r.At]
                ),
            ];
            _versions = [.. _tensors.Select(t => (long)(t?.Version ?? 0))];
        }

        public GradientPlan Plan { get; }

        public Tensor[] Operands(string name, Tensor grad)
        {
            var operands = new Tensor[_tensors.Length];
            for (int i = 0; i < operands.Length; i++)
            {
                if (_tensors[i] is not { } tensor)
                    operands[i] = grad;
                else if (Plan.Reads[i].Role == DerivedRole.Gradient)
                    operands[i] = Tensor.ZerosLike(tensor);
                else if (tensor.Version == _versions[i])
                    operands[i] = tensor;
                else
                    throw new InvalidOperationException(
                        $"Backward: a {tensor.DType.Name()} tensor of shape {tensor.Layout} that {name} saved was changed in place afterwards; change a Clone() instead."
                    );
            }
            return operands;
        }
    }
}
