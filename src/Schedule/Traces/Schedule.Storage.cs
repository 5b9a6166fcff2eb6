namespace Picograd.Schedules;

// Storage primitives by method; each adds one step to the trace.
public sealed partial class Schedule
{
    public void ComputeInline(string block) => Apply(Step.Of("compute_inline", block));

    /// <param name="buffer">An intermediate.</param>
    /// <param name="map">For instance "m,k->m/14,k,m%14".</param>
    /// <param name="pad">Grow dimensions that a divisor does not divide.</param>
    /// <returns>The loops of the producing block over the physical dimensions; empty where it keeps its own.</returns>
    public IReadOnlyList<string> TransformLayout(string buffer, string map, bool pad = false) =>
        Apply(Step.Of("transform_layout", buffer, map).With("pad", pad ? "zero" : null));
}
