using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// What iterations of a loop share. The question asked is always: do all accesses to a buffer agree on a function of the
/// element's index that gives the loop's variable? If so, two iterations that touch one element are the same iteration,
/// and their order (or their running at once) does not matter. The answer no is conservative.
/// </summary>
internal static class Dependence
{
    /// <summary>
    /// Accesses of a statement and below that read or write, without the implicit read of a reduction's own output, which commutes
    /// with the others of its kind. Their paths are empty.
    /// </summary>
    public static IEnumerable<BufferAccess> Accesses(Stmt root) =>
        root.Nodes().SelectMany(BufferAccess.Own).Where(a => a.Kind is AccessKind.Read or AccessKind.Write);

    /// <summary>
    /// The variables of loops whose value all of the accesses give by the same function of their index. Variables in
    /// <paramref name="same"/> have one value in all of them; any other may differ.
    /// </summary>
    public static IReadOnlySet<Var> Determined(
        IEnumerable<BufferAccess> accesses,
        IReadOnlyDictionary<Var, Interval> ranges,
        IReadOnlySet<Var> same
    ) => Determined(accesses.Select(Elements), ranges, same);

    /// <inheritdoc cref="Determined(IEnumerable{BufferAccess}, IReadOnlyDictionary{Var, Interval}, IReadOnlySet{Var})"/>
    /// <param name="places">Indices of the accesses.</param>
    public static IReadOnlySet<Var> Determined(
        IEnumerable<ImmutableArray<Expr>> places,
        IReadOnlyDictionary<Var, Interval> ranges,
        IReadOnlySet<Var> same
    )
    {
        HashSet<Derived>? common = null;
        var derivations = IndexDerivations.Current;
        var seen = new List<ImmutableArray<Expr>>();
        foreach (var indices in places)
        {
            if (seen.Any(s => s.AsSpan().SequenceEqual(indices.AsSpan())))
                continue;
            seen.Add(indices);
            var found = derivations.Of(indices, ranges, same);
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

    // Every element of a tile at once: a remainder is a value of known range that nothing else shares.
    private static ImmutableArray<Expr> Elements(BufferAccess access) =>
        access.Tile.All(t => t == 1)
            ? access.Indices
            :
            [
                .. access.Indices.Select(
                    (e, d) => access.Tile[d] > 1 ? e + Op.Mod(new Var($"tile{d}"), access.Tile[d]) : e
                ),
            ];
}
