using Picograd.Algorithms;
using Picograd.Lower.Cpu.Codegen;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu.Passes;

/// <summary>
/// Cuts vector loops to the machine's width: an extent of 40 becomes two unrolled vectors of 16 lanes and one with 8 of
/// its lanes on. Loops that vector instructions cannot express become serial. Loops that touch the same register buffer get as
/// many lanes, those of the one with the widest values.
/// </summary>
/// <param name="bits">Of a vector.</param>
/// <param name="limit">Vectors in all beyond which nothing could be compiled anyway (unroll-too-large).</param>
internal sealed class LegalizeVectors(int bits, int limit = CpuBackend.MaxStatements)
{
    private readonly Dictionary<For, int> _sizes = new(ReferenceEqualityComparer.Instance);
    private long _vectors;
    private HashSet<Var> _extents = [];

    public LoopNest Run(LoopNest nest)
    {
        _extents = [.. nest.Algorithm.Parameters.Select(p => p.Var)];
        Measure(nest.Body);
        return nest with { Body = Visit(nest.Body) };
    }

    // Bytes of a lane of each vector loop.
    private void Measure(Stmt body)
    {
        foreach (var f in body.Nodes().OfType<For>().Where(f => f.Kind == LoopKind.Vector))
            _sizes[f] = VectorAnalysis.ElementSize(f, _extents, bits);
        int least = int.MaxValue;
        int most = 0;
        foreach (int size in _sizes.Values)
        {
            if (size > 0)
                (least, most) = (Math.Min(least, size), Math.Max(most, size));
        }
        if (least >= most)
            return;
        var touched = new List<(For Loop, Buffer Buffer)>();
        foreach (var (f, size) in _sizes)
        {
            if (size == 0)
                continue;
            foreach (var access in BufferAccess.Below(f.Body))
            {
                if (access.Buffer.Scope == Scope.Register && access.Indices.Any(i => i.Uses(f.Var)))
                    touched.Add((f, access.Buffer));
            }
        }
        for (bool changed = true; changed; )
        {
            changed = false;
            foreach (var group in touched.GroupBy(t => t.Buffer))
            {
                int widest = group.Max(t => _sizes[t.Loop]);
                foreach (var (loop, _) in group)
                {
                    changed |= _sizes[loop] != widest;
                    _sizes[loop] = widest;
                }
            }
        }
    }

    private Stmt Visit(Stmt stmt)
    {
        if (stmt is not For { Kind: LoopKind.Vector } f)
            return stmt.WithChildren(Visit);
        if (f.ConstantExtent is not { } extent)
            throw new LoweringException("vector-symbolic", $"vector loop {f.Name} has the extent {f.Extent}");
        int size = _sizes[f];
        if (size == 0)
            return Trimmed(f with { Kind = LoopKind.Serial, Body = Visit(f.Body) }, extent);
        long lanes = bits / 8 / size;
        if (extent <= lanes)
            return f with { LaneBytes = size };
        long full = extent / lanes;
        long rest = extent % lanes;
        _vectors += full;
        if (_vectors > limit)
            throw new LoweringException(
                "unroll-too-large",
                $"vector loop {f.Name} has the extent {extent}: more than {limit} vectors in all"
            );
        var parts = new List<Stmt>();
        for (long i = 0; i < full; i++)
            parts.Add(IfAny(f, i * lanes, Chunk(f, i * lanes, lanes, size)));
        if (rest > 0)
            parts.Add(IfAny(f, full * lanes, Chunk(f, full * lanes, rest, size)));
        return Seq.Of(parts);
    }

    // A serial loop ends where a symbolic extent does instead of testing for it in every iteration.
    private For Trimmed(For f, long extent)
    {
        if (
            _extents.Count == 0
            || f.Body is not If { Else: null, Cond: Binary { Kind: BinaryOp.Lt } compare } body
            || compare.A.Type != DTypes.Index
            || compare.Loads().Any()
        )
            return f;
        var form = LinearForm.Of(compare.A) - LinearForm.Of(compare.B);
        if (
            form.CoefficientOf(f.Var) != 1
            || form.Terms.Any(t => !ReferenceEquals(t.Atom, f.Var) && t.Atom.Uses(f.Var))
        )
            return f;
        var (_, others) = form.Partition(a => ReferenceEquals(a, f.Var));
        return f with { Extent = Op.Min(extent, (LinearForm.Of(0) - others).ToExpr()), Body = body.Then };
    }

    // What is left of a symbolic extent fills some of the vectors: those without a lane are passed over.
    private Stmt IfAny(For f, long start, For chunk)
    {
        if (
            start == 0
            || _extents.Count == 0
            || f.Body is not If { Else: null } body
            || body.Cond is not Binary { Kind: BinaryOp.Lt or BinaryOp.Le } compare
            || compare.A.Type != DTypes.Index
            || compare.Loads().Any()
        )
            return chunk;
        var form = LinearForm.Of(compare.A) - LinearForm.Of(compare.B);
        bool ascends =
            form.CoefficientOf(f.Var) > 0
            && !form.Terms.Any(t => !ReferenceEquals(t.Atom, f.Var) && t.Atom.Uses(f.Var));
        return ascends ? new If(compare.Substitute(new Dictionary<Var, Expr> { [f.Var] = start }), chunk) : chunk;
    }

    private For Chunk(For f, long start, long count, int size)
    {
        var var = start == 0 ? f.Var : new Var(f.Var.Name);
        var body = start == 0 ? f.Body : f.Body.Substitute(new Dictionary<Var, Expr> { [f.Var] = var + start });
        var chunk = new For(var, count, LoopKind.Vector, body) { LaneBytes = size };
        // What is affine from 0 on need not be from elsewhere.
        return start == 0 || VectorAnalysis.ElementSize(chunk, _extents, bits) > 0
            ? chunk
            : chunk with
            {
                Kind = LoopKind.Serial,
            };
    }
}
