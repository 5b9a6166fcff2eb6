using System.Numerics;
using System.Runtime.CompilerServices;
using Picograd.Algorithms.Adjoints;
using Picograd.Algorithms.Operators;
using Picograd.Autograd;

namespace Picograd.Calls;

/// <summary>
/// The gradients of some inputs of an operator, NAME.adjoint: its algorithm is derived from that of NAME, and so is what it reads
/// (inputs of NAME, its result, the gradient of that).
/// </summary>
internal sealed class AdjointOperator : Operator
{
    private readonly Operator _inner;
    private readonly int _wanted;
    private Source[] _sources = [];
    private bool _broadcasts;

    // What an operand is: an input of the operator, its result, or the gradient of that.
    private sealed record Source(DerivedRole Role, int Operand);

    /// <param name="inner">The operator.</param>
    /// <param name="wanted">A bit for each input whose gradient is computed.</param>
    public AdjointOperator(Operator inner, int wanted)
        : base(inner.Name + AdjointOperators.Suffix, $"{inner.Attributes} {Wanted(inner, wanted)}", derives: true)
    {
        _inner = inner;
        _wanted = wanted;
    }

    /// <summary>What the operator has to keep for its gradients.</summary>
    public Saves Saves
    {
        get
        {
            _ = Words;
            var saves = Saves.Nothing;
            foreach (var (role, operand) in _sources)
                saves |=
                    role == DerivedRole.Input ? (Saves)(1 << operand)
                    : role == DerivedRole.Output ? Saves.Output
                    : Saves.Nothing;
            return saves;
        }
    }

    /// <summary>Sends a node's inputs their gradients.</summary>
    /// <param name="op">The operator that the node is of.</param>
    /// <param name="node">What was recorded.</param>
    /// <param name="grad">The gradient of its result.</param>
    public static void Send(Operator op, Node node, Tensor grad)
    {
        int wanted = 0;
        for (int i = 0; i < op.Words.Inputs; i++)
            wanted |= node.Needs(i) ? 1 << i : 0;
        // What is recorded has one result.
        while (GradMode.Enabled && BitOperations.PopCount((uint)wanted) > 1)
        {
            op.Adjoint(wanted & -wanted).Send(node, grad);
            wanted &= wanted - 1;
        }
        op.Adjoint(wanted).Send(node, grad);
    }

    [SkipLocalsInit]
    private void Send(Node node, Tensor grad)
    {
        var call = new OpCall(this, stackalloc long[OpCall.MostWords]);
        foreach (var source in _sources)
            call.In(Read(source, node, grad));
        int first = call.Operands;
        for (int left = _wanted; left != 0; left &= left - 1)
        {
            var shape = _broadcasts ? grad.Layout : node.Shape(BitOperations.TrailingZeroCount(left));
            call.Place(Tensor.AllocateLike(shape, grad.DType, grad.Runtime));
        }
        call.RunInto();
        if (GradMode.Enabled)
            Record(call[first]!, node, grad);
        for (int left = _wanted; left != 0; left &= left - 1)
            node.Send(BitOperations.TrailingZeroCount(left), call[first++]!);
    }

    // Operands that repeat are written out, since gradients are added up beside.
    private Tensor Read(Source source, Node node, Tensor grad) =>
        source.Role switch
        {
            DerivedRole.Input when _broadcasts => node.Saved(source.Operand).ExpandTo(grad.Layout),
            DerivedRole.Input => node.Saved(source.Operand),
            DerivedRole.Output => node.Output,
            _ => grad,
        };

    private void Record(Tensor result, Node node, Tensor grad)
    {
        var read = new Tensor[_sources.Length];
        for (int i = 0; i < read.Length; i++)
            read[i] = Read(_sources[i], node, grad);
        if (!read.Any(Tensor.Records))
            return;
        if (read.Length > Node.MostInputs)
            result.SetNode(Node.OfManySaved(Rule!, read));
        else
            result.Record(Rule!, read[0], read.ElementAtOrDefault(1), read.ElementAtOrDefault(2));
    }

    protected override OperatorWords Describe()
    {
        var definition =
            OperatorLibrary.Find(Name)
            ?? throw new InvalidOperationException(
                $"Backward: there is no operator {Name}; derivatives of operators go up to number {AdjointOperators.MostTimes}."
            );
        // What is read depends on the operator, and not on sizes.
        var derived = AdjointOperators.Roles(OperatorSpec.Parse($"{definition.Example} {Attributes}"));
        var inner = _inner.Words;
        int Place(DerivedInput input) =>
            input.Role == DerivedRole.Input
                ? Array.FindIndex(inner.Operands, o => o.Shape.Name == input.Of.Name)
                : inner.Inputs;
        _sources = [.. derived.Inputs.Select(i => new Source(i.Role, Place(i)))];
        // Of operands that broadcast it is called for as many elements of each.
        _broadcasts = inner.Form == OperandForm.Broadcast;
        OperandShape Shape(OperandShape shape, string name) =>
            _broadcasts
                ? shape with
                {
                    Name = name,
                    Shape = "n..",
                    Dims = [new("n", 0, Many: true, Optional: false, null)],
                }
                : shape with
                {
                    Name = name,
                };
        return new OperatorWords(
            definition,
            Id,
            Attributes,
            OperatorSignature.Of(
                _sources.Zip(
                    derived.Inputs,
                    (source, input) => Shape(inner.Operands[source.Operand].Shape, input.Buffer.Name)
                ),
                derived.Outputs.Zip(
                    derived.Algorithm.Outputs,
                    (of, output) => Shape(inner.Operands.First(o => o.Shape.Name == of.Name).Shape, output.Name)
                )
            )
        );
    }

    // wrt=…, wrt2=…, by how many times it is a gradient; nothing where all are wanted.
    private static string Wanted(Operator inner, int wanted)
    {
        if (wanted == inner.Floats)
            return "";
        int times = inner.Name.Split(AdjointOperators.Suffix).Length;
        var names = inner.Words.Operands.Where((_, i) => (wanted >> i & 1) != 0).Select(o => o.Shape.Name);
        return $"wrt{(times == 1 ? "" : times)}={string.Join(',', names)}";
    }
}
