using Xunit;

namespace Picograd.Tests;

/// <summary>What schedulers save: PyTorch saves all but the optimizer, settings too.</summary>
public class SchedulerStateTests
{
    private static SGD New() => new([Tensor.Ones(1).RequiresGrad_()], 0.5, momentum: 0.9);

    private static readonly Dictionary<
        string,
        (Func<Optimizer, LRScheduler> First, Func<Optimizer, LRScheduler> Other, string[] Keys)
    > Cases = new()
    {
        ["step"] = (o => new StepLR(o, 2, 0.5), o => new StepLR(o, 7, 0.9), ["step_size", "gamma"]),
        ["milestones"] = (
            o => new MultiStepLR(o, [2, 3, 3], 0.5),
            o => new MultiStepLR(o, [1], 0.7),
            ["milestones", "gamma"]
        ),
        ["constant"] = (o => new ConstantLR(o, 0.25, 3), o => new ConstantLR(o, 0.5, 2), ["factor", "total_iters"]),
        ["linear"] = (
            o => new LinearLR(o, 0.25, 0.75, 6),
            o => new LinearLR(o),
            ["start_factor", "end_factor", "total_iters"]
        ),
        ["exponential"] = (o => new ExponentialLR(o, 0.9), o => new ExponentialLR(o, 0.5), ["gamma"]),
        ["polynomial"] = (o => new PolynomialLR(o, 8, 2), o => new PolynomialLR(o), ["total_iters", "power"]),
        ["cosine"] = (o => new CosineAnnealingLR(o, 6, 0.01), o => new CosineAnnealingLR(o, 3), ["T_max", "eta_min"]),
        ["restarts"] = (
            o => new CosineAnnealingWarmRestarts(o, 2, 2, 0.01),
            o => new CosineAnnealingWarmRestarts(o, 5),
            ["T_0", "T_i", "T_mult", "eta_min", "T_cur"]
        ),
        ["swa"] = (o => new SWALR(o, 0.05, 4, "linear"), o => new SWALR(o, 0.2), ["anneal_epochs"]),
        ["cyclic"] = (
            o => new CyclicLR(o, 0.1, 1, 2, 3, "exp_range", 0.9),
            o => new CyclicLR(o, 0.1, 0.5, 4),
            ["max_lrs", "total_size", "step_ratio", "mode", "gamma", "base_momentums", "max_momentums"]
        ),
        ["onecycle"] = (
            o => new OneCycleLR(o, 1, 12, pctStart: 0.25, annealStrategy: "linear"),
            o => new OneCycleLR(o, 0.3, 20),
            ["total_steps"]
        ),
        ["lambda"] = (
            o => new LambdaLR(o, e => 1.0 / (e + 1)),
            o => new LambdaLR(o, e => 1.0 / (e + 1)),
            ["lr_lambdas"]
        ),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_scheduler_goes_on_as_the_saved_one_whatever_it_was_made_with(string name)
    {
        var (make, other, keys) = Cases[name];
        var optimizer = New();
        var scheduler = make(optimizer);
        for (int i = 0; i < 3; i++)
            scheduler.Step();
        string path = Path.GetTempFileName();
        try
        {
            Checkpoint.Save(path, new() { ["optimizer"] = optimizer, ["scheduler"] = scheduler });
            Assert.All(keys, k => Assert.Contains(k, scheduler.StateDict().Keys));
            var second = New();
            var resumed = other(second);
            Checkpoint.Load(path, new() { ["optimizer"] = second, ["scheduler"] = resumed });
            for (int i = 0; i < 6; i++)
            {
                scheduler.Step();
                resumed.Step();
                Assert.Equal(scheduler.GetLastLr(), resumed.GetLastLr());
                Assert.Equal(optimizer.ParamGroups[0].Momentum, second.ParamGroups[0].Momentum);
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Plateaus_take_one_least_rate_or_several_and_save_their_settings()
    {
        var optimizer = New();
        var scheduler = new ReduceLROnPlateau(optimizer, "max", 0.5, patience: 1, minLr: 0.2, cooldown: 1);
        for (int i = 0; i < 4; i++)
            scheduler.Step(1.0);
        var second = New();
        var resumed = new ReduceLROnPlateau(second, minLr: [0.0]);
        second.LoadStateDict(optimizer.StateDict());
        resumed.LoadStateDict(scheduler.StateDict());
        foreach (double metric in new double[] { 1, 1, 2, 1, 1, 1, 1, 1, 1 })
        {
            scheduler.Step(metric);
            resumed.Step(metric);
            Assert.Equal((optimizer.Lr, scheduler.NumBadEpochs), (second.Lr, resumed.NumBadEpochs));
        }
        Assert.Equal(0.2, second.Lr);
        string[] keys =
        [
            "factor",
            "min_lrs",
            "patience",
            "cooldown",
            "eps",
            "mode",
            "threshold",
            "threshold_mode",
            "best",
        ];
        Assert.All(keys, k => Assert.Contains(k, scheduler.StateDict().Keys));
    }

    [Fact]
    public void What_does_not_fit_changes_nothing()
    {
        var optimizer = New();
        var scheduler = new StepLR(optimizer, 2);
        var state = new StepLR(New(), 5).StateDict();
        state["gamma"] = "much";
        Assert.Contains("gamma", Assert.Throws<ArgumentException>(() => scheduler.LoadStateDict(state)).Message);
        Assert.Equal(2L, scheduler.StateDict()["step_size"]);
        state = new CyclicLR(New(), 0.1, 1).StateDict();
        state["max_lrs"] = new List<object?> { 1.0, 2.0 };
        Assert.Throws<ArgumentException>(() => new CyclicLR(New(), 0.1, 1).LoadStateDict(state));
    }
}
