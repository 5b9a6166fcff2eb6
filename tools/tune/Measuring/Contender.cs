using Picograd.Algorithms.Operators;
using Picograd.Baselines;
using Picograd.Dispatch;

namespace Picograd.Tune;

/// <summary>One implementation of an operator on given memory.</summary>
/// <param name="Lib"><c>picograd</c>, <c>hand</c>, <c>openblas</c> …</param>
/// <param name="Run">Runs it once.</param>
/// <param name="Source">Of ours: exact, near or default.</param>
internal sealed record Contender(string Lib, Action Run, string? Source = null)
{
    public const string Ours = "picograd";

    /// <summary>The kernel that dispatch chooses now.</summary>
    public static unsafe Contender Dispatched(OperatorSpec spec, OperatorMemory memory, string lib = Ours)
    {
        var kernel = Dispatcher.Resolve(spec);
        nint address = (nint)memory.Addresses;
        return new Contender(lib, () => kernel.Run((nint*)address), kernel.SourceName);
    }

    /// <summary>Everything that <c>baselines/</c> has for the instance on this machine.</summary>
    public static IEnumerable<Contender> Baselines(OperatorSpec spec, OperatorMemory memory, int threads)
    {
        if (BaselineCases.Of(spec, memory, threads) is not { } operatorCase)
            yield break;
        foreach (IBaseline baseline in All)
        {
            if (baseline.IsAvailable && baseline.TryCreate(operatorCase, out var run))
                yield return new Contender(baseline.Lib, run);
        }
    }

    /// <summary>What cannot be compared with here and how to get it, one sentence each.</summary>
    public static IEnumerable<string> Missing => All.Where(b => !b.IsAvailable).Select(b => b.Missing);

    private static IReadOnlyList<IBaseline> All { get; } = [new HandBaseline(), new OpenBlasBaseline()];
}
