using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Picograd.Algorithms;

namespace Picograd.Schedules;

/// <summary>
/// One touch of a buffer, with the index over loop variables. Implicit is the read of a reduction's own output, which
/// commutes with the others of its kind.
/// </summary>
internal sealed record Access(Stmt At, Algorithms.Buffer Buffer, ImmutableArray<Expr> Indices, bool IsWrite);

/// <summary>
/// What iterations of a loop share. The question asked is always: do all accesses to a buffer agree on a function of the
/// element's index that gives the loop's variable? If so, two iterations that touch one element are the same iteration,
/// and their order (or their running at once) does not matter. The answer no is conservative.
/// </summary>
internal static class Dependence
{
    // Statements never change, and most of them stay from one primitive to the next.
    private static readonly ConditionalWeakTable<Stmt, Access[]> Known = [];

    /// <summary>All accesses of a statement and below, each composed with its block's bindings.</summary>
    public static IEnumerable<Access> Accesses(Stmt root) => root.Nodes().SelectMany(Of);

    private static Access[] Of(Stmt stmt)
    {
        if (stmt is not (For { Extent: not IntImm } or If or Store or Block or Call))
            return [];
        if (!Known.TryGetValue(stmt, out var accesses))
        {
            accesses = [.. Found(stmt)];
            Known.AddOrUpdate(stmt, accesses);
        }
        return accesses;
    }

    private static IEnumerable<Access> Found(Stmt stmt)
    {
        switch (stmt)
        {
            case For f:
                return Reads(f, f.Extent);
            case If i:
                return Reads(i, i.Cond);
            case Store s:
                return s
                    .Indices.Append(s.Value)
                    .SelectMany(e => Reads(s, e))
                    .Prepend(new Access(s, s.Buffer, s.Indices, true));
            case Block b:
                var bindings = b.Bindings;
                ImmutableArray<Expr> place = [.. b.Indices.Select(i => i.Substitute(bindings))];
                var read = b.Values.Concat(b.Indices).Select(e => e.Substitute(bindings));
                return b
                    .Outputs.Select(output => new Access(b, output, place, true))
                    .Concat(read.Concat(bindings.Values).Append(b.Predicate).SelectMany(e => Reads(b, e)));
            case Call c:
                return c.Buffers.Select(
                    (buffer, i) => new Access(c, buffer, Tile(c, i), i < c.Intrinsic.Meaning.Outputs.Length)
                );
            default:
                return [];
        }
    }

    /// <summary>
    /// The variables of loops whose value all of the accesses give by the same function of their index. Variables in
    /// <paramref name="same"/> have one value in all of them; any other may differ.
    /// </summary>
    public static IReadOnlySet<Var> Determined(
        IEnumerable<Access> accesses,
        IReadOnlyDictionary<Var, Interval> ranges,
        IReadOnlySet<Var> same
    )
    {
        HashSet<Derived>? common = null;
        var derivations = IndexDerivations.Current;
        var seen = new List<ImmutableArray<Expr>>();
        foreach (var access in accesses)
        {
            if (seen.Any(s => s.AsSpan().SequenceEqual(access.Indices.AsSpan())))
                continue;
            seen.Add(access.Indices);
            var found = derivations.Of(access.Indices, ranges, same);
            if (common is null)
                common = [.. found];
            else
                common.IntersectWith(found);
            if (common.Count == 0)
                break;
        }
        var determined = new HashSet<Var>();
        foreach (var (variable, _) in common ?? [])
            determined.Add(variable);
        // A loop of one iteration has nothing to tell apart.
        foreach (var (variable, range) in ranges)
        {
            if (range.IsPoint)
                determined.Add(variable);
        }
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
}
