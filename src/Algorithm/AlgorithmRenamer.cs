using System.Collections.Immutable;

namespace Picograd.Algorithms;

/// <summary>The same algorithm under other names, which are given by position.</summary>
public static class AlgorithmRenamer
{
    /// <summary>
    /// A copy with new buffers, axes and parameters. Outputs of a stage are called as the stage, those of a
    /// tuple-valued one stage.0, stage.1, ….
    /// </summary>
    /// <param name="algorithm">Not changed.</param>
    /// <param name="parameters">A name for each parameter.</param>
    /// <param name="inputs">A name for each input.</param>
    /// <param name="stages">For each stage its name and one name an axis.</param>
    /// <exception cref="ArgumentException">The number of names differs from what there is to name.</exception>
    public static Algorithm Rename(
        Algorithm algorithm,
        IReadOnlyList<string> parameters,
        IReadOnlyList<string> inputs,
        IReadOnlyList<(string Name, ImmutableArray<string> Axes)> stages
    )
    {
        Same(algorithm, "parameters", algorithm.Parameters.Length, parameters.Count);
        Same(algorithm, "inputs", algorithm.Inputs.Length, inputs.Count);
        Same(algorithm, "stages", algorithm.Stages.Length, stages.Count);
        var vars = new Dictionary<Var, Expr>();
        var buffers = new Dictionary<Buffer, Buffer>();
        var newParameters = algorithm
            .Parameters.Select((p, i) => p with { Var = Fresh(p.Var, parameters[i], vars) })
            .ToImmutableArray();
        foreach (var (input, i) in algorithm.Inputs.Select((b, i) => (b, i)))
            Copy(input, inputs[i]);
        var newStages = ImmutableArray.CreateBuilder<Stage>();
        foreach (var (stage, i) in algorithm.Stages.Select((s, i) => (s, i)))
        {
            var (name, axisNames) = stages[i];
            Same(algorithm, $"axes of stage {stage.Name}", stage.Axes.Length, axisNames.Length);
            // An Axis may serve several stages, each of which names it by itself.
            var local = new Dictionary<Var, Expr>(vars);
            var axes = stage
                .Axes.Select((a, n) => a with { Var = Fresh(a.Var, axisNames[n], local), Extent = Map(a.Extent, vars) })
                .ToImmutableArray();
            for (int o = 0; o < stage.Outputs.Length; o++)
                Copy(stage.Outputs[o], stage.Outputs.Length == 1 ? name : $"{name}.{o}");
            newStages.Add(
                stage with
                {
                    Name = name,
                    Axes = axes,
                    Outputs = [.. stage.Outputs.Select(o => buffers[o])],
                    Indices = [.. stage.Indices.Select(e => Map(e, local))],
                    Values = [.. stage.Values.Select(e => Map(e, local))],
                    Initial = stage.Initial is null ? null : buffers[stage.Initial],
                }
            );
        }
        return new Algorithm(
            algorithm.Name,
            newParameters,
            [.. algorithm.Inputs.Select(b => buffers[b])],
            [.. algorithm.Outputs.Select(b => buffers[b])],
            newStages.ToImmutable()
        );

        void Copy(Buffer old, string name) =>
            buffers[old] = new(
                name,
                old.Type,
                [.. old.Shape.Select(e => Map(e, vars))],
                old.Scope,
                old.Strides,
                old.Swizzle,
                old.Pitches.IsDefault ? default : [.. old.Pitches.Select(e => Map(e, vars))]
            );

        Expr Map(Expr e, Dictionary<Var, Expr> scope) =>
            e.Map(node =>
                node switch
                {
                    Var v => scope[v],
                    Load l => new Load(buffers[l.Buffer], [.. l.Indices.Select(i => Map(i, scope))]),
                    _ => null,
                }
            );
    }

    private static Var Fresh(Var old, string name, Dictionary<Var, Expr> vars)
    {
        var fresh = new Var(name);
        vars[old] = fresh;
        return fresh;
    }

    private static void Same(Algorithm algorithm, string what, int have, int given)
    {
        if (have != given)
            throw new ArgumentException($"{algorithm.Name} has {have} {what}, and {given} names are given");
    }
}
