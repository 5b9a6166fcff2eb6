using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>Which threads may touch one element in two accesses, one of which writes.</summary>
internal enum Conflict
{
    /// <summary>None but the same thread.</summary>
    None,

    /// <summary>Only threads of one warp.</summary>
    Warp,

    /// <summary>Any threads of the block.</summary>
    Block,
}

/// <summary>Decides conflicts of accesses of the threads of a block. Everything not proven is a conflict.</summary>
/// <param name="ranges">Of all variables; those that stand for another iteration's are added.</param>
internal sealed class TouchConflicts(Var thread, long threads, Dictionary<Var, Interval> ranges)
{
    // What a variable is in the other access, where it may differ.
    private readonly Dictionary<Var, Expr> _other = [];

    // One variable for each digit and each dimension of a tile, so that what was derived of an index is found again: with new
    // ones a SIMT product took ten times as long.
    private readonly Dictionary<(long Low, long Extent), Var> _digits = [];
    private readonly Dictionary<(bool First, int Dimension), Var> _tiles = [];
    private readonly Dictionary<(Expr Index, Expr Sum), Expr> _split = [];

    /// <param name="same">Variables that have one value in both; all others may differ.</param>
    public Conflict Between(Touch a, Touch b, IReadOnlySet<Var> same)
    {
        if (a.Buffer != b.Buffer || !(a.IsWrite || b.IsWrite) || Exclude(a, b, same) || Apart(a, b, same))
            return Conflict.None;
        // An expression that both have under an equality is one more thing that they agree on.
        ImmutableArray<Expr> agreed = [.. Fixed(a).Intersect(Fixed(b)).Select(f => f.Value)];
        var (x, y) = (Indices(a, true).AddRange(agreed), Indices(b, false).AddRange(agreed));
        // A condition on a digit of the thread, or on all of it, may be what keeps elements apart.
        var bounded = new Dictionary<Var, Interval>(ranges) { [thread] = Range(a).Union(Range(b)) };
        foreach (var (digit, most) in Limits(a).Where(l => Limits(b).Contains(l)).ToList())
        {
            var stand = new Var("digit");
            bounded[stand] = new(0, most - 1);
            ImmutableArray<Expr> With(ImmutableArray<Expr> indices) =>
                [.. indices.Select(i => i.Map(n => n == digit ? stand : null))];
            if (Determined(With(x), With(y), bounded, same).Contains(stand))
                (x, y) = (x.Add(digit), y.Add(digit));
        }
        if (Determined(x, y, bounded, same).Contains(thread))
            return Conflict.None;
        // Digits of the thread that the indices show, each on its own.
        var digits = Digits(x.AddRange(y));
        var known = new Dictionary<Var, Interval>(ranges);
        Expr sum = 0;
        foreach (var (digit, low, extent) in digits)
        {
            known[digit] = new(0, extent - 1);
            sum += Op.Mul(digit, low);
        }
        var simplifier = new Simplifier(known);
        var values = new Dictionary<Var, Expr> { [thread] = sum };
        ImmutableArray<Expr> Split(ImmutableArray<Expr> indices) => [.. indices.Select(InDigits)];
        Expr InDigits(Expr index)
        {
            if (!_split.TryGetValue((index, sum), out var known))
                _split[(index, sum)] = known = simplifier.Visit(index.Substitute(values));
            return known;
        }
        var determined = Determined(Split(x), Split(y), known, same);
        if (digits.All(d => determined.Contains(d.Digit)))
            return Conflict.None;
        return
            threads <= GpuInfo.WarpSize
            || digits.Where(d => d.Low >= GpuInfo.WarpSize).All(d => determined.Contains(d.Digit))
            || OneWarp(a, b)
            ? Conflict.Warp
            : Conflict.Block;
    }

    // The thread's number in the mixed radix of all digits in the indices, warps and lanes apart.
    private List<(Var Digit, long Low, long Extent)> Digits(IEnumerable<Expr> indices)
    {
        var bounds = new SortedSet<long> { 1, GpuInfo.WarpSize };
        foreach (var index in indices)
            Collect(index);
        var radix = new List<long>();
        foreach (long bound in bounds.Where(b => b < threads))
        {
            // Bounds that do not divide one another cannot both be; warps stay.
            if (
                radix.Count == 0
                || (bound % radix[^1] == 0 && (bound > GpuInfo.WarpSize || GpuInfo.WarpSize % bound == 0))
            )
                radix.Add(bound);
        }
        return
        [
            .. radix
                .Select(
                    (low, i) => (Low: low, Extent: ((i + 1 < radix.Count ? radix[i + 1] : threads) + low - 1) / low)
                )
                .Select(d => (DigitVar(d.Low, d.Extent), d.Low, d.Extent)),
        ];

        void Collect(Expr e)
        {
            if (Digit.Of(e, ranges) is { } digit && digit.Unit == thread)
            {
                bounds.Add(digit.Low);
                bounds.Add(digit.High);
                return;
            }
            foreach (var child in e.Children())
                Collect(child);
        }
    }

    private static IReadOnlySet<Var> Determined(
        ImmutableArray<Expr> a,
        ImmutableArray<Expr> b,
        IReadOnlyDictionary<Var, Interval> ranges,
        IReadOnlySet<Var> same
    ) => Dependence.Determined([a, b], ranges, same);

    // Every element of a tile at once: a remainder is a value of known range that nothing else shares.
    private ImmutableArray<Expr> Indices(Touch t, bool first) =>
        [.. t.Indices.Select((e, d) => t.Tile[d] == 1 ? e : e + Op.Mod(TileVar(first, d), t.Tile[d]))];

