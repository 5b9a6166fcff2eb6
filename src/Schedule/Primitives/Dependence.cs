using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules;

/// <summary>
/// One touch of a buffer, with the index over loop variables. Implicit is the read of a reduction's own output, which
/// commutes with the others of its kind.
/// </summary>
internal readonly record struct Access(Stmt At, Algorithms.Buffer Buffer, ImmutableArray<Expr> Indices, bool IsWrite);

/// <summary>
/// What iterations of a loop share. The question asked is always: do all accesses to a buffer agree on a function of the
/// element's index that gives the loop's variable? If so, two iterations that touch one element are the same iteration,
/// and their order (or their running at once) does not matter. The answer no is conservative.
/// </summary>
internal static class Dependence
{
    // A derivation step makes a smaller expression of one known; most nests need fewer than ten.
    private const int MaxKnown = 64;

    /// <summary>Steps for nests whose threads are many digits of one loop.</summary>
    public const int ManyKnown = 256;

    /// <summary>All accesses of a statement and below, each composed with its block's bindings.</summary>
    public static IEnumerable<Access> Accesses(Stmt root)
    {
        foreach (var stmt in root.Nodes())
        {
            switch (stmt)
            {
                case For f:
                    foreach (var a in Reads(f, f.Extent))
                        yield return a;
                    break;
                case If i:
                    foreach (var a in Reads(i, i.Cond))
                        yield return a;
                    break;
                case Store s:
                    yield return new Access(s, s.Buffer, s.Indices, true);
                    foreach (var a in s.Indices.Append(s.Value).SelectMany(e => Reads(s, e)))
                        yield return a;
                    break;
                case Block b:
                    var bindings = b.Bindings;
                    ImmutableArray<Expr> place = [.. b.Indices.Select(i => i.Substitute(bindings))];
                    foreach (var output in b.Outputs)
                        yield return new Access(b, output, place, true);
                    var read = b.Values.Concat(b.Indices).Select(e => e.Substitute(bindings));
                    foreach (var a in read.Concat(bindings.Values).Append(b.Predicate).SelectMany(e => Reads(b, e)))
                        yield return a;
                    break;
                case Call c:
                    for (int i = 0; i < c.Buffers.Length; i++)
                        yield return new Access(c, c.Buffers[i], Tile(c, i), i < c.Intrinsic.Meaning.Outputs.Length);
                    break;
                default:
                    break;
            }
        }
    }

    /// <summary>
    /// The variables of loops whose value all of the accesses give by the same function of their index. Variables in
    /// <paramref name="same"/> have one value in all of them; any other may differ.
    /// </summary>
    public static IReadOnlySet<Var> Determined(
        IEnumerable<Access> accesses,
        IReadOnlyDictionary<Var, Interval> ranges,
        IReadOnlySet<Var> same,
        int effort = MaxKnown
    )
    {
        HashSet<(Var, string)>? common = null;
        foreach (var access in accesses)
        {
            var keys = Keys(access.Indices, ranges, same, effort);
            if (common is null)
                common = keys;
            else
                common.IntersectWith(keys);
            if (common.Count == 0)
                break;
        }
        var determined = common is null ? [] : common.Select(k => k.Item1).ToHashSet();
        // A loop of one iteration has nothing to tell apart.
        determined.UnionWith(ranges.Where(r => r.Value.IsPoint).Select(r => r.Key));
        return determined;
    }

    /// <summary>
    /// Whether each iteration of the loop, were it of the kind, has the buffer to itself: an intermediate that storage
    /// placement puts inside.
    /// </summary>
    public static bool IsPrivate(LoopNest nest, For loop, Algorithms.Buffer buffer, LoopKind kind)
    {
        if (loop.Body.Nodes().Any(s => s is Allocate a && a.Buffer == buffer))
            return true;
        if (!nest.Intermediates.Contains(buffer))
            return false;
        if (loop.Kind != kind)
            nest = nest.Replace(loop, loop with { Kind = kind });
        var tied = nest.Blocks.Where(b => b.Outputs.Contains(buffer)).SelectMany(b => b.Outputs).Append(buffer);
        var places = new Places(nest, tied);
        int depth = places.Innermost(nest.StoreAt.GetValueOrDefault(buffer.Name));
        return places.LoopsAbove(depth).Any(l => ReferenceEquals(l.Var, loop.Var));
    }

    private static IEnumerable<Access> Reads(Stmt at, Expr e) =>
        e.Loads().Select(l => new Access(at, l.Buffer, l.Indices, false));

