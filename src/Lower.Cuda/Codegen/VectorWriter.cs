using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Codegen;

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
                Guarded(i, v, extent);
                break;
            case Store s:
                Store(s, v, extent);
                break;
            default:
                LaneByLane(stmt, v, extent);
                break;
        }
    }

    // Lanes that all pass a test go together. Where the test holds for the last lane only if it does for all before it, the
    // others go one by one.
    private void Guarded(If i, Var v, long extent)
    {
        var cond = _lanes.Rewrite(i.Cond, v, extent);
        if (!cond.Uses(v))
        {
            statements.Branch(i with { Cond = cond }, body => Spread(body, v, extent));
            return;
        }
        bool worth = i.Then is Store s && i.Else is null && IsVector(s, v, extent);
        if (!worth || !cond.Conjuncts().All(c => LaneForms.FallsWith(c, v)))
        {
            LaneByLane(i, v, extent);
            return;
        }
        var last = Kernel.Simplify(cond.Substitute(v, extent - 1));
        statements.Branch(Values.Write(last), () => Spread(i.Then, v, extent), () => LaneByLane(i, v, extent));
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
        if (value is Select choice)
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

    private bool IsVector(Store s, Var v, long extent) =>
        _lanes.Width(s.Buffer, s.Indices, v, extent) > 1 || IsVector(s.Value, v, extent);

    private bool IsVector(Expr value, Var v, long extent) =>
        Unconditional(value).Any(l => _lanes.Width(l.Buffer, l.Indices, v, extent) > 1);

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
            var type = VectorType.Of(copy.Type, lanes);
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
            string to = statements.Access.Vector(s.Buffer, Indices(s.Indices, at), shape, isConst: false);
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
                $"const {shape.Name} {name} = {statements.Access.Vector(load.Buffer, indices(at), shape, isConst: true)};"
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
}
