using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// Fragments become registers of lanes. What a warp (or warpgroup) does together gets a loop over its lanes; there, loops over
/// elements of a fragment go over those that the lane has, and collective instructions become <see cref="Call.Distributed"/>.
/// Expects plain statements (after LowerBlocks).
/// </summary>
/// <remarks>
/// A position along rows is a digit of the lane plus digits of the register, and so is one along columns, independently (see
/// <see cref="FragmentLayout"/>). So a loop over rows becomes loops over tiles and over the register's row digits, plus the
/// lane's offset; a loop over columns likewise; and two fragments may meet in a loop if the lane's digits along it are the
/// same in both.
/// </remarks>
internal static class DistributeFragments
{
    /// <exception cref="LoweringException">
    /// fragment-layout, fragment-loop, fragment-shape, fragment-scope (not below a warp loop, or below one over lanes),
    /// fragment-align (rows that ldmatrix cannot address).
    /// </exception>
    public static LoopNest Run(LoopNest nest)
    {
        if (
            !nest.Body.Nodes().Any(s => s is Allocate { Buffer.Scope: Scope.Fragment } or Call { Intrinsic.Lanes: > 1 })
        )
            return nest;
        nest = UnitElements.Run(nest);
        return nest with { Body = new Pass(nest, FragmentInference.Of(nest)).Outside(nest.Body, []) };
    }

    private sealed class Pass(LoopNest nest, FragmentInference fragments)
    {
        private readonly Dictionary<Buffer, Buffer> _registers = [];
        private readonly HashSet<string> _names = [.. nest.Loops.Select(l => l.Name)];

        /// <summary>Outside of collective statements.</summary>
        public Stmt Outside(Stmt stmt, ImmutableArray<For> loops)
        {
            // What a kernel does outside of loops over threads is done by the first, here the first warp.
            if (
                loops.Any(l => l.Kind.IsGpu())
                && stmt is not Allocate
                && Uses(stmt).Any()
                && !stmt.Nodes().OfType<For>().Any(l => l.Kind.IsGpu())
            )
            {
                bool group = Uses(stmt).Any(b => fragments.Shapes[b].Lanes > GpuInfo.WarpSize);
                var first = new For(
                    new Var(Fresh("first")),
                    1,
                    group ? LoopKind.Warpgroup : LoopKind.Warp,
                    new Seq([])
                );
                return first with { Body = Inside(stmt, loops.Add(first)) };
            }
            switch (stmt)
            {
                case For f when f.Kind == LoopKind.Lane || ThreadsBelow(f):
                    RequireNone(f);
                    return f;
                case For f when f.Kind is LoopKind.Warp or LoopKind.Warpgroup:
                    return f with { Body = Inside(f.Body, loops.Add(f)) };
                case For f:
                    return f with { Body = Outside(f.Body, loops.Add(f)) };
                case Allocate { Buffer.Scope: Scope.Fragment } a:
                    return Common(a, inner => Outside(inner, loops));
                case Seq or If or Allocate or Async:
                    return stmt.WithChildren(c => Outside(c, loops));
                default:
                    RequireNone(stmt);
                    return stmt;
            }
        }

        private static bool ThreadsBelow(For f) => f.Kind is LoopKind.ThreadX or LoopKind.ThreadY or LoopKind.ThreadZ;

        // One buffer for all lanes, which says whose each element is.
        private Stmt Common(Allocate a, Func<Stmt, Stmt> visit)
        {
            var registers = _registers[a.Buffer] = fragments.Shapes[a.Buffer].ToRegisters(ofOneLane: false);
            return new Allocate(registers, visit(a.Body));
        }

        // Below a warp loop: the largest statements without loops over threads are done by all lanes together.
        private Stmt Inside(Stmt stmt, ImmutableArray<For> loops)
        {
            bool threads = stmt.Nodes().OfType<For>().Any(l => l.Kind.IsThread());
            if (!threads)
                return Uses(stmt).Any() ? Collective(stmt, loops) : stmt;
            switch (stmt)
            {
                case For f when f.Kind == LoopKind.Lane || ThreadsBelow(f):
                    RequireNone(f);
                    return f;
                case For f:
                    return f with { Body = Inside(f.Body, loops.Add(f)) };
                case Allocate { Buffer.Scope: Scope.Fragment } a:
                    return Common(a, inner => Inside(inner, loops));
                default:
                    return stmt.WithChildren(c => Inside(c, loops));
            }
        }

