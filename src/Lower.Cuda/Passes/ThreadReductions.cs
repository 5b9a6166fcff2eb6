using Picograd.Schedules;

namespace Picograd.Lower.Cuda;

/// <summary>Reductions over loops of threads.</summary>
internal static class ThreadReductions
{
    public static LoopNest Run(LoopNest nest) => nest;
}
