using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// Register buffers that were allocated for all threads of a block become each thread's part: the thread-dependent part
/// of the indices, which has to be the same in all accesses, goes. Loops over elements of registers are marked unrolled,
/// since registers have no addresses. Expects the one thread loop.
/// </summary>
internal static class DistributeRegisters
{
    // Beyond this many copies of a body, a thread's array is better off in local memory.
    private const long MostCopies = 256;

    public static LoopNest Run(LoopNest nest) =>
        Kernels.MapBodies(nest, (threads, loops) => new Pass(nest, threads).Visit(threads.Body, [.. loops]));

    private sealed class Pass(LoopNest nest, For threads)
    {
        private readonly long _count = threads.ConstantExtent!.Value;

        public Stmt Visit(Stmt stmt, ImmutableArray<For> loops)
        {
            switch (stmt)
            {
                case Allocate { Buffer.Scope: Scope.Register } a:
                    a = Cut(a, loops);
                    return new Allocate(a.Buffer, Unrolled(Visit(a.Body, loops), a.Buffer));
                case For f:
                    return f with { Body = Visit(f.Body, loops.Add(f)) };
                default:
                    return stmt.WithChildren(c => Visit(c, loops));
            }
        }

        private Allocate Cut(Allocate allocate, ImmutableArray<For> loops)
        {
            var buffer = allocate.Buffer;
            var accesses = BufferAccess
                .Below(allocate.Body)
                .Where(a => a.Buffer == buffer && a.Kind != AccessKind.Hint && !IsFollower(a))
                .ToList();
            if (accesses.Count == 0)
                return allocate;
            ThreadPart[]? common = null;
            BufferAccess? first = null;
            foreach (var access in accesses)
            {
                var ranges = nest.Ranges(loops.Concat(access.Loops));
                var parts = access
                    .Indices.Select(i => ThreadPart.Of(i, threads.Var, _count, ranges))
                    .OfType<ThreadPart>()
                    .ToArray();
                if (parts.Length < buffer.Rank)
                    throw new LoweringException(
                        "register-index",
                        $"{buffer.Name} is in registers, but which thread has {Text(access)} is not clear: its index is not a sum of digits of the thread's number"
                    );
                if (common is null)
                    (common, first) = (parts, access);
                else if (!common.SequenceEqual(parts))
                    throw new LoweringException(
                        "register-index",
                        $"{buffer.Name} is in registers, but {Text(first!)} and {Text(access)} do not come from the same thread; bind the loops of both in the same way, or put {buffer.Name} into shared memory"
                    );
            }
            foreach (var write in accesses.Where(a => a.IsWrite))
                RequireAlike(allocate, write, common!, accesses, loops);
            if (common!.All(p => p.Digits.IsEmpty))
                return allocate;

            var shape = buffer.Shape.ToBuilder();
            var moves = Enumerable.Range(0, buffer.Rank).Select(d => Move(accesses, d, common![d], loops)).ToArray();
            for (int d = 0; d < shape.Count; d++)
            {
                if (common![d].Digits.IsEmpty)
                    continue;
                var used = accesses
                    .Select(a =>
                    {
                        var ranges = nest.Ranges(loops.Concat(a.Loops));
                        var range = moves[d].Of(Rest(a.Indices[d], ranges), ranges).Range(ranges);
                        return new Interval(range.Min, range.Max + a.Tile[d] - 1);
                    })
                    .Aggregate((x, y) => x.Union(y));
                if (!used.IsBounded)
                    throw new LoweringException(
                        "register-index",
                        $"{buffer.Name} is in registers, but how much of it a thread has along dimension {d} is not known"
                    );
                // Conditions, not ranges, may keep indices inside.
                long most = shape[d] is IntImm e ? Math.Min(used.Max, e.Value - 1) : used.Max;
                shape[d] = Math.Max(1, most - used.Min + 1);
                moves[d] = moves[d] with { Start = used.Min };
            }
            var own = new Buffer(buffer.Name, buffer.Type, shape.ToImmutable(), Scope.Register);
            return new Allocate(own, Rebase(allocate.Body, buffer, own, moves, loops));
        }

        private LinearForm Rest(Expr index, IReadOnlyDictionary<Var, Interval> ranges) =>
            LinearForm.Of(ThreadPart.Of(index, threads.Var, _count, ranges)!.Rest);

        // The largest factors first: what lies between them moves together, and then between the smaller ones. An element
        // tells its thread only where nothing lies across.
        private PartMove Move(List<BufferAccess> accesses, int d, ThreadPart part, ImmutableArray<For> loops)
        {
            var move = new PartMove([], 0);
            foreach (var (low, high, factor) in part.Digits.OrderByDescending(p => p.Factor))
            {
                long count = accesses.Max(a => Count(a, low, high, nest.Ranges(loops.Concat(a.Loops))));
                var digit = (low, low * count, factor);
                foreach (var access in accesses)
                {
                    var ranges = nest.Ranges(loops.Concat(access.Loops));
                    var rest = move.Of(Rest(access.Indices[d], ranges), ranges);
                    if (ThreadPart.Closed(rest, digit, access.Tile[d], ranges) is null)
                        throw new LoweringException(
                            "register-index",
                            $"{access.Buffer.Name} is in registers, but elements of {Text(access)} may be those of several threads; bind loops that keep each thread's elements together in the same way everywhere, or put {access.Buffer.Name} into shared memory"
                        );
                }
                move = move with { Closed = move.Closed.Add(digit) };
            }
            return move;
        }

