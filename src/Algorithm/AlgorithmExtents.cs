using System.Collections.Immutable;

namespace Picograd.Algorithms;

/// <summary>
/// The constant extents of an algorithm, told apart by structure, not by value: the k of A[m, k] is that of B[k, n], since both are
/// indexed by one axis; that m happens to equal n says nothing.
/// </summary>
public sealed class AlgorithmExtents
{
    private readonly Algorithm _algorithm;
    private readonly Dictionary<object, object> _parents = [];
    private readonly Dictionary<object, int> _numbers = [];
    private readonly List<long> _values = [];

    public AlgorithmExtents(Algorithm algorithm)
    {
        ArgumentNullException.ThrowIfNull(algorithm);
        _algorithm = algorithm;
        foreach (var stage in algorithm.Stages)
        {
            foreach (var output in stage.Outputs)
                Link(stage, output, stage.Indices);
            foreach (var load in stage.Indices.Concat(stage.Values).SelectMany(e => e.Loads()))
                Link(stage, load.Buffer, load.Indices);
            if (stage.Initial is not { } initial)
                continue;
            for (int d = 0; d < initial.Rank; d++)
                Union((initial, d), (stage.Output, d));
        }
        foreach (var input in algorithm.Inputs)
            Number(input);
        foreach (var stage in algorithm.Stages)
        {
            foreach (var axis in stage.Axes)
                Number(axis.Extent, axis.Var);
            foreach (var output in stage.Outputs)
                Number(output);
        }
    }

    /// <summary>The value of each, in order of appearance.</summary>
    public IReadOnlyList<long> Values => _values;

    /// <summary>
    /// The same algorithm with other values. Constants of expressions that equal an extent of their stage, one less, or the number of
    /// points that a stage before reduces over, count as that; strides go, where the inputs' shapes change. Whether what
    /// is computed makes sense (whether it reads within bounds, say) is another question.
    /// </summary>
    /// <param name="values">One for each of <see cref="Values"/>.</param>
    public Algorithm With(IReadOnlyList<long> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.Count != _values.Count)
            throw new ArgumentException($"{values.Count} values are given for {_values.Count} extents", nameof(values));
        var buffers = new Dictionary<Buffer, Buffer>();
        foreach (var input in _algorithm.Inputs)
            buffers[input] = Resized(input, values);
        var stages = ImmutableArray.CreateBuilder<Stage>();
        (double Old, double New) points = (double.NaN, double.NaN);
        foreach (var stage in _algorithm.Stages)
        {
            var changes = new Dictionary<long, long>();
            var axes = stage.Axes.Select(a => a with { Extent = New(a.Extent, a.Var, values) }).ToImmutableArray();
            for (int i = 0; i < axes.Length; i++)
                Change(stage.Axes[i].Extent, axes[i].Extent);
            foreach (var read in stage.Reads.Where(buffers.ContainsKey))
            {
                for (int d = 0; d < read.Rank; d++)
                    Change(read.Shape[d], buffers[read].Shape[d]);
            }
            foreach (var output in stage.Outputs)
                buffers[output] = stage.InPlace
                    ? buffers[stage.Initial!].With(name: output.Name)
                    : Resized(output, values);
            stages.Add(
                stage with
                {
                    Axes = axes,
                    Outputs = [.. stage.Outputs.Select(o => buffers[o])],
                    Indices = [.. stage.Indices.Select(Mapped)],
                    Values = [.. stage.Values.Select(Mapped)],
                    Initial = stage.Initial is null ? null : buffers[stage.Initial],
                }
            );
            if (stage.Kind == StageKind.Reduce)
                points = (Points(stage.Axes), Points(axes));

            void Change(Expr old, Expr now)
            {
                if (old is IntImm { Value: >= 2 and var was } && now is IntImm { Value: var becomes } && was != becomes)
                    changes[was] = becomes;
            }

            Expr Mapped(Expr e) =>
                e.Map(n =>
                    n switch
                    {
                        Load l => new Load(buffers[l.Buffer], [.. l.Indices.Select(i => i is IntImm ? i : Mapped(i))]),
                        IntImm { ImmType: DType.Int64 } i => new IntImm((long)Constant(i.Value), i.ImmType),
                        FloatImm f => f with { Value = Constant(f.Value) },
                        _ => null,
                    }
                );

            double Constant(double value) =>
                value == points.Old ? points.New
                : value >= 2 && value <= long.MaxValue / 2 && value == Math.Floor(value)
                    ? changes.TryGetValue((long)value, out long same) ? same
                        : changes.TryGetValue((long)value + 1, out long next) ? next - 1
                        : value
                : value;
        }
        return new Algorithm(
            _algorithm.Name,
            _algorithm.Parameters,
            [.. _algorithm.Inputs.Select(b => buffers[b])],
            [.. _algorithm.Outputs.Select(b => buffers[b])],
            stages.ToImmutable()
        );
    }

    /// <summary>Number of the extent of an axis' variable, or of a buffer's dimension (buffer, d); −1 for a symbolic one.</summary>
    internal int Of(object place) => _numbers.GetValueOrDefault(Root(place), -1);

    private static double Points(ImmutableArray<Axis> axes) =>
        axes.Where(a => a.Kind != AxisKind.Spatial)
            .Aggregate(1.0, (n, a) => a.Extent is IntImm e ? n * e.Value : double.NaN);

    private Expr New(Expr extent, object place, IReadOnlyList<long> values) =>
        extent is IntImm && Of(place) is >= 0 and var i ? values[i] : extent;

    private Buffer Resized(Buffer buffer, IReadOnlyList<long> values)
    {
        Expr[] shape = [.. buffer.Shape.Select((e, d) => New(e, (buffer, d), values))];
        bool changes = !shape.AsSpan().SequenceEqual(buffer.Shape.AsSpan());
        if (!changes)
            return buffer;
        // Strides of smaller shapes stay right: elements then have gaps.
        bool shrinks = shape
            .Zip(buffer.Shape)
            .All(p => p is (IntImm n, IntImm o) && n.Value <= o.Value || p.First == p.Second);
        return shrinks
            ? buffer.With(shape: [.. shape])
            : new Buffer(buffer.Name, buffer.Type, [.. shape], pitches: buffer.Pitches);
    }

    private void Number(Buffer buffer)
    {
        for (int d = 0; d < buffer.Rank; d++)
            Number(buffer.Shape[d], (buffer, d));
    }

    private void Number(Expr extent, object place)
    {
        if (extent is IntImm constant && _numbers.TryAdd(Root(place), _values.Count))
            _values.Add(constant.Value);
    }

    private void Link(Stage stage, Buffer buffer, ImmutableArray<Expr> indices)
    {
        for (int d = 0; d < indices.Length; d++)
        {
            var axis = stage.Axes.FirstOrDefault(a => a.Var == indices[d]);
            if (axis is not null && axis.Extent == buffer.Shape[d])
                Union(axis.Var, (buffer, d));
        }
    }

    private void Union(object a, object b)
    {
        (a, b) = (Root(a), Root(b));
        if (!a.Equals(b))
            _parents[b] = a;
    }

    private object Root(object place)
    {
        while (_parents.TryGetValue(place, out object? parent))
            place = parent;
        return place;
    }
}
