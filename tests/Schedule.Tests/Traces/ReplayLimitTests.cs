using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.Tests.Codegen;
using Picograd.Tests.Gpu;
using Picograd.Tests.Properties;
using Xunit;
using Xunit.Abstractions;
using Stopwatch = System.Diagnostics.Stopwatch;

namespace Picograd.Tests.Traces;

/// <summary>Whatever a trace says, its replay ends soon, in little memory, with a program in proportion or a sentence.</summary>
public class ReplayLimitTests(ITestOutputHelper output)
{
    private const int SeedsAPrimitive = 2;
    private const int Attempts = 4;

    // Several times the most that was seen on an idle machine (AMD EPYC Zen 5, 2026-11-29: 200 ms, 81 MB allocated in all);
    // without the limits single cases took 25 s and 21 GB.
    private const double MostMilliseconds = 1_000;
    private const long MostBytes = 300_000_000;

    [Fact]
    public void Hostile_traces_replay_or_are_refused_soon()
    {
        double slowest = 0;
        long largest = 0;
        var outcomes = new SortedDictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < RandomSchedule.Primitives.Length * SeedsAPrimitive; i++)
        {
            string focus = RandomSchedule.Primitives[i / SeedsAPrimitive];
            var algorithm = OperatorSpec.Parse(HostileTraces.Specs[i % HostileTraces.Specs.Length]).Build();
            string text = HostileTraces.Draw(algorithm, focus, new Random(i), 120).ToString();
            foreach (bool near in (bool[])[false, true])
            {
                string outcome = "";
                double milliseconds = double.MaxValue;
                long bytes = 0;
                // Others may have had the processor meanwhile: what takes long once need not take long again.
                for (int attempt = 0; attempt < Attempts && milliseconds >= MostMilliseconds; attempt++)
                {
                    long before = GC.GetAllocatedBytesForCurrentThread();
                    long start = Stopwatch.GetTimestamp();
                    outcome = Replay(text, algorithm, near);
                    milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
                    bytes = GC.GetAllocatedBytesForCurrentThread() - before;
                }
                Assert.True(
                    milliseconds < MostMilliseconds && bytes < MostBytes,
                    $"{milliseconds:0} ms and {bytes} bytes to replay (seed {i})\n{text}"
                );
                slowest = Math.Max(slowest, milliseconds);
                largest = Math.Max(largest, bytes);
                outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
            }
        }
        output.WriteLine($"at most {slowest:0} ms and {largest:#,0} bytes");
        foreach (var (outcome, count) in outcomes)
            output.WriteLine($"{outcome}: {count}");
        // All kinds of ends are drawn.
        Assert.All(
            (string[])["replayed", "beyond the limits", "does not fit"],
            o => Assert.True(outcomes.ContainsKey(o), o)
        );
    }

    // Anything but a TraceException is a failure of the test.
    private static string Replay(string text, Picograd.Algorithms.Algorithm algorithm, bool near)
    {
        try
        {
            var trace = Trace.Parse(text);
            if (!near)
                trace.Replay(algorithm);
            else if (trace.ReplayNear(algorithm).Nest is null)
                return "does not fit";
            return "replayed";
        }
        catch (ReplayLimitException e)
        {
            Assert.Matches("limit|more than", e.Message);
            return "beyond the limits";
        }
        catch (TraceException)
        {
            return "does not fit";
        }
    }

    [Theory]
    [InlineData("cache_read A P heap; transform_layout A.heap m,k->m/1000000,k,m%1000000 pad=zero")]
    [InlineData(
        "cache_read A P heap; transform_layout A.heap m,k->m/2147483647,k/2147483647,m%2147483647,k%2147483647 pad=zero"
    )]
    [InlineData("cache_read A P heap; storage_align A.heap 0 2147483647 5")]
    [InlineData("pad_einsum P 1000000,4,8")]
    [InlineData("split P.m 1000000 tail=pad")]
    [InlineData("split P.m 2147483647 tail=guard")]
    [InlineData("tile P.m P.n 1000000 1000000 tail=guard")]
    public void A_step_out_of_proportion_is_refused(string steps)
    {
        var algorithm = OperatorSpec.Parse("matmul m=60 n=70 k=80 bias=1").Build();
        Step[] parsed = [.. steps.Split("; ").Select(Step.Parse)];
        var trace = HostileTraces.Of(algorithm, parsed);
        long start = Stopwatch.GetTimestamp();
        var refusal = Assert.Throws<ReplayLimitException>(() => trace.Replay(algorithm));
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalMilliseconds, 0, 500);
        Assert.Contains("(the limit is ", refusal.Message);
        Assert.Contains($"after step {parsed.Length} '", refusal.Message);
        Assert.DoesNotContain('\n', refusal.Message);
    }

    [Theory]
    [InlineData("split P.m{0} 2", 2_000)]
    [InlineData("unit_loop P.m", 3_000)]
    public void A_trace_of_thousands_of_steps_is_refused_unread(string step, int count)
    {
        var algorithm = OperatorSpec.Parse("matmul m=60 n=70 k=80 bias=1").Build();
        string header = HostileTraces.Of(algorithm, []).ToString();
        string text =
            header
            + string.Concat(
                Enumerable.Range(0, count).Select(i => string.Format(null, step, i == 0 ? "" : ".o") + "\n")
            );
        long start = Stopwatch.GetTimestamp();
        var refusal = Assert.Throws<ReplayLimitException>(() => Trace.Parse(text));
        Assert.Matches(
            "the trace has (more than [0-9]+ steps|[0-9]+ characters, and the limit is [0-9]+)",
            refusal.Message
        );
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalMilliseconds, 0, 200);
    }

    [Fact]
    public void A_long_text_is_refused_unread() =>
        Assert.Throws<ReplayLimitException>(() => Trace.Parse("picograd-trace 1\n" + new string('#', 10_000_000)));

    [Fact]
    public void Unit_loops_up_to_the_limit_replay()
    {
        var algorithm = OperatorSpec.Parse("matmul m=60 n=70 k=80 bias=1").Build();
        var steps = Enumerable.Repeat(Step.Of("unit_loop", "P.m"), 20);
        Assert.Equal(20, HostileTraces.Of(algorithm, steps).Replay(algorithm).Trace.Length);
        steps = Enumerable.Repeat(Step.Of("unit_loop", "P.m"), 200);
        var refusal = Assert.Throws<ReplayLimitException>(() => HostileTraces.Of(algorithm, steps).Replay(algorithm));
        Assert.Contains("deeper", refusal.Message);
    }

    [Fact]
    public void A_factor_is_inferred_again_without_trying_all_numbers()
    {
        // 2^31 − 1 is prime: counting down from the factor would take seconds for every step.
        var large = OperatorSpec.Parse("exp n=2147483647").Build();
        var small = OperatorSpec.Parse("exp n=1024").Build();
        string loop = $"{small.Stages[0].Name}.{small.Stages[0].Axes[0].Name}";
        var trace = HostileTraces.Of(small, [Step.Parse($"split {loop} 1073741824 tail=shift")]);
        long start = Stopwatch.GetTimestamp();
        trace.ReplayNear(large);
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalMilliseconds, 0, 1_000);
    }

    [Fact]
    public void Defaults_of_all_operators_are_far_within_the_limits()
    {
        var half = ReplayLimits.Standard with { Steps = 200, Statements = 128, Depth = 30, Expressions = 2_048 };
        TargetInfo cpu = new("cpu", "cpu", 512, 32, 2, 48 << 10, 2 << 20, 32 << 20);
        foreach (var definition in OperatorLibrary.All)
        foreach (var spec in RandomSpecs.Of(definition, 3, 20261129))
        foreach (var target in (TargetInfo[])[cpu, Targets.A100, Targets.H100])
        {
            var algorithm = spec.Build();
            string text = Trace.Of(DefaultSchedule.For(algorithm, target)).ToString();
            Trace.Parse(text, half).Replay(algorithm, half);
        }
    }

    [Fact]
    public void The_time_is_a_net()
    {
        var algorithm = OperatorSpec.Parse("matmul m=60 n=70 k=80").Build();
        string loop = $"{algorithm.Stages[0].Name}.{algorithm.Stages[0].Axes[0].Name}";
        var trace = HostileTraces.Of(algorithm, [Step.Of("unit_loop", loop)]);
        var limits = ReplayLimits.Standard with { Time = TimeSpan.Zero };
        Assert.Contains(
            "it has taken more than",
            Assert.Throws<ReplayLimitException>(() => trace.Replay(algorithm, limits)).Message
        );
    }
}
