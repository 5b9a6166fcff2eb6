using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// Walks over the body of a thread loop in program order with the accesses that no barrier has come after, and puts a
/// barrier before the first statement that conflicts with one of them. A loop is walked again with what its last
/// iterations leave, until that does not change; these accesses know how many iterations ago they were, so slots of a
/// ring are told apart. Copies under way pass through barriers until a wait covers them.
/// </summary>
internal sealed class BarrierPlacer
{
    // Iterations after which an access is one of any earlier iteration.
    private const int MostRounds = 8;

    private readonly LoopNest _nest;
    private readonly Var _thread;
    private readonly TouchConflicts _conflicts;
    private readonly HashSet<Buffer> _written;
    private readonly HashSet<Var> _same;
    private readonly Dictionary<Var, Interval> _ranges;
    private readonly Dictionary<Var, Var> _earlier = [];

    // Loops are walked several times, and so are bodies with fewer barriers: what was found out stays.
    private readonly Dictionary<Stmt, List<(Touch Touch, bool Async)>> _touches = new(
        ReferenceEqualityComparer.Instance
    );
    private readonly Dictionary<Touch, Touch> _known = [];
    private readonly Dictionary<(Touch, Touch, int), Conflict> _found = [];
    private readonly Dictionary<(int Outer, Var Loop), int> _scopes = [];

    // What a touch becomes an iteration later, in any iteration and behind the last: loops are walked up to eight times, and each time
    // all that is pending was made anew (SIMT product: nine tenths of the pass).
    private readonly Dictionary<(Touch, Var), Touch?> _before = [];
    private readonly Dictionary<(Touch, Var), Touch> _ofAny = [];
    private readonly Dictionary<(Touch, Var, Expr), Touch> _behind = [];
    private int _scope;
    private bool _insert;
    private bool _complete;

    /// <param name="nest">Parameters and arguments.</param>
    /// <param name="threads">The thread loop of a kernel.</param>
    /// <param name="loops">Loops around its body, itself included.</param>
    public BarrierPlacer(LoopNest nest, For threads, IReadOnlyList<For> loops)
    {
        _nest = nest;
        _thread = threads.Var;
        _ranges = nest.Ranges(loops);
        _same = [.. nest.ParameterRanges.Keys, .. loops.Where(l => !ReferenceEquals(l, threads)).Select(l => l.Var)];
        // Parts of a loop that was cut share inner variables, with different extents.
        foreach (var loop in threads.Body.Nodes().OfType<For>())
        {
            var range = new Interval(0, Math.Max(0, Interval.Of(loop.Extent, _ranges).Max - 1));
            _ranges[loop.Var] = _ranges.TryGetValue(loop.Var, out var known) ? known.Union(range) : range;
        }
        _written =
        [
            .. BufferAccess
                .Below(threads.Body)
                .Where(a => a.IsWrite && !OneThreadLoop.IsPrivate(a.Buffer) && !ArrivesAtBarrier(a.Statement))
                .Select(a => a.Buffer),
        ];
        // Specialised warps cannot meet. What one statement writes and nothing reads needs no order: an element written twice gets
        // the same value both times.
        if (threads.Body.Nodes().Any(ArrivesAtBarrier))
        {
            foreach (var group in BufferAccess.Below(threads.Body).GroupBy(a => a.Buffer).ToList())
            {
                if (group.Key.Scope == Scope.Global && group.Count() == 1 && group.Single().IsWrite)
                    _written.Remove(group.Key);
            }
        }
        _conflicts = new TouchConflicts(_thread, threads.ConstantExtent!.Value, _ranges);
    }

    /// <summary>The body of the thread loop with barriers.</summary>
    /// <exception cref="LoweringException">divergent-barrier.</exception>
    public Stmt Place(Stmt body)
    {
        _insert = true;
        return Walk(body, []);
    }

