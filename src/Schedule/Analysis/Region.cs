using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Analysis;

/// <summary>Indices Min ≤ i ≤ Max of one dimension; both over loops outside the statement looked at.</summary>
/// <param name="Exact">Every index in between is touched, where it is within the buffer.</param>
/// <param name="Varies">An index uses a loop inside the statement (even if the extent turns out as 1).</param>
public sealed record Span(Expr Min, Expr Max, bool Exact, bool Varies)
{
    public Expr Extent => LinearForm.Of(Max - Min + 1).ToExpr();

    public long? ConstantExtent => (Extent as IntImm)?.Value;
}

/// <summary>Only indices of dimension Dim below the expression are touched.</summary>
public sealed record Limit(int Dim, Expr Below);

/// <summary>
/// The box of a buffer that a statement touches in one execution: exact for affine indices, for digits of them
/// (x // 16, x % 16) and for tiles that predicates cut; conservative elsewhere, up to the whole dimension. Predicates
/// that keep the last tile within an extent are not part of the box (it keeps the size of a full tile and may overhang
/// the buffer): they are in <see cref="Limits"/> where they say more than the shape does.
/// </summary>
/// <param name="Exact">All of the box within Limits and the buffer's shape is touched, where Guards hold.</param>
/// <param name="Guards">Further conditions, over the loops, that are not bounds of an index.</param>
public sealed record Region(
    ImmutableArray<Span> Dims,
    bool Exact,
    ImmutableArray<Limit> Limits,
    ImmutableArray<Expr> Guards
)
{
    public ImmutableArray<Expr> Base => [.. Dims.Select(d => d.Min)];

    public ImmutableArray<Expr> Extents => [.. Dims.Select(d => d.Extent)];
}

/// <summary>Computes regions, for fixed values of the loops in <paramref name="outer"/>.</summary>
public sealed class RegionAnalysis(LoopNest nest, IEnumerable<For> outer)
{
    private readonly ImmutableArray<For> _outer = [.. outer];

    /// <summary>
    /// The hull of what the accesses touch (they are to one buffer or to buffers of one shape); null without any.
    /// Loops on the path of an access that are not outer ones vary.
    /// </summary>
    public Region? Hull(IEnumerable<BufferAccess> accesses)
    {
        Region? hull = null;
        foreach (var access in accesses)
        {
            var one = Of(access);
            hull = hull is null ? one : Union(hull, one, access.Buffer.Shape);
        }
        return hull;
    }

    public Region Of(BufferAccess access)
    {
        var inner = access.Loops.Where(l => !_outer.Any(o => o.Var == l.Var)).ToDictionary(l => l.Var);
        var ranges = nest.Ranges(_outer.Concat(inner.Values));
        var bounds = new IndexBounds(inner, ranges);
        int rank = access.Buffer.Rank;
        var forms = new LinearForm[rank];
        var spans = new Span[rank];
        for (int d = 0; d < rank; d++)
        {
            var raw = access.Indices[d];
            var index = Simplifier.Simplify(raw, ranges);
            forms[d] = LinearForm.Of(index);
            bool varies = raw.Nodes().Any(n => n is Var v && inner.ContainsKey(v)) || access.Tile[d] > 1;
            spans[d] =
                IsReadable(index, ranges) && bounds.Of(index) is { } b
                    ? new Span(b.Min, b.Max + (access.Tile[d] - 1), bounds.Contiguous(forms[d], access.Tile[d]), varies)
                    : Whole(access.Buffer.Shape[d], exact: false);
        }
        var limits = new List<Limit>();
        var guards = new List<Expr>();
        foreach (var guard in access.Guards)
            Classify(guard, access, inner, ranges, forms, spans, limits, guards);
        bool exact = spans.All(s => s.Exact) && bounds.Independent(forms);
        for (int d = 0; d < rank; d++)
            spans[d] = Normal(spans[d], access.Buffer.Shape[d]);
        return new Region([.. spans], exact && spans.All(s => s.Exact), [.. limits], [.. guards]);
    }

