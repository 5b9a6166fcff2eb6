using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules;

/// <summary>
/// Stages that all run over the same rows (softmax, its gradient, layer normalisation, the queries of attention …):
/// everything for one row before the next, so that a row is read from memory once; row results stay in registers, and
/// within a row each stage gets its vectors as in <see cref="StagewiseRule"/>.
/// </summary>
public sealed class RowFusionRule : ScheduleRule
{
    public override string Name => "rows";

    public override bool Applies(Algorithm algorithm, TargetInfo target) =>
        target.Gpu is null
        && target.VectorBits > 0
        && (Apart(algorithm, target) is not null || Fused(algorithm).Stages > 1);

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var knobs = ImmutableArray.CreateBuilder<Knob>();
        if (Apart(algorithm, target) is { } apart)
            return ApartKnobs(algorithm, apart, target);
        var fused = algorithm.Stages.Take(Fused(algorithm).Stages);
        long points = fused.Max(s => Extents.Points(s.Axes));
        if (target.Threads > 1)
            knobs.Add(RowFusionKnobs.Parallel.Offer(points >= 1 << 15));
        knobs.Add(RowFusionKnobs.Vectors.Offer([1, 2, 4, 8], StagewiseRule.DefaultVectors(algorithm, target)));
        // Rows that go from stage to stage together: their sums do not wait for one another.
        knobs.Add(RowFusionKnobs.Rows.Offer([1, 2, 4, 8, 16], Together([.. fused], Fused(algorithm).Axes, target)));
        // Whole rows between stages: kept, or computed again by each reader.
        if (fused.SkipLast(1).Any(IsWide))
            knobs.Add(RowFusionKnobs.Recompute.Offer(false));
        return knobs.ToImmutable();
    }

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        if (Apart(algorithm, target) is { } apart)
            return Build(algorithm, apart, target, choices);
        var s = new Schedule(algorithm);
        var (count, axes) = Fused(algorithm);
        var fused = algorithm.Stages[..count];
        long vectors = choices[RowFusionKnobs.Vectors];
        bool parallel = choices[RowFusionKnobs.Parallel];
        bool again = choices[RowFusionKnobs.Recompute];
        // Where later stages read results of the rows too (a loss of all rows), the rows are the first stage's.
        var anchor = count == algorithm.Stages.Length ? fused[^1] : fused[0];
        LoopRef[] rows = [.. anchor.Loops(anchor.Axes.Take(axes))];
        var row = rows[^1];
        long together = choices[RowFusionKnobs.Rows];
        if (together > 1 && s.Nest.Loop(row).ConstantExtent is { } all && all > 1)
            row = rows[^1] = LoopRecipes.SplitTile(s, row, Math.Min(together, all), all).Outer;
        if (anchor == fused[^1])
        {
            foreach (var stage in fused.Reverse().Skip(1))
            {
                if (again && IsWide(stage))
                    s.ComputeInline(stage);
                else
                    s.ComputeAt(stage, row);
            }
            var left = fused.Where(stage => s.Nest.Blocks.Any(b => b.Name == stage.Name));
            StagewiseRule.Schedule(s, left, target, parallel: false, vectors, fused: true);
        }
        else
        {
            foreach (var stage in fused)
            {
                if (stage != anchor)
                    s.ReverseComputeAt(stage, row);
                StagewiseRule.Schedule(s, [stage], target, parallel: false, vectors);
            }
            StagewiseRule.Schedule(s, algorithm.Stages[count..], target, parallel, vectors);
        }
        if (parallel)
            Parallel(s, rows, target.Threads);
        return s.Nest;
    }

    // The outermost loop of rows that has enough for all threads, else the largest; of what is left of them where rows go side
    // by side as one loop of vectors. Iterations that may touch the same elements stay one after another.
    internal static void Parallel(Schedule s, LoopRef[] rows, int threads)
    {
        var left = s.Nest.Loops.Where(l => rows.Contains(l.Ref)).ToList();
        var loops = left.Count > 0 ? left : [.. s.Nest.Loops.Take(1).Where(l => l.Kind == LoopKind.Serial)];
        long Extent(For loop) => Math.Min(loop.ConstantExtent ?? long.MaxValue, threads);
        foreach (var loop in loops.OrderByDescending(Extent))
        {
            try
            {
                s.Parallel(loop);
                return;
            }
            catch (ScheduleException)
            {
                // Not certain to be independent: the next loop.
            }
        }
    }

    // Bytes from which it pays to have everything for a row before the next where rows add up together, and elements of a row from
    // which it does if a row has more than one sum of its own (gradients of layer_norm with gain and bias, 1 thread: 32 x 200 1.9 us,
    // stage by stage 1.7; 512 x 512 60 and 103; 8192 x 8 136 and 109; of a product with a row, 6400 x 27: 19 and 33).
    private const long FarRows = 1 << 17;
    private const long ManySumsRow = 128;

    private static readonly ConditionalWeakTable<Algorithm, Tuple<TargetInfo, RowStages?>> Known = [];

    // Rows whose elements lie apart, sums over rows, or several results. Whether the rule applies, its knobs and its schedule are asked
    // for one after the other.
    private static RowStages? Apart(Algorithm algorithm, TargetInfo target)
    {
        if (Known.TryGetValue(algorithm, out var known) && known.Item1 == target)
            return known.Item2;
        var found = Find(algorithm, target);
        if (found is not null)
        {
            try
            {
                var standard = new Choices(
                    ImmutableDictionary<string, long>.Empty,
                    () => ApartKnobs(algorithm, found, target)
                );
                Build(algorithm, found, target, standard);
            }
            catch (ScheduleException)
            {
                // What stands between these stages cannot move: stage by stage then.
                found = null;
            }
        }
        Known.AddOrUpdate(algorithm, Tuple.Create(target, found));
        return found;
    }

    private static RowStages? Find(Algorithm algorithm, TargetInfo target)
    {
        if (RowStages.Of(algorithm) is not { } found)
            return null;
        if (found.Across)
            found = found.WithoutSums(algorithm);
        if (found.Stages.Length < 2 || found.Followers.Any(found.Collects))
            return null;
        if (found.Across || !found.Stages.Any(found.Collects))
            return found.Across || Fused(algorithm).Stages <= 1 ? found : null;
        var widest = found.Stages.MaxBy(s => Extents.Points(s.Axes))!;
        int sums = found.Stages.Count(s => s.Kind == StageKind.Reduce && !found.Collects(s));
        bool far = Extents.Points(widest.Axes) * widest.Output.Type.Compute().Size() >= FarRows;
        return far && (sums < 2 || found.Elements(widest) >= ManySumsRow) ? found : null;
    }

    private static ImmutableArray<Knob> ApartKnobs(Algorithm algorithm, RowStages apart, TargetInfo target)
    {
        var knobs = ImmutableArray.CreateBuilder<Knob>();
        if (target.Threads > 1)
            knobs.Add(RowFusionKnobs.Parallel.Offer(apart.Stages.Max(s => Extents.Points(s.Axes)) >= 1 << 15));
        long vectors = StagewiseRule.DefaultVectors(algorithm, target);
        long longest = apart.Stages.Max(s => apart.Elements(s) * s.Output.Type.Size());
        long rows = apart.Stages.Any(apart.Collects) ? 4 : Together(longest, apart.Side, target);
        if (apart.Across)
        {
            // All rows that lie side by side as one loop, where they are few (64 x 100 x 49, 1 thread: 83 us, vector by vector 112).
            // Where all is read once to be added up and once more, long stretches (gradients, 8 x 21 x 4096: 116 us, 162).
            long lanes = apart.Stages.Max(target.Lanes);
            long side = apart.Side ?? long.MaxValue;
            vectors =
                side <= lanes ? 1
                : side <= 2 * lanes ? 2
                : side > 4 * lanes && side <= 8 * lanes ? 8
                : 4;
            rows = apart.Stages.Length == 2 && side > vectors * lanes ? 16 : 1;
        }
        knobs.Add(RowFusionKnobs.Vectors.Offer([1, 2, 4, 8], vectors));
        knobs.Add(RowFusionKnobs.Rows.Offer([1, 2, 4, 8, 16], rows));
        return knobs.ToImmutable();
    }

    private static LoopNest Build(Algorithm algorithm, RowStages apart, TargetInfo target, Choices choices) =>
        new RowStagesSchedule(
            algorithm,
            apart,
            target,
            choices[RowFusionKnobs.Vectors],
            choices[RowFusionKnobs.Rows],
            choices[RowFusionKnobs.Parallel]
        ).Build();

    /// <summary>How many stages, from the first on, run over the same rows, and how many axes a row has; 0 where there are none.</summary>
    private static (int Stages, int Axes) Fused(Algorithm algorithm)
    {
        if (algorithm.Outputs.Length != 1)
            return (0, 0);
        var stages = algorithm.Stages;
        if (stages[^1] is { Kind: StageKind.Map, Axes.Length: > 1 } && RowAxes(stages) is > 0 and var all)
            return (stages.Length, all);
        // All but stages that gather the rows' results.
        for (int count = stages.Length - 1; count > 1; count--)
        {
            bool results = stages[..count].All(s => s.Kind == StageKind.Reduce && !GoesDown(s));
            if (results && RowAxes(stages[..count]) is > 0 and var some)
                return (count, some);
        }
        return (0, 0);
    }

    // Whether a reduction goes down columns, which are its vectors: rows that go together would be the lanes of one.
    private static bool GoesDown(Stage stage) =>
        stage.SpatialAxes.LastOrDefault() is { } across
        && stage
            .Values[0]
            .Loads()
            .Any(l =>
                l.Indices.Length > 1
                && l.Indices[^1].Uses(across.Var)
                && stage.ReduceAxes.Any(r => l.Indices.Any(i => i.Uses(r.Var)))
                && !stage.ReduceAxes.Any(r => l.Indices[^1].Uses(r.Var))
            );

    // Axes that the row consists of: as many as all stages begin with, where a stage reads others at its own row only.
    private static int RowAxes(ImmutableArray<Stage> fused)
    {
        var last = fused[^1];
        var stages = fused.ToDictionary(s => s.Output);
        int most = last.Kind == StageKind.Map ? last.Axes.Length - 1 : last.SpatialAxes.Count();
        foreach (var stage in fused)
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

    // Of short rows as many as half of the first cache holds, and as leave every thread some: their sums wait for one another otherwise
    // (1 thread, layer norm of 2,048 rows of 256: 0.070 ms by fours, 0.056 by sixteens; of 1,024 of 384 0.046 and 0.040; rms norm of
    // 1,024 of 512 0.044 by twos, 0.036 by eights). Long ones go one by one (rms norm of 4,096 of 768: 0.34 ms by twos, 0.29 one by one).
    private const long LongRow = 2048;

    private static long Together(ImmutableArray<Stage> fused, int axes, TargetInfo target)
    {
        long bytes = fused.Max(s =>
            s.Axes.Skip(axes).Aggregate((long)s.Output.Type.Size(), (n, a) => n * ((a.Extent as IntImm)?.Value ?? 64))
        );
        return Together(bytes, (fused[0].Axes[axes - 1].Extent as IntImm)?.Value, target);
    }

    private static long Together(long bytes, long? all, TargetInfo target)
    {
        if (bytes > LongRow)
            return 1;
        long fit = target.L1Bytes / 2 / Math.Max(1, bytes);
        if (target.Threads > 1 && all is { } rows)
            fit = Math.Min(fit, rows / (2 * target.Threads));
        return fit >= 16 ? 16
            : fit >= 8 ? 8
            : fit >= 4 ? 4
            : fit >= 2 ? 2
            : 1;
    }

    private static bool IsWide(Stage stage) => stage.Kind == StageKind.Map && stage.Axes.Length > 1;
}

/// <summary>The knobs of <see cref="RowFusionRule"/>.</summary>
internal static class RowFusionKnobs
{
    public static readonly SwitchKnob Parallel = new("parallel", 0);
    public static readonly NumberKnob Vectors = new("vectors", 1, lengthens: true);
    public static readonly NumberKnob Rows = new("rows", 1, lengthens: true);
    public static readonly SwitchKnob Recompute = new("recompute", 0);
}