    /// <summary>Whether a body with the same loops has all the barriers that it needs.</summary>
    /// <exception cref="LoweringException">divergent-barrier.</exception>
    public bool IsComplete(Stmt body)
    {
        (_insert, _complete) = (false, true);
        Walk(body, []);
        return _complete;
    }

    // Changes the state to what is pending after the statement.
    private Stmt Walk(Stmt stmt, HashSet<Pending> state)
    {
        switch (stmt)
        {
            case Seq q:
                return Seq.Of(q.Items.Select(i => Walk(i, state)).ToList());
            case Allocate a:
                return a with { Body = Walk(a.Body, state) };
            case Barrier b:
                Meet(b.Scope, state);
                return b;
            case DeviceOp { Queue: DeviceQueue.Copies, Step: QueueStep.Commit }:
                Update(state, p => p.UnderWay ? p with { Commits = p.Commits + 1 } : p);
                return stmt;
            case DeviceOp { Queue: DeviceQueue.Copies, Step: QueueStep.Wait } w:
                Update(state, p => p.Commits > w.Numbers[0] ? p with { Commits = null } : p);
                return stmt;
            default:
                break;
        }
        var touches = Touches(stmt);
        if (stmt is (If or For) && HasConflict(stmt, touches))
            return stmt is If i ? WalkIf(i, state) : WalkLoop((For)stmt, state);
        return Unit(stmt, touches, state);
    }

    // A statement without a conflict inside: the barrier, if any, comes before it.
    private Stmt Unit(Stmt stmt, List<(Touch Touch, bool Async)> touches, HashSet<Pending> state)
    {
        var worst = Conflict.None;
        foreach (var p in state.Where(p => !p.UnderWay))
        foreach (var (touch, _) in touches)
        {
            var conflict = Between(p.Touch, touch);
            if (conflict > worst && !(conflict == Conflict.Warp && p.InWarp))
                worst = conflict;
        }
        var result = stmt;
        if (worst != Conflict.None)
        {
            _complete = false;
            if (_insert)
            {
                var scope = worst == Conflict.Warp ? BarrierScope.Warp : BarrierScope.Block;
                Meet(scope, state);
                result = Seq.Of(new Barrier(scope), stmt);
            }
        }
        foreach (var (touch, isAsync) in touches)
            state.Add(new Pending(touch, isAsync && touch.IsWrite ? 0 : null));
        // Copies that were begun and not committed, and groups, may be inside.
        return result;
    }

    private Stmt WalkIf(If stmt, HashSet<Pending> state)
    {
        if (IsUniform(stmt.Cond))
        {
            var other = new HashSet<Pending>(state);
            var then = Walk(stmt.Then, state);
            var otherwise = stmt.Else is null ? null : Walk(stmt.Else, other);
            state.UnionWith(other);
            return new If(stmt.Cond, then, otherwise);
        }
        if (stmt.Else is not null && NeedsNone(stmt, state))
            return stmt;
        // The barrier has to be outside of the condition, which goes to the parts.
        if (stmt.Cond.Loads().Any() || stmt.Else is not null)
            throw Divergent($"a condition on data, {stmt.Cond}");
        return Walk(
            stmt.Then switch
            {
                Seq q => Seq.Of(q.Items.Select(item => Under(stmt.Cond, item))),
                For f when !stmt.Cond.Uses(f.Var) => f with { Body = Under(stmt.Cond, f.Body) },
                Allocate a => a with { Body = Under(stmt.Cond, a.Body) },
                If { Else: null } i => Under(Op.And(stmt.Cond, i.Cond), i.Then),
                _ => throw Divergent($"the condition {stmt.Cond}"),
            },
            state
        );
    }

