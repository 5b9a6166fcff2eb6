using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Lower.Cpu.Codegen;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Lower.Cpu.Warnings;

/// <summary>A store of a lowered nest, as the emitted code has it.</summary>
/// <param name="store">The statement.</param>
/// <param name="lane">The vector loop around it, as long as a vector at most; null for scalar code.</param>
/// <param name="conditions">Conditions between the inner loop and the statement.</param>
/// <param name="isTuple">It is one of several that happen at once.</param>
/// <param name="executions">How often it runs, about.</param>
internal sealed class LoweredStore(
    Store store,
    For? lane,
    ImmutableArray<Expr> conditions,
    bool isTuple,
    double executions
)
{
    public Store Store => store;

    public For? Lane => lane;

    public ImmutableArray<Expr> Conditions => conditions;

    public bool IsTuple => isTuple;

    /// <summary>Of one execution, about; see <see cref="LoweredLoops"/>.</summary>
    public double Instructions { get; set; }

    public double Executions => executions;

    public double Work => Instructions * executions;

    /// <summary>Loads and stores of lanes that are apart in memory, and not transposed in registers.</summary>
    public List<Buffer> Strided { get; } = [];
}

/// <summary>The statements of which a loop is the nearest one around; a null loop for those outside of all.</summary>
internal sealed record InnerLoop(For? Loop, ImmutableArray<For> Around, ImmutableArray<Allocate> Registers)
{
    public List<LoweredStore> Stores { get; } = [];
}

/// <summary>
/// A nest after all passes as its inner loops, each with an estimate of what it costs: one for each vector or scalar
/// instruction an execution, lanes of a strided vector one by one. The estimate ranks places within one kernel and tells
/// whether a change pays; it is no time.
/// </summary>
internal sealed class LoweredLoops
{
    // Iterations that are assumed of a loop whose extent is not known.
    private const double UnknownExtent = 64;

    // Loads, inserts or extracts, and address arithmetic for one lane.
    private const double LaneCost = 2;
    private const int MostEnumerated = 4096;

    private readonly int _bits;
    private readonly Dictionary<Var, Interval> _ranges = [];
    private readonly Dictionary<Buffer, int> _promoted = [];
    private readonly List<InnerLoop> _loops = [];

    private LoweredLoops(int bits) => _bits = bits;

    public IReadOnlyList<InnerLoop> Loops => _loops;

    public double Work { get; private set; }

    /// <summary>Lanes of an element's register; 0 for a buffer that is memory.</summary>
    public int LanesOf(Buffer buffer) => _promoted.GetValueOrDefault(buffer);

    /// <param name="nest">A nest that is through all passes.</param>
    /// <param name="bits">Of a vector.</param>
    public static LoweredLoops Of(LoopNest nest, int bits)
    {
        var result = new LoweredLoops(bits);
        foreach (var (var, range) in nest.ParameterRanges)
            result._ranges[var] = range;
        var root = new InnerLoop(null, [], []);
        result._loops.Add(root);
        result.Visit(nest.Body, root, null, [], 1);
        foreach (var loop in result._loops)
            result.Cost(loop);
        result._loops.RemoveAll(l => l.Stores.Count == 0);
        result.Work = result._loops.Sum(l => l.Stores.Sum(s => s.Work));
        return result;
    }

    /// <summary>Whether a buffer's accesses are loads and stores.</summary>
    public bool IsMemory(Buffer buffer) => LanesOf(buffer) == 0;

    /// <summary>Elements between neighbouring lanes, 0 for what all share, null where that is no constant.</summary>
    public static long? Stride(Buffer buffer, ImmutableArray<Expr> indices, Var lane)
    {
        if (!indices.Any(i => i.Uses(lane)))
            return 0;
        var form = LinearForm.Of(buffer.Offset(indices));
        return form.Terms.Any(t => !ReferenceEquals(t.Atom, lane) && t.Atom.Uses(lane))
            ? null
            : form.CoefficientOf(lane);
    }

    private void Visit(Stmt stmt, InnerLoop inner, For? lane, ImmutableArray<Expr> conditions, double executions)
    {
        switch (stmt)
        {
            case For { Kind: LoopKind.Vector, ConstantExtent: { } extent } f
                when lane is null && IsOneVector(f, extent):
                _ranges[f.Var] = new Interval(0, extent - 1);
                Visit(f.Body, inner, f, conditions, executions);
                break;
            case For f:
                double trips = Trips(f);
                _ranges[f.Var] = new Interval(0, Math.Max(0, Interval.Of(f.Extent, _ranges).Max - 1));
                var own = new InnerLoop(f, inner.Around.Add(f), inner.Registers);
                _loops.Add(own);
                Visit(f.Body, own, lane, [], executions * trips);
                break;
            case If i:
                double share = Share(i.Cond, lane);
                var below = conditions.AddRange(i.Cond.Conjuncts());
                Visit(i.Then, inner, lane, below, executions * share);
                if (i.Else is not null)
                    Visit(i.Else, inner, lane, below, executions * (share < 1 ? 1 - share : 1));
                break;
            case Allocate { Buffer.Scope: Scope.Register } a:
                _promoted[a.Buffer] = RegisterPromotion.Analyze(a.Buffer, a.Body, _bits).Lanes;
                // The loop's own statements may stand in several pieces.
                var scope = new InnerLoop(inner.Loop, inner.Around, inner.Registers.Add(a));
                _loops.Add(scope);
                Visit(a.Body, scope, lane, conditions, executions);
                break;
            case Store s:
                inner.Stores.Add(new LoweredStore(s, lane, conditions, false, executions));
                break;
            case StoreAll all:
                foreach (var store in all.Stores)
                    inner.Stores.Add(new LoweredStore(store, lane, conditions, true, executions));
                break;
            default:
                foreach (var child in stmt.Children())
                    Visit(child, inner, lane, conditions, executions);
                break;
        }
    }

