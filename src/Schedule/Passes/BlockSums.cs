using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Passes;

/// <summary>
/// Long float sums are added up in blocks: where a serial loop adds more than some hundred terms to one accumulator, a
/// stretch of terms goes into an accumulator of its own first, which is then added to the total; if there are many
/// stretches, so do they. A sum of k terms thus takes about 2·block·log k / log block roundings
/// in a row instead of k, in every schedule, whoever made it (<see cref="Algorithms.Evaluation.BoundRules.SumDepth"/> is what
/// certification holds schedules to). Expects plain statements (after LowerBlocks).
/// </summary>
/// <remarks>
/// For k in 0..n: C[i] = C[i] + x(k) becomes, for each stretch of k: P[i] = 0; for k in the stretch: P[i] = P[i] + x(k);
/// C[i] = C[i] + P[i]. P is shaped by the loops below that the index runs over, and takes the place of C in registers
/// where there is no room for both: then stretches are longer, since each costs a read and a write of the totals
/// (12 × 32 accumulators: 0.6 % at 512 terms).
/// </remarks>
/// <param name="registerBytes">
/// Bytes of registers that totals and stretches may take together; 0: there is no limit, and buffers beside registers cannot
/// be made (GPU).
/// </param>
/// <param name="block">Terms of a stretch; sums of up to twice as many stay whole.</param>
/// <param name="tileBlock">The same for stretches because of which totals are kept in memory.</param>
public sealed class BlockSums(long registerBytes, long block = 32, long tileBlock = 512)
{
    public LoopNest Run(LoopNest nest)
    {
        var state = new State(nest, registerBytes, block, tileBlock);
        var body = state.Visit(nest.Body);
        return ReferenceEquals(body, nest.Body) ? nest : nest with { Body = body };
    }

    /// <summary>A store C[index] = C[index] + term below a loop.</summary>
    /// <param name="First">The condition under which the old value is taken as 0; null for never.</param>
    /// <param name="Path">Statements from the loop's body to the store, both included.</param>
    /// <param name="Kept">Loops on the path that the index runs over, outermost first.</param>
    /// <param name="Dropped">Variables of the loop and of those on the path that the terms run over.</param>
    /// <param name="Terms">Terms added to one element in an iteration of the loop, at most.</param>
    private sealed record Accumulation(
        Store Store,
        Expr Term,
        Expr? First,
        ImmutableArray<Stmt> Path,
        ImmutableArray<For> Kept,
        ImmutableArray<Var> Dropped,
        double Terms
    );

    private sealed class State(LoopNest nest, long registerBytes, long wanted, long tileWanted)
    {
        private readonly Dictionary<Var, Interval> _ranges = new(nest.ParameterRanges);
        private readonly HashSet<Buffer> _demoted = [];
        private readonly HashSet<string> _names = [.. nest.Body.Nodes().OfType<Allocate>().Select(a => a.Buffer.Name)];

        public Stmt Visit(Stmt stmt)
        {
            switch (stmt)
            {
                case For f:
                    long max = Interval.Of(f.Extent, _ranges).Max;
                    _ranges[f.Var] = new Interval(0, Math.Max(0, max - 1));
                    var body = Visit(f.Body);
                    var loop = ReferenceEquals(body, f.Body) ? f : f with { Body = body };
                    Stmt result = f.Kind is LoopKind.Serial ? Blocked(loop, max) : loop;
                    _ranges.Remove(f.Var);
                    return result;
                case Allocate a:
                    var inner = Visit(a.Body);
                    if (_demoted.Remove(a.Buffer))
                    {
                        var memory = a.Buffer.With(scope: Scope.Stack);
                        return a with { Buffer = memory, Body = inner.ReplaceBuffer(a.Buffer, memory) };
                    }
                    return ReferenceEquals(inner, a.Body) ? a : a with { Body = inner };
                default:
                    return stmt.WithChildren(Visit);
            }
        }

