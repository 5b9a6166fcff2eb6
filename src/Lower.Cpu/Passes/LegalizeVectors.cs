using Picograd.Algorithms;
using Picograd.Schedules;

namespace Picograd.Lower.Cpu;

/// <summary>
/// Cuts vector loops to the machine's width: an extent of 40 becomes two unrolled vectors of 16 lanes and one with 8 of
/// its lanes on. Loops that vector instructions cannot express become serial.
/// </summary>
/// <param name="bits">Of a vector.</param>
/// <param name="limit">Vectors in all beyond which nothing could be compiled anyway (unroll-too-large).</param>
internal sealed class LegalizeVectors(int bits, int limit = CpuBackend.MaxStatements)
{
    private long _vectors;

    public LoopNest Run(LoopNest nest) => nest with { Body = Visit(nest.Body) };

    private Stmt Visit(Stmt stmt)
    {
        if (stmt is not For { Kind: LoopKind.Vector } f)
            return stmt.WithChildren(Visit);
        if (f.ConstantExtent is not { } extent)
            throw new LoweringException("vector-symbolic", $"vector loop {f.Name} has the extent {f.Extent}");
        int size = VectorAnalysis.ElementSize(f);
        if (size == 0)
            return f with { Kind = LoopKind.Serial, Body = Visit(f.Body) };
        long lanes = bits / 8 / size;
        if (extent <= lanes)
            return f;
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
            parts.Add(Chunk(f, i * lanes, lanes));
        if (rest > 0)
            parts.Add(Chunk(f, full * lanes, rest));
        return Seq.Of(parts);
    }

    private static For Chunk(For f, long start, long count)
    {
        var var = start == 0 ? f.Var : new Var(f.Var.Name);
        var body = start == 0 ? f.Body : f.Body.Substitute(new Dictionary<Var, Expr> { [f.Var] = var + start });
        var chunk = new For(var, count, LoopKind.Vector, body);
        // What is affine from 0 on need not be from elsewhere.
        return start == 0 || VectorAnalysis.ElementSize(chunk) > 0 ? chunk : chunk with { Kind = LoopKind.Serial };
    }
}