    // Whether the branches do without barriers: those of specialised warps have others.
    private bool NeedsNone(If stmt, HashSet<Pending> state)
    {
        var (insert, complete) = (_insert, _complete);
        (_insert, _complete) = (false, true);
        var (then, otherwise) = (new HashSet<Pending>(state), new HashSet<Pending>(state));
        Walk(stmt.Then, then);
        Walk(stmt.Else!, otherwise);
        bool none = _complete;
        (_insert, _complete) = (insert, complete);
        if (none)
        {
            state.UnionWith(then);
            state.UnionWith(otherwise);
        }
        return none;
    }

    private static Stmt Under(Expr condition, Stmt stmt) =>
        stmt is Barrier or LaneReduce || PartsCopies(stmt) ? stmt : new If(condition, stmt);

    private Stmt WalkLoop(For loop, HashSet<Pending> state)
    {
        if (!IsUniform(loop.Extent))
            throw Divergent($"loop {loop.Name}, whose extent {loop.Extent} is not the same for all threads");
        if (loop.Kind is not (LoopKind.Serial or LoopKind.Unrolled))
            throw Divergent($"loop {loop.Name}, which is {loop.Kind.Text()}");
        bool added = _same.Add(loop.Var);
        int outer = _scope;
        if (added)
            _scope = ScopeOf(outer, loop.Var);
        bool complete = _complete;
        // What a part of the same loop before this one left is of other iterations.
        if (added)
            Update(state, p => p.Touch.Uses(loop.Var) ? OfAny(p, loop) : p);
        var carried = new HashSet<Pending>();
        Stmt body = loop.Body;
        HashSet<Pending> after = [];
        for (int round = 0; round < 4 * MostRounds; round++)
        {
            _complete = complete;
            after = [.. state, .. carried];
            body = Walk(loop.Body, after);
            var next = after.Select(p => Earlier(p, loop)).ToHashSet();
            // Exact while it settles, then everything that was ever left.
            if (round > MostRounds)
                next.UnionWith(carried);
            if (next.SetEquals(carried))
                break;
            carried = next;
        }
        if (added)
            _same.Remove(loop.Var);
        _scope = outer;
        bool runs = Interval.Of(loop.Extent, _ranges).Min >= 1;
        if (runs)
            state.Clear();
        // The last iteration is behind.
        var last = LinearForm.Of(loop.Extent - 1).ToExpr();
        state.UnionWith(after.Select(p => p with { Touch = Behind(p.Touch, loop.Var, last), Rounds = 0 }));
        return loop with { Body = body };
    }

    // As the next iteration of the loop sees it.
    private Pending Earlier(Pending p, For loop)
    {
        if (Before(p.Touch, loop.Var) is not { } before)
            return p;
        return p.Rounds < MostRounds ? p with { Touch = before, Rounds = p.Rounds + 1 } : OfAny(p, loop);
    }

    // Of the iteration before, where there was such: in a loop of two, what only the first does meets nothing of one before it.
    // Null where the loop does not count.
    private Touch? Before(Touch touch, Var loop)
    {
        if (!_before.TryGetValue((touch, loop), out var made))
        {
            if (touch.Uses(loop))
                made = Known(touch.Substitute(loop, LinearForm.Of(loop - 1).ToExpr()).If(Op.Le(1, loop)));
            _before[(touch, loop)] = made;
        }
        return made;
    }

    private Touch Behind(Touch touch, Var loop, Expr last)
    {
        if (!_behind.TryGetValue((touch, loop, last), out var made))
            _behind[(touch, loop, last)] = made = Known(touch.Substitute(loop, last));
        return made;
    }

    // As of any iteration of the loop.
    private Pending OfAny(Pending p, For loop)
    {
        if (!_earlier.TryGetValue(loop.Var, out var any))
        {
            _earlier[loop.Var] = any = new Var(loop.Name);
            _ranges[any] = _ranges[loop.Var];
        }
        if (!_ofAny.TryGetValue((p.Touch, loop.Var), out var made))
            _ofAny[(p.Touch, loop.Var)] = made = Known(p.Touch.Substitute(loop.Var, any));
        return p with { Touch = made };
    }

