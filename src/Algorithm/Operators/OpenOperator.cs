using System.Collections.Immutable;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// An operator instance whose sizes and strides are open: symbolic extents within a range, so that one kernel serves all shapes
/// of the class. Sizes of 1, strides of 0 and 1 and everything that is no size are what they are, since they say what the
/// operator does, and so are the elements of rows of less than a vector. Other sizes lie between 64 times two powers of sixteen, those up to
/// 64 together; those of rows between bounds at which schedules change. Which class a shape belongs to depends on that shape only.
/// </summary>
public sealed class OpenOperator
{
    // Instances of fewer points and of more are classes of their own: default schedules spread work over threads from the first
    // number on, and read data that no second-level cache holds in another order, about from the second on.
    private static readonly (string Name, long Most)[] Levels =
    [
        ("few", (1L << 15) - 1),
        ("many", 1L << 18),
        ("far", long.MaxValue),
    ];

    // Lanes of the widest vectors of 32 bits.
    private const long ShortRow = 16;

    private readonly OperatorSpec _exact;
    private readonly ImmutableDictionary<string, ImmutableArray<Expr>> _open;
    private readonly ImmutableArray<Parameter> _parameters;

    // Points that sizes which are not open make.
    private readonly long _closed;
    private readonly int _level;

    private OpenOperator(
        OperatorSpec exact,
        string name,
        string family,
        ImmutableDictionary<string, ImmutableArray<Expr>> open,
        ImmutableArray<Parameter> parameters,
        ImmutableArray<long> extents,
        long closed
    )
    {
        _exact = exact;
        (Name, Family) = (name, family);
        _open = open;
        _parameters = parameters;
        _closed = closed;
        Extents = extents;
        _level = Level(CountPoints(parameters, extents, closed));
    }

    /// <summary>The class as text, <c>softmax rows=257.. cols=16.. many</c>: equal for instances that share kernels.</summary>
    public string Name { get; }

    /// <summary>The operator with everything that is not open, <c>softmax rows=* cols=*</c>: what differs in open sizes only has the same.</summary>
    public string Family { get; }

    /// <summary>The parameters of the classes' algorithm, with their bounds.</summary>
    public ImmutableArray<Parameter> Parameters => _parameters;

    /// <summary>
    /// Which parameter a number of a key is, of a shape or a list the one at a place; -1 for a number that all shapes of the class have.
    /// </summary>
    public int ParameterAt(string key, int place)
    {
        if (!_open.TryGetValue(key, out var exprs) || exprs[place] is not Var)
            return -1;
        return IndexOf(exprs[place]);
    }

    /// <summary>Whether strides may have any order: what is said of the class is said of one order of them.</summary>
    public static bool IsStrides(OperatorKey key) => key.Kind == KeyKind.List && key.Name is "strides" or "to";

    /// <summary>Whether an instance of the same closed numbers, with its open ones within their bounds, is of this class.</summary>
    /// <param name="extents">Its values of the parameters.</param>
    public bool IsOfLevel(ReadOnlySpan<long> extents) => Level(CountPoints(extents)) == _level;

    /// <summary>Points of an instance of the class, at most 2^31.</summary>
    public long CountPoints(ReadOnlySpan<long> extents)
    {
        long points = _closed;
        for (int i = 0; i < extents.Length; i++)
        {
            if (!IsStride(_parameters[i]))
                points = Math.Min(points * Math.Min(extents[i], 1L << 31), 1L << 31);
        }
        return Math.Max(1, points);
    }

    /// <summary>The instance's values of the algorithm's parameters, in order.</summary>
    public ImmutableArray<long> Extents { get; }

    /// <summary>Points of the instance, at most 2^31.</summary>
    public long Points => CountPoints(Extents.AsSpan());

    /// <summary>The algorithm with symbolic extents.</summary>
    public Algorithm Build() => _exact.BuildOpen(_open, _parameters);

