using Picograd.Algorithms;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Passes;

/// <summary>Random schedules of small nests: what the primitives and the passes take is right.</summary>
public class RandomLoweringTests(ITestOutputHelper log)
{
    private static readonly string[] Kinds = ["thread.x", "thread.y", "warp", "lane", "unroll", "vectorize"];

    private static readonly Func<Algorithm>[] Subjects =
    [
        () => SimtSchedules.Softmax(5, 37),
        () => SimtSchedules.ColumnSumOf(19, 21),
        () => SimtSchedules.ArgMaxOf(5, 41),
        () => SimtSchedules.TransposeOf(13, 18),
        () => SimtSchedules.Matmul(9, 14, 11),
    ];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void What_is_taken_is_right(int subject)
    {
        var random = new Random(100 + subject);
        var refused = new SortedDictionary<string, int>(StringComparer.Ordinal);
        int right = 0;
        for (int i = 0; i < 40; i++)
        {
            var nest = Draw(Subjects[subject](), random);
            try
            {
                CudaLowering.Run(nest, GpuInfo.H100);
            }
            catch (LoweringException e) when (e.Reason != "kernel-form")
            {
                refused[e.Reason] = refused.GetValueOrDefault(e.Reason) + 1;
                continue;
            }
            Proof.Right(nest);
            right++;
        }
        log.WriteLine($"{right} right; refused: {string.Join(", ", refused)}");
        Assert.True(right >= 10, $"{right} of 40 schedules were lowered; refused: {string.Join(", ", refused)}");
    }

    // One block loop a stage or for all; below it stages may move together, storage change, loops split and bind.
    private static LoopNest Draw(Algorithm algorithm, Random random)
    {
        var s = new Schedule(algorithm);
        string last = s.Nest.Blocks.Last().Name;
        string outer = s.Nest.LoopsAround(s.Nest.Block(last))[0].Name;
        Try($"split {outer} {random.Next(1, 5)}");
        string grid = s.Nest.LoopsAround(s.Nest.Block(last))[0].Name;
        foreach (string block in s.Nest.Blocks.Select(b => b.Name).Where(b => b != last).Reverse().ToList())
            Try($"compute_at {block} {s.Nest.LoopsAround(s.Nest.Block(last))[random.Next(2) == 0 ? 0 : 1].Name}");
        foreach (var input in algorithm.Inputs)
        {
            if (random.Next(2) == 0 && Try($"cache_read {input.Name} {last} shared"))
                Try($"compute_at {input.Name}.shared.copy {grid}");
        }
        foreach (var buffer in s.Nest.Intermediates)
            Try($"set_scope {buffer.Name} {(random.Next(2) == 0 ? "shared" : "register")}");
        for (int i = 0; i < 6; i++)
        {
            var loops = s.Nest.Loops.Where(l => l.Kind == LoopKind.Serial && l.Name != grid).ToList();
            if (loops.Count == 0)
                break;
            string loop = loops[random.Next(loops.Count)].Name;
            int[] factors = [2, 3, 4, 8, 32];
            if (random.Next(2) == 0 && Try($"split {loop} {factors[random.Next(factors.Length)]}"))
                loop = s.Nest.Loops.Last(l => l.Name.StartsWith(loop, StringComparison.Ordinal)).Name;
            string kind = Kinds[random.Next(Kinds.Length)];
            Try(kind is "unroll" or "vectorize" ? $"{kind} {loop}" : $"bind {loop} {kind}");
        }
        Try($"bind {grid} block.x");
        foreach (var root in s.Nest.Body is Seq q ? q.Items.OfType<For>().ToList() : [])
        {
            if (!root.Kind.IsGpu() && !Try($"bind {root.Name} block.x") && Try($"unit_loop {root.Name}"))
                Try($"bind {root.Name}.unit block.x");
        }
        return s.Nest;

        bool Try(string step)
        {
            try
            {
                s.Apply(Step.Parse(step));
                return true;
            }
            catch (ScheduleException)
            {
                return false;
            }
        }
    }
}
