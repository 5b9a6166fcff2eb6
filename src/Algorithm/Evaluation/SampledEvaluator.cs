using System.Collections.Immutable;

namespace Picograd.Algorithms.Evaluation;

/// <summary>Right answers for some elements of one output.</summary>
/// <param name="Output">Which output, by position.</param>
/// <param name="Positions">Row-major positions of the elements in the whole output.</param>
/// <param name="Expected">Their values and bounds, one for each position.</param>
public sealed record OutputSample(int Output, long[] Positions, BoundedArray Expected);

/// <summary>
/// The oracle for outputs too large to evaluate whole: evaluates only some indices of the output dimensions, by giving
/// the <see cref="Evaluator"/> an algorithm whose axes run over a table of indices. Every element that is evaluated has
/// its full reductions and the same bound as in a whole evaluation.
/// </summary>
public static class SampledEvaluator
{
    private const long FewestIndices = 64;

    /// <summary>
    /// Elements of an output that one sample has at most, but for <see cref="FewestIndices"/>: more find no other faults, and to
    /// read a million scattered elements of a large tensor takes longer than to run most kernels on it.
    /// </summary>
    private const double MostElements = 1 << 18;

    /// <summary>
    /// Evaluates everything where that takes at most <paramref name="maxPoints"/> points of all stages. Otherwise takes
    /// each dimension in turn at every index with a sample of the others (their ends and some at random), so that every
    /// row and every column of a matrix is met: a wrong edge tile cannot hide. Where even two indices of the others are too
    /// many points, the dimension itself is sampled as well. Dimensions that later stages read in other ways than index by index
    /// (a reduction, the places of a scatter) are always taken whole.
    /// </summary>
    /// <param name="algorithm">What to compute; with constant extents.</param>
    /// <param name="inputs">One array an input.</param>
    /// <param name="maxPoints">Points of stages to evaluate, about.</param>
    /// <param name="seed">Of the choice of indices.</param>
    public static IReadOnlyList<OutputSample> Run(
        Algorithm algorithm,
        IReadOnlyDictionary<Buffer, NDArray> inputs,
        double maxPoints,
        int seed
    )
    {
        var classes = new AxisClasses(algorithm);
        if (Points(algorithm, classes, null) <= maxPoints || classes.Count == 0)
            return
            [
                .. Evaluator
                    .RunWithBounds(algorithm, inputs)
                    .Select(r => new OutputSample(
                        algorithm.Outputs.IndexOf(r.Key),
                        [.. Enumerable.Range(0, r.Value.Value.Length).Select(i => (long)i)],
                        r.Value
                    )),
            ];
        var samples = new List<OutputSample>();
        for (int whole = 0; whole < classes.Count; whole++)
        {
            var sizes = new long[classes.Count];
            long largest = classes.Extents.Max();
            for (long each = largest; ; each = Math.Max(2, each * 3 / 4))
            {
                for (int c = 0; c < sizes.Length; c++)
                    sizes[c] = c == whole ? classes.Extents[c] : Math.Min(each, classes.Extents[c]);
                if (each <= 2 || Share(sizes) >= 1)
                    break;
            }
            double share = Share(sizes);
            if (share < 1)
                sizes[whole] = Math.Min(sizes[whole], Math.Max(FewestIndices, (long)(sizes[whole] * share)));
            var random = new Random(seed + whole);
            samples.AddRange(Evaluate(algorithm, inputs, classes, [.. sizes.Select((n, c) => Choose(n, c, random))]));
        }
        return samples;

        double Share(long[] sizes) =>
            Math.Min(
                maxPoints / classes.Count / Points(algorithm, classes, sizes),
                MostElements / algorithm.Outputs.Max(o => Elements(o, classes, sizes))
            );

        long[] Choose(long count, int c, Random random)
        {
            long extent = classes.Extents[c];
            if (count >= extent)
                return All(extent);
            // One at random of each of so many stretches, and both ends.
            var chosen = new long[count];
            for (long i = 0; i < count; i++)
            {
                long from = (long)((Int128)extent * i / count);
                chosen[i] = random.NextInt64(from, (long)((Int128)extent * (i + 1) / count));
            }
            chosen[0] = 0;
            chosen[^1] = extent - 1;
            return chosen;
        }
    }