        private Stmt Collective(Stmt stmt, ImmutableArray<For> loops)
        {
            int lanes = Uses(stmt).Select(b => fragments.Shapes[b].Lanes).Max();
            var lane = new Var(Fresh("lane"));
            var loop = new For(lane, GpuInfo.WarpSize, LoopKind.Lane, new Seq([]));
            if (lanes == GpuInfo.WarpSize)
            {
                var warps = new CollectiveRegion(this, lane, stmt);
                return loop with { Body = warps.Visit(stmt, loops.Add(loop)) };
            }
            if (loops.Any(l => l.Kind == LoopKind.Warp))
                throw new LoweringException(
                    "fragment-scope",
                    $"{Uses(stmt).First().Name} is a fragment of a warpgroup and is used below a loop over warps; it wants a warpgroup loop and no warp loop"
                );
            var warp = new For(new Var(Fresh("warp")), lanes / GpuInfo.WarpSize, LoopKind.Warp, new Seq([]));
            var region = new CollectiveRegion(this, warp.Var * GpuInfo.WarpSize + lane, stmt);
            return warp with { Body = loop with { Body = region.Visit(stmt, loops.Add(warp).Add(loop)) } };
        }

        public LoopNest Nest => nest;

        public FragmentShape? ShapeOf(Buffer buffer) => fragments.Shapes.GetValueOrDefault(buffer);

        public FragmentDirection? DirectionOf(Var loop) => fragments.Loops.GetValueOrDefault(loop);

        public Buffer RegistersOf(Buffer fragment) => _registers[fragment];

        public void OfOneLane(Buffer fragment) =>
            _registers[fragment] = fragments.Shapes[fragment].ToRegisters(ofOneLane: true);

        public string Fresh(string wish)
        {
            string name = wish;
            for (int i = 1; !_names.Add(name); i++)
                name = $"{wish}{i}";
            return name;
        }

        private static IEnumerable<Buffer> Uses(Stmt stmt) =>
            BufferAccess.Below(stmt).Select(a => a.Buffer).Where(b => b.Scope == Scope.Fragment);

        private static void RequireNone(Stmt stmt)
        {
            if (Uses(stmt).FirstOrDefault() is { } fragment)
                throw new LoweringException(
                    "fragment-scope",
                    $"{fragment.Name} is a fragment and is used {(stmt is For f ? $"below loop {f.Name} ({f.Kind.Text()})" : "outside of kernels")}; statements on fragments are done by whole warps, below a warp loop and outside of loops over its lanes or over threads"
                );
        }
    }

    /// <summary>The statements of one loop over lanes.</summary>
    private sealed class CollectiveRegion(Pass pass, Expr lane, Stmt root)
    {
        private readonly HashSet<Buffer> _own = [.. root.Nodes().OfType<Allocate>().Select(a => a.Buffer)];

        public Stmt Visit(Stmt stmt, ImmutableArray<For> loops) => Visit(stmt, loops, []);

        /// <param name="stmt">Not yet rewritten, but for loops over elements, which are substituted.</param>
        /// <param name="loops">Around.</param>
        /// <param name="covered">Digits of the lane that loops over elements around have decided.</param>
        private Stmt Visit(
            Stmt stmt,
            ImmutableArray<For> loops,
            ImmutableArray<(long Weight, long Extent, long Step)> covered
        )
        {
            switch (stmt)
            {
                case For f when FragmentReduction.Of(f, pass.DirectionOf) is { } reduction:
                    return Reduce(reduction, loops, covered);
                case For f when pass.DirectionOf(f.Var) is { } direction:
                    return Elements(f, direction, loops, covered);
                case For f:
                    var kind =
                        f.Kind == LoopKind.Serial && f.ConstantExtent is not null && IndexesFragment(f)
                            ? LoopKind.Unrolled
                            : f.Kind;
                    return f with { Kind = kind, Body = Visit(f.Body, loops.Add(f), covered) };
                case Allocate { Buffer.Scope: Scope.Fragment } a:
                    pass.OfOneLane(a.Buffer);
                    return new Allocate(pass.RegistersOf(a.Buffer), Visit(a.Body, loops, covered));
                case If i:
                    return new If(
                        In(i.Cond, loops),
                        Visit(i.Then, loops, covered),
                        i.Else is null ? null : Visit(i.Else, loops, covered)
                    );
                case Store s:
                    return Stored([s], loops, covered);
                case StoreAll all:
                    return Stored(all.Stores, loops, covered);
                case Call c:
                    return Distribute(c, loops);
                default:
                    return stmt.WithChildren(child => Visit(child, loops, covered));
            }
        }

