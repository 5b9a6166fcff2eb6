using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// Loops around one store that moves a box of device memory to a whole slot of a ring in shared memory, as bulk copies: what lies
/// outside of the source is zero, which is also what the store says.
/// </summary>
internal sealed class BulkTile
{
    private readonly List<For> _loops = [];
    private readonly Simplifier _simplifier;
    private readonly CopyForm _form;

    /// <param name="stmt">The loops.</param>
    /// <param name="ranges">Of the variables around.</param>
    /// <exception cref="LoweringException">bulk-copy: it is no such copy.</exception>
    public BulkTile(Stmt stmt, IReadOnlyDictionary<Var, Interval> ranges)
    {
        var known = new Dictionary<Var, Interval>(ranges);
        while (stmt is For f)
        {
            if (f.ConstantExtent is not { } extent)
                throw Refuse($"the extent {f.Extent} of {f.Name} is not constant");
            known[f.Var] = new Interval(0, extent - 1);
            _loops.Add(f);
            stmt = f.Body;
        }
        if (stmt is not Store store)
            throw Refuse($"it is not loops around one store but\n{stmt}");
        _simplifier = new Simplifier(known);
        var (form, why) = CopyForm.Of(store.Buffer, store.Indices, _simplifier.Visit(store.Value));
        _form = form ?? throw Refuse(why!);
        RequireOnlyBounds();
    }

    public Buffer Ring => _form.To;

    /// <summary>Bytes that arrive, zeros included.</summary>
    public long Bytes => _loops.Aggregate(1L, (n, l) => n * l.ConstantExtent!.Value) * Ring.Type.Size();

    /// <summary>The copies into a slot of the ring, one for each panel.</summary>
    public Stmt Copies(Expr slot, Buffer barriers, Func<string, Var> fresh)
    {
        var (to, from) = (_form.To, _form.Source.Buffer);
        var toDims = new int[from.Rank];
        var box = new int[from.Rank];
        var source = new Expr[from.Rank];
        var place = Enumerable.Repeat((Expr)0, to.Rank).ToArray();
        place[0] = slot;
        var used = new HashSet<Var>();
        for (int d = 0; d < from.Rank; d++)
        {
            var (loop, rest) = Along(_form.Source.Indices[d]);
            source[d] = rest;
            box[d] = loop is null ? 1 : checked((int)loop.ConstantExtent!.Value);
            toDims[d] = -1;
            if (loop is null)
                continue;
            used.Add(loop.Var);
            toDims[d] = Enumerable
                .Range(1, to.Rank - 1)
                .Where(t => Along(_form.Place[t]).Loop == loop)
                .SingleOrDefault(-1);
            if (toDims[d] < 0)
                throw Refuse($"{loop.Name} does not run along one dimension of {to.Name}");
        }
        if (_loops.Any(l => !used.Contains(l.Var)))
            throw Refuse($"a loop of {string.Join(", ", _loops.Select(l => l.Name))} does not run along {from.Name}");
        RequireWhole(box, toDims);
        DeviceOp Copy(Expr column)
        {
            var tile = Enumerable.Repeat(1L, to.Rank).ToArray();
            for (int d = 0; d < box.Length; d++)
            {
                if (toDims[d] >= 0)
                    tile[toDims[d]] = box[d];
            }
            return DeviceOps.Copy(
                new DeviceOperand(to, [.. place[..^1], column], [.. tile]),
                new DeviceOperand(from, [.. source[..^1], source[^1] + column], [.. box.Select(n => (long)n)]),
                barriers,
                slot
            );
        }

        if (to.Panel is not { } panel)
            return Copy(0);
        long panels = box[^1] / panel;
        box[^1] = panel;
        var v = fresh("panel");
        return new For(v, panels, LoopKind.Unrolled, Copy(v * panel));
    }

    // The box is all of the slot, in its order.
    private void RequireWhole(int[] box, int[] toDims)
    {
        var to = Ring;
        var order = toDims.Where(d => d >= 0).ToList();
        if (toDims[^1] != to.Rank - 1 || !order.SequenceEqual(order.Order()))
            throw Refuse($"the order of dimensions changes from {_form.Source.Buffer.Name} to {to.Name}");
        for (int t = 1; t < to.Rank; t++)
        {
            int d = Array.IndexOf(toDims, t);
            long extent = ((IntImm)to.Shape[t]).Value;
            bool starts = Along(_form.Place[t]).Start.IsConst(0);
            if (!starts || extent != (d < 0 ? 1 : box[d]))
                throw Refuse($"it fills only a part of dimension {t} of {to}");
        }
        long slot = to.Shape.Skip(1).Aggregate((long)to.Type.Size(), (n, e) => n * ((IntImm)e).Value);
        long align = to.Swizzle?.Alignment ?? 128;
        if (slot % align != 0)
            throw Refuse($"a slot of {to.Name} has {slot} bytes, which is no multiple of {align}");
    }

    // The loop that moves an index by one, and the index without it.
    private (For? Loop, Expr Start) Along(Expr index)
    {
        var form = LinearForm.Of(_simplifier.Visit(index));
        var loops = _loops.Where(l => form.Terms.Any(t => t.Atom.Uses(l.Var))).ToList();
        if (loops.Count == 0)
            return (null, form.ToExpr());
        if (loops.Count > 1 || form.CoefficientOf(loops[0].Var) != 1)
            throw Refuse($"index {index} does not run along one loop, one element at a time");
        return (loops[0], (form - LinearForm.Of(loops[0].Var)).ToExpr());
    }

    // Conditions that say no more than that the element is inside of the source.
    private void RequireOnlyBounds()
    {
        var source = _form.Source;
        foreach (var condition in _form.Valid?.Conjuncts() ?? [])
        {
            bool isBound =
                condition is Binary { Kind: BinaryOp.Lt } lt
                && source
                    .Indices.Select((e, d) => (Index: _simplifier.Visit(e), Extent: source.Buffer.Shape[d]))
                    .Any(x => _simplifier.Visit(Op.Lt(x.Index, x.Extent)) == lt);
            if (!isBound)
                throw Refuse($"zeros where not {condition}, which is not an edge of {source.Buffer.Name}");
        }
        if (source.Indices.Any(i => _simplifier.RangeOf(i).Min < 0))
            throw Refuse($"an index of {source.Buffer.Name} may be negative");
    }

    private static LoweringException Refuse(string why) =>
        new("bulk-copy", $"a copy of a bulk pipeline cannot be one: {why}");
}
