using System.Collections.Immutable;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Schedules;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;
using Picograd.Search;
using Picograd.Search.Measurement;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

/// <summary>Under the pinned policy every kernel gives the bits of one order of sums, which depends on the shape only.</summary>
public class PinnedOrderTests
{
    // Products with and without a split of k in their space, rows, columns, windows; none of a round size.
    public static TheoryData<string, int> Specs =>
        new()
        {
            { "matmul m=37 n=50 k=700", 2 },
            { "matmul m=13 n=96 k=64 tb=1", 4 },
            { "matmul m=1 n=300 k=500", 1 },
            { "softmax rows=19 cols=1000", 2 },
            { "layernorm rows=9 cols=768", 2 },
            { "sum rows=17 cols=3000 axis=1", 1 },
            { "sum rows=3000 cols=70 axis=0", 1 },
            { "conv2d n=1 c=5 h=12 w=13 oc=6 kh=3 kw=3", 2 },
        };

    private static IEnumerable<LoopNest> Drawn(OperatorSpec spec, TargetInfo target, int count)
    {
        var random = new Random(7);
        var algorithm = spec.Build();
        var rules = ScheduleRules.For(algorithm, target).Where(r => r.Applies(algorithm, target)).ToList();
        for (int i = 0; i < count; i++)
        {
            var rule = rules[random.Next(rules.Count)];
            var choices = rule.Knobs(algorithm, target)
                .ToDictionary(k => k.Name, k => k.Values[random.Next(k.Values.Length)]);
            LoopNest nest;
            try
            {
                nest = rule.Apply(algorithm, target, choices);
            }
            catch (ScheduleException)
            {
                continue;
            }
            yield return nest;
        }
    }

    [Theory]
    [MemberData(nameof(Specs))]
    public void What_is_accepted_gives_the_same_bits_on_all_inputs_and_threads(string text, int least)
    {
        var spec = OperatorSpec.Parse(text);
        var target = new CpuTuningTarget(CpuTarget.Detect(), 2);
        var task = new TuneTask(spec, target, TimingPolicy.Pinned);
        using var runner = new InProcessRunner(task, seed: 1);
        using var memory = new ArgumentMemory(spec.Build(), target);
        var expected = new Dictionary<InputKind, ulong[]>();
        using var pinned = new PinnedBits(task);
        int accepted = 0;
        int refused = 0;
        foreach (var nest in Drawn(spec, target.Backend.Target, 120))
        {
            var measured = runner.Measure(() => nest, double.PositiveInfinity);
            Assert.NotEqual(OutcomeNames.WrongResult, measured.Outcome);
            if (measured.Outcome == OutcomeNames.OtherOrder)
                refused++;
            if (!measured.IsTimed)
                continue;
            accepted++;
            foreach (int threads in new[] { 1, 2 })
            {
                using var kernel = new CpuBackend(CpuTarget.Detect(), threads).Compile(nest);
                foreach (var kind in spec.CertificationKinds.Where(k => k != InputKind.Extreme))
                {
                    memory.SetInputs(spec.MakeInputs(11, kind));
                    if (!expected.TryGetValue(kind, out ulong[]? bits))
                        expected.Add(kind, bits = pinned.Of(memory));
                    memory.PoisonOutputs();
                    Run(kernel, memory);
                    Assert.Equal(bits, memory.OutputDigests());
                }
            }
            if (accepted >= 12)
                break;
        }
        Assert.True(accepted >= least, $"{accepted} of the schedules that were drawn keep the order, {refused} do not");
    }

    private static unsafe void Run(ICompiledKernel kernel, ArgumentMemory memory) => kernel.Run(memory.Addresses, null);

    [Fact]
    public void A_sum_in_another_order_is_told_apart_before_it_runs()
    {
        var algorithm = OperatorSpec.Parse("matmul m=8 n=16 k=64").Build();
        string Order(Action<Schedule> steps)
        {
            var s = new Schedule(algorithm);
            steps(s);
            return SumOrder.Of(s.Nest);
        }
        string plain = Order(_ => { });
        Assert.Equal("0:64", plain);
        Assert.Equal(plain, Order(s => s.Split("C.k", 16)));
        Assert.Equal(plain, Order(s => s.Split("C.k", 24)));
        Assert.Equal(
            plain,
            Order(s =>
            {
                var (o, i) = s.Split("C.k", 16);
                s.Reorder([o, "C.m", "C.n", i]);
            })
        );
        Assert.NotEqual(
            plain,
            Order(s =>
            {
                var (o, i) = s.Split("C.k", 16);
                s.Reorder([i, o]);
            })
        );
        Assert.NotEqual(
            plain,
            Order(s =>
            {
                var (o, _) = s.Split("C.k", 16);
                s.Rfactor("C", o);
            })
        );
    }

    [Theory]
    [MemberData(nameof(Specs))]
    public void Caches_and_threads_have_no_part_in_it(string text, int least)
    {
        Assert.True(least > 0);
        var spec = OperatorSpec.Parse(text);
        var machine = CpuTarget.Detect();
        var here = new CpuBackend(machine, 1);
        var one = PinnedOrder.For(spec.Build(), here.Target);
        var there = here.Target with
        {
            L1Bytes = 48 << 10,
            L2Bytes = 256 << 10,
            L3Bytes = 4 << 20,
            Fingerprint = "other",
        };
        Assert.Equal(one.ToString(), PinnedOrder.For(spec.Build(), there).ToString());
        var two = PinnedOrder.For(spec.Build(), there with { Threads = 2 });
        Assert.Equal(SumOrder.Of(one), SumOrder.Of(two));
        var target = new CpuTuningTarget(machine, 1);
        using var memory = new ArgumentMemory(spec.Build(), target);
        memory.SetInputs(spec.MakeInputs(3));
        using var first = here.Compile(one);
        using var second = new CpuBackend(machine, 2).Compile(two);
        memory.PoisonOutputs();
        Run(first, memory);
        ulong[] bits = memory.OutputDigests();
        memory.PoisonOutputs();
        Run(second, memory);
        Assert.Equal(bits, memory.OutputDigests());
    }

    [Fact]
    public void A_winner_is_stored_under_its_own_policy_and_keeps_the_bits()
    {
        using var store = new MemoryTuneStore();
        var task = Machine.Task("matmul m=24 n=40 k=300", TimingPolicy.Pinned);
        Tuner.Tune(
            task,
            new TuneOptions
            {
                Budget = SearchBudget.Of(12),
                Store = store,
                Runner = t => new InProcessRunner(t, 1),
            }
        );
        var record = store.FindExact(task.Key)!;
        Assert.Equal("pinned", record.Key.Policy);
        Assert.Null(store.FindExact(Machine.Task("matmul m=24 n=40 k=300").Key));
        Assert.Equal(SumOrder.Of(PinnedOrder.For(task.Algorithm, task.Target)), SumOrder.Of(task.Replay(record.Trace)));
    }
}
