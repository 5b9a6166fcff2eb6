using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Schedules.Interpret;

/// <summary>Statements as a tree of nodes.</summary>
internal sealed class StmtCompiler(ExprCompiler exprs)
{
    private static readonly Node Nothing = new SeqNode([]);
    private ImmutableArray<For> _loops = [];
    private LaunchShape? _launch;

    public Node Compile(Stmt stmt)
    {
        var site = SiteOf(stmt);
        switch (stmt)
        {
            case For f:
                return Loop(f, site);
            case Seq q:
                return new SeqNode([.. q.Items.Select(Compile)]);
            case If i:
                return new IfNode(exprs.Int(i.Cond, site), Compile(i.Then), i.Else is null ? null : Compile(i.Else));
            case Allocate a:
                bool shared = a.Body.Nodes().OfType<For>().Any(l => l.Kind.IsConcurrent());
                return new AllocateNode(
                    a.Buffer,
                    exprs.Slot(a.Buffer),
                    exprs.Ints(a.Buffer.Shape, site),
                    shared,
                    Compile(a.Body)
                );
            case Store s:
                return new StoreNode(exprs.Slot(s.Buffer), exprs.Ints(s.Indices, site), ValueOf(s.Value, site), site);
            case StoreAll all:
                var targets = all.Stores.Select(s => new Target(
                    exprs.Slot(s.Buffer),
                    exprs.Ints(s.Indices, site),
                    ValueOf(s.Value, site),
                    default,
                    default
                ));
                exprs.NeedsTemporaries(all.Stores.Length);
                return new BlockNode("", null, [], [.. targets], false, false, 0, site);
            case Prefetch:
                return Nothing;
            case Barrier b:
                return new BarrierNode(b.Scope, b.Scope == BarrierScope.Block && ExcludesThreads(), site);
            case Block b:
                return BlockOf(b, b.Outputs.Select(o => (o, b.Indices)), site);
            case LaneReduce r:
                exprs.NeedsTemporaries(r.Outputs.Length);
                var reduced = r.Outputs.Select(
                    (o, i) =>
                        new Target(
                            exprs.Slot(o),
                            exprs.Ints(r.Indices, site),
                            default,
                            default,
                            ValueOf(r.Reducer.Result[i], site)
                        )
                );
                return new LaneReduceNode(r, [.. reduced], site);
            case Call { Distributed: true } c:
                return CollectiveOf(c, site);
            case Call c:
                return CallOf(c, site);
            case Async a:
                return new AsyncNode(Compile(a.Body));
            case DeviceOp d:
                return DeviceOf(d);
            default:
                throw new InvalidOperationException($"the interpreter has no meaning for {stmt.GetType().Name}");
        }
    }

    private Node Loop(For loop, Site site)
    {
        var outerLaunch = _launch;
        var extent = exprs.Int(loop.Extent, site);
        if (loop.Kind.IsGpu())
            _launch ??= new LaunchShape(loop);
        _loops = _loops.Add(loop);
        var body = Compile(loop.Body);
        _loops = _loops.RemoveAt(_loops.Length - 1);
        int slot = exprs.Slot(loop.Var);
        Node node = loop.Kind.IsThread()
            ? new ThreadLoopNode(loop, slot, extent, body, _launch!)
            : new LoopNode(loop, slot, extent, body, loop.Kind.IsGpu() ? _launch : null);
        _launch = outerLaunch;
        return node;
    }

    // A thread loop around that is shorter than another of its kind in the launch leaves some threads out.
    private bool ExcludesThreads() =>
        _launch is { } launch
        && _loops.Any(l => l.Kind.IsThread() && l.ConstantExtent is { } e && e < launch.ExtentOf(l.Kind));

    private BlockNode BlockOf(Block b, IEnumerable<(Buffer Buffer, ImmutableArray<Expr> Indices)> outputs, Site site)
    {
        exprs.NeedsTemporaries(b.Outputs.Length);
        var axes = b
            .Axes.Select(a => new AxisSlot(
                a.Name,
                exprs.Slot(a.Var),
                exprs.Int(a.Extent, site),
                exprs.Int(a.Binding, site),
                a.Kind == AxisKind.Reduce
            ))
            .ToArray();
        var targets = outputs
            .Select(
                (o, i) =>
                    new Target(
                        exprs.Slot(o.Buffer),
                        exprs.Ints(o.Indices, site),
                        ValueOf(b.Values[i], site),
                        b.Reducer is null ? default : ValueOf(b.Reducer.Identity[i], site),
                        b.Reducer is null ? default : ValueOf(b.Reducer.Result[i], site)
                    )
            )
            .ToArray();
        var predicate = b.Predicate.IsTrue() ? null : exprs.Int(b.Predicate, site);
        int combined = ThreadReductions.Outermost(b, _loops) is { } together
            ? _loops.Skip(_loops.IndexOf(together)).Count(l => l.Kind.IsConcurrent())
            : 0;
        return new BlockNode(b.Name, predicate, axes, targets, b.Reducer is not null, b.Init, combined, site);
    }

