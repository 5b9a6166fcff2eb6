using BenchmarkDotNet.Attributes;
using Picograd.Baselines;
using Picograd.Dispatch;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Lower.Cpu.Runtime;
using Picograd.TuneDb;

namespace Picograd.Bench;

/// <summary>
/// Matrix products through the tensor library, on the kernels that dispatch chooses (tuned ones where the user's database has
/// them), beside those written by hand. One thread.
/// </summary>
public unsafe class MatmulBenchmarks
{
    private Tensor _a = null!;
    private Tensor _b = null!;
    private CpuBuffer _memory = null!;

    /// <summary>Rows of the result.</summary>
    [Params(32, 512)]
    public int M { get; set; }

    /// <summary>Columns of the result, and length of the dot products.</summary>
    [Params(200, 512)]
    public int N { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        Dispatcher.Use(TuneServing.OpenForServing(), new CpuBackend(CpuTarget.Detect(), 1));
        _a = Tensor.Rand(M, N);
        _b = Tensor.Rand(N, N);
        _memory = CpuBuffer.Rent(sizeof(float) * (2L * M * N + (long)N * N));
        _memory.Clear();
    }

    [GlobalCleanup]
    public void Cleanup() => _memory.Dispose();

    [Benchmark(Baseline = true)]
    public void ByHand()
    {
        var a = (float*)_memory.Address;
        float* b = a + M * N;
        float* c = b + N * N;
        HandMatmul.Run(a, b, c, M, N, N, false, false, 1, 1);
    }

    [Benchmark]
    public void Picograd()
    {
        using var scope = Tensor.Scope();
        _ = _a.MatMul(_b);
    }
}