    private bool IsOneVector(For f, long extent) => f.LaneBytes is > 0 and var size && extent <= _bits / 8 / size;

    private double Trips(For f) =>
        f.ConstantExtent
        ?? (Interval.Of(f.Extent, _ranges).Max is > 0 and < 1 << 20 and var most ? most : UnknownExtent);

    // Of the iterations around it, those in which a condition on one loop variable holds; 1 for another condition.
    private double Share(Expr cond, For? lane)
    {
        double share = 1;
        foreach (var part in cond.Conjuncts())
        {
            if (
                part is not Binary { Kind: BinaryOp.Lt or BinaryOp.Le or BinaryOp.Eq } compare
                || compare.A.Type != DTypes.Index
                || LinearForm.Of(compare.A) - LinearForm.Of(compare.B) is not { Terms: [{ Atom: Var var } term] } form
                || ReferenceEquals(var, lane?.Var)
                || !_ranges.TryGetValue(var, out var range)
                || range.Max - range.Min >= MostEnumerated
            )
                continue;
            long holds = 0;
            for (long v = range.Min; v <= range.Max; v++)
            {
                long value = term.Coefficient * v + form.Constant;
                holds += compare.Kind switch
                {
                    BinaryOp.Lt => value < 0,
                    BinaryOp.Le => value <= 0,
                    _ => value == 0,
                }
                    ? 1
                    : 0;
            }
            share *= (double)holds / (range.Max - range.Min + 1);
        }
        return share;
    }

    private void Cost(InnerLoop loop)
    {
        var blocks = TransposedLoads(loop);
        foreach (var site in loop.Stores)
        {
            double each = 1;
            if (
                IsMemory(site.Store.Buffer)
                && site.Lane is { } lane
                && !IsUnit(site.Store.Buffer, site.Store.Indices, lane)
            )
            {
                each += LaneCost * Lanes(lane);
                site.Strided.Add(site.Store.Buffer);
            }
            var seen = new HashSet<Expr>(ReferenceEqualityComparer.Instance);
            each += Cost(site.Store.Value, site, blocks, seen);
            site.Instructions = each;
        }
    }

    private double Cost(Expr e, LoweredStore site, HashSet<Load> blocks, HashSet<Expr> seen)
    {
        if (e is IntImm or FloatImm or Var || e.Type == DTypes.Index || !seen.Add(e))
            return 0;
        if (e is Load load)
        {
            if (!IsMemory(load.Buffer))
                return 0;
            if (site.Lane is not { } lane || IsUnit(load.Buffer, load.Indices, lane))
                return 1;
            if (blocks.Contains(load))
                return LaneCost;
            if (
                !load.Type.IsStorage()
                && Stride(load.Buffer, load.Indices, lane.Var) is { } apart
                && StridedVectors.Load(_bits, load.Type.Size(), apart) is not null
            )
                return LaneCost * apart;
            site.Strided.Add(load.Buffer);
            return LaneCost * Lanes(lane);
        }
        return 1 + e.Children().Sum(c => Cost(c, site, blocks, seen));
    }

    private static long Lanes(For lane) => lane.ConstantExtent ?? 1;

    private static bool IsUnit(Buffer buffer, ImmutableArray<Expr> indices, For lane) =>
        Stride(buffer, indices, lane.Var) is 0 or 1;

    // As Transpose.Groups finds them: loads at as many neighbouring places as a vector has lanes.
    private HashSet<Load> TransposedLoads(InnerLoop loop)
    {
        var result = new HashSet<Load>(ReferenceEqualityComparer.Instance);
        int lanes = _bits / 32;
        var strided =
            from site in loop.Stores
            where site.Lane is not null
            from load in site.Store.Value.Loads()
            where load.Type == DType.Float32 && IsMemory(load.Buffer)
            where Stride(load.Buffer, load.Indices, site.Lane!.Var) is not (0 or 1 or null)
            select (Load: load, Form: Split(load, site.Lane!.Var));
        foreach (var same in strided.GroupBy(s => (s.Load.Buffer, s.Form.Step)))
        {
            var rest = same.ToList();
            while (rest.Count >= lanes)
            {
                var first = rest[0].Form.Place;
                var alike = rest.Where(s => s.Form.Place.HasSameTerms(first)).ToList();
                rest.RemoveAll(s => s.Form.Place.HasSameTerms(first));
                var places = alike.Select(s => s.Form.Place.Constant).ToHashSet();
                foreach (var (load, form) in alike)
                {
                    long at = form.Place.Constant;
                    long begin = at;
                    while (places.Contains(begin - 1) && at - begin < lanes)
                        begin--;
                    long end = at;
                    while (places.Contains(end + 1) && end - at < lanes)
                        end++;
                    if (end - begin + 1 >= lanes)
                        result.Add(load);
                }
            }
        }
        return result;
    }

    private static (long Step, LinearForm Place) Split(Load load, Var lane)
    {
        var form = LinearForm.Of(load.Buffer.Offset(load.Indices));
        return (form.CoefficientOf(lane), form.Partition(a => ReferenceEquals(a, lane)).Others);
    }
}