    // An index that is itself read from a buffer can be read elsewhere only where no condition protects that read.
    private static bool IsReadable(Expr index, IReadOnlyDictionary<Var, Interval> ranges) =>
        index
            .Loads()
            .All(l =>
                l.Indices.Zip(
                        l.Buffer.Shape,
                        (i, extent) => Simplifier.Proves(Op.And(Op.Le(0, i), Op.Lt(i, extent)), ranges)
                    )
                    .All(inside => inside)
            );

    /// <summary>
    /// Whether every element of <paramref name="part"/> that lies in a buffer of the shape is in the exact region
    /// <paramref name="all"/>.
    /// </summary>
    public bool Covers(Region all, Region part, ImmutableArray<Expr> shape)
    {
        if (!all.Exact || all.Guards.Any(g => !part.Guards.Contains(g)))
            return false;
        var ranges = nest.Ranges(_outer);
        bool Proves(Expr e) => Simplifier.Proves(e, ranges);
        for (int d = 0; d < shape.Length; d++)
        {
            var (a, p) = (all.Dims[d], part.Dims[d]);
            bool low = Proves(Op.Le(a.Min, 0)) || Proves(Op.Le(a.Min, p.Min));
            bool high = Proves(Op.Le(shape[d], a.Max + 1)) || Proves(Op.Le(p.Max, a.Max));
            if (!low || !high)
                return false;
        }
        return all.Limits.All(limit =>
            part.Limits.Contains(limit) || Proves(Op.Lt(part.Dims[limit.Dim].Max, limit.Below))
        );
    }

    /// <summary>
    /// Whether any two different values of the loops (some of the outer ones; the others stand still) give boxes without
    /// a common element.
    /// </summary>
    public bool Disjoint(Region region, IEnumerable<For> loops)
    {
        var ranges = nest.Ranges(_outer);
        var wanted = loops.Select(l => l.Var).Where(v => !ranges[v].IsPoint).ToHashSet();
        var digits = new List<Digit>();
        foreach (var span in region.Dims)
        {
            var form = LinearForm.Of(Simplifier.Simplify(span.Min, ranges));
            digits.AddRange(
                Injective(form.Partition(a => a.FreeVars().Any(wanted.Contains)).Matching, span.ConstantExtent, ranges)
            );
        }
        // A determined sum determines its terms in turn, if no two of their combinations give the same sum.
        while (true)
        {
            var known = digits
                .GroupBy(d => d.Unit)
                .Where(g => Digit.Determine(g, LinearForm.Of(g.Key).Range(ranges).Max + 1))
                .Select(g => g.Key)
                .ToList();
            wanted.ExceptWith(known.OfType<Var>());
            if (wanted.Count == 0)
                return true;
            digits.RemoveAll(d => known.Contains(d.Unit));
            var more = known.Where(u => u is not Var).SelectMany(u => Injective(LinearForm.Of(u), 1, ranges)).ToList();
            if (more.Count == 0)
                return false;
            digits.AddRange(more);
        }
    }

    /// <summary>
    /// Whether the places take every combination of their values while the outer loops run: no two of them follow one
    /// loop, other than as digits of it that do not overlap.
    /// </summary>
    public bool Independent(IReadOnlyList<Expr> places)
    {
        var ranges = nest.Ranges(_outer);
        var loops = _outer.Select(l => l.Var).ToHashSet();
        var atoms = places
            .SelectMany((p, i) => LinearForm.Of(Simplifier.Simplify(p, ranges)).Terms.Select(t => (t.Atom, Place: i)))
            .ToList();
        for (int i = 0; i < atoms.Count; i++)
        {
            for (int j = 0; j < i; j++)
            {
                var (a, b) = (atoms[i], atoms[j]);
                if (a.Place == b.Place || !a.Atom.FreeVars().Any(v => loops.Contains(v) && b.Atom.Uses(v)))
                    continue;
                if (
                    Digit.Of(a.Atom, ranges) is not { } x
                    || Digit.Of(b.Atom, ranges) is not { } y
                    || x.Unit != y.Unit
                    || !Digit.Disjoint([x, y])
                )
                    return false;
            }
        }
        return true;
    }

