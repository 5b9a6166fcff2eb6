using Picograd.Algorithms;
using Picograd.Baselines;
using Picograd.Dispatch;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

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
        Problem spec,
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

    /// <summary>
    /// Everything that <c>baselines/</c> has for the instance on a target, the slower steps of a ladder included.
    /// </summary>
    public static unsafe IEnumerable<Contender> Baselines(
        Problem spec,
        OperatorMemory memory,
        BaselineSet baselines,
        int threads,
        IKernelTimer? timer = null
    )
    {
        if (spec.Operator is not { } named || BaselineCases.Of(named, memory, threads) is not { } operatorCase)
            return [];
        var found = new List<Contender>();
        foreach (var baseline in baselines.All)
        {
            if (baseline.IsAvailable && baseline.TryCreate(operatorCase, out var run))
                found.Add(Of(baseline.Lib, new Started(run), memory.Addresses, timer));
        }
        foreach (var (name, run) in baselines.Ladder(operatorCase))
            found.Add(Of(name, new Started(run), memory.Addresses, timer));
        return found;
    }

    /// <summary>An action of a baseline, as a kernel.</summary>
    private sealed unsafe class Started(Action run) : ICompiledKernel
    {
        public long WorkspaceBytes => 0;

        public void Run(nint* arguments, long* parameters) => run();

        // The baseline keeps what it made.
        public void Dispose() { }
    }
}
