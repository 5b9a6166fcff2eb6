using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Passes;

/// <summary>
/// Turns every intermediate into an Allocate around the innermost statement where it can live (or below the loop of
/// store_at), with a shape cut down to the part used there; never inside a vector loop, nor inside a loop across which a
/// block carries values in it. Indices into a buffer that was cut are
/// over loop variables afterwards. The nest that results has no intermediates.
/// </summary>
public static class StoragePlacement
{
    /// <exception cref="ScheduleException">A register buffer does not get a constant shape.</exception>
    public static LoopNest Run(LoopNest nest)
    {
        var result = nest;
        foreach (var group in Groups(nest))
            result = Place(result, group);
        result = result with { Intermediates = [], StoreAt = ImmutableDictionary<string, string>.Empty };
        NestVerifier.Check(result);
        return result;
    }

    // Outputs of one block share its indices.
    private static List<List<Buffer>> Groups(LoopNest nest)
    {
        var groups = new List<List<Buffer>>();
        foreach (var buffer in nest.Intermediates)
        {
            var tied = nest
                .Blocks.Where(b => b.Outputs.Contains(buffer))
                .SelectMany(b => b.Outputs)
                .Append(buffer)
                .ToHashSet();
            var joined = groups.Where(g => g.Any(tied.Contains)).ToList();
            var merged = joined.SelectMany(g => g).Append(buffer).ToList();
            groups.RemoveAll(joined.Contains);
            groups.Add(merged);
        }
        return groups;
    }

    private static LoopNest Place(LoopNest nest, List<Buffer> group)
    {
        var places = new Places(nest, group);
        if (places.Accesses.IsEmpty)
            return nest;
        string? within = group.Select(b => nest.StoreAt.GetValueOrDefault(b.Name)).FirstOrDefault(l => l is not null);
        bool free = nest.Blocks.All(b => !b.Outputs.Any(group.Contains) || b.Outputs.All(group.Contains));
        int depth = places.Innermost(within);
        var region = free && places.Accesses.Any(a => a.Kind != AccessKind.Hint) ? places.Used(depth) : null;
        var shape = group[0].Shape;
        var origin = Enumerable.Repeat((Expr)0, shape.Length).ToImmutableArray();
        if (region is not null)
            (shape, origin) = Cut(nest, region, shape);
        var above = places.LoopsAbove(depth);
        var at = places.Common[depth];

        bool shared = places.Accesses.Any(a =>
            a.Loops.Any(l => l.Kind == LoopKind.Parallel && !above.Any(o => ReferenceEquals(o, l)))
        );
        var cut = group.ToDictionary(b => b, b => Sized(nest, at, b, shape, shared));
        Stmt body = new Rebase(nest, cut, origin).Rewrite(at, above);
        body = Wrap(body, at, [.. cut.Values], cut);
        return nest with { Body = nest.Body.Replace(at, body), Intermediates = nest.Intermediates.RemoveRange(group) };
    }

    private static (ImmutableArray<Expr> Shape, ImmutableArray<Expr> Origin) Cut(
        LoopNest nest,
        Region region,
        ImmutableArray<Expr> shape
    )
    {
        var extents = shape.ToBuilder();
        var origin = ImmutableArray.CreateBuilder<Expr>();
        for (int d = 0; d < shape.Length; d++)
        {
            var span = region.Dims[d];
            var extent = Simplifier.Simplify(span.Extent, nest.ParameterRanges);
            // No gain, or not certain that there is one: the whole dimension.
            bool smaller = extent is IntImm e ? shape[d] is not IntImm s || e.Value < s.Value : extent != shape[d];
            bool negative = Interval.Of(extent, nest.ParameterRanges).Min < 0;
            origin.Add(smaller && !negative ? span.Min : 0);
            extents[d] = smaller && !negative ? extent : shape[d];
        }
        return (extents.ToImmutable(), origin.ToImmutable());
    }

    private static Buffer Sized(LoopNest nest, Stmt at, Buffer buffer, ImmutableArray<Expr> shape, bool shared)
    {
        if (buffer.Scope == Scope.Register && shape.Any(e => e is not IntImm))
            throw new ScheduleException(
                nest,
                at,
                $"{buffer.Name} is in registers, but the part used here, [{string.Join(", ", shape)}], has no constant shape",
                $"set_scope {buffer.Name} stack, or split the loops around by constants",
                "storage placement"
            );
        // The workers of a parallel loop that all use the buffer cannot each have their own.
        var scope = shared && buffer.Scope == Scope.Stack ? Scope.Heap : buffer.Scope;
        bool same = shape.SequenceEqual(buffer.Shape);
        if (same && scope == buffer.Scope)
            return buffer;
        return new Buffer(
            buffer.Name,
            buffer.Type,
            shape,
            scope,
            same ? buffer.Strides : Strides(nest, buffer, shape),
            buffer.Swizzle
        );
    }

