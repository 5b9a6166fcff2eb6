using System.Collections.Immutable;

namespace Picograd.Algorithms;

/// <summary>
/// Writes an algorithm:
/// <code>
/// var g = new AlgorithmBuilder("matmul");
/// var a = g.Input("A", DType.Float32, M, K);
/// var b = g.Input("B", DType.Float32, K, N);
/// var (m, n, k) = (new Axis("m", M), new Axis("n", N), new Axis("k", K));
/// var c = g.Stage("C", [m, n], AlgorithmBuilder.Sum(k, a[m, k] * b[k, n]));
/// Algorithm matmul = g.Build(c);
/// </code>
/// </summary>
public sealed class AlgorithmBuilder(string name)
{
    private readonly List<Parameter> _parameters = [];
    private readonly List<Buffer> _inputs = [];
    private readonly List<Stage> _stages = [];
    private readonly HashSet<string> _names = [];
    private readonly HashSet<Var> _vars = [];

    /// <summary>The algorithm's.</summary>
    public string Name => name;

    /// <summary>A symbolic extent between min and max inclusive.</summary>
    public Parameter Parameter(string parameterName, long max, long min = 1)
    {
        if (min < 0 || max < min)
            throw new ArgumentException(
                $"parameter {parameterName}: bounds must satisfy 0 <= min <= max, got {min}, {max}"
            );
        Claim(parameterName);
        var parameter = new Parameter(new Var(parameterName), min, max);
        _parameters.Add(parameter);
        return parameter;
    }

    /// <summary>A symbolic extent made before.</summary>
    internal void Add(Parameter parameter)
    {
        Claim(parameter.Name);
        _parameters.Add(parameter);
    }

    public Buffer Input(string bufferName, DType type, params Expr[] shape) =>
        Input(new Buffer(bufferName, type, [.. shape]));

    /// <summary>An input with a layout of its own (strides).</summary>
    public Buffer Input(Buffer buffer)
    {
        Claim(buffer.Name);
        CheckShape(buffer.Name, buffer.Shape);
        _inputs.Add(buffer);
        return buffer;
    }

    /// <summary>
    /// out[axes] = value. Output shape = extents of the axes, dtype = that of the value (or given), dense unless strides are
    /// given: then what lies between its elements is left alone.
    /// </summary>
    public Buffer Stage(
        string stageName,
        ReadOnlySpan<Axis> axes,
        Expr value,
        DType? store = null,
        ImmutableArray<long> strides = default,
        ImmutableArray<Expr> pitches = default
    )
    {
        var type = store ?? value.Type;
        if (type != value.Type && !(type.IsFloat() && value.Type.IsFloat()))
            throw new ArgumentException(
                $"stage {stageName}: a value of {value.Type.Name()} cannot be stored as {type.Name()}; use Cast"
            );
        var output = NewOutput(stageName, axes, type, strides, pitches);
        Add(
            new Stage(
                stageName,
                StageKind.Map,
                [.. axes],
                [output],
                [.. axes.ToArray().Select(a => (Expr)a.Var)],
                [value],
                null
            )
        );
        return output;
    }

    /// <summary>out[axes] = reduction. Refuses tuple-valued reductions: see <see cref="TupleStage"/>.</summary>
    /// <param name="stageName">Name of the stage and of its output.</param>
    /// <param name="axes">Axes of the output.</param>
    /// <param name="reduction">What is reduced, over which axes.</param>
    /// <param name="detached">See <see cref="Stage.Detached"/>.</param>
    public Buffer Stage(string stageName, ReadOnlySpan<Axis> axes, Reduction reduction, bool detached = false)
    {
        if (reduction.Reducer.Arity != 1)
            throw new ArgumentException(
                $"stage {stageName}: {reduction.Reducer.Name} yields {reduction.Reducer.Arity} values; use TupleStage"
            );
        return TupleStage(stageName, axes, reduction, detached)[0];
    }

