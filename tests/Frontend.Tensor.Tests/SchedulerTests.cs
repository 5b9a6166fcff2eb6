using Xunit;

namespace Picograd.Tests;

/// <summary>Learning rates against closed forms from PyTorch's documentation.</summary>
public class SchedulerTests
{
    private static SGD Optimizer(double lr = 0.5, int groups = 1) =>
        new(
            [
                .. Enumerable
                    .Range(0, groups)
                    .Select(g => new ParamGroup(Tensor.Zeros(1).RequiresGrad_()) { Lr = lr * (g + 1) }),
            ],
            momentum: 0.9
        );

    private static void Follows(Func<Optimizer, LRScheduler> make, Func<int, double> expected, int epochs = 25)
    {
        var optimizer = Optimizer(groups: 2);
        var scheduler = make(optimizer);
        for (int epoch = 0; epoch < epochs; epoch++)
        {
            Assert.Equal(0.5 * expected(epoch), optimizer.ParamGroups[0].Lr, 1e-12);
            Assert.Equal(1.0 * expected(epoch), optimizer.ParamGroups[1].Lr, 1e-12);
            Assert.Equal(scheduler.GetLastLr(), optimizer.ParamGroups.Select(g => g.Lr));
            // Half way all goes on from the state, in new objects.
            if (epoch == epochs / 2)
            {
                var (saved, kept) = (optimizer.StateDict(), scheduler.StateDict());
                optimizer = Optimizer(groups: 2);
                scheduler = make(optimizer);
                optimizer.LoadStateDict(saved);
                scheduler.LoadStateDict(kept);
            }
            optimizer.Step();
            scheduler.Step();
        }
    }

    [Fact]
    public void Factors_follow_their_closed_forms()
    {
        Follows(o => new LambdaLR(o, e => Math.Pow(0.95, e)), e => Math.Pow(0.95, e));
        Follows(
            o => new MultiplicativeLR(o, e => 1.0 / (1 + e)),
            e => Enumerable.Range(1, e).Aggregate(1.0, (a, i) => a / (1 + i))
        );
        Follows(o => new StepLR(o, 7, 0.3), e => Math.Pow(0.3, e / 7));
        Follows(
            o => new MultiStepLR(o, [3, 8, 8, 20], 0.5),
            e => Math.Pow(0.5, new[] { 3, 8, 8, 20 }.Count(m => m <= e))
        );
        Follows(o => new ConstantLR(o, 0.25, 4), e => e < 4 ? 0.25 : 1);
        Follows(o => new LinearLR(o, 0.1, 0.8, 10), e => 0.1 + 0.7 * Math.Min(e, 10) / 10);
        Follows(o => new ExponentialLR(o, 0.9), e => Math.Pow(0.9, e));
        Follows(o => new PolynomialLR(o, 12, 2), e => Math.Pow(1 - Math.Min(e, 12) / 12.0, 2));
        Follows(o => new CosineAnnealingLR(o, 9), e => (1 + Math.Cos(Math.PI * e / 9)) / 2);
        Follows(
            o => new CosineAnnealingWarmRestarts(o, 4, 2),
            e =>
            {
                int length = 4;
                while (e >= length)
                    (e, length) = (e - length, length * 2);
                return (1 + Math.Cos(Math.PI * e / length)) / 2;
            }
        );
        Follows(
            o => new SequentialLR(o, [new LinearLR(o, 0.2, 1, 5), new ExponentialLR(o, 0.8)], [5]),
            e => e < 5 ? 0.2 + 0.8 * e / 5 : Math.Pow(0.8, e - 5)
        );
        Follows(
            o => new ChainedScheduler([new ConstantLR(o, 0.1, 3), new ExponentialLR(o, 0.9)]),
            e => (e < 3 ? 0.1 : 1) * Math.Pow(0.9, e)
        );
    }

