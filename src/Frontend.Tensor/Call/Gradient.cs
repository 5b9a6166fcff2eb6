using System.Runtime.CompilerServices;
using Picograd.Algorithms.Adjoints;
using Picograd.Algorithms.Operators;
using Picograd.Gradients;

namespace Picograd.Calls;

/// <summary>
/// What an operand of a gradient's operator is, in terms of the operator that it is the gradient of: an input, an output, or the
/// gradient of an output.
/// </summary>
/// <param name="Role">Which of these.</param>
/// <param name="Operand">Its place among inputs and outputs, counted together.</param>
internal sealed record GradientSource(DerivedRole Role, int Operand);

/// <summary>
/// How the gradients of some inputs of an operator come from that of one of its outputs: by which operator, from what. Operands
/// that broadcast are read where they lie, and what repeats is added up by that operator, too.
/// </summary>
internal sealed class Gradient
{
    /// <summary>An operator that computes the gradients of some inputs.</summary>
    /// <param name="By">The operator.</param>
    /// <param name="Sends">The inputs, in the order of its outputs.</param>
    internal sealed record Part(Operator By, int[] Sends);

    private readonly Operator _of;
    private readonly int _output;
    private readonly Part[] _parts;
    private readonly GradientSource[]? _sources;
    private Rule? _rule;

    /// <param name="of">The operator.</param>
    /// <param name="output">Its output whose gradient is given.</param>
    /// <param name="parts">What computes the gradients: several where one would have too many operands.</param>
    /// <param name="sources">What that reads; null where it is derived, and says so itself.</param>
    public Gradient(Operator of, int output, Part[] parts, GradientSource[]? sources = null)
    {
        _of = of;
        _output = output;
        _parts = parts;
        _sources = sources;
    }

    /// <summary>For nodes that keep what it reads and no more.</summary>
    public Rule Rule => _rule ??= new Rule(_of.Name, Saves.Nothing, Send);

    /// <summary>What operators of up to three inputs and one output keep for it.</summary>
    public Saves Saves
    {
        get
        {
            var saves = Saves.Nothing;
            foreach (var source in _parts.SelectMany(Sources))
                saves |=
                    source.Role == DerivedRole.Input ? (Saves)(1 << source.Operand)
                    : source.Role == DerivedRole.Output ? Saves.Output
                    : Saves.Nothing;
            return saves;
        }
    }

    /// <summary>Itself, whose operators there are.</summary>
    /// <exception cref="ArgumentException">There is no such gradient.</exception>
    public Gradient Checked()
    {
        foreach (var part in _parts)
            _ = Sources(part);
        return this;
    }

    private GradientSource[] Sources(Part part) => _sources ?? ((AdjointOperator)part.By).Sources;

    /// <summary>Sends a node's inputs their gradients.</summary>
    public void Send(Node node, Tensor grad)
    {
        foreach (var part in _parts)
            Send(part, node, grad);
    }

    [SkipLocalsInit]
    private void Send(Part part, Node node, Tensor grad)
    {
        var (by, sends) = part;
        // More dimensions than an operator has, or a gradient by hand: operands are written out, and sums are made beside.
        bool apart =
            _of.Words.Form == OperandForm.Broadcast
            && (by.Words.Form != OperandForm.Broadcast || DimsOf(node, grad) > Broadcasting.MaxDims);
        var sources = Sources(part);
        // A derived one reads and writes where the operator read.
        if (by is OwnOperator { HasIndices: true } hand)
            hand.RequireIndices([.. sources.Select(s => Read(s, node, grad, apart))]);
        var call = new OpCall(by, stackalloc long[OpCall.MostWords]);
        foreach (var source in sources)
            call.In(Copying.DenseOf(Read(source, node, grad, apart)));
        int first = call.Operands;
        for (int i = 0; i < sends.Length; i++)
        {
            var shape = apart ? grad.Layout : node.Shape(sends[i]);
            call.Place(Tensor.AllocateLike(shape, by.Words.Operands[first + i].Fixed ?? grad.DType, grad.Runtime));
        }
        bool reduces = by.Words.Form == OperandForm.Reduced;
        if (reduces)
            call.RunReduced(node.Whole, node.Over);
        else
            call.RunInto();
        if (GradMode.Enabled)
        {
            var read = new Tensor[sources.Length];
            for (int i = 0; i < read.Length; i++)
                read[i] = Read(sources[i], node, grad, apart);
            var results = new Tensor[sends.Length];
            for (int i = 0; i < results.Length; i++)
                results[i] = call[first + i]!;
            by.Record(read, results, reduces ? node.Whole : null, reduces ? node.Over : 0);
        }
        for (int i = 0; i < sends.Length; i++)
            node.Send(sends[i], call[first + i]!);
    }

    /// <summary>The operands that it reads, others left out; where another output's gradient is read, that output, for its shape.</summary>
    public Tensor?[] Kept(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var kept = new Tensor?[inputs.Length + outputs.Length];
        foreach (var (role, operand) in _parts.SelectMany(Sources))
        {
            if (role != DerivedRole.Gradient || operand != inputs.Length + _output)
                kept[operand] = operand < inputs.Length ? inputs[operand] : outputs[operand - inputs.Length];
        }
        return kept;
    }

    private static int DimsOf(Node node, Tensor grad)
    {
        if (grad.NumElements == 0)
            return 0;
        var shapes = new Layout?[node.InputCount];
        for (int i = 0; i < shapes.Length; i++)
            shapes[i] = node.Shape(i);
        return Broadcasting.Coalesce(grad.Layout.Sizes, shapes, stackalloc long[Layout.MaxRank], out _);
    }

    private Tensor Read(GradientSource source, Node node, Tensor grad, bool apart) =>
        source.Role switch
        {
            DerivedRole.Input when apart => node.Saved(source.Operand).ExpandTo(grad.Layout),
            DerivedRole.Input => node.Saved(source.Operand),
            DerivedRole.Output => node.SavedOutput(source.Operand),
            _ when source.Operand == _of.Words.Inputs + _output => grad,
            // Of an output whose gradient has a node of its own.
            _ => Tensor.ZerosLike(node.SavedOutput(source.Operand)),
        };
}
