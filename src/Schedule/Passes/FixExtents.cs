using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Passes;

/// <summary>
/// A nest over symbolic extents becomes that of one shape: extents are constants, what they decide is folded. After the passes
/// that order sums, so that the result has the bits of the kernel for all shapes. Expects plain statements (after BlockSums).
/// </summary>
public static class FixExtents
{
    /// <param name="nest">The nest, its buffers placed and its blocks lowered.</param>
    /// <param name="extents">Values of the algorithm's parameters, in order.</param>
    /// <exception cref="ArgumentException">Not one value each, or one out of its parameter's range.</exception>
    public static LoopNest Run(LoopNest nest, IReadOnlyList<long> extents)
    {
        var (algorithm, arguments) = nest.Algorithm.WithExtents(extents);
        var values = new Dictionary<Var, Expr>();
        for (int i = 0; i < extents.Count; i++)
            values[nest.Algorithm.Parameters[i].Var] = extents[i];
        var body = new Rewriter(values, arguments).Visit(nest.Body);
        // Conditions, loops of one iteration and the last parts that are not there.
        return TrimLoops.Run(LowerBlocks.Run(nest with { Algorithm = algorithm, Body = body }));
    }

    private sealed class Rewriter(IReadOnlyDictionary<Var, Expr> values, IReadOnlyDictionary<Buffer, Buffer> arguments)
    {
        private readonly Dictionary<Buffer, Buffer> _buffers = new(arguments);
        private readonly LoopRanges _ranges = new([]);

        public Stmt Visit(Stmt stmt) =>
            stmt switch
            {
                For f => Visit(f),
                If i => new If(Fixed(i.Cond), Visit(i.Then), i.Else is null ? null : Visit(i.Else)),
                Allocate a => a with { Buffer = Sized(a.Buffer), Body = Visit(a.Body) },
                Store s => Fixed(s),
                StoreAll all => new StoreAll([.. all.Stores.Select(Fixed)]),
                Prefetch p => new Prefetch(Sized(p.Buffer), [.. p.Indices.Select(Fixed)]),
                Seq q => Seq.Of(q.Items.Select(Visit)),
                _ => throw new NotSupportedException($"fix-extents does not know {stmt.GetType().Name}"),
            };

        private For Visit(For f)
        {
            var extent = Fixed(f.Extent);
            _ranges.Enter(f.Var, extent);
            var body = Visit(f.Body);
            _ranges.Leave(f.Var);
            return f with { Extent = extent, Body = body };
        }

        private Store Fixed(Store s) => new(Sized(s.Buffer), [.. s.Indices.Select(Fixed)], Fixed(s.Value));

        private Expr Fixed(Expr e) =>
            Simplifier.Simplify(
                e.Map(node =>
                    node switch
                    {
                        Var v => values.GetValueOrDefault(v),
                        Load l => new Load(Sized(l.Buffer), [.. l.Indices.Select(Fixed)]),
                        _ => null,
                    }
                ),
                _ranges
            );

        private Buffer Sized(Buffer buffer)
        {
            if (!_buffers.TryGetValue(buffer, out var sized))
            {
                bool same = buffer.Shape.All(e => e is IntImm);
                _buffers[buffer] = sized = same ? buffer : buffer.With(shape: [.. buffer.Shape.Select(Fixed)]);
            }
            return sized;
        }
    }
}
