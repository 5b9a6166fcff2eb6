using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules.Patterns;

/// <summary>
/// An algorithm of the form of the gradient of attention: dot products D[…, i, j] = Σₑ A[…, i, e] · B[…, j, e], one or more, maps of them
/// at all pairs of a row i and a column j, and sums of these maps times an input, over the columns U[…, i, e] = Σⱼ T[…, i, j] · B[…, j, e]
/// or over the rows W[…, j, e] = Σᵢ T[…, i, j] · A[…, i, e]. No more than a tile of the pairs is needed at a time.
/// </summary>
/// <param name="Dots">The dot products.</param>
/// <param name="Maps">Maps of all pairs, in the order of the algorithm.</param>
/// <param name="Sums">What is summed of them.</param>
/// <param name="Before">Reductions and maps of inputs alone, which maps of pairs read.</param>
/// <param name="After">What comes after the sums.</param>
internal sealed record ScoreSums(
    ImmutableArray<Stage> Dots,
    ImmutableArray<Stage> Maps,
    ImmutableArray<Stage> Sums,
    ImmutableArray<Stage> Before,
    ImmutableArray<Stage> After
)
{
    public long Rows => Extents.Of(Dots[0].SpatialAxes.ElementAt(Rank - 2));

    public long Columns => Extents.Of(Dots[0].SpatialAxes.ElementAt(Rank - 1));

    public int Rank => Dots[0].SpatialAxes.Count();

    /// <summary>Tables of pairs: sequences times heads.</summary>
    public long Batch => Dots[0].SpatialAxes.SkipLast(2).Aggregate(1L, (n, a) => n * Extents.Of(a));

    /// <summary>Multiply-adds of all products.</summary>
    public double Work =>
        (double)Batch
        * Rows
        * Columns
        * (Dots.Sum(d => Extents.Of(d.ReduceAxes.Single())) + Sums.Sum(s => Extents.Of(s.SpatialAxes.Last())));

    /// <summary>Whether a comparison of rows and columns makes a map 0 (a causal mask).</summary>
    public bool IsMasked =>
        Maps.Any(m =>
            m.Values[0]
                .Nodes()
                .OfType<Select>()
                .Any(s => s.Cond.Conjuncts().Any(c => c is Binary { A: var a } && a.Type == DTypes.Index))
        );

    /// <summary>Whether a sum is over the columns.</summary>
    public bool IsOfRow(Stage sum)
    {
        var pair = sum.Values[0].Loads().First(l => Maps.Any(m => m.Output == l.Buffer));
        return pair.Indices[^1] == sum.ReduceAxes.Single().Var;
    }

    public static ScoreSums? Of(Algorithm algorithm)
    {
        var stages = algorithm.Stages;
        if (stages.Any(s => s.Kind is not (StageKind.Map or StageKind.Reduce) || s.Outputs.Length != 1))
            return null;
        if (stages.Any(s => s.Axes.Any(a => a.Extent is not IntImm { Value: > 0 })))
            return null;
        var dots = stages.Where(s => IsDot(algorithm, s)).ToList();
        if (dots.Count == 0)
            return null;
        long[] pairs = [.. dots[0].SpatialAxes.Select(Extents.Of)];
        if (dots.Any(d => !d.SpatialAxes.Select(Extents.Of).SequenceEqual(pairs)))
            return null;
        // What is made of the dot products at their own places.
        var tables = dots.Select(d => d.Output).ToHashSet();
        var maps = new List<Stage>();
        foreach (
            var stage in stages.Where(s => s.Kind == StageKind.Map && s.Axes.Select(Extents.Of).SequenceEqual(pairs))
        )
        {
            var own = stage.Axes.Select(a => (Expr)a.Var).ToList();
            var loads = stage.Values[0].Loads().Where(l => tables.Contains(l.Buffer)).ToList();
            if (loads.Count == 0)
                continue;
            if (loads.Any(l => !l.Indices.SequenceEqual(own)))
                return null;
            maps.Add(stage);
            tables.Add(stage.Output);
        }
        var sums = stages.Where(s => s.Kind == StageKind.Reduce && Reads(s, tables)).ToList();
        var made = maps.Select(m => m.Output).ToHashSet();
        if (sums.Count == 0 || sums.Any(s => !IsSum(algorithm, s, made, pairs)))
            return null;
        var sumsOf = sums.Select(s => s.Output).ToHashSet();
        var rest = stages.Except([.. dots, .. maps, .. sums]).ToList();
        if (rest.Any(s => Reads(s, tables)) || tables.Any(algorithm.Outputs.Contains))
            return null;
        var after = new List<Stage>();
        foreach (var stage in rest)
        {
            if (Reads(stage, sumsOf))
            {
                after.Add(stage);
                sumsOf.Add(stage.Output);
            }
        }
        if (maps.Any(m => Reads(m, sumsOf)))
            return null;
        return new([.. dots], [.. maps], [.. sums], [.. rest.Except(after)], [.. after]);
    }

    private static bool Reads(Stage stage, HashSet<Algorithms.Buffer> buffers) => stage.Reads.Any(buffers.Contains);

    // Of two inputs, of which one has the row and the other the column.
    private static bool IsDot(Algorithm algorithm, Stage stage)
    {
        if (stage.Kind != StageKind.Reduce || !stage.Reducer!.IsSum || stage.ReduceAxes.Count() != 1)
            return false;
        var axes = stage.SpatialAxes.ToList();
        if (axes.Count < 2 || stage.Values[0].Loads().ToList() is not [var a, var b])
            return false;
        if (!algorithm.Inputs.Contains(a.Buffer) || !algorithm.Inputs.Contains(b.Buffer))
            return false;
        bool Has(Load load, Axis axis) => load.Indices.Any(i => i == axis.Var);
        return (Has(a, axes[^2]) && !Uses(a, axes[^1]) && Has(b, axes[^1]) && !Uses(b, axes[^2]))
            || (Has(b, axes[^2]) && !Uses(b, axes[^1]) && Has(a, axes[^1]) && !Uses(a, axes[^2]));
    }

    private static bool Uses(Load load, Axis axis) => load.Indices.Any(i => i.Uses(axis.Var));

    // Σ table[…, i, j] · input over i or j, for each element of the other one.
    private static bool IsSum(Algorithm algorithm, Stage stage, HashSet<Algorithms.Buffer> maps, long[] pairs)
    {
        if (!stage.Reducer!.IsSum || stage.ReduceAxes.Count() != 1)
            return false;
        var axes = stage.SpatialAxes.ToList();
        if (axes.Count != pairs.Length || stage.Values[0].Loads().ToList() is not [var x, var y])
            return false;
        var (table, input) = maps.Contains(x.Buffer) ? (x, y) : (y, x);
        if (!maps.Contains(table.Buffer) || !algorithm.Inputs.Contains(input.Buffer))
            return false;
        Expr reduce = stage.ReduceAxes.Single().Var;
        Expr kept = axes[^2].Var;
        bool ofRow = table.Indices[^2] == kept && table.Indices[^1] == reduce;
        bool ofColumn = table.Indices[^2] == reduce && table.Indices[^1] == kept;
        return (ofRow || ofColumn)
            && table.Indices.SkipLast(2).SequenceEqual(axes.SkipLast(2).Select(a => (Expr)a.Var))
            && input.Indices[^1] == axes[^1].Var;
    }
}
