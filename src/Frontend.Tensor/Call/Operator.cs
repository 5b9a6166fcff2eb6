using System.Numerics;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Dispatch;
using Picograd.Gradients;

namespace Picograd.Calls;

/// <summary>
/// An operator of the library as tensors call it. What its instances are called, which words they have and what shape their
/// results have follows from its definition.
/// </summary>
/// <param name="name">The definition's name.</param>
/// <param name="attributes">What is the same in every call, as text: <c>reverse=1</c>.</param>
/// <param name="rule">Its derivative where that is written by hand.</param>
/// <param name="derives">Whether its derivative is that of its algorithm.</param>
internal partial class Operator(string name, string attributes = "", Rule? rule = null, bool derives = false)
{
    private static int s_next;

    private static int NextId() =>
        Interlocked.Increment(ref s_next) is var id && id <= OperatorWords.MostOperators
            ? id
            : throw new InvalidOperationException(
                $"More than {OperatorWords.MostOperators} operators with attributes of their own were called, which is the most that a program may have."
            );

    private Rule? _rule = rule;
    private OperatorWords? _words;
    private Gradient?[] _gradients = [];
    private long[]? _independent;

    public string Name { get; } = name;

    /// <summary>What is the same in every call, as text.</summary>
    public string Attributes { get; } = attributes;

    /// <summary>What messages call it.</summary>
    public string Title { get; init; } = name;

    /// <summary>Its derivative; null where it has none.</summary>
    public Rule? Rule => _rule ?? (derives ? _rule = Derived() : null);

    /// <summary>First part of the words of its calls.</summary>
    public int Id { get; } = NextId();

    /// <summary>How its calls are written down. Made at the first, since programs have many operators that they never call.</summary>
    public OperatorWords Words => _words ??= Describe();

    /// <summary>A bit for each input that is a float and so may have a gradient.</summary>
    public int Floats
    {
        get
        {
            int floats = 0;
            for (int i = 0; i < Words.Inputs; i++)
                floats |= Words.Operands[i].Fixed?.IsFloat() ?? true ? 1 << i : 0;
            return floats;
        }
    }

    /// <summary>The gradients of some inputs, which have a bit each, from that of an output.</summary>
    public Gradient GradientOf(int wanted, int output = 0)
    {
        int inputs = Words.Inputs;
        int at = output << inputs | wanted;
        var known = _gradients;
        if (at < known.Length && known[at] is { } made)
            return made;
        var all = new Gradient?[Words.Outputs << inputs];
        known.CopyTo(all, 0);
        made = all[at] = MakeGradient(wanted, output);
        _gradients = all;
        return made;
    }

    /// <summary>The same, or null where the output does not depend on these inputs.</summary>
    private Gradient? GradientOrNull(int wanted, int output)
    {
        long at = (long)output << 32 | (uint)wanted;
        if (_independent?.Contains(at) == true)
            return null;
        try
        {
            return GradientOf(wanted, output).Checked();
        }
        // The text form of an operator passes the reason on in an error of its own.
        catch (Exception e)
            when (e is ArgumentException or OperatorSpecException
                && e.Message.EndsWith(Algorithms.Adjoints.IndependentException.Reason, StringComparison.Ordinal)
            )
        {
            _independent = [.. _independent ?? [], at];
            return null;
        }
    }

    /// <summary>Results with the nodes that their gradients go through, where inputs want any.</summary>
    /// <param name="inputs">All inputs.</param>
    /// <param name="results">All results.</param>
    /// <param name="whole">Of gradients of reductions: what is reduced.</param>
    /// <param name="over">And a bit for each of its dimensions that is reduced.</param>
    public void Record(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> results, Layout? whole = null, uint over = 0)
    {
        int wanted = 0;
        for (int i = 0; i < inputs.Length; i++)
            wanted |= inputs[i].DType.IsFloat() && Tensor.Records(inputs[i]) ? 1 << i : 0;
        if (wanted == 0)
            return;
        if (results.Length == 1 && inputs.Length <= Node.MostInputs && Rule is { } rule)
        {
            var (b, c) = (inputs.Length > 1 ? inputs[1] : null, inputs.Length > 2 ? inputs[2] : null);
            results[0].Record(rule, inputs[0], b, c).OfReduced(whole, over);
            return;
        }
        for (int i = 0; i < results.Length; i++)
        {
            if (!results[i].DType.IsFloat())
                continue;
            // A derivative of several results may have some that do not depend on what is recorded.
            if (GradientOrNull(wanted, i) is not { } gradient)
                continue;
            results[i]
                .SetNode(Node.OfMany(gradient.Rule, inputs, gradient.Kept(inputs, results)))
                .OfReduced(whole, over);
        }
    }

