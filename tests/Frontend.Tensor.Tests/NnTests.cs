using Picograd.Algorithms;
using Picograd.Models;
using Xunit;

namespace Picograd.Tests;

public class NnTests
{
    [Fact]
    public void ModulesNameTheirParameters()
    {
        var model = new Sequential(
            new Flatten(),
            new Linear(6, 4),
            new Tanh(),
            new Linear(4, 2, bias: false),
            new ReLU()
        );
        Assert.Equal(["1.weight", "1.bias", "3.weight"], model.NamedParameters.Select(p => p.Name));
        Assert.Equal(6 * 4 + 4 + 4 * 2, model.ParameterCount);
        Assert.Equal(5, model.Count);
        Assert.IsType<Tanh>(model[2]);
        Assert.All(model.Parameters, p => Assert.True(p.RequiresGrad && p.IsLeaf));
        Assert.Equal([5, 2], model.Forward(Tensor.Zeros(5, 2, 3)).Shape.ToArray());
        model.Forward(Tensor.Ones(5, 2, 3)).Sum().Backward();
        Assert.All(model.Parameters, p => Assert.NotNull(p.Grad));
        model.ZeroGrad();
        Assert.All(model.Parameters, p => Assert.Null(p.Grad));
    }

    [Fact]
    public void LinearStartsUniformWithinItsBound()
    {
        var layer = new Linear(100, 300, generator: new Generator(1));
        Assert.Equal([300, 100], layer.Weight.Shape.ToArray());
        Assert.Equal([300], layer.Bias!.Shape.ToArray());
        Assert.InRange(layer.Weight.Amax().Item(), 0.099, 0.1);
        Assert.InRange(layer.Weight.Amin().Item(), -0.1, -0.099);
        Assert.Equal(layer.Weight.ToDoubles(), new Linear(100, 300, generator: new Generator(1)).Weight.ToDoubles());
        Assert.Null(new Linear(2, 3, bias: false).Bias);
    }

    [Fact]
    public void SgdFollowsItsFormula()
    {
        double[] p = [1, -2, 0.5];
        foreach (var (momentum, decay) in new[] { (0.0, 0.0), (0.9, 0.0), (0.9, 0.1), (0.0, 0.1) })
        {
            var x = Tensor.From(p).RequiresGrad_();
            var optimizer = new SGD([x], 0.1, momentum, weightDecay: decay);
            double[] expected = [.. p];
            double[] velocity = new double[3];
            for (int step = 0; step < 4; step++)
            {
                optimizer.ZeroGrad();
                (x * x).Sum().Backward();
                optimizer.Step();
                for (int i = 0; i < 3; i++)
                {
                    double g = 2 * expected[i] + decay * expected[i];
                    velocity[i] = momentum * velocity[i] + g;
                    expected[i] -= 0.1 * velocity[i];
                }
            }
            new Plain([3], expected).Same(x, 1e-12);
        }
    }

    [Fact]
    public void AdamFollowsItsFormula()
    {
        double[] expected = [1, -2, 0.5];
        var x = Tensor.From(expected).RequiresGrad_();
        var idle = Tensor.Zeros(2).RequiresGrad_();
        var optimizer = new Adam([x, idle], 0.05, weightDecay: 0.01);
        double[] m = new double[3];
        double[] v = new double[3];
        for (int t = 1; t <= 5; t++)
        {
            optimizer.ZeroGrad();
            (x * x).Sum().Backward();
            optimizer.Step();
            for (int i = 0; i < 3; i++)
            {
                double g = 2 * expected[i] + 0.01 * expected[i];
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.999 * v[i] + 0.001 * g * g;
                double step = m[i] / (1 - Math.Pow(0.9, t)) / (Math.Sqrt(v[i] / (1 - Math.Pow(0.999, t))) + 1e-8);
                expected[i] -= 0.05 * step;
            }
        }
        new Plain([3], expected).Same(x, 1e-10);
        Assert.Equal([0, 0], idle.ToDoubles());
    }

    [Fact]
    public void OptimizersChangeParametersThatAreViewsOfOne()
    {
        var all = Tensor.Zeros([4], DType.Float64);
        var part = all[1..3].Detach().RequiresGrad_();
        var optimizer = new SGD([part], 1);
        part.Sum().Backward();
        optimizer.Step();
        Assert.Equal([0, -1, -1, 0], all.ToDoubles());
    }