    /// <summary>The class of an instance; null where its operator has no open form, or nothing in it is open.</summary>
    public static OpenOperator? Of(OperatorSpec spec)
    {
        if (spec.Definition.Opens is not { } opens)
            return null;
        var open = ImmutableDictionary.CreateBuilder<string, ImmutableArray<Expr>>();
        var parameters = new List<Parameter>();
        var extents = ImmutableArray.CreateBuilder<long>();
        var name = new StringBuilder(spec.Name);
        var family = new StringBuilder(spec.Name);
        long closed = 1;
        long shortest = 1;
        int rank = spec
            .Definition.Keys.Where(k => k.Kind == KeyKind.Shape && spec.Has(k.Name))
            .Select(k => spec.Shape(k.Name).Length)
            .DefaultIfEmpty()
            .Max();
        foreach (var key in spec.Definition.Keys)
        {
            if (!spec.Has(key.Name))
                continue;
            bool strides = IsStrides(key);
            if ((key.Kind is not (KeyKind.Dimension or KeyKind.Shape) && !strides) || !opens(spec, key.Name))
            {
                closed *= key.Kind == KeyKind.Dimension ? spec.Dim(key.Name) : 1;
                name.Append(CultureInfo.InvariantCulture, $" {key.Name}={spec.Choice(key.Name)}");
                family.Append(CultureInfo.InvariantCulture, $" {key.Name}={spec.Choice(key.Name)}");
                continue;
            }
            ImmutableArray<long> values =
                key.Kind == KeyKind.Dimension ? [spec.Dim(key.Name)]
                : strides ? spec.List(key.Name)
                : spec.Shape(key.Name);
            long fewest = spec.Definition.FewestOpen?.Invoke(key.Name) ?? 0;
            var exprs = ImmutableArray.CreateBuilder<Expr>(values.Length);
            name.Append(' ').Append(key.Name).Append('=');
            family.Append(CultureInfo.InvariantCulture, $" {key.Name}=*{values.Length}");
            for (int d = 0; d < values.Length; d++)
            {
                name.Append(d > 0 ? "x" : "");
                // Elements of a row, which lie side by side in vectors.
                bool inner = key.Kind == KeyKind.Shape ? rank > 1 && d == values.Length - 1 : IsRowLength(key.Name);
                if (values[d] <= 1 || values[d] < fewest || (inner && values[d] < ShortRow))
                {
                    exprs.Add(values[d]);
                    name.Append(CultureInfo.InvariantCulture, $"{values[d]}");
                    shortest = inner ? Math.Max(shortest, values[d]) : shortest;
                    continue;
                }
                // Shapes line up at their last dimension: what is as long there is one extent.
                string extent =
                    key.Kind == KeyKind.Dimension ? $"size.{key.Name}"
                    : strides ? $"{key.Name}.{values.Length - d}"
                    : $"size.{values.Length - d}";
                var parameter = parameters.Find(p => p.Name == extent);
                if (parameter is null)
                {
                    var (least, most) =
                        strides ? (2, OperatorSpec.LargestTensor)
                        : inner ? RowRange(values[d])
                        : Range(values[d]);
                    parameter = new Parameter(new Var(extent), Math.Max(least, fewest), most);
                    parameters.Add(parameter);
                    extents.Add(values[d]);
                }
                exprs.Add(parameter);
                // Of strides their order is part of the class.
                long smaller = values.Count(v => v < values[d]);
                if (strides)
                    name.Append(CultureInfo.InvariantCulture, $"s{smaller}");
                else
                    name.Append(CultureInfo.InvariantCulture, $"{parameter.Min}..");
            }
            open[key.Name] = exprs.MoveToImmutable();
        }
        if (parameters.Count == 0)
            return null;
        closed *= shortest;
        name.Append(' ').Append(Levels[Level(CountPoints(parameters, extents, closed))].Name);
        return new OpenOperator(
            spec,
            name.ToString(),
            family.ToString(),
            open.ToImmutable(),
            [.. parameters],
            extents.ToImmutable(),
            closed
        );
    }

