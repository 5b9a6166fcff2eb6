using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Schedules;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Traces;
using Xunit;

namespace Picograd.Tests.Primitives;

/// <summary>Sums of softmax weights in one loop with their maximum, against the evaluator, sanitizers on.</summary>
public class OnlineSoftmaxTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(10)]
    [InlineData(16)]
    public void Rows_together(int keys) =>
        Equivalence.Check("mixture", $"split M.j {keys}", "reorder M.j.o M.i M.j.i", "online_softmax M M.j.o L O");

    [Theory]
    [InlineData(1, 4)]
    [InlineData(2, 3)]
    [InlineData(3, 3)]
    [InlineData(4, 10)]
    public void Rows_in_tiles(int rows, int keys)
    {
        string[] steps =
        [
            $"split Y.i {rows}",
            "compute_at O Y.i.o",
            "compute_at L Y.i.o",
            "compute_at E Y.i.o",
            "compute_at N Y.i.o",
            "compute_at M Y.i.o",
            $"split M.j {keys}",
            "reorder M.j.o M.i M.j.i",
            "online_softmax M M.j.o O L",
            "set_scope M register",
            .. keys == 10 ? (string[])["compute_inline E", "compute_inline M.shift"] : [],
        ];
        var nest = Equivalence.Check("mixture", steps);
        // Everything that a tile of rows needs is one tile large.
        var placed = StoragePlacement.Run(nest);
        Assert.All(
            placed.Body.Nodes().OfType<Allocate>(),
            a => Assert.True(a.Buffer.ConstantSize() <= rows * Math.Max(3, keys), $"{a.Buffer}\n{placed}")
        );
    }

    [Fact]
    public void One_sum_alone_or_weights_computed_twice()
    {
        Equivalence.Check(
            "mixture",
            "compute_inline E",
            "split M.j 4",
            "reorder M.j.o M.i M.j.i",
            "online_softmax M M.j.o L"
        );
        Equivalence.Check(
            "mixture",
            "compute_inline N",
            "split M.j 4",
            "reorder M.j.o M.i M.j.i",
            "online_softmax M M.j.o L O"
        );
        Equivalence.Check(
            "mixture",
            "compute_inline N",
            "compute_inline E",
            "split M.j 4",
            "reorder M.j.o M.i M.j.i",
            "online_softmax M M.j.o L",
            "split O.j 2"
        );
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void Attention_of_random_shapes(int seed)
    {
        var random = new Random(seed);
        foreach (string dtype in new[] { "f32", "bf16", "f16" })
        foreach (int causal in new[] { 0, 1 })
        {
            int heads = random.Next(1, 3);
            var spec = OperatorSpec.Parse(
                $"attention b={random.Next(1, 3)} h={heads * 2} hk={heads} tq={random.Next(1, 12)} tk={random.Next(1, 14)} d={random.Next(1, 6)} causal={causal} dtype={dtype}"
            );
            var (rows, keys) = (random.Next(1, 7), random.Next(1, 7));
            Compare(spec, Online(spec, rows, keys).Nest, seed);
            if (causal == 1)
                Compare(spec, Online(spec, rows, keys, skip: true).Nest, seed);
        }
    }

    [Theory]
    [InlineData("attention b=1 h=1 tq=9 tk=3 d=4 causal=1", 4, 2)] // rows that see nothing, tiles of them too
    [InlineData("attention b=1 h=1 tq=8 tk=8 d=4 causal=1", 3, 3)]
    [InlineData("attention b=1 h=2 tq=1 tk=11 d=5 causal=1", 1, 4)]
    [InlineData("attention b=1 h=1 tq=4 tk=12 d=3 causal=1 dtype=bf16", 2, 4)]
    public void Attention_that_masks_whole_blocks(string text, int rows, int keys)
    {
        var spec = OperatorSpec.Parse(text);
        Compare(spec, Online(spec, rows, keys).Nest, 3);
        Compare(spec, Online(spec, rows, keys, skip: true).Nest, 3);
    }

    [Theory]
    [InlineData("attention b=1 h=1 tq=8 tk=8 d=2 causal=1", 2, 2, "Y.i.o + 1")]
    [InlineData("attention b=1 h=1 tq=4 tk=12 d=2 causal=1", 2, 4, "3")]
    [InlineData("attention b=1 h=1 tq=12 tk=4 d=2 causal=1", 2, 2, "max(Y.i.o * 2 - 7, 0) // 2 + 1")]
    [InlineData("attention b=1 h=1 tq=7 tk=7 d=2 causal=1", 2, 3, "(Y.i.o * 2 + 1) // 3 + 1")]
    [InlineData("attention b=1 h=1 tq=5 tk=5 d=2 causal=1", 4, 2, "min(3, Y.i.o * 2 + 2)")]
    public void Skipping_ends_at_the_last_key_that_a_tile_sees(string text, int rows, int keys, string extent)
    {
        var s = Online(OperatorSpec.Parse(text), rows, keys, skip: true);
        Assert.Equal(extent, s.Nest.Loop("M.j.o").Extent.ToString());
        Assert.Contains("skip=1", Trace.Of(s.Nest).ToString());
        Assert.Contains("finite=true", Trace.Of(s.Nest).ToString());
    }

    [Fact]
    public void Scores_that_are_not_finite_give_what_they_gave()
    {
        const double Inf = double.PositiveInfinity;
        double[][] rows =
        [
            [-Inf, -Inf, -Inf, -Inf, -Inf, -Inf, -Inf, -Inf, -Inf, -Inf],
            [-Inf, -Inf, -Inf, -Inf, -Inf, 1, 2, 3, -Inf, -Inf],
            [-1000, -900, -800, 5, 90, 800, 2, -Inf, 1, 1000],
            [1, 2, 3, 4, 5, 6, Inf, 8, 9, 10],
        ];
        var plain = Run(InitialNest.Of(SampleAlgorithms.Mixture()), rows);
        Assert.All(plain[..3], v => Assert.True(double.IsNaN(v))); // a sum of no weights: 0 / 0
        Assert.All(plain[3..9], v => Assert.True(double.IsFinite(v)));
        Assert.All(plain[9..], v => Assert.True(double.IsNaN(v)));
        foreach (int keys in new[] { 1, 2, 3, 5, 10 })
        {
            var schedule = new Schedule(SampleAlgorithms.Mixture());
            foreach (
                string step in new[] { $"split M.j {keys}", "reorder M.j.o M.i M.j.i", "online_softmax M M.j.o L O" }
            )
                schedule.Apply(Step.Parse(step));
            var online = Run(schedule.Nest, rows);
            for (int i = 0; i < plain.Length; i++)
                Assert.Equal(plain[i], online[i], 1e-5);
        }
    }

    [Fact]
    public void What_runs_in_the_loop_stays_in_its_order()
    {
        var schedule = new Schedule(SampleAlgorithms.Mixture());
        foreach (string step in new[] { "split M.j 4", "reorder M.j.o M.i M.j.i", "online_softmax M M.j.o L O" })
            schedule.Apply(Step.Parse(step));
        foreach (
            string step in new[]
            {
                "compute_inline M.old",
                "compute_at M.old M.scale.i",
                "bind M.j.o block.x",
                "parallel M.j.o",
                "vectorize M.j.o",
                "reverse_compute_at Y M.j.o",
                "rfactor L L.j",
                "compute_at L O.i",
                "decompose_reduction L L.i",
                "cache_read M M.old shared",
            }
        )
        {
            Assert.Throws<ScheduleException>(() => schedule.Apply(Step.Parse(step)));
        }
        schedule.Apply(Step.Parse("split M.j.o 2"));
        Equivalence.Check(schedule.Nest);
        Assert.Contains("reassociates=true", Trace.Of(schedule.Nest).ToString());
    }

    internal static Schedule Online(OperatorSpec spec, int rows, int keys, bool skip = false)
    {
        var s = new Schedule(spec.Build());
        var (tile, _) = s.Split("Y.i", rows);
        s.Reorder(tile, "Y.i.i");
        foreach (string stage in new[] { "R", "O", "W", "L", "E", "N", "M", "S", "D" })
        {
            if (s.Nest.Blocks.Any(b => b.Name == stage))
                s.ComputeAt(stage, tile);
        }
        string row = s.Nest.LoopsAround(s.Nest.Block("M"))[^2].Name;
        var (ko, ki) = s.Split("M.j", keys);
        s.Reorder(ko, row, ki);
        s.OnlineSoftmax("M", ko, skip, "L", "O");
        s.ComputeAt("S", ko);
        s.ComputeAt("D", ko);
        return s;
    }

    internal static void Compare(OperatorSpec spec, LoopNest nest, int seed)
    {
        var inputs = spec.MakeInputs(seed);
        var expected = Evaluator.RunWithBounds(
            nest.Algorithm,
            nest.Algorithm.Inputs.Zip(inputs.Values).ToDictionary(p => p.First, p => p.Second)
        );
        var arrays = new Dictionary<string, HostArray>();
        foreach (var (buffer, values) in inputs)
        {
            var array = HostArray.For(buffer);
            for (int i = 0; i < values.Length; i++)
                array[i] = values.At(i);
            arrays[buffer.Name] = array;
        }
        foreach (var program in new[] { nest, StoragePlacement.Run(nest) })
        {
            var output = Interpreter.Run(program, arrays)[0];
            var right = expected[nest.Algorithm.Outputs[0]];
            for (int i = 0; i < output.Count; i++)
                Assert.True(
                    right.Accepts(i, output[i]),
                    $"{spec}: Y[{i}] is {output[i]}, not {right.Value.At(i)} ± {right.Bound[i]}\n{program}"
                );
        }
    }

    private static double[] Run(LoopNest nest, double[][] rows)
    {
        var inputs = nest.Algorithm.Inputs.ToDictionary(b => b.Name, b => HostArray.For(b));
        for (int i = 0; i < 40; i++)
            inputs["A"][i] = rows[i / 10][i % 10];
        for (int i = 0; i < 30; i++)
            inputs["V"][i] = i % 7 - 3;
        return Interpreter.Run(nest, inputs)[0].ToDoubles();
    }
}
