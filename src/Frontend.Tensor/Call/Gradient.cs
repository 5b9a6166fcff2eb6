using System.Runtime.CompilerServices;
using Picograd.Algorithms.Adjoints;
using Picograd.Algorithms.Operators;
using Picograd.Autograd;

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
    private readonly Operator _of;
    private readonly Operator _by;
    private readonly int _output;
    private readonly int[] _sends;
    private readonly GradientSource[]? _sources;
    private Rule? _rule;

    /// <param name="of">The operator.</param>
    /// <param name="output">Its output whose gradient is given.</param>
    /// <param name="by">Computes the gradients.</param>
    /// <param name="sends">The inputs that they are of.</param>
    /// <param name="sources">What it reads; null where it is derived, and says so itself.</param>
    public Gradient(Operator of, int output, Operator by, int[] sends, GradientSource[]? sources = null)
    {
        _of = of;
        _output = output;
        _by = by;
        _sends = sends;
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
            foreach (var source in Sources)
                saves |=
                    source.Role == DerivedRole.Input ? (Saves)(1 << source.Operand)
                    : source.Role == DerivedRole.Output ? Saves.Output
                    : Saves.Nothing;
            return saves;
        }
    }

    private GradientSource[] Sources => _sources ?? ((AdjointOperator)_by).Sources;

    /// <summary>Sends a node's inputs their gradients.</summary>
    [SkipLocalsInit]
    public void Send(Node node, Tensor grad)
    {
        // More dimensions than an operator has, or a gradient by hand: operands are written out, and sums are made beside.
        bool apart =
            _of.Words.Form == OperandForm.Broadcast
            && (_by.Words.Form != OperandForm.Broadcast || DimsOf(node, grad) > Broadcasting.MaxDims);
        var sources = Sources;
        // A derived one reads and writes where the operator read.
        if (_by is OwnOperator { HasIndices: true } hand)
            hand.RequireIndices([.. sources.Select(s => Read(s, node, grad, apart))]);
        var call = new OpCall(_by, stackalloc long[OpCall.MostWords]);
        foreach (var source in sources)
            call.In(Copying.DenseOf(Read(source, node, grad, apart)));
        int first = call.Operands;
        for (int i = 0; i < _sends.Length; i++)
        {
            var shape = apart ? grad.Layout : node.Shape(_sends[i]);
            call.Place(Tensor.AllocateLike(shape, _by.Words.Operands[first + i].Fixed ?? grad.DType, grad.Runtime));
        }
        bool reduces = _by.Words.Form == OperandForm.Reduced;
        if (reduces)
            call.RunReduced(node.Whole, node.Over);
        else
            call.RunInto();
        if (GradMode.Enabled)
        {
            var read = new Tensor[sources.Length];
            for (int i = 0; i < read.Length; i++)
                read[i] = Read(sources[i], node, grad, apart);
            var results = new Tensor[_sends.Length];
            for (int i = 0; i < results.Length; i++)
                results[i] = call[first + i]!;
            _by.Record(read, results, reduces ? node.Whole : null, reduces ? node.Over : 0);
        }
        for (int i = 0; i < _sends.Length; i++)
            node.Send(_sends[i], call[first + i]!);
    }

    /// <summary>The operands that it reads, others left out; where another output's gradient is read, that output, for its shape.</summary>
    public Tensor?[] Kept(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var kept = new Tensor?[inputs.Length + outputs.Length];
        foreach (var (role, operand) in Sources)
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
