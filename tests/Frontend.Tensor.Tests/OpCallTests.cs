using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Calls;
using Picograd.Dispatch;
using Xunit;

namespace Picograd.Tests;

/// <summary>Calls as words, and what an executor sees of them.</summary>
public class OpCallTests
{
    public static TheoryData<string> Names => [.. GradientCase.Table.Select(row => row.Name)];

    // A program, forward and backward, is its calls: run again after its inputs have changed, they give what the program would.
    [Theory]
    [MemberData(nameof(Names))]
    public void What_a_recorder_wrote_down_runs_again(string name)
    {
        var row = GradientCase.Table.First(r => r.Name == name);
        Tensor[] inputs = row.Inputs();
        using var recorder = new Recorder();
        Tensor result;
        using (recorder.Enter())
        {
            result = row.Run(inputs);
            result.Sum().Backward();
        }
        Tensor[] others = [.. row.Inputs().Select(t => (t.Detach() * 0.75).RequiresGrad_())];
        using (Tensor.NoGrad())
        {
            for (int i = 0; i < inputs.Length; i++)
                inputs[i].Copy_(others[i]);
        }
        foreach (var call in recorder.Calls)
            call.Replay();
        var expected = row.Run(others);
        expected.Sum().Backward();
        Assert.Equal(expected.ToDoubles(), result.ToDoubles());
        for (int i = 0; i < inputs.Length; i++)
            Assert.Equal(others[i].Grad!.ToDoubles(), inputs[i].Grad!.ToDoubles());
    }

    [Fact]
    public void Calls_are_instances_of_the_library_in_order()
    {
        var a = Tensor.Rand(32, 200);
        var b = Tensor.Rand(200);
        using var recorder = new Recorder();
        using (recorder.Enter())
        {
            _ = (a + b) * 2;
            _ = a.T.MatMul(a);
            _ = F.Linear(a, Tensor.Rand([7, 200], null, DType.Float32));
            _ = a.Sum([0, 1]);
            _ = a.Max(1);
            _ = a.Unsqueeze(1).Amax([1, 2]);
            _ = a.Softmax(0);
            _ = a.To(DType.Int64);
            _ = a[.., 3..5].Contiguous();
            _ = a[Tensor.From([1L, 2])];
            _ = a.T[Tensor.From([1L, 2])];
            _ = a.Cumsum(1);
        }
        Assert.Equal(
            [
                "add a=32x200 b=1x200",
                "mul a=6400 b=1",
                "matmul m=200 n=200 k=32 ta=1",
                "random_uniform n=1400",
                "matmul m=32 n=7 k=200 tb=1",
                "sum shape=6400 axes=0",
                "argmax rows=32 cols=200 axis=1",
                "max rows=32 cols=200 axis=1",
                "softmax_across rows=1 cols=32 inner=200",
                "cast n=6400 from=f32 to=i64",
                "copy shape=32x2 strides=200,1",
                "embedding vocab=32 dim=200 rows=2",
                "index shape=200x32 strides=1,200 dims=0 rows=2",
                "cumsum rows=32 cols=200",
            ],
            recorder.Calls.Select(c => OperatorSpec.Parse(c.Spec).ToString())
        );
        var sum = recorder.Calls[0];
        Assert.Equal(
            [
                [32, 200],
                [200],
            ],
            sum.Inputs.Select(t => t.Shape.ToArray())
        );
        Assert.Equal(
            [
                [32, 200],
            ],
            sum.Outputs.Select(t => t.Shape.ToArray())
        );
    }

    [Fact]
    public void Changes_in_place_and_steps_of_optimizers_run_again()
    {
        var p = Tensor.From([1.0, 2, 3]).RequiresGrad_();
        var optimizer = new Adam([p], lr: 0.5);
        var twin = Tensor.From([1.0, 2, 3]).RequiresGrad_();
        var same = new Adam([twin], lr: 0.5);
        void Step(Tensor x, Optimizer by)
        {
            by.ZeroGrad();
            var y = x * 2;
            y.Neg_();
            y[1] = Tensor.From(4.0);
            y.Sum().Backward();
            by.Step();
        }
        using var recorder = new Recorder();
        using (recorder.Enter())
            Step(p, optimizer);
        Step(twin, same);
        Assert.Equal(twin.ToDoubles(), p.ToDoubles());
        // Another step is the same calls, but for Adam's corrections of its first steps, which are numbers.
        double[] first = p.ToDoubles();
        foreach (var call in recorder.Calls)
            call.Replay();
        Assert.All(
            p.ToDoubles().Zip(first),
            v => Assert.True(double.IsFinite(v.First) && v.First != v.Second || v.Second == 2)
        );
    }

    [Fact]
    public void Dtypes_that_an_operator_has_not_are_refused_by_name()
    {
        var x = Tensor.Zeros([3], DType.Int64);
        var message = Assert.Throws<ArgumentException>(() => new Operator("softmax").Run(x)).Message;
        Assert.Contains("softmax: not defined for i64", message);
        message = Assert
            .Throws<ArgumentException>(() =>
                new Operator("gather").Run(Tensor.Zeros(2, 3), Tensor.Zeros([4, 1], DType.Int64))
            )
            .Message;
        Assert.Contains("gather: I has the shape [4, 1], in which rows is 4, but elsewhere it is 2", message);
    }

    [Fact]
    public void A_call_allocates_its_result_only()
    {
        Dispatcher.Use(null, new DispatchTests.Idle());
        try
        {
            var a = Tensor.Zeros(32, 200);
            var b = Tensor.Zeros(200);
            (Func<Tensor> Call, int Most)[] calls =
            [
                (() => a.Tanh(), 152),
                (() => a + a, 152),
                (() => a + b, 152),
                (() => a * 2, 152),
                (() => a.Softmax(), 152),
                (() => a.Sum(), 152),
                // A result of another shape: its layout and sizes.
                (() => F.Linear(a, a), 304),
            ];
            foreach (var (call, most) in calls)
            {
                for (int i = 0; i < 100; i++)
                    call().Dispose();
                long before = GC.GetAllocatedBytesForCurrentThread();
                for (int i = 0; i < 1000; i++)
                    call().Dispose();
                Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - before) / 1000, 1, most);
            }
        }
        finally
        {
            Setup.UseEvaluator();
        }
    }
}
