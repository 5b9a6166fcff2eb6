using Picograd.Schedules.Ir;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Schedules.Interpret;

/// <summary>What the interpreter watches for.</summary>
[Flags]
public enum Sanitizers
{
    None = 0,

    /// <summary>
    /// Indices outside of a buffer and block axes outside of their extent. When off, loads from outside give 0 and
    /// stores to outside are dropped.
    /// </summary>
    Bounds = 1,

    /// <summary>
    /// Reads of elements never written or whose asynchronous copy was not waited for, outputs left incomplete. When off,
    /// such reads give NaN or −1, or what is copied.
    /// </summary>
    Unwritten = 2,

    /// <summary>Conflicting accesses by iterations that may run at the same time.</summary>
    Race = 4,

    /// <summary>Barriers that not all threads of their scope reach.</summary>
    Barrier = 8,
    All = Bounds | Unwritten | Race | Barrier,
}

/// <param name="Sanitizers">All unless said otherwise.</param>
/// <param name="Seed">
/// Order of the iterations of concurrent loops: null runs them in ascending order, a number in an order drawn from it.
/// </param>
/// <param name="ThreadLoopsJoin">
/// Whether all threads of a thread loop meet at its end, as if a barrier followed: so in a schedule, where a sequence is
/// in order whatever it contains. Not so in a lowered GPU program, in which only barriers order the threads of a block.
/// </param>
public sealed record InterpreterOptions(
    Sanitizers Sanitizers = Sanitizers.All,
    int? Seed = null,
    bool ThreadLoopsJoin = false
)
{
    public static InterpreterOptions Default { get; } = new();
}
