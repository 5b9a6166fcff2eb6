using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules;

namespace Picograd.Lower.Cuda;

/// <summary>
/// Loops over vector lanes. Memory that neighbouring lanes touch side by side, at an address that is provably aligned,
/// is loaded and stored as one vector of 2 to 16 bytes; arithmetic and all else is written a lane at a time.
/// </summary>
internal sealed class VectorWriter(StmtWriter statements)
{
    private readonly LaneForms _lanes = new(statements.Kernel);

    private KernelContext Kernel => statements.Kernel;

    private ExprWriter Values => statements.Values;

    public void Loop(For loop)
    {
        long extent =
            loop.ConstantExtent
            ?? throw new LoweringException(
                "vector-extent",
                $"vector loop {loop.Name} has extent {loop.Extent}, not a constant"
            );
        Kernel.Ranges[loop.Var] = new Interval(0, Math.Max(0, extent - 1));
        if (extent == 1)
            statements.Write(loop.Body.Substitute(new Dictionary<Var, Expr> { [loop.Var] = 0 }));
        else if (extent > 1)
            Spread(loop.Body, loop.Var, extent);
    }

    /// <summary>One element of an asynchronous copy that no vector loop is around.</summary>
    public void Copy(Store s) => AsyncCopy(s, 1, s.Indices, i => i);

    // Lanes touch disjoint elements, so each statement may run for all lanes before the next does for any.
    private void Spread(Stmt stmt, Var v, long extent)
    {
        switch (stmt)
        {
            case Seq q:
                foreach (var item in q.Items)
                    Spread(item, v, extent);
                break;
            case For { Kind: LoopKind.Serial or LoopKind.Unrolled } f when !f.Extent.Uses(v):
                statements.Loop(f, body => Spread(body, v, extent));
                break;
            case If i:
                var cond = _lanes.Rewrite(i.Cond, v, extent);
                if (cond.Uses(v))
                    LaneByLane(stmt, v, extent);
                else
                    statements.Branch(i with { Cond = cond }, body => Spread(body, v, extent));
                break;
            case Store s:
                Store(s, v, extent);
                break;
            default:
                LaneByLane(stmt, v, extent);
                break;
        }
    }

    private void LaneByLane(Stmt stmt, Var v, long extent)
    {
        var lane = new Var(v.Name);
        var body = stmt.Substitute(new Dictionary<Var, Expr> { [v] = lane });
        statements.Loop(new For(lane, extent, LoopKind.Unrolled, body), statements.Write);
    }

    private void Store(Store s, Var v, long extent)
    {
        var value = Kernel.Simplify(s.Value);
        // A choice that all lanes make alike is made once: a guarded load stays one vector.
        if (value is Select choice && !statements.InAsync)
        {
            var cond = _lanes.Rewrite(choice.Cond, v, extent);
            if (!cond.Uses(v) && (IsVector(choice.Then, v, extent) || IsVector(choice.Else, v, extent)))
            {
                statements.Branch(
                    Values.Write(cond),
                    () => Store(s with { Value = choice.Then }, v, extent),
                    () => Store(s with { Value = choice.Else }, v, extent)
                );
                return;
            }
        }
        int target = _lanes.Width(s.Buffer, s.Indices, v, extent);
        if (statements.InAsync)
        {
            AsyncCopies(s with { Value = value }, v, extent, target);
            return;
        }
        var loads = Unconditional(value).Where(l => l.Indices.Any(i => i.Uses(v))).Distinct().ToList();
        var widths = loads.ToDictionary(l => l, l => _lanes.Width(l.Buffer, l.Indices, v, extent));
        int lanes = Math.Max(target, widths.Values.DefaultIfEmpty(1).Max());
        if (lanes == 1)
        {
            LaneByLane(s, v, extent);
            return;
        }
        for (long first = 0; first < extent; first += lanes)
            Chunk(s with { Value = value }, v, first, lanes, target, widths);
    }

    private bool IsVector(Expr value, Var v, long extent) =>
        value is FloatImm or IntImm || Unconditional(value).Any(l => _lanes.Width(l.Buffer, l.Indices, v, extent) > 1);

