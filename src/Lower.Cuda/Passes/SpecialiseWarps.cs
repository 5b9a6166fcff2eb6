using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// A kernel with a pipeline of bulk copies gets one more warpgroup. One thread of it, the producer, does nothing but start the
/// copies, as far ahead as the ring has slots; the others, the consumers, do everything else. Two barriers a slot part
/// them: full, at which the bytes of a copy arrive, and empty, at which each consuming warp arrives when it has used a slot.
/// Both count the copies in the same way, so that slot and phase are remainder and quotient of the count. Registers go from the producers
/// to the consumers. Expects the one thread loop.
/// </summary>
internal static class SpecialiseWarps
{
    private const int Warpgroup = 128;

    /// <exception cref="LoweringException">bulk-copy, specialise-warps.</exception>
    public static LoopNest Run(LoopNest nest)
    {
        if (!nest.Body.Nodes().Any(IsBulk))
            return nest;
        return nest with
        {
            Body = Kernels.Map(
                nest.Body,
                (kernel, _) => kernel.Nodes().Any(IsBulk) ? new Kernel(nest, kernel).Specialised() : kernel
            ),
        };
    }

    private static bool IsBulk(Stmt s) => s is Async { Kind: AsyncKind.Bulk };

    private sealed class Kernel
    {
        private readonly Stmt _kernel;
        private readonly For _threads;
        private readonly int _consumers;
        private readonly Expr _count;
        private readonly long _slots;
        private readonly ImmutableArray<BulkTile> _tiles;
        private readonly HashSet<Buffer> _rings;
        private readonly Buffer _full;
        private readonly Buffer _empty;
        private readonly Simplifier _simplifier;
        private readonly HashSet<string> _names;

        public Kernel(LoopNest nest, Stmt kernel)
        {
            _kernel = kernel;
            _threads = Kernels.ThreadLoop(kernel);
            _names = [.. nest.Loops.Select(l => l.Name)];
            if (_threads.ConstantExtent!.Value % Warpgroup != 0)
                throw Refuse(
                    $"a block has {_threads.Extent} threads, and consumers of bulk copies are whole warpgroups of {Warpgroup}"
                );
            _consumers = (int)(_threads.ConstantExtent.Value / Warpgroup);
            var pipelines = _threads.Body.Nodes().OfType<Async>().Where(IsBulk).ToList();
            if (pipelines.Count != 1)
                throw Refuse($"a kernel has {pipelines.Count} pipelines of bulk copies; one is possible");
            var path = _kernel.PathTo(pipelines[0])!.Value;
            var ranges = nest.Ranges(path.OfType<For>());
            _simplifier = new Simplifier(ranges);
            var items = pipelines[0].Body is Seq q ? q.Items : [pipelines[0].Body];
            _tiles = [.. items.Select(i => new BulkTile(i, ranges))];
            _rings = [.. _tiles.Select(t => t.Ring)];
            _slots = ((IntImm)_tiles[0].Ring.Shape[0]).Value;
            var inside = path.SkipWhile(s => !ReferenceEquals(s, _threads)).Skip(1).ToList();
            _count = Count(inside);
            RequireInOrder(inside);
            _full = new Buffer("full", DType.Int64, [_slots], Scope.Shared);
            _empty = new Buffer("empty", DType.Int64, [_slots], Scope.Shared);
        }

        public Stmt Specialised()
        {
            long threads = _threads.ConstantExtent!.Value;
            var (mine, theirs) = RegistersOf(_consumers);
            var consumer = Consumer(_threads.Body);
            var producer = If(Op.Eq(_threads.Var, threads), Producer(_threads.Body));
            if (theirs is { } most)
            {
                consumer = Seq.Of(DeviceOps.RaiseRegisters.Of(most), consumer);
                producer = Seq.Of(DeviceOps.LowerRegisters.Of(mine), producer);
            }
            var body = Seq.Of(
                If(Op.Eq(_threads.Var, 0), Initialised()),
                new If(Op.Lt(_threads.Var, threads), consumer, producer)
            );
            Stmt loop = _threads with { Extent = threads + Warpgroup, Body = body };
            return _kernel.Replace(_threads, new Allocate(_full, new Allocate(_empty, loop)));
        }

        // A block gets as many registers for each thread, in steps of 8, as 65,536 are enough for; what producers give back is
        // for the consumers, at most 240 each. A single consumer has all that it can use from the start.
        private static (int Producer, int? Consumer) RegistersOf(int consumers)
        {
            if (consumers < 2)
                return (0, null);
            int producer = consumers == 2 ? 40 : 24;
            int first = 65_536 / (Warpgroup * (consumers + 1)) / 8 * 8;
            return (producer, Math.Min(240, (first * (consumers + 1) - producer) / consumers / 8 * 8));
        }

        private Stmt Initialised()
        {
            var slot = Fresh("slot");
            return Seq.Of(
                new For(
                    slot,
                    _slots,
                    LoopKind.Unrolled,
                    Seq.Of(
                        DeviceOps.MakeBarrier.On(_full, slot, 1),
                        DeviceOps.MakeBarrier.On(_empty, slot, _consumers * Warpgroup / GpuInfo.WarpSize)
                    )
                ),
                DeviceOps.FenceBarriers.Of()
            );
        }

