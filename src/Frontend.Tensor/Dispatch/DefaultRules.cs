using Picograd.Algorithms;
using Picograd.Lower.Cpu;
using Picograd.Schedules;

namespace Picograd.Dispatch;

/// <summary>What dispatch uses when nothing else was asked for: the library's rules and this machine's processor.</summary>
internal static class DefaultRules
{
    private static readonly Lazy<CpuTarget> Machine = new(CpuTarget.Detect);

    public static LoopNest Rule(Algorithm algorithm, TargetInfo target) => DefaultSchedule.For(algorithm, target);

    public static IBackend Backend(int threads) => new CpuBackend(Machine.Value, threads);
}
