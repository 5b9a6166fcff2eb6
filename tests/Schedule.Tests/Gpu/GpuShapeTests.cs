using Picograd.Algorithms;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Rules.Gpu;
using Picograd.Tests.Placement;
using Xunit;

namespace Picograd.Tests.Gpu;

/// <summary>Defaults of all GPU rules on nothing, on one element, on symbolic extents and on the samples.</summary>
public class GpuShapeTests
{
    public static TheoryData<string> Shapes =>
        [
            "matmul 3 4 0",
            "matmul 0 4 3",
            "matmul 1 1 1",
            "row sum 0 5",
            "row sum 5 0",
            "row sum 1 1",
            "row argmax 3 1",
            "softmax 0 7",
            "softmax 1 1",
            "softmax 3 97",
            "stencil 13",
        ];

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Odd_shapes_are_right(string text)
    {
        var words = text.Split(' ');
        long[] sizes = [.. words.Where(w => char.IsAsciiDigit(w[0])).Select(long.Parse)];
        var algorithm = string.Join(' ', words.Where(w => !char.IsAsciiDigit(w[0]))) switch
        {
            "matmul" => Harness.Matmul(sizes[0], sizes[1], sizes[2]),
            "row sum" => Harness.RowSum(sizes[0], sizes[1]),
            "row argmax" => Harness.RowArgMax(sizes[0], sizes[1]),
            "softmax" => Harness.Softmax(sizes[0], sizes[1]),
            _ => Harness.Stencil(sizes[0]),
        };
        Check(algorithm, null);
    }

    public static TheoryData<string> Samples => [.. SampleAlgorithms.All.Keys];

    [Theory]
    [MemberData(nameof(Samples))]
    public void Samples_are_right(string name)
    {
        var algorithm = SampleAlgorithms.All[name]();
        foreach (long below in new[] { 0L, 3 })
        {
            var parameters = algorithm.Parameters.ToDictionary(p => p.Name, p => Math.Max(p.Min, p.Max - below));
            Check(algorithm, parameters);
        }
    }

    private static void Check(Algorithm algorithm, Dictionary<string, long>? parameters)
    {
        var subject = Interpreted.Random(algorithm, parameters);
        Right(DefaultSchedule.For(algorithm, Targets.H100), "default");
        foreach (var rule in ScheduleRules.For(algorithm, Targets.H100))
        {
            LoopNest nest;
            try
            {
                nest = rule.Apply(algorithm, Targets.H100, rule.Defaults(algorithm, Targets.H100));
            }
            catch (ScheduleException) when (rule is not GpuPlainRule)
            {
                // A shape that a rule is not for; the plain one is for all.
                continue;
            }
            Right(nest, rule.Name);
        }

        void Right(LoopNest nest, string what)
        {
            if (subject.Wrong(StoragePlacement.Run(nest), 3) is { } wrong)
                Assert.Fail($"{what}: {wrong}");
        }
    }
}
