using Picograd.Algorithms.Operators;
using Picograd.Dispatch;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.TuneDb;
using Xunit;
using Stopwatch = System.Diagnostics.Stopwatch;

namespace Picograd.Tests;

/// <summary>Records that ask for too much time or memory: the default schedule runs, and that is said once.</summary>
public sealed class HostileRecordTests : IDisposable
{
    private const string Product = "matmul m=60 n=70 k=80 bias=1";

    private readonly Unchecked _store = new();
    private readonly Action<string> _write = Dispatcher.OnWarning;
    private readonly List<string> _heard = [];

    public HostileRecordTests() => Dispatcher.OnWarning = _heard.Add;

    public void Dispose()
    {
        Dispatcher.OnWarning = _write;
        Setup.UseEvaluator();
        _store.Dispose();
    }

    private void Use(IBackend backend) => Dispatcher.Use(_store, backend, (a, _) => InitialNest.Of(a));

    private void Store(string spec, IEnumerable<string> steps, string? shownAs = null)
    {
        var algorithm = OperatorSpec.Parse(spec).Build();
        string header = Trace.Of(InitialNest.Of(algorithm)).ToString();
        _store.Records.Add(
            new TuneRecord
            {
                Key = TuneKeys.Of(OperatorSpec.Parse(spec), Dispatcher.Target),
                Spec = shownAs ?? spec,
                Trace = header + string.Concat(steps.Select(s => s + "\n")),
                Milliseconds = 1,
                Certified = true,
                Certification = new Certification(0.1, true, true),
                Provenance = new Provenance(DateTime.UtcNow, "test", 1, "1s", 1, "plateau", "10", "0.1"),
            }
        );
    }

    public static TheoryData<string, string[]> OutOfProportion =>
        new()
        {
            { "layout", ["cache_read A P heap", "transform_layout A.heap m,k->m/1000000,k,m%1000000 pad=zero"] },
            { "einsum", ["pad_einsum P 1000000,4,8"] },
            { "pad", ["split P.m 1000000 tail=pad"] },
            { "splits", [.. Enumerable.Repeat("split C.m 2", 2_000)] },
            { "unit loops", [.. Enumerable.Repeat("unit_loop P.m", 3_000)] },
            { "unit loops within the number of steps", [.. Enumerable.Repeat("unit_loop P.m", 200)] },
            { "text", [.. Enumerable.Repeat("# " + new string('x', 1_000), 10_000)] },
        };

