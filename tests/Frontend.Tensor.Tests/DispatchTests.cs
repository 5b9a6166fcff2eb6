using Picograd.Algorithms.Operators;
using Picograd.Dispatch;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Traces;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

public sealed class DispatchTests : IDisposable
{
    private readonly MemoryTuneStore _store = new();

    public void Dispose()
    {
        Setup.UseEvaluator();
        _store.Dispose();
    }

    private static IBackend Backend { get; } = new EvaluatorBackend();

    private void Use(IBackend? backend = null) =>
        Dispatcher.Use(_store, backend ?? Backend, (a, _) => InitialNest.Of(a));

    private static OperatorSpec Spec(string text) => OperatorSpec.Parse(text);

    private static string SplitTrace(string spec, long factor)
    {
        var schedule = new Schedule(Spec(spec).Build());
        schedule.Split(schedule.Nest.Loops.First().Name, factor, Tail.Guard);
        return Trace.Of(schedule.Nest).ToString();
    }

    private void Store(string spec, string trace, params string[] guards) =>
        _store.Put(
            new TuneRecord
            {
                Key = TuneKeys.Of(Spec(spec), Dispatcher.Target),
                Spec = spec,
                Trace = trace,
                Guards = guards,
                Milliseconds = 1,
                Certified = true,
                Certification = new Certification(0.1, true, true),
                Provenance = new Provenance(DateTime.UtcNow, "test", 1, "1s", 1, "plateau", "10", "0.1"),
            }
        );

    [Fact]
    public void WithoutRecordsTheDefaultScheduleRuns()
    {
        Use();
        var kernel = Dispatcher.Resolve(Spec("tanh n=13"));
        Assert.Equal(KernelSource.Default, kernel.Source);
        Assert.Equal("default", kernel.SourceName);
        Assert.Contains("no tuned record", Assert.Single(kernel.Notes));
        Assert.Same(kernel, Dispatcher.Resolve(Spec("tanh n=13 dtype=f32")));
    }

    [Fact]
    public void ADatabaseThatCannotBeReadIsOneSentenceAndModelsRunOn()
    {
        string path = Path.GetTempFileName();
        File.WriteAllText(path, "These are notes, not a database.");
        string? before = Environment.GetEnvironmentVariable(TuneDbLocation.EnvironmentVariable);
        var write = Dispatcher.OnWarning;
        var heard = new List<string>();
        try
        {
            Environment.SetEnvironmentVariable(TuneDbLocation.EnvironmentVariable, path);
            Dispatcher.OnWarning = heard.Add;
            Dispatcher.UseDefaults();
            Assert.Equal(2, (Tensor.Ones(3) + Tensor.Ones(3))[0].Item());
            Assert.Equal(KernelSource.Default, Dispatcher.Resolve(Spec("tanh n=77")).Source);
        }
        finally
        {
            Dispatcher.OnWarning = write;
            Environment.SetEnvironmentVariable(TuneDbLocation.EnvironmentVariable, before);
            File.Delete(path);
        }
        string sentence = Assert.Single(heard);
        Assert.Contains($"'{path}' is not a LiteDB or a SQLite database", sentence);
        Assert.EndsWith("models run on default schedules meanwhile.", sentence);
    }

    [Fact]
    public void AnExactRecordComesFirst()
    {
        Use();
        Store("tanh n=13", SplitTrace("tanh n=13", 4));
        Store("tanh n=16", SplitTrace("tanh n=16", 8));
        var kernel = Dispatcher.Resolve(Spec("tanh n=13"));
        Assert.Equal(KernelSource.Exact, kernel.Source);
        Assert.Contains("split", kernel.Nest.Trace[0].ToString());
        Assert.Contains(" 4 ", kernel.Nest.Trace[0] + " ");
        Assert.Empty(kernel.Notes);
        Assert.Contains("tanh n=13: exact", Dispatcher.Explain("tanh n=13"));
        Assert.Contains("split", Dispatcher.Explain("tanh n=13"));
        var x = Make.Values([13]);
        new Plain([13], [.. x.ToDoubles().Select(v => Math.Tanh(v))]).Same(x.Tanh());
    }

