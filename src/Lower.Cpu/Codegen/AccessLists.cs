using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>A place where memory is read or written; Key is the load or statement itself.</summary>
internal sealed record Access(Buffer Buffer, object Key, ImmutableArray<Expr> Indices);

/// <summary>
/// All accesses below a statement, each loop body walked once however many loops are around it, what a statement writes before
/// what it reads. Loads that occur several times as one object, as in expanded functions, are listed once a statement.
/// </summary>
internal sealed class AccessLists
{
    private readonly Dictionary<Stmt, List<Access>> _lists = new(ReferenceEqualityComparer.Instance);

    public IReadOnlyList<Access> Below(Stmt stmt)
    {
        if (!_lists.TryGetValue(stmt, out var list))
        {
            list = [];
            Collect(stmt, list);
            _lists[stmt] = list;
        }
        return list;
    }

    private void Collect(Stmt stmt, List<Access> list)
    {
        switch (stmt)
        {
            // Extents are computed before the loop.
            case For f:
                list.AddRange(Below(f.Body));
                return;
            case StoreAll a:
                foreach (var store in a.Stores)
                    Collect(store, list);
                return;
            default:
                Add(BufferAccess.Own(stmt), list);
                foreach (var child in stmt.Children())
                    Collect(child, list);
                return;
        }
    }

    private static void Add(IReadOnlyList<BufferAccess> accesses, List<Access> list)
    {
        foreach (var access in accesses)
        {
            if (!access.IsRead)
                list.Add(new Access(access.Buffer, access.Site, access.Indices));
        }
        var seen = accesses.Count > 2 ? new HashSet<object>(ReferenceEqualityComparer.Instance) : null;
        foreach (var access in accesses)
        {
            if (access.IsRead && seen?.Add(access.Site) != false)
                list.Add(new Access(access.Buffer, access.Site, access.Indices));
        }
    }
}
