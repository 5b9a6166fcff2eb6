// Reads digits of 8 × 8 pixels by one linear layer and a softmax.
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var epochs = Example.Option("--epochs", 30, "How often to go through the pictures");
var rate = Example.Option("--lr", 0.01, "Learning rate");
var command = new RootCommand("Softmax regression on optdigits-train.csv, tested on optdigits-test.csv.")
{
    Example.Data,
    epochs,
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
        Tensor.ManualSeed(parsed.GetValue(Example.Seed));
        var (x, labels) = Load("optdigits-train.csv");
        var (xTest, labelsTest) = Load("optdigits-test.csv");
        var model = new Linear(64, 10);
        var optimizer = new Adam(model.Parameters, lr);
        var loader = new DataLoader(new TensorDataset(x, labels), 64, shuffle: true);
        int turns = parsed.Within(epochs, 1, 10_000);
        var losses = new List<double>();
        using (var progress = new ProgressLine(turns, "epochs"))
        {
            for (int epoch = 0; epoch < turns; epoch++)
            {
                foreach (var (images, digits) in loader)
                {
                    using var scope = Tensor.Scope();
                    optimizer.ZeroGrad();
                    var loss = F.CrossEntropy(model.Forward(images), digits);
                    loss.Backward();
                    optimizer.Step();
                    losses.Add(loss.Item());
                }
                progress.Step(("loss", losses[^1]));
            }
        }

        using var off = Tensor.NoGrad();
        var guesses = model.Forward(xTest).ArgMax(1);
        // Row: what it is; column: what it was taken for.
        var confusion = (labelsTest * 10 + guesses).Bincount(minlength: 100).Reshape(10, 10);
        Console.WriteLine(confusion);
        Console.WriteLine(
            $"accuracy {guesses.Eq(labelsTest).Double().Mean().Item():P2} of {labelsTest.Size(0)} digits in the test"
        );
        if (parsed.GetValue(Example.Plot) is { } plot)
            Plots.Loss(plot, losses, "Softmax regression");

        (Tensor X, Tensor Labels) Load(string name)
        {
            var table = Csv.Load(Example.File(parsed, name), hasHeader: false);
            return (table[.., ..^1] / 16, table[.., ^1].Long());
        }
    }
);