        private Stmt Elements(
            For f,
            FragmentDirection direction,
            ImmutableArray<For> loops,
            ImmutableArray<(long Weight, long Extent, long Step)> covered
        )
        {
            if (f.ConstantExtent is not { } extent)
                throw new LoweringException(
                    "fragment-loop",
                    $"loop {f.Name} goes over elements of a fragment, and its extent {f.Extent} is not constant"
                );
            var made = new List<For>();
            Expr position = direction.Offset(lane);
            void Add(string part, long count, long step)
            {
                if (count == 1)
                    return;
                var v = new Var(pass.Fresh($"{f.Name}.{part}"));
                made.Add(new For(v, count, LoopKind.Unrolled, new Seq([])));
                position += v * step;
            }
            Add("t", (extent + direction.Period - 1) / direction.Period, direction.Period);
            foreach (var (_, count, step) in direction.Register.OrderByDescending(d => d.Step))
                Add("r", count, step);
            ImmutableArray<For> inner = [.. loops, .. made];
            position = Simplifier.Simplify(position, pass.Nest.Ranges(inner));
            // Neighbours that go to memory side by side are stored together.
            if (made.Count > 0 && extent % direction.Period == 0 && IsRow(f, direction.Register))
                made[^1] = made[^1] with { Kind = LoopKind.Vector };
            var body = f.Body.Substitute(new Dictionary<Var, Expr> { [f.Var] = position });
            body = Visit(body, inner, [.. covered, .. direction.Lane]);
            if (extent % direction.Period != 0)
                body = new If(Op.Lt(position, extent), body);
            foreach (var loop in Enumerable.Reverse(made))
                body = loop with { Body = body };
            return body;
        }

        // Whether a loop does nothing but store elements along the last dimension of memory, and the last of its registers'
        // loops steps from one to the next.
        private static bool IsRow(For f, IEnumerable<(long Weight, long Extent, long Step)> registers) =>
            registers.Select(r => r.Step).DefaultIfEmpty(0).Min() == 1
            && (f.Body is If { Else: null } guarded ? guarded.Then : f.Body) is Store s
            && s.Buffer.Scope is (Scope.Global or Scope.Heap or Scope.Shared)
            && LinearForm.Of(s.Indices[^1]).CoefficientOf(f.Var) == 1
            && s.Indices.SkipLast(1).All(i => !i.Uses(f.Var))
            && s.Value.Loads().All(l => l.Buffer != s.Buffer);

        private Stmt Stored(
            ImmutableArray<Store> stores,
            ImmutableArray<For> loops,
            ImmutableArray<(long Weight, long Extent, long Step)> covered
        )
        {
            var result = stores
                .Select(s =>
                {
                    ImmutableArray<Expr> indices = [.. s.Indices.Select(e => In(e, loops))];
                    var value = In(s.Value, loops);
                    return pass.ShapeOf(s.Buffer) is { } shape
                        ? new Store(pass.RegistersOf(s.Buffer), Place(shape, indices, loops), value)
                        : new Store(s.Buffer, indices, value);
                })
                .ToImmutableArray();
            Stmt stmt = result.Length == 1 ? result[0] : new StoreAll(result);
            bool mine = stores.All(s => s.Buffer.Scope is Scope.Fragment or Scope.Register || _own.Contains(s.Buffer));
            if (mine)
                return stmt;
            // Lanes that have a copy of the same value: the first of them stores it.
            var first = Uncovered(covered)
                .Select(d => Op.Eq(Op.Mod(Op.FloorDiv(lane, d.Weight), d.Extent), 0))
                .Aggregate(Op.True, Op.And);
            first = Simplifier.Simplify(first, pass.Nest.Ranges(loops));
            return first.IsTrue() ? stmt : new If(first, stmt);
        }

        private IEnumerable<(long Weight, long Extent)> Uncovered(
            ImmutableArray<(long Weight, long Extent, long Step)> covered
        )
        {
            long lanes = lane is Var ? GpuInfo.WarpSize : 4 * GpuInfo.WarpSize;
            long weight = 1;
            foreach (var digit in covered.OrderBy(d => d.Weight))
            {
                if (digit.Weight > weight)
                    yield return (weight, digit.Weight / weight);
                weight = Math.Max(weight, digit.Weight * digit.Extent);
            }
            if (weight < lanes)
                yield return (weight, lanes / weight);
        }

        // for j: m[i] = m[i] ⊕ e(i, j): each lane over its own columns, then the lanes that share the row.
        private Stmt Reduce(
            FragmentReduction reduction,
            ImmutableArray<For> loops,
            ImmutableArray<(long Weight, long Extent, long Step)> covered
        )
        {
            var target = reduction.Target;
            var shape = pass.ShapeOf(target.Buffer)!;
            var place = Place(shape, [.. target.Indices.Select(e => In(e, loops))], loops);
            var total = pass.RegistersOf(target.Buffer).At(place);
            var part = new Buffer(pass.Fresh($"{target.Buffer.Name}.part"), target.Buffer.Type, [1], Scope.Register);
            var body = Visit(reduction.Into(part), loops, covered);
            var steps = ImmutableArray.CreateBuilder<Stmt>();
            steps.Add(new Store(part, [0], reduction.Reducer.Identity[0]));
            steps.Add(body);
            foreach (var (weight, extent, _) in reduction.Direction.Lane)
                steps.Add(new LaneReduce([part], [0], reduction.Reducer, (int)extent, (int)weight));
            steps.Add(new Store(total.Buffer, total.Indices, reduction.Reducer.Combine([total], [part[0]])[0]));
            return new Allocate(part, Seq.Of(steps));
        }

