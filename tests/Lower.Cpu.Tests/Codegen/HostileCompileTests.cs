using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.Tests.Properties;
using Picograd.Tests.Traces;
using Xunit;
using Xunit.Abstractions;
using Stopwatch = System.Diagnostics.Stopwatch;

namespace Picograd.Tests.Codegen;

/// <summary>What passes the limits of a replay compiles, or is refused, within a bounded time and memory.</summary>
public class HostileCompileTests(ITestOutputHelper output)
{
    private const int Steps = 60;
    private const int SeedsAPrimitive = 2;

    // Ten times what the slowest takes on an idle machine (AMD EPYC Zen 5, 2026-11-29: 120 ms).
    private const double MostMilliseconds = 1_500;
    private const long MostBytes = 600_000_000;

    [Fact]
    public void Compiling_a_hostile_schedule_is_bounded()
    {
        var backend = new CpuBackend(CpuTarget.Detect(), 2);
        double slowest = 0;
        long largest = 0;
        int compiled = 0;
        int refused = 0;
        for (int i = 0; i < RandomSchedule.Primitives.Length * SeedsAPrimitive; i++)
        {
            string focus = RandomSchedule.Primitives[i / SeedsAPrimitive];
            var algorithm = OperatorSpec.Parse(HostileTraces.Specs[i % HostileTraces.Specs.Length]).Build();
            var (trace, nest) = HostileTraces.Fitting(
                algorithm,
                HostileTraces.Draw(algorithm, focus, new Random(i), Steps)
            );
            long before = GC.GetAllocatedBytesForCurrentThread();
            long start = Stopwatch.GetTimestamp();
            try
            {
                using var kernel = backend.Compile(nest);
                ReplayLimits.Standard.CheckWorkspace(algorithm, kernel.WorkspaceBytes);
                compiled++;
            }
            catch (Exception e) when (e is LoweringException or ScheduleException or ReplayLimitException)
            {
                refused++;
            }
            double milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            long bytes = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(
                milliseconds < MostMilliseconds && bytes < MostBytes,
                $"{milliseconds:0} ms and {bytes} bytes to compile\n{trace}"
            );
            slowest = Math.Max(slowest, milliseconds);
            largest = Math.Max(largest, bytes);
        }
        output.WriteLine($"{compiled} compiled, {refused} refused; at most {slowest:0} ms and {largest:#,0} bytes");
        Assert.True(compiled > 10 && refused > 3, $"{compiled} compiled, {refused} refused");
    }

    [Theory]
    [InlineData("vectorize P.m")]
    [InlineData("unroll P.m")]
    public void A_loop_of_very_many_iterations_is_not_written_out(string step)
    {
        var algorithm = OperatorSpec.Parse("gelu n=60000000").Build();
        string loop = algorithm.Stages[0].Name + "." + algorithm.Stages[0].Axes[0].Name;
        var trace = HostileTraces.Of(algorithm, [Step.Parse(step.Replace("P.m", loop))]);
        var nest = trace.Replay(algorithm);
        long before = GC.GetAllocatedBytesForCurrentThread();
        var refusal = Assert.Throws<LoweringException>(() => new CpuBackend(CpuTarget.Detect(), 1).Compile(nest));
        Assert.Equal("unroll-too-large", refusal.Reason);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000_000);
    }

    [Fact]
    public void A_workspace_beyond_all_memory_is_refused_not_wrapped_around()
    {
        // 2^31 · 2^31 · 4 elements: 64 bits would hold none of it.
        var algorithm = OperatorSpec.Parse("matmul m=2 n=2 k=2 bias=1").Build();
        var trace = HostileTraces.Of(
            algorithm,
            [Step.Parse("transform_layout P m,n->m/2147483647,n,m%2147483647 pad=zero")]
        );
        Assert.Throws<TraceException>(() => trace.Replay(algorithm));
        var s = new Schedule(algorithm);
        s.CacheWrite("P", Picograd.Algorithms.Scope.Heap);
        s.TransformLayout("P", "m,n->m/2147483647,n/2147483647,m%2147483647,n%2147483647", pad: true);
        var refusal = Assert.Throws<LoweringException>(() => new CpuBackend(CpuTarget.Detect(), 1).Compile(s.Nest));
        Assert.Equal("workspace", refusal.Reason);
    }
}