    private static void Meet(BarrierScope scope, HashSet<Pending> state)
    {
        if (scope == BarrierScope.Block)
            state.RemoveWhere(p => !p.UnderWay);
        else
            Update(state, p => p.UnderWay ? p : p with { InWarp = true });
    }

    private static void Update(HashSet<Pending> state, Func<Pending, Pending> change)
    {
        var changed = state.Select(change).ToList();
        state.Clear();
        state.UnionWith(changed);
    }

    // Whether parts of the statement, or iterations of its loops, have to be kept apart.
    private bool HasConflict(Stmt stmt, List<(Touch Touch, bool Async)> touches)
    {
        if (stmt.Nodes().Any(s => s is Barrier || PartsCopies(s)))
            return true;
        // What one statement does in different threads and in the loops around it is its schedule's business.
        if (
            stmt is If or For { Kind: LoopKind.Vector }
            && stmt.Nodes()
                .Count(s =>
                    s is Store or StoreAll or Call or LaneReduce || s is DeviceOp d && d.Begins(DeviceQueue.Copies)
                ) <= 1
        )
            return false;
        for (int i = 0; i < touches.Count; i++)
        for (int j = i; j < touches.Count; j++)
        {
            if (Between(touches[i].Touch, touches[j].Touch) != Conflict.None)
                return true;
        }
        return false;
    }

    private Conflict Between(Touch a, Touch b)
    {
        if (a.Buffer != b.Buffer || !(a.IsWrite || b.IsWrite))
            return Conflict.None;
        if (!_found.TryGetValue((a, b, _scope), out var conflict))
            _found[(a, b, _scope)] = conflict = _conflicts.Between(a, b, _same);
        return conflict;
    }

    // A number for the variables in _same.
    private int ScopeOf(int outer, Var loop)
    {
        if (!_scopes.TryGetValue((outer, loop), out int scope))
            _scopes[(outer, loop)] = scope = _scopes.Count + 1;
        return scope;
    }

    // Equal touches as one object, so that they compare fast.
    private Touch Known(Touch touch)
    {
        if (_known.TryGetValue(touch, out var known))
            return known;
        _known[touch] = touch;
        return touch;
    }

    private List<(Touch Touch, bool Async)> Touches(Stmt stmt)
    {
        if (_touches.TryGetValue(stmt, out var known))
            return known;
        var found = new HashSet<(Touch, bool)>();
        var simplifier = new Simplifier(_ranges);
        foreach (var access in BufferAccess.Below(stmt))
        {
            if (access.Kind == AccessKind.Hint || !_written.Contains(access.Buffer))
                continue;
            var touch = new Touch(
                access.Buffer,
                [.. access.Indices.Select(simplifier.Visit)],
                access.Tile,
                [.. access.Path.OfType<If>().Where(i => i.Else is null).SelectMany(i => i.Cond.Conjuncts())],
                access.IsWrite
            );
            found.Add((Known(touch), access.Statement is DeviceOp d && d.Begins(DeviceQueue.Copies)));
        }
        return _touches[stmt] = [.. found];
    }

    // Groups of cp.async: each thread parts and waits for its own, whatever conditions are around.
    private static bool PartsCopies(Stmt s) => s is DeviceOp d && d.Orders(DeviceQueue.Copies);

    // Who reads what such a copy writes waits for its barrier in memory.
    private static bool ArrivesAtBarrier(Stmt s) => s is DeviceOp d && d.Begins(DeviceQueue.Barriers);

    private bool IsUniform(Expr e) =>
        !e.Uses(_thread)
        && e.Loads().All(l => _nest.Algorithm.Inputs.Contains(l.Buffer) && l.Indices.All(IsUniform))
        && e.FreeVars().All(_same.Contains);

    private static LoweringException Divergent(string where) =>
        new("divergent-barrier", $"threads have to meet inside of {where}, where not all of them come");
}