    [Theory]
    [MemberData(nameof(OutOfProportion))]
    public void A_record_out_of_proportion_is_refused_at_once(string kind, string[] steps)
    {
        Use(new EvaluatorBackend());
        Store(Product, steps);
        long start = Stopwatch.GetTimestamp();
        long before = GC.GetAllocatedBytesForCurrentThread();
        var kernel = Dispatcher.Resolve(OperatorSpec.Parse(Product));
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalMilliseconds, 0, 1_000);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 150_000_000);
        Assert.Equal(KernelSource.Default, kernel.Source);
        Assert.Contains(kernel.Notes, n => n.Contains("was refused"));
        string sentence = Assert.Single(_heard);
        Assert.StartsWith($"the tuned record of {Product} is not used, the default schedule runs instead", sentence);
        Assert.True(sentence.Length < 500, $"{kind}: {sentence}");
        // A near shape finds the same record: it is neither tried nor told again.
        Assert.Equal(
            KernelSource.Default,
            Dispatcher.Resolve(OperatorSpec.Parse("matmul m=61 n=70 k=80 bias=1")).Source
        );
        Assert.Single(_heard);
    }

    [Fact]
    public void Memory_that_runs_out_in_compiling_is_answered_by_the_default()
    {
        Use(new Hungry(new EvaluatorBackend(), inRun: false));
        Store("tanh n=13", ["unit_loop Y.i"]);
        Assert.Equal(KernelSource.Default, Dispatcher.Resolve(OperatorSpec.Parse("tanh n=13")).Source);
        Assert.Contains("tanh n=13", Assert.Single(_heard));
        Dispatcher.Refresh();
    }

    [Fact]
    public void Memory_that_runs_out_in_a_run_is_answered_by_the_default()
    {
        Use(new Hungry(new EvaluatorBackend(), inRun: true));
        Store("tanh n=13", ["unit_loop Y.i"]);
        Assert.Equal(KernelSource.Exact, Dispatcher.Resolve(OperatorSpec.Parse("tanh n=13")).Source);
        var x = Make.Values([13]);
        for (int i = 0; i < 3; i++)
            new Plain([13], [.. x.ToDoubles().Select(v => Math.Tanh(v))]).Same(x.Tanh());
        Assert.Contains("found no memory", Assert.Single(_heard));
    }

    [Fact]
    public async Task Other_operators_do_not_wait_for_a_slow_record()
    {
        using var begun = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        Use(new Slow(new EvaluatorBackend(), begun, go));
        Store("tanh n=13", ["unit_loop Y.i"]);
        var slow = Task.Run(() => Dispatcher.Resolve(OperatorSpec.Parse("tanh n=13")));
        Assert.True(begun.Wait(TimeSpan.FromSeconds(20)));
        var other = Task.Run(() => Dispatcher.Resolve(OperatorSpec.Parse("exp n=13")));
        await other.WaitAsync(TimeSpan.FromSeconds(20));
        // Who wants the same instance waits for it, and gets the same kernel.
        var same = Task.Run(() => Dispatcher.Resolve(OperatorSpec.Parse("tanh n=13")));
        Assert.False(slow.IsCompleted);
        go.Set();
        Assert.Same(await slow, await same);
        Assert.Equal(KernelSource.Exact, (await same).Source);
    }

    [Fact]
    public void What_failed_is_tried_again()
    {
        var backend = new Failing(new EvaluatorBackend());
        Use(backend);
        var spec = OperatorSpec.Parse("tanh n=13");
        Assert.Throws<InvalidOperationException>(() => Dispatcher.Resolve(spec));
        backend.Works = true;
        Assert.Equal(KernelSource.Default, Dispatcher.Resolve(spec).Source);
    }

    [Fact]
    public void Texts_of_a_record_are_told_without_control_characters()
    {
        Use(new EvaluatorBackend());
        Store(Product, ["pad_einsum P 1000000,4,8"], "matmul \u001b[2J\u001b]0;owned\u0007");
        var kernel = Dispatcher.Resolve(OperatorSpec.Parse(Product));
        Assert.All(kernel.Notes.Append(Assert.Single(_heard)), n => Assert.DoesNotContain(n, char.IsControl));
        Assert.Contains("matmul \\u001b[2J", Assert.Single(_heard));
    }

    /// <summary>A look-up that vouches for nothing: a store refuses some of these records itself.</summary>
    private sealed class Unchecked : ITuneLookup
    {
        public List<TuneRecord> Records { get; } = [];

        public TuneRecord? FindExact(TuneKey key) => Records.Find(r => r.Key == key);

        public IReadOnlyList<TuneRecord> FindNear(TuneKey key, int max) =>
            [.. Records.Where(r => r.Key != key && r.Key.SameFamily(key)).Take(max)];

        public IReadOnlyList<string> Targets() => [.. Records.Select(r => r.Key.Target).Distinct()];

        public void Dispose() { }
    }

    private sealed class Hungry(IBackend inner, bool inRun) : IBackend
    {
        public TargetInfo Target => inner.Target;

        public ICompiledKernel Compile(LoopNest nest) =>
            nest.Trace.IsEmpty ? inner.Compile(nest)
            : inRun ? new NoMemory()
            : throw new OutOfMemoryException();
    }

    private sealed unsafe class NoMemory : ICompiledKernel
    {
        public long WorkspaceBytes => 1_000_000;

        public void Run(nint* arguments, long* parameters) => throw new OutOfMemoryException();

        public void Dispose() { }
    }

    private sealed class Slow(IBackend inner, ManualResetEventSlim begun, ManualResetEventSlim go) : IBackend
    {
        public TargetInfo Target => inner.Target;

        public ICompiledKernel Compile(LoopNest nest)
        {
            if (!nest.Trace.IsEmpty)
            {
                begun.Set();
                go.Wait(TimeSpan.FromSeconds(60));
            }
            return inner.Compile(nest);
        }
    }

    private sealed class Failing(IBackend inner) : IBackend
    {
        public bool Works { get; set; }

        public TargetInfo Target => inner.Target;

        public ICompiledKernel Compile(LoopNest nest) =>
            Works ? inner.Compile(nest) : throw new InvalidOperationException("not today");
    }
}