    [Fact]
    public void ANearRecordIsReplayed()
    {
        Use();
        Store("tanh n=13", SplitTrace("tanh n=13", 4));
        var kernel = Dispatcher.Resolve(Spec("tanh n=30"));
        Assert.Equal(KernelSource.Near, kernel.Source);
        Assert.NotEmpty(kernel.Nest.Trace);
        Assert.Contains(kernel.Notes, n => n.Contains("tanh n=13"));
        // Not across operators, dtypes or targets, nor far away.
        Assert.Equal(KernelSource.Default, Dispatcher.Resolve(Spec("tanh n=4000")).Source);
        Assert.Equal(KernelSource.Default, Dispatcher.Resolve(Spec("exp n=30")).Source);
        Assert.Equal(KernelSource.Default, Dispatcher.Resolve(Spec("tanh n=30 dtype=f64")).Source);
        Dispatcher.Use(_store, new EvaluatorBackend(2));
        Assert.Equal(KernelSource.Default, Dispatcher.Resolve(Spec("tanh n=30")).Source);
    }

    [Theory]
    [InlineData("this is not a trace")]
    [InlineData("")]
    [InlineData("picograd-trace 999\ninputs X\nstage Y(i)\n")]
    public void ACorruptRecordCostsSpeedOnly(string trace)
    {
        Use();
        Store("tanh n=13", trace.Length == 0 ? " " : trace);
        var x = Make.Values([13]);
        new Plain([13], [.. x.ToDoubles().Select(v => Math.Tanh(v))]).Same(x.Tanh());
        var kernel = Dispatcher.Resolve(Spec("tanh n=13"));
        Assert.Equal(KernelSource.Default, kernel.Source);
        Assert.Contains(kernel.Notes, n => n.Contains("was refused"));
        Assert.Equal(1, Dispatcher.Statistics.RecordsRefused);
    }

    [Fact]
    public void ATraceOfAnotherAlgorithmIsRefused()
    {
        Use();
        Store("tanh n=13", SplitTrace("matmul m=3 n=5 k=7", 2));
        var kernel = Dispatcher.Resolve(Spec("tanh n=13"));
        Assert.Equal(KernelSource.Default, kernel.Source);
        Assert.Contains("refused", Dispatcher.Explain("tanh n=13"));
    }

    [Fact]
    public void ARecordThatTheBackEndRefusesIsPassedOver()
    {
        Use(new Refusing(Backend));
        Store("tanh n=13", SplitTrace("tanh n=13", 4));
        var kernel = Dispatcher.Resolve(Spec("tanh n=13"));
        Assert.Equal(KernelSource.Default, kernel.Source);
        Assert.Contains(kernel.Notes, n => n.Contains("il-too-large"));
        Dispatcher.Use(null, new Refusing(Backend), (a, _) => Split(a));
        Assert.Contains(
            Dispatcher.Resolve(Spec("tanh n=13")).Notes,
            n => n.Contains("the default schedule was refused")
        );

        static LoopNest Split(Algorithms.Algorithm a)
        {
            var schedule = new Schedule(a);
            schedule.Split(schedule.Nest.Loops.First().Name, 4, Tail.Guard);
            return schedule.Nest;
        }
    }

    [Fact]
    public void GuardsAreTestedAtEveryCall()
    {
        Use();
        Store("tanh n=13", SplitTrace("tanh n=13", 4), "align(X,64)", "contiguous(Y)");
        Store("tanh n=14", SplitTrace("tanh n=14", 4), "moon(full)");
        var x = Make.Values([14]);
        _ = x[..13].Tanh();
        var kernel = Dispatcher.Resolve(Spec("tanh n=13"));
        Assert.Equal((KernelSource.Exact, 0), (kernel.Source, kernel.GuardFailures));
        // One element further on the address is no multiple of 64.
        var y = x[1..];
        new Plain([13], [.. y.ToDoubles().Select(v => Math.Tanh(v))]).Same(y.Tanh());
        Assert.Equal(1, kernel.GuardFailures);
        Assert.Contains("guards did not hold in 1 calls", Dispatcher.Explain("tanh n=13"));
        var other = Dispatcher.Resolve(Spec("tanh n=14"));
        Assert.Contains(other.Notes, n => n.Contains("guard 'moon(full)' cannot be checked"));
    }