    /// <summary>One output for each component of the reducer, named stageName.0, stageName.1, ….</summary>
    /// <inheritdoc cref="Stage(string, ReadOnlySpan{Axis}, Reduction, bool)"/>
    public ImmutableArray<Buffer> TupleStage(
        string stageName,
        ReadOnlySpan<Axis> axes,
        Reduction reduction,
        bool detached = false
    )
    {
        var outputs = new Buffer[reduction.Reducer.Arity];
        for (int i = 0; i < outputs.Length; i++)
        {
            if (reduction.Values[i].Type != reduction.Reducer.Identity[i].Type)
                throw new ArgumentException(
                    $"stage {stageName}: component {i} of {reduction.Reducer.Name} is {reduction.Reducer.Identity[i].Type.Name()}, its value {reduction.Values[i].Type.Name()}"
                );
            string outputName = outputs.Length == 1 ? stageName : $"{stageName}.{i}";
            outputs[i] = NewOutput(outputName, axes, reduction.Values[i].Type);
        }
        // Where the predicate does not hold the identity is combined: neutral, and no special case below this level.
        var values = reduction.Where is null
            ? reduction.Values
            : [.. reduction.Values.Select((v, i) => Op.Select(reduction.Where, v, reduction.Reducer.Identity[i]))];
        Add(
            new Stage(
                stageName,
                StageKind.Reduce,
                [.. axes, .. reduction.Axes.Select(a => a with { Kind = AxisKind.Reduce })],
                [.. outputs],
                [.. axes.ToArray().Select(a => (Expr)a.Var)],
                values,
                reduction.Reducer
            )
            {
                Detached = detached,
            }
        );
        return [.. outputs];
    }

    /// <summary>
    /// out[shape] starts from <paramref name="initial"/> (null: the reducer's identity); then every point of the axes
    /// combines value into out[indices]. Indices may repeat. An axis that is itself one of the indices stays spatial.
    /// <paramref name="inPlace"/>: in the memory, and with the layout, of <paramref name="initial"/>, an input; see
    /// <see cref="Stage.InPlace"/>.
    /// </summary>
    public Buffer Scatter(
        string stageName,
        ReadOnlySpan<Axis> axes,
        ReadOnlySpan<Expr> shape,
        ReadOnlySpan<Expr> indices,
        Expr value,
        Reducer reducer,
        Buffer? initial = null,
        bool inPlace = false
    )
    {
        if (inPlace && (initial is null || !_inputs.Contains(initial)))
            throw new ArgumentException($"scatter {stageName}: only an input can be changed in place");
        if (shape.Length != indices.Length)
            throw new ArgumentException($"scatter {stageName}: {shape.Length} dimensions but {indices.Length} indices");
        RequireSingle(stageName, value, reducer);
        Claim(stageName);
        var output = new Buffer(
            stageName,
            value.Type,
            [.. shape],
            strides: inPlace ? initial!.Strides : default,
            pitches: inPlace ? initial!.Pitches : default
        );
        CheckShape(stageName, output.Shape);
        if (initial is not null && (initial.Type != output.Type || !initial.Shape.SequenceEqual(output.Shape)))
            throw new ArgumentException($"scatter {stageName}: starts from {initial}, which is not like {output}");
        var places = indices.ToArray();
        var repeats = reducer.IsLast ? AxisKind.Ordered : AxisKind.Reduce;
        var kinds = axes.ToArray()
            .Select(a => a with { Kind = places.Any(i => i == a.Var) ? AxisKind.Spatial : repeats });
        _stages.Add(
            Check(
                new Stage(stageName, StageKind.Scatter, [.. kinds], [output], [.. places], [value], reducer)
                {
                    Initial = initial,
                    InPlace = inPlace,
                }
            )
        );
        return output;
    }

    /// <summary>Inclusive scan of value along <paramref name="along"/>, which must be one of the axes.</summary>
    public Buffer Scan(string stageName, ReadOnlySpan<Axis> axes, Axis along, Expr value, Reducer reducer)
    {
        var list = axes.ToArray();
        if (!list.Any(a => a.Var == along.Var))
            throw new ArgumentException($"scan {stageName}: {along.Name} is not one of its axes");
        RequireSingle(stageName, value, reducer);
        var output = NewOutput(stageName, axes, value.Type);
        Add(
            new Stage(
                stageName,
                StageKind.Scan,
                [.. list.Select(a => a.Var == along.Var ? a with { Kind = AxisKind.Ordered } : a)],
                [output],
                [.. list.Select(a => (Expr)a.Var)],
                [value],
                reducer
            )
        );
        return output;
    }

