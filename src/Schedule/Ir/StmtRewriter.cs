using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;

namespace Picograd.Schedules.Ir;

/// <summary>Walks over statements.</summary>
public static class StmtRewriter
{
    public static IEnumerable<Stmt> Children(this Stmt s) =>
        s switch
        {
            For f => [f.Body],
            Seq q => q.Items,
            If { Else: null } i => [i.Then],
            If i => [i.Then, i.Else!],
            Allocate a => [a.Body],
            Async a => [a.Body],
            _ => [],
        };

    public static Stmt WithChildren(this Stmt s, Func<Stmt, Stmt> map)
    {
        switch (s)
        {
            case For f:
                var body = map(f.Body);
                return ReferenceEquals(body, f.Body) ? s : f with { Body = body };
            case Seq q:
                bool changed = false;
                var items = new Stmt[q.Items.Length];
                for (int i = 0; i < items.Length; i++)
                {
                    items[i] = map(q.Items[i]);
                    changed |= !ReferenceEquals(items[i], q.Items[i]);
                }
                return changed ? Seq.Of(items) : s;
            case If i:
                var (then, otherwise) = (map(i.Then), i.Else is null ? null : map(i.Else));
                return ReferenceEquals(then, i.Then) && ReferenceEquals(otherwise, i.Else)
                    ? s
                    : new If(i.Cond, then, otherwise);
            case Allocate a:
                var inner = map(a.Body);
                return ReferenceEquals(inner, a.Body) ? s : a with { Body = inner };
            case Async a:
                var copies = map(a.Body);
                return ReferenceEquals(copies, a.Body) ? s : a with { Body = copies };
            default:
                return s;
        }
    }

    /// <summary>The statement and all below, parents first, in program order.</summary>
    public static IReadOnlyList<Stmt> Nodes(this Stmt s)
    {
        var found = new List<Stmt>();
        Collect(s, found);
        return found;

        // At once: enumerators inside one another would take as many steps a node as it lies deep.
        static void Collect(Stmt s, List<Stmt> found)
        {
            found.Add(s);
            switch (s)
            {
                case For f:
                    Collect(f.Body, found);
                    break;
                case Seq q:
                    foreach (var item in q.Items)
                        Collect(item, found);
                    break;
                default:
                    foreach (var child in s.Children())
                        Collect(child, found);
                    break;
            }
        }
    }

    /// <summary>Replaces top down where <paramref name="replace"/> gives a result; results are not visited again.</summary>
    public static Stmt Map(this Stmt s, Func<Stmt, Stmt?> replace) =>
        replace(s) ?? s.WithChildren(child => child.Map(replace));

    /// <summary>Replaces bottom up.</summary>
    public static Stmt MapUp(this Stmt s, Func<Stmt, Stmt> replace) =>
        replace(s.WithChildren(child => child.MapUp(replace)));

    public static Stmt Replace(this Stmt s, Stmt old, Stmt replacement) =>
        s.Map(node => ReferenceEquals(node, old) ? replacement : null);

    /// <summary>From the root to the target (by reference), both included; null where it is not below.</summary>
    public static ImmutableArray<Stmt>? PathTo(this Stmt s, Stmt target)
    {
        if (ReferenceEquals(s, target))
            return [s];
        foreach (var child in s.Children())
        {
            if (child.PathTo(target) is { } path)
                return path.Insert(0, s);
        }
        return null;
    }

    /// <summary>
    /// Removes a statement, and loops, branches and sequences that are empty without it; an empty sequence if nothing
    /// is left.
    /// </summary>
    public static Stmt Remove(this Stmt s, Stmt target) =>
        s.MapUp(node =>
            ReferenceEquals(node, target)
                ? new Seq([])
                : node switch
                {
                    For { Body: Seq { IsEmpty: true } } => new Seq([]),
                    Allocate { Body: Seq { IsEmpty: true } } => new Seq([]),
                    Async { Body: Seq { IsEmpty: true } } => new Seq([]),
                    If { Then: Seq { IsEmpty: true }, Else: null } => new Seq([]),
                    _ => node,
                }
        );

