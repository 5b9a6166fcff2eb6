using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;

namespace Picograd.Tests.Codegen;

/// <summary>
/// Kernel form of any algorithm, without a schedule: a kernel a stage, a thread an element of its independent axes, reductions
/// and scatters serial in the thread. What the emitter must be able to write of every operator.
/// </summary>
internal static class NaiveKernels
{
    /// <param name="algorithm">With constant extents.</param>
    /// <param name="threads">Of a block.</param>
    public static LoopNest Of(Algorithm algorithm, int threads = 128)
    {
        var nest = InitialNest.Of(algorithm);
        var roots = nest.Body is Seq q ? q.Items : [nest.Body];
        nest = nest with { Body = Seq.Of(roots.Select((r, i) => Kernel(r, i, threads))) };
        return LowerBlocks.Run(nest);
    }

    private static Stmt Kernel(Stmt root, int number, int threads)
    {
        var block = root.Nodes().OfType<Block>().Single();
        var spatial = block.SpatialAxes.Select(a => a.Binding).OfType<Var>().ToHashSet();
        var loops = root.Nodes().OfType<For>().ToList();
        // What is outside of a serial loop stays outside: a scan runs along its axis for each of the others.
        var parallel = loops.Where(l => spatial.Contains(l.Var)).ToList();
        Stmt body = block;
        foreach (var loop in Enumerable.Reverse(loops).Except(parallel))
            body = loop with { Body = body };
        var (b, t) = (new Var($"block{number}"), new Var($"thread{number}"));
        long count = parallel.Aggregate(1L, (n, l) => n * l.ConstantExtent!.Value);
        Expr index = b * threads + t;
        var values = new Dictionary<Var, Expr>();
        long stride = 1;
        foreach (var loop in Enumerable.Reverse(parallel))
        {
            long extent = loop.ConstantExtent!.Value;
            values[loop.Var] = extent == 0 ? 0 : index / stride % extent;
            stride *= extent;
        }
        body = body.Substitute(values);
        if (count % threads != 0)
            body = new If(index < count, body);
        return new For(
            b,
            (count + threads - 1) / threads,
            LoopKind.BlockX,
            new For(t, threads, LoopKind.ThreadX, body)
        );
    }
}
