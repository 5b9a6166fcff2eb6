using System.Collections.Immutable;

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

    public Stage StageOf(Buffer output) =>
        Stages.FirstOrDefault(s => s.Outputs.Contains(output))
        ?? throw new ArgumentException($"{output.Name} is not the output of a stage of {Name}");

    /// <summary>Range of each symbolic extent, for simplification.</summary>
    public ImmutableDictionary<Var, Interval> ParameterRanges =>
        Parameters.ToImmutableDictionary(p => p.Var, p => new Interval(p.Min, p.Max));

    public override string ToString() => AlgorithmPrinter.Print(this);
}
