using Picograd.Algorithms.Operators;
using Picograd.Dispatch;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// A shape that runs often gets a kernel of its own beside the program, after a stated number of calls, and no result shows when.
/// </summary>
public sealed class FrequentShapeTests : IDisposable
{
    public FrequentShapeTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();

    // Shapes of one class: the first ones have kernels of their own from the start.
    private static void RunOthersOf(Func<Tensor, Tensor> run)
    {
        foreach (long n in (long[])[70, 80, 90, 110])
        {
            using var x = Tensor.Rand([40, n], new Generator(3));
            run(x).Dispose();
        }
    }

    private static bool WaitFor(Func<bool> holds)
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        while (!holds() && watch.Elapsed.TotalSeconds < 30)
            Thread.Sleep(5);
        return holds();
    }

    private static long[] Bits(Tensor t) => [.. t.ToDoubles().Select(BitConverter.DoubleToInt64Bits)];

    [Theory]
    [InlineData("softmax rows=40 cols=101")]
    [InlineData("log_softmax rows=40 cols=101")]
    [InlineData("sum rows=40 cols=101 axis=0")]
    [InlineData("cumsum rows=40 cols=101 axis=1")]
    public void AShapeThatRunsOftenGetsAKernelOfItsOwnWithTheSameBits(string spec)
    {
        Func<Tensor, Tensor> run = spec.Split(' ')[0] switch
        {
            "softmax" => x => x.Softmax(1),
            "log_softmax" => x => x.LogSoftmax(1),
            "sum" => x => x.Sum(0),
            _ => x => x.Cumsum(1),
        };
        RunOthersOf(run);
        using var x = Tensor.Rand([40, 101], new Generator(7)) - 0.5;
        using var first = run(x);
        long[] expected = Bits(first);
        string Notes() => string.Join('\n', Dispatcher.Resolve(OperatorSpec.Parse(spec)).Notes);
        Assert.Contains("one kernel for", Notes());
        for (int i = 0; i < 255; i++)
            run(x).Dispose();
        Assert.Contains("one kernel for", Notes());
        for (int i = 0; i < 5000; i++)
            run(x).Dispose();
        Assert.True(WaitFor(() => Notes().Contains("as it runs often")), Notes());
        using var later = run(x);
        Assert.Equal(expected, Bits(later));
    }

    [Fact]
    public void ThreadsThatShareAKernelGoOnWhileItIsReplaced()
    {
        RunOthersOf(x => x.Softmax(1));
        using var x = Tensor.Rand([40, 103], new Generator(7));
        using var first = x.Softmax(1);
        long[] expected = Bits(first);
        System.Threading.Tasks.Parallel.For(
            0,
            4,
            _ =>
            {
                for (int i = 0; i < 3000; i++)
                {
                    using var y = x.Softmax(1);
                    if (i % 100 == 0)
                        Assert.Equal(expected, Bits(y));
                }
            }
        );
        var spec = OperatorSpec.Parse("softmax rows=40 cols=103");
        Assert.True(
            WaitFor(() => Dispatcher.Resolve(spec).Notes.Any(n => n.Contains("as it runs often"))),
            Dispatcher.Explain(spec.ToString())
        );
    }

    /// <summary>The record has another order of sums, and a guard that the kernel of a frequent shape would not ask for.</summary>
    [Fact]
    public void ARecordThatIsStoredMeanwhileDoesNotSlipIntoAKernelThatRuns()
    {
        var spec = OperatorSpec.Parse("softmax rows=40 cols=101");
        var backend = new CpuBackend(CpuTarget.Detect(), 1);
        TuneRecord Record(OperatorSpec of) =>
            TestRecords.Of(of, backend.Target, Trace.Of(InitialNest.Of(of.Build())).ToString()) with
            {
                Guards = ["align(X,64)"],
            };
        using var store = new MemoryTuneStore();
        // There are records of the family.
        store.Put(Record(OperatorSpec.Parse("softmax rows=3 cols=5")));
        Dispatcher.Use(store, backend);
        RunOthersOf(x => x.Softmax(1));
        using var x = Tensor.Rand([40, 101], new Generator(7));
        using var first = x.Softmax(1);
        store.Put(Record(spec));
        var recorded = Dispatcher.Resolve(spec);
        Assert.Equal(KernelSource.Exact, recorded.Source);
        for (int i = 0; i < 5000; i++)
            x.Softmax(1).Dispose();
        Assert.True(
            WaitFor(() =>
                Dispatcher.Current.Table.Entries().Any(e => e.Kernel.Notes.Any(n => n.Contains("as it runs often")))
            )
        );
        using var later = x.Softmax(1);
        Assert.Equal(Bits(first), Bits(later));
        // By the record they would be others.
        Dispatcher.Use(store, backend);
        using var other = x.Softmax(1);
        Assert.NotEqual(Bits(first), Bits(other));
    }

    /// <summary>Where no kernel for one shape compiles that has the bits of its class's, the class serves the first shapes too.</summary>
    [Fact]
    public void TheFirstShapesRunOnTheClassWhereTheyGetNoKernelOfTheirOwn()
    {
        Dispatcher.Use(null, new SharingOnly(new CpuBackend(CpuTarget.Detect(), 1)));
        RunOthersOf(x => x.Softmax(1));
        foreach (long n in (long[])[70, 80, 90])
            Assert.Contains(
                Dispatcher.Resolve(OperatorSpec.Parse($"softmax rows=40 cols={n}")).Notes,
                note => note.Contains("one kernel for softmax")
            );
    }

    private sealed class SharingOnly(IBackend all) : IBackend
    {
        public TargetInfo Target => all.Target;

        public bool SharesKernels => true;

        public ICompiledKernel Compile(LoopNest nest) => all.Compile(nest);

        public ICompiledKernel Compile(LoopNest nest, IReadOnlyList<long> extents) =>
            throw new LoweringException("refused", "no kernel for one shape");
    }

    [Fact]
    public void AKernelOfItsOwnThatWasEvictedLeavesTheClass()
    {
        Dispatcher.Use(
            new DispatchContext(
                null,
                count => new CpuBackend(CpuTarget.Detect(), count),
                1,
                DefaultRules.Rule,
                CpuRuntime.Instance,
                new CacheLimits(8, 1 << 20, 24)
            )
        );
        RunOthersOf(x => x.Softmax(1));
        using var x = Tensor.Rand([40, 101], new Generator(7));
        using var first = x.Softmax(1);
        var spec = OperatorSpec.Parse("softmax rows=40 cols=101");
        for (int i = 0; i < 5000; i++)
            x.Softmax(1).Dispose();
        Assert.True(WaitFor(() => Dispatcher.Resolve(spec).Notes.Any(n => n.Contains("as it runs often"))));
        for (int m = 1; m < 60; m++)
            Tensor.Ones(m + 1, 2).MatMul(Tensor.Ones(2, 3)).Dispose();
        Assert.DoesNotContain(Dispatcher.Resolve(spec).Notes, n => n.Contains("as it runs often"));
        using var later = x.Softmax(1);
        Assert.Equal(Bits(first), Bits(later));
    }
}
