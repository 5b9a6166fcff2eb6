using Xunit;

namespace Picograd.Tests.Graphs;

/// <summary>Programs whose calls are joined: fewer kernels, the same results to rounding.</summary>
public class JoinedProgramTests
{
    private static void Near(double[] expected, double[] found, string what)
    {
        Assert.Equal(expected.Length, found.Length);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(
                Math.Abs(expected[i] - found[i]) <= 1e-4 * (1 + Math.Abs(expected[i])),
                $"{what}: {found[i]} instead of {expected[i]} at {i}"
            );
    }

    [Fact]
    public void Chains_are_one_kernel()
    {
        Func<Tensor, Tensor, Tensor> f = (a, b) => (a * 2 + b).Tanh() * a - b;
        using var g = Graph.Compile(f).Joined();
        for (int i = 0; i < 5; i++)
        {
            var (a, b) = (Tensor.Randn([6, 5], new Generator(i)), Tensor.Randn([5], new Generator(i + 50)));
            Near(f(a, b).ToDoubles(), g.Run(a, b).ToDoubles(), "chain");
        }
        Assert.True(g.Replays >= 3, g.Explain());
        Assert.True(g.Program!.Nodes.Count(n => n.Kernel is not null) < 3, g.Explain());
    }

    [Fact]
    public void Steps_are_as_without()
    {
        double[] Train(bool joins)
        {
            Tensor.ManualSeed(1);
            var model = new Sequential(new Linear(7, 11), new Tanh(), new Linear(11, 3));
            var o = new AdamW(model.Parameters, lr: 0.01);
            Func<Tensor, Tensor, Tensor> step = (x, y) =>
            {
                o.ZeroGrad();
                var loss = F.MseLoss(model.Call(x * 0.5 + 1), y);
                loss.Backward();
                o.Step();
                return loss;
            };
            using var g = Graph.Compile(step);
            if (joins)
                g.Joined();
            var losses = new List<double>();
            for (int i = 0; i < 20; i++)
                losses.Add(
                    g.Run(Tensor.Randn([6, 7], new Generator(i)), Tensor.Randn([6, 3], new Generator(i + 90))).Item()
                );
            Assert.True(g.Replays >= 16, g.Explain());
            if (joins)
                Assert.Contains(g.Program!.Nodes, n => n.Group?.Joined is not null);
            return [.. losses, .. model.Parameters.SelectMany(p => p.ToDoubles())];
        }
        Near(Train(false), Train(true), "step");
    }
}
