using System.Collections.Immutable;
using Picograd.Algorithms.Text;

namespace Picograd.Algorithms;

/// <summary>
/// What is computed: a DAG of stages from input buffers to output buffers, in an order in which each stage comes after
/// those that it reads. Knows nothing of loops, threads or memory. Made by <see cref="AlgorithmBuilder"/>.
/// </summary>
public sealed class Algorithm
{
    internal Algorithm(
        string name,
        ImmutableArray<Parameter> parameters,
        ImmutableArray<Buffer> inputs,
        ImmutableArray<Buffer> outputs,
        ImmutableArray<Stage> stages
    )
    {
        Name = name;
        Parameters = parameters;
        Inputs = inputs;
        Outputs = outputs;
        Stages = stages;
    }

    public string Name { get; }

    public ImmutableArray<Parameter> Parameters { get; }

    public ImmutableArray<Buffer> Inputs { get; }

    public ImmutableArray<Buffer> Outputs { get; }

    public ImmutableArray<Stage> Stages { get; }

    /// <summary>Calling convention of every kernel of this algorithm: inputs, then outputs.</summary>
    public ImmutableArray<Buffer> Arguments => [.. Inputs, .. Outputs];

    /// <summary>The input whose memory an output takes over, changed in place; null for an output of its own.</summary>
    public Buffer? ReplacedBy(Buffer output) =>
        Stages.FirstOrDefault(s => s.InPlace && s.Outputs.Contains(output))?.Initial;

    /// <summary>The same with other inputs, all that it reads among them: callers give what it does not read as well.</summary>
    internal Algorithm WithInputs(ImmutableArray<Buffer> inputs) => new(Name, Parameters, inputs, Outputs, Stages);

    /// <summary>
    /// The same with other arguments: of a program that makes something its stages only read, or is given what another made.
    /// </summary>
    public Algorithm WithArguments(ImmutableArray<Buffer> inputs, ImmutableArray<Buffer> outputs) =>
        new(Name, Parameters, inputs, outputs, Stages);

    public Stage StageOf(Buffer output) =>
        Stages.FirstOrDefault(s => s.Outputs.Contains(output))
        ?? throw new ArgumentException($"{output.Name} is not the output of a stage of {Name}");

    /// <summary>Range of each symbolic extent, for simplification.</summary>
    public IReadOnlyDictionary<Var, Interval> ParameterRanges
    {
        get
        {
            var ranges = new Dictionary<Var, Interval>();
            foreach (var p in Parameters)
                ranges.Add(p.Var, new Interval(p.Min, p.Max));
            return ranges;
        }
    }

    /// <summary>
    /// The same with values for the symbolic extents, and what becomes of each buffer. Names, expressions and their order stay.
    /// </summary>
    /// <param name="extents">Values of <see cref="Parameters"/>, in order.</param>
    /// <exception cref="ArgumentException">Not one value each, or one out of its parameter's range.</exception>
    public (Algorithm Algorithm, IReadOnlyDictionary<Buffer, Buffer> Buffers) WithExtents(IReadOnlyList<long> extents)
    {
        if (extents.Count != Parameters.Length)
            throw new ArgumentException($"{Name} has {Parameters.Length} symbolic extents, {extents.Count} were given");
        var values = new Dictionary<Var, Expr>();
        for (int i = 0; i < extents.Count; i++)
        {
            var p = Parameters[i];
            if (extents[i] < p.Min || extents[i] > p.Max)
                throw new ArgumentException($"{p.Name} is {extents[i]}, but lies between {p.Min} and {p.Max}");
            values[p.Var] = extents[i];
        }
        var none = new Dictionary<Var, Interval>();
        var buffers = new Dictionary<Buffer, Buffer>();
        Buffer Sized(Buffer b)
        {
            if (!buffers.TryGetValue(b, out var sized))
            {
                ImmutableArray<Expr> Constants(ImmutableArray<Expr> exprs) =>
                    [.. exprs.Select(e => Simplifier.Simplify(e.Substitute(values), none))];
                ImmutableArray<long>? strides = b.Pitches.IsDefault
                    ? null
                    : [.. Constants(b.Pitches).Select(e => ((IntImm)e).Value)];
                buffers[b] = sized = b.With(shape: Constants(b.Shape), strides: strides);
            }
            return sized;
        }
        Expr Fixed(Expr e) =>
            Simplifier.Simplify(
                e.Map(n =>
                    n switch
                    {
                        Var v => values.GetValueOrDefault(v),
                        Load l => new Load(Sized(l.Buffer), [.. l.Indices.Select(Fixed)]),
                        _ => null,
                    }
                ),
                none
            );
        var algorithm = new Algorithm(
            Name,
            [],
            [.. Inputs.Select(Sized)],
            [.. Outputs.Select(Sized)],
            [
                .. Stages.Select(s =>
                    s with
                    {
                        Axes = [.. s.Axes.Select(a => a with { Extent = Fixed(a.Extent) })],
                        Outputs = [.. s.Outputs.Select(Sized)],
                        Indices = [.. s.Indices.Select(Fixed)],
                        Values = [.. s.Values.Select(Fixed)],
                        Initial = s.Initial is null ? null : Sized(s.Initial),
                    }
                ),
            ]
        );
        return (algorithm, buffers);
    }

    /// <summary>Its text: see <see cref="AlgorithmText"/>.</summary>
    public override string ToString() => AlgorithmText.Print(this);
}