    // The digits that a box of this extent at this place determines.
    private static IEnumerable<Digit> Injective(
        LinearForm form,
        long? extent,
        IReadOnlyDictionary<Var, Interval> ranges
    )
    {
        var digits = new List<Digit>();
        long reach = extent ?? long.MaxValue;
        foreach (var (atom, coefficient) in form.BySize())
        {
            if (Digit.Of(atom, ranges) is not { } digit || Math.Abs(coefficient) < reach)
                return [];
            reach = Saturating.Add(reach, Saturating.Multiply(Math.Abs(coefficient), digit.Extent - 1));
            digits.Add(digit);
        }
        return digits;
    }

    private void Classify(
        Expr guard,
        BufferAccess access,
        Dictionary<Var, For> inner,
        Dictionary<Var, Interval> ranges,
        LinearForm[] forms,
        Span[] spans,
        List<Limit> limits,
        List<Expr> guards
    )
    {
        var simple = Simplifier.Simplify(guard, ranges);
        if (simple.IsTrue() || HoldsAtStart(simple, access, inner, ranges))
            return;
        // A reduction with its own initial value writes at the first point of its reduce axes already: what a guard takes
        // away from the later ones does not matter.
        if (access is { IsWrite: true, Statement: Block { IsReduction: true, Init: true } reduction })
        {
            var first = inner
                .Keys.Where(v => !reduction.SpatialAxes.Any(a => a.Binding.Uses(v)))
                .ToDictionary(v => v, _ => (Expr)0);
            if (Simplifier.Proves(simple.Substitute(first), ranges))
                return;
        }
        bool Inner(Expr atom) => atom.Nodes().Any(n => n is Var v && inner.ContainsKey(v));
        if (simple is not Binary { Kind: BinaryOp.Lt, B: IntImm bound } test)
        {
            guards.Add(simple);
            return;
        }
        var (varying, fixedPart) = LinearForm.Of(test.A).Partition(Inner);
        for (int d = 0; d < forms.Length; d++)
        {
            var (indexVarying, indexFixed) = forms[d].Partition(Inner);
            var shape = access.Buffer.Shape[d];
            // fixed + varying < bound, index = indexFixed + varying: an upper bound of the index.
            if (
                (varying - indexVarying).IsConstant && (varying.Terms.Length > 0 || (fixedPart - indexFixed).IsConstant)
            )
            {
                var below = LinearForm.Of(bound.Value + indexFixed.ToExpr() - fixedPart.ToExpr()).ToExpr();
                if (Simplifier.Proves(Op.Le(shape, below), ranges))
                    return;
                var cut = (LinearForm.Of(below) - LinearForm.Of(spans[d].Min));
                if (cut.IsConstant && spans[d].ConstantExtent is { } extent && cut.Constant > 0)
                    spans[d] = extent <= cut.Constant ? spans[d] : spans[d] with { Max = below - 1 };
                else
                    limits.Add(new Limit(d, below));
                return;
            }
            // fixed − varying < bound: a lower bound.
            if (varying.Terms.Length > 0 && (varying + indexVarying).IsConstant)
            {
                var atLeast = indexFixed.ToExpr() + fixedPart.ToExpr() - bound.Value + 1;
                if (
                    Simplifier.Proves(Op.Le(atLeast, 0), ranges)
                    || Simplifier.Proves(Op.Le(atLeast, spans[d].Min), ranges)
                )
                    return;
            }
        }
        // A guard on loops that no index uses takes nothing away from what is read, nor from what a reduction with its
        // own initial value writes: the first point of its reduce axes is always there.
        bool free = varying.Terms.Length > 0 && !varying.Terms.Any(t => UsedBy(t.Atom, forms, inner));
        bool initialises = access.Statement is Block { IsReduction: true, Init: true };
        if (!free || (access.IsWrite && !initialises))
            guards.Add(simple);
    }

    // A reduction with its own initial value writes an element as soon as the first point of its reduce axes is there:
    // a guard that always holds at that point takes nothing away.
    private static bool HoldsAtStart(
        Expr guard,
        BufferAccess access,
        Dictionary<Var, For> inner,
        Dictionary<Var, Interval> ranges
    )
    {
        if (!access.IsWrite || access.Statement is not Block { IsReduction: true, Init: true } block)
            return false;
        var start = inner
            .Keys.Where(v =>
                block.ReduceAxes.Any(a => a.Binding.Uses(v)) && !block.SpatialAxes.Any(a => a.Binding.Uses(v))
            )
            .ToDictionary(v => v, _ => (Expr)0);
        return start.Count > 0 && Simplifier.Proves(guard.Substitute(start), ranges);
    }