    /// <summary>
    /// Evaluates some elements of one output, with what lies where their rows and columns (and further dimensions) cross, since
    /// that is how axes are cut down; as many of the elements, from the first on, as that leaves within the points.
    /// </summary>
    /// <param name="algorithm">What to compute; with constant extents.</param>
    /// <param name="inputs">One array an input.</param>
    /// <param name="output">Which output, by position.</param>
    /// <param name="positions">Row-major positions in it; at least one.</param>
    /// <param name="maxPoints">Points of stages to evaluate at most, unless one element takes more.</param>
    public static OutputSample At(
        Algorithm algorithm,
        IReadOnlyDictionary<Buffer, NDArray> inputs,
        int output,
        IReadOnlyList<long> positions,
        double maxPoints
    )
    {
        var classes = new AxisClasses(algorithm);
        var buffer = algorithm.Outputs[output];
        for (int count = positions.Count; ; count--)
        {
            var indices = Enumerable.Range(0, classes.Count).Select(_ => new SortedSet<long>()).ToArray();
            foreach (long position in positions.Take(count))
            {
                long rest = position;
                for (int d = buffer.Rank - 1; d >= 0; d--)
                {
                    long extent = Extent(buffer.Shape[d]);
                    if (classes.Of(buffer, d) is { } c)
                        indices[c].Add(rest % extent);
                    rest /= extent;
                }
            }
            // What has no part in this output: one index does.
            long[][] chosen = [.. indices.Select(i => i.Count == 0 ? [0] : i.ToArray())];
            if (count == 1 || Points(algorithm, classes, [.. chosen.Select(c => c.LongLength)]) <= maxPoints)
                return Evaluate(algorithm, inputs, classes, chosen).Single(s => s.Output == output);
        }
    }

    // A scatter also fills all of what it writes into, which may be far more than its points: the gradient of an embedding
    // of 50,257 words from 1,024 rows.
    private static double Points(Algorithm algorithm, AxisClasses classes, long[]? sizes) =>
        algorithm.Stages.Sum(stage =>
            stage.Axes.Aggregate(
                1.0,
                (points, axis) =>
                    points * (classes.Of(stage, axis) is { } c && sizes is not null ? sizes[c] : Extent(axis.Extent))
            )
            + (
                stage.Kind != StageKind.Scatter
                    ? 0
                    : Enumerable
                        .Range(0, stage.Output.Rank)
                        .Aggregate(
                            1.0,
                            (points, d) =>
                                points
                                * (
                                    classes.Of(stage.Output, d) is { } c && sizes is not null
                                        ? sizes[c]
                                        : Extent(stage.Output.Shape[d])
                                )
                        )
            )
        );

    private static double Elements(Buffer output, AxisClasses classes, long[] sizes) =>
        Enumerable
            .Range(0, output.Rank)
            .Aggregate(1.0, (n, d) => n * (classes.Of(output, d) is { } c ? sizes[c] : Extent(output.Shape[d])));

    private static IEnumerable<OutputSample> Evaluate(
        Algorithm algorithm,
        IReadOnlyDictionary<Buffer, NDArray> inputs,
        AxisClasses classes,
        long[][] chosen
    )
    {
        var tables = chosen
            .Select((indices, c) => new Buffer($"index.{c}", DTypes.Index, [(Expr)indices.LongLength]))
            .ToArray();
        var made = new Dictionary<Buffer, Buffer>();
        var stages = ImmutableArray.CreateBuilder<Stage>();
        foreach (var stage in algorithm.Stages)
        {
            var axes = stage.Axes;
            var places = new Dictionary<Var, Expr>();
            for (int a = 0; a < axes.Length; a++)
            {
                if (classes.Of(stage, axes[a]) is not { } c)
                    continue;
                axes = axes.SetItem(a, axes[a] with { Extent = chosen[c].LongLength });
                places[axes[a].Var] = tables[c][axes[a].Var];
            }
            foreach (var output in stage.Outputs)
            {
                made[output] = output.With(
                    shape: [.. output.Shape.Select((e, d) => classes.Of(output, d) is { } c ? chosen[c].LongLength : e)]
                );
            }
            stages.Add(
                stage with
                {
                    Axes = axes,
                    Outputs = [.. stage.Outputs.Select(o => made[o])],
                    Values = [.. stage.Values.Select(v => Map(v, places))],
                    // A scatter's places are data, but where they are axes that were cut down; the other kinds write at
                    // their own axes.
                    Indices =
                        stage.Kind == StageKind.Scatter
                            ?
                            [
                                .. stage.Indices.Select(
                                    (index, d) => classes.Of(stage.Outputs[0], d) is null ? Map(index, places) : index
                                ),
                            ]
                            : stage.Indices,
                    Initial = stage.Initial is { } initial ? made.GetValueOrDefault(initial, initial) : null,
                }
            );
        }
        var sampled = new Algorithm(
            algorithm.Name,
            [],
            [.. algorithm.Inputs, .. tables],
            [.. algorithm.Outputs.Select(o => made.GetValueOrDefault(o, o))],
            stages.ToImmutable()
        );
        var arrays = new Dictionary<Buffer, NDArray>(inputs);
        for (int c = 0; c < tables.Length; c++)
            arrays[tables[c]] = NDArray.Of(DTypes.Index, [chosen[c].LongLength], chosen[c]);
        var results = Evaluator.RunWithBounds(sampled, arrays);
        for (int o = 0; o < sampled.Outputs.Length; o++)
            yield return new OutputSample(
                o,
                Positions(algorithm.Outputs[o], classes, chosen),
                results[sampled.Outputs[o]]
            );

        // An axis stands for table[axis], but where a buffer that was itself cut down is read, for the axis.
        Expr Map(Expr e, Dictionary<Var, Expr> places) =>
            e.Map(node =>
                node switch
                {
                    Var v => places.GetValueOrDefault(v, v),
                    Load l => new Load(
                        made.GetValueOrDefault(l.Buffer, l.Buffer),
                        [
                            .. l.Indices.Select(
                                (index, d) => classes.Of(l.Buffer, d) is null ? Map(index, places) : index
                            ),
                        ]
                    ),
                    _ => null,
                }
            );
    }

