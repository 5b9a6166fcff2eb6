using Picograd.Algorithms;
using Picograd.Algorithms.Adjoints;
using Picograd.Algorithms.Operators;
using Picograd.Dispatch;

namespace Picograd.Calls;

/// <summary>
/// The gradients of some inputs of an operator, NAME.adjoint: its algorithm is derived from that of NAME, and so is what it reads
/// (inputs of NAME, outputs, the gradient of one).
/// </summary>
internal sealed class AdjointOperator : Operator
{
    private readonly Operator _inner;
    private readonly int _wanted;
    private readonly int _output;
    private GradientSource[] _sources = [];
    private DerivedAlgorithm? _roles;

    /// <param name="inner">The operator.</param>
    /// <param name="wanted">A bit for each input whose gradient is computed.</param>
    /// <param name="output">The output whose gradient is given.</param>
    public AdjointOperator(Operator inner, int wanted, int output)
        : base(
            inner.Name + AdjointOperators.Suffix,
            inner.Attributes + Wanted(inner, wanted) + Given(inner, output),
            derives: true
        ) => (_inner, _wanted, _output) = (inner, wanted, output);

    /// <summary>Whether it has no more operands than a call may have.</summary>
    public bool Fits => Roles.Inputs.Length + Roles.Outputs.Length <= OpCall.MostOperands;

    // What is read depends on the operator, and not on sizes.
    private DerivedAlgorithm Roles => _roles ??= AdjointOperators.Roles(ExampleOf(Definition));

    private OperatorDefinition Definition =>
        OperatorLibrary.Find(Name)
        ?? throw new InvalidOperationException(
            $"Backward: there is no operator {Name}; derivatives of operators go up to number {AdjointOperators.MostTimes}."
        );

    public GradientSource[] Sources
    {
        get
        {
            _ = Words;
            return _sources;
        }
    }

    protected override OperatorWords Describe()
    {
        var derived = Roles;
        if (derived.Inputs.Length + derived.Outputs.Length is > OpCall.MostOperands and var count)
            throw new InvalidOperationException(
                $"Backward: {Name} reads and writes {count} tensors, and an operator may {OpCall.MostOperands}; ask for the gradients of "
                    + "fewer inputs at a time, or differentiate fewer times."
            );
        var operands = _inner.Words.Operands;
        int Place(string name) => Array.FindIndex(operands, o => o.Shape.Name == name);
        _sources = [.. derived.Inputs.Select(i => new GradientSource(i.Role, Place(i.Of.Name)))];
        return new OperatorWords(
            Definition,
            Id,
            Attributes,
            OperatorSignature.Of(
                derived.Inputs.Select(i => operands[Place(i.Of.Name)].Shape with { Name = i.Buffer.Name }),
                derived.Outputs.Select(
                    (of, i) => operands[Place(of.Name)].Shape with { Name = derived.Algorithm.Outputs[i].Name }
                ),
                _inner.Words.Form
            )
        );
    }

    protected internal override Algorithm? Over(Func<string, long> size, DType type)
    {
        if (_inner.Over(size, type) is not { } inner)
            return null;
        var operands = _inner.Words.Operands;
        var wanted = inner
            .Inputs.Where(b => (_wanted >> Array.FindIndex(operands, o => o.Shape.Name == b.Name) & 1) != 0)
            .ToList();
        return wanted.Count > 0 && _inner.OutputOf(inner, _output) is { } given
            ? Adjoint.Of(inner, wanted, [given]).Algorithm
            : null;
    }

    // The example with the attributes that are no sizes.
    private OperatorSpec ExampleOf(OperatorDefinition definition)
    {
        var pairs = new Dictionary<string, string>();
        foreach (string text in new[] { definition.Example[definition.Name.Length..], Attributes })
        {
            bool isExample = pairs.Count == 0;
            foreach (string pair in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                string[] parts = pair.Split('=');
                var kind = definition.Keys.First(k => k.Name == parts[0]).Kind;
                if (isExample || kind is not (KeyKind.Dimension or KeyKind.List))
                    pairs[parts[0]] = parts[1];
            }
        }
        return OperatorSpec.Of(definition.Name, [.. pairs.Select(p => (p.Key, p.Value))]);
    }

    // wrt=…, wrt2=…, by how many times it is a gradient; nothing where all are wanted.
    private static string Wanted(Operator inner, int wanted) =>
        wanted == inner.Floats ? "" : $" wrt{Times(inner)}={Names(inner, i => (wanted >> i & 1) != 0)}";

    private static string Given(Operator inner, int output) =>
        inner.Words.Outputs == 1 ? "" : $" of{Times(inner)}={Names(inner, i => i == inner.Words.Inputs + output)}";

    private static string Times(Operator inner) =>
        inner.Name.Split(AdjointOperators.Suffix).Length is > 1 and var times ? $"{times}" : "";

    private static string Names(Operator inner, Func<int, bool> which) =>
        string.Join(',', inner.Words.Operands.Where((_, i) => which(i)).Select(o => o.Shape.Name));
}