    private static bool UsedBy(Expr atom, LinearForm[] forms, Dictionary<Var, For> inner) =>
        atom.FreeVars().Where(inner.ContainsKey).Any(v => forms.Any(f => f.Terms.Any(t => t.Atom.Uses(v))));

    private Region Union(Region a, Region b, ImmutableArray<Expr> shape)
    {
        if (Covers(a, b, shape))
            return Widen(a, b, shape, a);
        if (Covers(b, a, shape))
            return Widen(a, b, shape, b);
        return Widen(a, b, shape, null);
    }

    private Region Widen(Region a, Region b, ImmutableArray<Expr> shape, Region? exact)
    {
        var ranges = nest.Ranges(_outer);
        var dims = new Span[shape.Length];
        for (int d = 0; d < dims.Length; d++)
        {
            var (x, y) = (a.Dims[d], b.Dims[d]);
            Expr? min =
                Simplifier.Proves(Op.Le(x.Min, y.Min), ranges) ? x.Min
                : Simplifier.Proves(Op.Le(y.Min, x.Min), ranges) ? y.Min
                : null;
            Expr? max =
                Simplifier.Proves(Op.Le(y.Max, x.Max), ranges) ? x.Max
                : Simplifier.Proves(Op.Le(x.Max, y.Max), ranges) ? y.Max
                : null;
            bool touching =
                x.Exact
                && y.Exact
                && Simplifier.Proves(Op.Le(x.Min, y.Max + 1), ranges)
                && Simplifier.Proves(Op.Le(y.Min, x.Max + 1), ranges);
            dims[d] =
                min is null || max is null
                    ? Whole(shape[d], exact: false)
                    : Normal(
                        new Span(min, max, touching || exact is not null, x.Varies || y.Varies || x != y),
                        shape[d]
                    );
        }
        ImmutableArray<Limit> limits = exact?.Limits ?? [.. a.Limits.Intersect(b.Limits)];
        // Boxes that differ in more than one dimension leave corners out.
        bool full = exact is not null || (a.Exact && b.Exact && dims.All(s => s.Exact) && Differences(a, b) <= 1);
        return new Region(
            [.. dims],
            full && dims.All(s => s.Exact),
            limits,
            exact?.Guards ?? [.. a.Guards.Union(b.Guards)]
        );
    }

    private static int Differences(Region a, Region b)
    {
        int count = 0;
        for (int d = 0; d < a.Dims.Length; d++)
            count += a.Dims[d] != b.Dims[d] ? 1 : 0;
        return count;
    }

    private static Span Whole(Expr shape, bool exact) => new(0, LinearForm.Of(shape - 1).ToExpr(), exact, true);

    // Extents become constant or at most symbolic in the parameters; what reaches beyond the buffer on both sides is the
    // whole dimension.
    private Span Normal(Span span, Expr shape)
    {
        var ranges = nest.Ranges(_outer);
        var min = Simplifier.Simplify(span.Min, ranges);
        var max = Simplifier.Simplify(span.Max, ranges);
        var extent = LinearForm.Of(max - min + 1);
        if (Simplifier.Proves(Op.Le(min, 0), ranges) && Simplifier.Proves(Op.Le(shape, max + 1), ranges))
            return Whole(shape, span.Exact) with { Varies = span.Varies };
        var loops = _outer.Select(l => l.Var).ToHashSet();
        if (!extent.ToExpr().FreeVars().Any(loops.Contains))
        {
            if (extent.IsConstant && shape is IntImm whole && extent.Constant >= whole.Value)
                return Whole(shape, span.Exact && extent.Constant == whole.Value && min.IsConst(0)) with
                {
                    Varies = span.Varies,
                };
            return span with { Min = min, Max = max };
        }
        long most = extent.Range(ranges).Max;
        if (most >= Interval.Everything.Max || (shape is IntImm s && most >= s.Value))
            return Whole(shape, exact: false);
        return new Span(min, LinearForm.Of(min + (most - 1)).ToExpr(), Exact: false, Varies: true);
    }
}
