using BenchmarkDotNet.Attributes;
using Picograd.Dispatch;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;

namespace Picograd.Bench;

/// <summary>What an operator of next to no work costs: look-up of the kernel, allocation of the result, the call.</summary>
public class DispatchBenchmarks
{
    private Tensor _a = null!;
    private Tensor _b = null!;

    /// <summary>Elements; at 1 all of the time is dispatch.</summary>
    [Params(1, 64)]
    public int Elements { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        Dispatcher.Use(null, new CpuBackend(CpuTarget.Detect(), 1));
        _a = Tensor.Rand(Elements);
        _b = Tensor.Rand(Elements);
    }

    [Benchmark]
    public void Add()
    {
        using var scope = Tensor.Scope();
        _ = _a + _b;
    }

    [Benchmark]
    public void Tanh()
    {
        using var scope = Tensor.Scope();
        _ = _a.Tanh();
    }
}