    private Var TileVar(bool first, int d)
    {
        if (!_tiles.TryGetValue((first, d), out var made))
            _tiles[(first, d)] = made = new Var($"tile{d}");
        return made;
    }

    private Var DigitVar(long low, long extent)
    {
        if (!_digits.TryGetValue((low, extent), out var made))
            _digits[(low, extent)] = made = new Var($"digit{low}");
        return made;
    }

    private IEnumerable<(Expr Value, long Is)> Fixed(Touch t)
    {
        foreach (var guard in t.Guards)
        {
            switch (guard)
            {
                case Binary { Kind: BinaryOp.Eq, A: var e, B: IntImm c } when e.Type == DTypes.Index:
                    yield return (e, c.Value);
                    break;
                case Binary { Kind: BinaryOp.Lt, A: var e, B: IntImm { Value: 1 } }
                    when e.Type == DTypes.Index && Interval.Of(e, ranges).Min >= 0:
                    yield return (e, 0);
                    break;
                default:
                    break;
            }
        }
    }

    private IEnumerable<(Expr Digit, long Most)> Limits(Touch t) =>
        t
            .Guards.OfType<Binary>()
            .Where(g => g.Kind == BinaryOp.Lt && g.A is not Var && g.A.Uses(thread) && g.B is IntImm)
            .Where(g => Digit.Of(g.A, ranges) is { } digit && digit.Unit == thread)
            .Select(g => (g.A, ((IntImm)g.B).Value));

    // Both only by threads of one and the same warp.
    private bool OneWarp(Touch a, Touch b)
    {
        var (x, y) = (Range(a), Range(b));
        return x.Min / GpuInfo.WarpSize == x.Max / GpuInfo.WarpSize
            && y.Min / GpuInfo.WarpSize == y.Max / GpuInfo.WarpSize
            && x.Min / GpuInfo.WarpSize == y.Min / GpuInfo.WarpSize;
    }

    private Interval Range(Touch t)
    {
        var (low, high) = (0L, threads - 1);
        foreach (var guard in t.Guards)
        {
            if (guard is not Binary { A: var e, B: IntImm c } compare)
                continue;
            long factor = 1;
            if (e is Binary { Kind: BinaryOp.FloorDiv, B: IntImm by } quotient)
                (e, factor) = (quotient.A, by.Value);
            if (e != thread)
                continue;
            if (compare.Kind is BinaryOp.Lt)
                high = Math.Min(high, c.Value * factor - 1);
            if (compare.Kind is BinaryOp.Eq)
                (low, high) = (Math.Max(low, c.Value * factor), Math.Min(high, (c.Value + 1) * factor - 1));
        }
        return new(low, Math.Max(low, high));
    }

    // Whether no iteration has both, by bounds of the loops around: one with k < 1 and one with k ≥ 1.
    private bool Exclude(Touch a, Touch b, IReadOnlySet<Var> same)
    {
        var (x, y) = (Bounds(a).ToList(), Bounds(b).ToList());
        if (x.Concat(y).Any(f => f.Range(ranges).Max < 0))
            return true;
        bool Shared(LinearForm f) => f.Terms.All(t => t.Atom is Var v && same.Contains(v));
        return x.Where(Shared).Any(f => y.Where(Shared).Any(g => (f + g).Range(ranges).Max < 0));
    }

    // What is not negative where the access is made.
    private static IEnumerable<LinearForm> Bounds(Touch t)
    {
        foreach (var guard in t.Guards.OfType<Binary>().Where(g => g.A.Type == DTypes.Index))
        {
            if (guard.Kind == BinaryOp.Lt)
                yield return LinearForm.Of(guard.B - guard.A - 1);
            else if (guard.Kind == BinaryOp.Le)
                yield return LinearForm.Of(guard.B - guard.A);
        }
    }

    /// <summary>Whether they certainly touch different elements.</summary>
    private bool Apart(Touch a, Touch b, IReadOnlySet<Var> same)
    {
        for (int d = 0; d < a.Indices.Length; d++)
        {
            // Variables that may differ get another name on one side.
            var (x, y) = (a.Indices[d], b.Indices[d].Map(e => e is Var v && !same.Contains(v) ? Other(v) : null));
            var difference = (LinearForm.Of(x) - LinearForm.Of(y)).Range(ranges);
            if (difference.Min >= b.Tile[d] || difference.Max <= -a.Tile[d])
                return true;
            if (a.Tile[d] == 1 && b.Tile[d] == 1 && (OtherSlot(x, y) || OtherSlot(y, x)))
                return true;
        }
        return false;
    }

    private Expr Other(Var v)
    {
        if (!_other.TryGetValue(v, out var other))
        {
            var named = new Var(v.Name);
            _other[v] = other = named;
            if (ranges.TryGetValue(v, out var range))
                ranges[named] = range;
        }
        return other;
    }

    // p mod n, and q mod n or q within 0..n, with p − q a constant that n does not divide: slots of a ring.
    private bool OtherSlot(Expr x, Expr y)
    {
        if (x is not Binary { Kind: BinaryOp.Mod, B: IntImm n } p)
            return false;
        if (y is Binary { Kind: BinaryOp.Mod, B: IntImm m } q && m.Value == n.Value)
            y = q.A;
        else if (LinearForm.Of(y).Range(ranges) is var range && (range.Min < 0 || range.Max >= n.Value))
            return false;
        var apart = LinearForm.Of(p.A) - LinearForm.Of(y);
        return apart.IsConstant && apart.Constant % n.Value != 0;
    }
}
