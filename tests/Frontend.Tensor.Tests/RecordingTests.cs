using Picograd.Dispatch;
using Picograd.Dispatch.Profiles;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Xunit;

namespace Picograd.Tests;

/// <summary>What a program ran: instances, counts, times, sources.</summary>
public sealed class RecordingTests : IDisposable
{
    public RecordingTests() => Setup.UseCpu();

    public void Dispose()
    {
        Dispatcher.StopRecording();
        Setup.UseEvaluator();
    }

    [Fact]
    public void Every_call_is_counted_and_timed_while_recording_is_on()
    {
        using var a = Tensor.Rand([64, 48], new Generator(1));
        using var b = Tensor.Rand([48, 32], new Generator(2));
        // What an earlier recording left, if any.
        var earlier = Dispatcher.Recorded;
        using (a.MatMul(b)) { }
        Assert.Equal(earlier, Dispatcher.Recorded);
        Dispatcher.StartRecording();
        for (int i = 0; i < 7; i++)
        {
            using var c = a.MatMul(b);
            using var d = c.Tanh();
        }
        var recorded = Dispatcher.Recorded;
        Assert.Equal(["matmul m=64 n=32 k=48", "tanh n=2048"], recorded.Select(o => o.Spec).Order());
        Assert.All(
            recorded,
            o =>
            {
                Assert.Equal(7, o.Calls);
                Assert.Equal("cpu", o.Device);
                Assert.Equal(Dispatcher.Target.Fingerprint, o.Target);
                Assert.Equal(KernelSource.Default, o.Source);
                Assert.Null(o.Record);
                Assert.InRange(o.Milliseconds, 1e-4, 10_000);
                Assert.InRange(o.MillisecondsPerCall, 1e-5, o.Milliseconds / 3);
                Assert.Equal(7 * o.MillisecondsPerCall, o.SteadyMilliseconds);
            }
        );
        Assert.Equal(recorded.OrderByDescending(o => o.Milliseconds), recorded);
        Dispatcher.StopRecording();
        using (a.MatMul(b)) { }
        Assert.Equal(recorded, Dispatcher.Recorded);
        Dispatcher.StartRecording();
        Assert.Empty(Dispatcher.Recorded);
    }

    [Fact]
    public void Shapes_of_one_class_are_told_apart()
    {
        Dispatcher.StartRecording();
        for (int n = 100; n < 120; n++)
        {
            using var x = Tensor.Rand([n, 7], new Generator(1));
            using (x.Softmax(1)) { }
            using (x.Softmax(1)) { }
        }
        var softmax = Dispatcher.Recorded.Where(o => o.Spec.StartsWith("softmax ")).ToList();
        Assert.Equal(20, softmax.Count);
        Assert.All(softmax, o => Assert.Equal(2, o.Calls));
    }

    [Fact]
    public void The_time_of_a_call_is_the_median()
    {
        var recorder = new OperatorRecorder();
        var sleepy = new Sleepy();
        var place = new OperatorRecorder.Place("tanh n=7", "cpu", "t", KernelSource.Default, null);
        var kernel = recorder.Timed(sleepy, CpuRuntime.Instance, place);
        foreach (int milliseconds in new[] { 300, 5, 5, 5, 5, 100, 5 })
        {
            sleepy.Milliseconds = milliseconds;
            unsafe
            {
                kernel.Run(null, null);
            }
        }
        var recorded = Assert.Single(recorder.Snapshot());
        Assert.Equal(7, recorded.Calls);
        Assert.InRange(recorded.Milliseconds, 425, 10_000);
        Assert.InRange(recorded.MillisecondsPerCall, 4.7, 90);
    }

    private sealed unsafe class Sleepy : Schedules.Backend.ICompiledKernel
    {
        public int Milliseconds { get; set; }

        public long WorkspaceBytes => 0;

        public void Run(nint* arguments, long* parameters) => Thread.Sleep(Milliseconds);

        public void Dispose() { }
    }

    [Fact]
    public void Calls_of_several_threads_add_up()
    {
        Dispatcher.StartRecording();
        Parallel.For(
            0,
            4,
            _ =>
            {
                for (int i = 0; i < 500; i++)
                {
                    using var x = Tensor.Zeros(33);
                    using (x.Exp()) { }
                }
            }
        );
        Assert.Equal(2000, Assert.Single(Dispatcher.Recorded, o => o.Spec == "exp n=33").Calls);
    }