    // Explicit strides are those of storage_align, which says what they are for another shape. Strides that no step
    // of the trace made keep their padding.
    private static ImmutableArray<long> Strides(LoopNest nest, Buffer buffer, ImmutableArray<Expr> shape)
    {
        if (AlignedStrides.For(nest, buffer.Name, shape) is { IsDefault: false } aligned)
            return aligned;
        if (buffer.Strides.IsDefault || shape.Any(e => e is not IntImm) || buffer.Shape.Any(e => e is not IntImm))
            return default;
        var strides = new long[shape.Length];
        long tight = 1;
        long before = 1;
        foreach (int d in Enumerable.Range(0, shape.Length).OrderBy(d => buffer.Strides[d]).ThenByDescending(d => d))
        {
            strides[d] = tight + Math.Max(0, buffer.Strides[d] - before);
            tight = strides[d] * ((IntImm)shape[d]).Value;
            before = buffer.Strides[d] * ((IntImm)buffer.Shape[d]).Value;
        }
        return [.. strides];
    }

    // Of a sequence only the items from the first to the last use are the life of the buffer.
    private static Stmt Wrap(Stmt body, Stmt at, ImmutableArray<Buffer> buffers, Dictionary<Buffer, Buffer> cut)
    {
        Stmt Around(Stmt inner) => buffers.Reverse().Aggregate(inner, (s, b) => new Allocate(b, s));
        if (at is not Seq old || body is not Seq seq)
            return Around(body);
        bool Uses(Stmt s) => BufferAccess.Below(s).Any(a => cut.ContainsKey(a.Buffer));
        int first = old.Items.TakeWhile(i => !Uses(i)).Count();
        int after = old.Items.Length - old.Items.Reverse().TakeWhile(i => !Uses(i)).Count();
        return Seq.Of([.. seq.Items[..first], Around(Seq.Of(seq.Items[first..after])), .. seq.Items[after..]]);
    }

    /// <summary>Puts the cut buffers in the place of the full ones, with indices relative to the origin.</summary>
    private sealed class Rebase(LoopNest nest, Dictionary<Buffer, Buffer> cut, ImmutableArray<Expr> origin)
    {
        private readonly bool _moves = cut.Any(c => !c.Key.Shape.SequenceEqual(c.Value.Shape));

        public Stmt Rewrite(Stmt stmt, ImmutableArray<For> loops)
        {
            var simplifier = new Simplifier(nest.Ranges(loops));
            switch (stmt)
            {
                case For f:
                    return f with { Extent = InLoops(f.Extent, simplifier), Body = Rewrite(f.Body, loops.Add(f)) };
                case If i:
                    return new If(
                        InLoops(i.Cond, simplifier),
                        Rewrite(i.Then, loops),
                        i.Else is null ? null : Rewrite(i.Else, loops)
                    );
                case Store s:
                    ImmutableArray<Expr> place = [.. s.Indices.Select(e => InLoops(e, simplifier))];
                    return new Store(
                        cut.GetValueOrDefault(s.Buffer) ?? s.Buffer,
                        cut.ContainsKey(s.Buffer) ? Move(place, simplifier) : place,
                        InLoops(s.Value, simplifier)
                    );
                case Prefetch p when cut.TryGetValue(p.Buffer, out var prefetched):
                    return new Prefetch(
                        prefetched,
                        Move([.. p.Indices.Select(e => InLoops(e, simplifier))], simplifier)
                    );
                case Call c:
                    return c with
                    {
                        Buffers = [.. c.Buffers.Select(b => cut.GetValueOrDefault(b) ?? b)],
                        Origins =
                        [
                            .. c.Origins.Select((o, n) => cut.ContainsKey(c.Buffers[n]) ? Move(o, simplifier) : o),
                        ],
                    };
                case Block b:
                    return Rewrite(b, simplifier);
                default:
                    return stmt.WithChildren(child => Rewrite(child, loops));
            }
        }

        private Block Rewrite(Block b, Simplifier simplifier)
        {
            var bindings = b.Bindings;
            Expr Value(Expr e) => Map(e, indices => Move([.. indices.Select(i => i.Substitute(bindings))], simplifier));
            ImmutableArray<Expr> indices = [.. b.Indices.Select(Value)];
            if (_moves && cut.ContainsKey(b.Output))
                indices = Move([.. indices.Select(i => i.Substitute(bindings))], simplifier);
            return b with
            {
                Axes = [.. b.Axes.Select(a => a with { Binding = InLoops(a.Binding, simplifier) })],
                Predicate = InLoops(b.Predicate, simplifier),
                Outputs = [.. b.Outputs.Select(o => cut.GetValueOrDefault(o) ?? o)],
                Indices = indices,
                Values = [.. b.Values.Select(Value)],
            };
        }

        private Expr InLoops(Expr e, Simplifier simplifier) => Map(e, indices => Move(indices, simplifier));

        private Expr Map(Expr e, Func<ImmutableArray<Expr>, ImmutableArray<Expr>> move) =>
            e.Map(node =>
            {
                if (node is not Load load || !cut.TryGetValue(load.Buffer, out var to))
                    return null;
                ImmutableArray<Expr> indices = [.. load.Indices.Select(i => Map(i, move))];
                return to.At(_moves ? move(indices) : indices);
            });

        private ImmutableArray<Expr> Move(ImmutableArray<Expr> indices, Simplifier simplifier) =>
            _moves ? [.. indices.Select((e, d) => simplifier.Visit(e - origin[d]))] : indices;
    }
}