    [Fact]
    public void Cycles_move_rates_and_momentum_against_each_other()
    {
        var optimizer = Optimizer();
        var cyclic = new CyclicLR(optimizer, 0.1, 0.5, stepSizeUp: 4, stepSizeDown: 2, mode: "triangular2");
        double[] heights = [0, 0.25, 0.5, 0.75, 1, 0.5, 0, 0.125, 0.25, 0.375, 0.5, 0.25];
        foreach (double height in heights)
        {
            Assert.Equal(0.1 + 0.4 * height, optimizer.Lr, 1e-12);
            Assert.Equal(0.9 - 0.1 * height, optimizer.ParamGroups[0].Momentum, 1e-12);
            cyclic.Step();
        }
        var adam = new Adam([Tensor.Zeros(1).RequiresGrad_()]);
        var once = new OneCycleLR(adam, maxLr: 1, totalSteps: 10, pctStart: 0.3, annealStrategy: "linear");
        double[] rates = [0.04, 0.52, 1, .. Enumerable.Range(1, 7).Select(i => 1 - i / 7.0 * (1 - 0.04 / 1e4))];
        for (int i = 0; i < rates.Length; i++)
        {
            Assert.Equal(rates[i], adam.Lr, 1e-12);
            Assert.Equal(i <= 2 ? 0.95 - 0.05 * i : 0.85 + 0.1 * (i - 2) / 7, adam.ParamGroups[0].Betas.Beta1, 1e-12);
            once.Step();
        }
        Assert.Throws<InvalidOperationException>(once.Step);
        var rate = Optimizer();
        var swa = new SWALR(rate, 0.1, annealEpochs: 4, annealStrategy: "linear");
        foreach (double expected in new[] { 0.5, 0.4, 0.3, 0.2, 0.1, 0.1 })
        {
            Assert.Equal(expected, rate.Lr, 1e-12);
            swa.Step();
        }
        Assert.Throws<ArgumentException>(() => new OneCycleLR(adam, 1));
        Assert.Throws<ArgumentException>(() => new CyclicLR(new Adagrad([Tensor.Zeros(1).RequiresGrad_()]), 0.1, 1));
    }

    [Fact]
    public void A_plateau_lowers_the_rate_after_patience_and_waits()
    {
        var optimizer = Optimizer(1);
        var scheduler = new ReduceLROnPlateau(optimizer, factor: 0.5, patience: 1, cooldown: 1, minLr: [0.2]);
        (double Loss, double Lr)[] epochs =
        [
            (1, 1),
            (0.9, 1),
            (0.9, 1),
            (0.9, 0.5),
            (0.95, 0.5),
            (0.95, 0.5),
            (0.95, 0.25),
            (0.8, 0.25),
            (0.9, 0.25),
            (0.9, 0.2),
        ];
        foreach (var (loss, lr) in epochs)
        {
            scheduler.Step(loss);
            Assert.Equal(lr, optimizer.Lr);
        }
        Assert.Equal(0.8, scheduler.Best);
        Assert.Throws<InvalidOperationException>(scheduler.Step);
        Assert.Throws<ArgumentOutOfRangeException>(() => new ReduceLROnPlateau(optimizer, factor: 1));
    }

    [Fact]
    public void Gradients_are_clipped_by_norm_and_value()
    {
        var a = Tensor.Zeros(2).RequiresGrad_();
        var b = Tensor.Zeros([1], Picograd.DType.Float64).RequiresGrad_();
        var without = Tensor.Zeros(3).RequiresGrad_();
        void Set() => (a.Grad, b.Grad) = (Tensor.From([3f, -4f]), Tensor.From([12.0]));
        Set();
        Assert.Equal(13, Clipping.ClipGradNorm_([a, b, without], 26).Item());
        Assert.Equal([3, -4], a.Grad!.ToDoubles());
        Assert.Equal(13, Clipping.ClipGradNorm_([a, b, without], 1.3).Item());
        Assert.Equal(-0.4, a.Grad!.ToDoubles()[1], 1e-6);
        Assert.Equal(1.2, b.Grad!.Item(), 1e-6);
        Set();
        Assert.Equal(12, Clipping.ClipGradNorm_([a, b], 6, double.PositiveInfinity).Item());
        Assert.Equal(1.5, a.Grad!.ToDoubles()[0], 1e-6);
        Set();
        Clipping.ClipGradValue_([a, b, without], 3.5);
        Assert.Equal([3, -3.5, 3.5], [.. a.Grad!.ToDoubles(), b.Grad!.Item()]);
        a.Grad = Tensor.From([float.NaN, 1]);
        Assert.Throws<InvalidOperationException>(() => Clipping.ClipGradNorm_([a], 1, errorIfNonfinite: true));
        Assert.Equal(0, Clipping.ClipGradNorm_([without], 1).Item());
    }

