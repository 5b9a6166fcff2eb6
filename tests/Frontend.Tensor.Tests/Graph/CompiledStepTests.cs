using Xunit;

namespace Picograd.Tests.Graphs;

/// <summary>Training steps as programs: the same bits as without, step by step.</summary>
public class CompiledStepTests
{
    private sealed record Trainer(Module Model, Optimizer Optimizer, Func<Tensor, Tensor, Tensor> Step);

    private static Tensor Data(long seed, params long[] shape) => Tensor.Randn(shape, new Generator(seed));

    // The same training twice, once compiled. Results and parameters have the same bits in every step.
    private static CompiledFunction Compare(Func<Trainer> make, Func<int, (Tensor X, Tensor Y)> data, int steps)
    {
        Tensor.ManualSeed(1);
        var plain = make();
        var expected = new List<double[]>();
        Tensor.ManualSeed(2);
        for (int i = 0; i < steps; i++)
        {
            var (x, y) = data(i);
            expected.Add(plain.Step(x, y).ToDoubles());
        }
        long position = Generator.Default.Position;
        Tensor.ManualSeed(1);
        var trained = make();
        var compiled = Graph.Compile(trained.Step);
        Tensor.ManualSeed(2);
        for (int i = 0; i < steps; i++)
        {
            var (x, y) = data(i);
            var loss = compiled.Run(x, y);
            Assert.True(
                expected[i].SequenceEqual(loss.ToDoubles()),
                $"step {i}: {loss.ToDoubles()[0]} instead of {expected[i][0]}\n{compiled.Explain()}"
            );
        }
        Assert.Equal(position, Generator.Default.Position);
        var (a, b) = (plain.Model.StateDict(), trained.Model.StateDict());
        foreach (var (name, tensor) in a)
            Assert.True(tensor.ToDoubles().SequenceEqual(b[name].ToDoubles()), name);
        foreach (var (p, q) in plain.Model.Parameters.Zip(trained.Model.Parameters))
        {
            Assert.Equal(p.Grad is null, q.Grad is null);
            if (p.Grad is { } grad)
                Assert.True(grad.ToDoubles().SequenceEqual(q.Grad!.ToDoubles()));
        }
        Assert.True(compiled.Replays >= steps - 4, $"{compiled.Replays} of {steps} calls\n{compiled.Explain()}");
        return compiled;
    }

    private static Func<Trainer> Mlp(Func<IEnumerable<Tensor>, Optimizer> optimizer, bool zeroFirst = true) =>
        () =>
        {
            var model = new Sequential(new Linear(7, 11), new Tanh(), new Linear(11, 5), new ReLU(), new Linear(5, 3));
            var o = optimizer(model.Parameters);
            return new(
                model,
                o,
                (x, y) =>
                {
                    if (zeroFirst)
                        o.ZeroGrad();
                    var loss = F.MseLoss(model.Call(x), y);
                    loss.Backward();
                    o.Step();
                    if (!zeroFirst)
                        o.ZeroGrad();
                    return loss;
                }
            );
        };

    private static readonly Func<int, (Tensor, Tensor)> Vectors = i => (Data(100 + i, 6, 7), Data(200 + i, 6, 3));

    public static TheoryData<string> Optimizers =>
        ["SGD", "momentum", "nesterov", "Adam", "AdamW", "amsgrad", "RMSprop", "NAdam", "RAdam", "Adagrad"];

    private static Optimizer Make(string name, IEnumerable<Tensor> p) =>
        name switch
        {
            "SGD" => new SGD(p, lr: 0.1),
            "momentum" => new SGD(p, lr: 0.05, momentum: 0.9, dampening: 0.1),
            "nesterov" => new SGD(p, lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 0.01),
            "Adam" => new Adam(p, lr: 0.01),
            "AdamW" => new AdamW(p, lr: 0.01),
            "amsgrad" => new Adam(p, lr: 0.01, amsgrad: true),
            "RMSprop" => new RMSprop(p, lr: 0.01, momentum: 0.5),
            "NAdam" => new NAdam(p, lr: 0.01),
            "RAdam" => new RAdam(p, lr: 0.01),
            _ => new Adagrad(p, lr: 0.05),
        };

    [Theory]
    [MemberData(nameof(Optimizers))]
    public void Steps_of_optimizers_are_as_without(string name) => Compare(Mlp(p => Make(name, p)), Vectors, 20);

    [Fact]
    public void Gradients_may_be_forgotten_at_the_end() =>
        Compare(Mlp(p => new Adam(p, lr: 0.01), zeroFirst: false), Vectors, 12);