    [Fact]
    public void EachSignatureIsCompiledOnce()
    {
        var backend = new EvaluatorBackend();
        Use(backend);
        var a = Make.Values([3, 5]);
        int made = backend.Compiled;
        for (int i = 0; i < 5; i++)
            _ = a + a;
        Assert.Equal(made + 1, backend.Compiled);
        _ = a.T.Contiguous();
        _ = a + a[0];
        _ = a.Reshape(15) + a.Reshape(15);
        Assert.Equal(made + 3, backend.Compiled);
    }

    [Fact]
    public void ThreadsArePartOfTheTarget()
    {
        Dispatcher.Use(_store, n => new EvaluatorBackend(n), 1, (a, _) => InitialNest.Of(a));
        Store("tanh n=13", SplitTrace("tanh n=13", 4));
        Assert.Equal(KernelSource.Exact, Dispatcher.Resolve(Spec("tanh n=13")).Source);
        if (Environment.ProcessorCount > 1)
        {
            Tensor.SetNumThreads(2);
            Assert.Equal(2, Tensor.NumThreads);
            Assert.Equal(KernelSource.Near, Dispatcher.Resolve(Spec("tanh n=13")).Source);
        }
        Tensor.SetNumThreads(1);
        Assert.Equal(KernelSource.Exact, Dispatcher.Resolve(Spec("tanh n=13")).Source);
    }

    [Fact]
    public void RecordsTunedMeanwhileAreFoundAfterRefresh()
    {
        Use();
        Assert.Equal(KernelSource.Default, Dispatcher.Resolve(Spec("tanh n=13")).Source);
        Store("tanh n=13", SplitTrace("tanh n=13", 4));
        Assert.Equal(KernelSource.Default, Dispatcher.Resolve(Spec("tanh n=13")).Source);
        Dispatcher.Refresh();
        Assert.Equal(KernelSource.Exact, Dispatcher.Resolve(Spec("tanh n=13")).Source);
        Assert.Equal(1, Dispatcher.Statistics.Exact);
    }

    [Fact]
    public void ADispatchAllocatesNoMoreThanItsResult()
    {
        Use(new Idle());
        var a = Tensor.Zeros(32, 200);
        for (int i = 0; i < 100; i++)
            a.Tanh().Dispose();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
            a.Tanh().Dispose();
        // A tensor, its storage and its buffer.
        Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - before) / 1000, 0, 200);
    }

    [Fact]
    public void SeveralThreadsDispatchAtOnce()
    {
        Use();
        System.Threading.Tasks.Parallel.For(
            0,
            8,
            t =>
            {
                for (int n = 1; n < 40; n++)
                {
                    using var x = Tensor.Full([n], t + 1, DType.Float64);
                    using var y = x + x;
                    Assert.Equal(2.0 * n * (t + 1), y.Sum().Item());
                }
            }
        );
    }

    [Fact]
    public void KeysTellShapesAndStructuresApart()
    {
        TuneKey Key(string spec) => TuneKeys.Of(Spec(spec), Backend.Target);
        var key = Key("matmul m=256 n=3072 k=768");
        Assert.StartsWith("e0=256,e1=768,e2=3072", key.Shapes);
        Assert.True(key.SameFamily(Key("matmul m=1000 n=77 k=7")));
        Assert.False(key.SameFamily(Key("matmul m=256 n=3072 k=768 tb=1")));
        Assert.False(key.SameFamily(Key("matmul m=256 n=3072 k=768 dtype=f64")));
        Assert.False(key.SameFamily(Key("matmul m=256 n=3072 k=768 bias=1")));
        Assert.True(Key("add a=32x200 b=200").SameFamily(Key("add a=5x7 b=7")));
        Assert.False(Key("add a=32x200 b=200").SameFamily(Key("add n=6400")));
        Assert.Equal(key, TuneKey.Parse(key.ToText()));
    }

    private sealed class Refusing(IBackend inner) : IBackend
    {
        public TargetInfo Target => inner.Target;

        public ICompiledKernel Compile(LoopNest nest) =>
            nest.Trace.IsEmpty ? inner.Compile(nest) : throw new LoweringException("il-too-large", "62000 bytes of IL");
    }

    internal sealed unsafe class Idle : IBackend, ICompiledKernel
    {
        public TargetInfo Target => Backend.Target;

        public long WorkspaceBytes => 0;

        public ICompiledKernel Compile(LoopNest nest) => this;

        public void Run(nint* arguments, long* parameters) { }

        public void Dispose() { }
    }
}
