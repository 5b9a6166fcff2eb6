using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules;

// Statements of Hopper GPUs, only in kernel form: passes make them (wgmma-groups, specialise-warps).

/// <summary>
/// What a thread wrote to shared memory by ordinary stores and cp.async becomes visible to the asynchronous proxy, that is to
/// warpgroup matrix instructions and bulk copies that begin after a following barrier (fence.proxy.async).
/// </summary>
public sealed record ProxyFence : Stmt;

/// <summary>The steps between which warpgroup matrix instructions run on their own.</summary>
public enum WarpgroupStep
{
    /// <summary>Accumulators that the warpgroup wrote are ready for the next instructions (wgmma.fence).</summary>
    Fence,

    /// <summary>The instructions begun since the last commit become a group.</summary>
    Commit,

    /// <summary>At most Pending groups are still under way; the accumulators of the others may be used, their operands written.</summary>
    Wait,
}

/// <summary>All threads of a warpgroup do it together.</summary>
public sealed record WarpgroupSync(WarpgroupStep Step, int Pending = 0) : Stmt;

/// <summary>What is done to a barrier in shared memory.</summary>
public enum MBarrierStep
{
    /// <summary>One thread, before any other use: its phases take Value arrivals.</summary>
    Init,

    /// <summary>After the last Init, by the thread that made them; a barrier of the block follows.</summary>
    FenceInit,

    /// <summary>One arrival.</summary>
    Arrive,

    /// <summary>One arrival, and the phase also takes Value bytes of bulk copies.</summary>
    Expect,

    /// <summary>Waits until the phase whose number has the parity Value (0 or 1) is complete.</summary>
    Wait,
}

/// <summary>
/// A step at element Index of a buffer of barriers (eight bytes each: int64, shared). Phases are numbered from 0: a phase is complete when all its
/// arrivals and bytes have come, and the next begins. A wait for parity 1 on a new barrier returns at once.
/// </summary>
public sealed record MBarrier(MBarrierStep Step, Buffer Barriers, Expr Index, Expr? Value = null) : Stmt;

/// <summary>
/// One thread begins the copy of a box from global or heap memory to shared memory: element e of the box, From[Source + e], goes to
/// To[Place + e] along the dimensions that ToDims gives; elements outside of From become zero. Its bytes arrive at Barriers[Barrier].
/// </summary>
/// <param name="Box">Elements along each dimension of From, 1 to 256.</param>
/// <param name="ToDims">The dimension of To along which each dimension of From runs; −1 where the box has one element.</param>
public sealed record BulkCopy(
    Buffer To,
    ImmutableArray<Expr> Place,
    Buffer From,
    ImmutableArray<Expr> Source,
    ImmutableArray<int> Box,
    ImmutableArray<int> ToDims,
    Buffer Barriers,
    Expr Barrier
) : Stmt;

/// <summary>
/// All threads of a warpgroup: each gives back registers down to a number, or waits for others to have done so and takes more
/// (setmaxnreg); a multiple of 8 from 24 to 240.
/// </summary>
public sealed record RegisterLimit(int Registers, bool Raise) : Stmt;