    /// <summary>
    /// Rewrites every expression at the surface of the statements: extents, conditions, indices, values, bindings and
    /// predicates. Reducers are left alone.
    /// </summary>
    public static Stmt MapExprs(this Stmt s, Func<Expr, Expr> map) =>
        s switch
        {
            For f => f with { Extent = map(f.Extent), Body = f.Body.MapExprs(map) },
            Seq q => Seq.Of(q.Items.Select(i => i.MapExprs(map))),
            If i => new If(map(i.Cond), i.Then.MapExprs(map), i.Else?.MapExprs(map)),
            Allocate a => a with { Body = a.Body.MapExprs(map) },
            Async a => a with { Body = a.Body.MapExprs(map) },
            LaneReduce r => r with { Indices = [.. r.Indices.Select(map)] },
            DeviceOp d => d.MapExprs(map),
            Store t => t with { Indices = [.. t.Indices.Select(map)], Value = map(t.Value) },
            StoreAll a => new StoreAll([.. a.Stores.Select(t => (Store)t.MapExprs(map))]),
            Prefetch p => p with { Indices = [.. p.Indices.Select(map)] },
            Block b => b with
            {
                Axes = [.. b.Axes.Select(a => a with { Binding = map(a.Binding) })],
                Predicate = map(b.Predicate),
                Indices = [.. b.Indices.Select(map)],
                Values = [.. b.Values.Select(map)],
            },
            Call c => c.MapOperands(map),
            _ => s,
        };

    /// <summary>
    /// Every expression at the surface of one statement, not of those below it: what <see cref="MapExprs"/> maps, and what it tells
    /// nothing of, the loads that are no expressions, is in <see cref="BufferAccess"/>.
    /// </summary>
    public static IEnumerable<Expr> Exprs(this Stmt s) =>
        s switch
        {
            For f => [f.Extent],
            If i => [i.Cond],
            Store t => [.. t.Indices, t.Value],
            StoreAll a => a.Stores.SelectMany(Exprs),
            Prefetch p => p.Indices,
            Block b => [.. b.Axes.Select(a => a.Binding), b.Predicate, .. b.Indices, .. b.Values],
            LaneReduce r => r.Indices,
            DeviceOp d => d.Exprs,
            Call c => c.Origins.SelectMany(o => o),
            _ => [],
        };

    public static Stmt Substitute(this Stmt s, IReadOnlyDictionary<Var, Expr> values) =>
        values.Count == 0 ? s : s.MapExprs(e => e.Substitute(values));

    /// <summary>Replaces a buffer everywhere, also in loads, keeping indices.</summary>
    public static Stmt ReplaceBuffer(this Stmt s, Buffer old, Buffer replacement) =>
        s.MapExprs(e => e.ReplaceBuffer(old, replacement))
            .MapUp(node =>
                node switch
                {
                    Store t when t.Buffer == old => t with { Buffer = replacement },
                    StoreAll a => new StoreAll([
                        .. a.Stores.Select(t => t.Buffer == old ? t with { Buffer = replacement } : t),
                    ]),
                    Prefetch p when p.Buffer == old => p with { Buffer = replacement },
                    Allocate a when a.Buffer == old => a with { Buffer = replacement },
                    Block b when b.Outputs.Contains(old) => b with
                    {
                        Outputs = [.. b.Outputs.Select(o => o == old ? replacement : o)],
                    },
                    DeviceOp d => d.ReplaceBuffer(old, replacement),
                    LaneReduce r when r.Outputs.Contains(old) => r with
                    {
                        Outputs = [.. r.Outputs.Select(o => o == old ? replacement : o)],
                    },
                    Call c => c.ReplaceBuffer(old, replacement),
                    _ => node,
                }
            );

    public static Expr ReplaceBuffer(this Expr e, Buffer old, Buffer replacement) =>
        e.Map(node =>
            node is Load l && l.Buffer == old
                ? new Load(replacement, [.. l.Indices.Select(i => i.ReplaceBuffer(old, replacement))])
                : null
        );
}
