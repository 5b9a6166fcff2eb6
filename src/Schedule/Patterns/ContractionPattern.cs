using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Guards;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Patterns;

/// <summary>
/// A stage that combines values over reduce axes, each computed from elements whose places follow from the axes alone: sums of
/// products of any operands (converted, masked, several reduce axes, batches, windows), and sums, maxima and minima over windows.
/// </summary>
/// <param name="Stage">The reduction.</param>
/// <param name="Guard">Where a value counts; elsewhere it is the reducer's identity. Null: everywhere.</param>
/// <param name="Operands">The elements that a value is computed from, each buffer and place once.</param>
public sealed record ContractionPattern(Stage Stage, Expr? Guard, ImmutableArray<ContractionOperand> Operands)
{
    // Asked again and again for every tile that is looked at.
    private readonly Dictionary<Axis, long> _groups = [];
    private readonly Dictionary<Axis, long> _periods = [];
    private readonly Dictionary<(Load, Axis), bool> _varies = [];
    private readonly Dictionary<(Load, Axis), long> _remainders = [];

    private static TValue Known<TKey, TValue>(Dictionary<TKey, TValue> known, TKey key, Func<TKey, TValue> find)
        where TKey : notnull
    {
        lock (known)
            return known.TryGetValue(key, out var value) ? value : known[key] = find(key);
    }

    /// <summary>Axes of the results, with their loops in order.</summary>
    public ImmutableArray<Axis> Spatial { get; } = [.. Stage.SpatialAxes];

    public ImmutableArray<Axis> Reduced { get; } = [.. Stage.ReduceAxes];

    /// <summary>Where the reads of operands slide along an axis of the results.</summary>
    public ImmutableArray<WindowPattern> Windows { get; } =
    [.. Operands.SelectMany(o => WindowPattern.Of(o.Load, Stage))];

    /// <summary>
    /// Null for what is none: other reducers than sums, maxima and minima of one float or sums of one integer, reads at data-dependent
    /// places.
    /// </summary>
    public static ContractionPattern? Of(Stage stage)
    {
        if (
            stage.Kind != StageKind.Reduce
            || stage.Outputs.Length != 1
            || !(
                stage.Output.Type is DType.Float32 or DType.Float64
                || (stage.Output.Type is DType.Int32 or DType.Int64 && stage.Reducer!.IsSum)
            )
            || Identity(stage.Reducer!) is not { } identity
            || stage.Axes.Any(a => a.Extent is not IntImm)
        )
            return null;
        var (value, guard) = (stage.Values[0], (Expr?)null);
        while (
            value is Select { Else: FloatImm other } select
            && other.Value.Equals(identity)
            && !select.Cond.Loads().Any()
        )
        {
            guard = guard is null ? select.Cond : Op.And(guard, select.Cond);
            value = select.Then;
        }
        var loads = value.Loads().Distinct().ToList();
        if (loads.Count == 0 || loads.Any(l => l.Indices.Any(i => i.Loads().Any())))
            return null;
        var operands = loads.Select(l => new ContractionOperand(l, Conversion(value, l.Buffer))).ToImmutableArray();
        return new ContractionPattern(stage, guard, operands);
    }

    /// <summary>Whether a value is a product of operands, of which none has all axes: what register tiles use more than once.</summary>
    public bool Shares => Operands.Length > 1 && Operands.Any(o => Spatial.Any(a => !o.Uses(a)));

    /// <summary>
    /// Neighbours along an axis of the results that read the same elements where they depend on the axis by its quotient only
    /// (channels of one group): how many; the extent where nothing depends on a quotient.
    /// </summary>
    public long GroupSize(Axis axis) => Known(_groups, axis, FindGroupSize);

    private long FindGroupSize(Axis axis)
    {
        long extent = ((IntImm)axis.Extent).Value;
        // With its remainder too, an axis is cut in phases (a transposed convolution), which no two neighbours share.
        if (Period(axis) > 1)
            return extent;
        long size = extent;
        foreach (var node in Operands.SelectMany(o => o.Load.Indices).SelectMany(i => i.Nodes()))
        {
            if (
                node is Binary { Kind: BinaryOp.FloorDiv, B: IntImm { Value: > 0 } by } quotient
                && ReferenceEquals(quotient.A, axis.Var)
                && extent % by.Value == 0
            )
                size = Math.Min(size, by.Value);
        }
        return size;
    }

    /// <summary>Whether what an operand reads differs between neighbours of a group.</summary>
    public bool Varies(ContractionOperand operand, Axis axis) =>
        Known(_varies, (operand.Load, axis), _ => FindVaries(operand, axis));