        private Stmt Blocked(For f, long extent)
        {
            var sums = Accumulations(f, extent);
            if (sums.Count == 0)
                return f;
            long bytes = sums.Sum(Bytes);
            bool inRegisters = sums.All(a => a.Store.Buffer.Scope == Scope.Register);
            bool demote = inRegisters && registerBytes > 0 && 2 * bytes > registerBytes;
            long target = demote ? tileWanted : wanted;
            sums = Long(sums, extent, 2 * target);
            if (sums.Count == 0)
                return f;
            if (demote)
                _demoted.UnionWith(sums.Select(a => a.Store.Buffer));

            long block = Math.Clamp((long)(target / sums.Max(a => a.Terms)), 1, Math.Max(1, extent));
            // Equal stretches where that is possible without much change: their loop then has a constant extent.
            if (f.Extent is IntImm)
                block = Even(extent, block);
            var outer = new Var(f.Name + ".b");
            var within = new Var(f.Name);
            Expr stretches = Op.FloorDiv(f.Extent + (block - 1), block);
            Expr length =
                f.Extent is IntImm { Value: var n } && n % block == 0 ? block : Op.Min(block, f.Extent - outer * block);
            var partial = new Dictionary<Stmt, (Buffer Buffer, ImmutableArray<Expr> Index)>(
                ReferenceEqualityComparer.Instance
            );
            foreach (var a in sums)
                partial.Add(a.Store, Partial(a));
            var at = new Dictionary<Var, Expr> { [f.Var] = outer * block + within };
            var body = f.Body.Map(s => partial.TryGetValue(s, out var p) ? Into(p, (Store)s) : null).Substitute(at);
            Stmt stretch =
                block == 1 && f.Extent is IntImm
                    ? body.Substitute(new Dictionary<Var, Expr> { [within] = 0 })
                    : f with
                    {
                        Var = within,
                        Extent = length,
                        Body = body,
                    };
            var parts = new List<Stmt>();
            foreach (var a in sums)
                parts.Add(Over(a, partial[a.Store], null, at));
            parts.Add(stretch);
            foreach (var a in sums)
                parts.Add(Over(a, partial[a.Store], a.Store, new Dictionary<Var, Expr> { [f.Var] = outer * block }));
            var sequence = partial.Values.Aggregate(Seq.Of(parts), (s, p) => new Allocate(p.Buffer, s));
            var loop = f with { Var = outer, Extent = stretches, Body = sequence };
            // The stretches may be too many in their turn.
            long count = (extent + block - 1) / block;
            _ranges[outer] = new Interval(0, Math.Max(0, count - 1));
            var result = Blocked(loop, count);
            _ranges.Remove(outer);
            return result;
        }

        // The divisor of the extent that is nearest to a wanted length, if there is one between half of it and double. Not 1
        // in its stead, which would leave as many stretches as there were terms.
        private static long Even(long extent, long wanted)
        {
            for (long off = 0; off <= wanted / 2; off++)
            {
                if (wanted + off <= extent && extent % (wanted + off) == 0)
                    return wanted + off;
                if (wanted - off > 1 && extent % (wanted - off) == 0)
                    return wanted - off;
            }
            return wanted;
        }

        private static long Bytes(Accumulation a) =>
            a.Kept.Aggregate((long)a.Store.Buffer.Type.Size(), (n, l) => n * l.ConstantExtent!.Value);

