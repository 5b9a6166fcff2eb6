using Picograd.Algorithms.Operators;
using Picograd.Baselines;
using Picograd.Dispatch;
using Picograd.Schedules;

namespace Picograd.Tune;

/// <summary>One implementation of an operator on given memory.</summary>
/// <param name="Lib"><c>picograd</c>, <c>hand</c>, <c>openblas</c> …</param>
/// <param name="Run">Runs it once.</param>
/// <param name="Source">Of ours: exact, near or default.</param>
internal sealed record Contender(string Lib, Action Run, string? Source = null)
{
    public const string Ours = "picograd";

    /// <summary>Seconds that so many calls take by the target's own clock; null where the processor's tells.</summary>
    public Func<int, double>? Clock { get; init; }

    /// <summary>A compiled kernel on given arguments.</summary>
    public static unsafe Contender Of(
        string lib,
        ICompiledKernel kernel,
        nint* arguments,
        IKernelTimer? timer,
        string? source = null
    )
    {
        nint address = (nint)arguments;
        return new Contender(lib, () => kernel.Run((nint*)address, null), source)
        {
            Clock = timer is null
                ? null
                : calls => calls * timer.Sample(kernel, (nint*)address, calls, cold: false) / 1000,
        };
    }

    /// <summary>The kernel that dispatch chooses now.</summary>
    public static unsafe Contender Dispatched(
        OperatorSpec spec,
        OperatorMemory memory,
        string lib = Ours,
        IKernelTimer? timer = null
    )
    {
        var kernel = Dispatcher.Resolve(spec);
        return Of(lib, new Guarded(kernel), memory.Addresses, timer, kernel.SourceName);
    }

    /// <summary>A kernel as dispatch runs it, its guards included.</summary>
    private sealed unsafe class Guarded(DispatchedKernel kernel) : ICompiledKernel
    {
        public long WorkspaceBytes => kernel.WorkspaceBytes;

        public void Run(nint* arguments, long* parameters) => kernel.Run(arguments);

        // Dispatch keeps what it made.
        public void Dispose() { }
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
