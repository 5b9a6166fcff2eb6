using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Guards;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>[copies =] pipeline loop stages=N [mode=sync|cp.async|bulk]</c>: a loop that first copies and then computes on the copy runs its
/// copies N−1 iterations ahead, into N buffers that take turns.
/// </summary>
public sealed class Pipeline : Primitive
{
    public override string Name => "pipeline";

    public override string Usage => "[copies =] pipeline loop stages=N [mode=sync|cp.async|bulk]";

    public override string Requirements => Requires + " stages is 2 to 8.";

    public override PrimitiveExample Example =>
        new(
            "matmul",
            [
                "split C.k 2",
                "reorder C.k.o C.m C.n C.k.i",
                "T, copy = cache_read B C stack",
                "ck, cn = compute_at copy C.k.o",
            ],
            "pipeline C.k.o stages=3",
            """
            buffer T: f32[3, 10, 8] stack
            for C.k.o.pre in 0..2:
              for ck.pre in 0..2:
                for cn.pre in 0..8:
                  block copy.pre(k = C.k.o.pre * 2 + ck.pre, n = cn.pre):
                    T[C.k.o.pre, k - C.k.o.pre * 2, n] = B[k, n]
            for C.k.o in 0..5:
              for ck in 0..2:
                for cn in 0..8:
                  block copy(k = C.k.o * 2 + ck + 4, n = cn) where C.k.o < 3:
                    T[(C.k.o + 2) % 3, k - C.k.o * 2 - 4, n] = B[k, n]
              for C.m in 0..6:
                for C.n in 0..8:
                  for C.k.i in 0..2:
                    block C(m = C.m, n = C.n, k:reduce = C.k.o * 2 + C.k.i):
                      C[m, n] sum= A[m, k] * T[C.k.o % 3, k - C.k.o * 2, n]
            """
        );

