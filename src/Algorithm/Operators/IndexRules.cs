using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>An input of an algorithm whose elements are indices as they are, so that each must be from 0 up to a limit, exclusive.</summary>
/// <param name="Input">Its place among the inputs.</param>
/// <param name="Limit">In terms of the algorithm's parameters.</param>
public sealed record IndexInput(int Input, Expr Limit);

/// <summary>
/// Whether an algorithm that somebody else wrote stays within its buffers: kernels do not check. Places that follow from axes and
/// sizes are proven, or evaluated; places that follow from data must be in range whatever the data are, or be elements of an
/// input, which are looked at before a kernel runs.
/// </summary>
internal sealed class IndexRules
{
    private readonly Algorithm _algorithm;
    private readonly LoopRanges _ranges;
    private readonly Dictionary<Buffer, Expr?> _held = [];
    private readonly Dictionary<Load, Var> _elements = [];
    private readonly List<IndexInput> _inputs = [];
    private readonly HashSet<(Expr, bool)> _met = [];

    private readonly Func<Buffer, InputDomain?> _domain;
    private readonly Dictionary<Var, IndexInput> _declared = [];
    private readonly Dictionary<Var, long> _above = [];

    private IndexRules(Algorithm algorithm, Func<Buffer, InputDomain?> domain)
    {
        (_algorithm, _domain) = (algorithm, domain);
        _ranges = new(algorithm.Parameters.Select(p => KeyValuePair.Create(p.Var, new Interval(p.Min, p.Max))));
        foreach (var stage in algorithm.Stages)
            Visit(stage);
    }

    /// <summary>Sizes that have to be as large, or about as large, for places beside indices of declared domains to be in range.</summary>
    public IReadOnlyDictionary<Var, long> Above => _above;

    /// <summary>Inputs whose elements are indices, each limit once.</summary>
    public ImmutableArray<IndexInput> Inputs => [.. _inputs.Distinct()];

    /// <summary>Whether all other places are in range for all sizes that the parameters allow; else evaluating tells.</summary>
    public bool AreProven { get; private set; } = true;

    /// <summary>What an algorithm's indices ask for.</summary>
    /// <param name="algorithm">The algorithm.</param>
    /// <param name="domain">
    /// What an input was declared to hold: indices below a limit are proven with, and so are looked at in each call.
    /// </param>
    /// <exception cref="ArgumentException">A place depends on data and may be anywhere; names stage, buffer and index.</exception>
    public static IndexRules Of(Algorithm algorithm, Func<Buffer, InputDomain?> domain) => new(algorithm, domain);

    private void Visit(Stage stage)
    {
        foreach (var axis in stage.Axes)
            _ranges.Enter(axis.Var, axis.Extent);
        for (int d = 0; stage.Kind == StageKind.Scatter && d < stage.Indices.Length; d++)
            Require(stage, stage.Output, d, stage.Indices[d], chosen: false);
        foreach (var e in stage.Indices.Concat(stage.Values))
            Visit(stage, e, chosen: false);
        for (int i = 0; i < stage.Outputs.Length; i++)
            _held[stage.Outputs[i]] = Held(stage, i);
        foreach (var axis in stage.Axes)
            _ranges.Leave(axis.Var);
    }

    // Below what a stage's integers stay, from 0 on: those of places. Null where that is not known.
    private Expr? Held(Stage stage, int output)
    {
        bool isOneOfThem =
            stage.Kind == StageKind.Map
            || (stage.Kind == StageKind.Reduce && stage.Reducer!.Name is "argmax" or "argmin");
        return
            isOneOfThem
            && stage.Values[output].Type == DTypes.Index
            && WithoutData(stage.Values[output]) is var value
            && IsNotNegative(value)
            ? value is Var variable && stage.Axes.FirstOrDefault(a => a.Var == variable) is { } axis
                ? axis.Extent
                : Interval.Of(value, _ranges) is { IsBounded: true, Max: var most }
                    ? most + 1
                    : null
            : null;
    }

