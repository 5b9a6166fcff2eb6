using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Intrinsics;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// Warpgroup matrix instructions run on their own after they are begun. The largest statements that are nothing but such
/// instructions become groups: a fence before, a commit and a wait behind, so that accumulators and operands are free
/// again for what follows. Ordinary writes to operands in shared memory, and the waits for copies to them, get a fence to
/// the asynchronous proxy behind them; insert-barriers then puts the barrier after it. Expects the one thread loop.
/// </summary>
internal static class WgmmaGroups
{
    public static LoopNest Run(LoopNest nest) =>
        Kernels.MapBodies(
            nest,
            (threads, _) =>
            {
                var operands = threads
                    .Body.Nodes()
                    .OfType<Call>()
                    .Where(c => WarpgroupMatmuls.Is(c.Intrinsic))
                    .SelectMany(c => c.Buffers.Skip(1))
                    .ToHashSet();
                return operands.Count == 0 ? threads.Body : Fenced(Grouped(threads.Body), operands);
            }
        );

    private static Stmt Grouped(Stmt stmt)
    {
        if (OnlyMatmuls(stmt))
            return Seq.Of(
                DeviceOps.FenceProducts.Of(),
                stmt,
                DeviceOps.CommitProducts.Of(),
                DeviceOps.WaitProducts.Of(0)
            );
        if (stmt is not Seq q)
            return stmt.WithChildren(Grouped);
        var items = new List<Stmt>();
        for (int i = 0; i < q.Items.Length; i++)
        {
            int end = i;
            while (end < q.Items.Length && OnlyMatmuls(q.Items[end]))
                end++;
            items.Add(Grouped(end > i ? Seq.Of(q.Items[i..end]) : q.Items[i]));
            i = Math.Max(i, end - 1);
        }
        return Seq.Of(items);
    }

    internal static bool OnlyMatmuls(Stmt stmt) =>
        stmt.Nodes().Any(s => s is Call)
        && stmt.Nodes().All(s => s is For or Seq or If || (s is Call c && WarpgroupMatmuls.Is(c.Intrinsic)));

    private static Stmt Fenced(Stmt stmt, HashSet<Buffer> operands)
    {
        bool copies = stmt.Nodes().Any(s => s is DeviceOp { Queue: DeviceQueue.Copies } d && operands.Any(d.Writes));
        return Fences(stmt, operands, copies);
    }

    private static Stmt Fences(Stmt stmt, HashSet<Buffer> operands, bool copies)
    {
        if (stmt is DeviceOp { Queue: DeviceQueue.Copies, Step: QueueStep.Wait })
            return copies ? Seq.Of(stmt, DeviceOps.FenceProxy.Of()) : stmt;
        bool writes = stmt.Nodes()
            .Any(s => s is Store or StoreAll && BufferAccess.Own(s).Any(a => a.IsWrite && operands.Contains(a.Buffer)));
        if (writes && !stmt.Nodes().Any(s => s is DeviceOp { Step: QueueStep.Wait } or Allocate))
            return Seq.Of(stmt, DeviceOps.FenceProxy.Of());
        return stmt.WithChildren(c => Fences(c, operands, copies));
    }
}
