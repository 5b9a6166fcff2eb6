using Xunit;

namespace Picograd.Tests.Graphs;

/// <summary>What compiled functions look at in each call, what they refuse, and what they change.</summary>
public class CompiledFunctionTests
{
    private static Tensor Data(long seed, params long[] shape) => Tensor.Randn(shape, new Generator(seed));

    private static void Same(Tensor expected, Tensor found)
    {
        Assert.Equal(expected.Shape.ToArray(), found.Shape.ToArray());
        Assert.Equal(expected.DType, found.DType);
        Assert.Equal(expected.ToDoubles(), found.ToDoubles());
    }

    [Fact]
    public void Chains_of_element_functions()
    {
        Func<Tensor, Tensor, Tensor> f = (a, b) => ((a * 2 + b).Tanh() - a.Exp() / 3).Sum(-1);
        var g = Graph.Compile(f);
        for (int i = 0; i < 6; i++)
            Same(f(Data(i, 5, 7), Data(50 + i, 7)), g.Run(Data(i, 5, 7), Data(50 + i, 7)));
        Assert.Equal((1, 2, 4L), (g.Compilations, g.Recordings, g.Replays));
    }

    [Fact]
    public void Another_shape_is_another_program_which_is_said_once()
    {
        var said = new List<string>();
        var before = Dispatch.Dispatcher.OnWarning;
        Dispatch.Dispatcher.OnWarning = said.Add;
        try
        {
            Func<Tensor, Tensor> f = a => a.Tanh() * a;
            var g = Graph.Compile(f);
            foreach (long n in new long[] { 3, 3, 3, 5, 5, 5, 3, 1, 1, 1 })
                Same(f(Data(n, n, 2)), g.Run(Data(n, n, 2)));
            Assert.Equal(3, g.Compilations);
            Assert.Single(
                said,
                s => s.Contains("argument 0 has the shape [5, 2], not [3, 2]", StringComparison.Ordinal)
            );
            Assert.Single(said);
            Assert.Equal(2, g.Messages.Count);
        }
        finally
        {
            Dispatch.Dispatcher.OnWarning = before;
        }
    }

    [Fact]
    public void Dtypes_strides_and_modes_are_looked_at()
    {
        Func<Tensor, Tensor> f = a => (a * 3).Sum(0);
        var g = Graph.Compile(f);
        for (int i = 0; i < 4; i++)
        {
            Same(f(Data(i, 4, 6)), g.Run(Data(i, 4, 6)));
            Same(f(Data(i, 6, 4).Transpose(0, 1)), g.Run(Data(i, 6, 4).Transpose(0, 1)));
            Same(f(Data(i, 4, 6).To(DType.Float64)), g.Run(Data(i, 4, 6).To(DType.Float64)));
        }
        Assert.Equal(3, g.Compilations);
        var model = new Sequential(new Linear(4, 4), new Dropout(0.5));
        var h = Graph.Compile(model.Call);
        using var off = Tensor.NoGrad();
        for (int i = 0; i < 4; i++)
            h.Run(Data(i, 8, 4));
        model.Eval();
        for (int i = 0; i < 4; i++)
            Same(model.Call(Data(i, 8, 4)), h.Run(Data(i, 8, 4)));
        Assert.Contains(h.Messages, m => m.Contains("Dropout is not in training", StringComparison.Ordinal));
    }

    [Fact]
    public void Views_of_arguments_and_changes_in_place()
    {
        Func<Tensor, Tensor[]> f = a =>
        {
            var b = a.Clone();
            b[1] = 5;
            b.Transpose(0, 1)[0].Mul_(2);
            b.Add_(a.Flip(0));
            return [b, b[2], b.Sum()];
        };
        var g = Graph.Compile((Tensor[] a) => f(a[0]));
        for (int i = 0; i < 6; i++)
        {
            var all = Data(i, 9, 8);
            var part = all.Narrow(0, i % 3, 4).Narrow(1, 2, 5);
            var (expected, found) = (f(part), g.Invoke(part));
            for (int k = 0; k < 3; k++)
                Same(expected[k], found[k]);
            found[0].Zero_();
            Assert.Equal(0, found[1].Abs().Sum().Item());
        }
        Assert.True(g.Replays >= 3, g.Explain());
    }

    [Fact]
    public void Arguments_that_are_changed_in_place_are_changed()
    {
        Func<Tensor, Tensor, Tensor> f = (a, b) =>
        {
            a.Add_(b);
            a[0] = 1;
            b[^1].Mul_(-1);
            return a * b;
        };
        var g = Graph.Compile(f);
        for (int i = 0; i < 6; i++)
        {
            var (a, b, c, d) = (Data(i, 3, 4), Data(i + 9, 3, 4), Data(i, 3, 4), Data(i + 9, 3, 4));
            Same(f(a, b), g.Run(c, d));
            Same(a, c);
            Same(b, d);
        }
        Assert.True(g.Replays >= 3, g.Explain());
    }