    private bool FindVaries(ContractionOperand operand, Axis axis)
    {
        if (!operand.Uses(axis))
            return false;
        long extent = ((IntImm)axis.Extent).Value;
        long size = GroupSize(axis);
        if (size == extent)
            return true;
        var (group, inner) = (new Var("group"), new Var("inner"));
        var at = new Dictionary<Var, Expr> { [axis.Var] = group * size + inner };
        var ranges = new Dictionary<Var, Interval> { [group] = new(0, extent / size - 1), [inner] = new(0, size - 1) };
        return operand.Load.Indices.Any(i => Simplifier.Simplify(i.Substitute(at), ranges).Uses(inner));
    }

    /// <summary>
    /// How many different places an operand is read at by so many neighbours along an axis. Where it depends on the axis by a
    /// remainder only (filters of a transposed convolution), as many as there are remainders.
    /// </summary>
    public long Places(ContractionOperand operand, Axis axis, long neighbours)
    {
        if (!Varies(operand, axis))
            return 1;
        long remainders = Known(_remainders, (operand.Load, axis), _ => Remainders(operand, axis));
        return remainders > 0 ? Math.Min(neighbours, remainders) : neighbours;
    }

    // Into how many remainders an operand depends on an axis; 0 where it does so otherwise.
    private static long Remainders(ContractionOperand operand, Axis axis)
    {
        long modulus = 0;
        Expr? Remainder(Expr e)
        {
            if (e is not Binary { Kind: BinaryOp.Mod, B: IntImm by } rest || !rest.A.Uses(axis.Var))
                return null;
            modulus = Math.Max(modulus, by.Value);
            return 0;
        }
        bool otherwise = operand.Load.Indices.Any(i => i.Map(Remainder).Uses(axis.Var));
        return otherwise ? 0 : modulus;
    }

    /// <summary>Neighbours along an axis after which remainders begin anew; 1 where there are none.</summary>
    public long Period(Axis axis) => Known(_periods, axis, FindPeriod);

    private long FindPeriod(Axis axis)
    {
        long period = 1;
        foreach (var node in Operands.SelectMany(o => o.Load.Indices).SelectMany(i => i.Nodes()))
        {
            if (node is Binary { Kind: BinaryOp.Mod, B: IntImm by } rest && rest.A.Uses(axis.Var))
                period = Math.Max(period, by.Value);
        }
        return period;
    }

    private static double? Identity(Reducer reducer) =>
        reducer.IsSum ? 0
        : reducer.Identity is [FloatImm { Value: double.NegativeInfinity }] ? double.NegativeInfinity
        : reducer.Identity is [FloatImm { Value: double.PositiveInfinity }] ? double.PositiveInfinity
        : null;

    // The type to which all reads of a buffer are converted; null where they are used as they are.
    private static DType? Conversion(Expr value, Algorithms.Buffer buffer)
    {
        int reads = value.Loads().Count(l => l.Buffer == buffer);
        var casts = value.Nodes().OfType<Cast>().Where(c => c.A is Load l && l.Buffer == buffer).ToList();
        return casts.Count > 0 && casts.Count == reads && casts.TrueForAll(c => c.To == casts[0].To)
            ? casts[0].To
            : null;
    }
}

/// <summary>Elements that a contraction reads.</summary>
/// <param name="Load">The buffer and, over the stage's axes, the place.</param>
/// <param name="Converted">What the elements are converted to before anything else; null: they are used as they are.</param>
public sealed record ContractionOperand(Load Load, DType? Converted)
{
    // Asked again and again for every tile that is looked at.
    private readonly Dictionary<Axis, (bool Uses, int Dimension, long? Step)> _axes = [];

    public Algorithms.Buffer Buffer => Load.Buffer;

    public bool Uses(Axis axis) => Of(axis).Uses;

    /// <summary>The dimension whose index is the axis itself, and which alone depends on it; -1: there is none.</summary>
    public int Dimension(Axis axis) => Of(axis).Dimension;

    /// <summary>Elements between neighbours along an axis; null where these are not always as far apart.</summary>
    public long? Step(Axis axis) => Of(axis).Step;

    private (bool Uses, int Dimension, long? Step) Of(Axis axis)
    {
        lock (_axes)
        {
            if (_axes.TryGetValue(axis, out var known))
                return known;
            int at = Load.Indices.IndexOf(axis.Var);
            var form = LinearForm.Of(Buffer.Offset(Load.Indices));
            bool varies = form.Terms.Any(t => !ReferenceEquals(t.Atom, axis.Var) && t.Atom.Uses(axis.Var));
            return _axes[axis] = (
                Load.Indices.Any(i => i.Uses(axis.Var)),
                at >= 0 && Load.Indices.Count(i => i.Uses(axis.Var)) == 1 ? at : -1,
                varies ? null : form.CoefficientOf(axis.Var)
            );
        }
    }
}