    // Chosen: whether a condition stands before it.
    private void Visit(Stage stage, Expr e, bool chosen)
    {
        if (!_met.Add((e, chosen)))
            return;
        switch (e)
        {
            case Load load:
                for (int d = 0; d < load.Indices.Length; d++)
                    Require(stage, load.Buffer, d, load.Indices[d], chosen);
                break;
            case Select select:
                Visit(stage, select.Cond, chosen);
                Visit(stage, select.Then, chosen: true);
                Visit(stage, select.Else, chosen: true);
                return;
            case Binary { Kind: BinaryOp.And or BinaryOp.Or } both:
                Visit(stage, both.A, chosen);
                Visit(stage, both.B, chosen: true);
                return;
        }
        foreach (var child in e.Children())
            Visit(stage, child, chosen);
    }

    private void Require(Stage stage, Buffer buffer, int dim, Expr index, bool chosen)
    {
        var extent = buffer.Shape[dim];
        var place = WithoutData(Op.Cast(DTypes.Index, index));
        var declared = place.FreeVars().Where(_declared.ContainsKey).Select(v => _declared[v]).ToList();
        if (IsNotNegative(place) && IsBelow(place, extent))
        {
            _inputs.AddRange(declared);
            return;
        }
        if (chosen || index.Loads().Count == 0)
        {
            AreProven = false;
            return;
        }
        var element = index;
        while (element is Cast { To: DType.Int64, A.Type: var narrow } wider && narrow.IsInteger())
            element = wider.A;
        if (
            element is Load { Type: var type } load
            && type.IsInteger()
            && _algorithm.Inputs.IndexOf(load.Buffer) is >= 0 and var input
        )
        {
            _inputs.Add(new(input, extent));
            return;
        }
        // Of sizes that are not known yet: each instance has to be proven by itself.
        if (declared.Count > 0 && declared.Count == index.Loads().Count && _algorithm.Parameters.Length > 0)
        {
            foreach (var size in extent.FreeVars())
                _above[size] = Math.Max(_above.GetValueOrDefault(size), declared.Max(d => ((IntImm)d.Limit).Value));
            _inputs.AddRange(declared);
            AreProven = false;
            return;
        }
        throw new ArgumentException(
            $"{_algorithm.Name}: stage {stage.Name} has the index {index} into dimension {dim} of {buffer.Name}, which depends on data and may be anywhere{(declared.Count > 0 ? $" up to {Interval.Of(place, _ranges).Max} of {extent}" : "")}; "
                + "bring it into range (Op.Mod, or Op.Max and Op.Min), choose by a condition on it (Op.Select), declare what the input holds (InputDomain.Index), or take an element of an integer input as it is, which is checked in each call"
        );
    }

    private bool IsNotNegative(Expr place) =>
        Interval.Of(place, _ranges).Min >= 0 || Simplifier.Proves(Op.Le(0, place), _ranges);

    private bool IsBelow(Expr place, Expr extent) =>
        place switch
        {
            Binary { Kind: BinaryOp.Mod } b when b.B == extent => true,
            Binary { Kind: BinaryOp.Min } b when IsBelow(b.A, extent) || IsBelow(b.B, extent) => true,
            Binary { Kind: BinaryOp.Max } b => IsBelow(b.A, extent) && IsBelow(b.B, extent),
            _ => Simplifier.Proves(Op.Lt(place, extent), _ranges),
        };

    // With a variable of a known range for each element that is read.
    private Expr WithoutData(Expr e) =>
        e switch
        {
            Load load => Element(load),
            Binary or Unary or Cast or Select => e.WithChildren(WithoutData),
            _ => e,
        };

    private Expr Element(Load load)
    {
        if (!load.Type.IsInteger())
            return load;
        if (!_elements.TryGetValue(load, out var element))
        {
            element = new Var($"element{_elements.Count}");
            _elements.Add(load, element);
            if (_held.GetValueOrDefault(load.Buffer) is { } limit)
                _ranges.Enter(element, limit);
            else if (
                _domain(load.Buffer) is { Kind: DomainKind.Index, Limit: var most }
                && _algorithm.Inputs.IndexOf(load.Buffer) is >= 0 and var input
            )
            {
                _ranges[element] = new Interval(0, most - 1);
                _declared[element] = new(input, most);
            }
            else
                _ranges[element] = Interval.Of(load, _ranges);
        }
        return Op.Cast(load.Type, element);
    }
}