        private (Buffer Buffer, ImmutableArray<Expr> Index) Partial(Accumulation a)
        {
            bool shared = a.Kept.Any(l => l.Kind == LoopKind.Parallel);
            bool indexed = a.Kept.Any(l => l.Kind is LoopKind.Serial or LoopKind.Parallel && l.ConstantExtent > 1);
            var scope =
                a.Store.Buffer.Scope == Scope.Register
                || registerBytes == 0
                || (!indexed && Bytes(a) <= registerBytes / 2)
                    ? Scope.Register
                : shared || Bytes(a) > 1 << 12 ? Scope.Heap
                : Scope.Stack;
            // Lanes run along the last dimension.
            List<For> order =
            [
                .. a.Kept.Where(l => l.Kind != LoopKind.Vector),
                .. a.Kept.Where(l => l.Kind == LoopKind.Vector),
            ];
            string name = a.Store.Buffer.Name + ".block";
            for (int i = 1; !_names.Add(name); i++)
                name = $"{a.Store.Buffer.Name}.block{i}";
            ImmutableArray<Expr> shape = order.Count == 0 ? [1] : [.. order.Select(l => l.Extent)];
            ImmutableArray<Expr> index = order.Count == 0 ? [0] : [.. order.Select(l => (Expr)l.Var)];
            return (new Buffer(name, a.Store.Buffer.Type, shape, scope), index);
        }

        private Store Into((Buffer Buffer, ImmutableArray<Expr> Index) partial, Store s)
        {
            var (_, term) = Split(s)!.Value;
            return new Store(partial.Buffer, partial.Index, partial.Buffer.At(partial.Index) + term);
        }

        // The loops of the path that stay, around P = 0 or, with the store given, around C = C + P.
        private static Stmt Over(
            Accumulation a,
            (Buffer Buffer, ImmutableArray<Expr> Index) partial,
            Store? total,
            IReadOnlyDictionary<Var, Expr> at
        )
        {
            var fresh = a.Kept.ToDictionary(l => l.Var, l => (Expr)new Var(l.Name));
            ImmutableArray<Expr> index = [.. partial.Index.Select(i => i.Substitute(fresh))];
            Stmt stmt = new Store(partial.Buffer, index, Op.Const(0, partial.Buffer.Type));
            if (total is not null)
            {
                var begin = new Dictionary<Var, Expr>(at);
                foreach (var v in a.Dropped.Where(v => !begin.ContainsKey(v)))
                    begin[v] = 0;
                ImmutableArray<Expr> place = [.. total.Indices.Select(i => i.Substitute(fresh))];
                Expr old = total.Buffer.At(place);
                if (a.First is not null)
                    old = Op.Select(a.First.Substitute(begin).Substitute(fresh), Op.Const(0, total.Buffer.Type), old);
                stmt = new Store(total.Buffer, place, old + partial.Buffer.At(index));
            }
            foreach (var node in a.Path.Reverse())
            {
                switch (node)
                {
                    case For l when fresh.TryGetValue(l.Var, out var v):
                        stmt = l with { Var = (Var)v, Extent = l.Extent.Substitute(fresh), Body = stmt };
                        break;
                    case If i when total is not null:
                        var stays = i
                            .Cond.Conjuncts()
                            .Where(c => !a.Dropped.Any(c.Uses))
                            .Aggregate(Op.True, Op.And)
                            .Substitute(fresh);
                        if (!stays.IsTrue())
                            stmt = new If(stays, stmt);
                        break;
                    default:
                        break;
                }
            }
            return stmt;
        }

        /// <summary>Where a loop adds many terms to elements of buffers that nothing else below it touches.</summary>
        private List<Accumulation> Accumulations(For f, long extent)
        {
            var found = new List<Accumulation>();
            Walk(f.Body, [], []);
            if (Long(found, extent, 2 * wanted).Count == 0)
                return [];
            var bad = new HashSet<Buffer>();
            foreach (var access in BufferAccess.Below(f.Body))
            {
                if (!found.Any(a => ReferenceEquals(a.Store, access.Statement) && a.Store.Buffer == access.Buffer))
                    bad.Add(access.Buffer);
            }
            return Long([.. found.Where(a => !bad.Contains(a.Store.Buffer))], extent, 2 * wanted);

            void Walk(Stmt stmt, ImmutableArray<Stmt> path, ImmutableArray<Buffer> local)
            {
                path = path.Add(stmt);
                switch (stmt)
                {
                    case For or Seq or If { Else: null } or Allocate:
                        if (stmt is Allocate a)
                            local = local.Add(a.Buffer);
                        foreach (var child in stmt.Children())
                            Walk(child, path, local);
                        break;
                    case Store s when Of(f, s, path, local) is { } sum:
                        found.Add(sum);
                        break;
                    default:
                        break;
                }
            }
        }

