// A generalized linear model: counts of households with a logarithmic link (Poisson), fitted by iterated least squares, which is
// Newton's method, and checked by L-BFGS on the likelihood.
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var iterations = Example.Option("--iterations", 12, "Steps of iterated least squares");
var command = new RootCommand("Poisson regression: how many households a district of california-housing.csv has.")
{
    Example.Data,
    iterations,
    Example.Seed,
    Example.Plot,
};
return Example.Run(
    command,
    args,
    parsed =>
    {
        var (features, _) = Housing.Load(parsed);
        Tensor Column(string name) => features[.., Array.IndexOf(Housing.Features, name)];
        string[] names = ["log population", "log rooms", "housing_median_age", "median_income"];
        var columns = Tensor.Stack(
            [
                Column("population").Log(),
                Column("total_rooms").Log(),
                Column("housing_median_age"),
                Column("median_income"),
            ],
            1
        );
        var (x, xTest) = Housing.Divided(Housing.Standardized(columns));
        var (y, yTest) = Housing.Divided(Column("households"));

        // Newton's step solves least squares with the weights µ for z = η + (y − µ) / µ.
        var w = Tensor.Zeros([x.Size(1)], DType.Float64);
        w[0] = Math.Log(y.Mean().Item());
        var deviances = new List<double>();
        int count = parsed.Within(iterations, 1, 1000);
        using (var progress = new ProgressLine(count, "least squares"))
        {
            for (int i = 0; i < count; i++)
            {
                var eta = x.MatMul(w);
                var mean = eta.Exp();
                var weighted = x * mean.Unsqueeze(1);
                w = Linalg.Solve(weighted.T.MatMul(x), weighted.T.MatMul(eta + (y - mean) / mean));
                deviances.Add(Deviance(y, x.MatMul(w).Exp()) / y.Size(0));
                progress.Step(("deviance", deviances[^1]));
            }
        }

        var v = Tensor.Zeros([x.Size(1)], DType.Float64);
        v[0] = Math.Log(y.Mean().Item());
        v.RequiresGrad_();
        var optimizer = new LBFGS([v], maxIter: 200, lineSearchFn: "strong_wolfe");
        optimizer.Step(() =>
        {
            optimizer.ZeroGrad();
            var loss = F.PoissonNllLoss(x.MatMul(v), y) / 100;
            loss.Backward();
            return loss;
        });

        using var off = Tensor.NoGrad();
        Console.WriteLine($"{"", 20} {"Newton", 10} {"L-BFGS", 10}");
        foreach (var (name, a, b) in names.Prepend("(mean)").Zip(w.ToDoubles(), v.ToDoubles()))
            Console.WriteLine($"{name, -20} {a, 10:F5} {b, 10:F5}");
        Console.WriteLine($"largest difference of weights {(w - v).Abs().Max().Item():E2}");
        var nothing = Tensor.FullLike(yTest, y.Mean().Item());
        Console.WriteLine(
            $"explained deviance in the test {1 - Deviance(yTest, xTest.MatMul(w).Exp()) / Deviance(yTest, nothing):F4}"
        );
        if (parsed.GetValue(Example.Plot) is { } plot)
            Plots.Lines(plot, [("deviance", deviances)], "Iterated least squares", yLabel: "mean deviance");

        static double Deviance(Tensor y, Tensor mean) => 2 * (y.Xlogy(y / mean) - (y - mean)).Sum().Item();
    }
);
