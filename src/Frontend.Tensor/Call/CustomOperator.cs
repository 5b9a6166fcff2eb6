using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Algorithms.Operators;
using Picograd.Algorithms.Text;
using Picograd.Calls;

namespace Picograd;

/// <summary>
/// An operator of one's own: an algorithm in C# that is called with tensors, dispatched, tuned and kept in the database like the
/// library's, on every device, and differentiated, up to four times.
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
    private readonly OwnOperator _operator;

    private CustomOperator(CustomDefinition definition, CustomOperator? gradient)
    {
        _definition = definition;
        if (gradient is not null)
            OwnOperator.CheckGradient(definition, gradient._definition);
        if (!OperatorLibrary.TryAdd(definition.Definition))
            throw new ArgumentException(
                $"an operator is called {Name} already; define each once, in a static field, under a name of its own"
            );
        _operator = new OwnOperator(definition, gradient?._operator);
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

    /// <summary>An operator of any inputs and outputs, eight together at most, whose dimensions have up to 16 names.</summary>
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
        return new(CustomDefinition.Of(name, signature, build, domains), gradient);
    }

    /// <summary>A function of elements, <c>(a, b) => a * Op.Sigmoid(b)</c>; shapes broadcast and dtypes promote as everywhere.</summary>
    /// <inheritdoc cref="Define(string, string, CustomAlgorithm, IReadOnlyDictionary{string, InputDomain}?, CustomOperator?)"/>
    public static CustomOperator Elementwise(string name, Func<Expr, Expr> function, CustomOperator? gradient = null)
    {
        ArgumentNullException.ThrowIfNull(function);
        return Elements(name, 1, x => function(x[0]), gradient);
    }

    /// <inheritdoc cref="Elementwise(string, Func{Expr, Expr}, CustomOperator?)"/>
    public static CustomOperator Elementwise(
        string name,
        Func<Expr, Expr, Expr> function,
        CustomOperator? gradient = null
    )
    {
        ArgumentNullException.ThrowIfNull(function);
        return Elements(name, 2, x => function(x[0], x[1]), gradient);
    }

    /// <inheritdoc cref="Elementwise(string, Func{Expr, Expr}, CustomOperator?)"/>
    public static CustomOperator Elementwise(
        string name,
        Func<Expr, Expr, Expr, Expr> function,
        CustomOperator? gradient = null
    )
    {
        ArgumentNullException.ThrowIfNull(function);
        return Elements(name, 3, x => function(x[0], x[1], x[2]), gradient);
    }

    /// <summary>
    /// A scalar function, with what is known of it: its derivative, expansions and errors. In a function of the table the library's
    /// operator is the same.
    /// </summary>
    /// <inheritdoc cref="Elementwise(string, Func{Expr, Expr}, CustomOperator?)"/>
    public static CustomOperator Elementwise(ScalarFunction function, CustomOperator? gradient = null)
    {
        ArgumentNullException.ThrowIfNull(function);
        ScalarFunctions.TryAdd(function);
        return Elements(function.Name, function.Arity, x => Op.Call(function, x.AsSpan()), gradient);
    }

    private static CustomOperator Elements(
        string name,
        int inputs,
        Func<ImmutableArray<Expr>, Expr> function,
        CustomOperator? gradient
    )
    {
        ArgumentNullException.ThrowIfNull(name);
        return new(CustomDefinition.Elementwise(name, inputs, function), gradient);
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
    public Tensor[] CallAll(params ReadOnlySpan<Tensor> inputs) => _operator.RunAll(_operator.Fitting(inputs));

    /// <summary>
    /// The text of what is computed for tensors like these, which <c>tune op --algorithm FILE</c> reads; the winner serves this program.
    /// </summary>
    public string TextFor(params ReadOnlySpan<Tensor> inputs)
    {
        // Written down on a device where nothing is computed.
        Tensor[] shapes = [.. _operator.Fitting(inputs).Select(t => Tensor.Empty(t.Shape, t.DType, Device.Meta))];
        using var recorder = new Recorder();
        using (recorder.Enter())
            _operator.RunAll(shapes);
        if (recorder.Calls is not [{ Spec: var spec }])
            throw new ArgumentException($"{Name}: of empty tensors nothing is computed that could be tuned.");
        var problem = Problem.Of(OperatorSpec.Parse(spec));
        return AlgorithmText.Unreadable(problem.Algorithm) is { } function
            ? throw new ArgumentException(
                $"{Name}: the function {function.Name} is known to this program alone, so that no other could read a text with it; "
                    + $"give it an expansion for the dtype ({nameof(ScalarFunction.Float32)}, {nameof(ScalarFunction.Float64)}), or compose it."
            )
            : problem.Text;
    }

    public override string ToString() => $"{Name}: {Signature}";

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
}