    private void Chunk(Store s, Var v, long first, int lanes, int target, Dictionary<Load, int> widths)
    {
        Expr At(Expr e, long lane) => Kernel.Simplify(e.Substitute(v, first + lane));
        ImmutableArray<Expr> Indices(ImmutableArray<Expr> indices, long lane) => [.. indices.Select(i => At(i, lane))];
        if (
            s.Value is Load copy
            && copy.Type == s.Buffer.Type
            && target == lanes
            && widths.GetValueOrDefault(copy) == lanes
        )
        {
            string type = VectorType.Of(copy.Type, lanes).Name;
            string to = statements.Access.Vector(s.Buffer, Indices(s.Indices, 0), type, isConst: false);
            string from = statements.Access.Vector(copy.Buffer, Indices(copy.Indices, 0), type, isConst: true);
            statements.Line($"{to} = {from};");
            return;
        }
        var loaded = new Dictionary<Load, Named[]>();
        foreach (var (load, width) in widths)
        {
            if (width > 1)
                loaded[load] = LoadVectors(load, lanes, width, lane => Indices(load.Indices, lane));
        }
        // What all lanes load alike is loaded once.
        foreach (var load in Unconditional(s.Value).Where(l => !widths.ContainsKey(l)).Distinct())
        {
            if (Kernel.PlaceOf(load.Buffer).Kind != PlaceKind.Local)
            {
                var one = statements.Temporary(load, load.Buffer.Name + "_v");
                loaded[load] = [.. Enumerable.Repeat(one, lanes)];
            }
        }
        Expr ValueOf(int lane) =>
            Kernel.Simplify(
                s.Value.Map(e => e is Load l && loaded.TryGetValue(l, out var parts) ? parts[lane] : null)
                    .Substitute(v, first + lane)
            );
        if (target == 1)
        {
            for (int lane = 0; lane < lanes; lane++)
                statements.WriteStore(s with { Indices = Indices(s.Indices, lane), Value = ValueOf(lane) });
            return;
        }
        var shape = VectorType.Of(s.Buffer.Type, target);
        for (int at = 0; at < lanes; at += target)
        {
            var elements = new List<string>();
            for (int lane = at; lane < at + target; lane++)
            {
                var value = new SharedValues(statements).Split([ValueOf(lane)])[0];
                elements.Add(Values.WriteStored(s.Buffer.Type, value));
            }
            string to = statements.Access.Vector(s.Buffer, Indices(s.Indices, at), shape.Name, isConst: false);
            statements.Line($"{to} = {shape.Make(elements, Kernel)};");
        }
    }

    private Named[] LoadVectors(Load load, int lanes, int width, Func<long, ImmutableArray<Expr>> indices)
    {
        var shape = VectorType.Of(load.Type, width);
        var parts = new Named[lanes];
        for (int at = 0; at < lanes; at += width)
        {
            string name = Kernel.Names.Fresh(load.Buffer.Name + "_v");
            statements.Line(
                $"const {shape.Name} {name} = {statements.Access.Vector(load.Buffer, indices(at), shape.Name, isConst: true)};"
            );
            for (int i = 0; i < width; i++)
            {
                string element = shape.Element(name, i);
                string value = Values.FromStored(load.Type, element);
                bool primary = load.Type != DType.Bool && !element.StartsWith('(');
                parts[at + i] = new Named(primary || load.Type.IsHalf() ? value : $"({value})", load.Type, element);
            }
        }
        return parts;
    }

    // Loads that every evaluation of the value performs.
    private static IEnumerable<Load> Unconditional(Expr e) =>
        e switch
        {
            Load l => [l],
            Select s => Unconditional(s.Cond),
            Binary { Kind: BinaryOp.And or BinaryOp.Or } b => Unconditional(b.A),
            _ => e.Children().SelectMany(Unconditional),
        };

    private void AsyncCopies(Store s, Var v, long extent, int target)
    {
        var source = Source(s);
        int width = Math.Min(target, _lanes.Width(source.Load.Buffer, source.Load.Indices, v, extent));
        var cond = source.Cond is null ? null : _lanes.Rewrite(source.Cond, v, extent);
        // One condition a copy: where lanes differ, they are copied one by one.
        if (cond is not null && cond.Uses(v))
            width = 1;
        for (long first = 0; first < extent; first += width)
        {
            Expr At(Expr e) => Kernel.Simplify(e.Substitute(v, first));
            AsyncCopy(s, width, [.. s.Indices.Select(At)], At);
        }
    }

    private void AsyncCopy(Store s, int width, ImmutableArray<Expr> target, Func<Expr, Expr> at)
    {
        var (load, cond) = Source(s);
        int bytes = width * load.Type.Size();
        if (
            bytes is not (4 or 8 or 16)
            || load.Type != s.Buffer.Type
            || Kernel.PlaceOf(s.Buffer).Kind != PlaceKind.Shared
            || Kernel.PlaceOf(load.Buffer).Kind != PlaceKind.Device
        )
            throw new LoweringException(
                "async-copy",
                $"{s.Buffer.Name} = {s.Value} copies {bytes} bytes at a time; asynchronous copies move 4, 8 or 16 bytes unchanged from device to shared memory"
            );
        string to = "&" + statements.Access.Element(s.Buffer, target);
        string from = "&" + statements.Access.Element(load.Buffer, [.. load.Indices.Select(at)]);
        if (cond is null)
        {
            statements.Line($"{Kernel.Use($"cp_async_{bytes}")}({to}, {from});");
            return;
        }
        // Nothing is read where the condition is false, so that the address may then be anything.
        statements.Line(
            $"{Kernel.Use($"cp_async_zfill_{bytes}")}({to}, {from}, {Values.Write(Kernel.Simplify(at(cond)))});"
        );
    }

    // What is copied, and under which condition (zeros where it is false).
    private static (Load Load, Expr? Cond) Source(Store s) =>
        s.Value switch
        {
            Load l => (l, null),
            Select { Then: Load l } choice when choice.Else.IsConst(0) => (l, choice.Cond),
            _ => throw new LoweringException(
                "async-copy",
                $"{s.Buffer.Name} = {s.Value} is no copy: an asynchronous store takes a load, or select(condition, load, 0)"
            ),
        };
}