    [Fact]
    public void CharacterDatasetsCountAndWindow()
    {
        string[] words = [.. Enumerable.Range(0, 10).Select(i => i % 2 == 0 ? "ab" : "b")];
        var data = new CharDataset(words, context: 2, seed: 1);
        Assert.Equal(3, data.Vocabulary);
        Assert.Equal("ab", $"{data.Character(1)}{data.Character(2)}");
        Assert.Equal(25, data.Train.Count + data.Dev.Count + data.Test.Count);
        var (contexts, targets) = data.Train.Slice(0, data.Train.Count);
        long[] c = contexts.ToArray<long>();
        long[] t = targets.ToArray<long>();
        for (int i = 0; i < t.Length; i++)
        {
            // After "a" comes "b", after "b" the end; words begin with either.
            long last = c[2 * i + 1];
            Assert.Contains((last, t[i]), new[] { (0L, 1L), (0L, 2L), (1L, 2L), (2L, 0L) });
        }
        ulong state = 3;
        var (x, y) = data.Train.Batch(7, ref state);
        Assert.Equal([7, 2], x.Shape.ToArray());
        Assert.Equal([7], y.Shape.ToArray());
    }

    [Fact]
    public void ACharacterModelLearnsAndSamples()
    {
        string[] words = [.. Enumerable.Range(0, 40).Select(i => i % 2 == 0 ? "abba" : "cdc")];
        var data = new CharDataset(words, context: 3);
        var model = new CharMlp(data.Vocabulary, new CharMlpOptions(3, 4, 16, 16), seed: 1);
        var optimizer = new Adam(model.Parameters, 0.02);
        double start = model.Loss(data.Dev);
        ulong state = 1;
        for (int step = 0; step < 60; step++)
        {
            using var scope = Tensor.Scope();
            var (contexts, targets) = data.Train.Batch(16, ref state);
            model.Step(contexts, targets, optimizer);
        }
        Assert.InRange(start, 1.0, 3.0);
        // Only the first of four or five characters is open: ln 2 over 4.5.
        Assert.InRange(model.Loss(data.Dev), 0.1, 0.35);
        var generator = new Generator(5);
        string[] samples = [.. Enumerable.Range(0, 10).Select(_ => model.Sample(data, generator))];
        Assert.True(samples.Count(s => s is "abba" or "cdc") >= 7, string.Join(' ', samples));
    }

    [Fact]
    public void TheModelsGradientsEqualCentralDifferences()
    {
        var model = new CharMlp(5, new CharMlpOptions(2, 3, 4, 6), seed: 1, DType.Float64);
        var contexts = Tensor.From<long>([0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1], [6, 2]);
        var targets = Tensor.From<long>([0, 1, 2, 3, 4, 0]);
        F.CrossEntropy(model.Forward(contexts), targets).Backward();
        using var off = Tensor.NoGrad();
        foreach (var p in model.Parameters)
        {
            for (int i = 0; i < p.NumElements; i++)
            {
                double Loss(double change)
                {
                    var element = p.Flatten()[i];
                    element += change;
                    double loss = F.CrossEntropy(model.Forward(contexts), targets).Item();
                    element -= change;
                    return loss;
                }
                double difference = (Loss(1e-5) - Loss(-1e-5)) / 2e-5;
                Assert.Equal(difference, p.Grad!.Flatten()[i].Item(), 1e-8);
            }
        }
    }

    [Fact]
    public void AStepRunsTheSpecsThatItSays()
    {
        Setup.UseEvaluator();
        var data = new CharDataset([.. Enumerable.Range(0, 40).Select(i => $"w{i}")]);
        var model = new CharMlp(data.Vocabulary, new CharMlpOptions(3, 4, 16, 16), seed: 1);
        var optimizer = new SGD(model.Parameters, 0.02);
        ulong state = 1;
        var (contexts, targets) = data.Train.Batch(16, ref state);
        foreach (string spec in model.StepSpecs())
            Dispatch.Dispatcher.Resolve(Picograd.Algorithms.Operators.OperatorSpec.Parse(spec));
        int known = Dispatch.Dispatcher.Statistics.Kernels;
        model.Step(contexts, targets, optimizer);
        // The step needs nothing beyond them but the 1 that the loss starts from.
        Assert.Equal(known + 1, Dispatch.Dispatcher.Statistics.Kernels);
    }
}