    [Fact]
    public void Recorded_calls_give_the_results_and_allocate_nothing_more()
    {
        using var x = Tensor.Rand([64], new Generator(3));
        float[] expected = x.Exp().ToArray<float>();
        Dispatcher.StartRecording();
        Assert.Equal(expected, x.Exp().ToArray<float>());
        long Bytes()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 100; i++)
                x.Exp().Dispose();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
        Bytes();
        long recorded = Bytes();
        Dispatcher.StopRecording();
        Bytes();
        Assert.Equal(Bytes(), recorded);
    }

    [Fact]
    public void The_records_that_served_are_named()
    {
        using var store = new TuneDb.MemoryTuneStore();
        var backend = new CpuBackend(CpuTarget.Detect(), 1);
        var spec = Picograd.Algorithms.Operators.OperatorSpec.Parse("tanh n=999");
        var split = new Schedules.Schedule(spec.Build());
        split.Split(split.Nest.Loops.First().Name, 4);
        string trace = Schedules.Traces.Trace.Of(split.Nest).ToString();
        store.Put(TestRecords.Of(spec, backend.Target, trace));
        Dispatcher.Use(store, backend);
        Dispatcher.StartRecording();
        using var x = Tensor.Rand([999], new Generator(3));
        using (x.Tanh()) { }
        var tanh = Assert.Single(Dispatcher.Recorded, o => o.Spec == "tanh n=999");
        Assert.Equal(("tuned", KernelSource.Exact), (tanh.SourceName, tanh.Source));
        Assert.Equal($"{store.All()[0].TraceHash[..8]} of tanh n=999 for {backend.Target.Fingerprint}", tanh.Record);
    }

    [Fact]
    public void A_profile_is_read_as_it_was_written_and_blocks_add_up()
    {
        RecordedOperator[] ran =
        [
            new(
                "matmul m=3 n=4 k=5",
                "cpu",
                "cpu;x;threads=2",
                KernelSource.Near,
                "0123abcd of matmul m=4 n=4 k=5 for y",
                10,
                1.25
            ),
            new("tanh n=7", "cuda:0", "cuda;sm_90a", KernelSource.Default, null, 3, 0.5) { MillisecondsPerCall = 0.1 },
        ];
        string text = new OperatorProfile(ran, 2.5, 0.25).ToString();
        Assert.True(OperatorProfile.IsProfile(text));
        var once = OperatorProfile.Parse(text);
        Assert.Equal(ran, once.Operators);
        Assert.Equal((2.5, 0.25, 1.75), (once.Seconds, once.MakingSeconds, once.KernelMilliseconds));
        var twice = OperatorProfile.Parse(text + "\n" + text);
        Assert.Equal([20L, 6], twice.Operators.Select(o => o.Calls));
        Assert.Equal(5, twice.Seconds);
        Assert.Equal(
            (1.0, 0.1),
            (twice.Operators[1].Milliseconds, Math.Round(twice.Operators[1].MillisecondsPerCall, 9))
        );
        // Cut off anywhere, the block before it stays and its own counts in full or not at all.
        for (int cut = 0; cut <= text.Length; cut++)
        {
            var rest = OperatorProfile.Parse(text + "\n" + text[..cut] + "\n" + text);
            Assert.Contains(rest.Operators[0].Calls, new[] { 20L, 30 });
            Assert.Equal(rest.Operators[0].Calls * 3, rest.Operators[1].Calls * 10);
        }
    }

    [Theory]
    [InlineData("# picograd profile 2 seconds=1\n", "version 2")]
    [InlineData("# picograd profile 1 seconds=1\ntanh n=7\n# end 1\n", "'tanh n=7' is no line of a profile")]
    [InlineData(
        "# picograd profile 1\ntanh n=7 # calls=x ms=1 source=default device=cpu target=t\n# end 1\n",
        "line 2"
    )]
    public void What_is_no_profile_is_refused(string text, string part) =>
        Assert.Contains(part, Assert.Throws<FormatException>(() => OperatorProfile.Parse(text)).Message);

    [Fact]
    public void Several_processes_may_append_to_one_file_at_once()
    {
        string path = Path.GetTempFileName();
        try
        {
            var profile = new OperatorProfile([new("tanh n=7", "cpu", "t", KernelSource.Default, null, 1, 1)], 1, 0);
            Parallel.For(0, 50, _ => profile.AppendTo(path));
            Assert.Equal(50, Assert.Single(OperatorProfile.Parse(File.ReadAllText(path)).Operators).Calls);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