    /// <summary>
    /// The only output of an algorithm of constant extents, computed here from other buffers in the place of its inputs. Its last
    /// stage is called <paramref name="stageName"/>, the others by that and their names.
    /// </summary>
    internal Buffer Inline(string stageName, Algorithm algorithm, IReadOnlyDictionary<Buffer, Buffer> inputs)
    {
        var buffers = new Dictionary<Buffer, Buffer>(inputs);
        Expr Moved(Expr e) =>
            e.Map(n => n is Load l ? new Load(buffers[l.Buffer], [.. l.Indices.Select(Moved)]) : null);
        foreach (var stage in algorithm.Stages)
        {
            foreach (var output in stage.Outputs)
            {
                string own = algorithm.Outputs.Contains(output) ? stageName : $"{stageName}.{output.Name}";
                Claim(own);
                buffers[output] = output.With(name: own);
            }
            Add(
                stage with
                {
                    Name = buffers[stage.Outputs[0]].Name,
                    Outputs = [.. stage.Outputs.Select(o => buffers[o])],
                    Indices = [.. stage.Indices.Select(Moved)],
                    Values = [.. stage.Values.Select(Moved)],
                    Initial = stage.Initial is { } initial ? buffers[initial] : null,
                }
            );
        }
        return buffers[algorithm.Outputs.Single()];
    }

    public Algorithm Build(params Buffer[] outputs)
    {
        if (outputs.Length == 0)
            throw new ArgumentException($"{name}: an algorithm needs at least one output");
        if (outputs.Distinct().Count() != outputs.Length)
            throw new ArgumentException($"{name}: an output is named twice");
        foreach (var output in outputs)
        {
            if (!_stages.Any(s => s.Outputs.Contains(output)))
                throw new ArgumentException($"{name}: output {output.Name} is not computed by a stage");
        }
        // Only what the outputs need, in the order written (a stage can only read what was made before it).
        var needed = new HashSet<Buffer>(outputs);
        var kept = new List<Stage>();
        foreach (var stage in Enumerable.Reverse(_stages))
        {
            if (!stage.Outputs.Any(needed.Contains))
                continue;
            kept.Add(stage);
            needed.UnionWith(stage.Reads);
        }
        kept.Reverse();
        return new Algorithm(name, [.. _parameters], [.. _inputs], [.. outputs], [.. kept]);
    }

    public static Reduction Sum(Axis axis, Expr value, Expr? where = null) => Sum([axis], value, where);

    public static Reduction Sum(ReadOnlySpan<Axis> axes, Expr value, Expr? where = null) =>
        new(Reducer.Sum(value.Type), [.. axes], [value], where);

    public static Reduction Prod(ReadOnlySpan<Axis> axes, Expr value, Expr? where = null) =>
        new(Reducer.Prod(value.Type), [.. axes], [value], where);

    public static Reduction Max(ReadOnlySpan<Axis> axes, Expr value, Expr? where = null) =>
        new(Reducer.Max(value.Type), [.. axes], [value], where);

    public static Reduction Min(ReadOnlySpan<Axis> axes, Expr value, Expr? where = null) =>
        new(Reducer.Min(value.Type), [.. axes], [value], where);

    public static Reduction Any(ReadOnlySpan<Axis> axes, Expr value, Expr? where = null) =>
        new(Reducer.Any(), [.. axes], [value], where);

    public static Reduction All(ReadOnlySpan<Axis> axes, Expr value, Expr? where = null) =>
        new(Reducer.All(), [.. axes], [value], where);

    /// <summary>(largest value, its index); of equals the first.</summary>
    public static Reduction ArgMax(Axis axis, Expr value, Expr? where = null) =>
        new(Reducer.ArgMax(value.Type), [axis], [value, axis.Var], where);

    /// <summary>(smallest value, its index); of equals the first.</summary>
    public static Reduction ArgMin(Axis axis, Expr value, Expr? where = null) =>
        new(Reducer.ArgMin(value.Type), [axis], [value, axis.Var], where);

