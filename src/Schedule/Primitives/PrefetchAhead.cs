using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>prefetch buffer loop distance</c>: each iteration of the loop first asks the cache for what the iteration so many
/// later will read of the buffer.
/// </summary>
public sealed class PrefetchAhead : Primitive
{
    // Further ahead than this a line is gone from any first-level cache before it is used.
    private const int MaxDistance = 4096;

    public override string Name => "prefetch";

    public override string Usage => "prefetch buffer loop distance";

    public override string Requirements =>
        """
            The buffer is an argument or an intermediate that lives outside of all loops around, not in registers. A block
            below the loop reads it at an index that moves with the loop and is not itself read from a buffer. distance is
            1 to 4096 iterations. The address is that of the first iteration of the loops below, clamped to the buffer. No
            vector loop lies around, and the loop is none itself.
            """;

    public override PrimitiveExample Example =>
        new(
            "matmul",
            "prefetch B C.k 4",
            """
            for C.m in 0..6:
              for C.n in 0..8:
                for C.k in 0..10:
                  prefetch B[min(C.k + 4, 9), C.n]
                  block C(m = C.m, n = C.n, k:reduce = C.k):
                    C[m, n] sum= A[m, k] * B[k, n]
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        ArgCount(nest, step, 3, 3);
        var buffer = nest.Buffer(Arg(nest, step, 0));
        var loop = nest.Loop(Arg(nest, step, 1));
        long distance = IntArg(nest, step, 2, 1, MaxDistance);
        var around = nest.LoopsAround(loop);
        CheckPlace(nest, loop, around, buffer);
        var simplifier = new Simplifier(nest.Ranges(around.Add(loop)));
        var values = loop.Body.Nodes().OfType<For>().ToDictionary(l => l.Var, _ => (Expr)0);
        values[loop.Var] = loop.Var + distance;
        var places = new List<ImmutableArray<Expr>>();
        bool read = false;
        foreach (var access in Dependence.Accesses(loop.Body).Where(a => !a.IsWrite && a.Buffer == buffer))
        {
            read = true;
            if (!access.Indices.Any(i => i.Uses(loop.Var)))
                continue;
            if (access.Indices.Any(i => i.Loads().Any()))
                throw Refuse(
                    nest,
                    access.Statement,
                    $"the index at which {buffer.Name} is read is itself read from a buffer",
                    "buffers read at computed indices"
                );
            ImmutableArray<Expr> place =
            [
                .. access.Indices.Select((i, d) => Clamp(simplifier, i.Substitute(values), buffer.Shape[d])),
            ];
            if (!places.Any(p => p.SequenceEqual(place)))
                places.Add(place);
        }
        if (places.Count == 0)
            throw Refuse(
                nest,
                loop,
                read
                    ? $"what is read of {buffer.Name} does not move with {loop.Name}"
                    : $"nothing below {loop.Name} reads {buffer.Name}",
                $"a buffer read below {loop.Name} at an index that uses it"
            );
        var body = Seq.Of(places.Select(p => (Stmt)new Prefetch(buffer, p)).Append(loop.Body));
        return (nest.Replace(loop, loop with { Body = body }), []);
    }

    private void CheckPlace(LoopNest nest, For loop, ImmutableArray<For> around, Algorithms.Buffer buffer)
    {
        if (buffer.Scope is Scope.Register or Scope.Fragment)
            throw Refuse(nest, loop, $"{buffer.Name} lives in registers", "buffers in memory");
        if (around.Add(loop).FirstOrDefault(l => l.Kind == LoopKind.Vector) is { } lanes)
            throw Refuse(
                nest,
                lanes,
                $"{lanes.Name} is a vector loop",
                "loops that are not vector loops, nor below one"
            );
        var root = around.IsEmpty ? loop : around[0];
        if (Dependence.IsPrivate(nest, root, buffer, LoopKind.Serial))
            throw Refuse(
                nest,
                loop,
                $"{buffer.Name} lives within {root.Name}: later iterations have not made it yet",
                "arguments, and intermediates that live outside of all loops around"
            );
    }

    // Out of range is only a wasted prefetch on a CPU, but a nest's indices are always within their buffer.
    private static Expr Clamp(Simplifier simplifier, Expr index, Expr extent)
    {
        var clamped = simplifier.Visit(Op.Min(index, extent - 1));
        return simplifier.Visit(Op.Max(clamped, 0));
    }
}
