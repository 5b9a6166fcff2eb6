using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Search;
using Picograd.Search.CostModels;
using Picograd.Search.Measurement;
using Picograd.Search.Strategies;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// The search on faked GPUs, each with another fastest kernel: whatever the prior says, the winner's family is found, and its
/// knobs are, within the trials of a small budget.
/// </summary>
public class GpuSearchTests
{
    private const int Trials = 60;

    /// <summary>Hopper that nobody has; times come from a formula.</summary>
    private sealed class PaperGpu : ITuningTarget, IBackend
    {
        private readonly GpuInfo _gpu = GpuInfo.H200;

        public IBackend Backend => this;

        public TargetInfo Target =>
            new("cuda", "cuda;paper", 0, 0, 1, 0, _gpu.L2Bytes, 0) { Gpu = _gpu, ArgumentAlignment = 16 };

        public bool IsHostMemory => false;

        public TargetCeilings Ceilings { get; } = new(60_000, [("memory", long.MaxValue, 4_800)], 4_800);

        public LoopNest Lower(LoopNest nest) => CudaLowering.WithoutBarriers(nest, _gpu);

        public ICompiledKernel Compile(LoopNest nest) =>
            throw new InvalidOperationException("a paper GPU runs nothing");

        public nint Allocate(long bytes) => throw new InvalidOperationException("a paper GPU has no memory");

        public void Free(nint memory, long bytes) => throw new InvalidOperationException("a paper GPU has no memory");

        public double SentinelMilliseconds() => 0.03;
    }

    /// <summary>
    /// Each rule's time at its best (others: 100 times the winner's), and what the winner wants of its knobs: each step by a factor
    /// of two away from it costs a fifth.
    /// </summary>
    private static double Time(Candidate c, Dictionary<string, double> rules, Dictionary<string, long> best)
    {
        if (c.Rule is null || !rules.TryGetValue(c.Rule.Name, out double time))
            return 100 * rules.Values.Min();
        if (time > rules.Values.Min())
            return time;
        foreach (var (knob, value) in best)
            time *= 1 + 0.2 * Math.Abs(Math.Log2((c.Choices[knob] + 1.0) / (value + 1.0)));
        return time;
    }

    private static (BeamSearch Search, double Best) Run(string spec, string rules, string best, int seed)
    {
        var task = new TuneTask(OperatorSpec.Parse(spec), new PaperGpu());
        var times = rules.Split(' ').Select(r => r.Split('=')).ToDictionary(r => r[0], r => double.Parse(r[1]));
        var knobs = best.Split(' ').Select(k => k.Split('=')).ToDictionary(k => k[0], k => long.Parse(k[1]));
        var search = new BeamSearch(
            task,
            null,
            new SyntheticRunner(c => Time(c, times, knobs), seed, noisy: true),
            new CostModel(task.Target, task.On.Backend.Lower),
            0,
            new SearchSettings { Seed = seed }
        );
        search.Run(SearchBudget.Of(Trials), CancellationToken.None);
        return (search, times.Values.Min());
    }

