using Xunit;

namespace Picograd.Tests.Graphs;

/// <summary>What changes around a compiled function between its calls, and what a function does that no program repeats.</summary>
public class GuardTests
{
    private static Tensor Data(long seed, params long[] shape) => Tensor.Randn(shape, new Generator(seed));

    private static string Refusal(Func<Tensor, Tensor> f, params long[] shape)
    {
        var g = Graph.Compile(f);
        return Assert
            .Throws<GraphException>(() =>
            {
                for (int i = 0; i < 3; i++)
                    g.Run(Data(i, shape));
            })
            .Message;
    }

    // As when parts of a model are frozen while it is trained, and as generative adversarial training does it.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Parameters_that_are_frozen_or_thawed(bool first)
    {
        double[][] Train(bool compiles)
        {
            Tensor.ManualSeed(1);
            var model = new Sequential(new Linear(3, 4), new Tanh(), new Linear(4, 2));
            var o = new SGD(model.Parameters, lr: 0.1);
            Func<Tensor, Tensor> step = x =>
            {
                o.ZeroGrad();
                var loss = model.Call(x).Square().Mean();
                loss.Backward();
                o.Step();
                return loss;
            };
            var run = Graph.Compile(step);
            for (int i = 0; i < 18; i++)
            {
                foreach (var p in model[0].Parameters)
                    p.RequiresGrad_(i / 6 % 2 == 0 == first);
                var x = Data(i, 5, 3);
                _ = compiles ? run.Run(x) : step(x);
            }
            Assert.True(!compiles || run.Replays > 6, run.Explain());
            return [.. model.Parameters.Select(p => p.ToDoubles())];
        }
        Assert.Equal(Train(false), Train(true));
    }

    [Fact]
    public void Marks_that_the_function_sets_are_set()
    {
        var w = Data(1, 3);
        var f = Graph.Compile(
            (Tensor x) =>
            {
                w.RequiresGrad_();
                w.Grad = null;
                (x * w).Sum().Backward();
                var slope = w.Grad!.Clone();
                w.Grad = null;
                w.RequiresGrad_(false);
                return slope;
            }
        );
        for (int i = 0; i < 6; i++)
        {
            w.RequiresGrad_(i % 2 == 0);
            Assert.Equal(Data(i, 3).ToDoubles(), f.Run(Data(i, 3)).ToDoubles());
            Assert.False(w.RequiresGrad);
        }
        Assert.True(f.Replays > 0, f.Explain());
    }

    [Fact]
    public void Weights_that_are_changed_in_place_before_they_are_used_get_gradients()
    {
        var (w, v) = (Data(1, 4).RequiresGrad_(), Data(1, 4).RequiresGrad_());
        Func<Tensor, Tensor> Step(Tensor weight) =>
            x =>
            {
                using (Tensor.NoGrad())
                    weight.Clamp_(-1, 1).Add_(x);
                var loss = (weight.Square() * x).Sum();
                loss.Backward();
                return loss;
            };
        var (plain, compiled) = (Step(w), Graph.Compile(Step(v)));
        for (int i = 0; i < 8; i++)
        {
            if (i % 3 == 0)
                (w.Grad, v.Grad) = (null, null);
            Assert.Equal(plain(Data(i, 4)).ToDoubles(), compiled.Run(Data(i, 4)).ToDoubles());
            Assert.Equal(w.Grad!.ToDoubles(), v.Grad!.ToDoubles());
            Assert.Equal(w.ToDoubles(), v.ToDoubles());
        }
        Assert.True(compiled.Replays > 0, compiled.Explain());
    }

    [Fact]
    public void An_argument_that_is_a_captured_tensor_later()
    {
        Func<Tensor, Tensor> Of(Tensor buffer) =>
            x =>
            {
                buffer.Add_(x);
                return buffer * x;
            };
        var (a, b) = (Data(1, 4), Data(1, 4));
        var (plain, compiled) = (Of(a), Graph.Compile(Of(b)));
        for (int i = 0; i < 9; i++)
        {
            bool itself = i is 4 or 5 or 7 or 8;
            Assert.Equal(plain(itself ? a : Data(i, 4)).ToDoubles(), compiled.Run(itself ? b : Data(i, 4)).ToDoubles());
            Assert.Equal(a.ToDoubles(), b.ToDoubles());
        }
        Assert.True(compiled.Replays > 0, compiled.Explain());
    }

