using Picograd.Algorithms;
using Picograd.Schedules;

namespace Picograd.Dispatch;

/// <summary>What dispatch uses when nothing else was asked for.</summary>
internal static class DefaultRules
{
    public static LoopNest Rule(Algorithm algorithm, TargetInfo target) => InitialNest.Of(algorithm);

    public static IBackend Backend(int threads) =>
        throw new InvalidOperationException("No back end: call Dispatcher.Use first.");
}
