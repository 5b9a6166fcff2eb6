using Xunit;

namespace Picograd.Tests.Graphs;

/// <summary>Runs of programs that find something else than was recorded: all is as if only the function had run.</summary>
public class RefusedReplayTests
{
    private static Tensor Data(long seed, params long[] shape) => Tensor.Randn(shape, new Generator(seed));

    // The same calls with and without compiling, on states of their own: the same bits after each.
    private static CompiledFunction Compare(
        Func<(Func<Tensor, Tensor> Call, Tensor[] State)> make,
        Func<int, Tensor> data,
        int calls
    )
    {
        var (plain, expected) = make();
        var (function, found) = make();
        var compiled = Graph.Compile(function);
        for (int i = 0; i < calls; i++)
        {
            var (a, b) = (data(i), data(i));
            Assert.Equal(plain(a).ToDoubles(), compiled.Run(b).ToDoubles());
            Assert.Equal(a.ToDoubles(), b.ToDoubles());
            for (int k = 0; k < expected.Length; k++)
                Assert.True(
                    expected[k].ToDoubles().SequenceEqual(found[k].ToDoubles()),
                    $"call {i}, state {k}\n{compiled.Explain()}"
                );
        }
        Assert.True(compiled.Replays > 0, compiled.Explain());
        return compiled;
    }

    // Of several states one would get the memory of another before the look.
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void States_that_change_before_a_look_are_put_back(int states)
    {
        var compiled = Compare(
            () =>
            {
                Tensor[] state = [.. Enumerable.Range(0, states).Select(i => Data(i, 7))];
                return (
                    x =>
                    {
                        foreach (var s in state)
                            s.Add_(x);
                        bool small = (x * 2 < 100).All().Item<bool>();
                        return small ? state[0] * 2 : state[^1] - 1;
                    },
                    state
                );
            },
            i => i is 5 or 6 or 8 ? Data(i, 7) + 1000 : Data(i, 7),
            12
        );
        Assert.True(compiled.Replays is > 2 and < 10, compiled.Explain());
    }

    [Fact]
    public void Indices_out_of_range_after_a_step_leave_nothing_behind()
    {
        var state = new[] { Data(1, 5), Data(2, 5), Data(3, 5) };
        var table = Data(4, 6);
        var f = Graph.Compile(
            (Tensor x) =>
            {
                foreach (var s in state)
                    s.Add_(x);
                return table.Gather(0, (x * 0 + x.Sum()).To(DType.Int64));
            }
        );
        for (int i = 0; i < 5; i++)
            f.Run(Tensor.Full([5], 0.25));
        Assert.True(f.Replays > 0, f.Explain());
        double[][] before = [.. state.Select(s => s.ToDoubles())];
        Assert.ThrowsAny<Exception>(() => f.Run(Tensor.Full([5], 100)));
        // As the function itself: its additions are done, once.
        for (int k = 0; k < state.Length; k++)
            Assert.Equal(before[k].Select(v => (double)((float)v + 100f)), state[k].ToDoubles());
    }

    // A part of larger memory is written where it lies, and the whole need not be as large as when it was recorded.
    [Fact]
    public void Views_that_are_written_before_a_look_are_put_back()
    {
        var large = Data(1, 40, 6);
        var small = Data(2, 3, 6);
        var (plainLarge, plainSmall) = (large.Clone(), small.Clone());
        Func<Tensor, Tensor> f = x =>
        {
            x.Mul_(2);
            return (x * 3 < 100).All().Item<bool>() ? x + 1 : x - 1;
        };
        var compiled = Graph.Compile(f);
        for (int i = 0; i < 6; i++)
        {
            Assert.Equal(f(plainLarge[i + 30]).ToDoubles(), compiled.Run(large[i + 30]).ToDoubles());
            Assert.Equal(f(plainSmall[i % 3]).ToDoubles(), compiled.Run(small[i % 3]).ToDoubles());
            if (i == 3)
            {
                foreach (var t in new[] { large, plainLarge })
                    t[34].Fill_(1000);
                foreach (var t in new[] { small, plainSmall })
                    t[1].Fill_(1000);
            }
        }
        Assert.Equal(plainLarge.ToDoubles(), large.ToDoubles());
        Assert.Equal(plainSmall.ToDoubles(), small.ToDoubles());
        Assert.True(compiled.Replays > 0, compiled.Explain());
    }

    [Theory]
    [InlineData("Adam")]
    [InlineData("NAdam")]
    [InlineData("ASGD")]
    public void Steps_of_optimizers_are_counted_once(string name) =>
        Compare(
            () =>
            {
                Tensor.ManualSeed(1);
                var model = new Sequential(new Linear(4, 5), new BatchNorm1d(5), new Linear(5, 2));
                Optimizer o = name switch
                {
                    "Adam" => new Adam(model.Parameters, lr: 0.05),
                    "NAdam" => new NAdam(model.Parameters, lr: 0.05),
                    _ => new ASGD(model.Parameters, lr: 0.05),
                };
                return (
                    x =>
                    {
                        o.ZeroGrad();
                        var loss = model.Call(x).Square().Mean();
                        loss.Backward();
                        o.Step();
                        return (x.Abs().Sum() + loss.Detach() * 0 > 1000).Item<bool>()
                            ? loss.Detach() * 2
                            : loss.Detach();
                    },
                    [.. model.StateDict().Values]
                );
            },
            i => i is 5 or 7 ? Data(i, 6, 4) * 3 + 1e5 * Data(9, 6, 4) : Data(i, 6, 4),
            12
        );

    // Options that choose another kernel: the program is not the step any more.
    [Fact]
    public void Momentum_that_is_switched()
    {
        Tensor[] Train(bool compiles)
        {
            Tensor.ManualSeed(1);
            var model = new Sequential(new Linear(4, 5), new BatchNorm1d(5), new Linear(5, 2));
            var o = new SGD(model.Parameters, lr: 0.05);
            Func<Tensor, Tensor> step = x =>
            {
                o.ZeroGrad();
                var loss = model.Call(x).Square().Mean();
                loss.Backward();
                o.Step();
                return loss;
            };
            var run = Graph.Compile(step);
            for (int i = 0; i < 10; i++)
            {
                o.ParamGroups[0].Momentum = i is 4 or 5 or 8 ? 0.9 : 0;
                var x = Data(i, 6, 4);
                _ = compiles ? run.Run(x) : step(x);
            }
            Assert.True(!compiles || run.Replays > 3, run.Explain());
            return [.. model.StateDict().Values];
        }
        foreach (var (a, b) in Train(false).Zip(Train(true)))
            Assert.Equal(a.ToDoubles(), b.ToDoubles());
    }
}
