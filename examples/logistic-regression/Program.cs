// Says whether houses are dearer than the median, by a weighted sum and the logistic function, trained with L-BFGS.
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var steps = Example.Option("--steps", 15, "Steps of L-BFGS, of 20 iterations each at most");
var command = new RootCommand("Logistic regression on california-housing.csv: is a house dearer than the median?")
{
    Example.Data,
    steps,
    Example.Seed,
    Example.Plot,
};
return Example.Run(
    command,
    args,
    parsed =>
    {
        var (features, values) = Housing.Load(parsed);
        var (x, xTest) = Housing.Divided(Housing.Standardized(features));
        var (y, yTest) = Housing.Divided((values > values.Median()).Double());

        var w = Tensor.Zeros([x.Size(1)], DType.Float64).RequiresGrad_();
        var optimizer = new LBFGS([w], lineSearchFn: "strong_wolfe");
        var losses = new List<double>();
        int count = parsed.Within(steps, 1, 10_000);
        using (var progress = new ProgressLine(count, "L-BFGS"))
        {
            for (int step = 0; step < count; step++)
            {
                using var scope = Tensor.Scope();
                var loss = optimizer.Step(() =>
                {
                    optimizer.ZeroGrad();
                    var loss = F.BinaryCrossEntropyWithLogits(x.MatMul(w), y);
                    loss.Backward();
                    return loss;
                });
                losses.Add(loss.Item());
                progress.Step(("loss", losses[^1]));
            }
        }

        using var off = Tensor.NoGrad();
        foreach (var (name, weight) in Housing.Features.Prepend("(mean)").Zip(w.ToDoubles()))
            Console.WriteLine($"{name, -20} {weight, 9:F4}");
        // At the best weights the gradient Xᵀ(σ(Xw) − y) / n is 0.
        var gradient = x.T.MatMul(x.MatMul(w).Sigmoid() - y) / x.Size(0);
        Console.WriteLine($"largest slope {gradient.Abs().Max().Item():E2}");
        Console.WriteLine(
            $"loss {losses[^1]:F4}, accuracy {((xTest.MatMul(w) > 0).Double().Eq(yTest)).Double().Mean().Item():P2} of {yTest.Size(0)} houses in the test"
        );
        if (parsed.GetValue(Example.Plot) is { } plot)
            Plots.Loss(plot, losses, "L-BFGS");
    }
);
