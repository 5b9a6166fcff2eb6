using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Passes;

/// <summary>
/// The bodies of cp.async statements become <see cref="DeviceOps.CopyAsync"/> of 4, 8 or 16 bytes: a vector loop around a store is
/// one copy. Conditions that hold for whole copies are around them, as far out as they can be; a
/// value that is zero beyond an edge copies what is valid and fills the rest with zeros. Vectors of which a condition lets only
/// a part be written stay ordinary stores: they are done at once, which is what a copy may do.
/// </summary>
public static class AsyncCopies
{
    /// <exception cref="LoweringException">A copy of no such size, or not aligned to it.</exception>
    public static LoopNest Run(LoopNest nest) => nest with { Body = Find(nest.Body, new(nest.ParameterRanges)) };

    private static Stmt Find(Stmt stmt, Dictionary<Var, Interval> ranges)
    {
        switch (stmt)
        {
            case For f:
                ranges[f.Var] = Range(f, ranges);
                var body = Find(f.Body, ranges);
                ranges.Remove(f.Var);
                return ReferenceEquals(body, f.Body) ? f : f with { Body = body };
            case Async { Kind: AsyncKind.CopyAsync } a:
                var lowered = Lower(a.Body, ranges);
                return lowered.Under(lowered.Guards);
            default:
                return stmt.WithChildren(child => Find(child, ranges));
        }
    }

    /// <summary>A statement and the conditions that are to be put around it, further out if possible.</summary>
    private readonly record struct Guarded(Stmt Body, ImmutableArray<Expr> Guards)
    {
        public Stmt Under(IEnumerable<Expr> guards)
        {
            var all = guards.Aggregate(Op.True, Op.And);
            return all.IsTrue() ? Body : new If(all, Body);
        }
    }

    private static Guarded Lower(Stmt stmt, Dictionary<Var, Interval> ranges)
    {
        switch (stmt)
        {
            case For f when !f.Body.Nodes().Any(s => s is Store or StoreAll):
                return new(new Seq([]), []);
            case For f when f.Kind == LoopKind.Vector:
                ranges[f.Var] = Range(f, ranges);
                var vector = Vector(f, ranges);
                ranges.Remove(f.Var);
                return vector;
            case For f:
                ranges[f.Var] = Range(f, ranges);
                var inner = Lower(f.Body, ranges);
                ranges.Remove(f.Var);
                var inside = inner.Guards.Where(g => g.Uses(f.Var));
                var outside = inner.Guards.Where(g => !g.Uses(f.Var));
                return new(f with { Body = inner.Under(inside) }, [.. outside]);
            case If { Else: null } i:
                var then = Lower(i.Then, ranges);
                return new(then.Body, [.. i.Cond.Conjuncts().Concat(then.Guards).Distinct()]);
            case Seq q:
                var items = q.Items.Select(s => Lower(s, ranges)).ToList();
                if (items.Count == 0)
                    return new(q, []);
                var common = items[0].Guards.Where(g => items.All(i => i.Guards.Contains(g))).ToImmutableArray();
                return new(Seq.Of(items.Select(i => i.Under(i.Guards.Except(common)))), common);
            case Store s:
                return new(Copy(s, null, ranges) ?? (Stmt)s, []);
            default:
                throw new LoweringException(
                    "async-copy",
                    $"an asynchronous copy contains a {stmt.GetType().Name.ToLowerInvariant()} statement; it may contain loops, conditions and stores"
                );
        }
    }

    private static Guarded Vector(For loop, Dictionary<Var, Interval> ranges)
    {
        var guards = new List<Expr>();
        var body = loop.Body;
        while (body is If { Else: null } i)
        {
            guards.AddRange(i.Cond.Conjuncts());
            body = i.Then;
        }
        if (body is not Store store)
            throw new LoweringException(
                "async-copy",
                $"the vector loop {loop.Name} of an asynchronous copy contains more than one store"
            );
        var whole = guards.Select(g => Whole(g, loop, ranges)).ToList();
        // Some lanes only: an ordinary store each.
        if (whole.Any(g => g is null))
        {
            var some = guards.Where(g => g.Uses(loop.Var)).Aggregate(Op.True, Op.And);
            Stmt plain = loop with { Body = new If(some, store) };
            return new(plain, [.. guards.Where(g => !g.Uses(loop.Var))]);
        }
        return new(Copy(store, loop, ranges) ?? (Stmt)(loop with { Body = store }), [.. whole.Select(g => g!)]);
    }