    [Fact]
    public void Captured_tensors_are_read_as_they_are_now()
    {
        var w = Data(1, 4);
        Func<Tensor, Tensor> f = a => a * w;
        var g = Graph.Compile(f);
        for (int i = 0; i < 6; i++)
        {
            Same(f(Data(i, 3, 4)), g.Run(Data(i, 3, 4)));
            w.Add_(1);
        }
        // An argument may be what is captured, too, once.
        var h = Graph.Compile(f);
        h.Run(w);
        h.Run(w);
        h.Run(w);
        Same(f(w), h.Run(w));
        Same(f(Data(7, 4)), h.Run(Data(7, 4)));
        Same(f(Data(8, 4)), h.Run(Data(8, 4)));
    }

    [Fact]
    public void A_look_at_values_names_the_line()
    {
        var g = Graph.Compile(a => a.Sum().Item() > 0 ? a : -a);
        var error = Assert.Throws<GraphException>(() => g.Run(Data(1, 3)));
        Assert.Contains("CompiledFunctionTests.cs:", error.Message, StringComparison.Ordinal);
        var h = Graph.Compile(a => a.Sum().Item() > 0 ? a : -a, fullGraph: false);
        for (int i = 0; i < 5; i++)
        {
            var x = Data(i, 3);
            Same(x.Sum().Item() > 0 ? x : -x, h.Run(x));
        }
        Assert.Single(h.Messages);
        Assert.Equal(0, h.Replays);
    }

    [Fact]
    public void Numbers_that_change_are_no_constants()
    {
        double factor = 1;
        var g = Graph.Compile((Tensor a) => a * factor++);
        var error = Assert.Throws<GraphException>(() =>
        {
            for (int i = 0; i < 9; i++)
                g.Run(Data(i, 3));
        });
        Assert.Contains("a number was", error.Message, StringComparison.Ordinal);
        Assert.Contains("CompiledFunctionTests.cs:", error.Message, StringComparison.Ordinal);
        var h = Graph.Compile((Tensor a) => a + Tensor.From([factor++], [1]).To(DType.Float32));
        error = Assert.Throws<GraphException>(() =>
        {
            for (int i = 0; i < 9; i++)
                h.Run(Data(i, 3));
        });
        Assert.Contains("values that the host made", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Indices_are_checked_in_every_call()
    {
        var table = Data(1, 5, 3);
        Func<Tensor, Tensor> f = i => F.Embedding(i, table) * 2;
        var g = Graph.Compile(f);
        for (int i = 0; i < 5; i++)
            Same(f(Tensor.From([i % 5L, 1, 4])), g.Run(Tensor.From([i % 5L, 1, 4])));
        Assert.True(g.Replays >= 2);
        Assert.Throws<IndexOutOfRangeException>(() => g.Run(Tensor.From([0L, 5, 1])));
        Same(f(Tensor.From([0L, 2, 1])), g.Run(Tensor.From([0L, 2, 1])));
    }

    [Fact]
    public void Bools_that_the_host_looks_at_are_looked_at_again()
    {
        Func<Tensor, Tensor> f = a => (a > 0).All().Item() != 0 ? a.Log() : a.Abs();
        var g = Graph.Compile(f);
        for (int i = 0; i < 8; i++)
        {
            var x = i == 5 ? -Data(i, 4).Abs() : Data(i, 4).Abs() + 0.1;
            Same(f(x), g.Run(x));
        }
        Assert.True(g.Replays >= 4, g.Explain());
    }

    [Fact]
    public void States_that_are_loaded_are_found()
    {
        Tensor[] Train(bool compiles)
        {
            var w = Data(1, 4).RequiresGrad_();
            var o = new Adam([w], lr: 0.1);
            Func<Tensor, Tensor> f = x =>
            {
                o.ZeroGrad();
                var loss = (w * x).Square().Sum();
                loss.Backward();
                o.Step();
                return loss;
            };
            var g = Graph.Compile(f);
            var saved = o.StateDict();
            for (int i = 0; i < 14; i++)
            {
                if (i == 7)
                    o.LoadStateDict(saved);
                _ = compiles ? g.Run(Data(i, 4)) : f(Data(i, 4));
            }
            Assert.True(!compiles || g.Replays > 5, g.Explain());
            return [w.Detach()];
        }
        Same(Train(false)[0], Train(true)[0]);
    }

    [Fact]
    public void Memory_is_used_again_and_unread_calls_are_left_out()
    {
        Func<Tensor, Tensor> f = a =>
        {
            var unread = (a + 1).Sqrt();
            for (int i = 0; i < 10; i++)
                a = a * 2 - 1;
            return a.Sum() + a.Sum() * 2;
        };
        var g = Graph.Compile(f);
        for (int i = 0; i < 4; i++)
            Same(f(Data(i, 100, 10)), g.Run(Data(i, 100, 10)));
        var program = g.Program!;
        Assert.True(program.Plan.Bytes <= 2 * 4096 + 1024, $"{program.Plan.Bytes}\n{g.Explain()}");
        Assert.True(program.Plan.WithoutReuse > 15 * 4000);
        Assert.Single(program.Nodes, n => n.Title.StartsWith("sum ", StringComparison.Ordinal));
        Assert.DoesNotContain(program.Nodes, n => n.Title.StartsWith("sqrt", StringComparison.Ordinal));
        Assert.Contains("<svg", g.ToSvg(), StringComparison.Ordinal);
        Assert.Contains("CompiledFunctionTests.cs:", g.Explain(), StringComparison.Ordinal);
    }
}