    /// <summary>
    /// The instance that stands for the class: its default schedule, replayed over symbolic extents, is that of all. Its sizes are
    /// odd, so that no schedule relies on a factor that divides them.
    /// </summary>
    /// <param name="small">
    /// The size that stands for those up to 64: odd, and more than what the schedule takes at a time, or that would be no loop.
    /// </param>
    /// <param name="within">Outer sizes give way where the others make more points than the class has.</param>
    public OperatorSpec Representative(long small = 37, bool within = true)
    {
        int level = Level(CountPoints(_parameters, Extents, _closed));
        var chosen = Sizes(p =>
            p.Max <= 64 ? small
            : p.Max == 127 ? Math.Max(small, 91)
            : p.Max == 511 ? 181
            : Math.Min(2 * p.Min + (p.Min % 2 == 0 ? 5 : 9), OperatorKey.LargestDimension) | 1
        );
        if (Level(CountPoints(_parameters, chosen, _closed)) < level)
            chosen = Sizes(p => (p.Max - 1) | 1);
        // Outer sizes give way, inner ones decide on vectors.
        for (int i = 0; within && i < chosen.Length && Level(CountPoints(_parameters, chosen, _closed)) > level; i++)
        {
            if (!IsStride(_parameters[i]))
                chosen[i] = _parameters[i].Max <= 64 ? 17 : _parameters[i].Min + 1;
        }
        var pairs = new List<(string, string)>();
        foreach (var key in _exact.Definition.Keys)
        {
            if (!_exact.Has(key.Name))
                continue;
            if (!_open.TryGetValue(key.Name, out var extents))
            {
                pairs.Add((key.Name, _exact.Choice(key.Name)));
                continue;
            }
            var values =
                key.Kind == KeyKind.List
                    ? StandingStrides(key.Name, extents, chosen)
                    : extents.Select(e => e is IntImm i ? i.Value : chosen[IndexOf(e)]);
            pairs.Add((key.Name, string.Join(key.Kind == KeyKind.List ? ',' : 'x', values)));
        }
        return OperatorSpec.Of(_exact.Name, [.. pairs]);
    }

    // Strides in the order that the class has, with gaps: no two dimensions lie as one.
    private IEnumerable<long> StandingStrides(string key, ImmutableArray<Expr> strides, long[] chosen)
    {
        var shape = _exact.Shape("shape").Select(e => (Expr)e).ToImmutableArray();
        shape = _open.GetValueOrDefault("shape", shape);
        var exact = _exact.List(key);
        var result = new long[strides.Length];
        long next = 3;
        foreach (int d in Enumerable.Range(0, strides.Length).OrderBy(d => exact[d]))
        {
            result[d] = strides[d] is IntImm known ? known.Value : next;
            long size = shape[d] is IntImm one ? one.Value : chosen[IndexOf(shape[d])];
            next = Math.Max(next, Math.Max(1, result[d]) * size + 3);
        }
        return result;
    }

    private long[] Sizes(Func<Parameter, long> size) =>
        [.. _parameters.Select((p, i) => IsStride(p) ? Extents[i] : size(p))];

    private int IndexOf(Expr extent)
    {
        for (int i = 0; i < _parameters.Length; i++)
        {
            if (ReferenceEquals(_parameters[i].Var, extent))
                return i;
        }
        throw new InvalidOperationException($"{extent} is no extent of {Name}");
    }

    private static bool IsStride(Parameter p) => p.Max == OperatorSpec.LargestTensor;

    private static long CountPoints(IReadOnlyList<Parameter> parameters, IReadOnlyList<long> extents, long closed)
    {
        long points = closed;
        for (int i = 0; i < extents.Count; i++)
        {
            if (!IsStride(parameters[i]))
                points = Math.Min(points * Math.Min(extents[i], 1L << 31), 1L << 31);
        }
        return points;
    }

    private static int Level(long points) => Array.FindIndex(Levels, l => points <= l.Most);

    private static bool IsRowLength(string key) => key is "cols" or "classes" or "dim" or "inner";

    // Beyond a power of sixteen up to the next, 2 to 64 together: a length that grows comes by few classes.
    private static (long Least, long Most) Range(long size)
    {
        if (size <= 64)
            return (2, 64);
        int log = (BitOperations.Log2((ulong)(size - 1)) - 6 & ~3) + 6;
        return ((1L << log) + 1, 16L << log);
    }

    // Rows of up to 63 and 127 elements have fewer vectors side by side than longer ones.
    private static (long Least, long Most) RowRange(long size)
    {
        if (size < 128)
            return size < 64 ? (ShortRow, 63) : (64, 127);
        int log = (BitOperations.Log2((ulong)size) - 7 & ~1) + 7;
        return (1L << log, (4L << log) - 1);
    }
}