    private static long[] Positions(Buffer output, AxisClasses classes, long[][] chosen)
    {
        long[] positions = [0];
        for (int d = 0; d < output.Rank; d++)
        {
            long extent = Extent(output.Shape[d]);
            var indices = classes.Of(output, d) is { } c ? chosen[c] : All(extent);
            positions = [.. positions.SelectMany(p => indices.Select(i => p * extent + i))];
        }
        return positions;
    }

    private static long[] All(long extent) =>
        extent <= int.MaxValue
            ? [.. Enumerable.Range(0, (int)extent).Select(i => (long)i)]
            : throw new EvaluationException($"a dimension of {extent} elements must be taken whole, which is too many");

    private static long Extent(Expr extent) =>
        extent is IntImm constant
            ? constant.Value
            : throw new ArgumentException($"extent {extent} is symbolic; sampling needs constant extents");

    /// <summary>
    /// Which axes of stages and dimensions of their outputs must be cut down together: a class for each set that is only
    /// ever indexed by one another.
    /// </summary>
    private sealed class AxisClasses
    {
        private readonly Dictionary<(object, int), (object, int)> _parents = [];
        private readonly HashSet<(object, int)> _wholePlaces = [];
        private readonly Dictionary<(object, int), int> _numbers = [];

        public AxisClasses(Algorithm algorithm)
        {
            var produced = algorithm.Stages.SelectMany(s => s.Outputs).ToHashSet();
            foreach (var stage in algorithm.Stages)
                Visit(stage, produced);
            var whole = _wholePlaces.Select(Root).ToHashSet();
            var extents = new List<long>();
            foreach (var stage in algorithm.Stages)
            {
                for (int a = 0; a < stage.Axes.Length; a++)
                {
                    var root = Root((stage, a));
                    long extent = Extent(stage.Axes[a].Extent);
                    // Nothing is gained on an axis of a few indices.
                    if (whole.Contains(root) || extent <= 2 || !_numbers.TryAdd(root, extents.Count))
                        continue;
                    extents.Add(extent);
                }
            }
            Extents = [.. extents];
        }

        public long[] Extents { get; }

        public int Count => Extents.Length;

        public int? Of(Stage stage, Axis axis) => Number((stage, stage.Axes.IndexOf(axis)));

        public int? Of(Buffer buffer, int dim) => _parents.ContainsKey((buffer, dim)) ? Number((buffer, dim)) : null;

        private void Visit(Stage stage, HashSet<Buffer> produced)
        {
            for (int a = 0; a < stage.Axes.Length; a++)
            {
                // A scatter's axis may be cut down where it is itself a dimension of what is written (the columns of an
                // embedding's gradient); its other axes decide where values go, and all of them may go to any place.
                if (
                    stage.Axes[a].Kind != AxisKind.Spatial
                    || stage.Kind == StageKind.Scatter
                        && (stage.Initial is not null || !stage.Indices.Any(i => ReferenceEquals(i, stage.Axes[a].Var)))
                )
                    _wholePlaces.Add((stage, a));
            }
            foreach (var output in stage.Outputs)
            {
                for (int d = 0; d < output.Rank; d++)
                    Join((output, d), stage, stage.Indices[d], output.Shape[d]);
            }
            foreach (var load in stage.Values.Concat(stage.Indices).SelectMany(e => e.Loads()))
            {
                for (int d = 0; d < load.Buffer.Rank && produced.Contains(load.Buffer); d++)
                    Join((load.Buffer, d), stage, load.Indices[d], load.Buffer.Shape[d]);
            }
            for (int d = 0; stage.Initial is { } initial && d < initial.Rank; d++)
                _wholePlaces.Add((initial, d));
        }

        private void Join((object Buffer, int Dim) place, Stage stage, Expr index, Expr extent)
        {
            int a = stage.Axes.Select(x => x.Var).ToList().FindIndex(v => ReferenceEquals(v, index));
            if (a < 0 || stage.Axes[a].Extent != extent)
            {
                _wholePlaces.Add(place);
                return;
            }
            var (x, y) = (Root(place), Root((stage, a)));
            if (x != y)
                _parents[x] = y;
        }

        private (object, int) Root((object, int) place)
        {
            while (_parents.TryGetValue(place, out var parent))
                place = parent;
            return place;
        }

        private int? Number((object, int) place) => _numbers.TryGetValue(Root(place), out int n) ? n : null;
    }
}
