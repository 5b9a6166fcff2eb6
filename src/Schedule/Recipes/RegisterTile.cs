using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Recipes;

/// <summary>Which axes of a contraction's results a register tile has, and how far it goes along each.</summary>
/// <param name="Vector">The axis along which vectors run: one of the results, or one that is summed up, lane by lane.</param>
/// <param name="Vectors">How many of them, side by side.</param>
/// <param name="Rows">Axes that are unrolled with so many points each, outermost first.</param>
internal sealed record RegisterTile(Axis Vector, long Vectors, ImmutableArray<(Axis Axis, long Points)> Rows)
{
    public long Accumulators => Rows.Aggregate(Vectors, (n, r) => n * r.Points);
}

/// <summary>Register tiles that a contraction can have, with an estimate of what they cost.</summary>
internal sealed partial class RegisterTiles
{
    /// <summary>References to locals up to which the code of a tile is no problem for any compiler, by the estimate.</summary>
    public const double MostReferences = 8000;

    // Cycles to add up the lanes of a vector.
    private const double LaneSum = 8;

    /// <summary>Vectors side by side that a tile may have.</summary>
    public static readonly ImmutableArray<long> Widths = [1, 2, 3, 4, 6, 8];

    private readonly ContractionPattern _pattern;
    private readonly TargetInfo _target;
    private readonly int _lanes;

    public RegisterTiles(ContractionPattern pattern, TargetInfo target)
    {
        (_pattern, _target) = (pattern, target);
        _lanes = target.Lanes(pattern.Stage.Output.Type);
        var axes = new List<ImmutableArray<Axis>>();
        foreach (var combination in Combinations())
            axes.Add(combination);
        Axes = [.. axes];
        Best = Choose();
    }

    /// <summary>Axes that tiles may have: that of vectors, then those of rows.</summary>
    public ImmutableArray<ImmutableArray<Axis>> Axes { get; }

    /// <summary>Whether all axes that vectors may run along have the results side by side.</summary>
    public bool AllDirect
    {
        get
        {
            foreach (var axes in Axes)
            {
                if (!IsDirect(axes[0]))
                    return false;
            }
            return true;
        }
    }

    /// <summary>Whether any axis that vectors may run along has the results side by side.</summary>
    public bool AnyDirect
    {
        get
        {
            foreach (var axes in Axes)
            {
                if (IsDirect(axes[0]))
                    return true;
            }
            return false;
        }
    }

    /// <summary>The number of a tile's axes in <see cref="Axes"/>.</summary>
    public int IndexOf(RegisterTile tile)
    {
        for (int i = 0; i < Axes.Length; i++)
        {
            var axes = Axes[i];
            bool same = axes.Length == 1 + tile.Rows.Length && axes[0] == tile.Vector;
            for (int r = 0; r < tile.Rows.Length && same; r++)
                same = axes[1 + r] == tile.Rows[r].Axis;
            if (same)
                return i;
        }
        throw new InvalidOperationException($"no tile along {tile.Vector.Name} has these rows");
    }

    /// <summary>The tile that costs least by the estimate; null where no axis carries vectors.</summary>
    public RegisterTile? Best { get; }

    /// <summary>Whether the results of a tile stay in registers, beside a step's vectors, which all rows use, and one element of a row.</summary>
    public bool Fits(RegisterTile tile) =>
        tile.Accumulators + (tile.Accumulators == tile.Vectors ? 1 : tile.Vectors) + 1 < _target.VectorRegisters
        && (!IsShort(tile) || tile.Accumulators <= _target.VectorRegisters / 2 - (RowsSlide(tile) ? 4 : 0));

    // Few steps along vectors that slide are all in one piece of code, which keeps what they read too (3 x 3 of each of 64 channels:
    // 31 µs for 3 rows of 4 vectors, 46 for 14 of 2).
    private bool IsShort(RegisterTile tile) =>
        _pattern.Reduced.Aggregate(1.0, (n, a) => n * Extents.Of(a)) <= 25
        && _pattern.Windows.Any(w => w.Place == tile.Vector);

    private bool RowsSlide(RegisterTile tile) => _pattern.Windows.Any(w => tile.Rows.Any(r => r.Axis == w.Place));

    private bool IsGrouped(ImmutableArray<Axis> axes) => axes.Length > 1 && Within(axes[1]) < Extents.Of(axes[1]);

    /// <summary>Whether an operand's copy may have tiles along the axis, so that its neighbours become neighbours in memory.</summary>
    public static bool CanPack(ContractionPattern pattern, ContractionOperand operand, Axis axis) =>
        operand.Dimension(axis) >= 0 && pattern.Operands.Count(o => o.Buffer == operand.Buffer) == 1;

    /// <summary>Whether the results lie side by side in memory along the axis.</summary>
    public bool IsDirect(Axis axis) =>
        _pattern.Spatial.Contains(axis)
        && _pattern.Spatial.Skip(_pattern.Spatial.IndexOf(axis) + 1).All(a => Extents.Of(a) == 1);