        private Call Distribute(Call call, ImmutableArray<For> loops)
        {
            var simplifier = new Simplifier(pass.Nest.Ranges(loops));
            var buffers = call.Buffers.ToBuilder();
            var origins = call.Origins.ToBuilder();
            var dims = call.Dims.ToBuilder();
            for (int i = 0; i < buffers.Count; i++)
            {
                ImmutableArray<Expr> origin = [.. origins[i].Select(e => In(e, loops))];
                origins[i] = origin;
                if (call.Intrinsic.LayoutOf(i) is not { } layout)
                    continue;
                if (pass.ShapeOf(buffers[i]) is { } shape)
                {
                    foreach (var (dim, direction) in shape.Directions)
                        RequireTile(call, i, origin[dim], dim == dims[i][0] ? layout.Rows : layout.Columns, simplifier);
                    buffers[i] = pass.RegistersOf(buffers[i]);
                    origins[i] = shape.Place(origin, buffers[i], lane, simplifier);
                    dims[i] = [buffers[i].Rank - 1];
                    continue;
                }
                RequireAligned(call, i, origin, layout, simplifier);
                origins[i] = origin
                    .SetItem(dims[i][0], simplifier.Visit(origin[dims[i][0]] + layout.RowOf(lane, 0)))
                    .SetItem(dims[i][1], simplifier.Visit(origin[dims[i][1]] + layout.ColumnOf(lane, 0)));
                dims[i] = [dims[i][1]];
            }
            return call with
            {
                Buffers = buffers.ToImmutable(),
                Origins = origins.ToImmutable(),
                Dims = dims.ToImmutable(),
                Distributed = true,
            };
        }

        private static void RequireTile(Call call, int operand, Expr at, long tile, Simplifier simplifier)
        {
            if (!Divides(at, tile, simplifier))
                throw new LoweringException(
                    "fragment-loop",
                    $"operand {call.Intrinsic.Operands[operand].Name} of {call.Intrinsic.Name} begins at {at} of {call.Buffers[operand].Name}, which is not always a multiple of {tile}"
                );
        }

        // Every lane's address is a multiple of 16 bytes if the first column and the distance of rows are.
        private static void RequireAligned(
            Call call,
            int operand,
            ImmutableArray<Expr> origin,
            FragmentLayout layout,
            Simplifier simplifier
        )
        {
            var buffer = call.Buffers[operand];
            long chunk = layout.Registers;
            for (int d = 0; d < buffer.Rank; d++)
            {
                long? stride = buffer.Strides.IsDefault
                    ? buffer.Shape.Skip(d + 1).Aggregate((long?)1, (n, e) => n * (e as IntImm)?.Value)
                    : buffer.Strides[d];
                bool along = d == call.Dims[operand][1];
                bool aligned = along ? stride == 1 && Divides(origin[d], chunk, simplifier) : stride % chunk == 0;
                if (!aligned)
                    throw new LoweringException(
                        "fragment-align",
                        along
                            ? $"{call.Intrinsic.Name} reads {buffer.Name} from column {origin[d]} on, which is not always a multiple of 16 bytes"
                            : $"{call.Intrinsic.Name} reads rows of {buffer.Name} that are {stride} elements apart, which is not a multiple of 16 bytes; storage_align or pad it to multiples of {chunk}"
                    );
            }
        }

        private static bool Divides(Expr e, long by, Simplifier simplifier) =>
            LinearForm.Of(simplifier.Visit(e)) is var form
            && form.Constant % by == 0
            && form.Terms.All(t => t.Coefficient % by == 0);

        private Expr In(Expr e, ImmutableArray<For> loops) =>
            e.Map(node =>
                node is Load load && pass.ShapeOf(load.Buffer) is { } shape
                    ? pass.RegistersOf(load.Buffer).At(Place(shape, load.Indices, loops))
                    : null
            );

        private ImmutableArray<Expr> Place(
            FragmentShape shape,
            ImmutableArray<Expr> indices,
            ImmutableArray<For> loops
        ) => shape.Place(indices, pass.RegistersOf(shape.Buffer), lane, new Simplifier(pass.Nest.Ranges(loops)));

        private static bool IndexesFragment(For f) =>
            BufferAccess.Below(f.Body).Any(a => a.Buffer.Scope == Scope.Fragment && a.Indices.Any(i => i.Uses(f.Var)));
    }
}
