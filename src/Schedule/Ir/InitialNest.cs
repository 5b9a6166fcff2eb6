using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Ir;

/// <summary>The nest to start from: one root nest a stage, loops named stage.axis in the order of the axes.</summary>
public static class InitialNest
{
    public static LoopNest Of(Algorithm algorithm)
    {
        var outputs = algorithm.Outputs.ToHashSet();
        var intermediates = algorithm
            .Stages.SelectMany(s => s.Outputs)
            .Where(b => !outputs.Contains(b))
            .ToDictionary(b => b, b => b.With(scope: Scope.Heap));
        Stmt body = Seq.Of(algorithm.Stages.SelectMany(s => Roots(s, algorithm.ParameterRanges)));
        foreach (var (old, heap) in intermediates)
            body = body.ReplaceBuffer(old, heap);
        return new LoopNest(algorithm, body, [.. intermediates.Values], ImmutableDictionary<string, string>.Empty, []);
    }

    private static IEnumerable<Stmt> Roots(Stage stage, IReadOnlyDictionary<Var, Interval> parameters)
    {
        switch (stage.Kind)
        {
            // A sum over nothing still writes its identity, which no iteration would do.
            case StageKind.Reduce when stage.ReduceAxes.Any(a => a.Extent.IsConst(0)):
                yield return Root(stage.Name, stage.SpatialAxes, stage.Outputs, stage.Indices, stage.Reducer!.Identity);
                break;
            // Nor one over what may be nothing.
            case StageKind.Reduce when stage.ReduceAxes.Any(a => Interval.Of(a.Extent, parameters).Min <= 0):
                yield return Root(
                    InitName(stage),
                    stage.SpatialAxes,
                    stage.Outputs,
                    stage.Indices,
                    stage.Reducer!.Identity
                );
                yield return Root(stage.Name, stage.Axes, stage.Outputs, stage.Indices, stage.Values, stage.Reducer);
                break;
            case StageKind.Map:
                yield return Root(stage.Name, stage.Axes, stage.Outputs, stage.Indices, stage.Values);
                break;
            case StageKind.Reduce:
                yield return Root(
                    stage.Name,
                    stage.Axes,
                    stage.Outputs,
                    stage.Indices,
                    stage.Values,
                    stage.Reducer,
                    true
                );
                break;
            case StageKind.Scatter:
                var axes = stage.Output.Shape.Select((extent, d) => new Axis($"d{d}", extent)).ToImmutableArray();
                ImmutableArray<Expr> place = [.. axes.Select(a => (Expr)a.Var)];
                var start = stage.Initial is null ? stage.Reducer!.Identity[0] : stage.Initial.At(place);
                if (!stage.InPlace)
                    yield return Root(InitName(stage), axes, stage.Outputs, place, [start]);
                // To assign is to store; its axes are ordered.
                var combine = stage.Reducer!.IsLast ? null : stage.Reducer;
                yield return Root(stage.Name, stage.Axes, stage.Outputs, stage.Indices, stage.Values, combine);
                break;
            case StageKind.Scan:
                var along = stage.Axes.Single(a => a.Kind == AxisKind.Ordered).Var;
                var before = stage.Output.At([.. stage.Indices.Select(i => i.Substitute(along, along - 1))]);
                var value = stage.Values[0];
                var next = Op.Select(Op.Eq(along, 0), value, stage.Reducer!.Combine([before], [value])[0]);
                yield return Root(stage.Name, stage.Axes, stage.Outputs, stage.Indices, [next]);
                break;
            default:
                throw new InvalidOperationException($"stage kind {stage.Kind} has no initial nest");
        }
    }

    /// <summary>The name of the block that writes what is there before a stage's own block.</summary>
    internal static string InitName(Stage stage) => stage.Name + ".init";

    /// <summary>The name of the loop over a block's axis.</summary>
    internal static string LoopName(string block, Axis axis) => $"{block}.{axis.Name}";

    private static Stmt Root(
        string name,
        IEnumerable<Axis> axes,
        ImmutableArray<Buffer> outputs,
        ImmutableArray<Expr> indices,
        ImmutableArray<Expr> values,
        Reducer? reducer = null,
        bool init = false
    )
    {
        // Every root binds variables of its own: the same Axis may serve several stages.
        var list = axes.Select(a => (Axis: a, Own: new Var(a.Name), Loop: new Var(LoopName(name, a)))).ToList();
        var own = list.ToDictionary(x => x.Axis.Var, x => (Expr)x.Own);
        Stmt body = new Block(
            name,
            [.. list.Select(x => new BlockAxis(x.Own, x.Axis.Extent, x.Axis.Kind, x.Loop))],
            Op.True,
            outputs,
            [.. indices.Select(i => i.Substitute(own))],
            [.. values.Select(v => v.Inlined().Substitute(own))],
            reducer,
            init
        );
        foreach (var x in Enumerable.Reverse(list))
            body = new For(x.Loop, x.Axis.Extent, LoopKind.Serial, body);
        return body;
    }
}