    /// <summary>
    /// Whether what lies along the vectors is worth a copy for a tile of them: many tiles of rows read it, and it is too much for the
    /// second-level cache, where its rows are a stream each (256 x 768 x 3072: 5.3 ms, 5.7 without; 1024³ 8.4 and 9.2; AVX-512).
    /// </summary>
    public bool PanelsPay(RegisterTile tile) =>
        tile.Rows.Length > 0
        && Within(tile.Rows[0].Axis) >= 96
        && Within(tile.Vector) > tile.Vectors * _lanes
        && _pattern.Operands.Any(o => IsPanel(o, tile) && BytesTogether(o, tile) > _target.L2Bytes / 2);

    /// <summary>
    /// Whether few rows go along with the vectors, and what these read is far: then it is best read in the order of memory, some steps
    /// of the reduction at a time (1 x 1009 x 997: 37 µs, 43 without; 1 x 50257 x 768: 3.5 ms and 5.1).
    /// </summary>
    public bool StreamsPay(RegisterTile tile)
    {
        double rows = tile.Rows.Aggregate(1.0, (n, r) => n * r.Points);
        double bytes = 0;
        foreach (var operand in _pattern.Operands)
        {
            if (operand.Uses(tile.Vector))
                bytes += Bytes(operand);
        }
        return RunsAlong(tile.Vector)
            && _pattern.Reduced.Length == 1
            && ((rows == 1 && bytes > _target.L2Bytes / 2) || (rows <= 8 && bytes > _target.L3Bytes / 2));
    }

    /// <summary>
    /// Whether a tile of vectors alone has what it reads of the operand, for all of its rows, so that it can be copied for it, once.
    /// </summary>
    public bool IsPanel(ContractionOperand operand, RegisterTile tile) =>
        tile.Rows.All(r => !operand.Uses(r.Axis))
        && CanPack(_pattern, operand, tile.Vector)
        && _pattern
            .Spatial.Where(a => a != tile.Vector && tile.Rows.All(r => r.Axis != a))
            .All(a => Extents.Of(a) == 1 || operand.Uses(a));

    // What tiles read of an operand that differ in vectors and rows only.
    private long BytesTogether(ContractionOperand operand, RegisterTile tile) =>
        _pattern
            .Spatial.Where(a => a != tile.Vector && tile.Rows.All(r => r.Axis != a) && operand.Uses(a))
            .Aggregate((operand.Buffer.ConstantSize() ?? 0) * operand.Buffer.Type.Size(), (n, a) => n / Extents.Of(a));

    /// <summary>The axes of a number; of one that is none, the nearest.</summary>
    public ImmutableArray<Axis> Chosen(long axes) => Axes[(int)Math.Clamp(axes, 0, Axes.Length - 1)];

    /// <summary>The tile for some axes if vectors are along one that is summed up, else null.</summary>
    /// <exception cref="ScheduleException">Its partial sums are twice as many as there are registers.</exception>
    public RegisterTile? Dot(long axes, long vectors, long rows)
    {
        var chosen = Chosen(axes);
        if (!IsDot(chosen[0]))
            return null;
        var tile = Dot(
            chosen,
            Math.Max(1, vectors),
            Math.Clamp(rows, 1, chosen.Length > 1 ? Extents.Of(chosen[1]) : 1)
        );
        if (tile.Accumulators > _target.VectorRegisters * 2)
            throw new ScheduleException(
                null,
                null,
                $"a tile of {tile.Accumulators} vectors",
                $"up to twice the {_target.VectorRegisters} registers"
            );
        return tile;
    }

    private static RegisterTile Dot(ImmutableArray<Axis> axes, long vectors, long rows) =>
        new(
            axes[0],
            vectors,
            axes.Length == 1 ? []
                : axes.Length == 2 ? [(axes[1], rows)]
                : [(axes[1], rows), (axes[2], Extents.Of(axes[2]))]
        );

    // Whether nothing is packed for the vectors.
    private bool RunsAlong(Axis axis) =>
        IsDirect(axis) && _pattern.Operands.All(o => !o.Uses(axis) || o.Step(axis) == 1);

    private static bool IsDot(Axis axis) => axis.Kind == AxisKind.Reduce;

    // An axis that is summed up, along which what is long lies in memory.
    private bool CarriesDots(Axis axis)
    {
        if (Extents.Of(axis) < _lanes || _pattern.Guard?.Uses(axis.Var) == true)
            return false;
        double all = 0;
        foreach (var operand in _pattern.Operands)
            all += operand.Buffer.ConstantSize() ?? 0;
        return _pattern.Operands.All(o =>
                o.Step(axis) is 0 or 1
                || (CanPack(_pattern, o, axis) && o.Buffer.ConstantSize() is { } size && size <= all / 4)
            ) && _pattern.Operands.Any(o => o.Step(axis) == 1);
    }