        // Values of a digit of the thread that conditions leave.
        private long Count(BufferAccess access, long low, long high, IReadOnlyDictionary<Var, Interval> ranges)
        {
            long count = (high - 1) / low + 1;
            foreach (var test in Tests(access).OfType<Binary>().Where(t => t.Kind == BinaryOp.Lt))
            {
                if (
                    test.B is IntImm { Value: > 0 } most
                    && Digit.Of(test.A, ranges) is { } digit
                    && digit.Unit == threads.Var
                    && digit.Low == low
                    && Math.Min(digit.High, _count) == high
                )
                    count = Math.Min(count, most.Value);
            }
            return count;
        }

        /// <summary>How an index within a thread's part is made small: holes closed, and moved to begin at 0.</summary>
        private sealed record PartMove(ImmutableArray<(long Low, long High, long Factor)> Closed, long Start)
        {
            public LinearForm Of(LinearForm rest, IReadOnlyDictionary<Var, Interval> ranges)
            {
                foreach (var digit in Closed)
                    rest = ThreadPart.Closed(rest, digit, 1, ranges)!;
                return rest.WithConstant(rest.Constant - Start);
            }
        }

        // Where several threads have a copy of an element, all of them that read it must write it.
        private void RequireAlike(
            Allocate allocate,
            BufferAccess write,
            ThreadPart[] parts,
            List<BufferAccess> all,
            ImmutableArray<For> loops
        )
        {
            var told = parts.SelectMany(p => p.Digits).Select(d => (d.Low, d.High)).Concat(allocate.Apart).ToList();
            if (ThreadPart.Tells(told, 1, _count))
                return;
            var ranges = nest.Ranges(loops.Concat(write.Loops));
            foreach (var test in Tests(write))
            {
                if (DigitsIn(test, ranges).All(d => ThreadPart.Tells(told, d.Low, Math.Min(d.High, _count))))
                    continue;
                if (all.All(a => Tests(a).Contains(test)))
                    continue;
                throw new LoweringException(
                    "register-index",
                    $"{write.Buffer.Name} is in registers of several threads, but only those with {test} write {Text(write)}"
                );
            }
        }

        private static IEnumerable<Expr> Tests(BufferAccess access) =>
            access.Path.SelectMany(
                (s, at) =>
                    s is not If i ? []
                    : ReferenceEquals(access.Path[at + 1], i.Else) ? [Op.Not(i.Cond)]
                    : i.Cond.Conjuncts()
            );

        private IEnumerable<Digit> DigitsIn(Expr e, IReadOnlyDictionary<Var, Interval> ranges) =>
            Digit.Of(e, ranges) is { } digit && digit.Unit == threads.Var
                ? [digit]
                : e.Children().SelectMany(c => DigitsIn(c, ranges));

        private Stmt Rebase(Stmt stmt, Buffer old, Buffer own, PartMove[] moves, ImmutableArray<For> loops)
        {
            if (stmt is For f)
                return f with { Extent = In(f.Extent), Body = Rebase(f.Body, old, own, moves, loops.Add(f)) };
            if (stmt is Seq or Allocate or Async)
                return stmt.WithChildren(c => Rebase(c, old, own, moves, loops));
            if (stmt is If i)
                return new If(
                    In(i.Cond),
                    Rebase(i.Then, old, own, moves, loops),
                    i.Else is null ? null : Rebase(i.Else, old, own, moves, loops)
                );
            ImmutableArray<Expr> Place(ImmutableArray<Expr> indices)
            {
                var ranges = nest.Ranges(loops);
                var simplifier = new Simplifier(ranges);
                return [.. indices.Select((e, d) => simplifier.Visit(moves[d].Of(Rest(e, ranges), ranges).ToExpr()))];
            }
            Expr In(Expr e) =>
                e.Map(n => n is Load l && l.Buffer == old ? own.At(Place([.. l.Indices.Select(In)])) : null);
            Store Moved(Store s) =>
                s.Buffer == old
                    ? new Store(own, Place([.. s.Indices.Select(In)]), In(s.Value))
                    : new Store(s.Buffer, [.. s.Indices.Select(In)], In(s.Value));
            switch (stmt)
            {
                case Store s:
                    return Moved(s);
                case StoreAll all:
                    return new StoreAll([.. all.Stores.Select(Moved)]);
                case LaneReduce r when r.Outputs.Contains(old):
                    return r with
                    {
                        Outputs = [.. r.Outputs.Select(o => o == old ? own : o)],
                        Indices = r.Outputs[0] == old ? Place(r.Indices) : r.Indices,
                    };
                case Call c:
                    c = (Call)c.MapExprs(In);
                    return c with
                    {
                        Origins = [.. c.Origins.Select((o, n) => c.Buffers[n] == old ? Place(o) : o)],
                        Buffers = [.. c.Buffers.Select(b => b == old ? own : b)],
                    };
                default:
                    return stmt.MapExprs(In);
            }
        }

        private static Stmt Unrolled(Stmt stmt, Buffer buffer)
        {
            var variables = BufferAccess
                .Below(stmt)
                .Where(a => a.Buffer == buffer)
                .SelectMany(a => a.Indices)
                .SelectMany(i => i.FreeVars())
                .ToHashSet();
            return stmt.MapUp(s =>
                s is For { Kind: LoopKind.Serial, ConstantExtent: <= MostCopies } f && variables.Contains(f.Var)
                    ? f with
                    {
                        Kind = LoopKind.Unrolled,
                    }
                    : s
            );
        }

        // The outputs of a reduction share its indices and are cut alike, one after the other: the first moves them.
        private static bool IsFollower(BufferAccess a) => a.Statement is LaneReduce r && r.Outputs[0] != a.Buffer;

        private static string Text(BufferAccess a) => $"{a.Buffer.Name}[{string.Join(", ", a.Indices)}]";
    }
}
