using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Dispatch;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Lower.Cpu.Runtime;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// Kernels on the real back end: one serves a class of shapes, what is kept is bounded, and results depend on the shape only.
/// </summary>
public sealed class KernelSharingTests : IDisposable
{
    public KernelSharingTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();

    private static void UseSmallCache(int threads = 1) =>
        Dispatcher.Use(
            new DispatchContext(
                null,
                count => new CpuBackend(CpuTarget.Detect(), count),
                threads,
                DefaultRules.Rule,
                CpuRuntime.Instance,
                new CacheLimits(8, 1 << 20, 24)
            )
        );

    private static Tensor Numbers(params long[] shape)
    {
        var x = Tensor.Rand(shape, new Generator(shape.Sum()));
        return x - 0.5;
    }

    [Fact]
    public void AThousandNewLengthsCompileFewKernels()
    {
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        for (long n = 700; n < 1700; n++)
        {
            using var scope = Tensor.Scope();
            var x = Numbers(3, n);
            double sum = x.ToDoubles().Sum();
            Assert.Equal(2 * sum, (x + x).Sum().Item(), 1e-3);
            Assert.Equal(3, x.Softmax(1).Sum().Item(), 1e-4);
            Assert.Equal(x[0].Sum().Item(), x.Cumsum(1)[0, (int)n - 1].Item(), 1e-3);
            Assert.Equal(x[2, 5].Item(), x.T.Contiguous()[5, 2].Item());
        }
        // In 0.3 s on a quiet machine; a kernel a shape took 15.
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 8);
        Assert.InRange(Dispatcher.Statistics.Kernels, 1, 60);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 16 << 20);
    }

    [Fact]
    public void GenerationWithGrowingKeysCompilesFewKernels()
    {
        for (long t = 64; t < 200; t++)
        {
            using var scope = Tensor.Scope();
            var q = Numbers(2, 3, 1, 8);
            var k = Numbers(2, 3, t, 8);
            var v = Numbers(2, 3, t, 8);
            var scores = (q.MatMul(k.Transpose(-1, -2)) / Math.Sqrt(8)).Softmax(3);
            var expected = scores.MatMul(v).ToDoubles();
            var actual = F.ScaledDotProductAttention(q, k, v).ToDoubles();
            for (int i = 0; i < expected.Length; i++)
                Assert.Equal(expected[i], actual[i], 1e-5);
        }
        Assert.InRange(Dispatcher.Statistics.Kernels, 1, 40);
    }

    [Fact]
    public void ResultsDoNotDependOnWhatRanBefore()
    {
        long[][] shapes =
        [
            [5, 70],
            [64, 100],
            [1, 300],
            [31, 65],
            [7, 1000],
            [100, 5],
            [40, 129],
            [3, 4000],
        ];
        string Run(IEnumerable<long[]> order)
        {
            UseSmallCache();
            var results = new SortedDictionary<string, string>();
            foreach (long[] shape in order)
            {
                using var scope = Tensor.Scope();
                var x = Numbers(shape);
                Tensor[] all = [x.Softmax(1), x.Sum(0), x.Sum(1), x.Mean(1), x + x[0], x.Tanh(), x.Cumsum(1)];
                results[string.Join('x', shape)] = string.Join(
                    ' ',
                    all.SelectMany(t => t.ToDoubles()).Select(d => BitConverter.DoubleToInt64Bits(d))
                );
            }
            return string.Join('\n', results.Values);
        }
        string forward = Run(shapes);
        Assert.Equal(forward, Run(shapes.Reverse()));
        Assert.Equal(forward, Run(shapes.Concat(shapes).Concat(shapes)));
    }

    [Fact]
    public void KeptKernelsAreBoundedAndMemoryComesBack()
    {
        UseSmallCache();
        var first = new List<WeakReference>();
        Fill(1, 60, first);
        Fill(60, 400, null);
        Assert.InRange(Dispatcher.Statistics.Kernels, 1, 16);
        Assert.InRange(Dispatcher.Current.Table.Count, 1, 24);
        // All but what a stack or a register may still hold.
        for (int i = 0; i < 5 && first.Count(w => w.IsAlive) > 4; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        Assert.InRange(first.Count(w => w.IsAlive), 0, 4);
    }

    // Products of few rows have a kernel for each number of columns.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Fill(int from, int to, List<WeakReference>? kernels)
    {
        for (int m = from; m < to; m++)
        {
            using var scope = Tensor.Scope();
            var y = Tensor.Ones(3, 2).MatMul(Tensor.Ones(2, m + 1));
            Assert.Equal(2, y[1, m].Item());
            if (kernels is not null)
                kernels.Add(
                    new WeakReference(
                        Dispatcher
                            .Resolve(Algorithms.Operators.OperatorSpec.Parse($"matmul m=3 n={m + 1} k=2"))
                            .Schedule.Kernel
                    )
                );
        }
    }

    [Fact]
    public void EvictionUnderLoadNeverDisturbsWhatRuns()
    {
        UseSmallCache();
        var until = DateTime.UtcNow.AddSeconds(1.5);
        int[] rounds = new int[4];
        System.Threading.Tasks.Parallel.For(
            0,
            rounds.Length,
            new System.Threading.Tasks.ParallelOptions { MaxDegreeOfParallelism = rounds.Length },
            thread =>
            {
                var random = new Random(thread);
                // At least once: on a busy machine a thread may begin late.
                do
                {
                    long rows = random.Next(1, 6);
                    long n = random.Next(1, 400);
                    using var x = Tensor.Full([rows, n], thread + 1, DType.Float64);
                    using var y = random.Next(2) == 0 ? x + x : x.T.Contiguous() * 2;
                    using var sum = y.Sum();
                    Assert.Equal(2.0 * rows * n * (thread + 1), sum.Item());
                    using var product = x.MatMul(x.T);
                    Assert.Equal((double)n * (thread + 1) * (thread + 1), product[0, 0].Item());
                    rounds[thread]++;
                } while (DateTime.UtcNow < until);
            }
        );
        Assert.All(rounds, r => Assert.True(r > 0));
        Assert.InRange(Dispatcher.Current.Table.Count, 1, 24);
    }

    [Fact]
    public void SharedKernelsAllocateNoMoreThanTheirResult()
    {
        var a = Tensor.Zeros(32, 200);
        for (int i = 0; i < 100; i++)
            a.Tanh().Dispose();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 500; i++)
            a.Tanh().Dispose();
        Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - before) / 500, 0, 200);
    }

    [Fact]
    public void EagerStepsWithoutScopesStayFlat()
    {
        static long Held()
        {
            var statistics = CpuMemory.Statistics;
            return statistics.LiveBytes + statistics.PooledBytes;
        }
        // However much was live before.
        Tensor[] many = [.. Enumerable.Range(0, 40).Select(_ => Tensor.Empty([50L << 20], DType.UInt8))];
        foreach (var tensor in many)
            tensor.Dispose();
        CpuMemory.Trim();
        var x = Tensor.Ones(50_000);
        var acc = Tensor.Zeros(50_000);
        long before = Held();
        // 200 KB a step: 2 GB in all.
        for (int i = 0; i < 10_000; i++)
            acc = acc + x;
        Assert.Equal(10_000, acc[7].Item());
        Assert.InRange(Held() - before, long.MinValue, 300L << 20);
        var small = Tensor.Ones(100);
        for (int i = 0; i < 300_000; i++)
            _ = small + small;
        Assert.InRange(Held() - before, long.MinValue, 300L << 20);
    }
}