    [Fact]
    public void Converted_parameters_are_noticed_while_others_hold_the_old()
    {
        using var off = Tensor.NoGrad();
        var model = new Linear(3, 2);
        var f = Graph.Compile(model.Call);
        for (int i = 0; i < 4; i++)
            f.Run(Data(i, 4, 3));
        var kept = model.StateDict().Values.Select(t => t.Detach()).ToList();
        model.To(DType.Float64);
        model.Weight.Mul_(3);
        model.To(DType.Float32);
        for (int i = 0; i < 4; i++)
            Assert.Equal(model.Call(Data(i, 4, 3)).ToDoubles(), f.Run(Data(i, 4, 3)).ToDoubles());
        GC.KeepAlive(kept);
    }

    [Fact]
    public unsafe void Memory_that_others_see_stays_where_it_is()
    {
        var (a, b) = (Data(1, 4), Data(2, 4));
        var f = Graph.Compile(
            (Tensor x) =>
            {
                a.Add_(x);
                b.Mul_(x);
                return a * b;
            }
        );
        for (int i = 0; i < 4; i++)
            f.Run(Data(i, 4));
        Assert.True(f.Replays > 0, f.Explain());
        var seen = new ReadOnlySpan<float>((float*)a.DataPtr(), 4);
        for (int i = 0; i < 4; i++)
        {
            f.Run(Data(i, 4));
            Assert.Equal(a.ToArray<float>(), seen.ToArray());
        }
    }

    [Fact]
    public void One_gradient_of_two_leaves()
    {
        var (v, w) = (Data(1, 4).RequiresGrad_(), Data(2, 4).RequiresGrad_());
        var f = Graph.Compile(
            (Tensor x) =>
            {
                (v.Grad, w.Grad) = (null, null);
                (v * x).Sum().Backward();
                w.Grad = v.Grad;
                return v.Detach() * 2;
            }
        );
        for (int i = 0; i < 8; i++)
        {
            var x = Data(i, 4);
            f.Run(x);
            Assert.Equal(x.ToDoubles(), v.Grad!.ToDoubles());
            v.ZeroGrad_();
            var others = Enumerable.Range(0, 8).Select(k => Tensor.Full([4], k)).ToList();
            Assert.Equal(x.ToDoubles(), w.Grad!.ToDoubles());
            GC.KeepAlive(others);
        }
        Assert.True(f.Replays > 0, f.Explain());
    }

    [Fact]
    public void What_the_host_does_is_refused()
    {
        Assert.Contains(
            "the host looks at",
            Refusal(
                x =>
                {
                    var t = Tensor.From([0f]);
                    t.Copy_(x);
                    return t.Item() > 100 ? x : x * 2;
                },
                1
            ),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "seed it outside",
            Refusal(
                x =>
                {
                    Tensor.ManualSeed(0);
                    return x * Tensor.RandLike(x);
                },
                3
            ),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "the host looks at",
            Refusal(x => x.ToString().Length > 0 ? x * 2 : x, 3),
            StringComparison.Ordinal
        );
        var w = Data(1, 3).RequiresGrad_();
        var o = new RMSprop([w], lr: 0.1, centered: true);
        Assert.Contains(
            "RMSprop.Step computes with",
            Refusal(
                x =>
                {
                    o.ZeroGrad();
                    (w * x).Sum().Backward();
                    o.Step();
                    return x;
                },
                3
            ),
            StringComparison.Ordinal
        );
        var sum = Tensor.Zeros([3]);
        Assert.Contains(
            "has a history",
            Refusal(
                x =>
                {
                    sum.Add_(w * x);
                    return x * 2;
                },
                3
            ),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Leaves_that_the_function_makes_are_its_own()
    {
        var f = Graph.Compile(
            (Tensor x) =>
            {
                var leaf = x.Detach().Clone().RequiresGrad_();
                leaf.Square().Sum().Backward();
                return leaf.Grad! * 3;
            }
        );
        for (int i = 0; i < 5; i++)
            Assert.Equal((Data(i, 4) * 2 * 3).ToDoubles(), f.Run(Data(i, 4)).ToDoubles());
        Assert.True(f.Replays > 0, f.Explain());
    }

    // A program that is refused later gives back those that were made before.
    [Fact]
    public void A_function_that_is_no_program_any_more_keeps_none()
    {
        var f = Graph.Compile((Tensor x) => x.Shape[0] == 3 ? x.Tanh() * 2 : x * x.Sum().Item(), fullGraph: false);
        for (int i = 0; i < 4; i++)
            f.Run(Data(i, 3));
        Assert.NotNull(f.Program);
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal((Data(i, 2) * Data(i, 2).Sum().Item()).ToDoubles(), f.Run(Data(i, 2)).ToDoubles());
            Assert.Equal((Data(i, 3).Tanh() * 2).ToDoubles(), f.Run(Data(i, 3)).ToDoubles());
        }
        Assert.Null(f.Program);
        Assert.Contains(f.Messages, m => m.Contains("runs without a program", StringComparison.Ordinal));
    }
}
