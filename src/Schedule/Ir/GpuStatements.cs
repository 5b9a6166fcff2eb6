using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules.Ir;

/// <summary>How an asynchronous copy is made and waited for.</summary>
public enum AsyncKind
{
    /// <summary>cp.async: each thread copies 4, 8 or 16 bytes a time and waits for its own groups.</summary>
    CopyAsync,

    /// <summary>Bulk tensor copies: one thread starts the copy of a tile, and a barrier in shared memory counts its bytes.</summary>
    Bulk,
}

/// <summary>
/// The stores of Body, each from global or heap to shared memory, are only begun: what they write may be read after a
/// <see cref="DeviceOps.WaitCopies"/> for their group (and a barrier, by other threads). In the schedule's meaning they happen
/// at once; the interpreter faults on a read of an element that was not waited for.
/// </summary>
public sealed record Async(AsyncKind Kind, Stmt Body) : Stmt;

/// <summary>
/// Only in kernel form. All lanes of a warp arrive; lanes whose numbers differ only in the bits Stride, 2·Stride, …,
/// Width·Stride/2 combine their values of Outputs[Indices] with the reducer, and each of them gets the result. Width is
/// the number of lanes that combine: a power of two, Width·Stride ≤ 32. Combined as a butterfly, nearest lanes first, with
/// the lower lane's value on the left, so that all lanes get the same bits.
/// </summary>
public sealed record LaneReduce(
    ImmutableArray<Buffer> Outputs,
    ImmutableArray<Expr> Indices,
    Reducer Reducer,
    int Width,
    int Stride = 1
) : Stmt;
