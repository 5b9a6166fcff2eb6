using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Analysis;

public enum AccessKind
{
    Read,
    Write,

    /// <summary>The implicit read of a reduction's own output.</summary>
    Accumulate,

    /// <summary>A prefetch: no effect on values.</summary>
    Hint,
}

/// <summary>
/// One access of a statement to a buffer, with the indices over loop variables (block axes are substituted by their
/// bindings). An intrinsic touches Tile[d] elements from Indices[d] on, everything else one.
/// </summary>
/// <param name="Path">Statements from the root that was searched to Statement, both included.</param>
/// <param name="Guards">Conjuncts under which the statement runs, of its predicate only.</param>
public sealed record BufferAccess(
    AccessKind Kind,
    Stmt Statement,
    Buffer Buffer,
    ImmutableArray<Expr> Indices,
    ImmutableArray<long> Tile,
    ImmutableArray<Stmt> Path,
    ImmutableArray<Expr> Guards
)
{
    /// <summary>The load itself, else the statement that stores to the place: accesses at one place object share it.</summary>
    public object Site { get; private init; } = Statement;

    public bool IsWrite => Kind == AccessKind.Write;

    public bool IsRead => Kind is AccessKind.Read or AccessKind.Accumulate;

    /// <summary>Loops on the path, outermost first; not the statement itself.</summary>
    public IEnumerable<For> Loops => Path.OfType<For>().Where(l => !ReferenceEquals(l, Statement));

    // Statements never change, and most of them stay from one primitive to the next.
    private static readonly ConditionalWeakTable<Stmt, BufferAccess[]> Known = [];

    /// <summary>All accesses below (and in) a statement, in program order.</summary>
    public static IEnumerable<BufferAccess> Below(Stmt root) => Walk(root, [], null);

    /// <summary>Accesses below (and in) a statement to some buffers, in program order.</summary>
    public static IEnumerable<BufferAccess> Below(Stmt root, IReadOnlySet<Buffer> buffers) => Walk(root, [], buffers);

    private static List<BufferAccess> Walk(Stmt root, ImmutableArray<Stmt> above, IReadOnlySet<Buffer>? buffers)
    {
        var found = new List<BufferAccess>();
        Visit(root, above);
        return found;

        void Visit(Stmt stmt, ImmutableArray<Stmt> above)
        {
            var path = above.Add(stmt);
            foreach (var access in Of(stmt))
            {
                if (buffers is null || buffers.Contains(access.Buffer))
                    found.Add(access with { Path = path });
            }
            switch (stmt)
            {
                case For f:
                    Visit(f.Body, path);
                    break;
                case Seq q:
                    foreach (var item in q.Items)
                        Visit(item, path);
                    break;
                default:
                    foreach (var child in stmt.Children())
                        Visit(child, path);
                    break;
            }
        }
    }

    /// <summary>Accesses of a statement itself, not of those below it; their path is empty.</summary>
    public static IReadOnlyList<BufferAccess> Own(Stmt stmt) => Of(stmt);

    private static BufferAccess[] Of(Stmt stmt)
    {
        if (stmt is Seq or Allocate or For { Extent: IntImm })
            return [];
        if (!Known.TryGetValue(stmt, out var accesses))
        {
            accesses = [.. Of(stmt, [])];
            Known.AddOrUpdate(stmt, accesses);
        }
        return accesses;
    }

    private static IEnumerable<BufferAccess> Of(Stmt stmt, ImmutableArray<Stmt> path)
    {
        BufferAccess Make(
            AccessKind kind,
            Buffer buffer,
            ImmutableArray<Expr> indices,
            ImmutableArray<Expr> guards = default
        ) =>
            new(
                kind,
                stmt,
                buffer,
                indices,
                [.. indices.Select(_ => 1L)],
                path,
                guards.IsDefault ? ImmutableArray<Expr>.Empty : guards
            );
        IEnumerable<BufferAccess> Reads(IEnumerable<Expr> expressions, ImmutableArray<Expr> guards = default) =>
            expressions
                .SelectMany(e => e.Loads())
                .Select(l => Make(AccessKind.Read, l.Buffer, l.Indices, guards) with { Site = l });
        switch (stmt)
        {
            case For f:
                return Reads([f.Extent]);
            case If i:
                return Reads([i.Cond]);
            case Store s:
                return Reads([.. s.Indices, s.Value]).Append(Make(AccessKind.Write, s.Buffer, s.Indices));
            case StoreAll a:
                return a
                    .Stores.SelectMany(s => Reads([.. s.Indices, s.Value]))
                    .Concat(a.Stores.Select(s => Make(AccessKind.Write, s.Buffer, s.Indices)));
            case Prefetch p:
                return Reads(p.Indices).Append(Make(AccessKind.Hint, p.Buffer, p.Indices));
            case Block b:
                var bindings = b.Bindings;
                ImmutableArray<Expr> guards = [.. b.Predicate.Conjuncts()];
                ImmutableArray<Expr> indices = [.. b.Indices.Select(i => i.Substitute(bindings))];
                var accesses = Reads(b.Axes.Select(a => a.Binding).Append(b.Predicate))
                    .Concat(Reads(b.Indices.Concat(b.Values).Select(e => e.Substitute(bindings)), guards));
                // Reads that the bindings show to be behind a condition that never holds; they mention the buffer still.
                var performed = accesses.Select(a => a.Buffer).ToHashSet();
                accesses = accesses.Concat(
                    b.Loads.Where(l => !performed.Contains(l.Buffer))
                        .Select(l =>
                            Make(AccessKind.Hint, l.Buffer, [.. l.Indices.Select(i => i.Substitute(bindings))], guards)
                        )
                );
                if (b.IsReduction)
                    accesses = accesses.Concat(b.Outputs.Select(o => Make(AccessKind.Accumulate, o, indices, guards)));
                return accesses.Concat(b.Outputs.Select(o => Make(AccessKind.Write, o, indices, guards)));
            case DeviceOp d:
                return Reads(d.Exprs)
                    .Concat(
                        d.Accesses.Select(a =>
                                Make(
                                    a.Access is OperandAccess.Write or OperandAccess.MakeBarrier
                                        ? AccessKind.Write
                                        : AccessKind.Read,
                                    a.Operand.Buffer,
                                    a.Operand.Place
                                ) with
                                {
                                    Tile = a.Operand.Tile,
                                }
                            )
                            .OrderBy(a => a.IsWrite)
                    );
            case LaneReduce r:
                return Reads(r.Indices)
                    .Concat(r.Outputs.Select(o => Make(AccessKind.Accumulate, o, r.Indices)))
                    .Concat(r.Outputs.Select(o => Make(AccessKind.Write, o, r.Indices)));
            case Call c:
                return OfCall(c, path).Concat(Reads(c.Origins.SelectMany(o => o)));
            default:
                return [];
        }
    }

    private static IEnumerable<BufferAccess> OfCall(Call call, ImmutableArray<Stmt> path)
    {
        var meaning = call.Intrinsic.Meaning;
        for (int i = 0; i < call.Buffers.Length; i++)
        {
            var operand = call.Intrinsic.Operands[i];
            if (operand.Shape.Any(e => e is not IntImm))
                throw new InvalidOperationException(
                    $"intrinsic {call.Intrinsic.Name}: operand {operand} has no constant shape"
                );
            var tile = call.Extents(i);
            bool writes = meaning.Outputs.Contains(operand);
            bool reads = meaning.Reads.Contains(operand) || (writes && meaning.IsReduction && !meaning.Init);
            if (reads)
                yield return new(
                    AccessKind.Read,
                    call,
                    call.Buffers[i],
                    call.Origins[i],
                    tile,
                    path,
                    ImmutableArray<Expr>.Empty
                );
            if (writes)
                yield return new(
                    AccessKind.Write,
                    call,
                    call.Buffers[i],
                    call.Origins[i],
                    tile,
                    path,
                    ImmutableArray<Expr>.Empty
                );
        }
    }
}