    internal const string Requires = """
        The loop is serial, and its body is a sequence: first copies (loops with one block each, a map into an
        intermediate that only this loop's body uses and that is not in registers, from buffers that the body does not
        write), then what reads the copies. mode=sync is the only mode of a CPU. mode=cp.async and mode=bulk are for loops
        within block loops and outside of thread loops of a GPU, and copies from device to shared memory that only move
        elements (or set them to zero beyond an edge); for cp.async each thread moves 4, 8 or 16 aligned bytes at a time, by
        a vector loop. The intermediate gets a leading dimension of N, indexed by iteration % N; the first N−1 copies are made before
        the loop, or, for bulk, by a warp of their own that lowering lets run ahead.
        """;

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step, "stages", "mode");
        ArgCount(nest, step, 1, 1);
        if (!int.TryParse(step.Option("stages"), out int stages) || stages is < 2 or > 8)
            throw Refuse(nest, null, $"stages is '{step.Option("stages") ?? "not given"}'", "stages=2 to stages=8");
        return Apply(nest, step, nest.Loop(Arg(nest, step, 0)), stages);
    }

    /// <summary>The rewrite itself; reads the mode and the results' names from the step.</summary>
    internal static (LoopNest Nest, ImmutableArray<string> Results) Apply(
        LoopNest nest,
        Step step,
        For loop,
        int stages
    )
    {
        var kind = Mode(nest, loop, step.Option("mode"));
        Concurrency.RequireSerial(nest, loop, "pipelines are made of serial loops");
        var copies = Copies(nest, loop);
        if (kind is not null)
            RequireAsync(nest, copies, kind.Value);
        var compute = ((Seq)loop.Body).Items.RemoveRange(0, copies.Length);
        nest = WithRings(nest, loop, copies, stages, out var ring);
        Stmt ahead = Seq.Of(copies.Select(c => InRing(c, loop.Var, stages, ring)));
        Stmt now = Seq.Of(compute.Select(c => InRing(c, loop.Var, stages, ring)));

        // A warp of its own will run the copies ahead; the nest says what each iteration copies.
        if (kind == AsyncKind.Bulk)
        {
            var turns = Seq.Of(
                new Async(AsyncKind.Bulk, ahead),
                DeviceOps.CommitCopies.Of(),
                DeviceOps.WaitCopies.Of(0),
                now
            );
            // Of one iteration only a slot is used: what lives inside the loop would be that slot.
            string around = nest.LoopsAround(loop)[^1].Name;
            var storeAt = nest.StoreAt.SetItems(ring.Keys.Select(b => KeyValuePair.Create(b.Name, around)));
            return (nest.Replace(loop, loop with { Body = turns }) with { StoreAt = storeAt }, []);
        }

        // Before the loop: the copies of iterations 0 … stages−2.
        string wish = step.Results.IsEmpty ? nest.FreshName(loop.Name + ".pre") : step.Results[0];
        if (nest.FreshName(wish) != wish)
            throw new ScheduleException(nest, loop, $"the result name '{wish}' is taken");
        var first = new Var(wish);
        var copier = new NestCopier(nest, ".pre", step, 1);
        Stmt before = copier.Copy(ahead, new Dictionary<Var, Expr> { [loop.Var] = first }, null);
        before = Guard(before, Op.Lt(first, loop.Extent));

        Stmt next = ahead.Substitute(new Dictionary<Var, Expr> { [loop.Var] = loop.Var + (stages - 1) });
        next = Guard(next, Op.Lt(loop.Var + (stages - 1), loop.Extent));
        // Copies of the last iterations are empty groups, so that what is waited for is always the oldest of stages−1. The wait
        // stands before the copies: one barrier after it also parts them from the last use of the buffer they fill.
        Stmt once = kind is { } k
            ? Seq.Of(DeviceOps.WaitCopies.Of(stages - 2), new Async(k, next), DeviceOps.CommitCopies.Of(), now)
            : Seq.Of(next, now);
        before = kind is { } early ? Seq.Of(new Async(early, before), DeviceOps.CommitCopies.Of()) : before;
        before = new For(first, stages - 1, LoopKind.Serial, before);
        Stmt body = Seq.Of(before, loop with { Body = once });
        var result = nest.Replace(loop, body);
        var exact = new Simplifier(result.Ranges(result.Loops));
        body = body.MapUp(s =>
            s is Block b
                ? b with
                {
                    Predicate = exact.Visit(b.Predicate),
                    Indices = [.. b.Indices.Select(exact.Visit)],
                    Axes = [.. b.Axes.Select(a => a with { Binding = exact.Visit(a.Binding) })],
                }
                : s
        );
        return (nest.Replace(loop, body), copier.Made.Insert(0, wish));
    }

    // The kind of asynchronous copies; null for copies that threads make with ordinary loads and stores.
    private static AsyncKind? Mode(LoopNest nest, For loop, string? mode)
    {
        AsyncKind? kind = mode switch
        {
            null or "sync" => null,
            "cp.async" => AsyncKind.CopyAsync,
            "bulk" => AsyncKind.Bulk,
            _ => throw new ScheduleException(
                nest,
                loop,
                $"unknown mode '{mode}'",
                "sync (on a GPU also cp.async, bulk)"
            ),
        };
        if (kind is null)
            return null;
        var around = nest.LoopsAround(loop);
        if (!around.Any(l => l.Kind.IsGpu()))
            throw new ScheduleException(
                nest,
                loop,
                $"mode={mode} needs the asynchronous copies of a GPU, and {loop.Name} is not inside of a GPU loop",
                "mode=sync, or bind a loop around to block.x first"
            );
        if (around.FirstOrDefault(l => l.Kind.IsThread()) is { } thread)
            throw new ScheduleException(
                nest,
                thread,
                $"mode={mode} is for loops that all threads of a block run, and {loop.Name} is inside of {thread.Name}, which is {thread.Kind.Text()}",
                "mode=sync, or thread loops inside the pipelined loop"
            );
        return kind;
    }

    // Asynchronous copies move elements as they are, cp.async in aligned pieces of 4, 8 or 16 bytes.
    private static void RequireAsync(LoopNest nest, ImmutableArray<Stmt> copies, AsyncKind kind)
    {
        foreach (var block in copies.SelectMany(c => c.Nodes().OfType<Block>()))
        {
            var bindings = block.Bindings;
            var (form, why) = CopyForm.Of(block.Output, block.Indices, block.Values[0]);
            var loops = nest.LoopsAround(block);
            if (form is not null && kind == AsyncKind.CopyAsync)
            {
                var vector = loops.LastOrDefault(l => l.Kind == LoopKind.Vector);
                why =
                    AsyncCopies.WhyNotSize(block.Output, vector?.ConstantExtent ?? 1)
                    ?? CopyForm.WhyNotRun(
                        form.Source.Buffer,
                        [.. form.Source.Indices.Select(i => i.Substitute(bindings))],
                        vector,
                        new Simplifier(nest.Ranges(loops))
                    );
            }
            if (why is not null)
                throw new ScheduleException(
                    nest,
                    block,
                    $"the copy {block.Name} cannot be asynchronous: {why}",
                    "mode=sync, or a plain copy from device to shared memory, vectorized to 16, 8 or 4 aligned bytes"
                );
        }
    }

    // The longest run of copies at the head of the body; what follows must be something.
    private static ImmutableArray<Stmt> Copies(LoopNest nest, For loop)
    {
        if (loop.Body is not Seq { Items: var items })
            throw Refusal(nest, loop, loop, $"the body of {loop.Name} is not a sequence of copies and what reads them");
        var written = Dependence.Accesses(loop.Body).Where(a => a.IsWrite).Select(a => a.Buffer).ToHashSet();
        int count = 0;
        string? why = null;
        while (count < items.Length - 1 && why is null)
        {
            why = NotACopy(nest, loop, items[count], written);
            count += why is null ? 1 : 0;
        }
        if (count == 0)
            throw Refusal(nest, loop, items[0], $"the first statement of {loop.Name} is not a copy: {why}");
        return items[..count];
    }

    private static string? NotACopy(LoopNest nest, For loop, Stmt item, HashSet<Algorithms.Buffer> written)
    {
        var nodes = item.Nodes().ToList();
        if (nodes.FirstOrDefault(s => s is not (For or Block)) is { } other)
            return $"it has a {other.GetType().Name.ToLowerInvariant()} statement";
        if (nodes.OfType<For>().FirstOrDefault(l => l.Extent.Uses(loop.Var)) is { } varying)
            return $"the extent of {varying.Name} depends on {loop.Name}";
        var block = nodes.OfType<Block>().Single();
        if (!block.IsMap() || block.Outputs.Length != 1)
            return $"block {block.Name} is not a map into one buffer";
        if (block.Reads.FirstOrDefault(written.Contains) is { } made)
            return $"block {block.Name} reads {made.Name}, which is written in the same iteration";
        var buffer = block.Output;
        if (!nest.Intermediates.Contains(buffer) || !Dependence.IsPrivate(nest, loop, buffer, LoopKind.Serial))
            return $"{buffer.Name} is not an intermediate that only this loop's body uses";
        if (buffer.Scope is Scope.Register or Scope.Fragment)
            return $"{buffer.Name} lives in registers, which cannot be indexed by the iteration";
        if (!buffer.Strides.IsDefault)
            return $"{buffer.Name} has strides of its own";
        if (Dependence.Accesses(loop.Body).Count(a => a.IsWrite && a.Buffer == buffer) != 1)
            return $"{buffer.Name} is written by more than one block";
        return null;
    }

    /// <summary>The nest with a ring of buffers for each one copied into, and what the loop moves of its indices.</summary>
    private static LoopNest WithRings(
        LoopNest nest,
        For loop,
        ImmutableArray<Stmt> copies,
        int stages,
        out Dictionary<Algorithms.Buffer, (Algorithms.Buffer Ring, long[] Moves)> rings
    )
    {
        rings = [];
        foreach (var buffer in copies.SelectMany(c => c.Nodes().OfType<Block>()).Select(b => b.Output))
        {
            var ring = buffer.With(shape: buffer.Shape.Insert(0, stages));
            var accesses = Dependence.Accesses(loop.Body).Where(a => a.Buffer == buffer).ToList();
            var moves = new long[buffer.Rank];
            for (int d = 0; d < moves.Length; d++)
            {
                // Iteration i uses a window that starts c·i further along; in its own slot each window starts at 0.
                var steps = accesses
                    .Select(a => LinearForm.Of(a.Indices[d]).CoefficientOf(loop.Var))
                    .Distinct()
                    .ToList();
                moves[d] =
                    steps is [>= 0] && accesses.All(a => StartsAtZero(a.Indices[d], loop.Var, nest)) ? steps[0] : 0;
            }
            rings.Add(buffer, (ring, moves));
            nest = nest with
            {
                Intermediates = nest.Intermediates.Replace(buffer, ring),
                StoreAt =
                    nest.StoreAt.TryGetValue(buffer.Name, out var at)
                    && loop.Nodes().Any(s => s is For f && f.Name == at)
                        ? nest.StoreAt.Remove(buffer.Name)
                        : nest.StoreAt,
            };
        }
        return nest;
    }

    private static bool StartsAtZero(Expr index, Var loop, LoopNest nest)
    {
        var (_, rest) = LinearForm.Of(index).Partition(atom => ReferenceEquals(atom, loop));
        return rest.Range(nest.Ranges(nest.Loops)).Min >= 0 && rest.Terms.All(t => !t.Atom.Uses(loop));
    }

    private static Stmt InRing(
        Stmt stmt,
        Var loop,
        int stages,
        Dictionary<Algorithms.Buffer, (Algorithms.Buffer Ring, long[] Moves)> rings
    )
    {
        ImmutableArray<Expr> Place(ImmutableArray<Expr> indices, long[] moves) =>
            [Op.Mod(loop, stages), .. indices.Select((e, d) => LinearForm.Of(e - Op.Mul(loop, moves[d])).ToExpr())];

        Expr Reads(Expr e) =>
            e.Map(node =>
                node is Load l && rings.TryGetValue(l.Buffer, out var r)
                    ? new Load(r.Ring, Place([.. l.Indices.Select(Reads)], r.Moves))
                    : null
            );

        return stmt.MapExprs(Reads)
            .MapUp(s =>
                s switch
                {
                    Block b when rings.TryGetValue(b.Output, out var r) => b with
                    {
                        Outputs = [r.Ring],
                        Indices = Place(b.Indices, r.Moves),
                    },
                    Prefetch p when rings.TryGetValue(p.Buffer, out var r) => new Prefetch(
                        r.Ring,
                        Place(p.Indices, r.Moves)
                    ),
                    Call c => InRing(c, loop, stages, rings),
                    _ => s,
                }
            );
    }

    private static Call InRing(
        Call call,
        Var loop,
        int stages,
        Dictionary<Algorithms.Buffer, (Algorithms.Buffer Ring, long[] Moves)> rings
    )
    {
        for (int i = 0; i < call.Buffers.Length; i++)
        {
            if (!rings.TryGetValue(call.Buffers[i], out var r))
                continue;
            var moved = call.Origins[i].Select((e, d) => LinearForm.Of(e - Op.Mul(loop, r.Moves[d])).ToExpr());
            call = call with
            {
                Buffers = call.Buffers.SetItem(i, r.Ring),
                Origins = call.Origins.SetItem(i, [Op.Mod(loop, stages), .. moved]),
                Dims = call.Dims.SetItem(i, [.. call.Dims[i].Select(d => d + 1)]),
            };
        }
        return call;
    }

    private static Stmt Guard(Stmt stmt, Expr condition) =>
        stmt.MapUp(s => s is Block b ? b with { Predicate = Op.And(condition, b.Predicate) } : s);

    private static ScheduleException Refusal(LoopNest nest, For loop, Stmt at, string reason) =>
        new(
            nest,
            at,
            reason,
            $"a body of copies into intermediates of {loop.Name}, then what reads them (cache_read, then compute_at {loop.Name})"
        );
}
