using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>Winners of an operator that were tuned on a GPU of another architecture.</summary>
internal static class OtherTargets
{
    /// <summary>
    /// One sentence for each architecture that has a winner which this one refuses: what a GPU has of units and memory
    /// decides which schedules are legal, so a winner of another is neither served nor tried.
    /// </summary>
    public static IEnumerable<string> Notes(ITuneStore store, Problem spec, TargetInfo target)
    {
        if (target.Gpu is not { } gpu)
            return [];
        return store
            .All(new TuneFilter { Spec = spec.ToString() })
            .Select(r => ArchitectureOf(r.Key.Target))
            .OfType<string>()
            .Where(a => a != gpu.Architecture)
            .Distinct()
            .Order(StringComparer.Ordinal)
            .Select(a =>
                $"a winner of {spec} for {a} is stored and refused here, where the architecture is {gpu.Architecture}; 'tune op' on this machine makes one."
            );
    }

    // cuda;sm_90a;…
    private static string? ArchitectureOf(string fingerprint) =>
        fingerprint.Split(';') is ["cuda", var architecture, ..] ? architecture : null;
}
