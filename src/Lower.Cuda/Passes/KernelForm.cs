using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// The executable specification of kernel form, the nest that the emitter takes (docs/cuda.md):
/// <code>
/// program ::= (allocate heap:)* kernel*
/// kernel  ::= (for var block.x|y|z:)* (for var cluster:)? (allocate shared:)* for tid in 0..T thread.x: stmt
/// stmt    ::= serial / unrolled / vector loops, if, stores, allocate register, barrier, lane-reduce, device-op,
///             collective calls; no other GPU loop
/// </code>
/// </summary>
public static class KernelForm
{
    /// <summary>Thread loops of the kernels, in program order.</summary>
    public static ImmutableArray<For> ThreadLoops(LoopNest nest)
    {
        var found = ImmutableArray.CreateBuilder<For>();
        Kernels.Map(
            nest.Body,
            (kernel, _) =>
            {
                found.Add(Kernels.ThreadLoop(kernel));
                return kernel;
            }
        );
        return found.ToImmutable();
    }

    /// <summary>The nest itself, if it is kernel form and within the GPU's limits.</summary>
    /// <exception cref="LoweringException">
    /// kernel-form (a pass's mistake), no-gpu-loop, too-many-threads, shared-too-large, shared-not-constant, no-clusters.
    /// </exception>
    public static LoopNest Checked(LoopNest nest, GpuInfo gpu)
    {
        NestVerifier.CheckScopes(nest);
        if (!nest.Intermediates.IsEmpty)
            throw Wrong($"{nest.Intermediates[0].Name} has no place");
        Kernels.Map(
            nest.Body,
            (kernel, _) =>
            {
                CheckKernel(kernel);
                return kernel;
            }
        );
        // Refuses what has no place in shared memory.
        foreach (var kernel in ParsedKernel.Parse(nest).Kernels)
        {
            kernel.RequireClusters(gpu);
            _ = new SharedLayout(kernel, gpu);
        }
        return nest;
    }

    private static void CheckKernel(Stmt kernel)
    {
        var stmt = kernel;
        var blocks = new HashSet<LoopKind>();
        while (stmt is For { Kind: >= LoopKind.BlockX and <= LoopKind.Cluster } block)
        {
            if (!blocks.Add(block.Kind))
                throw Wrong($"loop {block.Name} is one more {block.Kind.Text()}");
            if (block.Kind != LoopKind.Cluster && blocks.Contains(LoopKind.Cluster))
                throw Wrong($"loop {block.Name} is {block.Kind.Text()} inside a loop of kind cluster");
            stmt = block.Body;
        }
        while (stmt is Allocate { Buffer.Scope: Scope.Shared } a)
            stmt = a.Body;
        if (stmt is not For { Kind: LoopKind.ThreadX } threads)
            throw Wrong($"inside the block loops and shared memory lies no loop thread.x but\n{stmt}");
        if (threads.ConstantExtent is not (>= 1 and <= GpuInfo.MaxThreadsPerBlock))
            throw new LoweringException(
                "too-many-threads",
                $"a block of {threads.Extent} threads; 1 to {GpuInfo.MaxThreadsPerBlock} are possible"
            );
        CheckBody(threads.Body, inVector: false);
        CheckExecutors(threads, threads.Body, one: threads.ConstantExtent == 1);
    }

    // Whether those come that an instruction wants: one thread, or whole warpgroups.
    private static void CheckExecutors(For threads, Stmt stmt, bool one)
    {
        if (stmt is DeviceOp { Instruction: var instruction })
        {
            if (instruction.Executor == Executor.OneThread && !one)
                throw Wrong($"{instruction} is for one thread, and no condition around it picks one");
            if (instruction.Executor == Executor.Warpgroup && threads.ConstantExtent % ThreadSpace.GroupSize != 0)
                throw Wrong($"{instruction} is for whole warpgroups in a block of {threads.Extent} threads");
        }
        if (stmt is If i && i.Cond.Conjuncts().Any(c => c is Binary { Kind: BinaryOp.Eq } && c.Uses(threads.Var)))
        {
            CheckExecutors(threads, i.Then, one: true);
            if (i.Else is not null)
                CheckExecutors(threads, i.Else, one);
            return;
        }
        foreach (var child in stmt.Children())
            CheckExecutors(threads, child, one);
    }

    private static void CheckBody(Stmt stmt, bool inVector)
    {
        switch (stmt)
        {
            case For { Kind: LoopKind.Serial or LoopKind.Unrolled }:
                break;
            case For { Kind: LoopKind.Vector } f:
                if (inVector || f.ConstantExtent is null)
                    throw Wrong($"vector loop {f.Name} inside another, or of no constant extent");
                inVector = true;
                break;
            case For f:
                throw Wrong($"loop {f.Name} is {f.Kind.Text()} inside the thread loop");
            case Allocate a when a.Buffer.Scope is not (Scope.Register or Scope.Fragment):
                throw Wrong($"{a.Buffer.Name} ({a.Buffer.Scope.ToString().ToLowerInvariant()}) inside the thread loop");
            case Allocate a when a.Buffer.ConstantSize() is null:
                throw new LoweringException(
                    "register-index",
                    $"{a.Buffer} is in registers and its shape is not constant; split the loops around its uses by constants"
                );
            case LaneReduce r:
                if (!int.IsPow2(r.Width) || !int.IsPow2(r.Stride) || r.Width * r.Stride > GpuInfo.WarpSize)
                    throw Wrong($"{r.Width} lanes, {r.Stride} apart, are not a part of a warp");
                break;
            case Async a:
                throw Wrong($"asynchronous copies of kind {a.Kind} that are not lowered");
            case Block b:
                throw Wrong($"block {b.Name} is not lowered");
            case Barrier or DeviceOp or Call when inVector:
                throw Wrong($"{stmt.GetType().Name} inside a vector loop");
            default:
                break;
        }
        foreach (var child in stmt.Children())
            CheckBody(child, inVector);
    }

    private static LoweringException Wrong(string what) => new("kernel-form", $"not kernel form: {what}");
}