        private Expr Slot => _simplifier.Visit(Op.Mod(_count, _slots));

        // The parity of the phase in which a slot is filled for this count.
        private Expr Parity => _simplifier.Visit(Op.Mod(Op.FloorDiv(_count, _slots), 2));

        private Stmt Producer(Stmt stmt)
        {
            switch (stmt)
            {
                case Async:
                    var expected = _tiles.Sum(t => t.Bytes);
                    return Seq.Of([
                        DeviceOps.WaitBarrier.On(_empty, Slot, _simplifier.Visit(1 - Parity)),
                        DeviceOps.Expect.On(_full, Slot, expected),
                        .. _tiles.Select(t => t.Copies(Slot, _full, Fresh)),
                    ]);
                case Seq q:
                    return Seq.Of(q.Items.Select(Producer));
                case For or Schedules.Ir.If when !stmt.Nodes().Any(IsBulk):
                    return new Seq([]);
                case For f:
                    return f with { Body = Producer(f.Body) };
                case Schedules.Ir.If i:
                    return i with { Then = Producer(i.Then), Else = null };
                case Allocate a:
                    return Producer(a.Body);
                default:
                    return new Seq([]);
            }
        }

        private Stmt Consumer(Stmt stmt)
        {
            if (stmt is not Seq q)
                return stmt.WithChildren(Consumer);
            var items = new List<Stmt>();
            bool uses = false;
            foreach (var item in q.Items)
            {
                switch (item)
                {
                    case Async a when IsBulk(a):
                        uses = true;
                        break;
                    case DeviceOp { Queue: DeviceQueue.Copies, Step: QueueStep.Commit } when uses:
                        break;
                    case DeviceOp { Queue: DeviceQueue.Copies, Step: QueueStep.Wait } when uses:
                        items.Add(DeviceOps.WaitBarrier.On(_full, Slot, Parity));
                        break;
                    default:
                        items.Add(uses ? InSlot(item) : Consumer(item));
                        break;
                }
            }
            if (uses)
                items.Add(If(Op.Eq(Op.Mod(_threads.Var, GpuInfo.WarpSize), 0), DeviceOps.Arrive.On(_empty, Slot)));
            return Seq.Of(items);
        }

        // Uses of rings by the count of copies, which goes on where the pipelined loop begins again.
        private Stmt InSlot(Stmt stmt)
        {
            Expr In(Expr e) =>
                e.Map(n =>
                    n is Load l && _rings.Contains(l.Buffer)
                        ? l.Buffer.At([Slot, .. l.Indices.Skip(1).Select(In)])
                        : null
                );
            return stmt.MapExprs(In)
                .MapUp(s =>
                    s is Call c
                        ? c with
                        {
                            Origins =
                            [
                                .. c.Origins.Select((o, i) => _rings.Contains(c.Buffers[i]) ? o.SetItem(0, Slot) : o),
                            ],
                        }
                        : s
                );
        }

        // How many copies were made before: the loops around as one number.
        private static Expr Count(IEnumerable<Stmt> inside)
        {
            Expr count = 0;
            foreach (var loop in inside.OfType<For>())
            {
                if (loop.ConstantExtent is not { } extent || loop.Kind is not (LoopKind.Serial or LoopKind.Unrolled))
                    throw Refuse(
                        $"loop {loop.Name} around bulk copies has no constant extent, or is {loop.Kind.Text()}"
                    );
                count = count * extent + loop.Var;
            }
            return count;
        }

        // A condition around the copies holds up to some iteration, if at all: then the count has no gaps.
        private void RequireInOrder(List<Stmt> inside)
        {
            var loops = new List<Var>();
            foreach (var stmt in inside)
            {
                if (stmt is For f)
                    loops.Add(f.Var);
                if (stmt is not Schedules.Ir.If { Cond: var cond } i || i.Else is not null)
                {
                    if (stmt is Schedules.Ir.If)
                        throw Refuse(
                            $"bulk copies lie under a condition with two branches, {((Schedules.Ir.If)stmt).Cond}"
                        );
                    continue;
                }
                bool ends =
                    cond is Binary { Kind: BinaryOp.Lt, B: IntImm } lt
                    && !cond.Uses(_threads.Var)
                    && LinearForm.Of(lt.A).Terms.All(t => t.Coefficient > 0 && t.Atom is Var)
                    && loops.Count <= 1;
                if (!ends)
                    throw Refuse(
                        $"bulk copies lie under the condition {cond}, which need not hold up to some iteration and then no more"
                    );
            }
        }

        private Var Fresh(string wish)
        {
            string name = wish;
            for (int n = 1; !_names.Add(name); n++)
                name = $"{wish}{n}";
            return new Var(name);
        }

        private static Stmt If(Expr condition, Stmt body) => new If(condition, body);
    }

    private static LoweringException Refuse(string why) => new("specialise-warps", why);
}
