using System.Collections.Immutable;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda;
using Picograd.Schedules;
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
        var algorithm = spec.Build();
        var inputs = spec.MakeInputs(7);
        var random = new Random(name.Aggregate(17, (h, c) => unchecked(h * 31 + c)) & 0xFFFFFF);
        Check("default", () => DefaultSchedule.For(algorithm, s_target));
        foreach (var rule in ScheduleRules.For(algorithm, s_target))
        {
            var choices = rule.Knobs(algorithm, s_target)
                .ToImmutableSortedDictionary(k => k.Name, k => k.Values[random.Next(k.Values.Length)]);
            string what = $"{rule.Name} {string.Join(" ", choices.Select(c => $"{c.Key}={c.Value}"))}";
            Check(what, () => rule.Apply(algorithm, s_target, choices));
        }

        void Check(string what, Func<LoopNest> schedule)
        {
            LoopNest lowered;
            try
            {
                lowered = CudaLowering.Run(schedule(), GpuInfo.H100);
            }
            catch (Exception e) when (e is ScheduleException or LoweringException)
            {
                output.WriteLine($"{spec}, {what}: refused: {e.Message.Split('\n')[0]}");
                return;
            }
            output.WriteLine($"{spec}, {what}");
            EmulatedProgram.Check(lowered, inputs);
        }
    }
}
