using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// Reductions over loops of threads: each thread combines its own part into registers that start as the identity, the
/// lanes of a warp combine theirs (<see cref="LaneReduce"/>), warps exchange through shared memory, and all threads
/// that took part have the result, in the same order of combining and so with the same bits. Then the block's
/// output gets it: registers from all of them, memory from the first. Expects blocks with their storage placed.
/// </summary>
internal static class LowerThreadReductions
{
    /// <summary>Note on a kernel's outermost loop: rows of threads start at whole parts of warps.</summary>
    public const string Aligned = "aligned";

    public static LoopNest Run(LoopNest nest)
    {
        var names = nest.Loops.Select(l => l.Name).Concat(nest.Blocks.Select(b => b.Name)).ToHashSet();
        return nest with { Body = Visit(nest.Body, nest, names) };
    }

    private static Stmt Visit(Stmt stmt, LoopNest nest, HashSet<string> names)
    {
        if (stmt is not For kernel || !kernel.Kind.IsGpu())
            return stmt.WithChildren(c => Visit(c, nest, names));
        bool any = false;
        while (Next(kernel) is { } found)
        {
            if (!any)
                kernel = kernel with { Annotations = kernel.Annotations.SetItem(Aligned, "true") };
            any = true;
            // The note has made another loop of the kernel, and perhaps of the reduction's.
            found = Next(kernel)!.Value;
            var space = ThreadSpace.Of(kernel);
            ImmutableArray<For> around = [.. kernel.PathTo(found.Root)!.Value.OfType<For>().SkipLast(1)];
            ImmutableArray<For> inside = [.. found.Root.PathTo(found.Block)!.Value.OfType<For>()];
            var reduction = new Reduction(nest, space, found.Block, around, inside, names);
            var replaced = kernel.Replace(found.Root, reduction.Lower(found.Root));
            if (replaced is not For again)
                return replaced;
            kernel = again;
        }
        return kernel;
    }

    private static (For Root, Block Block)? Next(For kernel)
    {
        foreach (var block in kernel.Nodes().OfType<Block>())
        {
            if (ThreadReductions.Outermost(block, kernel.PathTo(block)!.Value.OfType<For>()) is { } root)
                return (root, block);
        }
        return null;
    }

