// The exclusive or: what no single layer can do, four hidden units learn.
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var steps = Example.Option("--steps", 400, "Steps of training");
var hidden = Example.Option("--hidden", 4, "Hidden units");
var picture = new Option<string?>("--graph")
{
    Description = "File for a picture of the last step's computation, .svg or .dot",
};
var command = new RootCommand("Learns the exclusive or with one hidden layer.")
{
    steps,
    hidden,
    Example.Seed,
    Example.Plot,
    picture,
};
return Example.Run(
    command,
    args,
    parsed =>
    {
        Tensor.ManualSeed(parsed.GetValue(Example.Seed));
        var x = Tensor.From(
            new float[,]
            {
                { 0, 0 },
                { 0, 1 },
                { 1, 0 },
                { 1, 1 },
            }
        );
        var y = Tensor.From(
            new float[,]
            {
                { 0 },
                { 1 },
                { 1 },
                { 0 },
            }
        );
        int units = parsed.Within(hidden, 1, 1000);
        var model = new Sequential(new Linear(2, units), new Tanh(), new Linear(units, 1));
        var optimizer = new Adam(model.Parameters, lr: 0.05);
        var losses = new List<double>();
        int count = parsed.Within(steps, 1, 1_000_000);
        using (var progress = new ProgressLine(count, "xor"))
        {
            for (int step = 1; step <= count; step++)
            {
                using var scope = Tensor.Scope();
                using var record =
                    step == count && parsed.GetValue(picture) is not null ? ExpressionGraph.Record() : null;
                optimizer.ZeroGrad();
                var loss = F.BinaryCrossEntropyWithLogits(model.Forward(x), y);
                loss.Backward();
                if (record is not null)
                    ExpressionGraph.Of(loss).Save(parsed.GetValue(picture)!);
                optimizer.Step();
                losses.Add(loss.Item());
                progress.Step(("loss", losses[^1]));
            }
        }
        using var off = Tensor.NoGrad();
        double[] answers = model.Forward(x).Sigmoid().ToDoubles();
        for (int i = 0; i < 4; i++)
            Console.WriteLine($"{i / 2} xor {i % 2} = {answers[i]:F3}");
        if (parsed.GetValue(Example.Plot) is { } plot)
            Plots.Loss(plot, losses, "Exclusive or");
    }
);
