using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;
using Picograd.Tests.Codegen;
using Xunit;

namespace Picograd.Tests.Contractions;

/// <summary>
/// Code of contractions stays short enough for the JIT: large windows, edges and rests of tiles that each have code of their own,
/// loads lane by lane. Where a default is refused all the same, shorter code of the same rule runs instead.
/// </summary>
public class DefaultLengthTests
{
    public static TheoryData<string> Long { get; } =
    [
        "conv2d n=1 c=3 h=224 w=224 oc=64 kh=7 kw=7 pad=3",
        "conv2d n=2 c=5 h=56 w=56 oc=1 kh=2 kw=2 pad=1 stride=2 dil=2",
        "conv2d n=1 c=16 h=224 w=224 oc=16 kh=3 kw=3 pad=1 stride=2 groups=16",
        "conv2d n=1 c=128 h=28 w=28 oc=128 kh=3 kw=3 pad=1 stride=2 groups=128",
        "conv2d n=1 c=1 h=28 w=28 oc=1 kh=5 kw=5 pad=4 stride=2",
        "conv2d n=2 c=16 h=56 w=56 oc=16 kh=5 kw=5 pad=2 stride=4 dil=2 groups=16",
        "conv2d n=1 c=17 h=224 w=224 oc=5 kh=5 kw=5 pad=4 stride=4",
        "conv2d n=1 c=4 h=224 w=224 oc=8 kh=7 kw=7 pad=6 stride=2",
        "conv2d n=1 c=4 h=224 w=224 oc=8 kh=11 kw=11 pad=5 stride=4",
        "conv2d n=1 c=64 h=28 w=28 oc=64 kh=11 kw=11 pad=7 stride=2 groups=64",
        "conv2d.adjoint n=1 c=3 h=224 w=224 oc=64 kh=4 kw=4 pad=2 wrt=X",
        "conv2d n=2 c=4 h=56 w=56 oc=8 kh=9 kw=9 pad=7 stride=2",
        "conv2d.adjoint n=1 c=4 h=14 w=14 oc=8 kh=11 kw=11 pad=5 wrt=X",
        "matmul m=64 n=16 k=4096 tb=1",
        "matmul m=4096 n=30 k=27 tb=1",
    ];

    [SkippableTheory]
    [MemberData(nameof(Long))]
    public void Defaults_that_were_refused_compile(string spec)
    {
        var algorithm = OperatorSpec.Parse(spec).Build();
        foreach (int bits in new[] { 512, 256 })
        {
            foreach (int threads in new[] { 1, 2 })
            {
                var backend = Widths.Backend(bits, threads);
                // The first rule's own: none was passed over.
                var rule = ScheduleRules.For(algorithm, backend.Target).First();
                var nest = rule.Apply(algorithm, backend.Target, rule.Defaults(algorithm, backend.Target));
                using var kernel = backend.Compile(nest);
            }
        }
    }

    [SkippableTheory]
    [InlineData("conv2d n=1 c=3 h=33 w=47 oc=17 kh=7 kw=7 pad=3")]
    [InlineData("conv2d n=2 c=5 h=19 w=23 oc=1 kh=2 kw=2 pad=1 stride=2 dil=2")]
    [InlineData("conv2d n=1 c=4 h=40 w=70 oc=4 kh=3 kw=3 pad=1 stride=2 groups=4")]
    [InlineData("conv2d n=1 c=4 h=29 w=31 oc=8 kh=7 kw=7 pad=6 stride=2")]
    [InlineData("conv2d.adjoint n=1 c=4 h=14 w=14 oc=8 kh=11 kw=11 pad=5 wrt=X")]
    [InlineData("conv2d n=1 c=3 h=4 w=5 oc=2 kh=1 kw=1 pad=0")]
    [InlineData("matmul m=64 n=16 k=200 tb=1")]
    [InlineData("matmul m=130 n=17 k=67 tb=1")]
    [InlineData("softmax rows=7 cols=131")]
    [InlineData("attention b=1 h=2 tq=5 tk=19 d=16")]
    [InlineData("sum rows=37 cols=53 axis=0")]
    public void Shorter_code_computes_the_same(string text)
    {
        var algorithm = OperatorSpec.Parse(text).Build();
        var inputs = GuardedMemory.AsStored(Problem.Of(algorithm).MakeInputs(3));
        var expected = Evaluator.RunWithBounds(algorithm, inputs);
        foreach (int bits in new[] { 512, 128 })
        {
            var backend = Widths.Backend(bits, 2);
            var rule = ScheduleRules.For(algorithm, backend.Target).First();
            long longest = long.MaxValue;
            int steps = 0;
            foreach (var choices in rule.Shorter(algorithm, backend.Target))
            {
                long sum = rule.Knobs(algorithm, backend.Target).Where(k => k.Lengthens).Sum(k => choices[k.Name]);
                Assert.True(sum < longest, $"{text}: {sum} after {longest}");
                longest = sum;
                steps++;
                CpuKernel kernel;
                try
                {
                    kernel = backend.Compile(rule.Apply(algorithm, backend.Target, choices));
                }
                catch (Exception e) when (e is ScheduleException or LoweringException)
                {
                    continue;
                }
                using (kernel)
                    Assert.Null(Execution.Wrong(algorithm, Execution.Run(kernel, algorithm, inputs), expected));
            }
            Assert.InRange(steps, 0, 24);
        }
    }

    [SkippableTheory]
    [InlineData("conv2d n=1 c=3 h=20 w=20 oc=64 kh=7 kw=7 pad=3", "tile")]
    [InlineData("matmul m=64 n=64 k=64", "tile")]
    public void A_refused_default_gives_way_to_shorter_code_of_its_rule(string text, string name)
    {
        var algorithm = OperatorSpec.Parse(text).Build();
        var target = Widths.Backend(128, 2).Target;
        var rule = ScheduleRules.For(algorithm, target).First();
        Assert.Equal(name, rule.Name);
        string[] shorter =
        [
            .. rule.Shorter(algorithm, target).Take(2).Select(c => $"{rule.Apply(algorithm, target, c)}"),
        ];
        string[] tried = [.. DefaultSchedule.Fallbacks(algorithm, target).Take(3).Select(f => $"{f()}")];
        Assert.Equal([$"{DefaultSchedule.For(algorithm, target)}", .. shorter], tried);
        Assert.Equal(3, tried.Distinct().Count());
        var last = DefaultSchedule.Fallbacks(algorithm, target).Last();
        Assert.Equal($"{new PlainRule().Apply(algorithm, target, new Dictionary<string, long>())}", $"{last()}");
    }
}