    /// <summary>The condition without the lane, where it holds for all lanes or for none; null where it may part them.</summary>
    private static Expr? Whole(Expr condition, For loop, Dictionary<Var, Interval> ranges)
    {
        if (!condition.Uses(loop.Var))
            return condition;
        var first = Simplifier.Simplify(condition.Substitute(new Dictionary<Var, Expr> { [loop.Var] = 0 }), ranges);
        var limit = Limit(condition, loop);
        return limit is not null && Divisibility.Divides(loop.ConstantExtent!.Value, limit) ? first : null;
    }

    // For lane < limit, and lane <= limit - 1, the limit: how many lanes the condition lets through.
    private static Expr? Limit(Expr condition, For loop)
    {
        if (condition is not Binary { Kind: BinaryOp.Lt or BinaryOp.Le } b || !b.A.Type.IsInteger())
            return null;
        var form = LinearForm.Of(b.B) - LinearForm.Of(b.A);
        if (form.CoefficientOf(loop.Var) != -1)
            return null;
        var limit = form + LinearForm.Of(loop.Var);
        if (limit.Terms.Any(t => t.Atom.Uses(loop.Var)))
            return null;
        return limit.WithConstant(limit.Constant + (b.Kind == BinaryOp.Le ? 1 : 0)).ToExpr();
    }

    /// <summary>The copy of one store, all lanes of a loop at once; null where only an ordinary store does it.</summary>
    private static DeviceOp? Copy(Store store, For? loop, Dictionary<Var, Interval> ranges)
    {
        var (form, why) = CopyForm.Of(store.Buffer, store.Indices, store.Value);
        int lanes = checked((int)(loop?.ConstantExtent ?? 1));
        var simplifier = new Simplifier(ranges);
        if (form is not null)
            why =
                WhyNotSize(store.Buffer, lanes)
                ?? CopyForm.WhyNotRun(form.To, form.Place, loop, simplifier)
                ?? CopyForm.WhyNotRun(form.Source.Buffer, form.Source.Indices, loop, simplifier);
        if (form is null || why is not null)
            throw new LoweringException("async-copy", $"the copy to {store.Buffer.Name} cannot be asynchronous: {why}");
        var zero = new Dictionary<Var, Expr>();
        if (loop is not null)
            zero[loop.Var] = 0;
        ImmutableArray<Expr> First(ImmutableArray<Expr> index) =>
            [.. index.Select(e => simplifier.Visit(e.Substitute(zero)))];

        Expr? valid = null;
        if (form.Valid is { } condition)
        {
            Expr count = lanes;
            foreach (var c in condition.Conjuncts())
            {
                if (loop is not null && Whole(c, loop, ranges) is null)
                {
                    if (Limit(c, loop) is not { } limit)
                        return null;
                    count = Op.Min(count, Op.Max(0, limit));
                    continue;
                }
                count = Op.Select(loop is null ? c : Whole(c, loop, ranges)!, count, 0);
            }
            valid = simplifier.Visit(count);
        }
        return DeviceOps.Copy(
            form.To,
            First(form.Place),
            form.Source.Buffer,
            First(form.Source.Indices),
            lanes,
            valid is not null && valid.IsConst(lanes) ? null : valid
        );
    }

    /// <summary>Why so many elements are no size that can be copied asynchronously; null where they are.</summary>
    internal static string? WhyNotSize(Buffer buffer, long lanes)
    {
        long bytes = lanes * buffer.Type.Size();
        return bytes is 4 or 8 or 16 ? null : $"it moves {bytes} bytes at a time, asynchronous copies move 4, 8 or 16";
    }

    private static Interval Range(For f, Dictionary<Var, Interval> ranges) =>
        new(0, Math.Max(0, Interval.Of(f.Extent, ranges).Max - 1));
}
