using Picograd.Algorithms;
using Picograd.Algorithms.Adjoints;
using Picograd.Algorithms.Operators;

namespace Picograd.Calls;

/// <summary>An operator of a program's own: what it is given is checked, and its gradient may be another of its kind.</summary>
/// <param name="definition">What it computes.</param>
/// <param name="gradient">Its gradient by hand, checked; null to derive it.</param>
internal sealed class OwnOperator(CustomDefinition definition, OwnOperator? gradient)
    : Operator(definition.Definition.Name, derives: gradient is null)
{
    private readonly OperatorSignature _signature = definition.Signature;

    /// <summary>Inputs as it takes them: functions of elements have theirs in one dtype.</summary>
    /// <exception cref="ArgumentException">They do not fit its signature.</exception>
    public Tensor[] Fitting(ReadOnlySpan<Tensor> inputs)
    {
        var operands = _signature.Inputs;
        if (inputs.Length != operands.Length)
            throw new ArgumentException(
                $"{Name}: {inputs.Length} inputs were given, but it has {operands.Length}: {definition.Definition.Operands}."
            );
        Tensor[] given = [.. inputs];
        int missing = Array.IndexOf(given, null);
        if (missing >= 0)
            throw new ArgumentNullException(nameof(inputs), $"{Name}: input {operands[missing].Name} is null.");
        if (_signature.Form == OperandForm.Broadcast)
        {
            var type = Promotion.Float(Promotion.Of(given));
            return Array.ConvertAll(given, t => t.To(type));
        }
        DType? common = null;
        for (int i = 0; i < given.Length; i++)
        {
            var (operand, input) = (operands[i], given[i]);
            bool typed = DTypes.Parse(operand.Type) is not null;
            var wanted = DTypes.Parse(operand.Type) ?? (common ??= input.DType);
            bool takes = typed || definition.Types.Contains(wanted);
            if (input.DType != wanted || !takes)
                throw new ArgumentException(
                    $"{Name}: {operand.Name} is {input.DType.Name()}, but must be {(takes ? wanted.Name() : string.Join(" or ", definition.Types.Select(t => t.Name())))}; convert it with To()."
                );
            bool many = operand.Dims.Any(d => d.Many);
            int rank = operand.Dims.Length - (many ? 1 : 0);
            if (many ? input.Rank < rank : input.Rank != rank)
                throw new ArgumentException(
                    $"{Name}: {operand.Name} has the shape {input.Layout}, but must have {rank} dimensions{(many ? " or more" : "")}: {definition.Definition.Operands}."
                );
        }
        RequireIndices(given);
        return given;
    }

    /// <summary>Looks at the inputs whose elements are indices: kernels do not.</summary>
    /// <exception cref="IndexOutOfRangeException">An index is out of range; names it and its place.</exception>
    public void RequireIndices(ReadOnlySpan<Tensor> inputs)
    {
        if (definition.Indices.IsEmpty)
            return;
        var sizes = new Dictionary<string, long>();
        for (int i = 0; i < inputs.Length; i++)
        {
            var (dims, shape) = (_signature.Inputs[i].Dims, inputs[i].Layout.Sizes);
            for (int d = 0, at = 0; d < dims.Length; d++)
            {
                int many = dims[d].Many ? shape.Length - dims.Length + 1 : 1;
                long size = 1;
                for (; many > 0; many--)
                    size *= shape[at++];
                sizes[dims[d].Key] = size;
            }
        }
        foreach (var index in definition.Indices)
            IndexCheck.Places(
                $"{Name}: {_signature.Inputs[index.Input].Name}",
                inputs[index.Input],
                index.Limit(d => sizes[d]),
                wrap: false
            );
    }

    /// <summary>Whether there are inputs whose elements are indices.</summary>
    public bool HasIndices => !definition.Indices.IsEmpty;

    protected override Gradient MakeGradient(int wanted, int output)
    {
        if (gradient is not { } hand)
            return base.MakeGradient(wanted, output);
        return new(
            this,
            output,
            [new(hand, [.. hand._signature.Outputs.Select(o => SourceOf(_signature, o.Name)!.Operand)])],
            [.. hand._signature.Inputs.Select(i => SourceOf(_signature, i.Name)!)]
        );
    }

    protected internal override Algorithm? Over(Func<string, long> size, DType type) =>
        definition.Build?.Invoke(size, type);

    /// <summary>Whether one operator can be the gradient of another.</summary>
    /// <exception cref="ArgumentException">It reads or computes what is neither an operand nor a gradient of one.</exception>
    public static void CheckGradient(CustomDefinition of, CustomDefinition hand)
    {
        var (name, by) = (of.Definition.Name, hand.Definition.Name);
        foreach (var input in hand.Signature.Inputs)
        {
            if (SourceOf(of.Signature, input.Name) is not { } source || IsGradientOfInput(of.Signature, source))
                throw new ArgumentException(
                    $"{name}: the gradient {by} reads {input.Name}, which is no operand of {of.Definition.Operands} and no gradient of an output (a d in front of its name)"
                );
        }
        foreach (var output in hand.Signature.Outputs)
        {
            if (SourceOf(of.Signature, output.Name) is not { } source || !IsGradientOfInput(of.Signature, source))
                throw new ArgumentException(
                    $"{name}: the gradient {by} computes {output.Name}, which is no gradient of an input of {of.Definition.Operands} (a d in front of its name)"
                );
        }
    }

    private static bool IsGradientOfInput(OperatorSignature of, GradientSource source) =>
        source.Role == DerivedRole.Gradient && source.Operand < of.Inputs.Length;

    // What a name in the signature of a gradient by hand means; null for nothing.
    private static GradientSource? SourceOf(OperatorSignature of, string name)
    {
        int Place(string operand) => of.Inputs.Concat(of.Outputs).ToList().FindIndex(o => o.Name == operand);
        if (Place(name) is >= 0 and var at)
            return new(at < of.Inputs.Length ? DerivedRole.Input : DerivedRole.Output, at);
        return name.StartsWith('d') && Place(name[1..]) is >= 0 and var with ? new(DerivedRole.Gradient, with) : null;
    }
}
