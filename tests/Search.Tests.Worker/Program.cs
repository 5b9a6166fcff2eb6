using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Lower.Cuda;
using Picograd.Lower.Cuda.Runtime;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Search.Worker;

namespace Picograd.Tests;

/// <summary>
/// A worker process for tests: compiles for this machine, but misbehaves where a loop's name says so, which means
/// nothing to the real back end.
/// </summary>
internal static class Program
{
    private static int Main() =>
        WorkerHost.Run(
            Console.OpenStandardInput(),
            Console.OpenStandardOutput(),
            init =>
                init.Target.StartsWith("cuda", StringComparison.Ordinal)
                    ? new CudaTuningTarget(CudaDevice.Open())
                    : new FaultyTarget(
                        new CpuTuningTarget(CpuTarget.Detect() with { VectorBits = init.VectorBits }, init.Threads)
                    )
        );
}

/// <summary>A target whose back end obeys loops called fault.crash, fault.hang and so on.</summary>
public sealed class FaultyTarget(ITuningTarget real) : ITuningTarget, IBackend
{
    public IBackend Backend => this;

    public TargetInfo Target => real.Backend.Target;

    public IReadOnlyList<IBackend> OtherThreads => [new SevenThreads(real.Backend)];

    public TargetCeilings Ceilings => real.Ceilings;

    public int SpareCores => real.SpareCores;

    public nint Allocate(long bytes) => real.Allocate(bytes);

    public void Free(nint memory, long bytes) => real.Free(memory, bytes);

    public double SentinelMilliseconds() => real.SentinelMilliseconds();

    public ICompiledKernel Compile(LoopNest nest)
    {
        string? fault = nest.Loops.Select(l => l.Name).FirstOrDefault(n => n.StartsWith("fault."))?["fault.".Length..];
        return fault switch
        {
            "refuse" => throw new LoweringException("il-too-large", "as the test asked"),
            "throw" => throw new KeyNotFoundException("as the test asked"),
            _ => new FaultyKernel(real.Backend.Compile(nest), fault, nest),
        };
    }

    /// <summary>Where a loop called fault.threads gives other results.</summary>
    private sealed class SevenThreads(IBackend inner) : IBackend
    {
        public TargetInfo Target => inner.Target with { Threads = 7 };

        public ICompiledKernel Compile(LoopNest nest) =>
            new FaultyKernel(
                inner.Compile(nest),
                nest.Loops.Any(l => l.Name == "fault.threads") ? "wrong" : null,
                nest
            );
    }

    private sealed unsafe class FaultyKernel(ICompiledKernel kernel, string? fault, LoopNest nest) : ICompiledKernel
    {
        private int _runs;

        public long WorkspaceBytes => kernel.WorkspaceBytes;

        public void Run(nint* arguments, long* parameters)
        {
            kernel.Run(arguments, parameters);
            int output = nest.Algorithm.Inputs.Length;
            float* first = (float*)arguments[output];
            switch (fault)
            {
                case "crash":
                    Environment.FailFast("as the test asked");
                    break;
                case "killed":
                    // As the system does that is short of memory.
                    System.Diagnostics.Process.GetCurrentProcess().Kill();
                    Thread.Sleep(Timeout.Infinite);
                    break;
                case "hang":
                    Thread.Sleep(Timeout.Infinite);
                    break;
                case "slow":
                    Thread.Sleep(10_000);
                    break;
                case "speck":
                    // One element somewhere, by more than any bound.
                    first[nest.Algorithm.Outputs[0].ConstantSize()!.Value * 2 / 5 + 1] += 1;
                    break;
                case "wrong":
                    *first += 100;
                    break;
                case "overrun":
                    first[-1] = 1;
                    break;
                case "unstable":
                    // One unit in the last place, now up, now down: within every bound, but not repeatable.
                    *first = _runs++ % 2 == 0 ? MathF.BitIncrement(*first) : *first;
                    break;
                case "spoils_input":
                    *(float*)arguments[0] += 1;
                    break;
            }
        }

        public void Dispose() => kernel.Dispose();
    }
}
