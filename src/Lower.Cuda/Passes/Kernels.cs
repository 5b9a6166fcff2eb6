using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>The kernels of a program: its outermost GPU loops, one after the other, in workspace that outlives them.</summary>
internal static class Kernels
{
    /// <summary>Rewrites each kernel, numbered in program order.</summary>
    /// <exception cref="LoweringException">no-gpu-loop: a statement that is not in any.</exception>
    public static Stmt Map(Stmt program, Func<For, int, Stmt> lower)
    {
        int next = 0;
        return Visit(program);

        Stmt Visit(Stmt stmt) =>
            stmt switch
            {
                For f when f.Kind.IsGpu() => lower(f, next++),
                Seq => stmt.WithChildren(Visit),
                Allocate { Buffer.Scope: Scope.Heap or Scope.Global } => stmt.WithChildren(Visit),
                _ => throw new LoweringException(
                    "no-gpu-loop",
                    $"{Describe(stmt)} is not inside a GPU loop; bind a loop around every block to block.x or thread.x"
                ),
            };
    }

    /// <summary>Inside the block loops and shared memory of a kernel in kernel form: the thread loop.</summary>
    public static For ThreadLoop(Stmt kernel)
    {
        while (true)
        {
            switch (kernel)
            {
                case For { Kind: LoopKind.ThreadX } threads:
                    return threads;
                case For f:
                    kernel = f.Body;
                    break;
                case Allocate a:
                    kernel = a.Body;
                    break;
                default:
                    throw new InvalidOperationException($"not a kernel:\n{kernel}");
            }
        }
    }

    /// <summary>Rewrites the body of each kernel's thread loop, given the loops around the body.</summary>
    public static LoopNest MapBodies(LoopNest nest, Func<For, IReadOnlyList<For>, Stmt> rewrite) =>
        nest with
        {
            Body = Map(
                nest.Body,
                (kernel, _) =>
                {
                    var threads = ThreadLoop(kernel);
                    IReadOnlyList<For> loops = [.. kernel.PathTo(threads)!.Value.OfType<For>()];
                    return kernel.Replace(threads, threads with { Body = rewrite(threads, loops) });
                }
            ),
        };

    private static string Describe(Stmt stmt) =>
        stmt switch
        {
            For f => $"loop {f.Name} ({f.Kind.Text()})",
            Block b => $"block {b.Name}",
            Store s => $"a store to {s.Buffer.Name}",
            Allocate a => $"{a.Buffer.Name} ({a.Buffer.Scope.ToString().ToLowerInvariant()} memory)",
            If i => $"the condition {i.Cond}",
            _ => $"a statement ({stmt.GetType().Name})",
        };
}
