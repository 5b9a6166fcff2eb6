using System.Collections.Immutable;

namespace Picograd.Algorithms.Adjoints;

/// <summary>What one reader contributes to the gradient of a buffer: Value at Indices, for all points of its axes where Guard holds.</summary>
internal sealed record Contribution(ImmutableArray<Axis> Axes, ImmutableArray<Expr> Indices, Expr? Guard, Expr Value);

/// <summary>
/// Stages that compute gradients, made by going through an algorithm from its outputs to its inputs. Each is as it comes: one stage
/// a gradient, reading whatever the algorithm computed; <see cref="StageGraph"/> makes them short.
/// </summary>
internal sealed partial class ReverseSweep
{
    private readonly Algorithm _algorithm;
    private readonly StageNames _names;
    private readonly HashSet<Buffer> _active;
    private readonly Dictionary<Buffer, List<Contribution>> _contributions = [];
    private readonly Dictionary<Buffer, Buffer> _gradients = [];
    private readonly IReadOnlyDictionary<Var, Interval> _parameters;

    public ReverseSweep(Algorithm algorithm, StageNames names, IEnumerable<Buffer> wanted)
    {
        (_algorithm, _names) = (algorithm, names);
        _parameters = algorithm.ParameterRanges;
        _active = [.. wanted];
        foreach (var stage in algorithm.Stages)
        {
            if (!stage.Detached && stage.Reads.Any(_active.Contains))
                _active.UnionWith(stage.Outputs.Where(o => o.Type.IsFloat()));
        }
    }

    /// <summary>The stages made so far, in an order in which they can be computed after those of the algorithm.</summary>
    public List<Stage> Stages { get; } = [];

    /// <summary>Whether a buffer depends on what gradients are wanted of.</summary>
    public bool IsActive(Buffer buffer) => _active.Contains(buffer);

    /// <summary>Starts from the gradient of an output.</summary>
    public void Give(Buffer output, Buffer gradient)
    {
        var places = PlacesOf(output);
        var value = Op.Cast(Pullback.TypeOf(output.Type), gradient.At(Vars(places)));
        Contribute(output, new([.. places], Vars(places), null, value));
    }

    /// <summary>Goes through all stages.</summary>
    public void Run()
    {
        foreach (var stage in _algorithm.Stages.Reverse())
        {
            // No value is computed there; a scatter passes on what it started from.
            bool isEmpty = stage.Axes.Any(a => a.Extent.IsConst(0));
            if (isEmpty && stage.Kind != StageKind.Scatter)
                continue;
            // From the last on: sums below a maximum add to the gradient of that, which is their first output.
            if (!stage.Outputs.Reverse().Any(o => Gradient(o) is not null))
                continue;
            switch (stage.Kind)
            {
                case StageKind.Map:
                    Pull(stage, stage.Values[0], Gradient(stage.Output)!.At(Vars(stage.Axes)), stage.Output);
                    break;
                case StageKind.Reduce:
                    Reduce(stage);
                    break;
                case StageKind.Scatter:
                    Scatter(stage, isEmpty);
                    break;
                default:
                    Scan(stage);
                    break;
            }
        }
    }

    /// <summary>A stage with the gradient of a buffer, called as is said; of zeros where nothing depends on it.</summary>
    public Buffer Result(Buffer buffer, string name)
    {
        var places = PlacesOf(buffer);
        var value = Collected(buffer, places) ?? Algebra.Zero(Pullback.TypeOf(buffer.Type));
        return Map(name, places, Op.Cast(buffer.Type, value));
    }

    private static ImmutableArray<Expr> Vars(IEnumerable<Axis> axes) => [.. axes.Select(a => (Expr)a.Var)];

    private void Contribute(Buffer to, Contribution contribution)
    {
        if (!_contributions.TryGetValue(to, out var list))
            _contributions[to] = list = [];
        list.Add(contribution);
    }

    // Every load of the value gets its share of a gradient at each point of the stage.
    private void Pull(Stage stage, Expr value, Expr gradient, Buffer? result = null, Expr? guard = null)
    {
        var stored = result?.At(stage.Indices);
        foreach (var part in Pullback.Of(value, gradient, IsActive, stored))
            Contribute(
                part.Load.Buffer,
                new(stage.Axes, part.Load.Indices, Algebra.And(guard, part.Guard), part.Value)
            );
    }

    // The gradient of what a stage computed, all contributions to it together; null where there are none.
    private Buffer? Gradient(Buffer buffer)
    {
        if (_gradients.TryGetValue(buffer, out var known))
            return known;
        var places = PlacesOf(buffer);
        return Collected(buffer, places) is { } value
            ? _gradients[buffer] = Map(_names.Gradient(buffer), places, value)
            : null;
    }

    // Axes for the dimensions of a buffer, called as a reader calls them.
    private Axis[] PlacesOf(Buffer buffer)
    {
        var places = new Axis[buffer.Rank];
        var used = new HashSet<string>();
        var reads = _contributions.GetValueOrDefault(buffer) ?? [];
        for (int d = 0; d < places.Length; d++)
        {
            string name =
                reads.Select(c => (c.Indices[d] as Var)?.Name).FirstOrDefault(n => n is not null && !used.Contains(n))
                ?? "ijklpquvw"[Math.Min(d, 8)].ToString();
            while (!used.Add(name))
                name += "_";
            places[d] = new Axis(name, buffer.Shape[d]);
        }
        return places;
    }

    private Buffer Map(string name, IReadOnlyList<Axis> axes, Expr value)
    {
        var output = new Buffer(name, value.Type, [.. axes.Select(a => a.Extent)]);
        Stages.Add(new Stage(name, StageKind.Map, [.. axes], [output], Vars(axes), [value], null));
        return output;
    }

    private Buffer Reduce(string name, IReadOnlyList<Axis> axes, IReadOnlyList<Axis> over, Expr value, Reducer reducer)
    {
        var output = new Buffer(name, value.Type, [.. axes.Select(a => a.Extent)]);
        Stages.Add(
            new Stage(
                name,
                StageKind.Reduce,
                [.. axes, .. over.Select(a => a with { Kind = AxisKind.Reduce })],
                [output],
                Vars(axes),
                [value],
                reducer
            )
        );
        return output;
    }
}
