using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules;

/// <summary>
/// Stages that all run over the same rows (softmax, its gradient, layer normalisation, the queries of attention …):
/// everything for one row before the next, so that a row is read from memory once; row results stay in registers, and
/// within a row each stage gets its vectors as in <see cref="StagewiseRule"/>.
/// </summary>
public sealed class RowFusionRule : ScheduleRule
{
    public override string Name => "rows";

    public override bool Applies(Algorithm algorithm, TargetInfo target)
    {
        if (target.Gpu is not null || target.VectorBits == 0 || algorithm.Stages.Length < 2)
            return false;
        var last = algorithm.Stages[^1];
        if (last.Kind != StageKind.Map || last.Axes.Length < 2 || algorithm.Outputs.Length != 1)
            return false;
        return RowAxes(algorithm) > 0;
    }

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var knobs = ImmutableArray.CreateBuilder<Knob>();
        long points = algorithm.Stages[^1].Axes.Aggregate(1L, (n, a) => n * (a.Extent is IntImm i ? i.Value : 64));
        if (target.Threads > 1)
            knobs.Add(new("parallel", 0, [0, 1], points >= 1 << 15 ? 1 : 0));
        knobs.Add(new("vectors", 1, [1, 2, 4, 8], StagewiseRule.DefaultVectors(algorithm, target)));
        // Whole rows between stages: kept, or computed again by each reader.
        if (algorithm.Stages.SkipLast(1).Any(IsWide))
            knobs.Add(new("recompute", 0, [0, 1], 0));
        return knobs.ToImmutable();
    }

    public override LoopNest Apply(Algorithm algorithm, TargetInfo target, IReadOnlyDictionary<string, long> choices)
    {
        var s = new Schedule(algorithm);
        var last = algorithm.Stages[^1];
        string[] rows = [.. last.Axes.Take(RowAxes(algorithm)).Select(a => $"{last.Name}.{a.Name}")];
        string row = rows[^1];
        bool again = choices.TryGetValue("recompute", out long twice) && twice == 1;
        foreach (var stage in algorithm.Stages.Reverse().Skip(1))
        {
            if (again && IsWide(stage))
                s.ComputeInline(stage.Name);
            else
                s.ComputeAt(stage.Name, row);
        }
        long vectors = choices.TryGetValue("vectors", out long v) ? v : 4;
        var left = algorithm.Stages.Where(stage => s.Nest.Blocks.Any(b => b.Name == stage.Name));
        StagewiseRule.Schedule(s, left, target, parallel: false, vectors, fused: true);
        if (choices.TryGetValue("parallel", out long p) && p == 1)
            s.Parallel(rows.FirstOrDefault(l => s.Nest.Loop(l).ConstantExtent >= target.Threads) ?? row);
        return s.Nest;
    }

    // Axes that the row consists of: as many as all stages begin with, where a stage reads others at its own row only.
    private static int RowAxes(Algorithm algorithm)
    {
        var last = algorithm.Stages[^1];
        var stages = algorithm.Stages.ToDictionary(s => s.Output);
        int most = last.Axes.Length - 1;
        foreach (var stage in algorithm.Stages)
        {
            if (stage.Kind is not (StageKind.Map or StageKind.Reduce) || stage.Outputs.Length != 1)
                return 0;
            most = Math.Min(most, stage.SpatialAxes.Count());
            for (int d = 0; d < most; d++)
            {
                var axis = stage.Axes[d];
                bool own =
                    axis.Kind == AxisKind.Spatial
                    && axis.Extent == last.Axes[d].Extent
                    && stage.Values[0].Loads().All(l => !stages.ContainsKey(l.Buffer) || l.Indices[d] == axis.Var);
                if (!own)
                    most = d;
            }
        }
        return most;
    }

    private static bool IsWide(Stage stage) => stage.Kind == StageKind.Map && stage.Axes.Length > 1;
}
