using System.Collections.Immutable;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Codegen;

/// <summary>
/// Every operator by its default schedule for a GPU and by random choices of every rule that applies: lowered, written, run on
/// the emulator, within the evaluator's bound.
/// </summary>
[Collection(EmulatorCollection.Name)]
public class ScheduledOperatorTests(ITestOutputHelper output)
{
    private static readonly TargetInfo s_target = new("cuda", "cuda sm_90a", 0, 0, 132, 0, GpuInfo.H100.L2Bytes, 0)
    {
        Gpu = GpuInfo.H100,
    };

    public static TheoryData<string> Operators() => [.. OperatorLibrary.All.Select(o => o.Name)];

    [SkippableTheory]
    [MemberData(nameof(Operators))]
    public void SchedulesRunOnTheEmulator(string name)
    {
        EmulatedLaunch.Require();
        var spec = OperatorSpec.Parse(OperatorLibrary.Find(name)!.Example);
        var inputs = spec.MakeInputs(7);
        foreach (var (what, nest) in Lowered(spec))
        {
            output.WriteLine(what);
            EmulatedProgram.Check(nest, inputs);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Operators))]
    public void SchedulesCompile(string name)
    {
        var nvrtc = InstalledNvrtc.Require("sm_90a");
        foreach (var (what, nest) in Lowered(OperatorSpec.Parse(OperatorLibrary.Find(name)!.Example)))
        {
            var program = CudaEmitter.Emit(nest, GpuInfo.H100);
            var result = nvrtc.Compile(program.Source, program.Name, "sm_90a");
            Assert.True(result.Succeeded, $"{what}: {result.Log}\n{program.Source}");
        }
    }

    /// <summary>The default schedule and a random choice of every rule that applies, in kernel form.</summary>
    private IEnumerable<(string What, LoopNest Nest)> Lowered(OperatorSpec spec)
    {
        var algorithm = spec.Build();
        var random = new Random(spec.Name.Aggregate(17, (h, c) => unchecked(h * 31 + c)) & 0xFFFFFF);
        if (Try("default", () => DefaultSchedule.For(algorithm, s_target)) is { } usual)
            yield return usual;
        foreach (var rule in ScheduleRules.For(algorithm, s_target))
        {
            var choices = rule.Knobs(algorithm, s_target)
                .ToImmutableSortedDictionary(k => k.Name, k => k.Values[random.Next(k.Values.Length)]);
            string what = $"{rule.Name} {string.Join(" ", choices.Select(c => $"{c.Key}={c.Value}"))}";
            if (Try(what, () => rule.Apply(algorithm, s_target, choices)) is { } chosen)
                yield return chosen;
        }

        (string, LoopNest)? Try(string what, Func<LoopNest> schedule)
        {
            try
            {
                return ($"{spec}, {what}", CudaLowering.Run(schedule(), GpuInfo.H100));
            }
            catch (Exception e) when (what != "default" && (e is ScheduleException or LoweringException))
            {
                output.WriteLine($"{spec}, {what}: refused: {e.Message.Split('\n')[0]}");
                return null;
            }
        }
    }
}