        // A buffer's accumulations go together: one that stayed behind (the rest of a loop that was cut) would add to totals that
        // the first of the others has not begun yet.
        private static List<Accumulation> Long(List<Accumulation> sums, long extent, double most)
        {
            var buffers = sums.Where(a => extent * a.Terms > most).Select(a => a.Store.Buffer).ToHashSet();
            return [.. sums.Where(a => buffers.Contains(a.Store.Buffer))];
        }

        private Accumulation? Of(For f, Store s, ImmutableArray<Stmt> path, ImmutableArray<Buffer> local)
        {
            if (
                s.Buffer.Type is not (DType.Float32 or DType.Float64)
                || s.Buffer.Scope is Scope.Shared or Scope.Fragment
                || local.Contains(s.Buffer)
                || Split(s) is not var (first, term)
                || s.Indices.Any(i => i.Uses(f.Var) || i.Loads().Any())
            )
                return null;
            var loops = path.OfType<For>().ToList();
            var kept = loops.Where(l => s.Indices.Any(i => i.Uses(l.Var))).ToList();
            var gone = loops.Except(kept).ToList();
            ImmutableArray<Var> dropped = [f.Var, .. gone.Select(l => l.Var)];
            if (
                kept.Any(l => l.Extent is not IntImm)
                || gone.Any(l => l.Kind is not (LoopKind.Serial or LoopKind.Unrolled))
                || (registerBytes == 0 && kept.Any(l => l.Kind is LoopKind.Serial && l.ConstantExtent > 1))
            )
                return null;
            // A condition on both may be needed for the index to be inside.
            foreach (var condition in path.OfType<If>().SelectMany(i => i.Cond.Conjuncts()))
            {
                if (condition.Loads().Any())
                    return null;
                if (
                    dropped.Any(condition.Uses)
                    && loops.Any(l => kept.Contains(l) && condition.Uses(l.Var))
                    && !Inside(s, kept)
                )
                    return null;
            }
            // What begins anew in every iteration is no sum over them.
            if (first is not null && (first.Loads().Any() || kept.Any(l => first.Uses(l.Var)) || !first.Uses(f.Var)))
                return null;
            double terms = 1;
            foreach (var l in gone)
                terms *= l.ConstantExtent ?? Math.Max(1, Interval.Of(l.Extent, _ranges).Max);
            return new Accumulation(s, term, first, path, [.. kept], dropped, terms);
        }

        private bool Inside(Store s, List<For> kept)
        {
            var ranges = new Dictionary<Var, Interval>(_ranges);
            foreach (var l in kept)
                ranges[l.Var] = new Interval(0, l.ConstantExtent!.Value - 1);
            return s
                .Indices.Select((e, d) => (Interval.Of(e, ranges), s.Buffer.Shape[d]))
                .All(x => x.Item1.Min >= 0 && x.Item2 is IntImm n && x.Item1.Max < n.Value);
        }

        // C[i] = C[i] + term or select(first, 0, C[i]) + term.
        private static (Expr? First, Expr Term)? Split(Store s)
        {
            if (s.Value is not Binary { Kind: BinaryOp.Add } sum)
                return null;
            foreach (var (old, term) in new[] { (sum.A, sum.B), (sum.B, sum.A) })
            {
                Expr? first = null;
                var load = old;
                if (old is Select { Then: FloatImm { Value: 0 } } select)
                    (first, load) = (select.Cond, select.Else);
                if (
                    load is Load l
                    && l.Buffer == s.Buffer
                    && l.Indices.SequenceEqual(s.Indices)
                    && !term.Loads().Any(t => t.Buffer == s.Buffer)
                )
                    return (first, term);
            }
            return null;
        }
    }
}
