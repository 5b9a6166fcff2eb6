using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Autograd;

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

    private Rule? _rule = rule;
    private OperatorWords? _words;
    private AdjointOperator?[] _adjoints = [];

    public string Name { get; } = name;

    /// <summary>What is the same in every call, as text.</summary>
    public string Attributes { get; } = attributes;

    /// <summary>What messages call it.</summary>
    public string Title { get; init; } = name;

    /// <summary>Its derivative; null where it has none.</summary>
    public Rule? Rule => _rule ?? (derives ? _rule = Derived() : null);

    /// <summary>First part of the words of its calls.</summary>
    public int Id { get; } = Interlocked.Increment(ref s_next);

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

    /// <summary>The operator of the gradients of some inputs, which have a bit each.</summary>
    public AdjointOperator Adjoint(int wanted)
    {
        var known = _adjoints;
        if (wanted < known.Length && known[wanted] is { } made)
            return made;
        var all = new AdjointOperator?[1 << Words.Inputs];
        known.CopyTo(all, 0);
        made = all[wanted] = new AdjointOperator(this, wanted);
        _adjoints = all;
        return made;
    }

    protected virtual OperatorWords Describe()
    {
        var definition =
            OperatorLibrary.Find(Name) ?? throw new InvalidOperationException(OperatorLibrary.Unknown(Name));
        string operands =
            definition.Operands ?? throw new InvalidOperationException($"{Name} does not declare its operands.");
        return new OperatorWords(definition, Id, Attributes, OperatorSignature.Parse(operands));
    }

    // By its adjoint; what is saved is what that of all inputs reads.
    private Rule Derived() =>
        new(Name, () => Adjoint(Floats).Saves, (node, grad) => AdjointOperator.Send(this, node, grad));
}