    private static ImmutableArray<Expr> Tile(Call call, int operand)
    {
        var indices = call.Origins[operand].ToArray();
        foreach (var (extent, along) in call.Extents(operand).Select((e, d) => (e, d)).Where(x => x.e > 1))
        {
            // Every element of the tile at once: a remainder is a value of known range that nothing else shares.
            indices[along] += Op.Mod(new Var($"tile{along}"), extent);
        }
        return [.. indices];
    }

    // Pairs of a variable and a function of the index, as text, that gives it.
    private static HashSet<(Var, string)> Keys(
        ImmutableArray<Expr> indices,
        IReadOnlyDictionary<Var, Interval> ranges,
        IReadOnlySet<Var> same,
        int effort
    )
    {
        var found = new HashSet<(Var, string)>();
        var known = new List<(Expr Value, string Key)>();
        var simplifier = new Simplifier(ranges);
        for (int d = 0; d < indices.Length; d++)
            Learn(simplifier.Visit(indices[d]), $"i{d}");
        for (int at = 0; at < known.Count && known.Count < effort; at++)
        {
            var (value, key) = known[at];
            Divide(value, key);
            Join(value, key, at);
        }
        return found;

        // Moves what does not vary to the key, and notes the rest.
        void Learn(Expr value, string key)
        {
            var (moving, still) = LinearForm.Of(value).Partition(atom => Varies(atom, same));
            if (moving.Terms.IsEmpty)
                return;
            if (!still.Terms.IsEmpty)
                key = $"({key}-({still.WithConstant(0).ToExpr()}))";
            moving = moving.WithConstant(still.Constant);
            if (moving.Terms is [(var atom, 1 or -1)])
            {
                string exact = $"{moving.Terms[0].Coefficient}*({key}-({moving.Constant}))";
                if (atom is Var v)
                    found.Add((v, exact));
                known.Add((atom, exact));
                if (moving.Constant == 0)
                    return;
            }
            known.Add((moving.ToExpr(), key));
        }

        // g·a + b with b within g values in a row gives a and b.
        void Divide(Expr value, string key)
        {
            var form = LinearForm.Of(value);
            foreach (long g in form.Terms.Select(t => Math.Abs(t.Coefficient)).Distinct())
            {
                if (g == 1)
                    continue;
                Expr big = 0;
                Expr small = form.Constant;
                foreach (var (atom, coefficient) in form.Terms)
                {
                    if (coefficient % g == 0)
                        big += Op.Mul(atom, coefficient / g);
                    else
                        small += Op.Mul(atom, coefficient);
                }
                var rest = LinearForm.Of(small).Range(ranges);
                if (rest.Max - rest.Min >= g)
                    continue;
                // Within one multiple of g the division itself is the function, wherever b begins; else it depends on b.
                long low = Op.FloorDiv(rest.Min, g);
                string from = low == Op.FloorDiv(rest.Max, g) ? $"{low}*{g}" : $"{rest.Min}";
                Learn(big, $"({key}-({from}))//{g}");
                Learn(small, $"(({key}-({from}))%{g}+({from}))");
            }
        }

        // Whether a remainder is that of x, in whichever of its forms.
        bool IsRest(Expr x, Binary remainder) =>
            x == remainder.A || simplifier.Visit(Op.Mod(x, remainder.B)) == remainder;

        // x // n and x % n together give x.
        void Join(Expr value, string key, int count)
        {
            if (value is not Binary { Kind: BinaryOp.FloorDiv or BinaryOp.Mod } one)
                return;
            for (int i = 0; i < count; i++)
            {
                var (other, otherKey) = known[i];
                if (other is not Binary { Kind: BinaryOp.FloorDiv or BinaryOp.Mod } two || two.Kind == one.Kind)
                    continue;
                var (quotient, remainder) = one.Kind == BinaryOp.FloorDiv ? (one, two) : (two, one);
                var (q, r) = one.Kind == BinaryOp.FloorDiv ? (key, otherKey) : (otherKey, key);
                if (quotient.B == remainder.B && IsRest(quotient.A, remainder))
                    Learn(quotient.A, $"[{q}|{quotient.B}|{r}]");
                else if (
                    // x // (a·c) and (x // a) % c give x // a.
                    quotient.B
                        is IntImm { Value: var ac }
                    && remainder.B is IntImm { Value: > 0 and var c }
                    && ac % c == 0
                    && simplifier.Visit(Op.FloorDiv(quotient.A, ac / c)) is var inner
                    && IsRest(inner, remainder)
                )
                    Learn(inner, $"[{q}|{ac}/{c}|{r}]");
            }
        }
    }

    private static bool Varies(Expr atom, IReadOnlySet<Var> same) =>
        atom.Nodes().Any(n => n is Load || (n is Var v && !same.Contains(v)));
}
