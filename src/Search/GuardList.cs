using Picograd.Algorithms;
using Picograd.Schedules;

namespace Picograd.Search;

/// <summary>
/// What a compiled kernel of an algorithm assumes of its arguments beyond what the record's key says (shapes, types,
/// layouts): dispatch tests it, and falls back where it does not hold.
/// </summary>
public static class GuardList
{
    /// <summary>
    /// One clause each: <c>align(A,4)</c>: the address is a multiple of so many bytes; <c>disjoint(C)</c>: this output
    /// shares no byte with another argument, since schedules reorder loads and stores; <c>range(n,1,256)</c>: bounds of
    /// a symbolic extent.
    /// </summary>
    public static IReadOnlyList<string> Of(Algorithm algorithm, TargetInfo target) =>
        [
            .. algorithm.Arguments.Select(a => $"align({a.Name},{target.AlignmentOf(a.Type)})"),
            .. algorithm.Outputs.Select(o => $"disjoint({o.Name})"),
            .. algorithm.Parameters.Select(p => FormattableString.Invariant($"range({p.Name},{p.Min},{p.Max})")),
        ];
}
