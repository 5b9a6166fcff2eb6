using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Dispatch;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Schedules;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Traces;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

/// <summary>The pinned policy: results depend on shapes and the width of vectors, not on records, caches or threads.</summary>
public sealed class DeterminismTests : IDisposable
{
    private const string Spec = "matmul m=12 n=40 k=700";

    public void Dispose()
    {
        Dispatcher.SetDeterminism(Determinism.Free);
        Setup.UseEvaluator();
    }

    private static CpuBackend Backend(int threads) => new(CpuTarget.Detect(), threads);

    private static void Use(ITuneLookup? store, int threads, Determinism determinism)
    {
        Dispatcher.SetDeterminism(determinism);
        Dispatcher.Use(store, Backend, threads, null);
    }

    private static double[][] Results()
    {
        using var none = Tensor.NoGrad();
        var random = new Generator(3);
        var x = Tensor.Rand([300, 700], random) - 0.5;
        var w = Tensor.Rand([700, 40], random) - 0.5;
        return
        [
            x.MatMul(w).ToDoubles(),
            x[..12].MatMul(w).ToDoubles(),
            x.Softmax(1).ToDoubles(),
            x.Sum(0).ToDoubles(),
            x.Sum(1).ToDoubles(),
            F.LayerNorm(x, [700]).ToDoubles(),
            x.Cumsum(0).ToDoubles(),
        ];
    }

    // The same sum in four parts, as a search without the policy may find it.
    private static TuneRecord Record(string policy, bool parted)
    {
        var problem = OperatorSpec.Parse(Spec).Problem;
        var target = Backend(1).Target;
        var s = new Schedule(problem.Algorithm);
        if (parted)
        {
            var (o, _) = s.Split("C.k", 175);
            s.Rfactor("C", o);
        }
        else
            s.Split("C.n", 8);
        return new()
        {
            Key = TuneKeys.Of(problem, target, policy),
            Spec = Spec,
            Trace = Trace.Of(s.Nest).ToString(),
            Guards = [],
            Milliseconds = 1,
            DefaultMilliseconds = 10,
            Samples = [1],
            Certification = new Certification(0.1, true, true),
            Certified = true,
            Provenance = new Provenance(DateTime.UtcNow, "m", 1, "1s", 1, "budget", "10", "0"),
        };
    }

    [Fact]
    public void Threads_change_no_bit()
    {
        Use(null, 1, Determinism.Pinned);
        var one = Results();
        Use(null, 2, Determinism.Pinned);
        Assert.Equal(one, Results());
        Assert.Equal(Determinism.Pinned, Dispatcher.Determinism);
    }

    [Fact]
    public void Records_that_were_found_without_the_policy_are_not_served()
    {
        using var store = new MemoryTuneStore();
        store.Put(Record(TuneKeys.WarmPolicy, parted: true));
        Use(store, 1, Determinism.Free);
        var problem = OperatorSpec.Parse(Spec).Problem;
        Assert.Equal(KernelSource.Exact, Dispatcher.Resolve(problem).Source);
        Use(null, 1, Determinism.Pinned);
        var plain = Results();
        Use(store, 1, Determinism.Pinned);
        var pinned = Dispatcher.Resolve(problem);
        Assert.Equal(KernelSource.Default, pinned.Source);
        Assert.Equal(SumOrder.Of(PinnedOrder.For(problem.Algorithm, Backend(1).Target)), SumOrder.Of(pinned.Nest));
        Assert.Equal(plain, Results());
    }

    [Fact]
    public void Records_of_the_policy_are_served_under_it_only()
    {
        using var store = new MemoryTuneStore();
        store.Put(Record(PinnedOrder.Policy, parted: false));
        var problem = OperatorSpec.Parse(Spec).Problem;
        Use(store, 1, Determinism.Pinned);
        Assert.Equal(KernelSource.Exact, Dispatcher.Resolve(problem).Source);
        Use(store, 1, Determinism.Free);
        Assert.Equal(KernelSource.Default, Dispatcher.Resolve(problem).Source);
        Dispatcher.SetDeterminism(Determinism.Pinned);
        Assert.Equal(KernelSource.Exact, Dispatcher.Resolve(problem).Source);
    }

    [Fact]
    public void What_is_no_policy_is_refused()
    {
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => Dispatcher.SetDeterminism((Determinism)7));
        Assert.Contains("must be Free or Pinned", error.Message, StringComparison.Ordinal);
    }
}
