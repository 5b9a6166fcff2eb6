using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules;

// Placement, caching and reduction primitives by method; each adds one step to the trace.
public sealed partial class Schedule
{
    /// <returns>The new loops, in the order of the block's axes.</returns>
    public IReadOnlyList<string> ComputeAt(string block, string loop) => Apply(Step.Of("compute_at", block, loop));

    /// <returns>The new loops, in the order of the block's axes.</returns>
    public IReadOnlyList<string> ReverseComputeAt(string block, string loop) =>
        Apply(Step.Of("reverse_compute_at", block, loop));

    public void StoreAt(string buffer, string loop) => Apply(Step.Of("store_at", buffer, loop));

    /// <returns>The buffer made, and the block that fills it.</returns>
    public (string Cache, string Copy) CacheRead(
        string buffer,
        string block,
        Scope scope,
        IReadOnlyCollection<string>? also = null,
        DType? type = null
    )
    {
        string? others = also is { Count: > 0 } ? string.Join(',', also) : null;
        var made = Apply(
            Step.Of("cache_read", buffer, block, scope.Text()).With("also", others).With("as", type?.Name())
        );
        return (made[0], made[1]);
    }

    /// <returns>The buffer made (of a tuple-valued block, the first), and the block that copies it out.</returns>
    public (string Cache, string Copy) CacheWrite(string buffer, Scope scope)
    {
        var made = Apply(Step.Of("cache_write", buffer, scope.Text()));
        return (made[0], made[^1]);
    }

    public void SetScope(string buffer, Scope scope) => Apply(Step.Of("set_scope", buffer, scope.Text()));

    /// <returns>The block of partial results; also the name of its buffer, where it has one only.</returns>
    /// <param name="at">Where partial results are taken together; null: as far out as possible.</param>
    public string Rfactor(string block, string loop, string? at = null) =>
        Apply(Step.Of("rfactor", block, loop).With("at", at))[0];

    /// <returns>The block that sets the initial value.</returns>
    public string DecomposeReduction(string block, string loop) =>
        Apply(Step.Of("decompose_reduction", block, loop))[0];

    /// <returns>The blocks of the maximum before, of what is subtracted, of the factor, and of each sum's rescaling.</returns>
    public IReadOnlyList<string> OnlineSoftmax(string max, string loop, params string[] sums) =>
        OnlineSoftmax(max, loop, skip: false, sums);

    /// <param name="skip">Whether the loop ends after the last keys that the mask of the scores lets a row see.</param>
    /// <inheritdoc cref="OnlineSoftmax(string, string, string[])"/>
    public IReadOnlyList<string> OnlineSoftmax(string max, string loop, bool skip, params string[] sums) =>
        Apply(Step.Of("online_softmax", [max, loop, .. sums]).With("skip", skip ? "1" : null));
}