    // The meaning of the instruction as serial loops, with the operands' tiles put in place.
    private Node CallOf(Call call, Site site)
    {
        var meaning = call.Intrinsic.Meaning;
        Expr InPlace(Expr e) =>
            e.Map(node =>
                node is Load l && call.Intrinsic.Operands.IndexOf(l.Buffer) is >= 0 and var operand
                    ? new Load(call.Buffers[operand], Element(call, operand, [.. l.Indices.Select(InPlace)]))
                    : null
            );
        var outputs = meaning.Outputs.Select(o =>
        {
            int operand = call.Intrinsic.Operands.IndexOf(o);
            return (call.Buffers[operand], Element(call, operand, [.. meaning.Indices.Select(InPlace)]));
        });
        var loops = meaning.Axes.Select(a => (Axis: a, Var: new Var(a.Name))).ToList();
        var block = meaning with
        {
            Axes = [.. loops.Select(l => l.Axis with { Binding = l.Var })],
            Values = [.. meaning.Values.Select(InPlace)],
        };
        Node node = BlockOf(block, outputs, site);
        foreach (var (axis, v) in Enumerable.Reverse(loops))
        {
            var loop = new For(v, axis.Extent, LoopKind.Serial, call);
            node = new LoopNode(loop, exprs.Slot(v), exprs.Int(axis.Extent, site), node, null);
        }
        return node;
    }

    // What an instruction does to memory is done when it is begun; copies in groups are waited for besides.
    private Node DeviceOf(DeviceOp op)
    {
        if (op.Queue == DeviceQueue.Barriers)
            throw new NotSupportedException(
                "the interpreter runs threads in lockstep, and specialised warps wait for one another; interpret the nest before the pass specialise-warps, and run the text in the emulator"
            );
        var meaning = op.Instruction.Meaning is { } nest ? Compile(nest(op)) : Nothing;
        return (op.Queue, op.Step) switch
        {
            (DeviceQueue.Copies, QueueStep.Begin) => new AsyncNode(meaning),
            (DeviceQueue.Copies, QueueStep.Commit) => new CommitNode(),
            (DeviceQueue.Copies, QueueStep.Wait) => new WaitNode(op.Numbers[0]),
            _ => meaning,
        };
    }

    // The meaning on tiles of its own, which the lanes' parts are gathered into and scattered from. Operands without a
    // layout stay where they are.
    private CollectiveCallNode CollectiveOf(Call call, Site site)
    {
        var intrinsic = call.Intrinsic;
        var own =
            intrinsic.Meaning.Outputs.Contains(intrinsic.Operands[0]) && !intrinsic.Meaning.IsReduction
                ? intrinsic.Operands.Skip(1)
                : intrinsic.Operands;
        var read = own.ToHashSet();
        var register = new Var("register");
        var operands = new List<CollectiveOperand>();
        var plain = call with { Distributed = false };
        for (int i = 0; i < call.Buffers.Length; i++)
        {
            if (intrinsic.LayoutOf(i) is not { } layout)
                continue;
            var tile = intrinsic.Operands[i];
            var (row, column) = (new Var("row"), new Var("column"));
            int along = call.Dims[i][0];
            operands.Add(
                new CollectiveOperand(
                    layout,
                    exprs.Slot(call.Buffers[i]),
                    exprs.Ints(call.Origins[i].SetItem(along, call.Origins[i][along] + register), site),
                    tile,
                    exprs.Slot(tile),
                    exprs.Slot(row),
                    exprs.Slot(column),
                    exprs.Ints([row, column], site),
                    read.Contains(tile)
                )
            );
            plain = plain with
            {
                Buffers = plain.Buffers.SetItem(i, tile),
                Origins = plain.Origins.SetItem(i, [0, 0]),
                Dims = plain.Dims.SetItem(i, [0, 1]),
            };
        }
        return new CollectiveCallNode(intrinsic, [.. operands], exprs.Slot(register), CallOf(plain, site), site);
    }

    private static ImmutableArray<Expr> Element(Call call, int operand, ImmutableArray<Expr> tile)
    {
        var index = call.Origins[operand].ToArray();
        for (int d = 0; d < tile.Length; d++)
            index[call.Dims[operand][d]] += tile[d];
        return [.. index];
    }

    private Value ValueOf(Expr e, Site site) =>
        e.Type.IsFloat() ? new Value(exprs.Float(e, site), null) : new Value(null, exprs.Int(e, site));

    private Site SiteOf(Stmt stmt) => new(stmt, [.. _loops.Select(l => (l.Name, exprs.Slot(l.Var)))]);
}