    /// <summary>The first of several results, recorded with the node that its gradient goes through.</summary>
    /// <param name="inputs">All of its inputs.</param>
    /// <param name="results">All of its results.</param>
    /// <param name="constants">A bit for each input that is given no gradient.</param>
    public void RecordFirst(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> results, int constants = 0)
    {
        int wanted = 0;
        for (int i = 0; i < inputs.Length; i++)
            wanted |= inputs[i].DType.IsFloat() && Tensor.Records(inputs[i]) ? 1 << i : 0;
        wanted &= ~constants;
        if (wanted == 0)
            return;
        var gradient = GradientOf(wanted);
        results[0].SetNode(Node.OfMany(gradient.Rule, inputs, gradient.Kept(inputs, results)));
    }

    /// <summary>What to do where an operand is empty, but not a result: results are sums of nothing and the like.</summary>
    public void OfNothing(scoped ref OpCall call)
    {
        if (call.Runtime.Device.IsMeta)
            return;
        // No instance has a size of 0, so there is no kernel.
        var sizes = new Dictionary<string, long>();
        foreach (string key in Words.Dimensions)
            sizes[key] = call.Words[1 + Words.Slot(key)];
        int typed = Array.FindIndex(Words.Operands, 0, Words.Inputs, o => o.Fixed is null);
        if (Over(key => sizes[key], typed < 0 ? DType.Float32 : call[typed]!.DType) is { } algorithm)
        {
            Evaluate(algorithm, ref call);
            return;
        }
        for (int i = Words.Inputs; i < call.Operands; i++)
            Fill(call[i]!, 0);
    }

    private void Evaluate(Algorithm algorithm, scoped ref OpCall call)
    {
        var given = new Dictionary<Algorithms.Buffer, NDArray>();
        foreach (var buffer in algorithm.Inputs)
        {
            var input = call[Array.FindIndex(Words.Operands, o => o.Shape.Name == buffer.Name)]!.Detach();
            long[] shape = [.. buffer.Shape.Select(e => ((IntImm)e).Value)];
            given[buffer] = buffer.Type.IsFloat()
                ? NDArray.Of(buffer.Type, shape, input.To(DType.Float64).ToArray<double>())
                : NDArray.Of(buffer.Type, shape, input.To(DType.Int64).ToArray<long>());
        }
        var values = Evaluator.Run(algorithm, given);
        for (int i = Words.Inputs; i < call.Operands; i++)
        {
            var result = call[i]!;
            // Of an input that is not there the gradient is 0.
            if (OutputOf(algorithm, i - Words.Inputs) is not { } output)
            {
                Fill(result, 0);
                continue;
            }
            var value = values[output];
            var made = output.Type.IsFloat()
                ? Tensor.From<double>(value.Doubles, result.Layout.Sizes)
                : Tensor.From<long>(value.Longs, result.Layout.Sizes);
            Copying.Into(result, made.To(result.DType).ToDevice(result.Device));
        }
    }

    /// <summary>The buffer of an output in <see cref="Over"/>; null where that lacks it.</summary>
    protected internal Algorithms.Buffer? OutputOf(Algorithm algorithm, int output) =>
        algorithm.Outputs.Length == Words.Outputs
            ? algorithm.Outputs[output]
            : algorithm.Outputs.FirstOrDefault(b => b.Name == Words.Operands[Words.Inputs + output].Shape.Name);

    /// <summary>Its algorithm for given sizes, of which some may be 0, and a dtype; null where what it makes of nothing is 0.</summary>
    protected internal virtual Algorithm? Over(Func<string, long> size, DType type) => null;

    /// <summary>How its calls are written down, by its definition.</summary>
    protected virtual OperatorWords Describe()
    {
        var definition =
            OperatorLibrary.Find(Name) ?? throw new InvalidOperationException(OperatorLibrary.Unknown(Name));
        string operands =
            definition.Operands ?? throw new InvalidOperationException($"{Name} does not declare its operands.");
        return new OperatorWords(definition, Id, Attributes, OperatorSignature.Parse(operands));
    }

    /// <summary>See <see cref="GradientOf"/>; derived unless an operator has another.</summary>
    protected virtual Gradient MakeGradient(int wanted, int output) => new(this, output, [.. Parts(wanted, output)]);

    // An operator for all inputs, or where that has too many operands one for each half of them.
    private IEnumerable<Gradient.Part> Parts(int wanted, int output)
    {
        var all = new AdjointOperator(this, wanted, output);
        int[] inputs = [.. Enumerable.Range(0, Words.Inputs).Where(i => (wanted >> i & 1) != 0)];
        if (inputs.Length == 1 || all.Fits)
            return [new(all, inputs)];
        int first = inputs.Take(inputs.Length / 2).Aggregate(0, (bits, i) => bits | 1 << i);
        return Parts(first, output).Concat(Parts(wanted & ~first, output));
    }

    // What is saved is what the gradient of all inputs reads.
    private Rule Derived() =>
        new(
            Name,
            () => GradientOf(Floats).Saves,
            (node, grad) =>
            {
                int wanted = 0;
                for (int i = 0; i < Words.Inputs; i++)
                    wanted |= node.Needs(i) ? 1 << i : 0;
                GradientOf(wanted).Send(node, grad);
            }
        );
}