    /// <param name="nest">Ranges of parameters.</param>
    /// <param name="space">Threads of the kernel.</param>
    /// <param name="block">The reduction.</param>
    /// <param name="around">Loops around its outermost thread loop of a reduce axis.</param>
    /// <param name="inside">That loop and the loops below it, around the block.</param>
    /// <param name="names">Names that are taken.</param>
    private sealed class Reduction(
        LoopNest nest,
        ThreadSpace space,
        Block block,
        ImmutableArray<For> around,
        ImmutableArray<For> inside,
        HashSet<string> names
    )
    {
        private readonly Reducer _reducer = block.Reducer!;
        private readonly ImmutableArray<For> _threads = [.. around.Concat(inside).Where(l => l.Kind.IsThread())];
        private readonly ImmutableArray<For> _elements =
        [
            .. inside.Where(l => !l.Kind.IsThread() && block.SpatialAxes.Any(a => a.Binding.Uses(l.Var))),
        ];

        public Stmt Lower(For root)
        {
            if (_elements.FirstOrDefault(l => l.ConstantExtent is null) is { } open)
                throw new LoweringException(
                    "thread-reduction",
                    $"block {block.Name} reduces over the threads of {root.Name} for each iteration of {open.Name}, whose extent {open.Extent} is not a constant"
                );
            // An element of the result would be one for each iteration of such a loop.
            if (_elements.FirstOrDefault(l => block.ReduceAxes.Any(a => a.Binding.Uses(l.Var))) is { } mixed)
                throw new LoweringException(
                    "thread-reduction",
                    $"block {block.Name} reduces over the threads of {root.Name}, and {mixed.Name} below it drives a spatial and a reduce axis at once; split it so that one loop has each"
                );
            if (root.PathTo(block)!.Value.OfType<If>().FirstOrDefault() is { } choice)
                throw new LoweringException(
                    "thread-reduction",
                    $"block {block.Name} reduces over the threads of {root.Name} under the condition {choice.Cond}; conditions belong around {root.Name}"
                );
            var shape = _elements.Select(l => l.Extent).Prepend(space.Threads).ToImmutableArray();
            ImmutableArray<Buffer> partial =
            [
                .. block.Outputs.Select(o => new Buffer(Fresh($"{o.Name}.part"), o.Type, shape, Scope.Register)),
            ];
            var items = new List<Stmt>
            {
                EachThread("start", every: true, at => Stores(partial, Part(at), [.. _reducer.Identity])),
                root.Replace(block, Accumulate(partial)),
            };
            foreach (var (width, stride) in LaneSteps())
                items.Add(
                    EachThread("lanes", every: true, at => new LaneReduce(partial, Part(at), _reducer, width, stride))
                );
            ImmutableArray<Buffer> scratch = [];
            if (Reducing().Any(k => Across(k) > 1))
            {
                ImmutableArray<Expr> extents =
                [
                    .. _threads.Select(l => (Expr)Slots(l.Kind)),
                    .. _elements.Select(l => l.Extent),
                ];
                scratch =
                [
                    .. block.Outputs.Select(o => new Buffer(Fresh($"{o.Name}.warps"), o.Type, extents, Scope.Shared)),
                ];
                items.Add(EachThread("give", every: true, at => Give(partial, scratch, at)));
                items.Add(EachThread("take", every: true, at => Take(partial, scratch, at)));
            }
            items.Add(EachThread("result", every: false, at => Result(partial, at)));
            var result = Seq.Of(items);
            foreach (var buffer in partial.Concat(scratch).Reverse())
                result = new Allocate(buffer, result);
            return result;
        }

        private IEnumerable<LoopKind> Reducing() =>
            inside
                .Where(l => l.Kind.IsThread() && block.ReduceAxes.Any(a => a.Binding.Uses(l.Var)))
                .Select(l => l.Kind);

        // Neighbours of a warp that combine: the digits of reducing kinds below the warp's size.
        private IEnumerable<(int Width, int Stride)> LaneSteps()
        {
            foreach (var (low, high) in Reducing().Select(space.Digit).OrderBy(d => d.Low))
            {
                long top = Math.Min(high, GpuInfo.WarpSize);
                if (low < top)
                    yield return ((int)(top / low), (int)low);
            }
        }

        // Values along a reducing kind that are left when lanes have combined.
        private long Across(LoopKind kind)
        {
            var (low, high) = space.Digit(kind);
            long first = Math.Max(low, GpuInfo.WarpSize);
            return high <= first ? 1 : (high - 1) / first + 1;
        }

        private long Slots(LoopKind kind) => Reducing().Contains(kind) ? Across(kind) : space.Count(kind);

        // Neighbours along a kind that one warp has: their coordinate div this is the slot.
        private long InWarp(LoopKind kind) => Math.Max(1, GpuInfo.WarpSize / space.Digit(kind).Low);

        private ImmutableArray<Expr> Part(IReadOnlyDictionary<Var, Expr> at)
        {
            Expr thread = 0;
            foreach (var loop in _threads)
                thread += Op.Mul(at.GetValueOrDefault(loop.Var) ?? loop.Var, space.Digit(loop.Kind).Low);
            return [thread, .. _elements.Select(l => at[l.Var])];
        }

        private Block Accumulate(ImmutableArray<Buffer> partial)
        {
            var here = _elements.ToDictionary(l => l.Var, l => (Expr)l.Var);
            // Nothing is left to combine with other iterations: threads and elements have a place of their own.
            return block with
            {
                Name = Fresh($"{block.Name}.part"),
                Axes = [.. block.Axes.Select(a => a with { Kind = AxisKind.Spatial })],
                Outputs = partial,
                Indices = Part(here),
                Init = false,
            };
        }

        private Stmt Give(
            ImmutableArray<Buffer> partial,
            ImmutableArray<Buffer> scratch,
            IReadOnlyDictionary<Var, Expr> at
        )
        {
            var reducing = Reducing().ToHashSet();
            var first = Op.True;
            var slots = ImmutableArray.CreateBuilder<Expr>();
            foreach (var loop in _threads)
            {
                var place = at.GetValueOrDefault(loop.Var) ?? loop.Var;
                if (!reducing.Contains(loop.Kind))
                {
                    slots.Add(place);
                    continue;
                }
                long lanes = InWarp(loop.Kind);
                first = Op.And(first, Op.Eq(Op.Mod(place, lanes), 0));
                slots.Add(Op.FloorDiv(place, lanes));
            }
            slots.AddRange(_elements.Select(l => at[l.Var]));
            var give = Stores(scratch, slots.ToImmutable(), [.. partial.Select(p => (Expr)p.At(Part(at)))]);
            return first.IsTrue() ? give : new If(first, give);
        }

        // In ascending order, the same for every thread.
        private Stmt Take(
            ImmutableArray<Buffer> partial,
            ImmutableArray<Buffer> scratch,
            IReadOnlyDictionary<Var, Expr> at
        )
        {
            var reducing = Reducing().ToHashSet();
            var loops = new Dictionary<LoopKind, For>();
            foreach (var loop in _threads.Where(l => reducing.Contains(l.Kind) && Across(l.Kind) > 1))
                loops[loop.Kind] = new For(
                    new Var(Fresh($"{block.Name}.{loop.Kind.Text()}")),
                    Across(loop.Kind),
                    LoopKind.Unrolled,
                    new Seq([])
                );
            ImmutableArray<Expr> slots =
            [
                .. _threads.Select(l =>
                    loops.TryGetValue(l.Kind, out var over) ? over.Var
                    : reducing.Contains(l.Kind) ? 0
                    : at.GetValueOrDefault(l.Var) ?? l.Var
                ),
                .. _elements.Select(l => at[l.Var]),
            ];
            var own = Part(at);
            Stmt combine = Stores(
                partial,
                own,
                _reducer.Combine([.. partial.Select(p => (Expr)p.At(own))], [.. scratch.Select(s => (Expr)s.At(slots))])
            );
            foreach (var over in loops.Values.Reverse())
                combine = over with { Body = combine };
            return Seq.Of(Stores(partial, own, [.. _reducer.Identity]), combine);
        }

        private Stmt Result(ImmutableArray<Buffer> partial, IReadOnlyDictionary<Var, Expr> at)
        {
            var values = new Dictionary<Var, Expr>(at);
            foreach (var gone in inside.Where(l => block.ReduceAxes.Any(a => a.Binding.Uses(l.Var))))
                values[gone.Var] = 0;
            var bindings = block.Axes.ToDictionary(a => a.Var, a => a.Binding.Substitute(values));
            ImmutableArray<Expr> indices = [.. block.Indices.Select(i => i.Substitute(bindings).Substitute(values))];
            ImmutableArray<Expr> parts = [.. partial.Select(p => (Expr)p.At(Part(at)))];
            var ranges = nest.Ranges(around);
            var first = block.Init
                ? Simplifier.Simplify(
                    block.ReduceAxes.Aggregate(Op.True, (c, a) => Op.And(c, Op.Eq(bindings[a.Var], 0))),
                    ranges
                )
                : Op.False;
            var results = first.IsTrue()
                ? parts
                : _reducer.Combine(
                    [.. block.Outputs.Select((o, i) => Op.Select(first, _reducer.Identity[i], o.At(indices)))],
                    parts
                );
            var store = Stores(block.Outputs, indices, results);
            var condition = Predicate(at, bindings);
            // Registers are every thread's own; memory is the first thread's work.
            if (!block.Outputs.All(o => OneThreadLoop.IsPrivate(o)))
            {
                foreach (var loop in _threads.Where(l => Reducing().Contains(l.Kind)))
                    condition = Op.And(Op.Eq(at[loop.Var], 0), condition);
            }
            return condition.IsTrue() ? store : new If(condition, store);
        }

        // Conditions on the loops that stay; where one depends on others as well, the extents of the axes instead.
        private Expr Predicate(IReadOnlyDictionary<Var, Expr> at, Dictionary<Var, Expr> bindings)
        {
            var predicate = Op.True;
            bool mixed = false;
            var gone = inside
                .Where(l => block.ReduceAxes.Any(a => a.Binding.Uses(l.Var)))
                .Select(l => l.Var)
                .ToHashSet();
            foreach (var test in block.Predicate.Conjuncts())
            {
                var used = test.FreeVars();
                if (!used.Any(gone.Contains))
                    predicate = Op.And(predicate, test.Substitute(at));
                else
                    mixed |= block.SpatialAxes.Any(a => a.Binding.FreeVars().Any(used.Contains));
            }
            foreach (var axis in mixed ? block.SpatialAxes : [])
                predicate = Op.And(
                    Op.And(Op.Le(0, bindings[axis.Var]), Op.Lt(bindings[axis.Var], axis.Extent)),
                    predicate
                );
            return predicate;
        }

        // New loops over the threads of the loops inside, and over the elements. With every, all threads of the block
        // along those kinds; otherwise those kinds that reduce, and of the others as many as the schedule says.
        private Stmt EachThread(string what, bool every, Func<IReadOnlyDictionary<Var, Expr>, Stmt> body)
        {
            var reducing = Reducing().ToHashSet();
            var at = new Dictionary<Var, Expr>();
            var loops = new List<For>();
            foreach (var loop in inside.Where(l => l.Kind.IsThread()).Concat(_elements))
            {
                var var = new Var(Fresh($"{block.Name}.{what}.{loop.Name}"));
                at[loop.Var] = var;
                bool all = loop.Kind.IsThread() && (every || reducing.Contains(loop.Kind));
                loops.Add(
                    new For(
                        var,
                        all ? space.Count(loop.Kind) : loop.Extent,
                        loop.Kind.IsThread() ? loop.Kind : LoopKind.Unrolled,
                        new Seq([])
                    )
                );
            }
            var stmt = body(at);
            foreach (var loop in Enumerable.Reverse(loops))
                stmt = loop with { Body = stmt };
            return stmt;
        }

        private static Stmt Stores(
            ImmutableArray<Buffer> buffers,
            ImmutableArray<Expr> indices,
            ImmutableArray<Expr> values
        )
        {
            var stores = buffers.Select((b, i) => new Store(b, indices, Op.Cast(b.Type, values[i]))).ToImmutableArray();
            return stores.Length == 1 ? stores[0] : new StoreAll(stores);
        }

        private string Fresh(string wish)
        {
            string name = wish;
            for (int i = 1; !names.Add(name); i++)
                name = $"{wish}{i}";
            return name;
        }
    }
}