    [Fact]
    public void The_scale_follows_what_gradients_become()
    {
        var x = Tensor.Ones(2).RequiresGrad_();
        var optimizer = new SGD([x], 1);
        var scaler = new GradScaler(initScale: 8, growthInterval: 2);
        bool Step(double slope)
        {
            optimizer.ZeroGrad();
            scaler.Scale((x * slope).Sum()).Backward();
            bool done = scaler.Step(optimizer);
            scaler.Update();
            return done;
        }
        Assert.True(Step(0.25));
        Assert.Equal([0.75, 0.75], x.ToDoubles());
        Assert.False(Step(double.PositiveInfinity));
        Assert.Equal((4, 0.75), (scaler.GetScale(), x.ToDoubles()[0]));
        Assert.True(Step(0) && Step(0));
        Assert.Equal(8, scaler.GetScale());
        var other = new GradScaler();
        other.LoadStateDict(scaler.StateDict());
        Assert.Equal(8, other.GetScale());
        scaler.Unscale_(optimizer);
        Assert.Throws<InvalidOperationException>(() => scaler.Unscale_(optimizer));
        Assert.Equal(1, new GradScaler(enabled: false).GetScale());
    }

    [Fact]
    public void Chained_schedulers_are_undone_in_a_sequence_too()
    {
        var optimizer = new SGD([Tensor.Zeros(1).RequiresGrad_()], lr: 1);
        var chained = new ChainedScheduler([new LinearLR(optimizer, 0.1, 1, 10)]);
        var sequence = new SequentialLR(optimizer, [chained, new ExponentialLR(optimizer, 0.9)], [10]);
        Assert.Equal(0.1, optimizer.ParamGroups[0].Lr, 12);
        sequence.Step();
        Assert.Equal(0.19, optimizer.ParamGroups[0].Lr, 12);
    }

    [Fact]
    public void Averaged_models_have_parameters_of_their_own()
    {
        var model = new Sequential(new Linear(2, 3), new BatchNorm1d(3));
        var mean = new AveragedModel(model);
        var ema = new AveragedModel(model, AveragedModel.Ema(0.5));
        var weight = model.Parameters.First();
        using (Tensor.NoGrad())
        {
            for (int i = 1; i <= 4; i++)
            {
                weight.Fill_(i);
                mean.UpdateParameters(model);
                ema.UpdateParameters(model);
            }
        }
        Assert.All(mean.Module.Parameters.First().ToDoubles(), v => Assert.Equal(2.5, v, 1e-6));
        // 1, 1.5, 2.25, 3.125.
        Assert.All(ema.Module.Parameters.First().ToDoubles(), v => Assert.Equal(3.125, v, 1e-6));
        Assert.All(weight.ToDoubles(), v => Assert.Equal(4, v));
        Assert.Equal(4, mean.NAveraged.Item());
        var x = Tensor.Randn([16, 2], new Generator(2)) * 3 + 1;
        AveragedModel.UpdateBn([x[..8], x[8..]], mean);
        double[] expected = ((Linear)mean.Module.Children.First()).Forward(x).Mean(0).ToDoubles();
        double[] got = ((BatchNorm1d)mean.Module.Children.Last()).RunningMean!.ToDoubles();
        Assert.All(expected.Zip(got), v => Assert.Equal(v.First, v.Second, 1e-4));
        Assert.NotEqual(((BatchNorm1d)model.Children.Last()).RunningMean!.ToDoubles(), got);
    }
}