    [Fact]
    public void Learning_rates_may_change_between_steps()
    {
        Func<Trainer> make = Mlp(p => new Adam(p, lr: 0.02));
        Trainer? now = null;
        Compare(
            () => now = make(),
            i =>
            {
                now!.Optimizer.Lr = 0.02 / (1 + i);
                return Vectors(i);
            },
            15
        );
    }

    [Fact]
    public void Dropout_draws_the_same_numbers() =>
        Compare(
            () =>
            {
                var model = new Sequential(
                    new Linear(7, 32),
                    new Dropout(0.3),
                    new ReLU(),
                    new Dropout(0.5),
                    new Linear(32, 3)
                );
                var o = new SGD(model.Parameters, lr: 0.1);
                return new(
                    model,
                    o,
                    (x, y) =>
                    {
                        o.ZeroGrad();
                        var loss = F.MseLoss(model.Call(x + Tensor.RandnLike(x) * 0.1), y);
                        loss.Backward();
                        o.Step();
                        return loss;
                    }
                );
            },
            Vectors,
            12
        );

    [Fact]
    public void Statistics_of_batch_norm_move()
    {
        var compiled = Compare(
            () =>
            {
                var model = new Sequential(
                    new Conv2d(2, 4, 3, padding: 1),
                    new BatchNorm2d(4),
                    new ReLU(),
                    new MaxPool2d(2),
                    new Flatten(),
                    new Linear(4 * 3 * 3, 5)
                );
                var o = new SGD(model.Parameters, lr: 0.05, momentum: 0.9);
                return new(
                    model,
                    o,
                    (x, y) =>
                    {
                        o.ZeroGrad();
                        var loss = F.CrossEntropy(model.Call(x), y);
                        loss.Backward();
                        o.Step();
                        return loss;
                    }
                );
            },
            i => (Data(300 + i, 4, 2, 6, 6), Tensor.RandInt(0, 5, [4], new Generator(400 + i))),
            12
        );
        Assert.Contains("batchnorm", compiled.Explain(), StringComparison.Ordinal);
    }

    [Fact]
    public void Recurrent_layers() =>
        Compare(
            () =>
            {
                var model = new LSTM(3, 5);
                var o = new Adam(model.Parameters, lr: 0.02);
                return new(
                    model,
                    o,
                    (x, y) =>
                    {
                        o.ZeroGrad();
                        var (output, _) = model.Forward(x, null);
                        var loss = F.MseLoss(output, y);
                        loss.Backward();
                        o.Step();
                        return loss;
                    }
                );
            },
            i => (Data(500 + i, 6, 2, 3), Data(600 + i, 6, 2, 5)),
            10
        );

    // Gradients of two batches, in one step; and gradients that an earlier call left.
    [Fact]
    public void Gradients_add_up_within_a_step() =>
        Compare(
            () =>
            {
                var model = new Sequential(new Linear(7, 9), new Tanh(), new Linear(9, 3));
                var o = new AdamW(model.Parameters, lr: 0.01);
                return new(
                    model,
                    o,
                    (x, y) =>
                    {
                        o.ZeroGrad();
                        Tensor? all = null;
                        for (int i = 0; i < 2; i++)
                        {
                            var loss = F.MseLoss(model.Call(x.Narrow(0, 3 * i, 3)), y.Narrow(0, 3 * i, 3)) / 2;
                            loss.Backward();
                            all = all is null ? loss.Detach() : all + loss.Detach();
                        }
                        Clipping.ClipGradNorm_(model.Parameters, 0.5);
                        o.Step();
                        return all!;
                    }
                );
            },
            Vectors,
            12
        );

    [Fact]
    public void Gradients_add_up_over_calls()
    {
        double[] Train(bool compiles)
        {
            Tensor.ManualSeed(3);
            var model = new Linear(4, 2);
            var o = new SGD(model.Parameters, lr: 0.1);
            Func<Tensor, Tensor> forward = x =>
            {
                var loss = model.Call(x).Square().Mean();
                loss.Backward();
                return loss;
            };
            var run = Graph.Compile(forward);
            for (int i = 0; i < 24; i++)
            {
                var x = Data(700 + i, 3, 4);
                _ = compiles ? run.Run(x) : forward(x);
                if (i % 3 == 2)
                {
                    o.Step();
                    o.ZeroGrad();
                }
            }
            Assert.True(!compiles || run.Replays > 8, run.Explain());
            return [.. model.Weight.ToDoubles(), .. model.Bias!.ToDoubles()];
        }
        Assert.Equal(Train(false), Train(true));
    }
}