    [Theory]
    [InlineData(
        "matmul m=4096 n=4096 k=4096 dtype=bf16",
        "gpu-warpgroup-matmul=0.19 gpu-tensor-matmul=0.4",
        "bm=256 bn=128 stages=4 persistent=1"
    )]
    [InlineData(
        "matmul m=4096 n=4096 k=4096 dtype=bf16",
        "gpu-warpgroup-matmul=0.8 gpu-tensor-matmul=0.3",
        "bm=256 bn=128 wm=64 stages=4"
    )]
    [InlineData(
        "matmul m=2048 n=2048 k=2048 dtype=bf16",
        "gpu-warpgroup-matmul=30 gpu-tensor-matmul=20 gpu-plain=1",
        "threads=512"
    )]
    [InlineData(
        "matmul m=4096 n=4096 k=4096 tb=1 tf32=1",
        "gpu-warpgroup-matmul=0.4 gpu-tensor-matmul=0.7",
        "bm=128 bn=192 stages=4"
    )]
    [InlineData(
        "matmul m=256 n=256 k=65536 dtype=bf16",
        "gpu-warpgroup-matmul=0.2 gpu-tensor-matmul=0.05",
        "split_k=16 stages=4"
    )]
    [InlineData(
        "attention b=2 h=16 tq=2048 tk=2048 d=64 dtype=bf16",
        "gpu-tensor-attention=0.5 gpu-attention=4",
        "bq=128 hold=0"
    )]
    [InlineData(
        "attention b=2 h=16 tq=2048 tk=2048 d=64 dtype=bf16",
        "gpu-tensor-attention=9 gpu-attention=2",
        "bq=64 tm=2"
    )]
    public void Whatever_is_fastest_is_found(string spec, string rules, string best)
    {
        var (search, ideal) = Run(spec, rules, best, seed: 1);
        string winner = rules.Split(' ').MinBy(r => double.Parse(r.Split('=')[1]))!.Split('=')[0];
        Assert.Equal(winner, search.Best!.Candidate.Rule!.Name);
        // Measured with noise of up to 19 per cent.
        Assert.InRange(search.Best.Milliseconds, ideal, 1.35 * ideal);
        // Every rule's default was measured first.
        int count = ScheduleRules.For(OperatorSpec.Parse(spec).Build(), new PaperGpu().Target).Count();
        Assert.Equal(count, search.Trials.Take(count).Select(t => t.Candidate.Rule!.Name).Distinct().Count());
    }

    /// <summary>Tells what each measurement might take.</summary>
    private sealed class LimitedRunner(ICandidateRunner inner) : ICandidateRunner
    {
        public List<(int Count, TimeSpan? Limit)> Batches { get; } = [];

        public TimeSpan? Limit { get; set; }

        public IReadOnlyList<Measured> Measure(
            IReadOnlyList<Candidate> candidates,
            double bestMilliseconds,
            CancellationToken cancel
        )
        {
            Batches.Add((candidates.Count, Limit));
            return inner.Measure(candidates, bestMilliseconds, cancel);
        }

        public RaceTimes Race(IReadOnlyList<Candidate> candidates, RacePlan plan, CancellationToken cancel) =>
            inner.Race(candidates, plan, cancel);

        public TuneDb.Certification Certify(Candidate candidate, TimeSpan? limit = null) =>
            inner.Certify(candidate, limit);

        public void Dispose() => inner.Dispose();
    }

    [Fact]
    public void Defaults_have_a_deadline_and_those_after_the_first_are_compiled_together()
    {
        var clock = new FakeClock();
        var task = new TuneTask(OperatorSpec.Parse("matmul m=256 n=256 k=256 dtype=bf16"), new PaperGpu());
        // However hopeless they look.
        var times = new SyntheticRunner(c => c.Rule!.Name == "gpu-warpgroup-matmul" ? 1 : 1e6, 1, noisy: false)
        {
            Clock = clock,
        };
        var limit = TimeSpan.FromMinutes(3);
        var runner = new LimitedRunner(times) { Limit = limit };
        var settings = new SearchSettings { Clock = clock };
        var search = new BeamSearch(task, null, runner, new CostModel(task.Target, task.On.Backend.Lower), 0, settings);
        search.Run(SearchBudget.Seconds(100), CancellationToken.None);
        int rules = ScheduleRules.For(task.Algorithm, task.Target).Count();
        Assert.Equal([1, rules - 1], runner.Batches.Take(2).Select(b => b.Count));
        foreach (var (_, deadline) in runner.Batches.Take(2))
            Assert.InRange(
                deadline!.Value.TotalSeconds,
                settings.LeastDeviceDefaultTime.TotalSeconds,
                settings.LevelShare * 100 / (rules - 1)
            );
        Assert.All(runner.Batches.Skip(2), b => Assert.Equal(limit, b.Limit));
        Assert.Equal(limit, runner.Limit);
    }
}
