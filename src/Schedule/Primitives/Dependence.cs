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
        IReadOnlySet<Var> same
    )
    {
        HashSet<(Var, IndexFunction)>? common = null;
        var functions = new IndexFunctions();
        var seen = new List<ImmutableArray<Expr>>();
        foreach (var access in accesses)
        {
            if (seen.Any(s => s.AsSpan().SequenceEqual(access.Indices.AsSpan())))
                continue;
            seen.Add(access.Indices);
            var keys = new IndexDerivation(functions, ranges, same).Run(access.Indices);
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
}
