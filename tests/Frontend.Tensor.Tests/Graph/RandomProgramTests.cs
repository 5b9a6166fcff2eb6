using Xunit;

namespace Picograd.Tests.Graphs;

/// <summary>
/// Random training steps (views, changes in place, random numbers, statistics, gradients that add up), compiled and not: the same bits
/// everywhere after every step.
/// </summary>
public class RandomProgramTests
{
    private const int Rows = 4;
    private const int Columns = 6;
    private const int Steps = 6;

    // 500 take about 5 s of one core.
    private static int Programs =>
        int.TryParse(Environment.GetEnvironmentVariable("PICOGRAD_GRAPH_PROGRAMS"), out int n) ? n : 500;

    // Everything that a program has, and what it does.
    private sealed class Step
    {
        private readonly int _seed;
        private readonly Tensor[] _weights;
        private readonly Tensor[] _buffers;
        private readonly Optimizer _optimizer;

        public Step(int seed)
        {
            _seed = seed;
            var random = new Random(seed);
            var draws = new Generator(seed);
            _weights =
            [
                .. Enumerable
                    .Range(0, 3)
                    .Select(i => (Tensor.Randn(i == 2 ? [Columns] : [Columns, Columns], draws) * 0.3).RequiresGrad_()),
            ];
            _buffers = [Tensor.Zeros([Columns]), Tensor.Ones([Rows, Columns])];
            _optimizer = random.Next(3) switch
            {
                0 => new SGD(_weights, lr: 0.05),
                1 => new SGD(_weights, lr: 0.05, momentum: 0.8),
                _ => new AdamW(_weights, lr: 0.01),
            };
        }

        public IEnumerable<Tensor> State =>
            [.. _weights, .. _buffers, .. _weights.Select(w => w.Grad).OfType<Tensor>()];

        public Tensor[] Run(Tensor[] arguments)
        {
            var random = new Random(_seed);
            var values = new List<Tensor>(arguments.Take(2));
            Tensor Any() => values[random.Next(values.Count)];
            int forget = random.Next(4);
            if (forget <= 1)
                _optimizer.ZeroGrad(setToNone: forget == 0);
            int length = random.Next(3, 14);
            for (int i = 0; i < length; i++)
                values.Add(Next(random, Any));
            var loss = values[^1].Square().Mean();
            if (random.Next(2) == 0)
                loss = loss + (Any() * _weights[2]).Mean();
            if (!loss.RequiresGrad)
                loss = loss + _weights[0].Square().Sum() * 0.01;
            loss.Backward();
            if (random.Next(5) == 0)
                Clipping.ClipGradNorm_(_weights, 0.7);
            if (random.Next(6) > 0)
                _optimizer.Step();
            if (forget == 2)
                _optimizer.ZeroGrad();
            return random.Next(3) switch
            {
                0 => [loss],
                1 => [loss, values[^1].Detach(), values[^1].Detach()[0]],
                _ => [loss, Any().Detach().Clone()],
            };
        }

        private Tensor Next(Random random, Func<Tensor> any)
        {
            var a = any();
            switch (random.Next(17))
            {
                case 0:
                    return a + any();
                case 1:
                    return a * any();
                case 2:
                    return (a - any()) * 0.5;
                case 3:
                    return a.Tanh();
                case 4:
                    return a.Relu();
                case 5:
                    return a.MatMul(_weights[random.Next(2)]);
                case 6:
                    return a + _weights[2];
                case 7:
                    return a.Narrow(0, 1, 2).Sum(0) + a;
                case 8:
                    return Tensor.Cat([a.Narrow(0, 2, 2), any().Narrow(0, 0, 2)], 0);
                case 9:
                    return a.Transpose(0, 1).Clone().Transpose(0, 1).Sigmoid();
                case 10:
                    return F.Dropout(a, 0.4);
                case 11:
                {
                    var b = a.Clone();
                    b.Mul_(0.5);
                    b[random.Next(Rows)] = 0.25;
                    b.Add_(any());
                    return b;
                }
                case 12:
                    return Tensor.Where(a > 0, a, any() * 0.1);
                case 13:
                    return F.Softmax(a, -1);
                case 14:
                {
                    using (Tensor.NoGrad())
                        _buffers[0].Mul_(0.9).Add_(a.Detach().Mean(0) * 0.1);
                    return a - _buffers[0].Clone();
                }
                case 15:
                {
                    using (Tensor.NoGrad())
                        _buffers[1].Copy_(a.Detach());
                    return a * 0.9 + Tensor.Randn([Rows, Columns]) * 0.01;
                }
                default:
                    return a.Flip(0) + 0.1;
            }
        }
    }

    [Fact]
    public void Programs_are_as_without()
    {
        long replays = 0;
        for (int seed = 0; seed < Programs; seed++)
        {
            using var scope = Tensor.Scope();
            var (plain, compiled) = (new Step(seed), new Step(seed));
            using var function = Graph.Compile(compiled.Run);
            var data = new Generator(seed + 9000);
            for (int step = 0; step < Steps; step++)
            {
                Tensor[] x = [Tensor.Randn([Rows, Columns], data), Tensor.Randn([Rows, Columns], data)];
                Tensor[] y = [x[0].Clone(), x[1].Clone()];
                long position = Generator.Default.ManualSeed(seed * 100 + step).Position;
                var expected = plain.Run(x);
                long moved = Generator.Default.Position;
                Generator.Default.Position = position;
                var found = function.Invoke(y);
                Assert.Equal(moved, Generator.Default.Position);
                Same(expected, found, seed, step, function);
                Same([.. plain.State], [.. compiled.State], seed, step, function);
                Same(x, y, seed, step, function);
            }
            replays += function.Replays;
        }
        Assert.True(replays >= Programs * (Steps - 4), $"{replays} calls of {Programs * Steps} were programs");
    }

    private static void Same(Tensor[] a, Tensor[] b, int seed, int step, CompiledFunction function)
    {
        bool equal = a.Length == b.Length;
        for (int i = 0; equal && i < a.Length; i++)
            equal = a[i].Layout.SameSizes(b[i].Layout) && a[i].ToDoubles().SequenceEqual(b[i].ToDoubles());
        Assert.True(equal, $"seed {seed}, step {step}\n{function.Explain()}");
    }
}
