using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules;

namespace Picograd.Lower.Cpu;

/// <summary>A place where memory is read or written; Key is the load or statement itself.</summary>
internal sealed record Access(Buffer Buffer, object Key, ImmutableArray<Expr> Indices);

/// <summary>
/// All accesses below a statement, each loop body walked once however many loops are around it. Loads that occur several
/// times as one object, as in expanded functions, are listed once a statement.
/// </summary>
internal sealed class AccessLists
{
    private readonly Dictionary<Stmt, List<Access>> _lists = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<Expr> _seen = new(ReferenceEqualityComparer.Instance);

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
            case For f:
                list.AddRange(Below(f.Body));
                break;
            case Seq q:
                foreach (var item in q.Items)
                    Collect(item, list);
                break;
            case If i:
                Loads(i.Cond, list);
                Collect(i.Then, list);
                if (i.Else is not null)
                    Collect(i.Else, list);
                break;
            case Allocate a:
                Collect(a.Body, list);
                break;
            case Store s:
                Store(s, list);
                break;
            case StoreAll a:
                foreach (var store in a.Stores)
                    Store(store, list);
                break;
            case Prefetch p:
                list.Add(new Access(p.Buffer, p, p.Indices));
                break;
            default:
                break;
        }
    }

    private void Store(Store s, List<Access> list)
    {
        list.Add(new Access(s.Buffer, s, s.Indices));
        foreach (var index in s.Indices)
            Loads(index, list);
        Loads(s.Value, list);
    }

    private void Loads(Expr e, List<Access> list)
    {
        _seen.Clear();
        Visit(e);

        void Visit(Expr node)
        {
            switch (node)
            {
                case IntImm or FloatImm or Var:
                    return;
                case Load load when _seen.Add(load):
                    list.Add(new Access(load.Buffer, load, load.Indices));
                    foreach (var index in load.Indices)
                        Visit(index);
                    return;
                // Index arithmetic is small and rarely shared; what is shared are the values of expanded functions.
                case Binary b when b.Type == DTypes.Index:
                    Visit(b.A);
                    Visit(b.B);
                    return;
                default:
                    if (!_seen.Add(node))
                        return;
                    foreach (var child in node.Children())
                        Visit(child);
                    return;
            }
        }
    }
}
