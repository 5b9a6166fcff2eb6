using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules.Patterns;

/// <summary>
/// Stages that all run over the same rows, wherever the axes of these lie in each of them: norms and softmax along any dimension,
/// their gradients, and sums over all rows (the gradients of a gain and a bias), which read what rows read.
/// </summary>
/// <param name="Stages">The stages of rows, in the algorithm's order.</param>
/// <param name="Rest">All others; none is read by a stage of rows.</param>
/// <param name="Rows">The variables of the rows' axes in each stage, in the order in which they lie in memory.</param>
/// <param name="Results">What the algorithm gives.</param>
/// <param name="Across">Whether rows lie side by side in memory, and the elements of a row apart.</param>
internal sealed record RowStages(
    ImmutableArray<Stage> Stages,
    ImmutableArray<Stage> Rest,
    ImmutableDictionary<string, ImmutableArray<Var>> Rows,
    ImmutableArray<Algorithms.Buffer> Results,
    bool Across
)
{
    /// <summary>Null for what is none, or where rows would not be read more than once.</summary>
    public static RowStages? Of(Algorithm algorithm)
    {
        var fused = new List<Stage>();
        foreach (var stage in algorithm.Stages)
        {
            bool fits = stage.Kind is StageKind.Map or StageKind.Reduce && stage.Outputs.Length == 1;
            if (fits && !stage.Axes.IsEmpty && Made(algorithm, stage).All(fused.Contains))
                fused.Add(stage);
        }
        for (; fused.Count > 1; Leave(algorithm, fused, fused[^1]))
        {
            if (Within(algorithm, fused) is { } found)
                return found;
        }
        return null;
    }

    /// <summary>Whether a stage adds up over rows.</summary>
    public bool Collects(Stage stage) => stage.ReduceAxes.Any(a => Rows[stage.Name].Contains(a.Var));

    /// <summary>How many rows lie side by side; null where that is not known.</summary>
    public long? Side => (Stages[0].Axes.First(a => a.Var == Rows[Stages[0].Name][^1]).Extent as IntImm)?.Value;

    /// <summary>The same with sums over rows among the rest.</summary>
    public RowStages WithoutSums(Algorithm algorithm)
    {
        ImmutableArray<Stage> own = [.. Stages.Where(s => !Collects(s))];
        return this with { Stages = own, Rest = [.. algorithm.Stages.Except(own)] };
    }

    /// <summary>Whether something else than stages of rows reads what a stage makes, or nothing does.</summary>
    public bool IsSink(Stage stage) =>
        Rest.Any(s => s.Reads.Contains(stage.Output))
        || Results.Contains(stage.Output)
        || !Stages.Any(s => s.Reads.Contains(stage.Output));

    /// <summary>Stages that read a sink, or what is made of one.</summary>
    public ImmutableArray<Stage> Followers
    {
        get
        {
            var follow = ImmutableArray.CreateBuilder<Stage>();
            foreach (var stage in Stages)
            {
                if (Stages.Any(s => stage.Reads.Contains(s.Output) && (IsSink(s) || follow.Contains(s))))
                    follow.Add(stage);
            }
            return follow.ToImmutable();
        }
    }

    /// <summary>Elements of a row in one stage; 64 for what is not known.</summary>
    public long Elements(Stage stage) => Extent(stage.Axes.Where(a => !Rows[stage.Name].Contains(a.Var)));

    private static RowStages? Within(Algorithm algorithm, List<Stage> fused)
    {
        var classes = new AxisClasses(fused);
        while (fused.Count > 1)
        {
            var rows = classes.All.Where(c => IsOfRows(fused, classes, c)).ToList();
            if (rows.Count == 0)
                return null;
            var anchor = fused
                .Where(s => s.SpatialAxes.Count(a => rows.Contains(classes[s, a.Var])) == rows.Count)
                .MaxBy(s => Extent(s.Axes));
            if (anchor is null)
                return null;
            var order = anchor.Axes.Select(a => classes[anchor, a.Var]).Where(rows.Contains).ToList();
            bool all = anchor.Axes.Count(a => !a.Extent.IsConst(1)) == order.Count;
            // What has nothing but rows gathers their results, and comes behind.
            if (
                !all
                && fused.Find(s => s.Kind == StageKind.Reduce && s.Axes.All(a => rows.Contains(classes[s, a.Var])))
                    is { } gathers
            )
            {
                Leave(algorithm, fused, gathers);
                continue;
            }
            // Stages of the same axes: what lies side by side is a row.
            if (all)
                order.RemoveAt(order.Count - 1);
            if (order.Count == 0)
                return null;
            ImmutableArray<Var> Of(Stage s) => [.. order.Select(c => s.Axes.Single(a => classes[s, a.Var] == c).Var)];
            var found = new RowStages(
                [.. fused],
                [.. algorithm.Stages.Except(fused)],
                fused.ToImmutableDictionary(s => s.Name, Of),
                algorithm.Outputs,
                false
            );
            return found.Again() ? found with { Across = found.LieAcross() } : null;
        }
        return null;
    }

    // Axes of one place in the buffers, one in each stage, of which nothing but its own place is read.
    private static bool IsOfRows(List<Stage> fused, AxisClasses classes, int c)
    {
        var own = new Dictionary<Algorithms.Buffer, (Stage Stage, Axis Axis)>();
        foreach (var stage in fused)
        {
            if (stage.Axes.Where(a => classes[stage, a.Var] == c).ToList() is not [var axis] || axis.Extent.IsConst(1))
                return false;
            if (own.Count > 0 && own.Values.First().Axis.Extent != axis.Extent)
                return false;
            own.Add(stage.Output, (stage, axis));
        }
        foreach (var (stage, axis) in own.Values)
        {
            foreach (var load in stage.Values[0].Loads().Where(l => own.ContainsKey(l.Buffer)))
            {
                var (source, there) = own[load.Buffer];
                int d = source.Indices.IndexOf(there.Var);
                if (there.Kind != AxisKind.Spatial || d < 0 || load.Indices[d] != axis.Var)
                    return false;
            }
        }
        return true;
    }

    // Whether two stages read the same elements of rows.
    private bool Again() =>
        Stages
            .SelectMany(s => s.Values[0].Loads().Where(l => IsWide(s, l.Indices)).Select(l => l.Buffer).Distinct())
            .GroupBy(b => b)
            .Any(g => g.Count() > 1);

    private bool LieAcross()
    {
        int along = 0;
        int across = 0;
        foreach (var stage in Stages)
        {
            var wide = stage
                .Values[0]
                .Loads()
                .Select(l => l.Indices)
                .Append(stage.Indices)
                .Where(i => IsWide(stage, i));
            foreach (var indices in wide)
            {
                if (indices[^1] is Var v && Rows[stage.Name][^1] == v)
                    across++;
                else
                    along++;
            }
        }
        return across > along;
    }

    private bool IsWide(Stage stage, ImmutableArray<Expr> indices) =>
        stage.Axes.Any(a =>
            !a.Extent.IsConst(1) && !Rows[stage.Name].Contains(a.Var) && indices.Any(i => i.Uses(a.Var))
        ) && indices.Any(i => Rows[stage.Name].Any(r => i.Uses(r)));

    private static long Extent(IEnumerable<Axis> axes) =>
        axes.Aggregate(1L, (n, a) => n * ((a.Extent as IntImm)?.Value ?? 64));

    private static IEnumerable<Stage> Made(Algorithm algorithm, Stage stage) =>
        algorithm.Stages.Where(s => s.Outputs.Any(stage.Reads.Contains));

    // Without a stage, and what reads it.
    private static void Leave(Algorithm algorithm, List<Stage> fused, Stage stage)
    {
        fused.Remove(stage);
        while (fused.Find(s => Made(algorithm, s).Any(m => !fused.Contains(m))) is { } reader)
            fused.Remove(reader);
    }

    // Axes that stand at the same place of a buffer.
    private sealed class AxisClasses
    {
        private readonly Dictionary<(string, Var), int> _of = [];
        private readonly List<int> _parents = [];

        public AxisClasses(List<Stage> stages)
        {
            var places = new Dictionary<(Algorithms.Buffer, int), int>();
            foreach (var stage in stages)
            {
                foreach (var axis in stage.Axes)
                {
                    _of[(stage.Name, axis.Var)] = _parents.Count;
                    _parents.Add(_parents.Count);
                }
                Place(stage, stage.Output, stage.Indices);
                foreach (var load in stage.Values[0].Loads())
                    Place(stage, load.Buffer, load.Indices);
            }

            void Place(Stage stage, Algorithms.Buffer buffer, ImmutableArray<Expr> indices)
            {
                for (int d = 0; d < indices.Length; d++)
                {
                    if (indices[d] is not Var v || !_of.TryGetValue((stage.Name, v), out int own))
                        continue;
                    if (places.TryGetValue((buffer, d), out int other))
                        _parents[Root(own)] = Root(other);
                    else
                        places[(buffer, d)] = own;
                }
            }
        }

        public int this[Stage stage, Var axis] => Root(_of[(stage.Name, axis)]);

        public IEnumerable<int> All => Enumerable.Range(0, _parents.Count).Where(i => _parents[i] == i);

        private int Root(int i) => _parents[i] == i ? i : _parents[i] = Root(_parents[i]);
    }
}