    // Points of an axis that a tile may cover: those of a group.
    private long Within(Axis axis) => IsDot(axis) ? Extents.Of(axis) : _pattern.GroupSize(axis);

    private IEnumerable<ImmutableArray<Axis>> Combinations()
    {
        foreach (var v in _pattern.Spatial.Where(CarriesVectors).Concat(_pattern.Reduced.Where(CarriesDots)))
        {
            // The last first: what lies side by side in memory.
            var others = _pattern.Spatial.Where(a => a != v && Within(a) > 1).Reverse().ToList();
            if (others.Count == 0)
                yield return [v];
            foreach (var row in others)
            {
                yield return [v, row];
                // Short rows leave registers for a second axis.
                if (Extents.Of(row) > 8)
                    continue;
                foreach (var second in others.Where(a => a != row))
                    yield return [v, second, row];
            }
        }
    }

    private bool CarriesVectors(Axis axis)
    {
        if (Within(axis) < Math.Min(2, Extents.Of(axis)) || Extents.Of(axis) == 1)
            return false;
        bool any = false;
        foreach (var operand in _pattern.Operands.Where(o => o.Uses(axis)))
        {
            if (Within(axis) < Extents.Of(axis) && operand.Dimension(axis) < 0)
                continue;
            any = true;
            if (operand.Step(axis) is not { } step)
                return false;
            if (step != 1 && !CanPack(_pattern, operand, axis) && !(IsDirect(axis) && Math.Abs(step) <= 4))
                return false;
        }
        return any;
    }

    private RegisterTile? Choose()
    {
        RegisterTile? best = null;
        double least = double.MaxValue;
        foreach (var axes in Axes)
        {
            long vectors = (Within(axes[0]) + _lanes - 1) / _lanes;
            foreach (long nv in Widths)
            {
                if (nv > vectors || (nv > 4 && !RunsAlong(axes[0])))
                    continue;
                var shortRow = axes.Length > 2 ? axes[2] : null;
                long around = shortRow is null ? 1 : Extents.Of(shortRow);
                long most = axes.Length > 1 ? Math.Min(Within(axes[1]), 16) : 1;
                for (long rows = 1; rows <= most; rows++)
                {
                    var tile = new RegisterTile(
                        axes[0],
                        nv,
                        axes.Length == 1 ? []
                            : shortRow is null ? [(axes[1], rows)]
                            : [(axes[1], rows), (shortRow, around)]
                    );
                    if (!Fits(tile))
                        break;
                    // Very wide tiles are for few rows (256 x 768 x 3072: 6.0 ms by 4 rows of 6 vectors, 5.4 by 6 of 4).
                    if (nv > 4 && axes.Length > 1 && Within(axes[1]) > 4)
                        break;
                    if (References(tile, 1) > MostReferences)
                        continue;
                    if (Within(tile.Rows.Length > 0 ? tile.Rows[0].Axis : tile.Vector) % rows != 0 && IsGrouped(axes))
                        continue;
                    // All else being equal, long rows of vectors where these lie in memory, elsewhere two.
                    bool inMemory = RunsAlong(tile.Vector) || IsDot(tile.Vector);
                    double cost = Cost(tile) * (1 + 0.01 * (inMemory ? 1.0 / nv : Math.Abs(nv - 2)));
                    if (cost < least * 0.999)
                        (best, least) = (tile, cost);
                }
            }
        }
        return best;
    }

    /// <summary>
    /// Estimated references to locals of the code with so many steps of the reduction in one piece: compilers stop optimising at a
    /// number of them, and what is less compiles sooner.
    /// </summary>
    public double References(RegisterTile tile, double steps)
    {
        double loads = 0;
        bool guarded = _pattern.Guard?.Uses(tile.Vector.Var) == true;
        foreach (var operand in _pattern.Operands)
        {
            double places = tile.Rows.Aggregate(1.0, (n, r) => n * _pattern.Places(operand, r.Axis, r.Points));
            bool strided =
                operand.Uses(tile.Vector) && operand.Step(tile.Vector) != 1 && !CanPack(_pattern, operand, tile.Vector);
            // Lane by lane, each with its address and its test.
            loads += strided ? places * tile.Vectors * _lanes * (guarded ? 8 : 6) : places * 2;
        }
        double copies = Copies(tile.Vector, tile.Vectors * _lanes);
        foreach (var (axis, points) in tile.Rows)
            copies *= Copies(axis, points);
        return (6.5 * tile.Accumulators + loads) * steps * copies;
    }

    // The rest of an axis has code of its own, and so have both edges of images.
    private long Copies(Axis axis, long points)
    {
        long within = Within(axis);
        long pieces = (within % points == 0 ? 1 : 2) + (_pattern.Guard?.Uses(axis.Var) == true ? 2 : 0);
        return Math.Min(pieces, (within + points - 1) / points);
    }
}