    private static void RequireSingle(string stageName, Expr value, Reducer reducer)
    {
        if (reducer.Arity != 1)
            throw new ArgumentException($"stage {stageName}: reducer {reducer.Name} is tuple-valued");
        if (reducer.Identity[0].Type != value.Type)
            throw new ArgumentException(
                $"stage {stageName}: {reducer.Name} is over {reducer.Identity[0].Type.Name()}, its value {value.Type.Name()}"
            );
    }

    private Buffer NewOutput(
        string bufferName,
        ReadOnlySpan<Axis> axes,
        DType type,
        ImmutableArray<long> strides = default,
        ImmutableArray<Expr> pitches = default
    )
    {
        Claim(bufferName);
        return new Buffer(
            bufferName,
            type,
            [.. axes.ToArray().Select(a => a.Extent)],
            strides: strides,
            pitches: pitches
        );
    }

    private void Add(Stage stage) => _stages.Add(Check(stage));

    private Stage Check(Stage stage)
    {
        var repeated = stage.Axes.GroupBy(a => a.Var).FirstOrDefault(g => g.Count() > 1);
        if (repeated is not null)
            throw new ArgumentException($"stage {stage.Name}: axis {repeated.Key.Name} appears twice");
        var twins = stage.Axes.GroupBy(a => a.Name).FirstOrDefault(g => g.Count() > 1);
        if (twins is not null)
            throw new ArgumentException($"stage {stage.Name}: two axes are called {twins.Key}");
        foreach (var axis in stage.Axes)
            CheckShape($"stage {stage.Name}, axis {axis.Name}", [axis.Extent]);
        var known = stage.Axes.Select(a => a.Var).Concat(_parameters.Select(p => p.Var)).ToHashSet();
        foreach (var used in stage.Indices.Concat(stage.Values).SelectMany(e => e.FreeVars()))
        {
            if (!known.Contains(used))
                throw new ArgumentException(
                    $"stage {stage.Name}: {used.Name} is neither one of its axes ({string.Join(", ", stage.Axes.Select(a => a.Name))}) nor a parameter"
                );
        }
        foreach (var read in stage.Reads)
        {
            if (!_inputs.Contains(read) && !_stages.Any(s => s.Outputs.Contains(read)))
                throw new ArgumentException(
                    $"stage {stage.Name} reads {read.Name}, which is neither an input nor an earlier stage"
                );
        }
        return WithOwnAxes(stage);
    }

    // Stages may be written over the same axes; each gets variables of its own, so that a schedule can tell them apart.
    private Stage WithOwnAxes(Stage stage)
    {
        var fresh = stage.Axes.Where(a => !_vars.Add(a.Var)).ToDictionary(a => a.Var, a => (Expr)new Var(a.Name));
        if (fresh.Count == 0)
            return stage;
        foreach (var axis in fresh.Values)
            _vars.Add((Var)axis);
        return stage with
        {
            Axes = [.. stage.Axes.Select(a => fresh.TryGetValue(a.Var, out var v) ? a with { Var = (Var)v } : a)],
            Indices = [.. stage.Indices.Select(i => i.Substitute(fresh))],
            Values = [.. stage.Values.Select(v => v.Substitute(fresh))],
        };
    }

    private void Claim(string newName)
    {
        if (newName.Length == 0 || !newName.All(c => char.IsLetterOrDigit(c) || c is '_' or '.'))
            throw new ArgumentException($"{name}: '{newName}' is not a name (letters, digits, '_' and '.')");
        if (!_names.Add(newName))
            throw new ArgumentException($"{name}: the name {newName} is taken");
    }

    private void CheckShape(string what, ImmutableArray<Expr> shape)
    {
        foreach (var extent in shape)
        {
            if (extent is IntImm { Value: < 0 } negative)
                throw new ArgumentException($"{what}: extent {negative.Value} is negative");
            if (extent is not IntImm && !extent.FreeVars().All(v => _parameters.Any(p => p.Var == v)))
                throw new ArgumentException($"{what}: extent {extent} uses a variable that is not a parameter");
        }
    }
}
