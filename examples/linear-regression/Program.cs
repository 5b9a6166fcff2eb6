// Predicts the value of houses by a weighted sum, twice: by solving the normal equations, and by descending along the gradient.
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var steps = Example.Option("--steps", 2000, "Steps of gradient descent");
var rate = Example.Option("--lr", 0.02, "Length of a step");
var command = new RootCommand(
    "Linear regression on california-housing.csv, by normal equations and by gradient descent."
)
{
    Example.Data,
    steps,
    rate,
    Example.Seed,
    Example.Plot,
};
return Example.Run(
    command,
    args,
    parsed =>
    {
        double lr = parsed.Within(rate, 0, 1000);
        var (features, values) = Housing.Load(parsed);
        var (x, xTest) = Housing.Divided(Housing.Standardized(features));
        var (y, yTest) = Housing.Divided(values / 100_000);

        // Where the gradient Xᵀ(Xw − y) is 0.
        var exact = Linalg.Solve(x.T.MatMul(x), x.T.MatMul(y));

        var w = Tensor.Zeros([x.Size(1)], DType.Float64).RequiresGrad_();
        var optimizer = new SGD([w], lr, momentum: 0.95);
        var losses = new List<double>();
        int count = parsed.Within(steps, 1, 1_000_000);
        using (var progress = new ProgressLine(count, "descent"))
        {
            for (int step = 0; step < count; step++)
            {
                using var scope = Tensor.Scope();
                optimizer.ZeroGrad();
                var loss = F.MseLoss(x.MatMul(w), y);
                loss.Backward();
                optimizer.Step();
                losses.Add(loss.Item());
                progress.Step(("loss", losses[^1]));
            }
        }

        using var off = Tensor.NoGrad();
        Console.WriteLine($"{"", 20} {"solved", 10} {"descended", 10}");
        foreach (var (name, a, b) in Housing.Features.Prepend("(mean)").Zip(exact.ToDoubles(), w.ToDoubles()))
            Console.WriteLine($"{name, -20} {a, 10:F5} {b, 10:F5}");
        Report("solved", exact);
        Report("descended", w);
        Console.WriteLine($"largest difference of weights {(exact - w).Abs().Max().Item():E2}");
        if (parsed.GetValue(Example.Plot) is { } plot)
            Plots.Loss(plot, losses, "Gradient descent");

        void Report(string name, Tensor weights)
        {
            var error = (xTest.MatMul(weights) - yTest).Square().Mean();
            double explained = (1 - error / yTest.Var(0, correction: 0)).Item();
            Console.WriteLine(
                $"{name}: {100_000 * Math.Sqrt(error.Item()):F0} dollars of root mean square error in the test, R² {explained:F3}"
            );
        }
    }
);
